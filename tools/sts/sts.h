/* SPDX-License-Identifier: ISC */
/* sts.h: which names of the store a policy covers, and making policies of them. */
#ifndef SNICERT_STS_H
#define SNICERT_STS_H

#include <stdbool.h>

#include "name.h"
#include "snicert.h"
#include "store/admin.h"
#include "sts/mx_check.h"
#include "sts/policy.h"

/** A host that `pattern` matches; -1 ends the walk. */
typedef int sts_host_fn(void *arg, const char *host, const char *pattern);

/**
 * The hosts that an mx pattern means here: the name itself if it is one, else the names in the
 * store that it matches; for the wildcard itself, if bound, a name that nobody has.
 */
int sts_hosts(struct admin *, const struct name *pattern, sts_host_fn *, void *arg,
    struct snicert_error *err);

/** Whether the store has a name, even by wildcard. */
int sts_is_served(struct admin *, const struct name *, bool *is, struct snicert_error *err);

/** A policy to make. */
struct sts_draft {
	struct admin *admin;
	struct mx_check *check;
	struct name domain;
	const char *mode, *max_age;     /* as given; max_age NULL: to suit the mode */
	const char *out;                /* a new file for the policy; NULL: standard output */
	const char **mx;                /* as given; none: the domain's passing names */
	size_t mx_count;
	bool json;
};

/** Make it and print it, with the TXT record.  -1 if it wouldn't fit the store. */
int sts_draft(struct sts_draft *, struct snicert_error *err);

#endif
