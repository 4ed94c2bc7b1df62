/* SPDX-License-Identifier: ISC */
/*
 * halves.h: what is left of a directory's files when those that their names hold
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

/** Whether there is an issuer's certificate in it. */
bool halves_issue(const struct bag *);

/** A whole bag, which goes its way: its issuers and the halves of its keys are remembered.  -1: no memory. */
int halves_seen(struct halves *, const struct bag *, size_t number);
/** It isn't there any more; its number is not used again.  Its issuers stay.  -1: no memory. */
int halves_drop(struct halves *, size_t number);
/** One that isn't, kept until halves_pair; `bag` is freed on errors, too. */
int halves_keep(struct halves *, const char *group, struct bag *);

/**
 * Once all is seen: whether some of what went its way is wanted again, for it has the key
 * of a certificate that was kept.  halves_wants says of a number whether it is one of
 * them, halves_bring takes its bag (as halves_keep does).  -1: no memory.
 */
int halves_want(struct halves *);
bool halves_wants(const struct halves *, size_t number);
int halves_bring(struct halves *, const char *group, struct bag *);

/** What belongs together; `bag` is lent. */
struct halves_found {
	const char *group;
	struct bag *bag;
	bool alone;                     /* nothing there has the other half of what it holds */
	size_t key, cert;               /* which of all that was kept or brought, in order, has them */
};

/** Anything but 0 ends it. */
typedef int halves_take(void *arg, const struct halves_found *);

/**
 * Once for each certificate whose key is among what was kept or brought, with all that
 * issued it of everything that was seen; then once for each bag that has a half left over.
 * Returns 0, what `take` did if not 0, or -1 without memory.
 */
int halves_pair(struct halves *, halves_take *take, void *arg);

/** Forget what was kept and brought, but not what was seen. */
void halves_forget(struct halves *);

#endif
