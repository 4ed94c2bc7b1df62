/* SPDX-License-Identifier: ISC */
/* test_policy.c: what a host says of one context (attach2) or connection (set_local, set_name). */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <openssl/err.h>

#include "../harness.h"

static struct world *world;
static struct bench bench;

static int64_t
add(const char *cn, enum key_kind kind, const char *names)
{
	struct spec spec = { .cn = cn, .kind = kind, .names = names };

	return world_add(world, &spec);
}

static void
setup(void)
{
	struct spec unbound = { .cn = "fb", .no_bind = true };

	world = world_new();
	world_configure(world, "program \"own\" { unknown = own }\n"
	    "program \"refuse\" { unknown = refuse fallback = \"section.example\" }\n");
	add("a", KEY_P256, "a.example");
	add("b-ec", KEY_P256, "b.example");
	add("b-rsa", KEY_RSA, "b.example");
	add("mine", KEY_P256, "mine.example");
	add("section", KEY_P256, "section.example");
	world_bind(world, "@", world_add(world, &unbound));
	unbound.cn = "at";
	world_bind(world, "@192.0.2.7", world_add(world, &unbound));
	unbound.cn = "at6";
	world_bind(world, "@2001:db8::7", world_add(world, &unbound));
	bench_open(&bench, world);
}

static void
teardown(void)
{
	bench_close(&bench);
	world_free(world);
}

/* --- attach2 ------------------------------------------------------------------- */

/* What the client gets: the leaf's name, or the alert as "refused". */
static const char *
got(SSL_CTX *ctx, const char *name, const char *sigalgs)
{
	static char leaf[64];
	struct client c = { .name = name, .sigalgs = sigalgs };
	struct outcome out;

	handshake(ctx, &c, &out);
	snprintf(leaf, sizeof(leaf), "%s", out.done ? out.leaf
	    : out.alert == SSL_AD_UNRECOGNIZED_NAME ? "refused" : "failed");
	outcome_clear(&out);
	return leaf;
}

static const struct {
	const char *label;
	struct snicert_policy policy;
	const char *known, *unknown, *nameless;
} policies[] = {
	{ "nothing", {0}, "a", "fb", "fb" },
	{ "the section own", { .program = "own" }, "a", "own-ec", "own-ec" },
	{ "the section refuse", { .program = "refuse" }, "a", "refused", "section" },
	{ "own", { .unknown = SNICERT_UNKNOWN_OWN }, "a", "own-ec", "own-ec" },
	{ "refuse", { .unknown = SNICERT_UNKNOWN_REFUSE }, "a", "refused", "fb" },
	{ "fallback over a section", { .program = "own", .unknown = SNICERT_UNKNOWN_FALLBACK }, "a", "fb", "fb" },
	{ "a fallback", { .fallback = "Mine.example" }, "a", "mine", "mine" },
	{ "a fallback over a section's", { .program = "refuse", .fallback = "mine.example" }, "a", "refused", "mine" },
	{ "a fallback without chains", { .fallback = "nobody.example" }, "a", "fb", "fb" },
	{ "no fallback", { .fallback = "none" }, "a", "own-ec", "own-ec" },
	{ "refuse, and no fallback", { .unknown = SNICERT_UNKNOWN_REFUSE, .fallback = "none" }, "a", "refused", "own-ec" },
	{ "no EC", { .key_types = SNICERT_KEY_RSA | SNICERT_KEY_ED448 }, "own-ec", "own-ec", "own-ec" },
	{ "EC", { .key_types = SNICERT_KEY_EC }, "a", "fb", "fb" },
};

START_TEST(test_policies)
{
	struct snicert_policy policy = policies[_i].policy;
	struct snicert_error err = {0};
	SSL_CTX *ctx = server_ctx(), *plain = server_ctx();

	policy.size = sizeof(policy);
	ck_assert_int_eq(snicert_attach(bench.snicert, plain, NULL), 0);
	ck_assert_msg(snicert_attach2(bench.snicert, ctx, &policy, &err) == 0, "%s: %s", policies[_i].label, err.text);
	ck_assert_msg(strcmp(got(ctx, "a.example", NULL), policies[_i].known) == 0, "%s: known", policies[_i].label);
	ck_assert_msg(strcmp(got(ctx, "x.example", NULL), policies[_i].unknown) == 0, "%s: unknown", policies[_i].label);
	ck_assert_msg(strcmp(got(ctx, NULL, NULL), policies[_i].nameless) == 0, "%s: nameless", policies[_i].label);
	/* Of that context alone; counted with the rest. */
	ck_assert_str_eq(got(plain, "x.example", NULL), "fb");
	ck_assert_uint_ge(bench_counters(&bench).fallback, 1);
	ck_assert_uint_eq(bench_counters(&bench).exact, strcmp(policies[_i].known, "a") == 0);
	ck_assert_uint_eq(bench_counters(&bench).refused, strcmp(policies[_i].unknown, "refused") == 0);
	SSL_CTX_free(ctx);
	SSL_CTX_free(plain);
}
END_TEST

/* Of several chains under one name. */
START_TEST(test_key_types)
{
	struct snicert_policy rsa = { .size = sizeof(rsa), .key_types = SNICERT_KEY_RSA };

	ck_assert_str_eq(got(bench.ctx, "b.example", NULL), "b-ec");
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &rsa, NULL), 0);
	ck_assert_str_eq(got(bench.ctx, "b.example", NULL), "b-rsa");
	ck_assert_msg(strstr(bench.lines.text, "key types") == NULL, "%s", bench.lines.text);
	got(bench.ctx, "a.example", NULL);
	ck_assert_msg(strstr(bench.lines.text, "of the key types that its context may serve") != NULL, "%s",
	    bench.lines.text);
}
END_TEST

/* Attached anew, the policy is another; and the context keeps no more than one of each. */
START_TEST(test_replaced)
{
	struct snicert_policy own = { .size = sizeof(own), .unknown = SNICERT_UNKNOWN_OWN };
	struct snicert_policy mine = { .size = sizeof(mine), .fallback = "mine.example" };
	struct snicert_policy refuse = { .size = sizeof(refuse), .unknown = SNICERT_UNKNOWN_REFUSE };
	unsigned refs = 0;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &own, NULL), 0);
		ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "own-ec");
		ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &mine, NULL), 0);
		ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "mine");
		ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &refuse, NULL), 0);
		ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "refused");
		ck_assert_int_eq(snicert_attach(bench.snicert, bench.ctx, NULL), 0);
		ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "fb");
		if (i == 0)
			refs = atomic_load(&bench.snicert->hook.refs);
	}
	ck_assert_uint_eq(atomic_load(&bench.snicert->hook.refs), refs);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &mine, NULL), 0);
	snicert_detach(bench.snicert, bench.ctx);
	ck_assert_str_eq(got(bench.ctx, "a.example", NULL), "own-ec");
}
END_TEST

/* The context keeps what its policy is of. */
START_TEST(test_closed)
{
	struct snicert_policy mine = { .size = sizeof(mine), .fallback = "mine.example" };
	struct snicert *snicert = NULL;
	SSL_CTX *ctx = server_ctx();

	ck_assert_int_eq(snicert_open(&snicert, world->config, NULL), 0);
	ck_assert_int_eq(snicert_attach2(snicert, ctx, &mine, NULL), 0);
	snicert_close(snicert);
	ck_assert_str_eq(got(ctx, "x.example", NULL), "mine");
	SSL_CTX_free(ctx);
}
END_TEST

static int chosen;      /* what choose answered */

static int
choosing(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	chosen = snicert_choose(bench.snicert, ssl, NULL);
	return SSL_TLSEXT_ERR_OK;
}

/* A host that chooses in its own callback goes by the policy of the context. */
START_TEST(test_choose)
{
	struct snicert_policy own = { .size = sizeof(own), .unknown = SNICERT_UNKNOWN_OWN };
	struct snicert_policy mine = { .size = sizeof(mine), .fallback = "mine.example" };

	SSL_CTX_set_tlsext_servername_callback(bench.ctx, choosing);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &own, NULL), 0);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "own-ec");
	ck_assert_int_eq(chosen, 1);
	ck_assert_str_eq(got(bench.ctx, "a.example", NULL), "a");
	ck_assert_int_eq(chosen, 0);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &mine, NULL), 0);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "mine");
	ck_assert_int_eq(chosen, 0);
}
END_TEST

/* Handshake; the leaf that came, in a buffer of its own. */
static const char *
shaken(struct pair *pair)
{
	static char leaf[64];

	ck_assert_msg(pair_shake(pair), "the handshake failed");
	cert_cn(SSL_get0_peer_certificate(pair->client), leaf, sizeof(leaf));
	return leaf;
}

/* A host that has an OCSP response for its own certificate, and doesn't look at which one is presented. */
static int
stapling(SSL *ssl, void *arg)
{
	(void)arg;
	SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_memdup("own", 3), 3);
	return SSL_TLSEXT_ERR_OK;
}

/* Returns the chain's name, and "+" where a response is stapled to it. */
static const char *
stapled(int version, const char *name)
{
	static char text[80];
	struct client c = { .name = name, .version = version };
	struct outcome out;
	struct pair pair;
	unsigned char *response;

	pair_open(&pair, bench.ctx, &c, &out);
	SSL_set_tlsext_status_type(pair.client, TLSEXT_STATUSTYPE_ocsp);
	snprintf(text, sizeof(text), "%s", shaken(&pair));
	if (SSL_get_tlsext_status_ocsp_resp(pair.client, &response) > 0)
		strcat(text, "+");
	pair_close(&pair);
	return text;
}

START_TEST(test_stapling)
{
	struct snicert_policy own = { .size = sizeof(own), .unknown = SNICERT_UNKNOWN_OWN }, staples = own;
	int version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_CTX_set_tlsext_status_cb(bench.ctx, stapling);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &own, NULL), 0);
	ck_assert_str_eq(stapled(version, "x.example"), "own-ec+");
	ck_assert_str_eq(stapled(version, "a.example"), "a");
	staples.flags = SNICERT_STAPLES;
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &staples, NULL), 0);
	ck_assert_str_eq(stapled(version, "x.example"), "own-ec+");
	ck_assert_str_eq(stapled(version, "a.example"), "a+");
	/* One that was built with the policy of before. */
	staples.size = offsetof(struct snicert_policy, flags);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &staples, NULL), 0);
	ck_assert_str_eq(stapled(version, "a.example"), "a");
}
END_TEST

static const struct {
	const char *label;
	struct snicert_policy policy;
	int code;
	const char *text;
} mistakes[] = {
	{ "a section that is not there", { .program = "nosuch" }, SNICERT_ECONFIG, "program \"nosuch\"" },
	{ "unknown", { .unknown = (enum snicert_unknown)9 }, SNICERT_EUSAGE, "unknown is 9" },
	{ "a flag", { .flags = 1u << 20 }, SNICERT_EUSAGE, "flags" },
	{ "a key type", { .key_types = 1u << 20 }, SNICERT_EUSAGE, "key_types" },
	{ "a fallback that is no name", { .fallback = "no name\n" }, SNICERT_EINPUT, "no\\x20name\\x0a" },
	{ "an empty one", { .fallback = "" }, SNICERT_EINPUT, "not a name that a store can hold" },
	{ "one that is never served", { .unknown = SNICERT_UNKNOWN_OWN, .fallback = "mine.example" }, SNICERT_EUSAGE,
	    "never served" },
	{ "none, and it is to be served", { .unknown = SNICERT_UNKNOWN_FALLBACK, .fallback = "none" }, SNICERT_EUSAGE,
	    "none" },
};

START_TEST(test_mistakes)
{
	struct snicert_policy policy = mistakes[_i].policy, mine = { .size = sizeof(mine), .fallback = "mine.example" };
	struct snicert_error err = {0};

	policy.size = sizeof(policy);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &mine, NULL), 0);
	ck_assert_msg(snicert_attach2(bench.snicert, bench.ctx, &policy, &err) == -1, "%s", mistakes[_i].label);
	ck_assert_msg(err.code == mistakes[_i].code && strstr(err.text, mistakes[_i].text) != NULL, "%s: %d, \"%s\"",
	    mistakes[_i].label, err.code, err.text);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &policy, NULL), -1);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "mine"); /* as it was */
}
END_TEST

/* Strict, the fallback has to be there. */
START_TEST(test_strict)
{
	struct snicert_options options = { .size = sizeof(options), .config_path = world->config,
		.flags = SNICERT_STRICT };
	struct snicert_policy policy = { .size = sizeof(policy), .fallback = "nobody.example" };
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;

	ck_assert_msg(snicert_open2(&snicert, &options, &err) == 0, "%s", err.text);
	ck_assert_int_eq(snicert_attach2(snicert, bench.ctx, &policy, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ENOTFOUND);
	ck_assert_msg(strstr(err.text, "nobody.example") != NULL, "%s", err.text);
	policy.fallback = "mine.example";
	ck_assert_int_eq(snicert_attach2(snicert, bench.ctx, &policy, NULL), 0);
	snicert_close(snicert);
}
END_TEST

/* A host that knows fewer members, or more; and one that gives none. */
START_TEST(test_sizes)
{
	struct snicert_policy early = { .size = offsetof(struct snicert_policy, fallback), .program = "own",
		.fallback = "no name" };
	struct {
		struct snicert_policy known;
		char more[64];
	} later = { .known = { .size = sizeof(later), .fallback = "mine.example" }, .more = "later" };
	struct snicert_policy sizeless = {0};
	struct snicert_error err = {0};

	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &early, NULL), 0);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "own-ec");
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &later.known, NULL), 0);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "mine");
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &sizeless, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, NULL, NULL), -1);
	ck_assert_int_eq(snicert_attach2(bench.snicert, NULL, &early, NULL), -1);
	ck_assert_int_eq(snicert_attach2(NULL, bench.ctx, &early, NULL), -1);
}
END_TEST

/* --- contexts in use -------------------------------------------------------------- */

static int callbacks_set;

void __real_SSL_CTX_set_security_callback(SSL_CTX *, int (*)(const SSL *, const SSL_CTX *, int, int, int, void *, void *));
void __wrap_SSL_CTX_set_security_callback(SSL_CTX *, int (*)(const SSL *, const SSL_CTX *, int, int, int, void *, void *));

/* From this moment on another thread's connection may call it, with the argument that the host gave. */
void
__wrap_SSL_CTX_set_security_callback(SSL_CTX *ctx,
    int (*callback)(const SSL *, const SSL_CTX *, int, int, int, void *, void *))
{
	callbacks_set++;
	ck_assert_int_eq(callback(NULL, ctx, SSL_SECOP_EE_KEY, 256, NID_undef, NULL, SSL_CTX_get0_security_ex_data(ctx)), 1);
	__real_SSL_CTX_set_security_callback(ctx, callback);
}

START_TEST(test_verdict_first)
{
	SSL_CTX *ctx = server_ctx();
	int before = callbacks_set;

	ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	ck_assert_int_eq(callbacks_set, before + 1);
	/* It is there already: nothing of a context in use is touched. */
	ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	ck_assert_int_eq(callbacks_set, before + 1);
	SSL_CTX_free(ctx);
}
END_TEST

/* A connection that began to be made before the context was attached again has the policy of the time. */
START_TEST(test_between)
{
	struct snicert_policy mine = { .size = sizeof(mine), .fallback = "mine.example" };
	struct client c = { .name = "x.example" };
	struct outcome out;
	struct pair pair;
	char leaf[64];

	pair_open(&pair, bench.ctx, &c, &out);
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &mine, NULL), 0);
	ck_assert(pair_shake(&pair));
	cert_cn(SSL_get0_peer_certificate(pair.client), leaf, sizeof(leaf));
	ck_assert_str_eq(leaf, "mine");
	pair_close(&pair);
}
END_TEST

static int
minds_nothing(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* A host that sets its servername callback later refuses all the same. */
START_TEST(test_refuse_and_servername)
{
	struct snicert_policy refuse = { .size = sizeof(refuse), .unknown = SNICERT_UNKNOWN_REFUSE };

	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &refuse, NULL), 0);
	SSL_CTX_set_tlsext_servername_callback(bench.ctx, minds_nothing);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "refused");
	ck_assert_str_eq(got(bench.ctx, "a.example", NULL), "a");
	/* Its own ClientHello callback takes our place: another alert, and a line that says so. */
	SSL_CTX_set_client_hello_cb(bench.ctx, host_client_hello, NULL);
	ck_assert_str_eq(got(bench.ctx, "x.example", NULL), "failed");
	ck_assert_msg(strstr(bench.lines.text, "event=refused") != NULL, "%s", bench.lines.text);
	ck_assert_str_eq(got(bench.ctx, "a.example", NULL), "a");
}
END_TEST

/* A resumed session presents nothing, and what the SSL has is the host's own: snicert(7). */
START_TEST(test_resumed)
{
	struct client c = { .name = "a.example", .version = _i == 0 ? TLS1_2_VERSION : 0 };
	struct snicert_served said = { .size = sizeof(said) };
	struct outcome out, again;
	struct pair pair;
	char cn[64];

	handshake(bench.ctx, &c, &out);
	c.session = out.session;
	pair_open(&pair, bench.ctx, &c, &again);
	ck_assert(pair_shake(&pair));
	ck_assert_int_eq(SSL_session_reused(pair.server), 1);
	ck_assert_int_eq(snicert_read_served(bench.snicert, pair.server, &said, NULL), 0);
	ck_assert_int_eq(said.outcome, SNICERT_SERVED_NOTHING);
	cert_cn(SSL_get_certificate(pair.server), cn, sizeof(cn));
	ck_assert_msg(strncmp(cn, "own-", 4) == 0, "%s", cn);
	pair_close(&pair);
	outcome_clear(&out);
}
END_TEST

/* --- set_local, set_name --------------------------------------------------------- */

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;

	out.ss_family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
	in->sin_port = htons(25); /* at the same place in both */
	ck_assert_int_eq(inet_pton(out.ss_family, text, out.ss_family == AF_INET ? (void *)&in->sin_addr
	    : (void *)&in6->sin6_addr), 1);
	return out;
}

static void
set_local(SSL *ssl, const char *text)
{
	struct sockaddr_storage local = address(text);
	struct snicert_error err = {0};

	ck_assert_msg(snicert_set_local(bench.snicert, ssl, (struct sockaddr *)&local, sizeof(local), &err) == 0,
	    "%s: %s", text, err.text);
}

static void
set_name(SSL *ssl, const char *name)
{
	struct snicert_error err = {0};

	ck_assert_msg(snicert_set_name(bench.snicert, ssl, name, &err) == 0, "%s", err.text);
}

/* The next connection on the same SSL. */
static void
begin_anew(struct pair *pair, const char *name)
{
	BIO *one, *two;

	ck_assert_int_eq(SSL_clear(pair->server), 1);
	SSL_free(pair->client);
	pair->client = SSL_new(pair->client_ctx);
	if (name != NULL)
		SSL_set_tlsext_host_name(pair->client, name);
	ck_assert_int_eq(BIO_new_bio_pair(&one, 65536, &two, 65536), 1);
	SSL_set_bio(pair->server, one, one);
	SSL_set_bio(pair->client, two, two);
	SSL_set_connect_state(pair->client);
	SSL_set_accept_state(pair->server);
}

static const struct {
	const char *address, *want;
} locals[] = {
	{ "192.0.2.7", "at" }, { "::ffff:192.0.2.7", "at" }, { "2001:db8::7", "at6" }, { "192.0.2.8", "fb" },
};

START_TEST(test_local)
{
	struct client c = { .name = "x.example", .version = _i % 2 == 0 ? TLS1_2_VERSION : 0,
		.address = _i >= 2 ? "127.0.0.1" : NULL };

	for (size_t i = 0; i < COUNT(locals); i++) {
		struct outcome out;
		struct pair pair;

		pair_open(&pair, bench.ctx, &c, &out);
		set_local(pair.server, locals[i].address);
		ck_assert_str_eq(shaken(&pair), locals[i].want);
		pair_close(&pair);
	}
	ck_assert_msg(strstr(bench.lines.text, "local=192.0.2.7:25") != NULL &&
	    strstr(bench.lines.text, "local=\"[2001:db8::7]:25\"") == NULL &&
	    strstr(bench.lines.text, "local=[2001:db8::7]:25") != NULL, "%s", bench.lines.text);
}
END_TEST

static const struct {
	const char *sent, *set, *want, *served;
	enum snicert_outcome outcome;
} names[] = {
	{ NULL, "A.example.", "a", "a.example", SNICERT_SERVED_EXACT },
	{ "b.example", "a.example", "a", "a.example", SNICERT_SERVED_EXACT },
	{ "a.example", "x.example", "fb", "x.example", SNICERT_SERVED_FALLBACK },
	{ "a.example", "", "fb", "", SNICERT_SERVED_FALLBACK },
	{ "a.example", "no name\n", "fb", "", SNICERT_SERVED_FALLBACK },
	{ "a.example", NULL, "a", "a.example", SNICERT_SERVED_EXACT },
};

/* 0 and 1: attached; 2 and 3: chosen in a servername callback; of each TLS 1.2 and 1.3. */
START_TEST(test_name)
{
	SSL_CTX *ctx = server_ctx();

	if (_i < 2)
		ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	else
		SSL_CTX_set_tlsext_servername_callback(ctx, choosing);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct client c = { .name = names[i].sent, .version = _i % 2 == 0 ? TLS1_2_VERSION : 0 };
		struct snicert_served said = { .size = sizeof(said) };
		struct outcome out;
		struct pair pair;

		pair_open(&pair, ctx, &c, &out);
		set_name(pair.server, "b.example");
		set_name(pair.server, names[i].set);
		ck_assert_str_eq(shaken(&pair), names[i].want);
		ck_assert_int_eq(snicert_read_served(bench.snicert, pair.server, &said, NULL), 0);
		ck_assert_str_eq(said.name, names[i].served);
		ck_assert_int_eq(said.outcome, names[i].outcome);
		pair_close(&pair);
	}
	SSL_CTX_free(ctx);
}
END_TEST

/* It is that name which is refused. */
START_TEST(test_name_refused)
{
	struct snicert_policy refuse = { .size = sizeof(refuse), .unknown = SNICERT_UNKNOWN_REFUSE };
	struct client c = { .name = "a.example" };
	struct outcome out;
	struct pair pair;

	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &refuse, NULL), 0);
	pair_open(&pair, bench.ctx, &c, &out);
	set_name(pair.server, "x.example");
	ck_assert(!pair_shake(&pair));
	ck_assert_int_eq(out.alert, SSL_AD_UNRECOGNIZED_NAME);
	pair_close(&pair);
	c.name = "x.example";
	pair_open(&pair, bench.ctx, &c, &out);
	set_name(pair.server, "a.example");
	ck_assert_str_eq(shaken(&pair), "a");
	pair_close(&pair);
}
END_TEST

/* What was said of a connection is not said of the next one on that SSL. */
START_TEST(test_cleared)
{
	struct client c = { .name = "x.example", .version = _i == 0 ? TLS1_2_VERSION : 0 };
	struct outcome out;
	struct pair pair;

	pair_open(&pair, bench.ctx, &c, &out);
	set_local(pair.server, "192.0.2.7");
	ck_assert_str_eq(shaken(&pair), "at");
	begin_anew(&pair, "x.example");
	ck_assert_str_eq(shaken(&pair), "fb");
	begin_anew(&pair, "x.example");
	set_name(pair.server, "a.example");
	set_local(pair.server, "192.0.2.7");
	ck_assert_str_eq(shaken(&pair), "a");
	begin_anew(&pair, "b.example");
	ck_assert_str_eq(shaken(&pair), "b-ec");
	/* The one anew, the other not. */
	begin_anew(&pair, "b.example");
	set_local(pair.server, "2001:db8::7");
	set_name(pair.server, "x.example");
	ck_assert_str_eq(shaken(&pair), "at6");
	begin_anew(&pair, "b.example");
	set_name(pair.server, "x.example");
	ck_assert_str_eq(shaken(&pair), "fb");
	/* Said before the SSL is cleared, of a connection that never came to a ClientHello. */
	begin_anew(&pair, "b.example");
	set_name(pair.server, "a.example");
	begin_anew(&pair, "b.example");
	set_name(pair.server, NULL);
	ck_assert_str_eq(shaken(&pair), "b-ec");
	pair_close(&pair);
}
END_TEST

/* A renegotiation is on the same connection. */
START_TEST(test_renegotiated)
{
	struct client c = { .name = "b.example", .version = TLS1_2_VERSION };
	struct outcome out;
	struct pair pair;
	char leaf[64], octet;

	SSL_CTX_set_options(bench.ctx, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	pair_open(&pair, bench.ctx, &c, &out);
	set_name(pair.server, "a.example");
	ck_assert_str_eq(shaken(&pair), "a");
	ck_assert_int_eq(SSL_renegotiate(pair.server), 1);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(pair.server);
		SSL_read(pair.client, &octet, 1);
		SSL_read(pair.server, &octet, 1);
	}
	ck_assert_int_eq(out.hellos, 2);
	cert_cn(SSL_get0_peer_certificate(pair.client), leaf, sizeof(leaf));
	ck_assert_str_eq(leaf, "a");
	pair_close(&pair);
}
END_TEST

START_TEST(test_misused)
{
	struct sockaddr_storage local = address("192.0.2.7");
	struct sockaddr_un other = { .sun_family = AF_UNIX };
	struct sockaddr *given = (struct sockaddr *)&local;
	struct client c = { .name = "x.example" };
	struct snicert_error err = {0};
	char longest[300] = "";
	struct outcome out;
	struct pair pair;

	memset(longest, 'a', 256);
	pair_open(&pair, bench.ctx, &c, &out);
	ck_assert_int_eq(snicert_set_local(NULL, pair.server, given, sizeof(local), NULL), -1);
	ck_assert_int_eq(snicert_set_local(bench.snicert, NULL, given, sizeof(local), NULL), -1);
	ck_assert_int_eq(snicert_set_name(NULL, pair.server, "a.example", NULL), -1);
	ck_assert_int_eq(snicert_set_name(bench.snicert, NULL, "a.example", NULL), -1);
	ck_assert_int_eq(snicert_set_local(bench.snicert, pair.server, given, sizeof(struct sockaddr_in) - 1, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	ck_assert_int_eq(snicert_set_local(bench.snicert, pair.server, given, 0, NULL), -1);
	ck_assert_int_eq(snicert_set_local(bench.snicert, pair.server, (struct sockaddr *)&other, sizeof(other), NULL), -1);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(snicert_set_name(bench.snicert, pair.server, longest, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EINPUT);
	ck_assert_int_eq(snicert_set_name(bench.snicert, pair.client, "a.example", NULL), -1);
	ck_assert_int_eq(snicert_set_local(bench.snicert, pair.server, NULL, 0, NULL), 0);
	ck_assert_str_eq(shaken(&pair), "fb");
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(snicert_set_name(bench.snicert, pair.server, "a.example", &err), -1);
	ck_assert_msg(strstr(err.text, "before its handshake") != NULL, "%s", err.text);
	ck_assert_int_eq(snicert_set_local(bench.snicert, pair.server, given, sizeof(local), NULL), -1);
	pair_close(&pair);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* What a host says and asks of each connection takes less than twice what it takes to make the SSL and
 * free it: it was five times that. */
START_TEST(test_cost)
{
	struct sockaddr_storage local = address("192.0.2.7");
	struct snicert_served said = { .size = sizeof(said) };
	double calls = 1e9, control = 1e9;
	SSL *ssls[400];

	for (int round = 0; round < 10; round++) {
		double start = cpu_seconds(), made, called, freed;

		for (size_t i = 0; i < COUNT(ssls); i++) {
			ssls[i] = SSL_new(bench.ctx);
			SSL_set_accept_state(ssls[i]);
		}
		made = cpu_seconds();
		for (size_t i = 0; i < COUNT(ssls); i++)
			if (snicert_set_local(bench.snicert, ssls[i], (struct sockaddr *)&local, sizeof(local), NULL) != 0 ||
			    snicert_set_name(bench.snicert, ssls[i], "a.example", NULL) != 0 ||
			    snicert_read_served(bench.snicert, ssls[i], &said, NULL) != 0)
				ck_abort_msg("round %d, call %zu", round, i);
		called = cpu_seconds();
		for (size_t i = 0; i < COUNT(ssls); i++)
			SSL_free(ssls[i]);
		freed = cpu_seconds();
		calls = called - made < calls ? called - made : calls;
		control = freed - called + made - start < control ? freed - called + made - start : control;
	}
	ck_assert_msg(calls < 2 * control, "%.2f us, an SSL %.2f us", calls * 1e6 / COUNT(ssls),
	    control * 1e6 / COUNT(ssls));
}
END_TEST

/* In a child: libssl, once loaded, stays. */
static int
loads_another(void *arg)
{
	const char *copy = arg;
	SSL *ssl = SSL_new(bench.ctx);
	struct snicert_error err = {0};

	if (snicert_set_name(bench.snicert, ssl, "a.example", &err) != 0 || dlopen(copy, RTLD_NOW | RTLD_LOCAL) == NULL)
		return 1;
	if (snicert_set_name(bench.snicert, ssl, "a.example", &err) != -1)
		return 2;
	return strstr(err.text, "2 libssl") == NULL ? 3 : 0;
}

/* That there is but one libssl is not asked again for each connection, but after anything was loaded. */
START_TEST(test_loaded_later)
{
	char copy[128], command[1024];
	Dl_info libssl;

	ck_assert_int_ne(dladdr(TLS_server_method(), &libssl), 0);
	snprintf(copy, sizeof(copy), "%s/libssl.so.later", world->dir);
	snprintf(command, sizeof(command), "cp '%s' '%s'", libssl.dli_fname, copy);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(in_child(loads_another, copy), 0);
	ck_assert_int_eq(in_child(loads_another, copy), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tc = tcase_create("policy");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_policies, 0, COUNT(policies));
	tcase_add_test(tc, test_key_types);
	tcase_add_test(tc, test_replaced);
	tcase_add_test(tc, test_closed);
	tcase_add_test(tc, test_choose);
	tcase_add_loop_test(tc, test_stapling, 0, 2);
	tcase_add_loop_test(tc, test_mistakes, 0, COUNT(mistakes));
	tcase_add_test(tc, test_strict);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_verdict_first);
	tcase_add_test(tc, test_between);
	tcase_add_test(tc, test_refuse_and_servername);
	tcase_add_loop_test(tc, test_resumed, 0, 2);
	tcase_add_loop_test(tc, test_local, 0, 4);
	tcase_add_loop_test(tc, test_name, 0, 4);
	tcase_add_test(tc, test_name_refused);
	tcase_add_loop_test(tc, test_cleared, 0, 2);
	tcase_add_test(tc, test_renegotiated);
	tcase_add_test(tc, test_misused);
	tcase_add_test(tc, test_cost);
	tcase_add_test(tc, test_loaded_later);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
