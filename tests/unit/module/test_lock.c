/* SPDX-License-Identifier: ISC */
/* test_lock.c: the order of locks, in a build that checks it. */
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "lock.h"

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *label;
	enum lock_rank first, second;
	bool good;
} orders[] = {
	{ "down", LOCK_LOAD, LOCK_CACHE, true },
	{ "down further", LOCK_LOAD, LOCK_SYSLOG, true },
	{ "up", LOCK_CACHE, LOCK_LOAD, false },
	{ "up by far", LOCK_SYSLOG, LOCK_LOOKUPS, false },
	{ "two of a kind", LOCK_LOAD, LOCK_LOAD, false },
};

static void
take_two(const void *order)
{
	enum lock_rank first = orders[*(const int *)order].first, second = orders[*(const int *)order].second;

	lock_take(&one, first);
	lock_take(&two, second);
	lock_give(&two, second);
	lock_give(&one, first);
	lock_none();
}

/* As a fork does, which has the list. */
static void
fork_away(const void *unused)
{
	static pthread_mutex_t list = PTHREAD_MUTEX_INITIALIZER;

	(void)unused;
	lock_take(&list, LOCK_LOOKUPS);
	lock_take(&one, LOCK_LOAD);
	lock_take(&two, LOCK_LOAD);
	lock_give(&two, LOCK_LOAD);
	lock_give(&one, LOCK_LOAD);
	lock_give(&list, LOCK_LOOKUPS);
	lock_none();
}

/* What is held by another is not taken, and so not held: others may be called. */
static void
take_until(const void *unused)
{
	struct timespec past = {0};

	(void)unused;
	if (!lock_take_until(&one, LOCK_SYSLOG, &past))
		_exit(1);
	lock_give(&one, LOCK_SYSLOG);
	pthread_mutex_lock(&one);
	if (lock_take_until(&one, LOCK_SYSLOG, &past))
		_exit(1);
	lock_none();
}

static void
take_until_wrongly(const void *unused)
{
	(void)unused;
	lock_take(&two, LOCK_SYSLOG);
	lock_take_until(&one, LOCK_LOGS, &(struct timespec){0});
}

static void
call_others_with_a_lock(const void *unused)
{
	(void)unused;
	lock_take(&one, LOCK_VIEW);
	lock_none();
}

/* A process that does it is well thereafter. */
static bool
survives(void (*work)(const void *), const void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		work(arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status == 0;
}

START_TEST(test_order)
{
	ck_assert_msg(survives(take_two, &_i) == orders[_i].good, "%s", orders[_i].label);
}
END_TEST

START_TEST(test_forks_and_others)
{
	ck_assert(survives(fork_away, NULL));
	ck_assert(!survives(call_others_with_a_lock, NULL));
	ck_assert(survives(take_until, NULL));
	ck_assert(!survives(take_until_wrongly, NULL));
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("lock");
	Suite *suite = suite_create("lock");

	tcase_add_loop_test(tests, test_order, 0, COUNT(orders));
	tcase_add_test(tests, test_forks_and_others);
	suite_add_tcase(suite, tests);
	return harness_run(suite);
}
