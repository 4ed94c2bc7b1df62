/* SPDX-License-Identifier: ISC */
/* mx_check.h: whether what is served for an MX host passes RFC 8461 section 4.2. */
#ifndef SNICERT_MX_CHECK_H
#define SNICERT_MX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "look/simulator.h"
#include "name.h"
#include "snicert.h"
#include "store.h"

/** A chain that a client may get. */
struct mx_verdict {
	const char *served_by;          /* "exact name", …, "own certificate", "nothing" */
	char key_type[16];              /* "" if nothing is served */
	unsigned char leaf[STORE_DIGEST_LENGTH];
	int64_t not_after;              /* of the chain: path_end(); 0: none served */
	bool near;                      /* near enough for a warning of `check` */
	bool good;
	char reason[300];               /* "" if it is good */
};

struct mx_check;

/** At most one per kind of client. */
#define MX_VERDICTS_MOST 8

int mx_check_open(struct mx_check **out, const struct simulator_options *, struct snicert_error *err);
void mx_check_close(struct mx_check *);

/**
 * What clients get that want the host `mx` and send `sni` (NULL: none): a verdict for each chain
 * that any of them gets, even if only because it can't use the name's own.
 */
int mx_check_host(struct mx_check *, const char *mx, const char *sni,
    struct mx_verdict verdicts[MX_VERDICTS_MOST], size_t *count, struct snicert_error *err);

#endif
