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

/** One chain that a client may be presented. */
struct mx_verdict {
	const char *served_by;          /* "exact name", …, "own certificate", "nothing" */
	char key_type[16];              /* "" where nothing is served */
	unsigned char leaf[STORE_DIGEST_LENGTH];
	int64_t not_after;              /* of the chain: path_end(); 0: nothing is served */
	bool near;                      /* and that is near, as a warning of `check` has it */
	bool good;
	char reason[300];               /* "" where it is good */
};

struct mx_check;

/** At the most: one for each kind of client. */
#define MX_VERDICTS_MOST 8

int mx_check_open(struct mx_check **out, const struct simulator_options *, struct snicert_error *err);
void mx_check_close(struct mx_check *);

/**
 * What clients that want the host `mx` get that send `sni` (NULL: none): a verdict for each
 * chain that one or another of them is presented, be it because it can't use the name's own.
 */
int mx_check_host(struct mx_check *, const char *mx, const char *sni,
    struct mx_verdict verdicts[MX_VERDICTS_MOST], size_t *count, struct snicert_error *err);

#endif
