/* SPDX-License-Identifier: ISC */
/*
 * children.h: what a process and its forked children tell each other, in shared memory.  For
 * servers that fork for each connection: such a child looks up one name and exits: its parent
 * learns only that it had to ask the store.  Nobody waits for anybody, and the contents are only
 * hints: a child may have fewer rights than its parent.
 */
#ifndef SNICERT_CHILDREN_H
#define SNICERT_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>

struct children;

/** NULL if out of memory; all functions accept that. */
struct children *children_new(void);
void children_free(struct children *);

/**
 * A process with something for its children to inherit owns the shared memory.  children_own makes
 * it the owner, and returns the number of the inheritance; children_end revokes that if this
 * process is the owner: children then no longer rely on it.
 */
uint64_t children_own(struct children *);
void children_end(struct children *);

/** In a child: whether its living parent left it an inheritance of this number. */
bool children_inherits(const struct children *, uint64_t number);

/** In a child: it had to ask the store itself; in its parent: whether a child said so since the
 * last call. */
void children_miss(struct children *);
bool children_is_missed(struct children *);

#endif
