/* SPDX-License-Identifier: ISC */
/*
 * test_hook_log.c: the lines, each as it happens, against the list of events in
 * snicert(7): no line that the list has not, and nothing in the list that never
 * happens; and what an admin finds in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "../harness.h"

static struct world *world;
static struct bench bench;

/* --- what the manual says ------------------------------------------------- */

#define KEYS_MOST 10

struct documented {
	char event[32], level[16];
	char keys[KEYS_MOST][16];
	int key_count;
	bool seen[KEYS_MOST];
	int lines;
};

static struct documented documented[32];
static int documented_count;

/* ".It Cm EVENT Pq LEVEL : KEY …" */
static void
read_manual(void)
{
	const char *source = getenv("SNICERT_SRCDIR");
	char path[512], line[512];
	FILE *page;

	snprintf(path, sizeof(path), "%s/man/snicert.7", source == NULL ? "." : source);
	page = fopen(path, "r");
	ck_assert_msg(page != NULL, "no %s", path);
	while (fgets(line, sizeof(line), page) != NULL) {
		struct documented *event = &documented[documented_count];
		int rest = 0;

		if (sscanf(line, ".It Cm %31s Pq %15s : %n", event->event, event->level, &rest) != 2 || rest == 0)
			continue;
		for (char *key = strtok(line + rest, " \n"); key != NULL; key = strtok(NULL, " \n")) {
			ck_assert_int_lt(event->key_count, KEYS_MOST);
			snprintf(event->keys[event->key_count++], sizeof(event->keys[0]), "%s", key);
		}
		documented_count++;
	}
	fclose(page);
}

static struct documented *
documented_event(const char *name)
{
	for (int i = 0; i < documented_count; i++)
		if (strcmp(documented[i].event, name) == 0)
			return &documented[i];
	return NULL;
}

/* --- a line taken apart, as snicert(7) says ------------------------------- */

#define HEX "0123456789abcdef"

struct pair_of {
	char key[16], value[1024];
};

struct parsed {
	struct pair_of pairs[16];
	int count;
};

/* The octet at *at and what stands for it; false: nothing that may stand there. */
static bool
take_octet(const char **at, bool in_quotes, char *out)
{
	const char *p = *at;

	*out = *p;
	if (*p == '\\' && in_quotes && (p[1] == '"' || p[1] == '\\')) {
		*out = p[1];
		*at += 2;
		return true;
	}
	if (*p == '\\') {
		unsigned code;

		if (p[1] != 'x' || p[2] == '\0' || strchr(HEX, p[2]) == NULL || p[3] == '\0' ||
		    strchr(HEX, p[3]) == NULL || sscanf(p + 2, "%2x", &code) != 1)
			return false;
		*out = (char)code;
		*at += 4;
		return true;
	}
	if (*p < 0x20 || *p > 0x7e || (!in_quotes && strchr(" \"%=", *p) != NULL))
		return false;
	*at += 1;
	return true;
}

static bool
take_value(const char **at, char *out, size_t size)
{
	bool in_quotes = **at == '"';
	size_t used = 0;

	if (in_quotes)
		++*at;
	while (**at != '\0' && **at != '\n' && **at != (in_quotes ? '"' : ' ')) {
		if (used + 1 >= size || !take_octet(at, in_quotes, &out[used++]))
			return false;
	}
	out[used] = '\0';
	if (in_quotes && *(*at)++ != '"')
		return false;
	return in_quotes || used > 0;
}

/* Whether it is well-formed. */
static bool
parse(const char *line, struct parsed *out)
{
	const char *at = line;

	memset(out, 0, sizeof(*out));
	for (; *at != '\0' && *at != '\n' && out->count < 16; out->count++) {
		struct pair_of *pair = &out->pairs[out->count];
		size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");

		if (length == 0 || length >= sizeof(pair->key) || at[length] != '=')
			return false;
		memcpy(pair->key, at, length);
		at += length + 1;
		if (!take_value(&at, pair->value, sizeof(pair->value)))
			return false;
		if (*at == ' ')
			at++;
		else if (*at != '\0' && *at != '\n')
			return false;
	}
	return out->count > 0 && (*at == '\0' || *at == '\n');
}

static const char *
value_of(const struct parsed *parsed, const char *key)
{
	for (int i = 0; i < parsed->count; i++)
		if (strcmp(parsed->pairs[i].key, key) == 0)
			return parsed->pairs[i].value;
	return NULL;
}

static bool
note_key(struct documented *event, const char *key)
{
	for (int i = 0; i < event->key_count; i++)
		if (strcmp(event->keys[i], key) == 0)
			return event->seen[i] = true;
	return strcmp(key, "event") == 0 || strcmp(key, "pid") == 0 || strcmp(key, "suppressed") == 0;
}

/* A sink that holds each line against the manual. */
static void
check_line(void *arg, int priority, const char *text)
{
	static const char *const levels[] = { [LOG_ERR] = "err", [LOG_WARNING] = "warning",
		[LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug" };
	struct parsed parsed;
	struct documented *event;

	lines_sink(arg, priority, text);
	ck_assert_msg(parse(text, &parsed), "not of the form: %s", text);
	ck_assert_str_eq(parsed.pairs[0].key, "event");
	event = documented_event(parsed.pairs[0].value);
	ck_assert_msg(event != NULL, "%s is not in snicert(7)", parsed.pairs[0].value);
	ck_assert_msg(strcmp(event->level, levels[priority]) == 0, "%s: level %s, in snicert(7) %s",
	    event->event, levels[priority], event->level);
	for (int i = 0; i < parsed.count; i++)
		ck_assert_msg(note_key(event, parsed.pairs[i].key), "%s: %s= is not in snicert(7)",
		    event->event, parsed.pairs[i].key);
	ck_assert_int_eq(atol(value_of(&parsed, "pid")), (long)getpid());
	event->lines++;
}

static void
open_checked(void)
{
	struct snicert_sink sink = { check_line, &bench.lines, false };
	struct snicert_error err = {0};

	memset(&bench, 0, sizeof(bench));
	ck_assert_int_eq(snicert_open_logging(&bench.snicert, world->config, sink, &err), 0);
	bench.ctx = server_ctx();
	ck_assert_int_eq(snicert_attach(bench.snicert, bench.ctx, &err), 0);
}

/* The last line of an event. */
static const struct parsed *
last(const char *event)
{
	static struct parsed parsed;
	char want[64], *at, *found = NULL;

	snprintf(want, sizeof(want), "event=%s ", event);
	for (at = bench.lines.text; (at = strstr(at, want)) != NULL; at++)
		found = at;
	ck_assert_msg(found != NULL, "no %s in: %s", event, bench.lines.text);
	ck_assert(parse(found, &parsed));
	return &parsed;
}

static void
expect(const char *event, const char *key, const char *want)
{
	const char *got = value_of(last(event), key);

	if (want == NULL)
		ck_assert_msg(got == NULL, "%s: %s: got %s, want none", event, key, got);
	else
		ck_assert_msg(got != NULL && strcmp(got, want) == 0, "%s: %s: got %s, want %s", event, key,
		    got == NULL ? "none" : got, want);
}

static void
expect_like(const char *event, const char *key, const char *start)
{
	const char *got = value_of(last(event), key);

	ck_assert_msg(got != NULL && strncmp(got, start, strlen(start)) == 0, "%s: %s: got %s, want %s…", event,
	    key, got == NULL ? "none" : got, start);
}

static void
shake(const struct client *c)
{
	struct outcome out;

	handshake(bench.ctx, c, &out);
	outcome_clear(&out);
}

/* --- the world ------------------------------------------------------------ */

static int64_t
add(const char *cn, enum key_kind kind, const char *names)
{
	struct spec spec = { .cn = cn, .kind = kind, .names = names };

	return world_add(world, &spec);
}

static void
setup(void)
{
	struct spec old = { .cn = "old.example", .from = -30 * DAY, .to = -DAY };
	struct spec fallback = { .cn = "fallback", .kind = KEY_RSA, .no_bind = true };

	world = world_new();
	add("a.ec", KEY_P256, "mx.a.example");
	add("a.rsa", KEY_RSA, "mx.a.example");
	add("w", KEY_P256, "*.w.example");
	add("bad.example", KEY_P256, NULL);
	world_add(world, &old);
	world_bind(world, "@", world_add(world, &fallback));
	open_checked();
}

static void
teardown(void)
{
	bench_close(&bench);
	world_free(world);
}

/* --- each event ----------------------------------------------------------- */

static void
happen_served(void)
{
	struct client exact = { .name = "MX.a.example.", .address = "127.0.0.1" }, none = { 0 };
	struct client wildcard = { .name = "x.w.example", .address = "::1" };
	const struct parsed *line;

	shake(&exact);
	expect("served", "name", "MX.a.example.");
	expect("served", "outcome", "exact");
	expect("served", "bound", "mx.a.example");
	expect("served", "why", NULL);
	expect_like("served", "local", "127.0.0.1:");
	expect_like("served", "peer", "127.0.0.1:");
	/* Two chains, by the names that the tool has for them. */
	line = last("served");
	ck_assert_uint_eq(strlen(value_of(line, "chain")), 16 + 1 + 16);
	ck_assert_uint_eq(strspn(value_of(line, "chain"), HEX), 16);
	ck_assert(strcmp(value_of(line, "key"), "EC,RSA") == 0 || strcmp(value_of(line, "key"), "RSA,EC") == 0);
	shake(&wildcard);
	expect("served", "outcome", "wildcard");
	expect("served", "bound", "*.w.example");
	expect_like("served", "local", "[::1]:");
	shake(&none);
	expect("served", "name", "");
	expect("served", "outcome", "global");
	expect("served", "bound", "fallback");
	expect("served", "peer", NULL);
}

static void
happen_fallback(void)
{
	struct client nobody = { .name = "nobody.example", .address = "127.0.0.2", .mapped = true };
	struct client evil = { .name = "x y=\"1\"\\%s\nevent=served" };

	shake(&nobody);
	expect("fallback", "outcome", "global");
	expect("fallback", "why", "unknown");
	expect_like("fallback", "local", "127.0.0.2:");
	shake(&evil);
	expect("fallback", "name", evil.name);
	expect("fallback", "why", "malformed");
	world_unbind(world, "@");
	shake(&nobody);
	expect("fallback", "outcome", "own");
	expect("fallback", "bound", NULL);
}

static void
happen_unusable(void)
{
	struct client rsa = { .name = "x.w.example", .version = TLS1_2_VERSION,
		.ciphers = "ECDHE-RSA-AES128-GCM-SHA256", .address = "127.0.0.1" };

	shake(&rsa);
	expect("unusable", "name", "x.w.example");
	expect("unusable", "bound", "*.w.example");
	expect("unusable", "msg", "*.w.example: this client can use none of its chains");
	expect("fallback", "why", "unusable");
}

static void
happen_expired(void)
{
	struct client old = { .name = "old.example", .address = "127.0.0.1" };

	shake(&old);
	expect("expired", "msg", "old.example is served with an expired certificate: renew it");
	ck_assert_uint_eq(strlen(value_of(last("expired"), "not_after")), strlen("2026-11-25T23:59:59Z"));
	expect("served", "outcome", "exact");
	bench_close(&bench);
	world_configure(world, "expired = fallback");
	open_checked();
	shake(&old);
	expect("fallback", "why", "expired");
}

/* What the server's security level does not take. */
static void
happen_rejected(void)
{
	struct client c = { .name = "mx.a.example", .address = "127.0.0.1" };

	world_unbind(world, "@");
	SSL_CTX_set_security_level(bench.ctx, 5);
	shake(&c);
	expect("rejected", "name", "mx.a.example");
	expect("rejected", "bound", "mx.a.example");
	expect_like("rejected", "msg", "chains of mx.a.example skipped: ");
	expect("fallback", "why", "rejected");
}

static void
happen_chain(void)
{
	struct client c = { .name = "bad.example" };

	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'bad.example'");
	shake(&c);
	expect("chain", "bound", "bad.example");
	expect("chain", "key", "EC");
	expect_like("chain", "msg", "EC chain of bad.example skipped: ");
	ck_assert_uint_eq(strspn(value_of(last("chain"), "chain"), HEX), 16);
	expect("fallback", "why", "trouble");
}

static void
happen_refused(void)
{
	struct client c = { .name = "no body.example", .address = "127.0.0.1" };
	char text[200];

	bench_close(&bench);
	snprintf(text, sizeof(text), "program \"%s\" { unknown = refuse }", program_invocation_short_name);
	world_configure(world, text);
	open_checked();
	shake(&c);
	expect("refused", "name", "no body.example");
	expect_like("refused", "peer", "127.0.0.1:");
}

static void
happen_store(void)
{
	struct client c = { .name = "new.example" };

	expect("store-opened", "store", world->store);
	world_sql(world, "PRAGMA foreign_keys = OFF; DROP TABLE binding");
	shake(&c);
	expect("store-unreadable", "store", world->store);
	bench_close(&bench);
	world_remove_store(world);
	open_checked();
	expect("store-unavailable", "store", world->store);
	ck_assert_msg(strstr(value_of(last("store-unavailable"), "msg"), "; serving without it") != NULL,
	    "got %s", value_of(last("store-unavailable"), "msg"));
}

static void
happen_key(void)
{
	bench_close(&bench);
	chmod(world->key, 0644);
	open_checked();
	expect("store-key", "file", world->key);
}

static void
happen_config(void)
{
	bench_close(&bench);
	world_configure(world, "expired = \"later\"");
	open_checked();
	ck_assert_msg(strstr(value_of(last("config"), "msg"), "expired = \"later\": want serve or fallback; using the default") != NULL,
	    "got %s", value_of(last("config"), "msg"));
}

/* It takes an allocation that fails: here only its form. */
static void
happen_memory(void)
{
	log_say(bench.snicert->log, LOG_EVENT_MEMORY, "no memory to watch for TLS contexts");
	expect("memory", "msg", "no memory to watch for TLS contexts");
}

static void
happen_uncounted(void)
{
	bench_close(&bench);
	world_configure(world, "stats { path = \"/nonexistent/stats\" }");
	open_checked();
	expect("uncounted", "file", "/nonexistent/stats");
}

static void
happen_statistics(void)
{
	char file[128];

	bench_close(&bench);
	mapping_path(file, sizeof(file), world->stats, geteuid());
	unlink(file);
	ck_assert_int_eq(symlink("/etc/passwd", file), 0);
	open_checked();
	expect("statistics", "file", world->stats);
}

static void (*const happenings[])(void) = { happen_served, happen_fallback, happen_unusable, happen_expired,
	happen_rejected, happen_chain, happen_refused, happen_store, happen_key, happen_config, happen_memory, happen_uncounted,
	happen_statistics };

START_TEST(test_events)
{
	for (size_t i = 0; i < COUNT(happenings); i++) {
		setup();
		happenings[i]();
		teardown();
	}
	for (int i = 0; i < documented_count; i++) {
		ck_assert_msg(documented[i].lines > 0, "%s never happened", documented[i].event);
		for (int j = 0; j < documented[i].key_count; j++)
			ck_assert_msg(documented[i].seen[j], "%s never had %s=", documented[i].event,
			    documented[i].keys[j]);
	}
}
END_TEST

START_TEST(test_manual)
{
	ck_assert_int_eq(documented_count, LOG_EVENT_COUNT);
	for (int i = 0; i < LOG_EVENT_COUNT; i++)
		ck_assert_msg(documented_event(log_events[i].name) != NULL,
		    "%s is not in snicert(7)", log_events[i].name);
}
END_TEST

/* The form itself: what the parser above must not take. */
START_TEST(test_parser)
{
	static const char *const wrong[] = { "", "event", "event=", "event=a  b=c", "event=a b", "event=\"a", "event=\"a\"b",
		"event=a=b", "event=a\\", "event=a\\x1", "event=a\\xzz", "event=a%", "event=\"a\\n\"", " event=a", "Event=a" };
	struct parsed parsed;

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(!parse(wrong[i], &parsed), "taken: %s", wrong[i]);
	ck_assert(parse("event=a\\x20b msg=\"c \\\"d\\\" \\\\ = %\" x=\"\"", &parsed));
	ck_assert_str_eq(value_of(&parsed, "event"), "a b");
	ck_assert_str_eq(value_of(&parsed, "msg"), "c \"d\" \\ = %");
	ck_assert_str_eq(value_of(&parsed, "x"), "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hook_log");
	TCase *tests = tcase_create("hook_log");
	int failed;

	tcase_add_unchecked_fixture(tests, read_manual, NULL);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_parser);
	tcase_add_test(tests, test_manual);
	tcase_add_test(tests, test_events);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
