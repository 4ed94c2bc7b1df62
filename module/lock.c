/* SPDX-License-Identifier: ISC */
/* lock.c: checks the order of locks, in builds that do so. */
#include "lock.h"

#ifdef SNICERT_LOCK_ORDER
static _Thread_local unsigned held[LOCK_RANKS];

static void
check(enum lock_rank rank)
{
	unsigned lists = held[LOCK_LOOKUPS] + held[LOCK_LOGS];

	if (held[rank] > 0 && lists == 0)
		__builtin_trap(); /* GCOVR_EXCL_LINE: it ends the process */
	for (int later = (int)rank + 1; later < LOCK_RANKS; later++)
		if (held[later] > 0)
			__builtin_trap(); /* GCOVR_EXCL_LINE */
}

void
lock_take(pthread_mutex_t *mutex, enum lock_rank rank)
{
	check(rank);
	pthread_mutex_lock(mutex);
	held[rank]++;
}

bool
lock_take_until(pthread_mutex_t *mutex, enum lock_rank rank, const struct timespec *end)
{
	check(rank);
	if (pthread_mutex_timedlock(mutex, end) != 0)
		return false;
	held[rank]++;
	return true;
}

void
lock_give(pthread_mutex_t *mutex, enum lock_rank rank)
{
	held[rank]--;
	pthread_mutex_unlock(mutex);
}

void
lock_none(void)
{
	for (int rank = 0; rank < LOCK_RANKS; rank++)
		if (held[rank] > 0)
			__builtin_trap(); /* GCOVR_EXCL_LINE */
}
#endif
