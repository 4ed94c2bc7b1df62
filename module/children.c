/* SPDX-License-Identifier: ISC */
/*
 * children.c: what a process and the children it forks tell each other.
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

#include "children.h"

struct children {
	_Atomic uint64_t inheritance;           /* counted */
	_Atomic pid_t owner;                    /* 0: nobody */
	_Atomic pid_t missed;                   /* the parent whose child had to ask the store */
};

struct children *
children_new(void)
{
	/* All zero, and shared with those that are forked. */
	void *page = mmap(NULL, sizeof(struct children), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

void
children_free(struct children *children)
{
	if (children != NULL)
		munmap(children, sizeof(*children));
}

uint64_t
children_own(struct children *children)
{
	if (children == NULL)
		return 0;
	atomic_store(&children->owner, getpid());
	return 1 + atomic_fetch_add(&children->inheritance, 1);
}

void
children_end(struct children *children)
{
	if (children != NULL && atomic_load(&children->owner) == getpid())
		atomic_fetch_add(&children->inheritance, 1);
}

/* Of nobody else than the parent: who is farther away may be gone, its number given to another. */
bool
children_inherits(const struct children *children, uint64_t number)
{
	return children != NULL && atomic_load(&children->owner) == getppid() &&
	    atomic_load(&children->inheritance) == number;
}

void
children_miss(struct children *children)
{
	if (children != NULL)
		atomic_store(&children->missed, getppid());
}

bool
children_is_missed(struct children *children)
{
	pid_t self = getpid();

	return children != NULL && atomic_load(&children->missed) == self &&
	    atomic_compare_exchange_strong(&children->missed, &self, 0);
}
