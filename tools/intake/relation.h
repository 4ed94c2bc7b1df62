/* SPDX-License-Identifier: ISC */
/* relation.h: how two chains are related. */
#ifndef SNICERT_RELATION_H
#define SNICERT_RELATION_H

#include "intake/trust.h"
#include "store/collect.h"

/** Why a chain renews another; the first that fits. */
enum renewal_why { RENEWAL_NOT, RENEWAL_LINEAGE, RENEWAL_KEY, RENEWAL_NAMES, RENEWAL_SUBJECT, RENEWAL_SERVED, RENEWAL_TWIN };

/** What we compare of a chain. */
struct summary {
	int64_t id, not_before, not_after, bindings;
	unsigned char spki[STORE_DIGEST_LENGTH], leaf[STORE_DIGEST_LENGTH];
	char key_type[16];
	bool was_active;
	char *names, *subject, *source, *lineage;
	const char *place;      /* where it comes from now, links followed; NULL: not known; borrowed */
	bool looked;            /* the rest is known */
	enum trust trust;
	char *addresses;        /* its certificate's IP addresses, in order; "" */
};

int summary_load(struct admin *, int64_t id, struct summary *, struct snicert_error *err);
/** Also trust and addresses: need the certificates. */
int summary_look(struct admin *, struct summary *, struct snicert_error *err);
void summary_free(struct summary *);

/** Whether `fresh` comes from where `old` came from. */
bool summary_is_of_lineage(const struct summary *fresh, const struct summary *old);

enum relation {
	RELATION_NONE,
	RELATION_RENEWS,
	RELATION_OLDER,          /* the other one renews this */
	RELATION_WEAKER          /* would renew, but clients can't verify it */
};

/** How `fresh` is related to `old`, which is bound to `bound`; *why says by what. */
int relation_of(struct admin *, struct summary *fresh, struct summary *old, const struct collect_names *bound,
    enum relation *, enum renewal_why *why, struct snicert_error *err);

#endif
