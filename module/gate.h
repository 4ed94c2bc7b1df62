/* SPDX-License-Identifier: ISC */
/*
 * gate.h: a lock for data that is read by each handshake and changed seldom.
 * It has a door for each of many threads: those that read go through one of
 * their own and do not meet; who changes something locks all doors.
 */
#ifndef SNICERT_GATE_H
#define SNICERT_GATE_H

#include <pthread.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define GATE_DOORS 2  /* ThreadSanitizer follows 64 locks held at once; a fork holds all of all gates */
#else
#define GATE_DOORS 16
#endif

struct gate {
	struct gate_door {
		_Alignas(64) pthread_mutex_t mutex; /* a cache line each */
	} doors[GATE_DOORS];
};

void gate_init(struct gate *);
void gate_destroy(struct gate *);

/** To read.  Not to be nested, nor to wait for anything within. */
void gate_enter(struct gate *);
void gate_leave(struct gate *);

/** To change. */
void gate_lock(struct gate *);
void gate_unlock(struct gate *);

#endif
