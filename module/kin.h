/* SPDX-License-Identifier: ISC */
/*
 * kin.h: what a process and the children it forks tell each other, in memory
 * that they share.  For servers that fork for each connection: such a child looks up
 * one name and is gone, so what it found out is lost unless its parent, and so all later
 * children, get to know.  Nobody waits for anybody, and what is in there is
 * taken for a hint: a child may have fewer rights than its parent.
 */
#ifndef SNICERT_KIN_H
#define SNICERT_KIN_H

#include <stdbool.h>
#include <stdint.h>

#include "name.h"

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

/** In a child: there is nothing (any more) to inherit from its parent; there: whether a child said so. */
void kin_miss(struct kin *);
bool kin_is_missed(struct kin *);

/** In a child: this key was asked for and had to be looked up. */
void kin_ask(struct kin *, const struct name *key);

/** In a child: whether it is the one in eight of them, about, whose lot it is. */
bool kin_draws_lot(struct kin *);

/** In a parent: the next key that its children would like to inherit. */
bool kin_wish(struct kin *, struct name *out);

#endif
