/* SPDX-License-Identifier: ISC */
/* test_kin.c: what a process and its children tell each other. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "kin.h"

static struct kin *kin;
static uint64_t number;

static int
inherits(void *arg)
{
	return kin_inherits(kin, number + (arg != NULL));
}

static int
grandchild_inherits(void *arg)
{
	return in_child(inherits, arg);
}

static int
ends(void *arg)
{
	(void)arg;
	kin_end(kin);
	return 0;
}

START_TEST(test_inheritance)
{
	kin = kin_new();
	ck_assert_int_eq(in_child(inherits, NULL), 0);
	number = kin_own(kin);
	ck_assert_uint_ne(number, 0);
	ck_assert(!kin_inherits(kin, number)); /* its own, that is */
	ck_assert_int_eq(in_child(inherits, NULL), 1);
	ck_assert_int_eq(in_child(inherits, &number), 0);
	ck_assert_int_eq(in_child(grandchild_inherits, NULL), 0);
	in_child(ends, NULL); /* not its to end */
	ck_assert_int_eq(in_child(inherits, NULL), 1);
	kin_end(kin);
	ck_assert_int_eq(in_child(inherits, NULL), 0);
	ck_assert_uint_ne(kin_own(kin), number);
	kin_free(kin);
}
END_TEST

/* A child whose parent has died; answers through a pipe. */
START_TEST(test_orphan)
{
	int fds[2], go[2];
	pid_t parent;
	char answer = '?';

	kin = kin_new();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pipe(go), 0);
	parent = fork();
	if (parent == 0) {
		number = kin_own(kin);
		if (fork() == 0) {
			answer = kin_inherits(kin, number) ? 'y' : 'n';
			ck_assert_int_eq(write(fds[1], &answer, 1), 1);
			ck_assert_int_eq(read(go[0], &answer, 1), 1);
			answer = kin_inherits(kin, number) ? 'y' : 'n';
			ck_assert_int_eq(write(fds[1], &answer, 1), 1);
			_exit(0);
		}
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(fds[0], &answer, 1), 1);
	ck_assert_int_eq(answer, 'y');
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	ck_assert_int_eq(write(go[1], "g", 1), 1);
	ck_assert_int_eq(read(fds[0], &answer, 1), 1);
	ck_assert_int_eq(answer, 'n');
	kin_free(kin);
}
END_TEST

static int
misses(void *arg)
{
	(void)arg;
	kin_miss(kin);
	return kin_is_missed(kin); /* not a child of its own */
}

START_TEST(test_missed)
{
	kin = kin_new();
	ck_assert(!kin_is_missed(kin));
	ck_assert_int_eq(in_child(misses, NULL), 0);
	ck_assert(kin_is_missed(kin));
	ck_assert(!kin_is_missed(kin));
	kin_free(kin);
}
END_TEST

START_TEST(test_without)
{
	ck_assert_uint_eq(kin_own(NULL), 0);
	kin_end(NULL);
	ck_assert(!kin_inherits(NULL, 0));
	kin_miss(NULL);
	ck_assert(!kin_is_missed(NULL));
	kin_free(NULL);
}
END_TEST

static int
writes_rubbish(void *arg)
{
	memset((void *)kin, *(int *)arg, 16);
	return 0;
}

/* What a child wrote there makes nobody an heir, and is over when its parent says what is so. */
START_TEST(test_rubbish)
{
	kin = kin_new();
	for (int octet = 0; octet < 256; octet++) {
		number = kin_own(kin);
		in_child(writes_rubbish, &octet);
		kin_is_missed(kin);
		ck_assert_int_eq(in_child(inherits, NULL), 0);
		number = kin_own(kin);
		ck_assert_int_eq(in_child(inherits, NULL), 1);
		ck_assert_int_eq(in_child(misses, NULL), 0);
		ck_assert(kin_is_missed(kin));
	}
	kin_free(kin);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kin");
	TCase *tc = tcase_create("kin");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_inheritance);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_missed);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_without);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
