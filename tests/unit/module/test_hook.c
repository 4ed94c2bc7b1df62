/* SPDX-License-Identifier: ISC */
/* test_hook.c: whole handshakes, one for every line of "which chain" and of the rules. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../harness.h"
#include "log_budget.h"

#define RSA_ONLY "ECDHE-RSA-AES128-GCM-SHA256"
#define ECDSA_ONLY "ECDHE-ECDSA-AES128-GCM-SHA256"

static struct world *world;
static struct world *filled;    /* to be copied, where making one takes long */
static struct bench bench;
static char long_name[254];     /* 253 characters, bound */

static void
make_long_name(void)
{
	memset(long_name, 'l', 253);
	for (int i = 61; i < 250; i += 62)
		long_name[i] = '.';
	strcpy(long_name + 253 - 8, ".example");
}

static int64_t
add(const char *cn, enum key_kind kind, const char *names)
{
	struct spec spec = { .cn = cn, .kind = kind, .names = names };

	return world_add(world, &spec);
}

/* The fallbacks are for no name: they are bound by hand. */
static int64_t
add_fallback(const char *cn, enum key_kind kind, const char *key)
{
	char names[80];
	struct spec spec = { .cn = cn, .kind = kind, .names = names, .no_bind = true };
	int64_t id;

	/* A namesake would take the other's fallback over. */
	snprintf(names, sizeof(names), "%s.invalid", cn);
	id = world_add(world, &spec);
	world_bind(world, key, id);
	return id;
}

static void
fill(void)
{
	struct spec long_one = { .cn = "long", .no_bind = true };

	add("a-ec", KEY_P256, "mx.a.example");
	add("a-rsa", KEY_RSA, "mx.a.example");
	add("a-ed", KEY_ED25519, "mx.a.example");
	add("w-ec", KEY_P256, "*.w.example");
	add("x-rsa", KEY_RSA, "x.w.example");
	add("ec-only", KEY_P256, "ec.example");
	add("rsa-only", KEY_RSA, "rsa.example");
	add("p384", KEY_P384, "p384.example");
	add("ed", KEY_ED25519, "ed.example");
	world_bind(world, long_name, world_add(world, &long_one));
	add_fallback("fb-rsa", KEY_RSA, "@");
	add_fallback("fb-ec", KEY_P256, "@");
}

static void
setup(void)
{
	make_long_name();
	if (filled != NULL) {
		world = world_copy(filled);
	} else {
		world = world_new();
		fill();
	}
	bench_open(&bench, world);
}

static void
teardown(void)
{
	bench_close(&bench);
	world_free(world);
}

static void
setup_empty(void)
{
	world = world_new();
}

static void
teardown_empty(void)
{
	world_free(world);
}

static void
expect(const char *label, const struct client *c, const char *leaf)
{
	struct outcome out;

	handshake(bench.ctx, c, &out);
	ck_assert_msg(out.done, "%s: no handshake, alert %d", label, out.alert);
	ck_assert_msg(strcmp(out.leaf, leaf) == 0, "%s: got %s want %s", label, out.leaf, leaf);
	ck_assert_msg(strcmp(out.name, c->name == NULL ? "" : c->name) == 0,
	    "%s: the host sees the name \"%s\"", label, out.name);
	outcome_clear(&out);
}

/* --- which chain ---------------------------------------------------------- */

static const struct {
	const char *label;
	struct client client;
	const char *want12, *want13;
} choices[] = {
	{ "exact, able to all", { .name = "mx.a.example" }, "a-ec", "a-ec" },
	{ "exact, RSA first", { .name = "mx.a.example", .ciphers = RSA_ONLY ":" ECDSA_ONLY,
	    .sigalgs = "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256:ed25519" }, "a-rsa", "a-rsa" },
	{ "exact, Ed25519 only", { .name = "mx.a.example", .sigalgs = "ed25519" }, "a-ed", "a-ed" },
	{ "exact, RSA only", { .name = "mx.a.example", .ciphers = RSA_ONLY,
	    .sigalgs = "rsa_pss_rsae_sha256:RSA+SHA256" }, "a-rsa", "a-rsa" },
	{ "exact, ECDSA only", { .name = "mx.a.example", .ciphers = ECDSA_ONLY,
	    .sigalgs = "ECDSA+SHA256" }, "a-ec", "a-ec" },
	{ "wildcard", { .name = "y.w.example" }, "w-ec", "w-ec" },
	{ "wildcard, never the apex", { .name = "w.example" }, "fb-ec", "fb-ec" },
	{ "wildcard, not two labels", { .name = "a.y.w.example" }, "fb-ec", "fb-ec" },
	{ "the wildcard's own text", { .name = "*.w.example" }, "fb-ec", "fb-ec" },
	{ "a fallback's key", { .name = "@" }, "fb-ec", "fb-ec" },
	{ "exact RSA before wildcard ECDSA", { .name = "x.w.example" }, "x-rsa", "x-rsa" },
	{ "wildcard where the exact one is of no use", { .name = "x.w.example",
	    .ciphers = ECDSA_ONLY, .sigalgs = "ECDSA+SHA256" }, "w-ec", "w-ec" },
	{ "RSA only for an ECDSA name", { .name = "ec.example", .ciphers = RSA_ONLY,
	    .sigalgs = "rsa_pss_rsae_sha256:RSA+SHA256" }, "fb-rsa", "fb-rsa" },
	{ "ECDSA only for an RSA name", { .name = "rsa.example", .ciphers = ECDSA_ONLY,
	    .sigalgs = "ECDSA+SHA256" }, "fb-ec", "fb-ec" },
	{ "RSA key exchange for an ECDSA name", { .name = "ec.example", .ciphers = "AES128-GCM-SHA256" },
	    "fb-rsa", "ec-only" },
	{ "DHE, for which this server has no parameters", { .name = "rsa.example",
	    .ciphers = "DHE-RSA-AES128-GCM-SHA256:" ECDSA_ONLY }, "fb-ec", "rsa-only" },
	{ "RSA name", { .name = "rsa.example" }, "rsa-only", "rsa-only" },
	{ "P-384", { .name = "p384.example" }, "p384", "p384" },
	{ "P-384, its scheme not offered", { .name = "p384.example",
	    .sigalgs = "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256" }, "p384", "fb-ec" },
	{ "P-384, its curve not offered", { .name = "p384.example", .groups = "P-256:X25519" },
	    "fb-ec", "p384" },
	{ "Ed25519", { .name = "ed.example" }, "ed", "ed" },
	{ "Ed25519 not offered", { .name = "ed.example", .sigalgs = "ECDSA+SHA256:RSA+SHA256:rsa_pss_rsae_sha256" },
	    "fb-ec", "fb-ec" },
	{ "unknown name", { .name = "nobody.example" }, "fb-ec", "fb-ec" },
	{ "one label", { .name = "localhost" }, "fb-ec", "fb-ec" },
	{ "no name", { .name = NULL }, "fb-ec", "fb-ec" },
	{ "no name, RSA only", { .ciphers = RSA_ONLY, .sigalgs = "rsa_pss_rsae_sha256:RSA+SHA256" },
	    "fb-rsa", "fb-rsa" },
};

START_TEST(test_choice)
{
	struct client c = choices[_i].client;

	c.version = TLS1_2_VERSION;
	expect(choices[_i].label, &c, choices[_i].want12);
	c.version = 0;
	expect(choices[_i].label, &c, choices[_i].want13);
	/* And from the cache. */
	expect(choices[_i].label, &c, choices[_i].want13);
}
END_TEST

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *label, *name, *want;
} oddities[] = {
	{ "upper case", "MX.A.Example", "a-ec" },
	{ "upper case under a wildcard", "Y.W.EXAMPLE", "w-ec" },
	{ "trailing dot", "mx.a.example.", "a-ec" },
	{ "two trailing dots", "mx.a.example..", "fb-ec" },
	{ "IPv4 literal", "192.0.2.1", "fb-ec" },
	{ "IPv6 literal", "2001:db8::1", "fb-ec" },
	{ "IPv6 literal in brackets", "[2001:db8::1]", "fb-ec" },
	{ "253 characters", long_name, "long" },
	{ "empty label", "mx..a.example", "fb-ec" },
	{ "empty first label", ".w.example", "fb-ec" },
	{ "a dot", ".", "fb-ec" },
	{ "underscore", "_smtp_.w.example", "w-ec" },
	{ "hyphens", "-.w.example", "w-ec" },
	{ "label of 63", L63 ".w.example", "w-ec" },
	{ "label of 64", L63 "a.w.example", "fb-ec" },
	{ "U-label", "b\xc3\xbc" "cher.w.example", "fb-ec" },
	{ "ideographic full stop", "y\xe3\x80\x82w.example", "fb-ec" },
	{ "octets of 0x80 and more", "\x80\xff\xfe.w.example", "fb-ec" },
	{ "quotes and percents", "'\"%s%n%n\\.w.example", "fb-ec" },
	{ "SQL", "' OR 1=1 --", "fb-ec" },
	{ "line feed", "y\n.w.example", "fb-ec" },
	{ "path", "../../etc/passwd", "fb-ec" },
	{ "blank", " mx.a.example", "fb-ec" },
	{ "backslash at the end", "mx.a.example\\", "fb-ec" },
	{ "fallback of an address", "@127.0.0.1", "fb-ec" },
};

START_TEST(test_oddity)
{
	struct client c = { .name = oddities[_i].name };

	expect(oddities[_i].label, &c, oddities[_i].want);
	c.version = TLS1_2_VERSION;
	expect(oddities[_i].label, &c, oddities[_i].want);
	ck_assert_msg(bench_counters(&bench).trouble == 0, "%s is no trouble", oddities[_i].label);
}
END_TEST

START_TEST(test_long_names)
{
	char name[256];
	struct client c = { .name = name };

	snprintf(name, sizeof(name), "%s.", long_name); /* 254 with its dot */
	expect("253 and a dot", &c, "long");
	snprintf(name, sizeof(name), "l%s", long_name);
	expect("254 characters", &c, "fb-ec");
	memset(name, 'x', 255);
	name[255] = '\0';
	expect("255 characters", &c, "fb-ec");
}
END_TEST

START_TEST(test_own_certificate)
{
	struct client rsa = { .name = "mx.a.example", .ciphers = RSA_ONLY, .version = TLS1_2_VERSION };
	struct client c = { .name = "nobody.example" };
	struct outcome out;

	bench_open(&bench, world);
	expect("own", &c, "own-ec");
	expect("own, by key type", &rsa, "own-rsa");
	/* As it would be without the module: the host's extra certificate comes along. */
	handshake(bench.ctx, &c, &out);
	ck_assert_str_eq(out.chain, "own-ec,stranger");
	outcome_clear(&out);
	ck_assert_uint_eq(bench_counters(&bench).own, 3);
	ck_assert_uint_eq(bench_counters(&bench).trouble, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(test_chain_as_sent)
{
	static const struct {
		const char *name, *want;
	} chains[] = {
		{ "mx.a.example", "a-ec,ca" }, { "y.w.example", "w-ec,ca" }, { NULL, "fb-ec,ca" },
		{ "alone.example", "alone" },
	};
	struct spec alone = { .cn = "alone", .names = "alone.example", .self_signed = true };

	world_add(world, &alone);
	for (size_t i = 0; i < COUNT(chains); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct client c = { .name = chains[i].name, .version = version };
			struct outcome out;

			handshake(bench.ctx, &c, &out);
			ck_assert_msg(out.done && strcmp(out.chain, chains[i].want) == 0,
			    "%s: got %s want %s", chains[i].name, out.chain, chains[i].want);
			ck_assert_int_eq(out.version, version);
			outcome_clear(&out);
		}
}
END_TEST

START_TEST(test_wildcard_off)
{
	struct client c = { .name = "y.w.example" }, exact = { .name = "x.w.example" };

	bench_close(&bench);
	world_configure(world, "wildcard = off");
	bench_open(&bench, world);
	expect("wildcard off", &c, "fb-ec");
	expect("exact", &exact, "x-rsa");
}
END_TEST

/* --- fallback of the local address ---------------------------------------- */

static bool
has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

START_TEST(test_address)
{
	struct client four = { .name = "nobody.example", .address = "127.0.0.2" };
	struct client other = { .address = "127.0.0.3" }, named = { .name = "mx.a.example",
	    .address = "127.0.0.2" };
	struct client rsa = { .address = "127.0.0.2", .ciphers = RSA_ONLY, .version = TLS1_2_VERSION };
	struct client six = { .address = "::1" }, mapped = { .address = "127.0.0.2", .mapped = true };
	struct client pipe = { .name = NULL };

	expect("before there is any", &four, "fb-ec");
	add_fallback("addr4", KEY_P256, "@127.0.0.2");
	add_fallback("addr6", KEY_P256, "@::1");
	expect("IPv4", &four, "addr4");
	expect("another address", &other, "fb-ec");
	expect("a known name first", &named, "a-ec");
	expect("of no use to the client", &rsa, "fb-rsa");
	expect("no socket to ask", &pipe, "fb-ec");
	if (has_ipv6()) {
		expect("IPv6", &six, "addr6");
		expect("IPv4 through IPv6", &mapped, "addr4");
	} else {
		fprintf(stderr, "test_address: no IPv6 here, skipped\n");
	}
	world_unbind(world, "@127.0.0.2");
	expect("taken away", &four, "fb-ec");
	world_unbind(world, "@::1");
	expect("both taken away", &four, "fb-ec");
}
END_TEST

/* --- programs ------------------------------------------------------------- */

static void
configure_program(const char *name, const char *options)
{
	char text[300];

	snprintf(text, sizeof(text), "program \"%s\" { %s }", name, options);
	world_configure(world, text);
}

START_TEST(test_program_fallback)
{
	struct client c = { .name = "nobody.example" }, tcp = { .address = "127.0.0.2" };
	struct client rsa = { .ciphers = RSA_ONLY, .version = TLS1_2_VERSION };

	bench_close(&bench);
	configure_program(program_invocation_short_name, "fallback = \"EC.example\"");
	bench_open(&bench, world);
	expect("the program's fallback", &c, "ec-only");
	expect("of no use to the client", &rsa, "fb-rsa");
	add_fallback("addr4", KEY_P256, "@127.0.0.2");
	expect("the address goes first", &tcp, "addr4");
	ck_assert_uint_eq(bench_counters(&bench).fallback, 3);
	world_unbind(world, "@127.0.0.2");
	bench_close(&bench);
	configure_program("another", "fallback = \"ec.example\" unknown = refuse");
	bench_open(&bench, world);
	expect("another program's", &c, "fb-ec");
}
END_TEST

static const struct {
	const char *label, *name, *want; /* NULL: refused */
} refusals[] = {
	{ "known", "mx.a.example", "a-ec" },
	{ "known by wildcard", "y.w.example", "w-ec" },
	{ "unknown", "nobody.example", NULL },
	{ "apex of a wildcard", "w.example", NULL },
	{ "IPv4 literal", "192.0.2.1", NULL },
	{ "malformed", "a..b", NULL },
	{ "with percents", "%s%n\"", NULL },
	{ "no name", NULL, "fb-ec" },
};

START_TEST(test_refuse)
{
	struct client c = { .name = refusals[_i].name };

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct outcome out;

		c.version = version;
		handshake(bench.ctx, &c, &out);
		if (refusals[_i].want == NULL) {
			ck_assert_msg(!out.done, "%s: got %s", refusals[_i].label, out.leaf);
			ck_assert_msg(out.alert == SSL_AD_UNRECOGNIZED_NAME, "%s: alert %d",
			    refusals[_i].label, out.alert);
		} else {
			ck_assert_msg(out.done && strcmp(out.leaf, refusals[_i].want) == 0, "%s: got %s, alert %d",
			    refusals[_i].label, out.leaf, out.alert);
		}
		outcome_clear(&out);
	}
	ck_assert_uint_eq(bench_counters(&bench).refused, refusals[_i].want == NULL ? 2 : 0);
	if (refusals[_i].want == NULL)
		ck_assert_msg(strstr(bench.lines.text, "event=refused ") != NULL &&
		    strchr(bench.lines.text, '%') == NULL, "log: %s", bench.lines.text);
}
END_TEST

/* The name of this ClientHello decides, not that of the session: 0, 1 in TLS 1.2 (by session id and
 * by ticket), 2 in TLS 1.3. */
START_TEST(test_refuse_resumed)
{
	struct client c = { .name = "mx.a.example", .version = _i < 2 ? TLS1_2_VERSION : 0 };
	struct outcome first, again;

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	if (_i == 0)
		SSL_CTX_set_options(bench.ctx, SSL_OP_NO_TICKET);
	handshake(bench.ctx, &c, &first);
	ck_assert_str_eq(first.leaf, "a-ec");
	c.session = first.session;
	handshake(bench.ctx, &c, &again);
	ck_assert(again.done && again.resumed);
	outcome_clear(&again);
	c.name = "nobody.example";
	handshake(bench.ctx, &c, &again);
	ck_assert_msg(!again.done && again.alert == SSL_AD_UNRECOGNIZED_NAME, "done %d, alert %d", again.done,
	    again.alert);
	outcome_clear(&again);
	outcome_clear(&first);
}
END_TEST

/* A host that sets its own ClientHello callback later: refused all the same, by another alert. */
START_TEST(test_refuse_displaced)
{
	struct client unknown = { .name = "nobody.example" }, known = { .name = "mx.a.example" };
	struct outcome out;

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	SSL_CTX_set_client_hello_cb(bench.ctx, host_client_hello, NULL);
	handshake(bench.ctx, &unknown, &out);
	ck_assert_msg(!out.done && out.alert == SSL_AD_INTERNAL_ERROR, "done %d, alert %d", out.done, out.alert);
	ck_assert_uint_eq(bench_counters(&bench).refused, 1);
	outcome_clear(&out);
	expect("known", &known, "a-ec");
}
END_TEST

/* `unknown = own`: no fallback of whatever kind. */
START_TEST(test_unknown_own)
{
	static const struct {
		const char *label, *name, *want;
	} cases[] = {
		{ "known", "mx.a.example", "a-ec" }, { "known by wildcard", "y.w.example", "w-ec" },
		{ "unknown", "nobody.example", "own-ec" }, { "malformed", "a..b", "own-ec" }, { "no name", NULL, "own-ec" },
	};

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = own");
	add_fallback("addr4", KEY_P256, "@127.0.0.2");
	bench_open(&bench, world);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c = { .name = cases[i].name, .address = "127.0.0.2" };

		expect(cases[i].label, &c, cases[i].want);
		ck_assert_uint_eq(bench_counters(&bench).fallback, 0);
	}
	world_unbind(world, "@127.0.0.2");
}
END_TEST

/* A store that can't be asked: what is remembered, then the own certificate, then the fallback. */
START_TEST(test_out_of_reach)
{
	struct client known = { .name = "mx.a.example" }, other = { .name = "ec.example" }, none = { .name = NULL };
	SSL_CTX *bare = SSL_CTX_new(TLS_server_method());

	ck_assert_int_eq(snicert_attach(bench.snicert, bare, NULL), 0);
	expect("known", &known, "a-ec");
	expect("no name", &none, "fb-ec");
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	expect("remembered", &known, "a-ec");
	expect("not remembered", &other, "own-ec");
	expect("no name, remembered", &none, "fb-ec");
	ck_assert_str_eq(served(bare, "ec.example"), "fb-ec");
	SSL_CTX_free(bare);
}
END_TEST

/* Trouble of our own is never a reason to refuse: rule 2. */
START_TEST(test_refuse_never_in_trouble)
{
	struct client c = { .name = "mx.a.example" }, unknown = { .name = "nobody.example" };

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	switch (_i) {
	case 0:
		world_remove_store(world);
		break;
	case 1:
		world_remove_store(world);
		write_file(world->store, "no store at all, but some text that is longer than a header of "
		    "SQLite, which has a hundred octets before the first page's b-tree header.", 0600);
		break;
	case 2:
		unlink(world->key);
		break;
	case 3:
		world_sql(world, "PRAGMA user_version = 99");
		break;
	default:
		world_sql(world, "UPDATE chain SET sealed_key = x'00'");
		break;
	}
	bench_open(&bench, world);
	expect("known name", &c, "own-ec");
	if (_i != 2 && _i != 4)
		expect("nobody can tell", &unknown, "own-ec");
	ck_assert_uint_eq(bench_counters(&bench).refused, 0);
	ck_assert_uint_gt(bench_counters(&bench).trouble, 0);
}
END_TEST

/* A name remembered as unknown must not be refused once the store is out of reach. */
START_TEST(test_refuse_not_by_memory)
{
	struct client unknown = { .name = "nobody.example" };
	struct outcome out;

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	handshake(bench.ctx, &unknown, &out);
	ck_assert_int_eq(out.alert, SSL_AD_UNRECOGNIZED_NAME);
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	expect("the store is gone", &unknown, "own-ec");
}
END_TEST

/* --- a host's own callbacks -------------------------------------------------- */

static int choices_made[3];     /* by what choose answered: 0, 1, -1 */

static void
ask_to_choose(SSL *ssl)
{
	struct snicert_error err = {0};
	int answer = snicert_choose(bench.snicert, ssl, &err);

	ck_assert_msg(answer != -1 || err.text[0] != '\0', "an error without a text");
	choices_made[answer == -1 ? 2 : answer]++;
}

static int
choosing_servername(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	ask_to_choose(ssl);
	return SSL_TLSEXT_ERR_OK;
}

static int
choosing_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	ask_to_choose(ssl);
	return 1;
}

static int
choosing_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	ask_to_choose(ssl);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static void
expect_served(SSL *server, const char *name, const char *leaf)
{
	static const struct {
		const char *name;
		enum snicert_outcome outcome;
		const char *bound;
	} wanted[] = {
		{ "mx.a.example", SNICERT_SERVED_EXACT, "mx.a.example" }, { "Y.W.Example", SNICERT_SERVED_WILDCARD, "*.w.example" },
		{ "nobody.example", SNICERT_SERVED_FALLBACK, "@" }, { "a..b", SNICERT_SERVED_FALLBACK, "@" },
	};
	struct snicert_served got = { .size = sizeof(got) };
	unsigned char digest[32];
	bool is_there = false;
	size_t i = 0;

	while (i < COUNT(wanted) && strcmp(wanted[i].name, name) != 0)
		i++;
	ck_assert_uint_lt(i, COUNT(wanted));
	ck_assert_int_eq(snicert_read_served(bench.snicert, server, &got, NULL), 0);
	ck_assert_int_eq(got.outcome, wanted[i].outcome);
	ck_assert_str_eq(got.bound, wanted[i].bound);
	ck_assert_str_eq(got.name, strcmp(name, "a..b") == 0 ? "" : i == 1 ? "y.w.example" : name);
	ck_assert_int_eq(X509_digest(SSL_get_certificate(server), EVP_sha256(), digest, NULL), 1);
	for (unsigned n = 0; n < got.chain_count; n++)
		is_there = is_there || memcmp(got.chains[n].leaf_sha256, digest, sizeof(digest)) == 0;
	ck_assert_msg(is_there, "%s: %s is none of the %u", name, leaf, got.chain_count);
}

/* 0 to 2: from each callback, on a context that is not attached; 3 to 5: on one that is. */
START_TEST(test_choose)
{
	static const char *const names[][2] = { { "mx.a.example", "a-ec" }, { "Y.W.Example", "w-ec" },
		{ "nobody.example", "fb-ec" }, { "a..b", "fb-ec" } };
	SSL_CTX *ctx = server_ctx();

	SSL_CTX_set1_groups_list(ctx, "P-384:P-256");
	if (_i >= 3)
		ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	if (_i % 3 == 0)
		SSL_CTX_set_tlsext_servername_callback(ctx, choosing_servername);
	else if (_i % 3 == 1)
		SSL_CTX_set_cert_cb(ctx, choosing_certificate, NULL);
	else
		SSL_CTX_set_client_hello_cb(ctx, choosing_hello, NULL);
	memset(choices_made, 0, sizeof(choices_made));
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		struct client c = { .name = names[i / 2][0], .version = i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION,
			.groups = "P-521:P-384:P-256" };
		struct outcome out;
		struct pair pair;
		char leaf[64];

		pair_open(&pair, ctx, &c, &out);
		ck_assert_msg(pair_shake(&pair), "%s", c.name);
		cert_cn(SSL_get0_peer_certificate(pair.client), leaf, sizeof(leaf));
		ck_assert_msg(strcmp(leaf, names[i / 2][1]) == 0, "%s: got %s", c.name, leaf);
		expect_served(pair.server, c.name, leaf);
		pair_close(&pair);
	}
	ck_assert_int_eq(choices_made[1] + choices_made[2], 0);
	/* With an attached context's own certificate callback ours is asked once more, or not at all. */
	ck_assert_int_eq(_i == 4 || choices_made[0] >= 2 * (int)COUNT(names), true);
	SSL_CTX_free(ctx);
}
END_TEST

/* Nothing for it: nothing is changed; where the configuration refuses, the host is told the same. */
START_TEST(test_choose_nothing)
{
	struct client c = { .name = "nobody.example" };
	SSL_CTX *ctx = server_ctx();
	struct outcome out;

	bench_close(&bench);
	configure_program(program_invocation_short_name, _i == 0 ? "unknown = own" : "unknown = refuse");
	world_unbind(world, "@");
	bench_open(&bench, world);
	SSL_CTX_set_tlsext_servername_callback(ctx, choosing_servername);
	memset(choices_made, 0, sizeof(choices_made));
	handshake(ctx, &c, &out);
	ck_assert(out.done);
	ck_assert_str_eq(out.leaf, "own-ec");
	ck_assert_int_eq(choices_made[1], out.hellos);
	outcome_clear(&out);
	SSL_CTX_free(ctx);
}
END_TEST

/* Not in a server's handshake; and what asks is none that begins with its size. */
START_TEST(test_choose_misused)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	SSL *one = SSL_new(client), *two = SSL_new(bench.ctx);
	struct snicert_served small = { .size = sizeof(size_t) - 1 }, part = { .size = offsetof(struct snicert_served, name) };
	struct snicert_error err = {0};

	SSL_set_accept_state(two);
	ck_assert_int_eq(snicert_choose(bench.snicert, one, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	ck_assert_int_eq(snicert_choose(bench.snicert, two, &err), -1);
	ck_assert_int_eq(snicert_choose(NULL, two, NULL), -1);
	ck_assert_int_eq(snicert_choose(bench.snicert, NULL, NULL), -1);
	ck_assert_int_eq(snicert_read_served(bench.snicert, two, &small, NULL), -1);
	memset(part.name, 'x', sizeof(part.name));
	ck_assert_int_eq(snicert_read_served(bench.snicert, two, &part, NULL), 0);
	ck_assert_int_eq(part.outcome, SNICERT_SERVED_NOTHING);
	ck_assert_int_eq(part.name[0], 'x'); /* beyond what the host knows of */
	SSL_free(one);
	SSL_free(two);
	SSL_CTX_free(client);
}
END_TEST

/* A connection is one module's, which it keeps. */
START_TEST(test_choose_by_two)
{
	struct client c = { .name = "mx.a.example" };
	SSL_CTX *ctx = server_ctx();
	struct snicert *first = bench.snicert, *second;
	struct outcome out;
	struct pair pair;

	ck_assert_int_eq(snicert_open(&second, world->config, NULL), 0);
	SSL_CTX_set_tlsext_servername_callback(ctx, choosing_servername);
	SSL_CTX_set_cert_cb(ctx, choosing_certificate, NULL);
	pair_open(&pair, ctx, &c, &out);
	ck_assert(pair_shake(&pair));
	SSL_clear(pair.server);
	SSL_set_accept_state(pair.server);
	SSL_free(pair.client);
	pair.client = SSL_new(pair.client_ctx);
	SSL_set_tlsext_host_name(pair.client, c.name);
	SSL_set_connect_state(pair.client);
	{
		BIO *one, *two;

		BIO_new_bio_pair(&one, 0, &two, 0);
		SSL_set_bio(pair.server, one, one);
		SSL_set_bio(pair.client, two, two);
	}
	memset(choices_made, 0, sizeof(choices_made));
	bench.snicert = second;
	ck_assert(pair_shake(&pair));
	ck_assert_int_gt(choices_made[2], 0);
	ck_assert_int_eq(choices_made[0] + choices_made[1], 0);
	bench.snicert = first;
	pair_close(&pair);
	SSL_CTX_free(ctx);
	snicert_close(second);
}
END_TEST

static int
counted_hello(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert;
	++*(int *)arg;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* A module that refuses is detached, or another attached that does not: nobody is refused, and the
 * ClientHello callback that the host has set meanwhile stays. */
START_TEST(test_refuse_no_more)
{
	struct client unknown = { .name = "nobody.example" };
	struct snicert *lax = NULL;
	struct outcome out;
	int hellos = 0;

	ck_assert_int_eq(snicert_open(&lax, world->config, NULL), 0);
	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	handshake(bench.ctx, &unknown, &out);
	ck_assert_int_eq(out.alert, SSL_AD_UNRECOGNIZED_NAME);
	ck_assert_int_eq(snicert_attach(lax, bench.ctx, NULL), 0);
	expect("attached to another", &unknown, "fb-ec");
	ck_assert_int_eq(snicert_attach(bench.snicert, bench.ctx, NULL), 0);
	snicert_detach(bench.snicert, bench.ctx);
	expect("detached", &unknown, "own-ec");
	ck_assert_int_eq(snicert_attach(bench.snicert, bench.ctx, NULL), 0);
	SSL_CTX_set_client_hello_cb(bench.ctx, counted_hello, &hellos);
	snicert_detach(bench.snicert, bench.ctx);
	expect("detached, the host's callback", &unknown, "own-ec");
	ck_assert_int_eq(hellos, 1);
	snicert_close(lax);
}
END_TEST

/* The module is closed between the host's choice and the certificate. */
START_TEST(test_choose_then_close)
{
	struct client c = { .name = "mx.a.example" };
	struct snicert *kept = bench.snicert;
	SSL_CTX *ctx = server_ctx();
	struct outcome out;
	struct pair pair;

	SSL_CTX_set_tlsext_servername_callback(ctx, choosing_servername);
	pair_open(&pair, ctx, &c, &out);
	ck_assert(pair_shake(&pair));
	SSL_CTX_free(bench.ctx);
	bench.ctx = NULL;
	snicert_close(kept);
	bench.snicert = NULL;
	ck_assert_str_eq(served(ctx, NULL), "own-ec");
	pair_close(&pair); /* the last that held it */
	SSL_CTX_free(ctx);
}
END_TEST

/* --- protocol ------------------------------------------------------------- */

START_TEST(test_hello_retry)
{
	struct client c = { .name = "mx.a.example", .groups = "P-521:P-384" };
	struct outcome out;

	SSL_CTX_set1_groups_list(bench.ctx, "P-384:P-256");
	for (int i = 0; i < 3; i++) {
		handshake(bench.ctx, &c, &out);
		ck_assert_msg(out.done, "alert %d", out.alert);
		ck_assert_int_eq(out.hellos, 2);
		ck_assert_str_eq(out.chain, "a-ec,ca");
		ck_assert_str_eq(out.name, "mx.a.example");
		outcome_clear(&out);
	}
	ck_assert_uint_eq(bench_counters(&bench).exact, 3);
	c.name = "nobody.example";
	handshake(bench.ctx, &c, &out);
	ck_assert_int_eq(out.hellos, 2);
	ck_assert_str_eq(out.leaf, "fb-ec");
	outcome_clear(&out);
}
END_TEST

/* 0: TLS 1.2 by session id, 1: TLS 1.2 by ticket, 2: TLS 1.3 */
START_TEST(test_resumption)
{
	struct client c = { .name = "mx.a.example", .version = _i < 2 ? TLS1_2_VERSION : 0 };
	struct outcome first, again, other;

	if (_i == 0)
		SSL_CTX_set_options(bench.ctx, SSL_OP_NO_TICKET);
	handshake(bench.ctx, &c, &first);
	ck_assert(first.done && !first.resumed);
	c.session = first.session;
	handshake(bench.ctx, &c, &again);
	ck_assert_msg(again.done, "alert %d", again.alert);
	ck_assert_msg(again.resumed, "not resumed");
	/* As without us: OpenSSL keeps a name up to TLS 1.2 only where the host took it. */
	ck_assert_str_eq(again.name, _i < 2 ? "" : "mx.a.example");
	/* Another name: OpenSSL decides whether it resumes; the handshake completes. */
	c.name = "y.w.example";
	handshake(bench.ctx, &c, &other);
	ck_assert_msg(other.done, "alert %d", other.alert);
	if (!other.resumed)
		ck_assert_str_eq(other.leaf, "w-ec");
	outcome_clear(&other);
	outcome_clear(&again);
	/* Without a name. */
	c.name = NULL;
	handshake(bench.ctx, &c, &other);
	ck_assert_msg(other.done, "alert %d", other.alert);
	outcome_clear(&other);
	/* And a name that nobody knows, resumed or not. */
	c.name = "nobody.example";
	handshake(bench.ctx, &c, &other);
	ck_assert_msg(other.done, "alert %d", other.alert);
	outcome_clear(&other);
	outcome_clear(&first);
}
END_TEST

/* A resumed session presents no certificate: nothing is looked up. */
START_TEST(test_resumption_costs_no_look_up)
{
	struct client c = { .name = "mx.a.example" };
	struct snicert_counters before, after;
	struct outcome first, again;

	handshake(bench.ctx, &c, &first);
	before = bench_counters(&bench);
	c.session = first.session;
	handshake(bench.ctx, &c, &again);
	ck_assert(again.resumed);
	after = bench_counters(&bench);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	outcome_clear(&again);
	outcome_clear(&first);
}
END_TEST

/* The second handshake on a connection is served from the store as it is then. */
START_TEST(test_renegotiation)
{
	struct client c = { .name = "ec.example", .version = TLS1_2_VERSION };
	struct outcome out;
	struct pair pair;
	char leaf[64], octet;
	int64_t renewed;

	SSL_CTX_set_options(bench.ctx, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	pair_open(&pair, bench.ctx, &c, &out);
	ck_assert(pair_shake(&pair));
	cert_cn(SSL_get0_peer_certificate(pair.client), leaf, sizeof(leaf));
	ck_assert_str_eq(leaf, "ec-only");
	renewed = add("ec-renewed", KEY_P256, "renewed.example");
	world_bind(world, "ec.example", renewed);
	ck_assert_int_eq(SSL_renegotiate(pair.server), 1);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(pair.server);
		SSL_read(pair.client, &octet, 1);
		SSL_read(pair.server, &octet, 1);
	}
	ck_assert_msg(SSL_renegotiate_pending(pair.server) == 0, "still pending");
	ck_assert_int_eq(out.hellos, 2);
	cert_cn(SSL_get0_peer_certificate(pair.client), leaf, sizeof(leaf));
	ck_assert_str_eq(leaf, "ec-renewed");
	pair_close(&pair);
}
END_TEST

static char client_cn[64];

static int
note_client(int good, X509_STORE_CTX *ctx)
{
	(void)good;
	if (X509_STORE_CTX_get_error_depth(ctx) == 0)
		cert_cn(X509_STORE_CTX_get_current_cert(ctx), client_cn, sizeof(client_cn));
	return 1;
}

/* A host may use one context both ways: its connections as a client stay as they are. */
START_TEST(test_client_side)
{
	struct client c = { .name = "nobody.example" };
	SSL_CTX *peer = server_ctx();
	struct snicert_counters before, after;
	struct outcome out;

	bench_close(&bench);
	configure_program(program_invocation_short_name, "unknown = refuse");
	bench_open(&bench, world);
	SSL_CTX_set_verify(peer, SSL_VERIFY_PEER, note_client);
	SSL_CTX_set_session_id_context(peer, (const unsigned char *)"t", 1);
	SSL_CTX_set_verify(bench.ctx, SSL_VERIFY_NONE, NULL);
	before = bench_counters(&bench);
	c.ctx = bench.ctx;
	for (int i = 0; i < 4; i++) {
		c.name = i % 2 == 0 ? "nobody.example" : "mx.a.example";
		SSL_CTX_set_max_proto_version(bench.ctx, i < 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		client_cn[0] = '\0';
		handshake(peer, &c, &out);
		ck_assert_msg(out.done, "%s: the client side gave up", c.name);
		ck_assert_str_eq(out.leaf, "own-ec");
		ck_assert_str_eq(client_cn, "own-ec");
		outcome_clear(&out);
	}
	after = bench_counters(&bench);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	SSL_CTX_free(peer);
}
END_TEST

/* Two contexts on one module, and one of them freed. */
START_TEST(test_contexts)
{
	SSL_CTX *second = server_ctx();

	ck_assert_int_eq(snicert_attach(bench.snicert, second, NULL), 0);
	ck_assert_int_eq(snicert_attach(bench.snicert, second, NULL), 0); /* twice does no harm */
	ck_assert_str_eq(served(second, "mx.a.example"), "a-ec");
	ck_assert_str_eq(served(bench.ctx, "y.w.example"), "w-ec");
	SSL_CTX_free(second);
	ck_assert_str_eq(served(bench.ctx, "mx.a.example"), "a-ec");
}
END_TEST

/* A context without any certificate of its own serves the store's. */
START_TEST(test_no_own)
{
	SSL_CTX *bare = SSL_CTX_new(TLS_server_method());

	snicert_attach(bench.snicert, bare, NULL);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct client c = { .name = "nobody.example", .version = version };
		struct outcome out;

		handshake(bare, &c, &out);
		ck_assert_msg(out.done, "TLS %x, alert %d", version, out.alert);
		ck_assert_str_eq(out.chain, "fb-ec,ca");
		outcome_clear(&out);
	}
	SSL_CTX_free(bare);
}
END_TEST

/* --- expired -------------------------------------------------------------- */

static bool served_pair;

static void
look_at_served(const SSL *ssl, int where, int ret)
{
	(void)ret;
	if (where == SSL_CB_HANDSHAKE_DONE)
		served_pair = SSL_get_privatekey(ssl) == X509_get0_pubkey(SSL_get_certificate(ssl));
}

/* Nothing is asked of the host's library context before a key of its own shows which provider that has. */
START_TEST(test_pair)
{
	SSL_CTX *bare = SSL_CTX_new(TLS_server_method());
	struct client unseen = { .name = "mx.a.example" }, seen = { .name = "y.w.example" };
	struct outcome out;

	snicert_attach(bench.snicert, bare, NULL);
	SSL_CTX_set_info_callback(bare, look_at_served);
	SSL_CTX_set_info_callback(bench.ctx, look_at_served);
	handshake(bare, &unseen, &out);
	ck_assert_str_eq(out.chain, "a-ec,ca");
	ck_assert(!served_pair);
	outcome_clear(&out);
	expect("a key of its own", &seen, "w-ec");
	ck_assert(served_pair);
	expect("decoded before", &unseen, "a-ec");
	ck_assert(served_pair);
	expect("decoded as the module was opened", &(struct client){ .name = "nobody.example" }, "fb-ec");
	ck_assert(served_pair);
	SSL_CTX_free(bare);
}
END_TEST

START_TEST(test_expired)
{
	struct spec old = { .cn = "old", .names = "old.example", .from = -30 * DAY, .to = -DAY };
	struct spec wild = { .cn = "old-wild", .names = "*.old.example", .from = -30 * DAY, .to = -DAY };
	struct client c = { .name = "old.example" }, under = { .name = "x.old.example" };

	bench_close(&bench);
	world_add(world, &old);
	world_add(world, &wild);
	world_configure(world, _i == 0 ? "expired = serve" : "expired = fallback");
	bench_open(&bench, world);
	expect("expired", &c, _i == 0 ? "old" : "fb-ec");
	expect("expired wildcard", &under, _i == 0 ? "old-wild" : "fb-ec");
	ck_assert_uint_eq(bench_counters(&bench).trouble, 0);
	if (_i == 0)
		ck_assert_msg(strstr(bench.lines.text, "old.example is served with an expired certificate") != NULL,
		    "log: %s", bench.lines.text);
}
END_TEST

/* Each chain by itself: an RSA chain that has expired beside an EC chain that has not. */
START_TEST(test_expired_in_part)
{
	static const struct {
		const char *label, *sigalgs, *want[2]; /* serve, fallback */
		bool is_said;
	} cases[] = {
		{ "able to all", NULL, { "new-ec", "new-ec" }, false },
		{ "ECDSA only", "ECDSA+SHA256", { "new-ec", "new-ec" }, false },
		{ "RSA only", "rsa_pss_rsae_sha256:RSA+SHA256", { "old-rsa", "fb-rsa" }, true },
	};
	struct spec old = { .cn = "old-rsa", .kind = KEY_RSA, .names = "part.example", .from = -90 * DAY, .to = -DAY };
	struct spec new = { .cn = "new-ec", .names = "part.example" };

	bench_close(&bench);
	world_add(world, &old);
	world_add(world, &new);
	world_configure(world, _i == 0 ? "expired = serve" : "expired = fallback");
	bench_open(&bench, world);
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct client c = { .name = "part.example", .sigalgs = cases[i].sigalgs, .version = version };

			bench.lines.used = 0;
			bench.lines.text[0] = '\0';
			expect(cases[i].label, &c, cases[i].want[_i]);
			ck_assert_msg((strstr(bench.lines.text, "event=expired") != NULL) == (_i == 0 && cases[i].is_said),
			    "%s: logged %s", cases[i].label, bench.lines.text);
		}
}
END_TEST

START_TEST(test_expired_fallback)
{
	struct spec old = { .cn = "old-fb", .names = "old.example", .from = -30 * DAY, .to = -DAY,
		.no_bind = true };
	struct client c = { .name = "nobody.example" };

	bench_close(&bench);
	world_bind(world, "@", world_add(world, &old));
	world_sql(world, "DELETE FROM binding WHERE name = '@' AND key_type = 'RSA'");
	world_configure(world, _i == 0 ? NULL : "expired = fallback");
	bench_open(&bench, world);
	expect("expired fallback", &c, _i == 0 ? "old-fb" : "own-ec");
}
END_TEST

/* --- trouble -------------------------------------------------------------- */

#define CHAIN(cn) "(SELECT id FROM chain WHERE subject = '" cn "')"

static const struct {
	const char *label, *sql, *name;
	struct client client;
	const char *want, *log;
	bool trouble;           /* the candidate is skipped */
} damages[] = {
	{ "key damaged", "UPDATE chain SET sealed_key = CAST(substr(sealed_key, 1, length(sealed_key)"
	    " - 2) || x'0001' AS BLOB) WHERE subject = 'ec-only'", "ec.example", { 0 }, "fb-ec",
	    "EC chain of ec.example skipped: the sealed key is damaged", true },
	{ "key cut off", "UPDATE chain SET sealed_key = x'01' WHERE subject = 'ec-only'", "ec.example",
	    { 0 }, "fb-ec", "EC chain of ec.example skipped", true },
	{ "key empty", "UPDATE chain SET sealed_key = x'' WHERE subject = 'ec-only'", "ec.example",
	    { 0 }, "fb-ec", "EC chain of ec.example skipped", true },
	{ "another row's key", "UPDATE chain SET sealed_key = (SELECT sealed_key FROM chain WHERE"
	    " subject = 'w-ec') WHERE subject = 'ec-only'", "ec.example", { 0 }, "fb-ec",
	    "the sealed key is damaged", true },
	{ "key URI to nowhere", "UPDATE chain SET sealed_key = NULL, key_uri = 'file:/nonexistent'"
	    " WHERE subject = 'ec-only'", "ec.example", { 0 }, "fb-ec",
	    "no private key at the chain's key URI", true },
	{ "unknown key type", "UPDATE chain SET key_type = 'ML-DSA' WHERE subject = 'ec-only'",
	    "ec.example", { 0 }, "fb-ec", "not known to this release", true },
	{ "key of another type", "UPDATE chain SET key_type = 'RSA' WHERE subject = 'ec-only'",
	    "ec.example", { 0 }, "fb-ec", "skipped", true },
	{ "leaf damaged", "UPDATE cert SET der = x'3003020100' WHERE id = (SELECT cert FROM chain_cert"
	    " WHERE position = 0 AND chain = " CHAIN("ec-only") ")", "ec.example", { 0 }, "fb-ec",
	    "the leaf can't be decoded", true },
	{ "leaf empty", "UPDATE cert SET der = x'' WHERE id = (SELECT cert FROM chain_cert"
	    " WHERE position = 0 AND chain = " CHAIN("ec-only") ")", "ec.example", { 0 }, "fb-ec",
	    "the leaf can't be decoded", true },
	{ "octets behind the leaf", "UPDATE cert SET der = CAST(der || x'00' AS BLOB) WHERE id = (SELECT cert FROM"
	    " chain_cert WHERE position = 0 AND chain = " CHAIN("ec-only") ")", "ec.example", { 0 },
	    "fb-ec", "the leaf can't be decoded", true },
	{ "another's leaf", "UPDATE chain_cert SET cert = (SELECT cert FROM chain_cert WHERE position = 0"
	    " AND chain = " CHAIN("w-ec") ") WHERE position = 0 AND chain = " CHAIN("ec-only"),
	    "ec.example", { 0 }, "fb-ec", "key and leaf don't match", true },
	{ "intermediate damaged", "UPDATE cert SET der = x'0102' WHERE subject_hash IS NOT NULL",
	    "ec.example", { 0 }, "own-ec", "intermediate 1 can't be decoded", true },
	{ "no certificates", "DELETE FROM chain_cert WHERE chain = " CHAIN("ec-only"), "ec.example",
	    { 0 }, "fb-ec", "", false },
	{ "no leaf, but an intermediate", "DELETE FROM chain_cert WHERE position = 0 AND chain = "
	    CHAIN("ec-only"), "ec.example", { 0 }, "fb-ec", "skipped", true },
	{ "one of three damaged", "UPDATE chain SET sealed_key = x'00' WHERE subject = 'a-ec'",
	    "mx.a.example", { .sigalgs = "ECDSA+SHA256:RSA+SHA256:rsa_pss_rsae_sha256" }, "a-rsa",
	    "EC chain of mx.a.example skipped", false },
	{ "two of three damaged", "UPDATE chain SET sealed_key = x'00' WHERE subject IN ('a-ec', 'a-rsa')",
	    "mx.a.example", { 0 }, "a-ed", "RSA chain of mx.a.example skipped", false },
	{ "exact damaged, wildcard whole", "UPDATE chain SET sealed_key = x'00' WHERE subject = 'x-rsa'",
	    "x.w.example", { 0 }, "w-ec", "RSA chain of x.w.example skipped", true },
	{ "fallback damaged", "UPDATE chain SET sealed_key = x'00' WHERE subject LIKE 'fb-%'",
	    "nobody.example", { 0 }, "own-ec", "chain of @ skipped", true },
	{ "one of two fallbacks damaged", "UPDATE chain SET sealed_key = x'00' WHERE subject = 'fb-ec'",
	    "nobody.example", { 0 }, "fb-rsa", "EC chain of @ skipped", false },
	{ "binding to nowhere", "PRAGMA foreign_keys = OFF; UPDATE binding SET chain = 4711 WHERE name ="
	    " 'ec.example'", "ec.example", { 0 }, "fb-ec", "", false },
	{ "tables gone", "PRAGMA foreign_keys = OFF; DROP TABLE binding", "ec.example", { 0 }, "own-ec",
	    "", true },
};

/* Damaged before the module opens, and while it is serving. */
START_TEST(test_damage)
{
	int i = _i / 2;
	struct client c = damages[i].client;
	bool serving = _i % 2 == 1, of_fallback = strstr(damages[i].log, "chain of @") != NULL;

	c.name = damages[i].name;
	if (!serving)
		bench_close(&bench);
	world_sql(world, "%s", damages[i].sql);
	if (!serving)
		bench_open(&bench, world);
	/* What is parsed already needs its store no more: the identity is the same. */
	if (serving && (strcmp(damages[i].want, "own-ec") == 0 || of_fallback))
		return;
	for (c.version = TLS1_2_VERSION; c.version <= TLS1_3_VERSION; c.version++)
		expect(damages[i].label, &c, damages[i].want);
	if (damages[i].trouble)
		ck_assert_msg(bench_counters(&bench).trouble >= 2, "%s: trouble %d", damages[i].label,
		    (int)bench_counters(&bench).trouble);
	else
		ck_assert_msg(bench_counters(&bench).trouble == 0, "%s: trouble %d", damages[i].label,
		    (int)bench_counters(&bench).trouble);
	if (!of_fallback) /* that one was read, and complained of, at open */
		ck_assert_msg(strstr(bench.lines.text, damages[i].log) != NULL, "%s: log: %s",
		    damages[i].label, bench.lines.text);
	c.name = "y.w.example";
	c.version = 0;
	if (strncmp(damages[i].want, "own", 3) != 0)
		expect("the others", &c, "w-ec");
}
END_TEST

static void
no_store(void)
{
	world_remove_store(world);
}

static void
empty_store(void)
{
	world_remove_store(world);
	write_file(world->store, "", 0600);
}

static void
garbage_store(void)
{
	char text[5000];

	memset(text, 'g', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	world_remove_store(world);
	write_file(world->store, text, 0600);
}

static void
foreign_store(void)
{
	world_sql(world, "PRAGMA application_id = 42");
}

static void
newer_store(void)
{
	world_sql(world, "PRAGMA user_version = 99");
}

static void
directory_store(void)
{
	world_remove_store(world);
	mkdir(world->store, 0755);
}

static void
open_store(void)
{
	chmod(world->store, 0666);
}

static void
half_store(void)
{
	struct stat st;

	world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE)");
	stat(world->store, &st);
	if (truncate(world->store, st.st_size / 2 / 4096 * 4096) != 0)
		abort();
}

static void
no_key(void)
{
	unlink(world->key);
}

static void
readable_key(void)
{
	chmod(world->key, 0644);
}

static void
empty_key(void)
{
	write_file(world->key, "", 0600);
}

static void
another_key(void)
{
	write_file(world->key, "snicert-store-key-v1 0011223344556677 "
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
}

static const struct {
	const char *label;
	void (*spoil)(void);
	const char *log;
} spoilt[] = {
	{ "no store", no_store, "No such file" },
	{ "empty store", empty_store, "is not a snicert store" },
	{ "garbage", garbage_store, "not a database" },
	{ "foreign store", foreign_store, "is not a snicert store" },
	{ "newer schema", newer_store, "install the newer snicert" },
	{ "a directory", directory_store, "is not a regular file" },
	{ "a store that others may write", open_store, "unsafe mode" },
	{ "half a store", half_store, "" },
	{ "no store key", no_key, "store key: can't open" },
	{ "store key readable by all", readable_key, "unsafe mode" },
	{ "empty store key", empty_key, "holds no store key" },
	{ "torn store key", another_key, "holds no store key" },
};

START_TEST(test_spoilt)
{
	struct client c = { .name = "mx.a.example" }, none = { 0 };

	bench_close(&bench);
	spoilt[_i].spoil();
	bench_open(&bench, world);
	expect(spoilt[_i].label, &c, "own-ec");
	expect(spoilt[_i].label, &none, "own-ec");
	c.version = TLS1_2_VERSION;
	expect(spoilt[_i].label, &c, "own-ec");
	ck_assert_uint_eq(bench_counters(&bench).own, 3);
	ck_assert_uint_ge(bench_counters(&bench).trouble, 3);
	ck_assert_msg(bench.lines.count > 0 && strstr(bench.lines.text, spoilt[_i].log) != NULL,
	    "%s: log: %s", spoilt[_i].label, bench.lines.text);
}
END_TEST

/* Spoilt while it serves: what is in the cache is served on, and nothing fails. */
START_TEST(test_spoilt_meanwhile)
{
	struct client c = { .name = "mx.a.example" }, fresh = { .name = "p384.example" };
	struct outcome out;

	expect("before", &c, "a-ec");
	spoilt[_i].spoil();
	handshake(bench.ctx, &fresh, &out);
	ck_assert_msg(out.done, "%s: alert %d", spoilt[_i].label, out.alert);
	outcome_clear(&out);
	/* A store cut in half may still answer, in parts. */
	if (spoilt[_i].spoil != half_store)
		expect(spoilt[_i].label, &c, "a-ec");
}
END_TEST

/* The fallback, decoded as the module was opened, is to be made a pair by the first handshake, and can't be decoded
 * any more: it is served as it is. */
START_TEST(test_pair_spoilt)
{
	struct client c = { .name = "nobody.example" };

	SSL_CTX_set_info_callback(bench.ctx, look_at_served);
	world_sql(world, "UPDATE chain SET sealed_key = x'00'");
	for (int i = 0; i < 2; i++) {
		expect("a fallback that is damaged since", &c, "fb-ec");
		ck_assert(!served_pair);
	}
	ck_assert_uint_eq(bench_counters(&bench).own, 0);
}
END_TEST

/* Sealed under a key that is not this host's. */
START_TEST(test_another_store_key)
{
	struct client c = { .name = "mx.a.example" };
	struct world *other = world_new();
	char command[300];

	bench_close(&bench);
	snprintf(command, sizeof(command), "cp %s %s", other->key, world->key);
	ck_assert_int_eq(system(command), 0);
	bench_open(&bench, world);
	expect("another key", &c, "own-ec");
	ck_assert_msg(strstr(bench.lines.text, "sealed with another store key") != NULL, "log: %s",
	    bench.lines.text);
	ck_assert_uint_gt(bench_counters(&bench).trouble, 0);
	world_free(other);
}
END_TEST

/* One line says it, however many handshakes: at most a burst per kind of event. */
START_TEST(test_log_is_limited)
{
	bench_close(&bench);
	world_remove_store(world);
	bench_open(&bench, world);
	for (int i = 0; i < 60; i++)
		served(bench.ctx, "mx.a.example");
	ck_assert_int_le(bench.lines.count, 3 * LOG_BURST);
	ck_assert_uint_eq(bench_counters(&bench).own, 60);
}
END_TEST

/* --- a guest -------------------------------------------------------------- */

static unsigned long seeded, seen_first, seen_last;
static int seen_count;

static int
seed_queue(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 4711);
	seeded = ERR_peek_error();
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* The ServerHello is the first that the server writes after all callbacks. */
static void
look_at_queue(int write_p, int version, int type, const void *data, size_t length, SSL *ssl,
    void *arg)
{
	const unsigned char *octets = data;

	(void)version;
	(void)ssl;
	(void)arg;
	if (!write_p || type != SSL3_RT_HANDSHAKE || length == 0 || octets[0] != SSL3_MT_SERVER_HELLO)
		return;
	seen_first = ERR_peek_error();
	seen_last = ERR_peek_last_error();
	for (seen_count = 0; ERR_get_error() != 0; seen_count++)
		;
}

START_TEST(test_error_queue)
{
	static const char *const names[] = { "mx.a.example", "ec.example", "x.w.example",
		"nobody.example", NULL, "\xff" };

	bench_close(&bench);
	if (_i == 1)
		world_sql(world, "UPDATE chain SET sealed_key = x'0102'");
	if (_i == 2)
		world_sql(world, "UPDATE cert SET der = x'3003020100'");
	if (_i == 3)
		no_store();
	bench_open(&bench, world);
	ck_assert_uint_eq(ERR_peek_error(), 0); /* open left nothing, either */
	SSL_CTX_set_client_hello_cb(bench.ctx, seed_queue, NULL);
	SSL_CTX_set_msg_callback(bench.ctx, look_at_queue);
	for (size_t i = 0; i < COUNT(names); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct client c = { .name = names[i], .version = version };
			struct outcome out;

			seen_count = -1;
			handshake(bench.ctx, &c, &out);
			ck_assert(out.done);
			ck_assert_msg(seen_count == 1 && seen_first == seeded && seen_last == seeded,
			    "%s: %d errors in the queue", names[i], seen_count);
			outcome_clear(&out);
		}
}
END_TEST

struct surroundings {
	int fds;
	sigset_t mask;
	mode_t umask_now;
	char cwd[256], locale[256];
	locale_t thread_locale;
	struct sigaction actions[32];
};

static void
look_around(struct surroundings *out)
{
	memset(out, 0, sizeof(*out));
	out->fds = open_fds();
	sigprocmask(SIG_SETMASK, NULL, &out->mask);
	out->umask_now = umask(0);
	umask(out->umask_now);
	ck_assert_ptr_nonnull(getcwd(out->cwd, sizeof(out->cwd)));
	snprintf(out->locale, sizeof(out->locale), "%s", setlocale(LC_ALL, NULL));
	out->thread_locale = uselocale((locale_t)0);
	for (int i = 1; i < 32; i++)
		sigaction(i, NULL, &out->actions[i]);
}

static void
same_surroundings(const struct surroundings *a, const struct surroundings *b)
{
	ck_assert_int_eq(a->fds, b->fds);
	ck_assert_uint_eq(a->umask_now, b->umask_now);
	ck_assert_str_eq(a->cwd, b->cwd);
	ck_assert_str_eq(a->locale, b->locale);
	ck_assert(a->thread_locale == b->thread_locale);
	for (int i = 1; i < 32; i++) {
		ck_assert_msg(sigismember(&a->mask, i) == sigismember(&b->mask, i), "mask of signal %d", i);
		ck_assert_msg(a->actions[i].sa_handler == b->actions[i].sa_handler, "action of signal %d", i);
	}
}

START_TEST(test_guest)
{
	static const char *const names[] = { "mx.a.example", "y.w.example", "nobody.example", NULL };
	struct surroundings before, opened, after;

	bench_close(&bench);
	umask(0123);
	look_around(&before);
	bench_open(&bench, world);
	look_around(&opened);
	opened.fds = before.fds; /* it keeps the store open */
	same_surroundings(&before, &opened);
	look_around(&opened);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < COUNT(names); i++)
			served(bench.ctx, names[i]);
	look_around(&after);
	same_surroundings(&opened, &after);
	bench_close(&bench);
	look_around(&after);
	same_surroundings(&before, &after);
	bench_open(&bench, world);
}
END_TEST

/* As Postfix's smtpd has it: fds 0 to 2 closed, or the connection itself. */
static int
without_standard_fds(void *arg)
{
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;
	struct lines lines = {0};
	SSL_CTX *ctx = server_ctx();

	(void)arg;
	for (int i = 0; i < 3; i++)
		close(i);
	if (snicert_open(&snicert, world->config, &err) != 0)
		return 10;
	snicert_set_log(snicert, lines_sink, &lines);
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 20 + i;
	snicert_attach(snicert, ctx, &err);
	if (strcmp(served(ctx, "mx.a.example"), "a-ec") != 0)
		return 30;
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 40 + i;
	/* Another store in its place: it is opened anew. */
	world_remove_store(world);
	if (strcmp(served(ctx, "mx.a.example"), "a-ec") != 0)
		return 50;
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 60 + i;
	snicert_close(snicert);
	SSL_CTX_free(ctx);
	return 0;
}

START_TEST(test_standard_fds)
{
	ck_assert_int_eq(in_child(without_standard_fds, NULL), 0);
}
END_TEST

static void
teardown_keeping(void)
{
	bench_close(&bench);
	filled = world;
}

START_TEST(test_warm_up)
{
	struct client clients[] = {
		{ .name = "mx.a.example" },
		{ .name = "rsa.example", .version = TLS1_2_VERSION },
		{ .name = "nobody.example", .version = TLS1_2_VERSION },
	};
	static const char *const leaves[] = { "a-ec", "rsa-only", "fb-ec" };

	for (size_t i = 0; i < COUNT(clients); i++)
		expect("warming up", &clients[i], leaves[i]);
}
END_TEST

/*
 * valgrind translates what runs, in each child anew unless the parent has run it: with so many children that takes
 * longer than the checks.  So some of it runs here, in the parent.  What is left is mostly the making of the
 * store, which is made here once.
 */
static int
warm_up(void)
{
	Suite *suite = suite_create("warm-up");
	TCase *once = tcase_create("once");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(once, setup, teardown_keeping);
	tcase_add_test(once, test_warm_up);
	suite_add_tcase(suite, once);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run(runner, NULL, "once", CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

int
main(void)
{
	Suite *suite = suite_create("hook");
	TCase *full = tcase_create("full"), *empty = tcase_create("empty");
	int failed;

	harness_start();
	if (getenv("SNICERT_WARM_UP") != NULL && warm_up() != 0)
		return 1;
	tcase_set_timeout(full, 120);
	tcase_set_timeout(empty, 120);
	tcase_add_checked_fixture(full, setup, teardown);
	tcase_add_checked_fixture(empty, setup_empty, teardown_empty);
	tcase_add_loop_test(full, test_choice, 0, (int)COUNT(choices));
	tcase_add_loop_test(full, test_oddity, 0, (int)COUNT(oddities));
	tcase_add_test(full, test_long_names);
	tcase_add_test(empty, test_own_certificate);
	tcase_add_test(full, test_chain_as_sent);
	tcase_add_test(full, test_wildcard_off);
	tcase_add_test(full, test_address);
	tcase_add_test(full, test_program_fallback);
	tcase_add_loop_test(full, test_refuse, 0, (int)COUNT(refusals));
	tcase_add_loop_test(full, test_refuse_never_in_trouble, 0, 5);
	tcase_add_test(full, test_refuse_not_by_memory);
	tcase_add_test(full, test_hello_retry);
	tcase_add_loop_test(full, test_resumption, 0, 3);
	tcase_add_test(full, test_resumption_costs_no_look_up);
	tcase_add_test(full, test_renegotiation);
	tcase_add_test(full, test_client_side);
	tcase_add_test(full, test_contexts);
	tcase_add_test(full, test_no_own);
	tcase_add_test(full, test_pair);
	tcase_add_test(full, test_pair_spoilt);
	tcase_add_loop_test(full, test_expired, 0, 2);
	tcase_add_loop_test(full, test_expired_fallback, 0, 2);
	tcase_add_loop_test(full, test_expired_in_part, 0, 2);
	tcase_add_loop_test(full, test_refuse_resumed, 0, 3);
	tcase_add_test(full, test_refuse_displaced);
	tcase_add_test(full, test_unknown_own);
	tcase_add_loop_test(full, test_choose, 0, 6);
	tcase_add_loop_test(full, test_choose_nothing, 0, 2);
	tcase_add_test(full, test_choose_misused);
	tcase_add_test(full, test_choose_then_close);
	tcase_add_test(full, test_choose_by_two);
	tcase_add_test(full, test_refuse_no_more);
	tcase_add_test(full, test_out_of_reach);
	tcase_add_loop_test(full, test_damage, 0, 2 * (int)COUNT(damages));
	tcase_add_loop_test(full, test_spoilt, 0, (int)COUNT(spoilt));
	tcase_add_loop_test(full, test_spoilt_meanwhile, 0, (int)COUNT(spoilt));
	tcase_add_test(full, test_another_store_key);
	tcase_add_test(full, test_log_is_limited);
	tcase_add_loop_test(full, test_error_queue, 0, 4);
	tcase_add_test(full, test_guest);
	tcase_add_test(full, test_standard_fds);
	suite_add_tcase(suite, full);
	suite_add_tcase(suite, empty);
	failed = harness_run(suite);
	if (filled != NULL)
		world_free(filled);
	harness_end();
	return failed;
}
