/* SPDX-License-Identifier: ISC */
/* test_program.c: the program's name, of a host that writes a title over its arguments. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../harness.h"
#include "log.h"
#include "program.h"

#define NAME "test_program"

static char *argument;          /* argv[0], where the C library's name points into */
static struct log *logger;
static int ends[2];             /* of what stands for stderr */

static void
setup(void)
{
	logger = log_new(LOG_TARGET_SYSLOG, LOG_MAIL, LOG_NOTICE);
	ck_assert_ptr_nonnull(logger);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
}

static void
teardown(void)
{
	log_free(logger);
}

/* As nginx does. */
static void
write_title(void)
{
	memset(argument, 'x', strlen(argument));
}

/* A line of ours, as syslog(3) writes it to stderr with LOG_PERROR. */
static void
check_logged(const char *ident)
{
	int saved = dup(2);
	char got[256] = "";

	ck_assert_int_eq(dup2(ends[1], 2), 2);
	log_say(logger, LOG_EVENT_KEY, "a line");
	dup2(saved, 2);
	close(saved);
	ck_assert_int_gt(recv(ends[0], got, sizeof(got) - 1, MSG_DONTWAIT), 0);
	ck_assert_msg(strncmp(got, ident, strlen(ident)) == 0 && strstr(got, ": snicert: event=store-key ") != NULL,
	    "ident %s wanted: %s", ident, got);
}

START_TEST(test_name)
{
	write_title();
	ck_assert_str_eq(program_name(), NAME);
}
END_TEST

/* The host may call openlog() for an option, and give no ident. */
START_TEST(test_no_ident)
{
	log_prepare(logger);
	write_title();
	openlog(NULL, LOG_PERROR, LOG_DAEMON);
	check_logged(NAME ": ");
}
END_TEST

START_TEST(test_ident_of_host)
{
	if (_i == 0)
		log_prepare(logger);
	openlog("host/service", LOG_PERROR, LOG_DAEMON);
	if (_i == 1)
		log_prepare(logger);
	check_logged("host/service: ");
}
END_TEST

/* Nothing of the process is changed for lines that go elsewhere. */
START_TEST(test_other_target)
{
	const char *before = program_invocation_short_name;

	log_free(logger);
	logger = log_new(LOG_TARGET_NONE, LOG_MAIL, LOG_NOTICE);
	log_prepare(logger);
	ck_assert_ptr_eq(program_invocation_short_name, before);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("program");
	TCase *tests = tcase_create("program");

	(void)argc;
	argument = argv[0];
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_name);
	tcase_add_test(tests, test_no_ident);
	tcase_add_loop_test(tests, test_ident_of_host, 0, 2);
	tcase_add_test(tests, test_other_target);
	suite_add_tcase(suite, tests);
	return harness_run(suite);
}
