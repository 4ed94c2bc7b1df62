/* SPDX-License-Identifier: ISC */
/*
 * test_host_openssl.c: the module as OpenSSL loads it from a configuration file, in a
 * program that knows nothing of it; this one has what a Postfix keeps its log with.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/err.h>

#include "contexts.h"
#include "devlog.h"
#include "error.h"
#include "../harness.h"
#include "log.h"

int openssl_module_init(CONF_IMODULE *imodule, const CONF *conf) __asm__("OPENSSL_init");
void openssl_module_finish(CONF_IMODULE *imodule) __asm__("OPENSSL_finish");

/* --- what Postfix's libraries have ------------------------------------------------- */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED extern const char *var_maillog_file;
EXPORTED void msg_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
EXPORTED void msg_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
EXPORTED void maillog_client_init(const char *name, int flags);

const char *var_maillog_file;
static struct lines warnings, informed;

static void
note(struct lines *lines, const char *format, va_list ap)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, ap);
	lines_sink(lines, 0, text);
}

void
msg_warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(&warnings, format, ap);
	va_end(ap);
}

void
msg_info(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(&informed, format, ap);
	va_end(ap);
}

void
maillog_client_init(const char *name, int flags)
{
	(void)name;
	(void)flags;
}

/* --- within the module, by the linker's --wrap ------------------------------------- */

static bool no_memory_to_open, no_memory_to_watch;
static char said_without[256];
static struct lines logged;             /* by syslog */
static int logged_facility;

int __real_snicert_open_logging(struct snicert **, const char *, struct snicert_sink, struct snicert_error *);
int __wrap_snicert_open_logging(struct snicert **, const char *, struct snicert_sink, struct snicert_error *);
int __real_contexts_watch_new(struct hook *);
int __wrap_contexts_watch_new(struct hook *);
void __wrap_log_say_without(enum log_event, const char *);
bool __wrap_devlog_write(const struct log_socket *, int priority, const char *text);

int
__wrap_snicert_open_logging(struct snicert **out, const char *path, struct snicert_sink sink,
    struct snicert_error *err)
{
	return no_memory_to_open ? error_set(err, SNICERT_EMEMORY, "no memory is left") :
	    __real_snicert_open_logging(out, path, sink, err);
}

int
__wrap_contexts_watch_new(struct hook *hook)
{
	return no_memory_to_watch ? -1 : __real_contexts_watch_new(hook);
}

void
__wrap_log_say_without(enum log_event event, const char *sentence)
{
	snprintf(said_without, sizeof(said_without), "%s: %s", log_events[event].name, sentence);
}

bool
__wrap_devlog_write(const struct log_socket *devlog, int priority, const char *text)
{
	(void)devlog;
	logged_facility = priority & LOG_FACMASK;
	lines_sink(&logged, priority, text);
	return true;
}

/* ------------------------------------------------------------------------------------ */

static struct world *world;
static SSL_CTX *old;

static void
setup(void)
{
	struct spec a = { .cn = "a.example" };

	world = world_new();
	world_add(world, &a);
	ck_assert_int_eq(CONF_module_add("snicert", openssl_module_init, openssl_module_finish), 1);
	old = server_ctx();
}

static void
teardown(void)
{
	SSL_CTX_free(old);
	world_free(world);
}

static void
name_program(const struct world *w, const char *name, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "program \"%s\" { }\n%s", name, more);
	world_configure(w, text);
}

static void
name_us(const char *more)
{
	name_program(world, program_invocation_short_name, more);
}

/* What OpenSSL does with an openssl.cnf that has a section of ours; it must hear that all is well. */
static void
load(const char *config)
{
	char text[512];
	CONF *conf = NCONF_new(NULL);
	BIO *in;
	long line;

	snprintf(text, sizeof(text), "openssl_conf = init\n[init]\nsnicert = ours\n[ours]\nconfig = %s\n", config);
	in = BIO_new_mem_buf(text, -1);
	ck_assert_int_eq(NCONF_load_bio(conf, in, &line), 1);
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT);
	errno = 77;
	ck_assert_int_eq(CONF_modules_load(conf, NULL, 0), 1);
	ck_assert_int_eq(errno, 77);
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), ERR_R_PASSED_INVALID_ARGUMENT);
	ERR_clear_error();
	BIO_free(in);
	NCONF_free(conf);
}

/* With a context that is newer than what was loaded; one that is older is the program's own. */
static void
check_served(const char *name, const char *want)
{
	SSL_CTX *made = server_ctx();

	ck_assert_str_eq(served(made, name), want);
	ck_assert_str_eq(served(old, name), "own-ec");
	SSL_CTX_free(made);
}

START_TEST(test_named)
{
	name_us("");
	load(world->config);
	check_served("a.example", "a.example");
	check_served("nobody.example", "own-ec");
}
END_TEST

/* Another OpenSSL's call: what it hands over is not read, and it hears that all is well. */
START_TEST(test_another_openssl)
{
	unsigned char what[4096];

	name_us("");
	memset(what, 0x5a, sizeof(what));
	errno = 77;
	ck_assert_int_eq(openssl_module_init((CONF_IMODULE *)(void *)what, (const CONF *)(const void *)(what + 2048)), 1);
	ck_assert_int_eq(errno, 77);
	ck_assert_msg(strstr(said_without, "another OpenSSL") != NULL, "said \"%s\"", said_without);
	check_served("a.example", "own-ec");
}
END_TEST

/* Programs that are not named: neither store nor statistics are touched. */
START_TEST(test_not_named)
{
	static const char *const others[] = { "", "test", "test_host_openssl2", "*" };
	int before = open_fds();

	name_program(world, others[_i], "");
	load(world->config);
	check_served("a.example", "own-ec");
	ck_assert_int_eq(open_fds(), before);
	ck_assert_int_ne(access(world->stats, F_OK), 0);
}
END_TEST

START_TEST(test_no_configuration)
{
	load("/nowhere/snicert.conf");
	check_served("a.example", "own-ec");
}
END_TEST

/* The file may be read again, as it was or changed: the first time counts. */
START_TEST(test_loaded_again)
{
	struct world *second = world_new();
	struct spec spec = { .cn = "second.example", .names = "a.example" };

	world_add(second, &spec);
	name_program(second, program_invocation_short_name, "");
	name_us("");
	load(world->config);
	load(world->config);
	load(second->config);
	check_served("a.example", "a.example");
	CONF_modules_finish();
	check_served("a.example", "a.example");
	world_free(second);
}
END_TEST

static void
load_as(uid_t uid)
{
	ck_assert_int_eq(chmod(world->dir, 0755), 0);
	ck_assert_int_eq(seteuid(uid), 0);
	load(world->config);
	ck_assert_int_eq(seteuid(0), 0);
}

/* A mistake may have cost the program its section: it is told, to where that file says. */
START_TEST(test_mistake)
{
	write_file(world->config,
	    "log { target = syslog facility = local3 }\nprogramm \"test_host_openssl\" { }\n", 0644);
	if (geteuid() == 0)
		load_as(65534);
	else
		load(world->config);
	ck_assert_int_eq(logged.count, 1);
	ck_assert_int_eq(logged_facility, LOG_LOCAL3);
	ck_assert_msg(strstr(logged.text, "snicert: event=config ") != NULL &&
	    strstr(logged.text, "snicert.conf:2: ") != NULL && strstr(logged.text, "programm") != NULL &&
	    strstr(logged.text, "using the default") != NULL, "logged: %s", logged.text);
	check_served("a.example", "own-ec");
}
END_TEST

/* Not by every program of the system. */
START_TEST(test_mistake_of_others)
{
	static const char *const texts[] = {
		"programm \"smtpd\" { }\n", "program \"test_host_openssl2\" {\n", "store { path = \"/test_host_openssl\n",
	};

	if (geteuid() != 0)
		return; /* who may not become another */
	write_file(world->config, texts[_i], 0644);
	load_as(65534);
	ck_assert_msg(logged.count == 0, "%s: logged: %s", texts[_i], logged.text);
	check_served("a.example", "own-ec");
}
END_TEST

static void
tear(void)
{
	write_file(world->config, "program \"", 0644);
}

static void
remove_config(void)
{
	unlink(world->config);
}

static void
make_unreadable(void)
{
	chmod(world->config, 0600);
}

static void
make_unsafe(void)
{
	chmod(world->config, 0666);
}

/* Nobody knows whom such a file names.  What is wrong for all is told by all; that somebody may not
 * read it is right. */
static const struct {
	const char *label;
	void (*spoil)(void);
	uid_t uid;
	unsigned lines;
} nameless[] = {
	{ "torn, root", tear, 0, 1 },
	{ "missing, root", remove_config, 0, 1 },
	{ "unsafe, root", make_unsafe, 0, 1 },
	{ "torn", tear, 65534, 0 },
	{ "missing", remove_config, 65534, 1 },
	{ "unreadable", make_unreadable, 65534, 0 },
	{ "unsafe", make_unsafe, 65534, 1 },
};

START_TEST(test_nameless)
{
	if (geteuid() != 0)
		return; /* who may not become another */
	name_us("");
	nameless[_i].spoil();
	load_as(nameless[_i].uid);
	ck_assert_msg((unsigned)logged.count == nameless[_i].lines, "%s: %d lines: %s", nameless[_i].label,
	    (int)logged.count, logged.text);
	check_served("a.example", "own-ec");
}
END_TEST

/* --- the log of a Postfix ------------------------------------------------------------- */

START_TEST(test_maillog)
{
	var_maillog_file = "/var/log/maillog";
	chmod(world->key, 0644);
	name_us("");
	load(world->config);
	ck_assert_msg(strstr(warnings.text, "snicert: event=store-key ") != NULL &&
	    strstr(warnings.text, "store.key has the unsafe mode 0644") != NULL, "warnings: %s", warnings.text);
	chmod(world->key, 0600);
	check_served("nobody.example", "own-ec");
	ck_assert_msg(strstr(informed.text, "snicert: event=fallback ") != NULL &&
	    strstr(informed.text, "name=nobody.example") != NULL, "informed: %s", informed.text);
	ck_assert_ptr_null(strstr(warnings.text, "event=fallback"));
	ck_assert_ptr_null(strstr(informed.text, "event=store-key"));
}
END_TEST

/* Postfix without that option, and a program that has no such variable set. */
START_TEST(test_no_maillog)
{
	static const char *const files[] = { "", NULL };

	var_maillog_file = files[_i];
	name_us("");
	load(world->config);
	check_served("nobody.example", "own-ec");
	ck_assert_int_eq(warnings.count + informed.count, 0);
}
END_TEST

/* --- no memory --------------------------------------------------------------------- */

START_TEST(test_no_memory_to_open)
{
	no_memory_to_open = true;
	name_us("");
	load(world->config);
	ck_assert_str_eq(said_without, "memory: no memory is left");
	check_served("a.example", "own-ec");
}
END_TEST

START_TEST(test_no_memory_to_watch)
{
	var_maillog_file = "/var/log/maillog";
	no_memory_to_watch = true;
	name_us("");
	load(world->config);
	ck_assert_msg(strstr(warnings.text, "event=memory ") != NULL &&
	    strstr(warnings.text, "no memory to watch for TLS contexts") != NULL, "warnings: %s", warnings.text);
	check_served("a.example", "own-ec");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("host_openssl");
	TCase *tests = tcase_create("host_openssl");
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_named);
	tcase_add_test(tests, test_another_openssl);
	tcase_add_loop_test(tests, test_not_named, 0, 4);
	tcase_add_test(tests, test_no_configuration);
	tcase_add_test(tests, test_loaded_again);
	tcase_add_test(tests, test_mistake);
	tcase_add_loop_test(tests, test_mistake_of_others, 0, 3);
	tcase_add_loop_test(tests, test_nameless, 0, COUNT(nameless));
	tcase_add_test(tests, test_maillog);
	tcase_add_loop_test(tests, test_no_maillog, 0, 2);
	tcase_add_test(tests, test_no_memory_to_open);
	tcase_add_test(tests, test_no_memory_to_watch);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
