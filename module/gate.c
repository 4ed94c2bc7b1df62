/* SPDX-License-Identifier: ISC */
/* gate.c: a lock for data that is read by each handshake and changed seldom. */
#include <stdatomic.h>

#include "gate.h"

/* The door of this thread, plus one; 0: none yet. */
static unsigned
own_door(void)
{
	static atomic_uint count;
	static _Thread_local unsigned door;

	if (door == 0)
		door = 1 + atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) % GATE_DOORS;
	return door - 1;
}

void
gate_init(struct gate *gate)
{
	for (unsigned i = 0; i < GATE_DOORS; i++)
		pthread_mutex_init(&gate->doors[i].mutex, NULL);
}

void
gate_destroy(struct gate *gate)
{
	for (unsigned i = 0; i < GATE_DOORS; i++)
		pthread_mutex_destroy(&gate->doors[i].mutex);
}

void
gate_enter(struct gate *gate)
{
	pthread_mutex_lock(&gate->doors[own_door()].mutex);
}

void
gate_leave(struct gate *gate)
{
	pthread_mutex_unlock(&gate->doors[own_door()].mutex);
}

/* In order, so that two who do can't wait for each other. */
void
gate_lock(struct gate *gate)
{
	for (unsigned i = 0; i < GATE_DOORS; i++)
		pthread_mutex_lock(&gate->doors[i].mutex);
}

void
gate_unlock(struct gate *gate)
{
	for (unsigned i = 0; i < GATE_DOORS; i++)
		pthread_mutex_unlock(&gate->doors[i].mutex);
}
