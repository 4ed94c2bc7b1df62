/* SPDX-License-Identifier: ISC */
/*
 * test_protocol.c: more than one handshake, and more than one ClientHello: renegotiation,
 * resumption, early data, HelloRetryRequest, each also with another name than before.
 *
 * Each case is told in words by what happened, once with a server that has the module
 * and once with the same one without: the words are to be the same (rule 1), but for whose
 * certificate came.  Whose certificate a session has is settled as it begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "../harness.h"
#include "trial.h"

static struct world *world;
static struct bench bench;      /* with the module */
static SSL_CTX *without;

/* What happened. */
struct story {
	char text[1024];
	char leaf[64];          /* of the last certificate that the client was shown */
};

static void
setup(void)
{
	static const char *const names[] = { "a.example", "b.example" };
	struct spec fallback = { .cn = "fallback.example" };

	world = world_new();
	world_configure(world, NULL);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct spec spec = { .cn = names[i] };

		world_add(world, &spec);
	}
	world_bind(world, "@", world_add(world, &fallback));
	bench_open(&bench, world);
	without = server_ctx();
}

static void
teardown(void)
{
	SSL_CTX_free(without);
	bench_close(&bench);
	world_free(world);
}

__attribute__((format(printf, 2, 3)))
static void
tell(struct story *story, const char *format, ...)
{
	size_t used = strlen(story->text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(story->text + used, sizeof(story->text) - used, format, ap);
	va_end(ap);
}

static void
tell_leaf(struct story *story, SSL *client)
{
	story->leaf[0] = '\0';
	if (SSL_get0_peer_certificate(client) != NULL)
		cert_cn(SSL_get0_peer_certificate(client), story->leaf, sizeof(story->leaf));
}

/* Whose certificate the module serves a name with. */
static const char *
owner(const char *name)
{
	return name != NULL && (strcmp(name, "a.example") == 0 || strcmp(name, "b.example") == 0) ? name
	    : "fallback.example";
}

static const char *
word(const char *name)
{
	return name == NULL ? "no name" : name;
}

/* What is asked for first, and then. */
static const char *const firsts[] = { "a.example", NULL };
static const char *const thens[] = { "a.example", "b.example", "nobody.example", NULL };

/* How often each kind was tried, for the table. */
static void
report(const char *what, size_t cases, const char *more)
{
	char often[40];

	snprintf(often, sizeof(often), "%zu cases", cases);
	trial_row("peers", what, often, "each as with the same server without the module%s", more);
}

/* --- renegotiation (TLS 1.2) ------------------------------------------------------------ */

struct again {
	bool by_client, abbreviated;
	uint64_t options;       /* of the server */
	const char *first, *then;
};

/* What was asked for, as far as it goes; then an octet each way. */
static void
converse(struct pair *pair, bool by_client, struct story *story)
{
	SSL *one = by_client ? pair->client : pair->server, *other = by_client ? pair->server : pair->client;
	char octet = 'x';

	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(one);
		SSL_read(other, &octet, 1);
		SSL_read(one, &octet, 1);
	}
	tell(story, "; data: %d", SSL_write(one, &octet, 1));
	tell(story, " %d", SSL_read(other, &octet, 1));
	tell(story, " %d", SSL_write(other, &octet, 1));
	tell(story, " %d", SSL_read(one, &octet, 1));
}

static void
renegotiate(SSL_CTX *server, const struct again *again, struct story *story)
{
	struct client c = { .name = again->first, .version = TLS1_2_VERSION };
	struct outcome out;
	struct pair pair;
	SSL *one;
	int rc;

	SSL_CTX_set_options(server, again->options);
	pair_open(&pair, server, &c, &out);
	ck_assert(pair_shake(&pair));
	SSL_set_tlsext_host_name(pair.client, again->then);
	one = again->by_client ? pair.client : pair.server;
	rc = again->abbreviated ? SSL_renegotiate_abbreviated(one) : SSL_renegotiate(one);
	tell(story, "asked: %d", rc);
	converse(&pair, again->by_client, story);
	tell(story, "; %d ClientHellos, alert %d, pending %d, resumed %d", out.hellos, out.alert,
	    SSL_renegotiate_pending(one), SSL_session_reused(pair.server));
	tell_leaf(story, pair.client);
	pair_close(&pair);
	SSL_CTX_clear_options(server, again->options);
}

START_TEST(test_renegotiation)
{
	static const uint64_t options[] = { 0, SSL_OP_ALLOW_CLIENT_RENEGOTIATION, SSL_OP_NO_RENEGOTIATION,
		SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION };
	size_t cases = 0, renewed = 0, refused = 0;

	for (unsigned i = 0; i < 4 * COUNT(options) * COUNT(firsts) * COUNT(thens); i++, cases++) {
		struct again again = { .by_client = i & 1, .abbreviated = i >> 1 & 1,
			.options = options[i / 4 % COUNT(options)],
			.first = firsts[i / 4 / COUNT(options) % COUNT(firsts)],
			.then = thens[i / 4 / COUNT(options) / COUNT(firsts)] };
		struct story plain = {0}, ours = {0};
		bool two;

		renegotiate(without, &again, &plain);
		renegotiate(bench.ctx, &again, &ours);
		ck_assert_msg(strcmp(plain.text, ours.text) == 0, "%s%s, options %llx, %s, then %s:\n  without: %s\n  with: %s",
		    again.by_client ? "by the client" : "by the server", again.abbreviated ? ", abbreviated" : "",
		    (unsigned long long)again.options, word(again.first), word(again.then), plain.text, ours.text);
		two = strstr(ours.text, "2 ClientHellos, alert 0, pending 0") != NULL;
		renewed += two;
		refused += !two;
		if (two && strstr(ours.text, "resumed 0") != NULL)
			ck_assert_msg(strcmp(ours.leaf, owner(again.then)) == 0, "%s, then %s: %s", word(again.first),
			    word(again.then), ours.leaf);
	}
	ck_assert_uint_ge(renewed, cases / 4);
	ck_assert_uint_ge(refused, cases / 4);
	report("renegotiation, allowed or not, by either side, with the name or another", cases,
	    "; a certificate that is sent is that of the name asked for last");
}
END_TEST

/* --- resumption ----------------------------------------------------------------------- */

struct resumption {
	const char *label;
	int version;
	uint64_t options;
};
static const struct resumption resumptions[] = {
	{ "TLS 1.2 by id", TLS1_2_VERSION, SSL_OP_NO_TICKET },
	{ "TLS 1.2 by ticket", TLS1_2_VERSION, 0 },
	{ "TLS 1.3", TLS1_3_VERSION, 0 },
	{ "TLS 1.3, kept by the server", TLS1_3_VERSION, SSL_OP_NO_TICKET },
};

static void
resume(SSL_CTX *server, const struct resumption *way, const char *first, const char *then, struct story *story)
{
	struct client c = { .name = first, .version = way->version };
	struct outcome before, after, third;

	SSL_CTX_set_options(server, way->options);
	handshake(server, &c, &before);
	ck_assert(before.done);
	c.name = then;
	c.session = before.session;
	handshake(server, &c, &after);
	tell(story, "done %d, resumed %d, alert %d, version %x", after.done, after.resumed, after.alert, after.version);
	snprintf(story->leaf, sizeof(story->leaf), "%s", after.leaf);
	/* And what was resumed, once more with the first name. */
	c.name = first;
	c.session = after.session;
	handshake(server, &c, &third);
	tell(story, "; done %d, resumed %d, alert %d", third.done, third.resumed, third.alert);
	outcome_clear(&before);
	outcome_clear(&after);
	outcome_clear(&third);
	SSL_CTX_clear_options(server, way->options);
}

START_TEST(test_resumption)
{
	size_t cases = 0, resumed = 0;

	for (size_t i = 0; i < COUNT(resumptions) * COUNT(firsts) * COUNT(thens); i++, cases++) {
		const struct resumption *way = &resumptions[i % COUNT(resumptions)];
		const char *first = firsts[i / COUNT(resumptions) % COUNT(firsts)];
		const char *then = thens[i / COUNT(resumptions) / COUNT(firsts)];
		struct story plain = {0}, ours = {0};

		resume(without, way, first, then, &plain);
		resume(bench.ctx, way, first, then, &ours);
		ck_assert_msg(strcmp(plain.text, ours.text) == 0, "%s, %s, then %s:\n  without: %s\n  with: %s", way->label,
		    word(first), word(then), plain.text, ours.text);
		if (strstr(ours.text, "resumed 0") == NULL)
			resumed++;
		/* The certificate of a session is the one it began with. */
		else if (strncmp(ours.text, "done 1, resumed 0", 17) == 0)
			ck_assert_str_eq(ours.leaf, owner(then));
	}
	ck_assert_uint_ge(resumed, cases / 2);
	report("resumption by session id, ticket and TLS 1.3's, with the name or another", cases, "");
}
END_TEST

/* --- early data (TLS 1.3) -------------------------------------------------------------- */

struct early {
	const char *first, *then;
	bool retry;             /* by a HelloRetryRequest */
	bool replay;            /* the same session a second time */
	bool none;              /* the server takes early data, the client sends none */
	uint64_t options;
};

/* The server's side: early data, then the handshake. */
static void
take_early(SSL *server, int *state, size_t *taken, int *failed)
{
	char octets[64];
	size_t n;

	if (*state == SSL_READ_EARLY_DATA_FINISH) {
		int rc = SSL_do_handshake(server);

		*failed |= rc != 1 && SSL_get_error(server, rc) != SSL_ERROR_WANT_READ;
		return;
	}
	*state = SSL_read_early_data(server, octets, sizeof(octets), &n);
	if (*state == SSL_READ_EARLY_DATA_SUCCESS)
		*taken += n;
	*failed |= *state == SSL_READ_EARLY_DATA_ERROR && SSL_get_error(server, 0) != SSL_ERROR_WANT_READ;
}

static SSL_SESSION *
early_handshake(SSL_CTX *server, const struct early *early, const char *name, SSL_SESSION *session, struct story *story)
{
	struct client c = { .name = name, .groups = early->retry && session != NULL ? "P-521:P-384" : "P-384", .session = session };
	int state = SSL_READ_EARLY_DATA_ERROR, failed = 0;
	size_t taken = 0, written = 0;
	struct outcome out;
	struct pair pair;
	char octet = 'x';
	SSL_SESSION *after;

	pair_open(&pair, server, &c, &out);
	if (session != NULL && !early->none)
		tell(story, "wrote %d, ", SSL_write_early_data(pair.client, "early", 5, &written));
	for (int i = 0; i < 20; i++) {
		take_early(pair.server, &state, &taken, &failed);
		SSL_do_handshake(pair.client);
	}
	for (int i = 0; i < 5; i++) {
		SSL_write(pair.server, &octet, 1);
		SSL_read(pair.client, &octet, 1);
	}
	tell(story, "early data status %d, %zu taken; done %d %d, failed %d, alert %d, resumed %d, %d ClientHellos; ",
	    SSL_get_early_data_status(pair.server), taken, SSL_is_init_finished(pair.server),
	    SSL_is_init_finished(pair.client), failed, out.alert, SSL_session_reused(pair.server), out.hellos);
	tell_leaf(story, pair.client);
	after = SSL_get1_session(pair.client);
	SSL_shutdown(pair.server);
	SSL_shutdown(pair.client);
	pair_close(&pair);
	return after;
}

static void
send_early(SSL_CTX *server, const struct early *early, struct story *story)
{
	SSL_SESSION *session, *after;

	SSL_CTX_set_max_early_data(server, 16384);
	SSL_CTX_set_recv_max_early_data(server, 16384);
	SSL_CTX_set1_groups_list(server, "P-384:P-256");
	SSL_CTX_set_options(server, early->options);
	session = early_handshake(server, early, early->first, NULL, story);
	ck_assert_msg(SSL_SESSION_get_max_early_data(session) == 16384, "no early data is allowed: %s", story->text);
	/* This client's library minds another name than before; others don't. */
	SSL_SESSION_set1_hostname(session, early->then);
	after = early_handshake(server, early, early->then, session, story);
	if (early->replay)
		SSL_SESSION_free(early_handshake(server, early, early->then, session, story));
	SSL_SESSION_free(after);
	SSL_SESSION_free(session);
	SSL_CTX_clear_options(server, early->options);
	SSL_CTX_set_max_early_data(server, 0);
}

START_TEST(test_early_data)
{
	size_t cases = 0, accepted = 0;

	for (size_t i = 0; i < 16 * COUNT(firsts) * COUNT(thens); i++, cases++) {
		struct early early = { .first = firsts[i / 16 % COUNT(firsts)], .then = thens[i / 16 / COUNT(firsts)],
			.retry = i & 1, .replay = i >> 1 & 1, .none = i >> 2 & 1,
			.options = i >> 3 & 1 ? SSL_OP_NO_ANTI_REPLAY : 0 };
		struct story plain = {0}, ours = {0};

		send_early(without, &early, &plain);
		send_early(bench.ctx, &early, &ours);
		ck_assert_msg(strcmp(plain.text, ours.text) == 0, "%s, then %s; %zu:\n  without: %s\n  with: %s",
		    word(early.first), word(early.then), i % 16, plain.text, ours.text);
		ck_assert_msg(strstr(ours.text, "done 0") == NULL && strstr(ours.text, "alert 0") != NULL, "%s", ours.text);
		/* The latest handshake of the case. */
		if (strncmp(strrchr(ours.text, 'r'), "resumed 0", 9) == 0)
			ck_assert_msg(strcmp(ours.leaf, owner(early.then)) == 0, "%s, then %s: %s", word(early.first),
			    word(early.then), ours.leaf);
		accepted += strstr(ours.text, "5 taken") != NULL;
	}
	ck_assert_uint_ge(accepted, cases / 8);
	report("early data: sent again, with another name, with a HelloRetryRequest, or none", cases,
	    "; a certificate that is sent is that of the name asked for last");
}
END_TEST

/* --- HelloRetryRequest (TLS 1.3) ------------------------------------------------------------- */

/* The second ClientHello has another name: no client does that, and RFC 8446 section 4.1.2
 * forbids it, but the library lets it pass. */
static void
retry(SSL_CTX *server, const char *first, const char *then, bool resumes, struct story *story)
{
	struct client c = { .name = first, .groups = "P-521:P-384" };
	struct outcome out, before = {0};
	struct pair pair;

	SSL_CTX_set1_groups_list(server, "P-384:P-256");
	if (resumes) {
		handshake(server, &c, &before);
		c.session = before.session;
	}
	pair_open(&pair, server, &c, &out);
	SSL_do_handshake(pair.client);
	SSL_set_tlsext_host_name(pair.client, then);
	tell(story, "done %d", pair_shake(&pair));
	tell(story, ", %d ClientHellos, alert %d, resumed %d", out.hellos, out.alert, SSL_session_reused(pair.server));
	tell_leaf(story, pair.client);
	pair_close(&pair);
	outcome_clear(&before);
}

START_TEST(test_hello_retry)
{
	size_t cases = 0;

	for (size_t i = 0; i < 2 * COUNT(firsts) * COUNT(thens); i++, cases++) {
		const char *first = firsts[i / 2 % COUNT(firsts)], *then = thens[i / 2 / COUNT(firsts)];
		struct story plain = {0}, ours = {0};

		retry(without, first, then, i % 2 != 0, &plain);
		retry(bench.ctx, first, then, i % 2 != 0, &ours);
		ck_assert_msg(strcmp(plain.text, ours.text) == 0, "%s, then %s:\n  without: %s\n  with: %s", word(first),
		    word(then), plain.text, ours.text);
		ck_assert_msg(strncmp(ours.text, "done 1, 2 ClientHellos", 22) == 0, "%s", ours.text);
		if (i % 2 == 0)
			ck_assert_msg(strcmp(ours.leaf, owner(then)) == 0, "%s, then %s: %s", word(first), word(then), ours.leaf);
	}
	report("HelloRetryRequest, with the name or another in the second ClientHello, resumed or not", cases,
	    "; a certificate that is sent is that of the name asked for last");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("protocol");
	TCase *tc = tcase_create("protocol");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_renegotiation);
	tcase_add_test(tc, test_resumption);
	tcase_add_test(tc, test_early_data);
	tcase_add_test(tc, test_hello_retry);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
