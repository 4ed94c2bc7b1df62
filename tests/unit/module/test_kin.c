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

static struct name
key_of(const char *text)
{
	struct name key = { .length = strlen(text) };

	strcpy(key.text, text);
	return key;
}

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

static int
asks(void *arg)
{
	struct name key = key_of(arg), got;

	kin_ask(kin, &key);
	return kin_wish(kin, &got); /* it is the parent's */
}

START_TEST(test_wishes)
{
	char longest[NAME_MAX_LENGTH + 1];
	struct name got;

	memset(longest, 'x', NAME_MAX_LENGTH);
	longest[NAME_MAX_LENGTH] = '\0';
	kin = kin_new();
	ck_assert(!kin_wish(kin, &got));
	ck_assert_int_eq(in_child(asks, (char []){ "a.example" }), 0);
	ck_assert_int_eq(in_child(asks, (char []){ "bb.example" }), 0);
	ck_assert(kin_wish(kin, &got));
	ck_assert_str_eq(got.text, "a.example");
	ck_assert_uint_eq(got.length, 9);
	ck_assert(kin_wish(kin, &got));
	ck_assert_str_eq(got.text, "bb.example");
	ck_assert_uint_eq(got.length, 10);
	ck_assert(!kin_wish(kin, &got));
	in_child(asks, longest);
	ck_assert(kin_wish(kin, &got));
	ck_assert_str_eq(got.text, longest);
	kin_free(kin);
}
END_TEST

/* More than there is room for are dropped, and there is room again. */
START_TEST(test_full)
{
	char text[32];
	struct name got;
	int count = 0;

	kin = kin_new();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 40; i++) {
			snprintf(text, sizeof(text), "%d.example", i);
			in_child(asks, text);
		}
		for (count = 0; kin_wish(kin, &got); count++)
			ck_assert_ptr_nonnull(strstr(got.text, ".example"));
		ck_assert_msg(count > 4 && count < 40, "round %d: got %d", round, count);
	}
	kin_free(kin);
}
END_TEST

START_TEST(test_without)
{
	struct name key = key_of("a.example");

	ck_assert_uint_eq(kin_own(NULL), 0);
	kin_end(NULL);
	ck_assert(!kin_inherits(NULL, 0));
	kin_miss(NULL);
	ck_assert(!kin_is_missed(NULL));
	kin_ask(NULL, &key);
	ck_assert(!kin_wish(NULL, &key));
	kin_free(NULL);
}
END_TEST

/* One in eight; and so of those that are drawn by turns, as by every second process or for every
 * eighth name. */
START_TEST(test_lots)
{
	unsigned all = 0, of[8] = {0};

	kin = kin_new();
	for (unsigned i = 0; i < 8000; i++) {
		bool mine = kin_draws_lot(kin);

		all += mine;
		of[i % 8] += mine;
	}
	ck_assert_uint_ge(all, 900);
	ck_assert_uint_le(all, 1100);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_ge(of[i], 80);
	kin_free(kin);
	ck_assert(!kin_draws_lot(NULL));
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
	tcase_add_test(tc, test_wishes);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_lots);
	tcase_add_test(tc, test_without);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
