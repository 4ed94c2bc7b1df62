/* SPDX-License-Identifier: ISC */
/* at_fork.c: what the module does around the host's fork(). */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "at_fork.h"

static const struct at_fork *_Atomic places[AT_FORK_PLACES];

/* What this thread has begun: others may add places, or fork, meanwhile. */
static _Thread_local const struct at_fork *begun[AT_FORK_PLACES];

static void
before(void)
{
	for (int i = 0; i < AT_FORK_PLACES; i++) {
		begun[i] = atomic_load(&places[i]);
		if (begun[i] != NULL && begun[i]->before != NULL)
			begun[i]->before();
	}
}

static void
after(bool in_child)
{
	for (int i = AT_FORK_PLACES; i-- > 0;)
		if (begun[i] != NULL)
			begun[i]->after(in_child);
}

static void
after_in_parent(void)
{
	after(false);
}

static void
after_in_child(void)
{
	after(true);
}

static void
enlist(void)
{
	pthread_atfork(before, after_in_parent, after_in_child);
}

void
at_fork(enum at_fork_place place, const struct at_fork *what)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, enlist);
	atomic_store(&places[place], what);
}
