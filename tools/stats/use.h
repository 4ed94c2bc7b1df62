/* SPDX-License-Identifier: ISC */
/* use.h: names of the store that nobody asks for, as far as the statistics know. */
#ifndef SNICERT_USE_H
#define SNICERT_USE_H

#include "name.h"
#include "stats/read.h"
#include "store/admin.h"

#define USE_DAYS 90
#define USE_SHOWN 3             /* names shown as examples */

struct use_counts {
	int64_t unused;                 /* nobody asked for them in USE_DAYS days */
	int64_t untold;                 /* can't tell: forgotten, or not watched for long enough */
	char names[USE_SHOWN][NAME_MAX_LENGTH + 1];
};

/** The latest time at which it may have been used, in seconds since 1970. */
int64_t use_latest(const struct stats_use *);

/** Goes through all bound names. */
int use_count(struct admin *, const struct stats_reader *, int64_t now, struct use_counts *out,
    struct snicert_error *err);

#endif
