/* SPDX-License-Identifier: ISC */
/*
 * halves.h: what is left of a folder's files when those that their names hold
 * together are taken: keys, certificates and issuers that lie apart find each
 * other by the public keys and names in them.
 */
#ifndef SNICERT_HALVES_H
#define SNICERT_HALVES_H

#include <stdbool.h>

#include "intake/bag.h"

struct halves;

/** NULL without memory. */
struct halves *halves_new(void);
void halves_free(struct halves *);

/** Whether each key of a bag has its certificate there, each leaf its key, and each chain an issuer. */
bool halves_whole(const struct bag *);

/** A whole bag, which goes its way: its issuers and the halves of its keys are remembered.  -1: no memory. */
int halves_seen(struct halves *, const struct bag *);
/** One that isn't, kept until halves_pair; `bag` is freed on errors, too. */
int halves_keep(struct halves *, const char *group, struct bag *);

/**
 * Called for what belongs together; `bag` is borrowed.  `alone`: nothing there has
 * the other half of what it holds.  Anything but 0 ends it.
 */
typedef int halves_take(void *arg, const char *group, struct bag *bag, bool alone);

/**
 * Once for each certificate whose key is among what was kept, with all that issued it
 * of everything that was seen; then once for each bag that has a half left over.
 * Returns 0, what `take` did if not 0, or -1 without memory.
 */
int halves_pair(struct halves *, halves_take *take, void *arg);

#endif
