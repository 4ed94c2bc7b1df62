/* SPDX-License-Identifier: ISC */
/*
 * lock.h: the order of the module's locks.  A thread holding one takes none above it, and calls no
 * foreign code: log sinks, key stores, providers of the host.  It holds one of a kind, except a
 * thread that forks, which has the list.
 */
#ifndef SNICERT_LOCK_H
#define SNICERT_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum lock_rank {
	LOCK_CONFIG,    /* config.c: libconfuse, by one thread at a time */
	LOCK_LOOKUPS,   /* lookup_fork.c: the list of open ones */
	LOCK_LOAD,      /* lookup.c: fetching and decoding, by one thread at a time */
	LOCK_CACHE,     /* lookup.c: what each handshake reads */
	LOCK_VIEW,      /* store.c: the state of the store */
	LOCK_INDEXES,   /* walindex.c: the descriptors of WAL indexes */
	LOCK_LOGS,      /* log.c: the list of open ones */
	LOCK_LOG,       /* log.c: where lines go */
	LOCK_SYSLOG,    /* log.c: stands for the C library's own; held around it */
	LOCK_RANKS
};

#ifdef SNICERT_LOCK_ORDER
/** These end the process on an order violation: for tests, never for a host. */
void lock_take(pthread_mutex_t *, enum lock_rank);
void lock_give(pthread_mutex_t *, enum lock_rank);
bool lock_take_until(pthread_mutex_t *, enum lock_rank, const struct timespec *end);

/** Call before foreign code. */
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

/** Whether it was taken by then, CLOCK_REALTIME. */
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
