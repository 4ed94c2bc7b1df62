/* SPDX-License-Identifier: ISC */
/*
 * admin_status.h: the state of a store as a whole, counted by SQLite: memory doesn't grow
 * with the number of chains and names.
 */
#ifndef SNICERT_ADMIN_STATUS_H
#define SNICERT_ADMIN_STATUS_H

#include "store/admin.h"

#define STATUS_WEEKS 12         /* in the chart */
#define STATUS_SHOWN 3          /* names shown as examples */

enum status_type { STATUS_RSA, STATUS_RSA_PSS, STATUS_EC, STATUS_ED25519, STATUS_ED448, STATUS_TYPES };
extern const char *const status_types[STATUS_TYPES];

/**
 * What "near its end" means: less than `seconds` are left, and less than that part of the
 * whole lifetime (of the certificate that expires first).  Days alone suit long lifetimes:
 * one of six days is always near.
 */
struct status_near {
	int64_t seconds;
	int64_t part;                   /* 3: a third */
};
#define STATUS_NEAR_WARNING_DAYS 21     /* the default */
#define STATUS_NEAR_WARNING_PART 3
#define STATUS_NEAR_CRITICAL_PART 10
bool status_is_near(const struct status_near *, int64_t lifetime, int64_t not_after, int64_t now);

/** When active chains expire, as of `now`. */
struct status_ends {
	int64_t active;
	int64_t expired;
	int64_t within[2];              /* near their end in each of two senses, without expired ones */
	int64_t weeks[STATUS_WEEKS];    /* in the first, second … seven days from now */
	bool any;                       /* whether there is a next one to expire */
	int64_t soonest;                /* expiry */
	char soonest_name[256];         /* a name in its certificate */
};

struct status_counts {
	int64_t chains, active, staged, retired;
	int64_t names, of_type[STATUS_TYPES];           /* names that have a chain of the type */
	int64_t addresses;                              /* fallbacks of local addresses */
	bool fallback[STATUS_TYPES];                    /* of the global one */
	bool has_fallback;
	int64_t uncovered;                              /* names that their chain's certificate lacks */
	char uncovered_names[STATUS_SHOWN][NAME_MAX_LENGTH + 1];
	int64_t schema, sequence, changed;              /* the last change */
	char changed_by[128];
};

/** Only the counts of ends: reads an index, however big the store, and the chains that expire soon. */
int admin_ends(struct admin *, int64_t now, const struct status_near near[2], struct status_ends *out,
    struct snicert_error *err);

/** Everything else: reads the store once or twice. */
int admin_counts(struct admin *, struct status_counts *out, struct snicert_error *err);

#endif
