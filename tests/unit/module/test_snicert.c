/* SPDX-License-Identifier: ISC */
/* test_snicert.c: the open module: threads, processes, and the object as a host loads it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/err.h>

#include "../harness.h"

#define NOBODY 65534

static struct world *world;

static int64_t
add(const char *cn)
{
	struct spec spec = { .cn = cn };

	return world_add(world, &spec);
}

static void
setup(void)
{
	world = world_new();
	add("a.example");
	add("b.example");
	world_bind(world, "@", add("fallback.example"));
}

static void
teardown(void)
{
	world_free(world);
}

static void
nap(long milliseconds)
{
	struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* --- open, attach, close -------------------------------------------------- */

START_TEST(test_open_and_close)
{
	struct bench bench;
	int before;

	bench_open(&bench, world);      /* what the libraries open once */
	served(bench.ctx, "a.example");
	bench_close(&bench);
	before = open_fds();
	for (int i = 0; i < 200; i++) {
		bench_open(&bench, world);
		if (i % 2 == 0)
			ck_assert_str_eq(served(bench.ctx, "a.example"), "a.example");
		bench_close(&bench);
	}
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* The store deleted, replaced and spoilt: no fd is left behind. */
START_TEST(test_replaced_leaks_nothing)
{
	struct snicert_error err = {0};
	struct bench bench;
	int before = 0;

	bench_open(&bench, world);
	for (int i = 0; i < 60; i++) {
		served(bench.ctx, "a.example");
		world_remove_store(world);
		if (i % 3 == 0)
			write_file(world->store, "garbage", 0600);
		else
			ck_assert_int_eq(admin_create(world->store, (gid_t)-1, &err), 0);
		served(bench.ctx, "a.example");
		served(bench.ctx, "never-seen.example");
		if (i == 1)
			before = open_fds();
		if (i > 1 && i % 3 != 0)
			ck_assert_int_eq(open_fds(), before);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(test_bad_arguments)
{
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;
	struct bench bench;
	SSL_CTX *ctx = server_ctx();

	bench_open(&bench, world);
	ck_assert_int_eq(snicert_attach(NULL, ctx, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(snicert_attach(bench.snicert, NULL, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	ck_assert_int_eq(snicert_attach(NULL, NULL, NULL), -1);
	snicert_set_log(NULL, lines_sink, NULL);
	snicert_close(NULL);
	/* A configuration that isn't there, or is wrong, is logged and no error. */
	ck_assert_int_eq(snicert_open(&snicert, "/nonexistent/snicert.conf", &err), 0);
	snicert_close(snicert);
	write_file(world->config, "store { nonsense = 1 }\nwhat = \n{{{", 0644);
	ck_assert_int_eq(snicert_open(&snicert, world->config, NULL), 0);
	ck_assert_int_eq(snicert_attach(snicert, ctx, &err), 0);
	ck_assert_str_eq(served(ctx, "a.example"), "own-ec");
	ck_assert_uint_eq(ERR_peek_error(), 0);
	SSL_CTX_free(ctx);
	snicert_close(snicert);
	bench_close(&bench);
}
END_TEST

/* Interface 1, before there was `size`: a host that was built with it finds all where it was. */
struct module_1 {
	unsigned abi;
	const char *version;
	int (*open)(struct snicert **, const char *, struct snicert_error *);
	int (*attach)(struct snicert *, SSL_CTX *, struct snicert_error *);
	void (*set_log)(struct snicert *, void (*)(void *, int, const char *), void *);
	void (*counters)(struct snicert *, struct snicert_counters *);
	void (*close)(struct snicert *);
};
#define SAME(member) _Static_assert(sizeof(void *) == 4 || \
    offsetof(struct module_1, member) == offsetof(struct snicert_module, member), #member)
SAME(abi);
SAME(version);
SAME(open);
SAME(attach);
SAME(set_log);
SAME(counters);
SAME(close);
_Static_assert(SNICERT_ABI == 1 && sizeof(struct snicert_error) == 512 && sizeof(struct snicert_counters) == 72,
    "interface 1");

/* A host that gives nothing where it has to give something. */
START_TEST(test_nulls)
{
	struct snicert_counters counters;
	struct snicert_options sizeless = {0};
	struct snicert *snicert = NULL;

	ck_assert_int_eq(snicert_open(NULL, world->config, NULL), -1);
	ck_assert_int_eq(snicert_open2(NULL, &sizeless, NULL), -1);
	ck_assert_int_eq(snicert_open2(&snicert, NULL, NULL), -1);
	ck_assert_int_eq(snicert_open2(&snicert, &sizeless, NULL), -1);
	ck_assert_ptr_null(snicert);
	memset(&counters, 1, sizeof(counters));
	snicert_read_counters(NULL, &counters);
	ck_assert_uint_eq(counters.exact, 0);
	snicert_read_counters(NULL, NULL);
	snicert_detach(NULL, NULL);
}
END_TEST

/* --- strict ----------------------------------------------------------------- */

static const struct {
	const char *label, *want;
} stricts[] = {
	{ "all is well", NULL }, { "no configuration", "No such file" }, { "a mistake in it", "nonsense" },
	{ "no store", "store.db" }, { "no store at all", "not a database" }, { "no store key", "store key" },
	{ "a store key that others can read", "unsafe mode" }, { "a fallback that does not open", "skipped" },
};

static void
spoil(int how)
{
	switch (how) {
	case 1:
		unlink(world->config);
		break;
	case 2:
		write_file(world->config, "store { nonsense = 1 }\n", 0644);
		break;
	case 3:
		world_remove_store(world);
		break;
	case 4:
		world_remove_store(world);
		write_file(world->store, "no store at all, but some text that is longer than a header of "
		    "SQLite, which has a hundred octets before the first page's b-tree header.", 0600);
		break;
	case 5:
		unlink(world->key);
		break;
	case 6:
		ck_assert_int_eq(chmod(world->key, 0644), 0);
		break;
	case 7:
		world_sql(world, "UPDATE chain SET sealed_key = x'00'");
		break;
	default:
		break;
	}
}

START_TEST(test_strict)
{
	struct snicert_options options = { .size = sizeof(options), .config_path = world->config,
		.flags = SNICERT_STRICT };
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;
	int before;

	world_bind(world, "@", add("fallback.example"));
	spoil(_i);
	snicert_open(&snicert, world->config, NULL); /* the index stays open in this process, as of the tool */
	snicert_close(snicert);
	snicert = NULL;
	before = open_fds();
	if (stricts[_i].want == NULL) {
		ck_assert_msg(snicert_open2(&snicert, &options, &err) == 0, "%s", err.text);
	} else {
		ck_assert_msg(snicert_open2(&snicert, &options, &err) == -1, "%s: opens", stricts[_i].label);
		ck_assert_msg(strstr(err.text, stricts[_i].want) != NULL, "%s: got \"%s\"", stricts[_i].label, err.text);
		ck_assert_ptr_null(snicert);
		ck_assert_int_eq(open_fds(), before);
		/* Else it is logged, and tried again. */
		options.flags = 0;
		ck_assert_int_eq(snicert_open2(&snicert, &options, &err), 0);
	}
	snicert_close(snicert);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* A host that knows more members, or fewer; and a flag of later releases. */
START_TEST(test_options)
{
	struct {
		struct snicert_options known;
		char more[64];
	} later = { .known = { .size = sizeof(later), .config_path = world->config }, .more = "later" };
	struct snicert_options early = { .size = offsetof(struct snicert_options, flags), .config_path = world->config,
		.flags = ~0u };
	struct snicert_options flagged = { .size = sizeof(flagged), .config_path = world->config, .flags = 1u << 31 };
	struct lines lines = {0};
	struct snicert_error err = {0};
	struct snicert *snicert;

	ck_assert_int_eq(snicert_open2(&snicert, &later.known, &err), 0);
	snicert_close(snicert);
	ck_assert_int_eq(snicert_open2(&snicert, &early, &err), 0);
	snicert_close(snicert);
	ck_assert_int_eq(snicert_open2(&snicert, &flagged, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	/* The sink sees what is said while it opens; the program is that which is named. */
	world_configure(world, "program \"other\" { unknown = refuse }");
	later.known.sink = lines_sink;
	later.known.sink_arg = &lines;
	later.known.program = "other";
	ck_assert_int_eq(snicert_open2(&snicert, &later.known, &err), 0);
	ck_assert_msg(strstr(lines.text, "event=store-opened") != NULL, "logged %s", lines.text);
	ck_assert_ptr_nonnull(snicert->hook.program);
	ck_assert_str_eq(snicert->hook.program->name, "other");
	snicert_close(snicert);
}
END_TEST

/* --- the life of an instance ------------------------------------------------- */

static struct snicert *
opened(void)
{
	struct snicert_error err = {0};
	struct snicert *snicert;

	ck_assert_msg(snicert_open(&snicert, world->config, &err) == 0, "%s", err.text);
	return snicert;
}

/* Closed while contexts and connections are there; and in another order. */
START_TEST(test_closed_first)
{
	struct client c = { .name = "a.example" };
	struct snicert *snicert = opened();
	SSL_CTX *ctx = server_ctx();
	struct lines lines = {0};
	struct outcome out;
	struct pair pair;
	int before;

	add("a.example");
	before = open_fds();
	snicert_set_log(snicert, lines_sink, &lines);
	ck_assert_int_eq(snicert_attach(snicert, ctx, NULL), 0);
	pair_open(&pair, ctx, &c, &out);
	snicert_close(snicert);
	lines.used = 0;
	lines.text[0] = '\0';
	ck_assert_str_eq(served(ctx, "a.example"), "a.example");
	SSL_CTX_free(ctx);
	/* The connection keeps the context, and that the rest. */
	ck_assert(pair_shake(&pair));
	ck_assert_str_eq(lines.text, ""); /* the host's sink may be gone */
	pair_close(&pair);
	ck_assert_int_lt(open_fds(), before);
}
END_TEST

/* Reloaded: the contexts go to another instance, connections of before go on. */
START_TEST(test_attached_to_another)
{
	struct client c = { .name = "a.example" };
	struct snicert *old = opened(), *new = opened();
	SSL_CTX *ctx = server_ctx();
	struct snicert_counters counters;
	struct outcome out;
	struct pair pair;

	add("a.example");
	ck_assert_int_eq(snicert_attach(old, ctx, NULL), 0);
	pair_open(&pair, ctx, &c, &out);
	ck_assert_int_eq(snicert_attach(new, ctx, NULL), 0);
	snicert_close(old);
	ck_assert_str_eq(served(ctx, "a.example"), "a.example");
	snicert_read_counters(new, &counters);
	ck_assert_uint_eq(counters.exact, 1);
	ck_assert(pair_shake(&pair));
	pair_close(&pair);
	SSL_CTX_free(ctx);
	snicert_close(new);
}
END_TEST

START_TEST(test_detached)
{
	struct snicert *snicert = opened(), *other = opened();
	SSL_CTX *ctx = server_ctx();

	add("a.example");
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(snicert_attach(snicert, ctx, NULL), 0);
		ck_assert_str_eq(served(ctx, "a.example"), "a.example");
		snicert_detach(other, ctx); /* not that one */
		ck_assert_str_eq(served(ctx, "a.example"), "a.example");
		snicert_detach(snicert, ctx);
		ck_assert_str_eq(served(ctx, "a.example"), "own-ec");
	}
	SSL_CTX_free(ctx);
	snicert_close(snicert);
	snicert_close(other);
}
END_TEST

/* What another TLS library made is not touched: here a piece of memory, zero or not. */
START_TEST(test_foreign_context)
{
	static const unsigned char fills[] = { 0, 0x41, 0xff };
	struct snicert *snicert = opened();

	for (size_t i = 0; i < COUNT(fills); i++) {
		unsigned char *memory = malloc(4096), *copy = malloc(4096);
		struct snicert_error err = {0};

		memset(memory, fills[i], 4096);
		memcpy(copy, memory, 4096);
		ck_assert_int_eq(snicert_attach(snicert, (SSL_CTX *)(void *)memory, &err), -1);
		ck_assert_int_eq(err.code, SNICERT_EUSAGE);
		ck_assert_msg(strstr(err.text, "libssl") != NULL, "got \"%s\"", err.text);
		ck_assert_mem_eq(memory, copy, 4096);
		free(memory);
		free(copy);
	}
	snicert_close(snicert);
}
END_TEST

START_TEST(test_set_log)
{
	struct bench bench;
	struct lines other = {0};

	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'a.example'");
	bench_open(&bench, world);
	served(bench.ctx, "a.example");
	ck_assert_msg(strstr(bench.lines.text, "EC chain of a.example skipped") != NULL, "log: %s",
	    bench.lines.text);
	memset(&bench.lines, 0, sizeof(bench.lines));
	world_sql(world, "UPDATE chain SET sealed_key = x'00' WHERE subject = 'b.example'");
	snicert_set_log(bench.snicert, lines_sink, &other);
	served(bench.ctx, "b.example");
	ck_assert_int_eq(bench.lines.count, 0);
	ck_assert_msg(strstr(other.text, "EC chain of b.example skipped") != NULL, "log: %s",
	    other.text);
	snicert_set_log(bench.snicert, NULL, NULL); /* back to the configured target: none */
	served(bench.ctx, "b.example");
	ck_assert_int_eq(bench.lines.count, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(test_counters)
{
	struct snicert_counters got;
	struct spec wild = { .cn = "*.w.example" };
	struct client old = { .name = "b.example", .ciphers = "ECDHE-RSA-AES128-GCM-SHA256",
		.version = TLS1_2_VERSION };
	struct outcome out;
	struct bench bench;

	world_add(world, &wild);
	bench_open(&bench, world);
	got = bench_counters(&bench);
	ck_assert_uint_eq(got.exact + got.wildcard + got.fallback + got.own + got.refused + got.trouble +
	    got.unusable, 0);
	for (int i = 0; i < 3; i++)
		served(bench.ctx, "a.example");
	for (int i = 0; i < 5; i++)
		served(bench.ctx, "x.w.example");
	for (int i = 0; i < 7; i++)
		served(bench.ctx, i % 2 == 0 ? NULL : "nobody.example");
	handshake(bench.ctx, &old, &out);       /* neither b.example nor the fallback has RSA */
	ck_assert_str_eq(out.leaf, "own-rsa");
	outcome_clear(&out);
	got = bench_counters(&bench);
	ck_assert_uint_eq(got.exact, 3);
	ck_assert_uint_eq(got.wildcard, 5);
	ck_assert_uint_eq(got.fallback, 7);
	ck_assert_uint_eq(got.own, 1);
	ck_assert_uint_eq(got.refused, 0);
	ck_assert_uint_eq(got.trouble, 0);
	ck_assert_uint_eq(got.unusable, 2);
	ck_assert_uint_eq(got.decodes, 4);
	ck_assert_uint_gt(got.cache_hits, 10);
	bench_close(&bench);
}
END_TEST

START_TEST(test_two_instances)
{
	struct bench one, two;

	bench_open(&one, world);
	bench_open(&two, world);
	ck_assert_str_eq(served(one.ctx, "a.example"), "a.example");
	ck_assert_str_eq(served(two.ctx, "a.example"), "a.example");
	for (int i = 0; i < 20; i++) {
		bench_close(&one);
		world_bind(world, "flip.example", i % 2 + 1);
		ck_assert_str_eq(served(two.ctx, "flip.example"), i % 2 == 0 ? "a.example" : "b.example");
		bench_open(&one, world);
		ck_assert_str_eq(served(one.ctx, "flip.example"), i % 2 == 0 ? "a.example" : "b.example");
		world_unbind(world, "flip.example");
		ck_assert_str_eq(served(two.ctx, "flip.example"), "fallback.example");
		ck_assert_str_eq(served(one.ctx, "flip.example"), "fallback.example");
	}
	bench_close(&two);
	bench_close(&one);
}
END_TEST

/* --- locks ---------------------------------------------------------------- */

/* Whether somebody else holds the lock that keeps the WAL index alive: byte 128 of
 * its file ("dead man's switch", SQLite's os_unix.c). */
static bool
switch_is_held(void)
{
	char path[120];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 128, .l_len = 1 };
	int fd;

	snprintf(path, sizeof(path), "%s-shm", world->store);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return false;
	close(fd);
	return lock.l_type != F_UNLCK;
}

static int
someone_holds(void *arg)
{
	(void)arg;
	return switch_is_held() ? 0 : 1;
}

START_TEST(test_locks_survive)
{
	struct bench one, two;

	bench_open(&one, world);
	bench_open(&two, world);
	served(one.ctx, "a.example");
	served(two.ctx, "a.example");
	ck_assert_int_eq(in_child(someone_holds, NULL), 0);
	bench_close(&one);
	ck_assert_msg(in_child(someone_holds, NULL) == 0, "closing one dropped the other's lock");
	served(two.ctx, "b.example");
	ck_assert_int_eq(in_child(someone_holds, NULL), 0);
	bench_close(&two);
}
END_TEST

struct twins {
	struct bench one, two;
	int ready[2], go[2];
};

/* Only one of two inherited instances is used here; then the parent is gone. */
static int
use_one_twin(struct twins *twins)
{
	char octet = 'r';

	world_tick(); /* within its parent's it would not look */
	if (strcmp(served(twins->one.ctx, "a.example"), "a.example") != 0)
		return 1;
	if (write(twins->ready[1], &octet, 1) != 1 || read(twins->go[0], &octet, 1) != 1)
		return 2;
	return strcmp(served(twins->one.ctx, "b.example"), "b.example") != 0 ? 3 : 0;
}

/* A child that looks into the store holds the lock itself, not by its parent's grace. */
START_TEST(test_child_holds_its_own_lock)
{
	struct twins twins;
	int status = 0;
	char octet = 'g';
	pid_t child;
	bool held;

	ck_assert(pipe(twins.ready) == 0 && pipe(twins.go) == 0);
	bench_open(&twins.one, world);
	bench_open(&twins.two, world);
	if (_i == 0)
		bench_close(&twins.two);
	served(twins.one.ctx, "a.example");
	child = fork();
	if (child == 0)
		_exit(use_one_twin(&twins));
	ck_assert_int_eq(read(twins.ready[0], &octet, 1), 1);
	bench_close(&twins.one);
	if (_i == 1)
		bench_close(&twins.two);
	held = switch_is_held();
	ck_assert_int_eq(write(twins.go[1], &octet, 1), 1);
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(held, "the child does not hold the lock");
}
END_TEST

/* --- threads and commits -------------------------------------------------- */

/* Shared with the process that commits: what it began, and what it finished. */
struct progress {
	_Atomic unsigned begun, committed, judged;
	atomic_bool stop;
	int64_t ids[2];
};

static const char *const flips[2] = { "a.example", "b.example" };

static int
commit_all_the_time(struct progress *progress)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;

	if (admin_open(&admin, world->store, ADMIN_WRITE, &err) != 0)
		return 1;
	while (!atomic_load(&progress->stop)) {
		unsigned next = atomic_fetch_add(&progress->begun, 1) + 1;

		if (admin_begin(admin, &err) != 0 ||
		    admin_bind(admin, "flip.example", progress->ids[next % 2], &err) != 0 ||
		    admin_commit(admin, &err) != 0) {
			fprintf(stderr, "commit %u: %s\n", next, err.text);
			return 2;
		}
		atomic_store(&progress->committed, next);
		/* Three on end, and then a rest until one handshake had the store to itself. */
		while (next % 4 == 0 && atomic_load(&progress->judged) < next && !atomic_load(&progress->stop))
			nap(1);
		nap(5);
	}
	admin_close(admin);
	return 0;
}

struct worker {
	struct bench *bench;
	struct progress *progress;
	unsigned shaken, judged, stale, failed;
};

static void *
shake_all_the_time(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&w->progress->stop)) {
		struct client c = { .name = w->shaken % 4 == 3 ? "a.example" : "flip.example",
			.version = w->shaken % 2 == 0 ? TLS1_2_VERSION : 0 };
		unsigned before = atomic_load(&w->progress->committed), after;
		struct outcome out;

		handshake(w->bench->ctx, &c, &out);
		after = atomic_load(&w->progress->begun);
		w->shaken++;
		if (!out.done) {
			w->failed++;
		} else if (c.name[0] == 'a') {
			w->stale += strcmp(out.leaf, "a.example") != 0;
		} else if (before == after) { /* nothing moved meanwhile: only one answer is right */
			w->judged++;
			atomic_store(&w->progress->judged, before);
			w->stale += strcmp(out.leaf, flips[before % 2]) != 0;
		} else {
			w->stale += strcmp(out.leaf, flips[0]) != 0 && strcmp(out.leaf, flips[1]) != 0;
		}
		outcome_clear(&out);
	}
	return NULL;
}

START_TEST(test_threads_and_commits)
{
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct worker workers[8] = {0}, all = {0};
	pthread_t threads[8];
	struct bench bench;
	int status = 0;
	pid_t child;

	progress->ids[0] = 1;
	progress->ids[1] = 2;
	world_bind(world, "flip.example", 1);
	child = fork();
	if (child == 0)
		_exit(commit_all_the_time(progress));
	bench_open(&bench, world);
	for (int i = 0; i < 8; i++) {
		workers[i] = (struct worker){ .bench = &bench, .progress = progress };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, shake_all_the_time, &workers[i]), 0);
	}
	/* A minute at most. */
	for (int i = 0; i < 12000 && atomic_load(&progress->committed) < 60; i++)
		nap(5);
	atomic_store(&progress->stop, true);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		all.shaken += workers[i].shaken;
		all.judged += workers[i].judged;
		all.stale += workers[i].stale;
		all.failed += workers[i].failed;
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(all.failed == 0 && all.stale == 0, "%u failed, %u stale of %u", all.failed,
	    all.stale, all.shaken);
	ck_assert_uint_ge(atomic_load(&progress->committed), 60);
	ck_assert_msg(all.judged > 0, "only %u of %u could be judged", all.judged, all.shaken);
	ck_assert_uint_eq(bench_counters(&bench).trouble, 0);
	bench_close(&bench);
	munmap(progress, sizeof(*progress));
}
END_TEST

/* --- fork ----------------------------------------------------------------- */

static struct bench shared;

static int
shake(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		if (strcmp(served(shared.ctx, "a.example"), "a.example") != 0 ||
		    strcmp(served(shared.ctx, "nobody.example"), "fallback.example") != 0 ||
		    strcmp(served(shared.ctx, "late.example"), "late.example") != 0)
			return 1;
	return bench_counters(&shared).trouble == 0 ? 0 : 2;
}

static int
shake_and_fork(void *arg)
{
	int before = shake(arg);

	return before != 0 ? before : in_child(shake, arg);
}

static int
fork_and_shake(void *arg)
{
	int status = in_child(shake, arg);

	return status != 0 ? status : shake(arg);
}

static int
close_in_child(void *arg)
{
	int status = shake(arg);

	bench_close(&shared);
	return status;
}

static int
close_unused_in_child(void *arg)
{
	(void)arg;
	bench_close(&shared);
	return 0;
}

/* Opened before the fork; not used before it, or used. */
START_TEST(test_fork)
{
	bench_open(&shared, world);
	if (_i == 1)
		served(shared.ctx, "a.example");
	add("late.example"); /* the children are to see it */
	ck_assert_int_eq(in_child(shake, NULL), 0);
	ck_assert_int_eq(in_child(shake_and_fork, NULL), 0);
	ck_assert_int_eq(in_child(fork_and_shake, NULL), 0);
	ck_assert_int_eq(in_child(close_in_child, NULL), 0);
	ck_assert_int_eq(in_child(close_unused_in_child, NULL), 0);
	ck_assert_int_eq(shake(NULL), 0); /* and the parent's is whole */
	world_unbind(world, "a.example");
	ck_assert_str_eq(served(shared.ctx, "a.example"), "fallback.example");
	bench_close(&shared);
}
END_TEST

/* Opened in the child, as by a daemon that forks first. */
static int
open_in_child(void *arg)
{
	(void)arg;
	bench_open(&shared, world);
	if (strcmp(served(shared.ctx, "a.example"), "a.example") != 0)
		return 1;
	bench_close(&shared);
	return 0;
}

START_TEST(test_fork_first)
{
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(in_child(open_in_child, NULL), 0);
}
END_TEST

static atomic_bool stop;
static atomic_uint failed;

static __attribute__((unused)) void *
shake_until_stopped(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		static const char *const names[] = { "a.example", "late.example", "nobody.example" };

		for (size_t i = 0; i < COUNT(names); i++) {
			struct client c = { .name = names[i] };
			struct outcome out;

			handshake(shared.ctx, &c, &out);
			if (!out.done)
				atomic_fetch_add(&failed, 1);
			outcome_clear(&out);
		}
	}
	return NULL;
}

/* What a look-up in the shared module says: all of ours, none of OpenSSL's locks. */
static const char *
look_up(const char *text)
{
	static char cn[64];
	struct answer *answer = NULL;
	struct name key;

	name_normalise(&key, text, strlen(text));
	lookup_refresh(shared.snicert->lookup);
	switch (lookup_find(shared.snicert->lookup, &key, &answer)) {
	case LOOKUP_FOUND:
		cert_cn(chain_leaf(answer_chains(answer)[0]), cn, sizeof(cn));
		answer_unref(answer);
		return cn;
	case LOOKUP_NONE:
		return "none";
	default:
		return "error";
	}
}

static __attribute__((unused)) int
look_up_in_child(void *arg)
{
	signal(SIGALRM, SIG_DFL); /* not Check's, which would end the parent too */
	alarm(30);
	if (strcmp(look_up("flip.example"), arg) != 0)
		return 1;
	if (strcmp(look_up("a.example"), "a.example") != 0 || strcmp(look_up("late.example"), "late.example") != 0)
		return 2;
	return strcmp(look_up("nobody.example"), "none") != 0 ? 3 : 0;
}

#define CHILDREN 100

/*
 * gcc 12's and clang 14's sanitizers leave locks of their own held in the child
 * of a process with threads: a child that hangs or dies there tells nothing.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_WITH_LOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_WITH_LOCKS 1
#endif
#endif

/*
 * A fork catches the other threads anywhere, in the midst of a look-up too.  The
 * child does no handshake: OpenSSL's own locks are not made for that (its random
 * generator's is never released where a thread held it as the process forked).
 */
#ifndef SANITIZER_WITH_LOCKS
START_TEST(test_fork_while_handshaking)
{
	static char names[2][16] = { "a.example", "b.example" };
	pthread_t threads[4];

	bench_open(&shared, world);
	add("late.example");
	for (int i = 0; i < 2; i++)
		served(shared.ctx, names[i]);
	served(shared.ctx, "late.example");
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, shake_until_stopped, NULL), 0);
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		if (i % 10 == 0)
			world_bind(world, "flip.example", i / 10 % 2 + 1);
		status = in_child(look_up_in_child, names[i / 10 % 2]);
		ck_assert_msg(status == 0, "child %d ended with %d", i, status);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&failed), 0);
	bench_close(&shared);
}
END_TEST
#endif

/* --- other users and jails ------------------------------------------------ */

struct talk {
	int ready[2], go[2];
	char jail[64];
	gid_t group;
};

static int
drop_to_nobody(gid_t group)
{
	return setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(NOBODY) == 0 ? 0 : -1;
}

static bool
wait_for_go(struct talk *talk)
{
	char octet = 'r';

	return write(talk->ready[1], &octet, 1) == 1 && read(talk->go[0], &octet, 1) == 1;
}

static int
in_jail(struct talk *talk)
{
	struct bench bench;

	bench_open(&bench, world);
	if (chroot(talk->jail) != 0 || chdir("/") != 0 || drop_to_nobody(NOBODY) != 0)
		return 1;
	if (access(world->store, F_OK) == 0)
		return 2;
	if (strcmp(served(bench.ctx, "a.example"), "a.example") != 0)
		return 3;
	for (int i = 0; i < 6; i++) {
		const char *want = i % 2 == 0 ? "b.example" : "a.example";

		if (!wait_for_go(talk))
			return 4;
		if (strcmp(served(bench.ctx, "flip.example"), want) != 0)
			return 10 + i;
		if (strcmp(served(bench.ctx, "nobody.example"), "fallback.example") != 0)
			return 20 + i;
	}
	if (!wait_for_go(talk))
		return 4;
	/* Imported, under a new store key, after the jail was shut. */
	if (strcmp(served(bench.ctx, "late.example"), "late.example") != 0)
		return 30;
	if (bench_counters(&bench).trouble != 0)
		return 31;
	return 0;
}

static pid_t
start(struct talk *talk, int (*work)(struct talk *))
{
	pid_t child;

	ck_assert(pipe(talk->ready) == 0 && pipe(talk->go) == 0);
	child = fork();
	if (child == 0)
		_exit(work(talk));
	close(talk->ready[1]);
	return child;
}

static bool
next(struct talk *talk, bool first)
{
	char octet = 'g';

	if (!first && write(talk->go[1], &octet, 1) != 1)
		return false;
	return read(talk->ready[0], &octet, 1) == 1;
}

static void
finish(struct talk *talk, pid_t child)
{
	char octet = 'g';
	int status = 0;

	(void)!write(talk->go[1], &octet, 1);
	waitpid(child, &status, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d (signal %d)",
	    WEXITSTATUS(status), WTERMSIG(status));
}

START_TEST(test_jail)
{
	struct talk talk = {0};
	pid_t child;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_jail: needs root\n");
		return;
	}
	strcpy(talk.jail, "/tmp/snicert-jail-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(talk.jail));
	chmod(talk.jail, 0755);
	child = start(&talk, in_jail);
	for (int i = 0; i < 6 && next(&talk, i == 0); i++) {
		world_bind(world, "flip.example", i % 2 == 0 ? 2 : 1);
		if (i == 3) /* a truncating checkpoint and a VACUUM move everything */
			world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM");
	}
	next(&talk, false);
	world_rekey(world);
	add("late.example");
	finish(&talk, child);
	rmdir(talk.jail);
}
END_TEST

static int
as_other_user(struct talk *talk)
{
	struct bench bench;

	if (drop_to_nobody(talk->group) != 0)
		return 1;
	if (access(world->store, W_OK) == 0 || access(world->dir, W_OK) == 0)
		return 2;
	bench_open(&bench, world);
	if (strcmp(served(bench.ctx, "a.example"), "a.example") != 0)
		return 3;
	for (int i = 0; i < 6; i++) {
		if (!wait_for_go(talk))
			return 4;
		if (strcmp(served(bench.ctx, "flip.example"), i % 2 == 0 ? "b.example" : "a.example") != 0)
			return 10 + i;
	}
	return bench_counters(&bench).trouble == 0 ? 0 : 5;
}

START_TEST(test_other_user)
{
	struct talk talk = { .group = 61234 };
	pid_t child;

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_other_user: needs root\n");
		return;
	}
	world_free(world);
	world = world_new_for(talk.group);
	add("a.example");
	add("b.example");
	child = start(&talk, as_other_user);
	for (int i = 0; i < 6 && next(&talk, i == 0); i++) {
		world_bind(world, "flip.example", i % 2 == 0 ? 2 : 1);
		if (i == 3)
			world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM");
	}
	finish(&talk, child);
}
END_TEST

/* Without the group: the own certificate, and a line that says why. */
static int
as_stranger(void *arg)
{
	struct bench bench;

	(void)arg;
	if (drop_to_nobody(NOBODY) != 0)
		return 1;
	bench_open(&bench, world);
	if (strcmp(served(bench.ctx, "a.example"), "own-ec") != 0)
		return 2;
	return bench_counters(&bench).trouble > 0 && bench.lines.count > 0 ? 0 : 3;
}

START_TEST(test_stranger)
{
	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_stranger: needs root\n");
		return;
	}
	ck_assert_int_eq(in_child(as_stranger, NULL), 0);
}
END_TEST

/* --- the object ----------------------------------------------------------- */

static const char *
module_path(void)
{
	const char *path = getenv("SNICERT_MODULE");

	if (path == NULL)
		fprintf(stderr, "SKIPPED: the built module: needs SNICERT_MODULE\n");
	return path;
}

START_TEST(test_object)
{
	const char *path = module_path();
	const struct snicert_module *module;
	struct snicert_counters counters;
	struct snicert *snicert = NULL;
	struct snicert_error err = {0};
	struct lines lines = {0};
	SSL_CTX *ctx;
	Dl_info at;
	void *object;

	if (path == NULL)
		return;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(object != NULL, "%s", dlerror());
	module = dlsym(object, SNICERT_MODULE_SYMBOL);
	ck_assert_ptr_nonnull(module);
	/* dlsym finds what the object's libraries have, too. */
	ck_assert_int_ne(dladdr(module, &at), 0);
	ck_assert_msg(strstr(at.dli_fname, "snicert.so") != NULL, "it lies in %s", at.dli_fname);
	ck_assert_uint_eq(module->abi, SNICERT_ABI);
	ck_assert_str_ne(module->version, "");
	ck_assert_uint_eq(module->size, sizeof(*module));
	ck_assert(SNICERT_HAS(module, detach));
	for (int i = 0; i < 3; i++) {
		ctx = server_ctx();
		ck_assert_msg(module->open(&snicert, world->config, &err) == 0, "%s", err.text);
		module->set_log(snicert, lines_sink, &lines);
		ck_assert_int_eq(module->attach(snicert, ctx, &err), 0);
		ck_assert_str_eq(served(ctx, "a.example"), "a.example");
		ck_assert_str_eq(served(ctx, NULL), "fallback.example");
		module->counters(snicert, &counters);
		ck_assert_uint_eq(counters.exact, 1);
		ck_assert_uint_eq(counters.fallback, 1);
		SSL_CTX_free(ctx);
		module->close(snicert);
	}
	module->close(NULL);
	ck_assert_int_eq(dlclose(object), 0);
}
END_TEST

/* A host that was built with the first header: all that it knows of is the struct above. */
START_TEST(test_host_of_version_1)
{
	const char *path = module_path();
	struct snicert_counters counters;
	struct snicert *snicert = NULL;
	const struct module_1 *module;
	struct snicert_error err = {0};
	struct lines lines = {0};
	SSL_CTX *ctx;
	void *object;

	if (path == NULL)
		return;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(object != NULL, "%s", dlerror());
	module = dlsym(object, "snicert_module");
	ck_assert_ptr_nonnull(module);
	ck_assert_uint_eq(module->abi, 1);
	ck_assert_str_ne(module->version, "");
	for (int i = 0; i < 2; i++) {
		ctx = server_ctx();
		ck_assert_msg(module->open(&snicert, world->config, &err) == 0, "%s", err.text);
		module->set_log(snicert, lines_sink, &lines);
		ck_assert_msg(module->attach(snicert, ctx, &err) == 0, "%s", err.text);
		ck_assert_str_eq(served(ctx, "a.example"), "a.example");
		ck_assert_str_eq(served(ctx, "x.example"), "fallback.example");
		memset(&counters, 0xff, sizeof(counters));
		module->counters(snicert, &counters);
		ck_assert_uint_eq(counters.exact, 1);
		ck_assert_uint_eq(counters.fallback, 1);
		ck_assert_uint_eq(counters.decodes, 2);
		SSL_CTX_free(ctx);
		module->close(snicert);
	}
	ck_assert_int_eq(module->open(&snicert, "/nonexistent/snicert.conf", &err), 0);
	module->close(snicert);
	dlclose(object);
}
END_TEST

/* In a child: what OpenSSL has loaded stays. */
static int
loaded_by_openssl(void *path)
{
	SSL_CTX *before = server_ctx(), *after;
	char cnf[400], text[1600];

	snprintf(cnf, sizeof(cnf), "%s.cnf", world->config);
	snprintf(text, sizeof(text),
	    "openssl_conf = init\n[init]\nsnicert = section\n[section]\npath = %s\nconfig = %s\n",
	    (const char *)path, world->config);
	write_file(cnf, text, 0644);
	if (strcmp(served(before, "a.example"), "own-ec") != 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (CONF_modules_load_file(cnf, NULL, 0) != 1)
			return 2;
	remove(cnf);
	after = server_ctx();
	for (int i = 0; i < 2; i++) {
		if (strcmp(served(before, "a.example"), "own-ec") != 0)
			return 3;
		if (strcmp(served(after, "a.example"), "a.example") != 0)
			return 4;
		CONF_modules_finish();
		CONF_modules_unload(1);
	}
	return strcmp(served(after, NULL), "fallback.example") == 0 ? 0 : 5;
}

/* By a configuration that is read after the program has made its first context, which stays as it
 * is; twice. */
START_TEST(test_loaded_by_openssl)
{
	const char *path = module_path();
	char program[64];

	if (path == NULL)
		return;
	snprintf(program, sizeof(program), "program \"%s\" { }", program_invocation_short_name);
	world_configure(world, program);
	ck_assert_int_eq(in_child(loaded_by_openssl, (void *)(uintptr_t)path), 0);
	/* Nobody's business where the configuration does not name the program. */
	world_configure(world, NULL);
	ck_assert_int_eq(in_child(loaded_by_openssl, (void *)(uintptr_t)path), 4);
}
END_TEST

/* What a host may look up, and nothing besides: DESIGN.md section 8. */
START_TEST(test_exported)
{
	static const char *const allowed[] = { SNICERT_MODULE_SYMBOL, "OPENSSL_init", "OPENSSL_finish",
		"snicert_exim_attach", "snicert_exim_certificate", "snicert_exim_privatekey" };
	const char *path = module_path();
	char command[1200], line[256];
	bool has_table = false;
	void *object;
	FILE *nm;

	if (path == NULL)
		return;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(object != NULL, "%s", dlerror());
	snprintf(command, sizeof(command), "nm -D --defined-only '%s'", path);
	nm = popen(command, "r");
	while (nm != NULL && fgets(line, sizeof(line), nm) != NULL) {
		char *name = strrchr(line, ' ');
		size_t i = 0;
		Dl_info at;

		ck_assert_ptr_nonnull(name);
		*name++ = '\0';
		name[strcspn(name, "\n@")] = '\0';
		while (i < COUNT(allowed) && strcmp(allowed[i], name) != 0)
			i++;
		ck_assert_msg(i < COUNT(allowed), "%s is exported", name);
		has_table = has_table || i == 0;
		ck_assert_int_ne(dladdr(dlsym(object, name), &at), 0);
		ck_assert_msg(strstr(at.dli_fname, "snicert.so") != NULL, "%s lies in %s", name, at.dli_fname);
	}
	dlclose(object);
	if (nm == NULL || pclose(nm) != 0)
		fprintf(stderr, "nm can't be run: exported symbols are not tested\n");
	else
		ck_assert_msg(has_table, "no " SNICERT_MODULE_SYMBOL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("snicert");
	TCase *tc = tcase_create("snicert");
	int result;

	harness_start();
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_open_and_close);
	tcase_add_test(tc, test_replaced_leaks_nothing);
	tcase_add_test(tc, test_bad_arguments);
	tcase_add_test(tc, test_nulls);
	tcase_add_loop_test(tc, test_strict, 0, COUNT(stricts));
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_closed_first);
	tcase_add_test(tc, test_attached_to_another);
	tcase_add_test(tc, test_detached);
	tcase_add_test(tc, test_foreign_context);
	tcase_add_test(tc, test_set_log);
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_two_instances);
	tcase_add_test(tc, test_locks_survive);
	tcase_add_loop_test(tc, test_child_holds_its_own_lock, 0, 2);
	tcase_add_test(tc, test_threads_and_commits);
	tcase_add_loop_test(tc, test_fork, 0, 2);
	tcase_add_test(tc, test_fork_first);
#ifdef SANITIZER_WITH_LOCKS
	fprintf(stderr, "test_fork_while_handshaking: not under a sanitizer, skipped\n");
#else
	tcase_add_test(tc, test_fork_while_handshaking);
#endif
	tcase_add_test(tc, test_jail);
	tcase_add_test(tc, test_other_user);
	tcase_add_test(tc, test_stranger);
	tcase_add_test(tc, test_object);
	tcase_add_test(tc, test_host_of_version_1);
	tcase_add_test(tc, test_loaded_by_openssl);
	tcase_add_test(tc, test_exported);
	suite_add_tcase(suite, tc);
	result = harness_run(suite);
	harness_end();
	return result;
}
