/* SPDX-License-Identifier: ISC */
/* test_gate.c: readers beside each other, writers alone. */
#include <stdatomic.h>

#include "gate.h"
#include "../harness.h"

#define THREADS 24              /* more than there are doors */
#define TURNS 2000

static struct gate gate;
static atomic_int inside, most, writers;
static int first, second;       /* always equal, but while a writer is at it */

static void *
read_often(void *arg)
{
	bool *good = arg;

	for (int i = 0; i < TURNS; i++) {
		gate_enter(&gate);
		*good &= first == second && atomic_load(&writers) == 0;
		gate_leave(&gate);
	}
	return NULL;
}

static void *
write_often(void *arg)
{
	bool *good = arg;

	for (int i = 0; i < TURNS / 20; i++) {
		gate_lock(&gate);
		*good &= atomic_fetch_add(&writers, 1) == 0 && first == second;
		first++;
		second++;
		atomic_fetch_sub(&writers, 1);
		gate_unlock(&gate);
	}
	return NULL;
}

START_TEST(test_exclusive)
{
	pthread_t threads[THREADS];
	bool good[THREADS];

	gate_init(&gate);
	for (int i = 0; i < THREADS; i++) {
		good[i] = true;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, i % 4 == 0 ? write_often : read_often,
		    &good[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_msg(good[i], "thread %d was not alone", i);
	}
	ck_assert_int_eq(first, THREADS / 4 * (TURNS / 20));
	gate_destroy(&gate);
}
END_TEST

static void *
meet(void *arg)
{
	(void)arg;
	gate_enter(&gate);
	atomic_fetch_add(&inside, 1);
	/* Nobody goes before all are there; a lock for one would hang here. */
	while (atomic_load(&inside) < GATE_DOORS)
		sched_yield();
	atomic_fetch_add(&most, 1);
	gate_leave(&gate);
	return NULL;
}

START_TEST(test_readers_meet)
{
	pthread_t threads[GATE_DOORS];

	gate_init(&gate);
	for (int i = 0; i < GATE_DOORS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, meet, NULL), 0);
	for (int i = 0; i < GATE_DOORS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(most, GATE_DOORS);
	gate_destroy(&gate);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gate");
	TCase *tc = tcase_create("gate");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_exclusive);
	tcase_add_test(tc, test_readers_meet);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
