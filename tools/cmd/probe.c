/* SPDX-License-Identifier: ISC */
/*
 * probe.c: a real handshake per name and key type, compared with what the store would have served.
 *
 * We expect what snicert(7)'s order of choice gives: the exact name, the wildcard, the fallback of
 * the address connected to, the global fallback.  A program's own fallback isn't visible from
 * outside.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/x509.h>

#include "cmd/probe.h"
#include "date.h"
#include "error.h"
#include "nearest.h"
#include "look/probe.h"
#include "look/starttls.h"
#include "show/report.h"
#include "show/say.h"
#include "store/open.h"
#include "tool.h"

#define TIMEOUT_MOST 3600
#define KEY_TYPES 4
#define CANDIDATES 4

static const struct {
	const char *word;               /* on the command line */
	const char *key_types[2];       /* the store's words for it */
} asks[KEY_TYPES] = {
	[PROBE_ANY] = { "any", { NULL, NULL } },
	[PROBE_RSA] = { "rsa", { "RSA", "RSA-PSS" } },
	[PROBE_ECDSA] = { "ecdsa", { "EC", NULL } },
	[PROBE_ED25519] = { "ed25519", { "ED25519", NULL } },
};

struct probing {
	struct tool *tool;
	struct admin *admin;            /* NULL: no store to compare with */
	struct report *report;
	struct probe_hosts hosts;
	bool many;                      /* one row per host, including unreachable ones */
	char **names;                   /* to send; NULL: none */
	size_t name_count;
	int protocol;                   /* -1: by port */
	enum probe_tls tls;
	int timeout_ms;
	bool wanted[KEY_TYPES];         /* --key-type */
	bool chosen;                    /* any --key-type at all */
	bool bad;                       /* a check failed */
	size_t unreached;               /* of many hosts */
	struct snicert_error err;
};

/* The chains that the store allows for a handshake. */
struct expected {
	struct expected_chain {
		int64_t id, not_after;
		char key_type[16];
		unsigned char leaf[STORE_DIGEST_LENGTH];
	} chains[STORE_CHAINS_MOST];
	size_t count;
	bool fallback;
};

/* The result of the comparison. */
enum verdict { NOT_COMPARED, SAME, DIFFERENT, NOT_IN_STORE };

static bool
fits(enum probe_key ask, const char *key_type)
{
	if (ask == PROBE_ANY)
		return true;
	for (size_t i = 0; i < 2; i++)
		if (asks[ask].key_types[i] != NULL && strcmp(asks[ask].key_types[i], key_type) == 0)
			return true;
	return false;
}

static int
take_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct expected *expected = arg;

	(void)key;
	(void)key_type;
	if (expected->count < STORE_CHAINS_MOST)
		expected->chains[expected->count++].id = chain;
	return 0;
}

static int
take_chain(void *arg, const struct admin_chain *chain)
{
	struct expected_chain *to = arg;

	snprintf(to->key_type, sizeof(to->key_type), "%s", chain->key_type);
	to->not_after = chain->not_after;
	if (chain->leaf != NULL)
		memcpy(to->leaf, chain->leaf, sizeof(to->leaf));
	return 0;
}

/* What is bound to a key; nothing if `expired = fallback` skips it. */
static int
chains_of(struct probing *p, const struct name *key, struct expected *out)
{
	int64_t now = (int64_t)time(NULL);
	bool lasting = p->tool->config->expired == CONFIG_EXPIRED_SERVE;

	memset(out, 0, sizeof(*out));
	out->fallback = key->text[0] == '@';
	if (admin_bindings(p->admin, key->text, 0, take_binding, out, &p->err) != 0)
		return -1;
	for (size_t i = 0; i < out->count; i++) {
		if (admin_chains(p->admin, out->chains[i].id, NULL, take_chain, &out->chains[i], &p->err) != 0)
			return -1;
		lasting = lasting || out->chains[i].not_after >= now;
	}
	if (!lasting)
		out->count = 0;
	return 0;
}

/* `peer` is the address connected to, or "". */
static size_t
candidates_of(const struct probing *p, const char *server_name, const char *peer,
    struct name out[CANDIDATES])
{
	size_t count = 0;

	if (server_name != NULL && name_normalise(&out[0], server_name, strlen(server_name))) {
		count = 1;
		if (p->tool->config->wildcard && name_wildcard(&out[1], &out[0]))
			count = 2;
	}
	if (peer[0] != '\0' && tool_fallback_key(peer, &out[count], NULL) == 0)
		count++;
	name_fallback(&out[count++], NULL);
	return count;
}

/* The first candidate with a chain that fits the request. */
static int
expect(struct probing *p, const char *server_name, const char *peer, enum probe_key ask,
    struct expected *out)
{
	struct name keys[CANDIDATES];
	size_t count = candidates_of(p, server_name, peer, keys);

	for (size_t i = 0; i < count; i++) {
		size_t kept = 0;

		if (chains_of(p, &keys[i], out) != 0)
			return -1;
		for (size_t j = 0; j < out->count; j++)
			if (fits(ask, out->chains[j].key_type))
				out->chains[kept++] = out->chains[j];
		out->count = kept;
		if (kept > 0)
			return 0;
	}
	return 0;
}

/* Move the served chain, if it is one of these, to the front. */
static enum verdict
compare(const struct probing *p, struct expected *expected, const struct probe_result *result)
{
	if (p->admin == NULL || !result->handshake)
		return NOT_COMPARED;
	for (size_t i = 0; i < expected->count; i++) {
		if (memcmp(expected->chains[i].leaf, result->leaf, sizeof(result->leaf)) == 0) {
			expected->chains[0] = expected->chains[i];
			return SAME;
		}
	}
	return expected->count > 0 ? DIFFERENT : NOT_IN_STORE;
}

/* For programs a word, for people the chain it should have been, and is. */
static void
report_verdict(struct probing *p, enum verdict verdict, const struct expected *expected,
    const struct probe_result *result)
{
	static const char *const words[] = { NULL, "same", "different", "not in store" };
	char text[160], served[2 * STORE_DIGEST_LENGTH + 1];
	int64_t id;
	int used;

	if (p->tool->json || verdict != DIFFERENT) {
		report_text(p->report, words[verdict]);
		return;
	}
	used = snprintf(text, sizeof(text), "different: store has chain %" PRId64, expected->chains[0].id);
	tool_fingerprint(result->leaf, true, served, sizeof(served));
	if (admin_resolve(p->admin, served, &id, NULL) == 0)
		snprintf(text + used, sizeof(text) - (size_t)used, ", served is chain %" PRId64, id);
	report_text(p->report, text);
}

static void
report_served(struct probing *p, const char *server_name, const struct probe_result *result)
{
	const X509 *leaf = result->handshake ? sk_X509_value(result->chain, 0) : NULL;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];
	struct tm tm;

	if (leaf == NULL) {
		for (int i = 0; i < 5; i++)
			report_text(p->report, NULL);
		return;
	}
	report_text(p->report, result->tls);
	report_text(p->report, result->key_type);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1)
		report_time(p->report, date_join(&tm));
	else
		report_text(p->report, NULL);
	report_start(p->report, tool_fingerprint(result->leaf, true, fingerprint, sizeof(fingerprint)), 16);
	if (server_name == NULL)
		report_text(p->report, NULL);
	else
		report_flag(p->report, result->name_matches);
}

static void
report_host(struct probing *p, const struct probe_host *host)
{
	report_text(p->report, p->tool->json ? host->target.host : host->text);
	report_number(p->report, strtol(host->target.port, NULL, 10));
	report_text(p->report, host->target.implicit ? "tls" : starttls_words[host->target.protocol].name);
}

static void
report_probe(struct probing *p, const struct probe_host *host, const struct probe_shake *shake, struct expected *expected)
{
	const struct probe_result *result = &shake->result;
	enum verdict verdict = compare(p, expected, result);

	report_host(p, host);
	report_text(p->report, p->tool->json || shake->name != NULL ? shake->name : "(none)");
	report_text(p->report, asks[shake->ask].word);
	report_served(p, shake->name, result);
	report_verdict(p, verdict, expected, result);
	if (expected->count > 0)
		report_number(p->report, expected->chains[0].id);
	else
		report_text(p->report, NULL);
	if (result->handshake)
		report_number(p->report, (result->handshake_us + 500) / 1000);
	else
		report_text(p->report, NULL);
	report_text(p->report, shake->trouble.code == SNICERT_OK ? NULL : shake->trouble.text);
	report_row_end(p->report);
	if (!result->handshake || verdict == DIFFERENT || verdict == NOT_IN_STORE ||
	    (verdict == SAME && shake->name != NULL && !expected->fallback && !result->name_matches))
		p->bad = true;
}

/* -1: the only host is unreachable: nothing to show. */
static int
report_shake(struct probing *p, const struct probe_host *host, const struct probe_shake *shake)
{
	const struct probe_result *result = &shake->result;
	struct expected expected = {0};

	if (!shake->done)
		return 0;
	if (!result->connected && !p->many)
		return error_set(&p->err, (enum snicert_code)shake->trouble.code, "%s", shake->trouble.text);
	p->unreached += !result->connected;
	if (p->admin != NULL && expect(p, shake->name, result->peer_address, shake->ask, &expected) != 0)
		return -1;
	report_probe(p, host, shake, &expected);
	return 0;
}

static int
report_all(struct probing *p)
{
	for (size_t i = 0; i < p->hosts.count; i++)
		for (size_t j = 0; j < p->hosts.list[i].count; j++)
			if (report_shake(p, &p->hosts.list[i], &p->hosts.list[i].shakes[j]) != 0)
				return -1;
	return 0;
}

/* By default, ask for any key, and for a single host each key type bound for the name. */
static int
choose_asks(struct probing *p, const char *server_name, bool out[KEY_TYPES])
{
	struct expected expected;

	memcpy(out, p->wanted, sizeof(p->wanted));
	if (p->chosen)
		return 0;
	out[PROBE_ANY] = true;
	if (p->admin == NULL || p->many)
		return 0;
	if (expect(p, server_name, "", PROBE_ANY, &expected) != 0)
		return -1;
	for (size_t i = 0; i < expected.count; i++)
		for (int ask = PROBE_RSA; ask < KEY_TYPES; ask++)
			if (fits((enum probe_key)ask, expected.chains[i].key_type))
				out[ask] = true;
	return 0;
}

static int
plan_name(struct probing *p, struct probe_host *host, const char *server_name)
{
	bool ask[KEY_TYPES];

	if (choose_asks(p, server_name, ask) != 0)
		return -1;
	for (int i = 0; i < KEY_TYPES; i++)
		if (ask[i] && probe_host_plan(host, server_name, (enum probe_key)i, &p->err) != 0)
			return -1;
	return 0;
}

/* By default, ask a host for its own name. */
static int
plan_host(struct probing *p, struct probe_host *host)
{
	struct name name;
	bool known;

	for (size_t i = 0; i < p->name_count; i++)
		if (plan_name(p, host, p->names[i]) != 0)
			return -1;
	if (p->name_count > 0)
		return 0;
	known = name_normalise(&name, host->target.host, strlen(host->target.host));
	return plan_name(p, host, known ? host->target.host : NULL);
}

/* What to send for an argument: NULL for "-"; else as typed, a U-label as A-label. */
static int
server_name_of(const char *text, struct name *name, const char **out, struct snicert_error *err)
{
	*out = NULL;
	if (strcmp(text, "-") == 0)
		return 0;
	*out = text;
	if (name_normalise(name, text, strlen(text)))
		return 0;
	if (tool_name(text, name, err) != 0)
		return -1;
	if (name->text[0] == '*')
		return error_set(err, SNICERT_EUSAGE, "%s: clients can't ask for a wildcard; give a name", text);
	*out = name->text;
	return 0;
}

static int
take_name(struct probing *p, const char *text)
{
	const char *server_name;
	struct name name;
	char *copy = NULL;

	if (server_name_of(text, &name, &server_name, &p->err) != 0)
		return -1;
	if (server_name != NULL && (copy = strdup(server_name)) == NULL)
		return error_set(&p->err, SNICERT_EMEMORY, "no memory");
	p->names[p->name_count++] = copy;
	return 0;
}

/* Everything before the first handshake, so that typing errors cost nothing. */
static int
take_arguments(struct probing *p, int count, char **arguments)
{
	p->names = calloc((size_t)count + 1, sizeof(*p->names));
	if (p->names == NULL)
		return error_set(&p->err, SNICERT_EMEMORY, "no memory");
	for (int i = 0; i < count; i++)
		if (p->hosts.count == 0 || probe_hosts_is_host(arguments[i])
		    ? probe_hosts_add(&p->hosts, arguments[i], &p->err) != 0 : take_name(p, arguments[i]) != 0)
			return -1;
	p->many = p->many || p->hosts.count > 1;
	for (size_t i = 0; i < p->hosts.count; i++) {
		struct probe_host *host = &p->hosts.list[i];

		if (probe_parse_target(host->text, p->protocol, p->tls, &host->address, &host->target, &p->err) != 0)
			return -1;
		host->target.timeout_ms = p->timeout_ms;
	}
	return 0;
}

static int
plan_all(struct probing *p)
{
	for (size_t i = 0; i < p->hosts.count; i++)
		if (plan_host(p, &p->hosts.list[i]) != 0)
			return -1;
	return 0;
}

static int
probe(struct probing *p, int count, char **arguments)
{
	static const struct report_column columns[] = {
		{ "host", "Host", false }, { "port", NULL, false }, { "protocol", NULL, false },
		{ "name", "Name", false }, { "asked", "Asked", false }, { "tls", "TLS", false },
		{ "key_type", "Key", false }, { "not_after", "Expires", false },
		{ "sha256", "SHA-256", false },
		{ "name_matches", "Name matches", false }, { "store", "Store", false },
		{ "store_chain", NULL, true }, { "handshake_ms", "ms", true }, { "error", "Error", false },
	};
	struct report_column shown[sizeof(columns) / sizeof(columns[0])];
	struct snicert_error no_store = {0};
	int status;

	if (take_arguments(p, count, arguments) != 0)
		return tool_fail(&p->err);
	memcpy(shown, columns, sizeof(shown));
	shown[0].head = p->many ? shown[0].head : NULL;
	if (open_store(p->tool, ADMIN_READ, &p->admin, &no_store) != 0)
		p->admin = NULL;
	if (plan_all(p) != 0)
		return tool_fail(&p->err);
	probe_hosts_run(&p->hosts);
	p->report = report_new(stdout, p->tool->json, shown, sizeof(shown) / sizeof(shown[0]));
	status = report_all(p);
	if (report_finish(p->report, &p->err) != 0 || status != 0)
		return tool_fail(&p->err);
	if (p->admin == NULL && !p->tool->json) {
		putchar('\n');
		say_on(stdout, "Not compared with a store: %s\n", no_store.text);
	}
	if (p->unreached == 0)
		return p->bad ? TOOL_NO : TOOL_DONE;
	say("not reached: %zu of %zu host%s", p->unreached, p->hosts.count, p->hosts.count == 1 ? "" : "s");
	return TOOL_FAILED;
}

static int
take_key_type(struct probing *p, const char *text)
{
	const char *meant = NULL;

	for (int i = 0; i < KEY_TYPES; i++) {
		if (strcasecmp(asks[i].word, text) == 0) {
			p->wanted[i] = true;
			p->chosen = true;
			return 0;
		}
	}
	for (int i = 0; i < KEY_TYPES; i++)
		nearest_offer(text, asks[i].word, &meant);
	return tool_unknown("key type", text, meant, "rsa, ecdsa, ed25519 or any");
}

static int
take_timeout(struct probing *p, const char *text)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1 || seconds > TIMEOUT_MOST)
		return tool_usage(p->tool, "%s is not a number of seconds from 1 to %d", text, TIMEOUT_MOST);
	p->timeout_ms = (int)seconds * 1000;
	return 0;
}

static int
take_protocol(struct probing *p, const char *text)
{
	p->protocol = starttls_of_name(text);
	return p->protocol >= 0 ? 0
	    : tool_usage(p->tool, "%s is not a protocol: use smtp, lmtp, imap or pop3", text);
}

static int
take_option(struct probing *p, int option)
{
	switch (option) {
	case 'i':
		p->tls = PROBE_TLS_IMPLICIT;
		return 0;
	case 'p':
		return take_protocol(p, optarg);
	case 'h':
		p->many = true;
		return probe_hosts_read(&p->hosts, optarg, &p->err) == 0 ? 0 : tool_fail(&p->err);
	case 't':
		return take_timeout(p, optarg);
	default:
		return take_key_type(p, optarg);
	}
}

static int
run(struct probing *p, int argc, char **argv)
{
	static const struct option options[] = {
		{ "implicit", no_argument, NULL, 'i' }, { "protocol", required_argument, NULL, 'p' },
		{ "hosts", required_argument, NULL, 'h' }, { "timeout", required_argument, NULL, 't' },
		{ "key-type", required_argument, NULL, 'k' }, TOOL_OPTIONS,
	};
	int option, status;

	while ((option = tool_getopt(p->tool, argc, argv, options, &status)) != -1) {
		if (option == '?' || (status = take_option(p, option)) != 0)
			return status;
	}
	if (optind == argc && p->hosts.count == 0)
		return tool_usage(p->tool, "probe which host?");
	return probe(p, argc - optind, argv + optind);
}

static int
cmd_probe(struct tool *tool, int argc, char **argv)
{
	struct probing p = { .tool = tool, .protocol = -1, .tls = PROBE_TLS_BY_PORT };
	int status = run(&p, argc, argv);

	admin_close(p.admin);
	probe_hosts_free(&p.hosts);
	for (size_t i = 0; i < p.name_count; i++)
		free(p.names[i]);
	free(p.names);
	return status;
}

const struct command command_probe = {
	.name = "probe",
	.run = cmd_probe,
	.arguments = "[--protocol PROTOCOL] [--implicit] [--timeout SECONDS] [--key-type TYPE…] HOST[:PORT]… [NAME…] | --hosts FILE [NAME…]",
	.summary = "connect to a server and compare what it serves with the store",
	.help =
	    "  --protocol PROTOCOL  smtp, lmtp, imap or pop3, each with STARTTLS (default: by the port, else smtp)\n"
	    "  --implicit      TLS without STARTTLS (default for ports 465, 993, 995 and 443)\n"
	    "  --hosts FILE    a file with one HOST[:PORT] per line (- for standard input)\n"
	    "  --timeout SECONDS  for each handshake (30)\n"
	    "  --key-type TYPE rsa, ecdsa, ed25519 or any (may be repeated; default: those of the store)\n",
};
