/* SPDX-License-Identifier: ISC */
/*
 * kin.h: what a process and the children it forks tell each other, in memory
 * that they share.  For servers that fork for each connection: such a child looks up
 * one name and is gone: that it had to ask the store is all that its parent gets to know.  Nobody
 * waits for anybody, and what is in there is taken for a hint: a child may have fewer rights
 * than its parent.
 */
#ifndef SNICERT_KIN_H
#define SNICERT_KIN_H

#include <stdbool.h>
#include <stdint.h>

struct kin;

/** NULL for want of memory, which all functions take. */
struct kin *kin_new(void);
void kin_free(struct kin *);

/**
 * A process that has something for its children to inherit owns what is shared.
 * kin_own makes it so, and returns the number of the inheritance; kin_end ends
 * that, where this process is the owner: then it is not to be relied on any more.
 */
uint64_t kin_own(struct kin *);
void kin_end(struct kin *);

/** In a child: whether it has an inheritance of this number, from its parent who is alive. */
bool kin_inherits(const struct kin *, uint64_t number);

/** In a child: it had to ask the store itself; in its parent: whether a child said so since it last looked. */
void kin_miss(struct kin *);
bool kin_is_missed(struct kin *);

#endif
