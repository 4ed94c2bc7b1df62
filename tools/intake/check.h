/* SPDX-License-Identifier: ISC */
/* check.h: what is wrong with a candidate, and what a person should know. */
#ifndef SNICERT_CHECK_H
#define SNICERT_CHECK_H

#include <time.h>

#include "intake/candidate.h"
#include "intake/findings.h"

/** All zero is right: now, and the library's own security level. */
struct check_options {
	time_t now;
	int security_level;           /* 1 to 5; 0: that of a new SSL_CTX */
};

/**
 * Find what is wrong with a candidate, and what a person should know.
 *
 * The codes: errors "key-type", "curve", "weak-key", "weak-digest", "unusable", and
 * "expired" and "not-yet-valid", which are forcible; warnings "self-signed",
 * "ca-leaf", "cn-only", "no-name", "no-intermediate", "unknown-root",
 * "intermediate-expired", "short-life", "key-usage", "must-staple", "san-critical",
 * "name-constraints", "ca-limits", "critical-extension", "bad-extension",
 * "unusable-signature", "no-client".
 * Safe in several threads.  Returns 0 however bad the candidate, -1 without memory.
 */
int candidate_check(const struct candidate *, const struct check_options *, struct findings *);

/**
 * Only what clients would refuse, whatever the key: "must-staple" to "no-client", and what
 * candidate_names reports.  Uses only the certificates and `origin`.
 */
int candidate_refused(const struct candidate *, struct findings *);

#endif
