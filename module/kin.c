/* SPDX-License-Identifier: ISC */
/* kin.c: what a process and the children it forks tell each other. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "kin.h"

#define WISHES_MOST 16

enum wish_state { WISH_FREE, WISH_BEING_WRITTEN, WISH_READY };

struct kin {
	_Atomic uint64_t inheritance;           /* counted */
	_Atomic pid_t owner;                    /* 0: nobody */
	_Atomic pid_t missed;                   /* the parent that has nothing */
	atomic_uint lots;                       /* that were drawn */
	atomic_uint wishes;                     /* that are ready, about: to look no further */
	struct wish {
		atomic_int state;
		_Atomic pid_t parent;           /* whose */
		struct name key;
	} wish[WISHES_MOST];
};

struct kin *
kin_new(void)
{
	/* All zero, and shared with those that are forked. */
	void *page = mmap(NULL, sizeof(struct kin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

void
kin_free(struct kin *kin)
{
	if (kin != NULL)
		munmap(kin, sizeof(*kin));
}

uint64_t
kin_own(struct kin *kin)
{
	if (kin == NULL)
		return 0;
	atomic_store(&kin->owner, getpid());
	return 1 + atomic_fetch_add(&kin->inheritance, 1);
}

void
kin_end(struct kin *kin)
{
	if (kin != NULL && atomic_load(&kin->owner) == getpid())
		atomic_fetch_add(&kin->inheritance, 1);
}

/* Of nobody else than the parent: who is farther away may be gone, its number given to another. */
bool
kin_inherits(const struct kin *kin, uint64_t number)
{
	return kin != NULL && atomic_load(&kin->owner) == getppid() &&
	    atomic_load(&kin->inheritance) == number;
}

void
kin_miss(struct kin *kin)
{
	if (kin != NULL)
		atomic_store(&kin->missed, getppid());
}

bool
kin_is_missed(struct kin *kin)
{
	pid_t self = getpid();

	return kin != NULL && atomic_load(&kin->missed) == self &&
	    atomic_compare_exchange_strong(&kin->missed, &self, 0);
}

/* A writer that was killed half-way leaves its place taken, and the rest in use. */
void
kin_ask(struct kin *kin, const struct name *key)
{
	for (size_t i = 0; kin != NULL && i < WISHES_MOST; i++) {
		struct wish *wish = &kin->wish[i];
		int state = WISH_FREE;

		if (!atomic_compare_exchange_strong(&wish->state, &state, WISH_BEING_WRITTEN))
			continue;
		wish->parent = getppid();
		wish->key.length = key->length;
		memcpy(wish->key.text, key->text, key->length + 1);
		atomic_store(&wish->state, WISH_READY);
		atomic_fetch_add(&kin->wishes, 1);
		return;
	}
}

/* By a count of the draws, and not by a process's number, which servers may give out by twos; and
 * not by each eighth, as names may come in turns. */
bool
kin_draws_lot(struct kin *kin)
{
	return kin != NULL && (uint32_t)(atomic_fetch_add(&kin->lots, 1) * 2654435769u) >> 29 == 0;
}

/* What a child wrote is read once, and only then looked at. */
static bool
take(struct wish *wish, struct name *out)
{
	int state = WISH_READY;

	if (wish->parent != getpid() ||
	    !atomic_compare_exchange_strong(&wish->state, &state, WISH_BEING_WRITTEN))
		return false;
	memcpy(out, &wish->key, sizeof(*out));
	atomic_store(&wish->state, WISH_FREE);
	out->text[NAME_MAX_LENGTH] = '\0';
	return out->length <= NAME_MAX_LENGTH && strlen(out->text) == out->length;
}

bool
kin_wish(struct kin *kin, struct name *out)
{
	if (kin == NULL || atomic_load(&kin->wishes) == 0)
		return false;
	for (size_t i = 0; i < WISHES_MOST; i++)
		if (take(&kin->wish[i], out)) {
			atomic_fetch_sub(&kin->wishes, 1);
			return true;
		}
	return false;
}
