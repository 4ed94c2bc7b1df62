/* SPDX-License-Identifier: ISC */
/*
 * processes.c: threads, forks and commits at once, in process.
 *
 *   locks    a fork while another thread is held up with each lock of the module in turn: the
 *            child serves all there is, from a module opened anew, too
 *   threads  eight threads handshake while one forks children that handshake, and starts
 *            programs, and a process commits with the tool
 *
 * TORTURE_SECONDS, TORTURE_RESULTS.  `processes --descriptors DIR` is what is started: its
 * exit code is how many descriptors of files below DIR, of sockets and memfds it has got.
 *
 * The module's calls of pthread_mutex_lock(), …unlock() and syslog() come by here (ld --wrap).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "contexts.h"
#include "ends.h"
#include "harness.h"
#include "quiet.h"
#include "stats/read.h"
#include "trial.h"

/*
 * gcc 12's and clang 14's sanitizers leave locks of their own held in the child
 * of a process with threads: a child that hangs there tells nothing.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_WITH_LOCKS true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_WITH_LOCKS true
#endif
#endif
#ifndef SANITIZER_WITH_LOCKS
#define SANITIZER_WITH_LOCKS false
#endif

#define THREADS 8
#define SITES_MOST 128
#define WAIT_SECONDS 20         /* for the other thread, at the most */
#define CHILD_SECONDS 30        /* until a child is taken to hang */
#define LINES_MOST 8

/* How a child ends. */
enum { CHILD_GOOD, CHILD_STALE, CHILD_FAILED, CHILD_OPEN, CHILD_HUNG = 10, CHILD_HUNG_SQLITE, CHILD_HUNG_LIBRARY };

/* Shared with all processes: what was begun and finished of commits, and what children did. */
struct progress {
	_Atomic unsigned begun, committed;
	atomic_bool stop;
	_Atomic unsigned shaken, judged;
	int64_t ids[2];
	_Atomic unsigned lines;
	char said[LINES_MOST][240];     /* what went wrong, and the module's own lines of errors: the first */
};

static const char *const flips[2] = { "a.example", "b.example" };
static struct world *world;
static struct bench bench;
static struct progress *progress;

/* --- the module's locks ----------------------------------------------------------- */

int __real_pthread_mutex_lock(pthread_mutex_t *);
int __wrap_pthread_mutex_lock(pthread_mutex_t *);
int __real_pthread_mutex_unlock(pthread_mutex_t *);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *);
void __wrap_syslog(int, const char *, ...) __attribute__((format(printf, 2, 3)));
void __wrap___syslog_chk(int, int, const char *, ...) __attribute__((format(printf, 3, 4)));

/* Where a lock is taken, and which: NULL for those of a module that comes and goes. */
struct site {
	const void *at;
	const void *mutex;
};

/*
 * The thread that tours stops with the wanted lock until the one that forks has to wait for it, or
 * has forked; then it goes on, and stops once more where it has no lock left: a fork that
 * catches it within OpenSSL would tell of OpenSSL's locks.
 */
enum { NOBODY_STOPS, NOTING, ARMED, HELD, BLOCKED, FORKED, MISSED };

static struct site sites[SITES_MOST], wanted;
static size_t site_count;
static atomic_int stage;
static _Thread_local bool touring, transient, forking;
static _Thread_local unsigned depth;
static _Thread_local const void *volatile waiting_for;

static void
note_site(const struct site *site)
{
	for (size_t i = 0; i < site_count; i++)
		if (sites[i].at == site->at && sites[i].mutex == site->mutex)
			return;
	if (site_count < SITES_MOST)
		sites[site_count++] = *site;
}

static bool
reaches(int wanted_stage)
{
	double until = trial_now() + WAIT_SECONDS;

	while (atomic_load(&stage) < wanted_stage && trial_now() < until)
		ends_nap(1);
	return atomic_load(&stage) >= wanted_stage;
}

static void
visit(const void *at, const void *mutex)
{
	struct site site = { at, transient ? NULL : mutex };
	int armed = ARMED;

	if (!touring)
		return;
	if (atomic_load(&stage) == NOTING)
		note_site(&site);
	if (site.at == wanted.at && site.mutex == wanted.mutex &&
	    atomic_compare_exchange_strong(&stage, &armed, HELD))
		reaches(BLOCKED);
}

int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int rc, held = HELD;

	if (forking && pthread_mutex_trylock(mutex) == 0)
		return 0;
	if (forking)
		atomic_compare_exchange_strong(&stage, &held, BLOCKED);
	waiting_for = mutex;
	rc = __real_pthread_mutex_lock(mutex);
	waiting_for = NULL;
	depth++;
	visit(__builtin_return_address(0), mutex);
	return rc;
}

int
__wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int rc = __real_pthread_mutex_unlock(mutex);

	if (touring && depth > 0 && --depth == 0 && atomic_load(&stage) == BLOCKED)
		reaches(FORKED);
	return rc;
}

static void __attribute__((format(printf, 1, 0)))
say_in_list(const char *format, va_list ap)
{
	unsigned at = atomic_fetch_add(&progress->lines, 1);

	if (at < LINES_MOST)
		vsnprintf(progress->said[at], sizeof(progress->said[at]), format, ap);
}

static void __attribute__((format(printf, 1, 2)))
say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_in_list(format, ap);
	va_end(ap);
}

/* As libc's, which has a lock that no fork minds; without a line in anybody's log. */
static void __attribute__((format(printf, 2, 0)))
log_nowhere(int priority, const char *format, va_list ap)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (LOG_PRI(priority) <= LOG_ERR)
		say_in_list(format, ap);
	waiting_for = &lock;
	__real_pthread_mutex_lock(&lock);
	waiting_for = NULL;
	visit((const void *)log_nowhere, &lock);
	__real_pthread_mutex_unlock(&lock);
}

void
__wrap_syslog(int priority, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_nowhere(priority, format, ap);
	va_end(ap);
}

/* What it is called with _FORTIFY_SOURCE. */
void
__wrap___syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, format);
	log_nowhere(priority, format, ap);
	va_end(ap);
}

/* --- children --------------------------------------------------------------------- */

/* Whose lock it is that a child waits for.  It hangs: what is not safe in a handler can't make it
 * worse, and frames are known to have been looked at before. */
/* NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c) */
static void
on_alarm(int number)
{
	void *frames[64];
	int count = backtrace(frames, 64), status = CHILD_HUNG_LIBRARY;
	Dl_info info;

	(void)number;
	for (int i = 0; i < count; i++)
		if (dladdr(frames[i], &info) != 0 && info.dli_fname != NULL &&
		    strstr(info.dli_fname, "sqlite") != NULL)
			status = CHILD_HUNG_SQLITE;
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	_exit(waiting_for != NULL ? CHILD_HUNG : status);
}
/* NOLINTEND(bugprone-signal-handler,cert-sig30-c) */

/* A handshake with one of the names whose chain the commits change, if `name` is NULL; else with
 * one that always has `leaf`. */
static int
shake(SSL_CTX *server, SSL_CTX *client, const char *name, const char *leaf)
{
	unsigned before = atomic_load(&progress->committed), after;
	char got[LEAF_SIZE];
	bool done = ends_shake(server, client, name == NULL ? "flip.example" : name, got);

	after = atomic_load(&progress->begun);
	if (!done)
		return CHILD_FAILED;
	if (name == NULL && before == after) {
		/* Nothing moved meanwhile: only one answer is right. */
		atomic_fetch_add(&progress->judged, 1);
		leaf = flips[before % 2];
	} else if (name == NULL) {
		leaf = strcmp(got, flips[0]) == 0 ? flips[0] : flips[1];
	}
	if (strcmp(got, leaf) == 0)
		return CHILD_GOOD;
	say("%s got %s, not %s; commit %u of %u was done before", name == NULL ? "flip.example" : name, got, leaf,
	    before, after);
	return CHILD_STALE;
}

static int
shake_some(SSL_CTX *client, unsigned turn)
{
	char name[40];

	if (turn % 4 == 3) {
		snprintf(name, sizeof(name), "nobody%u.example", turn);
		return shake(bench.ctx, client, name, "fallback.example");
	}
	if (turn % 4 == 1) {
		snprintf(name, sizeof(name), "host%u.example", turn / 4 % 20);
		return shake(bench.ctx, client, name, name);
	}
	return shake(bench.ctx, client, NULL, NULL);
}

static void
as_child(void)
{
	signal(SIGALRM, on_alarm);
	alarm(CHILD_SECONDS);
	forking = false;
}

/* What this process opens itself, after the fork. */
static int
serve_anew(SSL_CTX *client)
{
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;
	SSL_CTX *ctx;
	int status;

	if (snicert_open(&snicert, world->config, &err) != 0)
		return CHILD_OPEN;
	ctx = SSL_CTX_new(TLS_server_method());
	atomic_fetch_add(&progress->shaken, 1);
	status = snicert_attach(snicert, ctx, &err) == 0 ? shake(ctx, client, NULL, NULL) : CHILD_OPEN;
	SSL_CTX_free(ctx);
	snicert_close(snicert);
	return status;
}

static int
serve_as_child(SSL_CTX *const clients[2], unsigned handshakes, bool anew)
{
	int status = CHILD_GOOD;

	as_child();
	for (unsigned i = 0; i < handshakes && status == CHILD_GOOD; i++) {
		status = shake_some(clients[i % 2], i + (unsigned)getpid());
		atomic_fetch_add(&progress->shaken, 1);
	}
	return status == CHILD_GOOD && anew ? serve_anew(clients[0]) : status;
}

static int
ended(pid_t child)
{
	int status = 0;

	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* --- the world of a test ---------------------------------------------------------- */

static void
setup(void)
{
	static const char *const names[2] = { "a.example flip.example", "b.example flip.example" };
	struct spec fallback = { .cn = "fallback.example" };
	char text[1024];
	void *frames[2];

	backtrace(frames, 2); /* loads what it needs */
	quiet_start();
	world = world_new();
	snprintf(text, sizeof(text), "store { path = \"%s\" key = \"%s\" }\nstats { path = \"%s\" }\n"
	    "log { target = syslog level = debug }\ncache { memory = \"1M\" }\n", world->store, world->key,
	    world->stats);
	write_file(world->config, text, 0644);
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(progress != MAP_FAILED);
	world_bind(world, "@", world_add(world, &fallback));
	world_add_numbered(world, "host", 20);
	for (int i = 0; i < 2; i++) {
		struct spec spec = { .cn = flips[i], .names = names[i] };

		progress->ids[i] = world_add(world, &spec);
	}
	world_bind(world, "flip.example", progress->ids[0]);
	bench_open(&bench, world);
	snicert_set_log(bench.snicert, NULL, NULL);
	SSL_CTX_set_session_cache_mode(bench.ctx, SSL_SESS_CACHE_OFF);
}

static void
teardown(void)
{
	bench_close(&bench);
	munmap(progress, sizeof(*progress));
	world_free(world);
}

/* --- a fork at each lock ---------------------------------------------------------- */

/* The thread that is in our code while another one forks. */
static struct {
	SSL_CTX *client;
	sem_t go, back;
	bool ends;
	int status;
} tourist;

/* Where all locks are taken: what is in the cache and what is not, what nobody knows, a state of
 * the store that is new, log lines, and a module that is opened and closed. */
static int
tour(void)
{
	static unsigned turn;
	int status = CHILD_GOOD;

	for (int i = 0; i < 2 && status == CHILD_GOOD; i++) {
		unsigned next = atomic_fetch_add(&progress->begun, 1) + 1;

		world_bind(world, "flip.example", progress->ids[next % 2]);
		atomic_store(&progress->committed, next);
		world_tick();
		for (unsigned j = 0; j < 4 && status == CHILD_GOOD; j++)
			status = shake_some(tourist.client, turn++);
	}
	transient = true;
	if (status == CHILD_GOOD)
		status = serve_anew(tourist.client);
	transient = false;
	return status;
}

static void *
tour_when_told(void *arg)
{
	(void)arg;
	for (;;) {
		int armed = ARMED;

		sem_wait(&tourist.go);
		if (tourist.ends)
			return NULL;
		touring = true;
		depth = 0;
		tourist.status = tour();
		touring = false;
		atomic_compare_exchange_strong(&stage, &armed, MISSED);
		sem_post(&tourist.back);
	}
}

static void
tour_begins(int mode)
{
	atomic_store(&stage, mode);
	sem_post(&tourist.go);
}

static void
tour_ends(void)
{
	sem_wait(&tourist.back);
	atomic_store(&stage, NOBODY_STOPS);
	ck_assert_int_eq(tourist.status, CHILD_GOOD);
}

/* Whether the tour came by there; how the child ended is in *status. */
static bool
fork_at(const struct site *site, SSL_CTX *const clients[2], int *status)
{
	pid_t child;
	bool held;

	wanted = *site;
	tour_begins(ARMED);
	held = reaches(HELD) && atomic_load(&stage) != MISSED;
	*status = CHILD_GOOD;
	if (held) {
		forking = true;
		child = fork();
		if (child == 0)
			_exit(serve_as_child(clients, 8, true));
		forking = false;
		atomic_store(&stage, FORKED);
		*status = ended(child);
	}
	tour_ends();
	return held;
}

static void
name_site(const struct site *site, char *out, size_t size)
{
	Dl_info info;

	if (dladdr(site->at, &info) == 0)
		info.dli_fbase = NULL;
	snprintf(out, size, "lock %p, taken before +0x%lx", site->mutex,
	    (unsigned long)((const char *)site->at - (const char *)info.dli_fbase));
}

START_TEST(test_locks)
{
	SSL_CTX *clients[2] = { ends_client(TLS1_2_VERSION), ends_client(TLS1_3_VERSION) };
	char often[60], name[80];
	pthread_t thread;
	unsigned held = 0;

	sem_init(&tourist.go, 0, 0);
	sem_init(&tourist.back, 0, 0);
	/* As where openssl.cnf has loaded us. */
	ck_assert_int_eq(contexts_watch_new(&bench.snicert->hook), 0);
	tourist.client = ends_client(TLS1_3_VERSION);
	ck_assert_int_eq(pthread_create(&thread, NULL, tour_when_told, NULL), 0);
	for (int i = 0; i < 2; i++) {
		tour_begins(NOTING);
		tour_ends();
	}
	for (size_t i = 0; i < site_count; i++) {
		int status;

		held += fork_at(&sites[i], clients, &status);
		name_site(&sites[i], name, sizeof(name));
		ck_assert_msg(status == CHILD_GOOD, "%s: the child ended with %d", name, status);
	}
	tourist.ends = true;
	sem_post(&tourist.go);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(site_count, 20);
	ck_assert_msg(held + 5 >= site_count, "of %zu the tour came by %u", site_count, held);
	snprintf(often, sizeof(often), "%u forks, each at another lock", held);
	trial_row("processes", "a fork while another thread is within the module, with a lock of it", often,
	    "all children served, from a module opened anew, too");
	for (int i = 0; i < 2; i++)
		SSL_CTX_free(clients[i]);
	SSL_CTX_free(tourist.client);
}
END_TEST

/* --- threads, forks and commits --------------------------------------------------- */

static int
tool(const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	char path[400];
	pid_t child = -1;

	snprintf(path, sizeof(path), "%s/snicert", getenv("SNICERT_BUILDDIR"));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&child, path, &actions, NULL, (char *const *)argv, environ) != 0)
		child = -1;
	posix_spawn_file_actions_destroy(&actions);
	return ended(child);
}

/* A process of its own: the tool, again and again; every tenth time a new store key. */
static int
commit_all_the_time(void)
{
	char id[32];

	while (!atomic_load(&progress->stop)) {
		unsigned next = atomic_fetch_add(&progress->begun, 1) + 1;
		const char *bind[] = { "snicert", "-c", world->config, "bind", "flip.example", id, NULL };
		const char *rekey[] = { "snicert", "-c", world->config, "rekey", NULL };

		snprintf(id, sizeof(id), "%lld", (long long)progress->ids[next % 2]);
		if (tool(bind) != 0 || (next % 10 == 0 && tool(rekey) != 0))
			return 1;
		atomic_store(&progress->committed, next);
		ends_nap(next % 4 == 0 ? 150 : 5);
	}
	return 0;
}

struct worker {
	SSL_CTX *clients[2];
	unsigned shaken, stale, failed;
};

static void *
shake_all_the_time(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&progress->stop)) {
		int status = shake_some(w->clients[w->shaken / 4 % 2], w->shaken);

		w->shaken++;
		w->failed += status == CHILD_FAILED;
		w->stale += status == CHILD_STALE;
	}
	return NULL;
}

/* What was started, of each kind, and what became of it. */
struct started {
	unsigned forks, programs, bad, hung_in_library, inherited;
};

/* As a server starts a program: by posix_spawn(), vfork() or fork(). */
static int
start_program(unsigned how)
{
	const char *argv[] = { "processes", "--descriptors", world->dir, NULL };
	pid_t child = -1;

	if (how == 0) {
		posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *const *)argv, environ);
	} else if (how == 1) {
		child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): is what is tried */
		if (child == 0) {
			execve("/proc/self/exe", (char *const *)argv, environ);
			_exit(127);
		}
	} else {
		child = fork();
		if (child == 0) {
			execve("/proc/self/exe", (char *const *)argv, environ);
			_exit(127);
		}
	}
	return ended(child);
}

static void
start_another(struct started *s, SSL_CTX *const clients[2], unsigned turn)
{
	int status;
	pid_t child;

	if (turn % 4 == 3) {
		s->programs++;
		s->inherited += start_program(turn / 4 % 3) != 0;
		return;
	}
	child = fork();
	if (child == 0) {
		/* A child of a child, too: it inherits what was not this one's either. */
		pid_t own = turn % 8 == 1 && !SANITIZER_WITH_LOCKS ? fork() : 0;

		if (own != 0)
			_exit(ended(own));
		_exit(SANITIZER_WITH_LOCKS ? CHILD_GOOD : serve_as_child(clients, 12, turn % 16 == 5));
	}
	s->forks++;
	status = ended(child);
	s->hung_in_library += status == CHILD_HUNG_LIBRARY;
	s->bad += status != CHILD_GOOD && status != CHILD_HUNG_LIBRARY;
	if (status != CHILD_GOOD)
		fprintf(stderr, "child %u ended with %d\n", turn, status);
}

static uint64_t
counted(void)
{
	struct snicert_error err = {0};
	struct stats_reader *reader = NULL;
	struct stats_totals totals;

	ck_assert_msg(stats_read_open(&reader, world->stats, &err) == 0, "%s", err.text);
	stats_read_totals(reader, &totals);
	stats_read_close(reader);
	return totals.handshakes;
}

START_TEST(test_threads)
{
	unsigned seconds = (unsigned)trial_number("TORTURE_SECONDS", 10);
	struct worker workers[THREADS] = {0}, all = {0};
	SSL_CTX *clients[2] = { ends_client(TLS1_2_VERSION), ends_client(TLS1_3_VERSION) };
	struct started started = {0};
	pthread_t threads[THREADS];
	double began = trial_now();
	uint64_t before = counted();
	char often[200];
	pid_t committer = fork();

	if (committer == 0)
		_exit(commit_all_the_time());
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < 2; j++)
			workers[i].clients[j] = clients[j];
		ck_assert_int_eq(pthread_create(&threads[i], NULL, shake_all_the_time, &workers[i]), 0);
	}
	for (unsigned turn = 0; trial_now() - began < seconds; turn++)
		start_another(&started, clients, turn);
	atomic_store(&progress->stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		all.shaken += workers[i].shaken;
		all.stale += workers[i].stale;
		all.failed += workers[i].failed;
	}
	ck_assert_int_eq(ended(committer), 0);
	snprintf(often, sizeof(often), "%u s: %u commits, %u forks, %u programs started", seconds,
	    atomic_load(&progress->committed), started.forks, started.programs);
	trial_row("processes", "eight threads, commits by the tool, forks", often,
	    "%u handshakes in the threads, %u in children: %u failed, %u stale (of %u the one right answer was "
	    "known), %u with a look-up in vain, %u children wrong or hung; %u hung in a lock of OpenSSL or libc; %u programs got a descriptor of ours",
	    all.shaken, atomic_load(&progress->shaken), all.failed, all.stale, atomic_load(&progress->judged),
	    (unsigned)bench_counters(&bench).trouble, started.bad, started.hung_in_library, started.inherited);
	for (unsigned i = 0; i < atomic_load(&progress->lines) && i < LINES_MOST; i++)
		fprintf(stderr, "%s\n", progress->said[i]);
	ck_assert_uint_eq(all.failed + all.stale + started.bad + started.inherited, 0);
	ck_assert_uint_gt(atomic_load(&progress->committed), 3);
	ck_assert_uint_gt(atomic_load(&progress->judged), 10);
	ck_assert_uint_gt(started.forks, 2);
	ck_assert_uint_gt(started.programs, 0);
	ck_assert_uint_eq(bench_counters(&bench).trouble, 0);
	if (started.hung_in_library == 0)
		ck_assert_uint_eq(counted() - before, all.shaken + atomic_load(&progress->shaken));
	for (int i = 0; i < 2; i++)
		SSL_CTX_free(clients[i]);
}
END_TEST

/* --- the program that is started -------------------------------------------------- */

static int
descriptors_below(const char *dir)
{
	DIR *list = opendir("/proc/self/fd");
	struct dirent *entry;
	char link[300], target[300];
	int count = 0;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%.200s", entry->d_name);
		length = readlink(link, target, sizeof(target) - 1);
		if (length < 0 || atoi(entry->d_name) <= STDERR_FILENO)
			continue;
		target[length] = '\0';
		if (strncmp(target, dir, strlen(dir)) != 0 && strncmp(target, "/memfd:", 7) != 0 &&
		    strncmp(target, "socket:", 7) != 0)
			continue;
		fprintf(stderr, "inherited: %s\n", target);
		count++;
	}
	if (list != NULL)
		closedir(list);
	return count;
}

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("processes");
	TCase *locks = tcase_create("locks"), *threads = tcase_create("threads");
	int result;

	if (argc == 3 && strcmp(argv[1], "--descriptors") == 0)
		return descriptors_below(argv[2]);
	harness_start();
	tcase_set_timeout(locks, 3600);
	tcase_add_checked_fixture(locks, setup, teardown);
	if (!SANITIZER_WITH_LOCKS)
		tcase_add_test(locks, test_locks);
	suite_add_tcase(suite, locks);
	tcase_set_timeout(threads, 36000);
	tcase_add_checked_fixture(threads, setup, teardown);
	tcase_add_test(threads, test_threads);
	suite_add_tcase(suite, threads);
	result = harness_run(suite);
	harness_end();
	return result;
}
