/* SPDX-License-Identifier: ISC */
/*
 * lock.h: the order of the module's locks.  A thread that has one takes none above it, and calls
 * no code of others: log sinks, key stores, providers of the host.  Of one kind it holds one, but for
 * a thread that forks, which has the list.
 */
#ifndef SNICERT_LOCK_H
#define SNICERT_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum lock_rank {
	LOCK_CONFIG,    /* config.c: libconfuse, by one thread at a time */
	LOCK_LOOKUPS,   /* lookup_fork.c: the list of those that are open */
	LOCK_LOAD,      /* lookup.c: fetching and decoding, by one thread at a time */
	LOCK_CACHE,     /* lookup.c: what each handshake reads */
	LOCK_VIEW,      /* store.c: the state of the store */
	LOCK_INDEXES,   /* walindex.c: the descriptors of WAL indexes */
	LOCK_LOGS,      /* log.c: the list of those that are open */
	LOCK_LOG,       /* log.c: where lines go */
	LOCK_SYSLOG,    /* log.c: the C library's own, as it were; the one that is held within it */
	LOCK_RANKS
};

#ifdef SNICERT_LOCK_ORDER
/** These end the process where the order is broken: for tests, never for a host. */
void lock_take(pthread_mutex_t *, enum lock_rank);
void lock_give(pthread_mutex_t *, enum lock_rank);
bool lock_take_until(pthread_mutex_t *, enum lock_rank, const struct timespec *end);

/** Before code of others is called. */
void lock_none(void);
#else
static inline void
lock_take(pthread_mutex_t *mutex, enum lock_rank rank)
{
	(void)rank;
	pthread_mutex_lock(mutex);
}

static inline void
lock_give(pthread_mutex_t *mutex, enum lock_rank rank)
{
	(void)rank;
	pthread_mutex_unlock(mutex);
}

/** Whether it could be taken by then, CLOCK_REALTIME. */
static inline bool
lock_take_until(pthread_mutex_t *mutex, enum lock_rank rank, const struct timespec *end)
{
	(void)rank;
	return pthread_mutex_timedlock(mutex, end) == 0;
}

static inline void
lock_none(void)
{
}
#endif

#endif
