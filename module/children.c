/* SPDX-License-Identifier: ISC */
/*
 * children.c: what a process and its forked children tell each other.
 *
 * Nothing here can fail a handshake, or delay one or a fork, because nothing waits and nobody
 * obeys:
 *   - `missed` makes a parent do what it may do at any fork, a bounded number of rows
 *     (lookup_fork.c).  Set by a dead child, for a process number since reused, or by one
 *     that writes rubbish, it costs that; if lost, the next child that misses sets it again.
 *   - `owner` and `inheritance` say whether the WAL index that a child has mapped is the
 *     store's.  A child accepts them only from its parent: when that dies, the child has another
 *     parent, and the number is reused only afterwards.  Rubbish makes children open the store
 *     themselves, or go on with the mapped index, which can still be read: the state of a store.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "children.h"

struct children {
	_Atomic uint64_t inheritance;           /* counted */
	_Atomic pid_t owner;                    /* 0: none */
	_Atomic pid_t missed;                   /* the parent whose child had to ask the store */
};

struct children *
children_new(void)
{
	/* All zero, and shared with forked children. */
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

/* Only from the parent: anyone farther away may be gone, its number reused. */
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
