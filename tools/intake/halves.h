/* SPDX-License-Identifier: ISC */
/*
 * halves.h: the files of a directory that names didn't group: matches keys, certificates and
 * issuers in separate files by the public keys and names in them.
 */
#ifndef SNICERT_HALVES_H
#define SNICERT_HALVES_H

#include <stdbool.h>

#include "intake/bag.h"

struct halves;

/** NULL without memory. */
struct halves *halves_new(void);
void halves_free(struct halves *);

/** Whether a bag has each key's certificate, each leaf's key, and each chain's issuer. */
bool halves_whole(const struct bag *);

/** Whether it has an issuer's certificate. */
bool halves_issue(const struct bag *);

/** A complete bag, which is sent on: remember its issuers and the halves of its keys.  -1: no memory. */
int halves_seen(struct halves *, const struct bag *, size_t number);
/** It is gone; its number isn't reused.  Its issuers stay.  -1: no memory. */
int halves_drop(struct halves *, size_t number);
/** An incomplete one, kept until halves_pair; frees `bag` even on errors. */
int halves_keep(struct halves *, const char *group, struct bag *);

/**
 * After everything was seen: whether some bags sent on are needed again, because they have the key
 * of a kept certificate.  halves_wants tells whether a number is one of them, halves_bring takes
 * its bag (as halves_keep does).  -1: no memory.
 */
int halves_want(struct halves *);
bool halves_wants(const struct halves *, size_t number);
int halves_bring(struct halves *, const char *group, struct bag *);

/** What belongs together; `bag` is lent. */
struct halves_found {
	const char *group;
	struct bag *bag;
	bool alone;                     /* the other half of its contents is nowhere */
	size_t key, cert;               /* where they are, in order of all kept or brought */
};

/** Anything but 0 stops. */
typedef int halves_take(void *arg, const struct halves_found *);

/**
 * Once for each certificate whose key was kept or brought, with all its issuers of everything seen;
 * then once for each bag with a half left over.  Returns 0, what `take` returned if not 0, or -1
 * without memory.
 */
int halves_pair(struct halves *, halves_take *take, void *arg);

/** Forget what was kept and brought, but not what was seen. */
void halves_forget(struct halves *);

#endif
