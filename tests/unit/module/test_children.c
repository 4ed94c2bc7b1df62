/* SPDX-License-Identifier: ISC */
/* test_children.c: what a process and its children tell each other. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "children.h"

static struct children *children;
static uint64_t number;

static int
inherits(void *arg)
{
	return children_inherits(children, number + (arg != NULL));
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
	children_end(children);
	return 0;
}

START_TEST(test_inheritance)
{
	children = children_new();
	ck_assert_int_eq(in_child(inherits, NULL), 0);
	number = children_own(children);
	ck_assert_uint_ne(number, 0);
	ck_assert(!children_inherits(children, number)); /* its own, that is */
	ck_assert_int_eq(in_child(inherits, NULL), 1);
	ck_assert_int_eq(in_child(inherits, &number), 0);
	ck_assert_int_eq(in_child(grandchild_inherits, NULL), 0);
	in_child(ends, NULL); /* not its to end */
	ck_assert_int_eq(in_child(inherits, NULL), 1);
	children_end(children);
	ck_assert_int_eq(in_child(inherits, NULL), 0);
	ck_assert_uint_ne(children_own(children), number);
	children_free(children);
}
END_TEST

/* A child whose parent has died; answers through a pipe. */
START_TEST(test_orphan)
{
	int fds[2], go[2];
	pid_t parent;
	char answer = '?';

	children = children_new();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pipe(go), 0);
	parent = fork();
	if (parent == 0) {
		number = children_own(children);
		if (fork() == 0) {
			answer = children_inherits(children, number) ? 'y' : 'n';
			ck_assert_int_eq(write(fds[1], &answer, 1), 1);
			ck_assert_int_eq(read(go[0], &answer, 1), 1);
			answer = children_inherits(children, number) ? 'y' : 'n';
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
	children_free(children);
}
END_TEST

static int
misses(void *arg)
{
	(void)arg;
	children_miss(children);
	return children_is_missed(children); /* not a child of its own */
}

START_TEST(test_missed)
{
	children = children_new();
	ck_assert(!children_is_missed(children));
	ck_assert_int_eq(in_child(misses, NULL), 0);
	ck_assert(children_is_missed(children));
	ck_assert(!children_is_missed(children));
	children_free(children);
}
END_TEST

START_TEST(test_without)
{
	ck_assert_uint_eq(children_own(NULL), 0);
	children_end(NULL);
	ck_assert(!children_inherits(NULL, 0));
	children_miss(NULL);
	ck_assert(!children_is_missed(NULL));
	children_free(NULL);
}
END_TEST

static int
writes_rubbish(void *arg)
{
	memset((void *)children, *(int *)arg, 16);
	return 0;
}

/* What a child wrote there makes nobody an heir, and is over when its parent says what is so. */
START_TEST(test_rubbish)
{
	children = children_new();
	for (int octet = 0; octet < 256; octet++) {
		number = children_own(children);
		in_child(writes_rubbish, &octet);
		children_is_missed(children);
		ck_assert_int_eq(in_child(inherits, NULL), 0);
		number = children_own(children);
		ck_assert_int_eq(in_child(inherits, NULL), 1);
		ck_assert_int_eq(in_child(misses, NULL), 0);
		ck_assert(children_is_missed(children));
	}
	children_free(children);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("children");
	TCase *tc = tcase_create("children");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_inheritance);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_missed);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_without);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
