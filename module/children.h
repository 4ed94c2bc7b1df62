/* SPDX-License-Identifier: ISC */
/*
 * children.h: what a process and the children it forks tell each other, in memory
 * that they share.  For servers that fork for each connection: such a child looks up
 * one name and is gone: that it had to ask the store is all that its parent gets to know.  Nobody
 * waits for anybody, and what is in there is taken for a hint: a child may have fewer rights
 * than its parent.
 */
#ifndef SNICERT_CHILDREN_H
#define SNICERT_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>

struct children;

/** NULL for want of memory, which all functions take. */
struct children *children_new(void);
void children_free(struct children *);

/**
 * A process that has something for its children to inherit owns what is shared.
 * children_own makes it so, and returns the number of the inheritance; children_end ends
 * that, where this process is the owner: then it is not to be relied on any more.
 */
uint64_t children_own(struct children *);
void children_end(struct children *);

/** In a child: whether it has an inheritance of this number, from its parent who is alive. */
bool children_inherits(const struct children *, uint64_t number);

/** In a child: it had to ask the store itself; in its parent: whether a child said so since it last looked. */
void children_miss(struct children *);
bool children_is_missed(struct children *);

#endif
