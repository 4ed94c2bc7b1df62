/* SPDX-License-Identifier: ISC */
/* test_log_budget.c: lines for a process and its children. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "log_budget.h"

static bool no_sharing;
static void *mapping;
static struct log_budget *budget;
static unsigned long suppressed;

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);

void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (no_sharing && (flags & MAP_SHARED) != 0)
		return MAP_FAILED;
	return mapping = __real_mmap(at, size, protection, flags, fd, offset);
}

static int
take_five(void *arg)
{
	unsigned long held_back = 0;
	int granted = 0;

	(void)arg;
	for (int i = 0; i < 5; i++)
		granted += log_budget_take(budget, 1, 1000, &held_back);
	return granted;
}

/* Three times five. */
static int
take_in_children(void)
{
	int granted = 0;

	for (int i = 0; i < 3; i++)
		granted += in_child(take_five, NULL);
	return granted;
}

START_TEST(test_children)
{
	budget = log_budget_new(2);
	ck_assert_int_eq(take_in_children(), LOG_BURST);
	ck_assert(!log_budget_take(budget, 1, 1000 + LOG_PERIOD - 1, &suppressed));
	ck_assert(log_budget_take(budget, 0, 1000, &suppressed));
	ck_assert_uint_eq(suppressed, 0);
	ck_assert(log_budget_take(budget, 1, 1000 + LOG_PERIOD, &suppressed));
	ck_assert_uint_eq(suppressed, 6);
	/* Told once. */
	ck_assert(log_budget_take(budget, 1, 1000 + LOG_PERIOD, &suppressed));
	ck_assert_uint_eq(suppressed, 0);
	log_budget_free(budget);
}
END_TEST

/* At once: no line is lost, and none is granted twice. */
START_TEST(test_at_once)
{
	const int most = 3000000;  /* long enough for both to run at the same time, or to be interrupted */
	int granted = 0, status = -1;
	pid_t child;

	budget = log_budget_new(2);
	child = fork();
	for (int i = 0; i < most; i++)
		granted += log_budget_take(budget, 1, 1000, &suppressed);
	if (child == 0)
		_exit(granted);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(granted + WEXITSTATUS(status), LOG_BURST);
	ck_assert(log_budget_take(budget, 1, 1000 + LOG_PERIOD, &suppressed));
	ck_assert_uint_eq(suppressed, 2 * (unsigned long)most - LOG_BURST);
	log_budget_free(budget);
}
END_TEST

START_TEST(test_nothing_to_share)
{
	no_sharing = true;
	budget = log_budget_new(2);
	no_sharing = false;
	ck_assert_int_eq(take_in_children(), 15);
	ck_assert_int_eq(take_five(NULL), 5);
	ck_assert_int_eq(take_five(NULL), 5);
	ck_assert_int_eq(take_five(NULL), 0);
	log_budget_free(budget);
}
END_TEST

/* What a child wrote there ends with the period, be it a beginning that never was. */
START_TEST(test_rubbish)
{
	static const int octets[] = { 0xff, 0x7f, 0x80, 0x10 };

	budget = log_budget_new(2);
	memset(mapping, octets[_i], 16);
	log_budget_take(budget, 1, 1000, &suppressed);
	for (uint32_t now = 2000; now < 2010; now++)
		ck_assert(log_budget_take(budget, 1, now, &suppressed));
	ck_assert(!log_budget_take(budget, 1, 2010, &suppressed));
	log_budget_free(budget);
}
END_TEST

static int
take_for_ever(void *arg)
{
	for (;;)
		log_budget_take(budget, 1, *(const uint32_t *)arg, &suppressed);
	return 0;
}

/* Killed in the middle, wherever that is: the others go on. */
START_TEST(test_killed)
{
	budget = log_budget_new(2);
	for (uint32_t now = 1000; now < 3000; now += LOG_PERIOD) {
		pid_t child = fork();

		if (child == 0)
			_exit(take_for_ever(&now));
		while (log_budget_take(budget, 1, now, &suppressed))
			;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		ck_assert(!log_budget_take(budget, 1, now, &suppressed));
	}
	log_budget_free(budget);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log_budget");
	TCase *tests = tcase_create("log_budget");
	int failed;

	tcase_add_test(tests, test_children);
	tcase_add_test(tests, test_at_once);
	tcase_add_test(tests, test_nothing_to_share);
	tcase_add_loop_test(tests, test_rubbish, 0, 4);
	tcase_add_test(tests, test_killed);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
