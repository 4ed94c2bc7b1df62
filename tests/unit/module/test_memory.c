/* SPDX-License-Identifier: ISC */
/*
 * test_memory.c: every allocation along a handshake, the opening of the module and the
 * work of the tool fails once in turn, and then it and all behind it.
 *
 * Within the module's callbacks nothing may come of it but another chain: the
 * handshake is done, the error queue is as it was, the next handshake is right.  What
 * OpenSSL allocates outside of them is its own affair.  (Where all fail, its decoders alone
 * report more than the sixteen errors that a queue holds: then it is an empty one.)
 *
 * SNICERT_MEMORY_ALL=1 leaves out none; else a test tries some hundreds of them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "contexts.h"
#include "../harness.h"
#include "../scarce.h"
#include "tool.h"

/* LeakSanitizer asks for it.  What the dynamic linker keeps for libraries it has loaded (elf/dl-deps.c,
 * l_initfini) is no leak; it tells that by the caller of malloc(), and here that is scarce.c. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));
const char *
__lsan_default_suppressions(void) /* NOLINT(bugprone-reserved-identifier) */
{
	return "leak:_dl_map_object_deps\n";
}

/* --- between the library and the module's callbacks: by the linker's --wrap -------- */

typedef int security_callback(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

static int (*cert_cb)(SSL *, void *);
static SSL_client_hello_cb_fn hello_cb;
static security_callback *security_cb;
static bool within_callbacks;   /* count what is allocated there, and nothing else */
static bool queue_empty;        /* the host's error queue: without an entry of its own, or with one */
static bool queue_changed;
static time_t clock_ahead;
static long cleared_at;         /* how many allocations there were before the former certificates went */

static unsigned long
enter(void)
{
	if (!queue_empty)
		ERR_raise(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT);
	if (within_callbacks)
		scarce_begin();
	return ERR_peek_last_error();
}

static void
leave(unsigned long before)
{
	scarce_end();
	queue_changed |= ERR_peek_last_error() != before;
	ERR_clear_error();
}

static int
on_cert(SSL *ssl, void *arg)
{
	unsigned long before = enter();
	int answer = cert_cb(ssl, arg);

	leave(before);
	return answer;
}

static int
on_security(const SSL *ssl, const SSL_CTX *context, int op, int bits, int nid, void *other, void *ex)
{
	bool looks = ssl != NULL && (op == SSL_SECOP_VERSION || op == SSL_SECOP_TICKET || op == SSL_SECOP_SIGALG_SHARED);
	unsigned long before = looks ? enter() : 0;
	int answer = security_cb(ssl, context, op, bits, nid, other, ex);

	if (looks)
		leave(before);
	return answer;
}

static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	unsigned long before = enter();
	int answer = hello_cb(ssl, alert, arg);

	leave(before);
	return answer;
}

void __real_SSL_set_cert_cb(SSL *, int (*)(SSL *, void *), void *);
void __wrap_SSL_set_cert_cb(SSL *, int (*)(SSL *, void *), void *);
void __real_SSL_CTX_set_client_hello_cb(SSL_CTX *, SSL_client_hello_cb_fn, void *);
void __wrap_SSL_CTX_set_client_hello_cb(SSL_CTX *, SSL_client_hello_cb_fn, void *);
void __real_SSL_CTX_set_security_callback(SSL_CTX *, security_callback *);
void __wrap_SSL_CTX_set_security_callback(SSL_CTX *, security_callback *);
security_callback *__real_SSL_CTX_get_security_callback(const SSL_CTX *);
security_callback *__wrap_SSL_CTX_get_security_callback(const SSL_CTX *);
security_callback *__real_SSL_get_security_callback(const SSL *);
security_callback *__wrap_SSL_get_security_callback(const SSL *);
void *__real_cfg_init(void *, int);
void *__wrap_cfg_init(void *, int);
int __real_cfg_parse_fp(void *, FILE *);
int __wrap_cfg_parse_fp(void *, FILE *);
int __real_cfg_free(void *);
int __wrap_cfg_free(void *);
void __real_SSL_certs_clear(SSL *);
void __wrap_SSL_certs_clear(SSL *);
int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

void
__wrap_SSL_set_cert_cb(SSL *ssl, int (*cb)(SSL *, void *), void *arg)
{
	cert_cb = cb;
	__real_SSL_set_cert_cb(ssl, on_cert, arg);
}

void
__wrap_SSL_CTX_set_client_hello_cb(SSL_CTX *ctx, SSL_client_hello_cb_fn cb, void *arg)
{
	hello_cb = cb;
	__real_SSL_CTX_set_client_hello_cb(ctx, on_hello, arg);
}

void
__wrap_SSL_CTX_set_security_callback(SSL_CTX *context, security_callback *cb)
{
	security_cb = cb;
	__real_SSL_CTX_set_security_callback(context, on_security);
}

static security_callback *
as_set(security_callback *cb)
{
	return cb == on_security ? security_cb : cb;
}

security_callback *
__wrap_SSL_CTX_get_security_callback(const SSL_CTX *context)
{
	return as_set(__real_SSL_CTX_get_security_callback(context));
}

security_callback *
__wrap_SSL_get_security_callback(const SSL *ssl)
{
	return as_set(__real_SSL_get_security_callback(ssl));
}

/* libconfuse 3.3 frees twice what it had no memory to copy: it is left alone. */
void *
__wrap_cfg_init(void *options, int flags)
{
	bool counting = scarce_pause();
	void *cfg = __real_cfg_init(options, flags);

	scarce_resume(counting);
	return cfg;
}

int
__wrap_cfg_parse_fp(void *cfg, FILE *file)
{
	bool counting = scarce_pause();
	int status = __real_cfg_parse_fp(cfg, file);

	scarce_resume(counting);
	return status;
}

int
__wrap_cfg_free(void *cfg)
{
	bool counting = scarce_pause();
	int status = __real_cfg_free(cfg);

	scarce_resume(counting);
	return status;
}

void
__wrap_SSL_certs_clear(SSL *ssl)
{
	if (cleared_at < 0)
		cleared_at = scarce_count();
	__real_SSL_certs_clear(ssl);
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *out)
{
	int status = __real_clock_gettime(id, out);

	out->tv_sec += clock_ahead;
	return status;
}

/* --- the world -------------------------------------------------------------------- */

static struct world *world;
static SSL_CTX *ctx;            /* one, with its own certificates, for all */
static struct snicert *snicert;
static int64_t chains[2];
static char stored_key[120], hidden_key[120];

static int64_t
add(const char *cn, enum key_kind kind, const char *names)
{
	struct spec spec = { .cn = cn, .kind = kind, .names = names };

	return world_add(world, &spec);
}

static void
setup(void)
{
	struct spec fallback = { .cn = "fallback", .names = "fallback.invalid", .no_bind = true };
	struct spec other = { .cn = "other", .names = "other.invalid", .no_bind = true };

	world = world_new();
	add("three", KEY_P256, "three.example");
	add("three", KEY_RSA, "three.example");
	add("three", KEY_ED25519, "three.example");
	add("wild", KEY_RSA, "*.wild.example");
	chains[0] = add("ec", KEY_P256, "ec.example");
	chains[1] = world_add(world, &other);
	world_bind(world, "@", world_add(world, &fallback));
	snprintf(stored_key, sizeof(stored_key), "%s", world->key);
	snprintf(hidden_key, sizeof(hidden_key), "%s.hidden", world->key);
	ctx = server_ctx();
}

static void
teardown(void)
{
	snicert_close(snicert);
	SSL_CTX_free(ctx);
	world_free(world);
	snicert = NULL;
}

static char last_line[600];

static void
keep_line(void *arg, int priority, const char *text)
{
	(void)arg;
	(void)priority;
	if (strstr(text, " msg=") != NULL)
		snprintf(last_line, sizeof(last_line), "%s", text);
}

static void
reopen(void)
{
	struct snicert_error err = {0};

	snicert_close(snicert);
	snicert = NULL;
	ck_assert_msg(snicert_open(&snicert, world->config, &err) == 0, "%s", err.text);
	snicert_set_log(snicert, keep_line, NULL);
	last_line[0] = '\0';
	hook_attach(&snicert->hook, ctx, NULL);
}

static bool
all_of_them(void)
{
	const char *all = getenv("SNICERT_MEMORY_ALL");

	return all != NULL && strcmp(all, "0") != 0;
}

/* The next one to fail: each at first, then ever fewer; 0 once there was no n-th any more. */
static long
after(long n, long count)
{
	if (count < n)
		return 0;
	return all_of_them() || n < 40 ? n + 1 : n + 1 + n / 12;
}

/* --- handshakes ------------------------------------------------------------------- */

static void prepare_cold(void) { reopen(); }
static void prepare_open(void) { }

static void
prepare_warm(void)
{
	ck_assert_str_eq(served(ctx, "three.example"), "three");
}

static void
prepare_commit(void)
{
	static int which;

	/* Known as it was before the commit. */
	served(ctx, "ec.example");
	world_bind(world, "ec.example", chains[which++ & 1]);
}

static void
prepare_replaced(void)
{
	char copy[120], command[600];

	served(ctx, "three.example");
	snprintf(copy, sizeof(copy), "%s.copy", world->store);
	world_sql(world, "PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(command, sizeof(command), "cp -p %s %s && mv %s %s", world->store, copy, copy, world->store);
	ck_assert_int_eq(system(command), 0);
	world_tick();
}

/* The store key comes late: it is read within the handshake. */
static void
prepare_key(void)
{
	ck_assert_int_eq(rename(stored_key, hidden_key), 0);
	reopen();
	ck_assert_int_eq(rename(hidden_key, stored_key), 0);
}

static const struct scenario {
	const char *label;
	void (*prepare)(void);
	const char *name;       /* "%" stands for another number each time */
	int version;
	const char *right, *or_else;    /* leaves; or_else: also after a failure */
} scenarios[] = {
	{ "cold", prepare_cold, "three.example", 0, "three", NULL },
	{ "cold, TLS 1.2", prepare_cold, "three.example", TLS1_2_VERSION, "three", NULL },
	{ "cold, by wildcard", prepare_cold, "mx.wild.example", 0, "wild", NULL },
	{ "warm", prepare_warm, "three.example", 0, "three", NULL },
	{ "warm, TLS 1.2", prepare_warm, "three.example", TLS1_2_VERSION, "three", NULL },
	{ "no name", prepare_cold, NULL, 0, "fallback", NULL },
	{ "unknown name", prepare_open, "nobody%ld.example", 0, "fallback", NULL },
	{ "after a commit", prepare_commit, "ec.example", 0, "", "ec other" },
	{ "another file in the store's place", prepare_replaced, "three.example", 0, "three", NULL },
	{ "the store key late", prepare_key, "three.example", 0, "three", NULL },
};

static bool
is_acceptable(const struct scenario *s, const char *leaf)
{
	return strcmp(leaf, s->right) == 0 || strcmp(leaf, "fallback") == 0 || strncmp(leaf, "own-", 4) == 0 ||
	    (s->or_else != NULL && strstr(s->or_else, leaf) != NULL);
}

static void
shake(const struct scenario *s, long n, struct outcome *out)
{
	struct client c = { .version = s->version };
	char name[64];

	if (s->name != NULL) {
		snprintf(name, sizeof(name), s->name, n);
		c.name = name;
	}
	handshake(ctx, &c, out);
}

/* All memory goes in the very moment in which one set of certificates takes the place of the
 * other, though there was some just before: OpenSSL itself would not live on. */
static bool
no_way_back(long n, bool on)
{
	return on && cleared_at >= 0 && n > cleared_at;
}

/* One handshake with the n-th allocation in the callbacks failing, and one without.
 * Returns how many there were. */
static long
try_one(const struct scenario *s, long n, bool on)
{
	struct outcome out;
	const char *label = s->label, *then = on ? " and all behind it" : "";
	long count;

	s->prepare();
	queue_changed = false;
	queue_empty = on;
	cleared_at = -1;
	scarce_plan(n, on);
	within_callbacks = true;
	shake(s, n, &out);
	within_callbacks = false;
	count = scarce_count();
	ck_assert_msg(out.done || no_way_back(n, on), "%s: allocation %ld%s (%s): no handshake, alert %d", label, n, then,
	    scarce_victim(), out.alert);
	ck_assert_msg(!out.done || is_acceptable(s, out.leaf), "%s: allocation %ld%s (%s): got %s", label, n, then,
	    scarce_victim(), out.leaf);
	ck_assert_msg(!queue_changed, "%s: allocation %ld%s (%s): the error queue is another", label, n,
	    then, scarce_victim());
	outcome_clear(&out);
	/* Trouble is looked into again after a second. */
	clock_ahead += 2;
	shake(s, n, &out);
	ck_assert_msg(out.done && (strcmp(out.leaf, s->right) == 0 || s->right[0] == '\0'),
	    "%s: after allocation %ld%s (%s) failed: got %s, alert %d; the log: %s", label, n, then,
	    scarce_victim(), out.leaf, out.alert, last_line);
	outcome_clear(&out);
	return count;
}

static void
note_victim(char *seen, size_t size)
{
	const char *victim = scarce_victim();

	if (strstr(seen, victim) == NULL && strlen(seen) + strlen(victim) + 2 < size)
		strcat(strcat(seen, " "), victim);
}

START_TEST(test_handshake)
{
	const struct scenario *s = &scenarios[_i];
	char victims[400] = "";
	long tried = 0;

	reopen();
	for (int on = 0; on < 2; on++)
		for (long n = 1; n > 0; tried++) {
			long count = try_one(s, n, on == 1);

			note_victim(victims, sizeof(victims));
			n = after(n, count);
		}
	ck_assert_msg(tried > 2, "%s: only %ld allocations", s->label, tried);
	/* A cold one is OpenSSL's and SQLite's, and ours. */
	if (strncmp(s->label, "cold", 4) == 0)
		ck_assert_msg(strstr(victims, "libcrypto") != NULL && strstr(victims, "libsqlite3") != NULL &&
		    strstr(victims, "test_memory") != NULL, "%s: allocations of%s only", s->label, victims);
	printf("%s: %ld failures of%s\n", s->label, tried, victims);
}
END_TEST

/* All of the server's side, the library's own part too: no crash, and the next one is right. */
START_TEST(test_whole_handshake)
{
	struct client c = { .name = "three.example" };

	for (int on = 0; on < 2; on++)
		for (long n = 1, count = 0; n > 0; n = after(n, count)) {
			struct outcome out;
			struct pair pair;

			reopen();
			pair_open(&pair, ctx, &c, &out);
			SSL_do_handshake(pair.client);
			scarce_plan(n, on == 1);
			scarce_begin();
			SSL_do_handshake(pair.server);
			scarce_end();
			count = scarce_count();
			pair_close(&pair);
			clock_ahead += 2;
			ck_assert_str_eq(served(ctx, "three.example"), "three");
		}
}
END_TEST

/* --- in children ------------------------------------------------------------------ */

struct attempt {
	long n;
	bool on;
	int fd;                 /* where the child writes how many there were */
};

static int
tell(const struct attempt *attempt, int result)
{
	long count = scarce_count();

	return write(attempt->fd, &count, sizeof(count)) == sizeof(count) ? result : 9;
}

static int
served_right(void)
{
	struct client c = { .name = "three.example" };
	struct outcome out;
	int result;

	clock_ahead += 2;
	handshake(ctx, &c, &out);
	result = out.done && strcmp(out.leaf, "three") == 0 ? 0 : 3;
	outcome_clear(&out);
	return result;
}

/* A child of a server that forks: its first handshake. */
static int
child_of_a_server(void *arg)
{
	struct attempt *attempt = arg;
	struct client c = { .name = "three.example" };
	struct outcome out;
	bool good;

	scarce_plan(attempt->n, attempt->on);
	queue_changed = false;
	queue_empty = attempt->on;
	cleared_at = -1;
	within_callbacks = true;
	handshake(ctx, &c, &out);
	within_callbacks = false;
	good = no_way_back(attempt->n, attempt->on) ? true : out.done && !queue_changed && (strcmp(out.leaf, "three") == 0 ||
	    strcmp(out.leaf, "fallback") == 0 || strncmp(out.leaf, "own-", 4) == 0);
	outcome_clear(&out);
	return tell(attempt, good ? served_right() : 2);
}

/* A process that opens the module: what is made once in a process included. */
static int
child_that_opens(void *arg)
{
	struct attempt *attempt = arg;
	struct snicert_error err = {0};
	int status;

	scarce_plan(attempt->n, attempt->on);
	scarce_begin();
	status = snicert_open(&snicert, world->config, &err);
	scarce_end();
	if (status != 0 && (err.code != SNICERT_EMEMORY || snicert != NULL))
		return tell(attempt, 4);
	if (ERR_peek_error() != 0)
		return tell(attempt, 5);
	if (status != 0 && snicert_open(&snicert, world->config, &err) != 0)
		return tell(attempt, 6);
	snicert_set_log(snicert, keep_line, NULL);
	hook_attach(&snicert->hook, ctx, NULL);
	status = served_right();
	if (status != 0)
		fprintf(stderr, "opening: allocation %ld: the log: %s\n", attempt->n, last_line);
	return tell(attempt, status);
}

/* As OpenSSL's configuration loads it: contexts are watched for. */
static int
child_that_watches(void *arg)
{
	struct attempt *attempt = arg;
	struct client c = { .name = "three.example" };
	struct outcome out;
	SSL_CTX *late;
	int status;
	bool good;

	reopen();
	scarce_plan(attempt->n, attempt->on);
	scarce_begin();
	status = contexts_watch_older(&snicert->hook);
	scarce_end();
	late = server_ctx();
	handshake(late, &c, &out);
	/* Where watching fails, some of it may have begun. */
	good = out.done && (strcmp(out.leaf, "three") == 0 || (status != 0 && strcmp(out.leaf, "own-ec") == 0));
	outcome_clear(&out);
	SSL_CTX_free(late);
	snicert_close(snicert);
	snicert = NULL;
	return tell(attempt, good ? 0 : 7);
}

static void
try_children(const char *label, int (*work)(void *))
{
	int fds[2];
	long tried = 0;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	for (int on = 0; on < 2; on++)
		for (long n = 1, count = 0; n > 0; n = after(n, count), tried++) {
			struct attempt attempt = { .n = n, .on = on == 1, .fd = fds[1] };
			int status = in_child(work, &attempt);

			ck_assert_msg(status == 0, "%s: allocation %ld%s: %d", label, n,
			    on == 1 ? " and all behind it" : "", status);
			ck_assert_int_eq(read(fds[0], &count, sizeof(count)), sizeof(count));
		}
	close(fds[0]);
	close(fds[1]);
	ck_assert_msg(tried > 2, "%s: only %ld allocations", label, tried);
	printf("%s: %ld failures\n", label, tried);
}

START_TEST(test_child)
{
	reopen();
	try_children("a child", child_of_a_server);
}
END_TEST

START_TEST(test_open)
{
	world_configure(world, "program \"some\" { unknown = refuse fallback = \"three.example\" }\n"
	    "cache { memory = 2M }\nexpired = fallback");
	try_children("opening", child_that_opens);
}
END_TEST

START_TEST(test_watch)
{
	try_children("watching for contexts", child_that_watches);
}
END_TEST

/* --- the tool --------------------------------------------------------------------- */

static char pem_path[120];

static void
write_pem(void)
{
	struct spec spec = { .cn = "new.example", .self_signed = true };
	EVP_PKEY *key = key_make(KEY_P256);
	X509 *cert = cert_make(&spec, key);
	BIO *out;

	snprintf(pem_path, sizeof(pem_path), "%s/new.pem", world->dir);
	out = BIO_new_file(pem_path, "w");
	PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(out, cert);
	BIO_free(out);
	chmod(pem_path, 0600);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
run(const struct command *command, const char *argument, long n, bool on, long *count)
{
	struct snicert_error err = {0};
	struct tool tool = { .config_path = world->config, .command = command };
	char *argv[] = { (char *)"command", (char *)(uintptr_t)argument, NULL };
	int status;

	ck_assert_msg(config_read(&tool.config, world->config, CONFIG_STRICT, &err) == 0, "%s", err.text);
	optind = 0;
	scarce_plan(n, on);
	scarce_begin();
	status = command->run(&tool, argument == NULL ? 1 : 2, argv);
	fflush(stdout);
	scarce_end();
	*count = scarce_count();
	config_free(tool.config);
	ERR_clear_error();
	return status;
}

static void
silence(void)
{
	ck_assert(freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL);
}

/* The store is before or after: exit code 0 means after, the others before (but for the
 * report of what is done, which may fail by itself). */
START_TEST(test_import)
{
	unsigned char before[32], now[32];

	write_pem();
	silence();
	world_digest(world, before);
	for (int on = 0; on < 2; on++)
		for (long n = 1, count = 0; n > 0; n = after(n, count)) {
			int status = run(&command_import, pem_path, n, on == 1, &count);

			world_digest(world, now);
			if (memcmp(before, now, sizeof(before)) != 0) {
				reopen();
				ck_assert_msg(strcmp(served(ctx, "new.example"), "new.example") == 0,
				    "allocation %ld: half of the chain is there", n);
				world_sql(world, "DELETE FROM binding WHERE name = 'new.example'");
				world_sql(world, "DELETE FROM chain_cert WHERE chain = (SELECT max(id) FROM chain)");
				world_sql(world, "DELETE FROM chain WHERE id = (SELECT max(id) FROM chain)");
				world_sql(world, "DELETE FROM cert WHERE id NOT IN (SELECT cert FROM chain_cert)");
				world_digest(world, before);
			} else {
				ck_assert_msg(status != 0, "allocation %ld (%s): done, and nothing is", n, scarce_victim());
			}
		}
}
END_TEST

/* It may say that it failed, or that it could not make sense of something; not that all is well. */
START_TEST(test_verify)
{
	unsigned char before[32], now[32];
	long count = 0;
	int whole;

	silence();
	whole = run(&command_verify, NULL, 0, false, &count);
	world_digest(world, before);
	for (int on = 0; on < 2; on++)
		for (long n = 1; n > 0; n = after(n, count)) {
			int status = run(&command_verify, NULL, n, on == 1, &count);

			ck_assert_msg(status == TOOL_FAILED || status == TOOL_NO || status == whole, "allocation %ld (%s): exit code %d", n,
			    scarce_victim(), status);
		}
	world_digest(world, now);
	ck_assert_mem_eq(before, now, sizeof(before));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tc = tcase_create("memory");
	int status;

	if (!scarce_works())
		return 77;
	harness_start();
	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_handshake, 0, COUNT(scenarios));
	tcase_add_test(tc, test_whole_handshake);
	tcase_add_test(tc, test_child);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_watch);
	tcase_add_test(tc, test_import);
	tcase_add_test(tc, test_verify);
	suite_add_tcase(suite, tc);
	status = harness_run(suite);
	harness_end();
	return status;
}
