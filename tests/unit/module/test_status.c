/* SPDX-License-Identifier: ISC */
/* test_status.c: what a host asks an open module: lookup, warm, health, counters2; and what it is told of. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "../harness.h"

static struct world *world;
static struct bench bench;
static int64_t b_ec, b_rsa;             /* chains of b.example */

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
	world_configure(world, "program \"mx\" { fallback = \"b.example\" }\n");
	add("a", KEY_P256, "a.example");
	b_ec = add("b-ec", KEY_P256, "b.example");
	b_rsa = add("b-rsa", KEY_RSA, "b.example");
	add("w", KEY_P256, "*.w.example");
	world_bind(world, "@", world_add(world, &unbound));
	unbound.cn = "at";
	world_bind(world, "@192.0.2.7", world_add(world, &unbound));
	bench_open(&bench, world);
}

static void
teardown(void)
{
	bench_close(&bench);
	world_free(world);
}

static struct snicert_counters2
counters(void)
{
	struct snicert_counters2 out;

	ck_assert_int_eq(snicert_read_counters2(bench.snicert, &out, sizeof(out), NULL), 0);
	return out;
}

static struct snicert_health
health(void)
{
	struct snicert_health out = { .size = sizeof(out) };

	ck_assert_int_eq(snicert_read_health(bench.snicert, &out, NULL), 0);
	return out;
}

/* --- lookup ---------------------------------------------------------------------- */

static const struct {
	const char *name, *local, *asked, *bound;
	enum snicert_outcome outcome;
	const char *types;
} lookups[] = {
	{ "A.example.", NULL, "a.example", "a.example", SNICERT_SERVED_EXACT, "EC " },
	{ "b.example", NULL, "b.example", "b.example", SNICERT_SERVED_EXACT, "EC RSA " },
	{ "x.w.example", NULL, "x.w.example", "*.w.example", SNICERT_SERVED_WILDCARD, "EC " },
	{ "x.example", NULL, "x.example", "@", SNICERT_SERVED_FALLBACK, "EC " },
	{ "x.example", "192.0.2.8", "x.example", "@", SNICERT_SERVED_FALLBACK, "EC " },
	{ "x.example", "192.0.2.7", "x.example", "@192.0.2.7", SNICERT_SERVED_ADDRESS_FALLBACK, "EC " },
	{ NULL, "::ffff:192.0.2.7", "", "@192.0.2.7", SNICERT_SERVED_ADDRESS_FALLBACK, "EC " },
	{ "no name\n", NULL, "", "@", SNICERT_SERVED_FALLBACK, "EC " },
	{ NULL, NULL, "", "@", SNICERT_SERVED_FALLBACK, "EC " },
};

static struct snicert_served
look_up(const struct snicert_request *request)
{
	struct snicert_served out = { .size = sizeof(out) };
	struct snicert_error err = {0};

	ck_assert_msg(snicert_lookup(bench.snicert, request, &out, &err) == 0, "%s", err.text);
	return out;
}

START_TEST(test_lookup)
{
	struct snicert_request request = { .size = sizeof(request), .name = lookups[_i].name, .local = lookups[_i].local };
	struct snicert_served got = look_up(&request);
	char types[64] = "";

	ck_assert_int_eq(got.outcome, lookups[_i].outcome);
	ck_assert_str_eq(got.name, lookups[_i].asked);
	ck_assert_str_eq(got.bound, lookups[_i].bound);
	ck_assert_int_eq(got.expired, 0);
	for (unsigned i = 0; i < got.chain_count; i++) {
		strcat(strcat(types, got.chains[i].key_type), " ");
		ck_assert_int_gt(got.chains[i].not_after, (int64_t)time(NULL) + 80 * DAY);
	}
	ck_assert_str_eq(types, lookups[_i].types);
	/* No handshake was that. */
	ck_assert_uint_eq(counters().exact + counters().wildcard + counters().global + counters().address, 0);
	ck_assert_msg(strstr(bench.lines.text, "event=served") == NULL && strstr(bench.lines.text, "event=fallback") == NULL,
	    "%s", bench.lines.text);
}
END_TEST

/* The leaf is the one that a client gets. */
START_TEST(test_lookup_is_right)
{
	struct snicert_request request = { .size = sizeof(request), .name = "a.example" };
	struct snicert_served got = look_up(&request);
	struct client c = { .name = "a.example" };
	unsigned char digest[32];
	struct outcome out;
	struct pair pair;

	pair_open(&pair, bench.ctx, &c, &out);
	ck_assert(pair_shake(&pair));
	ck_assert_int_eq(X509_digest(SSL_get0_peer_certificate(pair.client), EVP_sha256(), digest, NULL), 1);
	pair_close(&pair);
	ck_assert_uint_eq(got.chain_count, 1);
	ck_assert_mem_eq(got.chains[0].leaf_sha256, digest, sizeof(digest));
}
END_TEST

static void
has_numbers(const struct snicert_served *got, int64_t ec, int64_t rsa)
{
	ck_assert_uint_eq(got->chain_count, 2);
	ck_assert_str_eq(got->chains[0].key_type, "EC");
	ck_assert_int_eq(got->chain_numbers[0], ec);
	ck_assert_int_eq(got->chain_numbers[1], rsa);
	ck_assert_int_eq(got->chain_numbers[2], 0);
}

/* The tool's, before a handshake and after it; and another's, where the chain was removed and came again meanwhile. */
START_TEST(test_chain_numbers)
{
	struct snicert_request request = { .size = sizeof(request), .name = "b.example" };
	struct snicert_served got = look_up(&request);
	struct client c = { .name = "b.example" };
	struct outcome out;
	struct pair pair;

	has_numbers(&got, b_ec, b_rsa);
	pair_open(&pair, bench.ctx, &c, &out);
	ck_assert(pair_shake(&pair));
	got = (struct snicert_served){ .size = sizeof(got) };
	ck_assert_int_eq(snicert_read_served(bench.snicert, pair.server, &got, NULL), 0);
	has_numbers(&got, b_ec, b_rsa);
	pair_close(&pair);

	world_sql(world, "UPDATE chain SET id = 99 WHERE id = %d; UPDATE chain_cert SET chain = 99 WHERE chain = %d;"
	    "UPDATE binding SET chain = 99 WHERE chain = %d", (int)b_rsa, (int)b_rsa, (int)b_rsa);
	world_tick();
	got = look_up(&request);
	has_numbers(&got, b_ec, 99);
}
END_TEST

/* One that was built before there were numbers has no room for them. */
START_TEST(test_no_room_for_numbers)
{
	struct snicert_request request = { .size = sizeof(request), .name = "b.example" };
	struct snicert_served got = { .size = offsetof(struct snicert_served, chain_numbers),
		.chain_numbers = { -1 } };

	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &got, NULL), 0);
	ck_assert_uint_eq(got.size, offsetof(struct snicert_served, chain_numbers));
	ck_assert_uint_eq(got.chain_count, 2);
	ck_assert_int_eq(got.chain_numbers[0], -1);
}
END_TEST

/* By the policy of a context, and of a program. */
START_TEST(test_lookup_by_context)
{
	struct snicert_policy policy = { .size = sizeof(policy), .program = "mx" };
	struct snicert_request request = { .size = sizeof(request), .name = "x.example", .ctx = bench.ctx };
	struct snicert_served got;

	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &policy, NULL), 0);
	got = look_up(&request);
	ck_assert_int_eq(got.outcome, SNICERT_SERVED_PROGRAM_FALLBACK);
	ck_assert_str_eq(got.bound, "b.example");
	policy = (struct snicert_policy){ .size = sizeof(policy), .unknown = SNICERT_UNKNOWN_OWN };
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &policy, NULL), 0);
	ck_assert_int_eq(look_up(&request).outcome, SNICERT_SERVED_OWN);
	policy.unknown = SNICERT_UNKNOWN_REFUSE;
	ck_assert_int_eq(snicert_attach2(bench.snicert, bench.ctx, &policy, NULL), 0);
	ck_assert_int_eq(look_up(&request).outcome, SNICERT_SERVED_REFUSED);
	ck_assert_uint_eq(counters().refused, 0);
	request.name = NULL;
	ck_assert_int_eq(look_up(&request).outcome, SNICERT_SERVED_FALLBACK);
	request.ctx = NULL;
	request.name = "x.example";
	ck_assert_int_eq(look_up(&request).outcome, SNICERT_SERVED_FALLBACK);
}
END_TEST

/* Where nobody knows, it does not say that nobody has it. */
START_TEST(test_lookup_without_a_store)
{
	struct snicert_request request = { .size = sizeof(request), .name = "x.example" };
	struct snicert_served out = { .size = sizeof(out) };
	struct snicert_error err = {0};

	look_up(&request);
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	request.name = "y.example";
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &out, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESTORE);
	ck_assert_msg(strstr(err.text, "y.example") != NULL, "%s", err.text);
}
END_TEST

/* --- warm ------------------------------------------------------------------------ */

START_TEST(test_warm)
{
	static const char *const names[] = { "a.example", "B.example", "x.w.example", "nobody.example", "no name" };
	uint64_t decodes = counters().decodes;

	ck_assert_int_eq(snicert_warm(bench.snicert, names, COUNT(names), NULL), 0);
	ck_assert_uint_eq(counters().decodes, decodes + 4);
	ck_assert_str_eq(served(bench.ctx, "a.example"), "a");
	ck_assert_str_eq(served(bench.ctx, "b.example"), "b-ec");
	ck_assert_str_eq(served(bench.ctx, "y.w.example"), "w");
	ck_assert_uint_eq(counters().decodes, decodes + 4);
	ck_assert_uint_eq(counters().exact, 2);
}
END_TEST

START_TEST(test_warm_without_a_store)
{
	static const char *const names[] = { "a.example" };
	struct snicert_error err = {0};

	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	ck_assert_int_eq(snicert_warm(bench.snicert, names, 1, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESTORE);
}
END_TEST

/* --- health ---------------------------------------------------------------------- */

START_TEST(test_health)
{
	struct snicert_health before = health(), now;
	int64_t start = (int64_t)time(NULL);

	ck_assert_int_ne(before.is_open, 0);
	ck_assert_msg(before.since > start - 60 && before.since <= start, "since %lld", (long long)before.since);
	ck_assert_uint_gt(before.sequence, 0);
	ck_assert_str_eq(before.last_error, "");
	ck_assert_int_eq(before.last_error_at, 0);
	served(bench.ctx, "a.example");
	served(bench.ctx, "nobody.example");
	ck_assert_uint_eq(health().cached, before.cached + 3);
	add("c", KEY_P256, "c.example");
	ck_assert_uint_gt(health().sequence, before.sequence);
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	now = health();
	ck_assert_int_eq(now.is_open, 0);
	ck_assert_int_ge(now.since, before.since);
	ck_assert_uint_eq(now.sequence, 0);
	ck_assert_msg(strstr(now.last_error, world->store) != NULL && strstr(now.last_error, "event=") == NULL, "%s",
	    now.last_error);
	ck_assert_int_ge(now.last_error_at, start);
}
END_TEST

/* --- counters2 ------------------------------------------------------------------- */

START_TEST(test_counters)
{
	struct client old = { .name = "a.example", .ciphers = "ECDHE-RSA-AES128-GCM-SHA256", .version = TLS1_2_VERSION };
	struct spec late = { .cn = "late", .names = "late.example", .from = -9 * DAY, .to = -DAY };
	struct snicert_counters2 got;
	struct outcome out;

	world_add(world, &late);
	add("broken", KEY_P256, "broken.example");
	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'broken'");
	served(bench.ctx, "a.example");
	served(bench.ctx, "x.w.example");
	served(bench.ctx, "x.example");
	served(bench.ctx, "y.example");
	served(bench.ctx, NULL);
	served(bench.ctx, "a..b");
	served(bench.ctx, "late.example");
	served(bench.ctx, "broken.example");
	handshake(bench.ctx, &old, &out);
	outcome_clear(&out);
	got = counters();
	ck_assert_uint_eq(got.exact, 2);
	ck_assert_uint_eq(got.wildcard, 1);
	ck_assert_uint_eq(got.global, 5);
	ck_assert_uint_eq(got.address + got.program, 0);
	ck_assert_uint_eq(got.own, 1);
	ck_assert_uint_eq(got.expired, 1);
	ck_assert_uint_eq(got.why_no_name, 1);
	ck_assert_uint_eq(got.why_malformed, 1);
	ck_assert_uint_eq(got.why_unknown, 2);
	ck_assert_uint_eq(got.why_unusable, 1);
	ck_assert_uint_eq(got.why_broken, 1);
	ck_assert_uint_eq(got.why_expired + got.why_unreadable + got.why_memory, 0);
	ck_assert_uint_eq(got.trouble, 1);
	ck_assert_uint_gt(got.decodes, 0);
	ck_assert_uint_gt(got.cache_hits, 0);
}
END_TEST

/* --- trouble --------------------------------------------------------------------- */

struct told {
	struct snicert *snicert;
	int count[6];
	char text[512];
	pthread_t asker;
	sem_t answered;
	bool is_asking;
};

/* With each of the module's locks once: those of a look-up that has to read, of the log, and of what is opened. */
static void *
ask_from_elsewhere(void *arg)
{
	static const char *const names[] = { "x.w.example", "nobody-asked.example" };
	struct snicert_health now = { .size = sizeof(now) };
	struct told *told = arg;
	struct snicert *another;

	if (told->snicert != NULL) {
		snicert_warm(told->snicert, names, COUNT(names), NULL);
		snicert_read_health(told->snicert, &now, NULL);
	}
	if (snicert_open(&another, world->config, NULL) == 0)
		snicert_close(another);
	sem_post(&told->answered);
	return NULL;
}

/*
 * No lock is held: the module may be asked in here.  Another thread asks first, and is waited for as long as
 * it may take: under a lock this one would stand still with it, and the test with it, until Check ends it.
 */
static void
be_told(void *arg, enum snicert_trouble kind, const char *text)
{
	struct snicert_health now = { .size = sizeof(now) };
	struct told *told = arg;
	struct timespec end;

	if (told->is_asking)
		return; /* trouble of what is asked in here */
	told->count[kind]++;
	snprintf(told->text, sizeof(told->text), "%s", text);
	told->is_asking = true;
	sem_init(&told->answered, 0, 0);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	ck_assert_int_eq(pthread_create(&told->asker, NULL, ask_from_elsewhere, told), 0);
	ck_assert_msg(sem_timedwait(&told->answered, &end) == 0, "told under a lock of the module's: \"%s\"", text);
	pthread_join(told->asker, NULL);
	if (told->snicert != NULL)
		snicert_read_health(told->snicert, &now, NULL);
	told->is_asking = false;
}

START_TEST(test_trouble)
{
	struct told told = {0};
	struct snicert_options options = { .size = sizeof(options), .config_path = world->config, .trouble = be_told,
		.trouble_arg = &told };
	SSL_CTX *ctx = server_ctx();
	struct snicert *snicert;

	ck_assert_int_eq(snicert_open2(&snicert, &options, NULL), 0);
	told.snicert = snicert;
	ck_assert_int_eq(snicert_attach(snicert, ctx, NULL), 0);
	served(ctx, "nobody.example");
	for (size_t i = 0; i < COUNT(told.count); i++)
		ck_assert_int_eq(told.count[i], 0);
	add("broken", KEY_P256, "broken.example");
	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'broken'");
	served(ctx, "broken.example");
	ck_assert_int_eq(told.count[SNICERT_TROUBLE_CHAIN], 1);
	ck_assert_msg(strncmp(told.text, "EC chain of broken.example skipped", 34) == 0, "%s", told.text);
	/* Closed, the host may be gone. */
	snicert_close(snicert);
	memset(told.count, 0, sizeof(told.count));
	told.snicert = NULL;
	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'a'");
	ck_assert_str_eq(served(ctx, "a.example"), "fb");
	for (size_t i = 0; i < COUNT(told.count); i++)
		ck_assert_int_eq(told.count[i], 0);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(test_trouble_with_the_store)
{
	struct told told = {0};
	struct snicert_options options = { .size = sizeof(options), .config_path = world->config, .trouble = be_told,
		.trouble_arg = &told };
	struct snicert *snicert;

	ck_assert_int_eq(snicert_open2(&snicert, &options, NULL), 0);
	told.snicert = snicert;
	ck_assert_int_eq(snicert_attach(snicert, bench.ctx, NULL), 0);
	world_remove_store(world);
	write_file(world->store, "garbage", 0600);
	world_tick();
	served(bench.ctx, "b.example");
	ck_assert_int_ge(told.count[SNICERT_TROUBLE_STORE], 1);
	snicert_close(snicert);
}
END_TEST

/* While it is opened: strict, and not. */
START_TEST(test_trouble_at_open)
{
	struct told told = {0};
	struct snicert_options options = { .size = sizeof(options), .config_path = world->config, .trouble = be_told,
		.trouble_arg = &told, .flags = _i == 0 ? 0 : SNICERT_STRICT };
	struct snicert *snicert = NULL;
	struct snicert_error err = {0};

	write_file(world->key, "no key", 0600);
	if (_i == 0)
		write_file(world->config, "nonsense = 1\n", 0644);
	ck_assert_int_eq(snicert_open2(&snicert, &options, &err), _i == 0 ? 0 : -1);
	ck_assert_int_ge(told.count[_i == 0 ? SNICERT_TROUBLE_CONFIG : SNICERT_TROUBLE_KEY], 1);
	snicert_close(snicert);
}
END_TEST

/* --- arguments ------------------------------------------------------------------- */

/* A host that knows fewer members, or gives none. */
START_TEST(test_arguments)
{
	struct snicert_request request = { .size = sizeof(request), .name = "a.example" };
	struct snicert_served out = { .size = sizeof(out) }, sizeless = {0};
	struct snicert_health well = { .size = sizeof(well) }, nothing = {0};
	struct snicert_health part = { .size = offsetof(struct snicert_health, sequence), .sequence = 4711 };
	struct snicert_counters2 all;
	static const char *const names[] = { "a.example", NULL };
	struct snicert_error err = {0};
	struct {
		struct snicert_counters2 known;
		uint64_t more[2];
	} later;

	ck_assert_int_eq(snicert_lookup(NULL, &request, &out, NULL), -1);
	ck_assert_int_eq(snicert_lookup(bench.snicert, NULL, &out, NULL), -1);
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, NULL, NULL), -1);
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &sizeless, NULL), -1);
	request.local = "192.0.2.300";
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &out, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	request.size = offsetof(struct snicert_request, local);
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &out, NULL), 0);
	request.size = 0;
	ck_assert_int_eq(snicert_lookup(bench.snicert, &request, &out, NULL), -1);
	ck_assert_int_eq(snicert_warm(NULL, names, 1, NULL), -1);
	ck_assert_int_eq(snicert_warm(bench.snicert, NULL, 1, NULL), -1);
	ck_assert_int_eq(snicert_warm(bench.snicert, names, 2, NULL), -1);
	ck_assert_int_eq(snicert_warm(bench.snicert, NULL, 0, NULL), 0);
	ck_assert_int_eq(snicert_read_health(NULL, &well, NULL), -1);
	ck_assert_int_eq(snicert_read_health(bench.snicert, NULL, NULL), -1);
	ck_assert_int_eq(snicert_read_health(bench.snicert, &nothing, NULL), -1);
	ck_assert_int_eq(snicert_read_health(bench.snicert, &part, NULL), 0);
	ck_assert_int_ne(part.is_open, 0);
	ck_assert_uint_eq(part.sequence, 4711);
	ck_assert_int_eq(snicert_read_counters2(NULL, &all, sizeof(all), NULL), -1);
	ck_assert_int_eq(snicert_read_counters2(bench.snicert, NULL, sizeof(all), NULL), -1);
	memset(&later, 0xff, sizeof(later));
	ck_assert_int_eq(snicert_read_counters2(bench.snicert, &later.known, sizeof(later), NULL), 0);
	ck_assert_uint_eq(later.more[1], 0);
	memset(&all, 0xff, sizeof(all));
	ck_assert_int_eq(snicert_read_counters2(bench.snicert, &all, sizeof(uint64_t), NULL), 0);
	ck_assert_uint_eq(all.exact, 0);
	ck_assert_uint_eq(all.wildcard, UINT64_MAX);
}
END_TEST

/* --- threads --------------------------------------------------------------------- */

static atomic_bool stop;
static atomic_uint wrong;

static void *
ask_all_the_time(void *arg)
{
	static const char *const names[] = { "a.example", "x.w.example" };
	struct snicert_request request = { .size = sizeof(request), .name = arg };
	struct snicert_health now = { .size = sizeof(now) };

	while (!atomic_load(&stop)) {
		struct snicert_served out = { .size = sizeof(out) };

		if (snicert_lookup(bench.snicert, &request, &out, NULL) != 0 || out.chain_count == 0)
			atomic_fetch_or(&wrong, 1);
		if (snicert_warm(bench.snicert, names, 2, NULL) != 0)
			atomic_fetch_or(&wrong, 2);
		if (snicert_read_health(bench.snicert, &now, NULL) != 0 || now.is_open == 0)
			atomic_fetch_or(&wrong, 4);
	}
	return NULL;
}

/* Another process changes the store, as the tool does. */
static int
commit_thirty_times(void)
{
	for (int i = 0; i < 30; i++)
		world_bind(world, "flip.example", i % 2 + 1);
	return 0;
}

START_TEST(test_threads)
{
	static char names[3][16] = { "a.example", "x.w.example", "nobody.example" };
	pid_t child = fork();
	pthread_t threads[3];
	int status = 0;

	if (child == 0)
		_exit(commit_thirty_times());
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_all_the_time, names[i]), 0);
	while (waitpid(child, &status, WNOHANG) == 0)
		ck_assert_str_eq(served(bench.ctx, "a.example"), "a");
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(atomic_load(&wrong) == 0, "wrong: %u, log: %s", atomic_load(&wrong), bench.lines.text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("status");
	TCase *tc = tcase_create("status");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_lookup, 0, COUNT(lookups));
	tcase_add_test(tc, test_lookup_is_right);
	tcase_add_test(tc, test_chain_numbers);
	tcase_add_test(tc, test_no_room_for_numbers);
	tcase_add_test(tc, test_lookup_by_context);
	tcase_add_test(tc, test_lookup_without_a_store);
	tcase_add_test(tc, test_warm);
	tcase_add_test(tc, test_warm_without_a_store);
	tcase_add_test(tc, test_health);
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_trouble);
	tcase_add_test(tc, test_trouble_with_the_store);
	tcase_add_loop_test(tc, test_trouble_at_open, 0, 2);
	tcase_add_test(tc, test_arguments);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
