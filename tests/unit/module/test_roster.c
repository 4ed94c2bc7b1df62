/* SPDX-License-Identifier: ISC */
/* test_roster.c: which row of the statistics file a process takes, and when it gives it back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "roster.h"

static struct mapping_process *rows;
static struct mapping mapping;

#define LIVING 1        /* always there; an ordinary user may not even signal it */

/* The number of a process that is gone. */
static pid_t
dead(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	return child;
}

static void
setup(void)
{
	rows = aligned_alloc(_Alignof(struct mapping_process), MAPPING_PROCESSES * sizeof(*rows));
	ck_assert_ptr_nonnull(rows);
	memset(rows, 0, MAPPING_PROCESSES * sizeof(*rows));
	mapping.processes = rows;
	for (unsigned i = 0; i < MAPPING_PROCESSES; i++)
		rows[i].pid = LIVING;
}

static void
teardown(void)
{
	free(rows);
}

static struct mapping_process *
join(void)
{
	struct mapping_process *row;

	errno = 77;
	row = roster_join(&mapping, "smtpd", "1.2.3");
	ck_assert_int_eq(errno, 77);
	return row;
}

/* Its own of before, else a free one, else a dead one's. */
START_TEST(test_which)
{
	ck_assert_ptr_null(join());
	rows[200].pid = dead();
	ck_assert_ptr_eq(join(), &rows[200]);
	rows[200].pid = -1; /* nobody's number, and everybody to kill(2) */
	ck_assert_ptr_eq(join(), &rows[200]);
	rows[200].pid = dead();
	rows[250].pid = 0;
	ck_assert_ptr_eq(join(), &rows[250]);
	rows[100].pid = 0;
	ck_assert_ptr_eq(join(), &rows[250]);
	ck_assert_int_eq(rows[250].pid, getpid());
}
END_TEST

START_TEST(test_fresh)
{
	struct mapping_process *row = &rows[3];

	memset(row, 0xff, sizeof(*row)); /* of somebody who died as it was written */
	row->pid = getpid();
	row->version = 41;
	ck_assert_ptr_eq(join(), row);
	ck_assert_uint_eq(row->version, 42);
	ck_assert_uint_eq(row->start, roster_start_of(getpid()));
	ck_assert_int_gt(row->opened, 0);
	ck_assert_int_eq(row->served, 0);
	ck_assert_uint_eq(row->commit, 0);
	ck_assert_int_eq(row->commit_seen, 0);
	ck_assert_uint_eq(row->threads, 0);
	ck_assert_uint_eq(row->changes, 0);
	ck_assert_uint_eq(row->uid, geteuid());
	ck_assert_int_eq(row->error_at, 0);
	ck_assert_str_eq(row->error, "");
	ck_assert_str_eq(row->program, "smtpd");
	ck_assert_str_eq(row->module, "1.2.3");
}
END_TEST

static int
leaves(void *row)
{
	roster_leave(row);
	return 0;
}

START_TEST(test_leave)
{
	struct mapping_process *row;

	rows[3].pid = 0;
	row = join();
	in_child(leaves, row); /* not its to give back */
	ck_assert_int_eq(row->pid, getpid());
	roster_leave(row);
	ck_assert_int_eq(row->pid, 0);
	roster_leave(&rows[5]);
	ck_assert_int_eq(rows[5].pid, LIVING);
	roster_leave(NULL);
}
END_TEST

START_TEST(test_error)
{
	char big[2 * MAPPING_ERROR];
	struct mapping_process *row = &rows[3];

	row->pid = 0;
	row = join();
	roster_error(row, "first");
	ck_assert_str_eq(row->error, "first");
	ck_assert_int_gt(row->error_at, 0);
	ck_assert_uint_eq(row->version % 2, 0);
	row->version++; /* another thread is at it */
	roster_error(row, "second");
	ck_assert_str_eq(row->error, "first");
	row->version++;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	roster_error(row, big);
	ck_assert_uint_eq(strlen(row->error), MAPPING_ERROR - 1);
}
END_TEST

/* A child is younger than its parent; one that is gone, or can't be read, has no start. */
START_TEST(test_start)
{
	struct rlimit limit, few;
	uint64_t start = roster_start_of(getpid());

	ck_assert_uint_gt(start, 0);
	ck_assert_uint_le(roster_start_of(getppid()), start);
	ck_assert_uint_eq(roster_start_of(dead()), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	start = roster_start_of(getpid());
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_uint_eq(start, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("roster");
	TCase *tests = tcase_create("roster");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_which);
	tcase_add_test(tests, test_fresh);
	tcase_add_test(tests, test_leave);
	tcase_add_test(tests, test_error);
	tcase_add_test(tests, test_start);
	suite_add_tcase(suite, tests);
	return harness_run(suite);
}
