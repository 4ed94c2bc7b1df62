/* SPDX-License-Identifier: ISC */
/*
 * kin.c: what a process and the children it forks tell each other.
 *
 * Nothing here can cost a handshake, or keep one or a fork waiting, for there is nothing to wait for and nobody
 * who does as he is told:
 *   - `missed` has a parent do what it may do at any fork, a bounded number of rows (lookup_fork.c).  Set by a
 *     child that is gone, for a number that another process has by now, or by one that writes
 *     rubbish, it costs that; lost, the next child that misses something says it again.
 *   - `owner` and `inheritance` say whether the WAL index that a child has mapped is that of the store.  It takes them
 *     from its parent alone: of one that died another process is the parent from then on, and none gets
 *     its number before.  Rubbish has children open the store themselves, or go on with
 *     the index that they have mapped, which stays what it is to read: the state of a store.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "kin.h"

struct kin {
	_Atomic uint64_t inheritance;           /* counted */
	_Atomic pid_t owner;                    /* 0: nobody */
	_Atomic pid_t missed;                   /* the parent whose child had to ask the store */
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
