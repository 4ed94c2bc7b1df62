/* SPDX-License-Identifier: ISC */
/* halves.c: pairs up keys and certificates. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "intake/candidate.h"
#include "intake/halves.h"

#define ISSUERS_MOST 4096       /* of a directory: more are no server's */

struct kept {
	char *group;
	struct bag *bag;
	bool warned;                    /* warnings are reported */
	bool brought;                   /* its certificates were sent before */
};

/* Where a public key occurs, sorted by it. */
struct half {
	unsigned char match[32];
	size_t kept;                    /* of a kept bag, or the number of a seen one */
	size_t at;                      /* its certificate or key; meaningless if only seen */
};

struct list {
	struct half *halves;
	size_t count, room;
};

struct halves {
	struct kept *kept;
	size_t count;
	struct list certs, keys, seen_keys, seen_certs;
	struct bag *issuers;
	size_t *wanted;                 /* numbers of seen bags, sorted */
	size_t wanted_count;
	bool *dropped;                  /* by number */
	size_t dropped_room;
	bool any_dropped;
};

struct halves *
halves_new(void)
{
	struct halves *halves = calloc(1, sizeof(*halves));

	if (halves != NULL && (halves->issuers = bag_new()) == NULL) {
		free(halves);
		return NULL;
	}
	return halves;
}

void
halves_forget(struct halves *halves)
{
	for (size_t i = 0; i < halves->count; i++) {
		free(halves->kept[i].group);
		bag_free(halves->kept[i].bag);
	}
	halves->count = halves->certs.count = halves->keys.count = halves->wanted_count = 0;
}

void
halves_free(struct halves *halves)
{
	if (halves == NULL)
		return;
	halves_forget(halves);
	free(halves->kept);
	free(halves->wanted);
	free(halves->dropped);
	free(halves->certs.halves);
	free(halves->keys.halves);
	free(halves->seen_keys.halves);
	free(halves->seen_certs.halves);
	bag_free(halves->issuers);
	free(halves);
}

/* --- whole ---------------------------------------------------------------- */

static bool
is_issuer(X509 *cert)
{
	return X509_check_ca(cert) != 0;
}

static bool
has_issuer(const struct bag *bag, X509 *cert)
{
	bool found = X509_check_issued(cert, cert) == X509_V_OK;

	for (size_t i = 0; !found && i < bag_certs(bag); i++)
		found = is_issuer(bag_cert(bag, i)->cert) &&
		    X509_check_issued(bag_cert(bag, i)->cert, cert) == X509_V_OK;
	ERR_clear_error();
	return found;
}

static bool
has_key(const struct bag *bag, const unsigned char match[32])
{
	for (size_t i = 0; i < bag_keys(bag); i++)
		if (memcmp(bag_key(bag, i)->match, match, 32) == 0)
			return true;
	return false;
}

static bool
has_cert(const struct bag *bag, const unsigned char match[32])
{
	for (size_t i = 0; i < bag_certs(bag); i++)
		if (memcmp(bag_cert(bag, i)->match, match, 32) == 0)
			return true;
	return false;
}

bool
halves_whole(const struct bag *bag)
{
	for (size_t i = 0; i < bag_keys(bag); i++)
		if (!has_cert(bag, bag_key(bag, i)->match))
			return false;
	for (size_t i = 0; i < bag_certs(bag); i++) {
		const struct bag_cert *cert = bag_cert(bag, i);
		bool leaf = has_key(bag, cert->match);

		if ((!leaf && !is_issuer(cert->cert)) || (leaf && !has_issuer(bag, cert->cert)))
			return false;
	}
	return bag_keys(bag) > 0;
}

bool
halves_issue(const struct bag *bag)
{
	for (size_t i = 0; i < bag_certs(bag); i++)
		if (is_issuer(bag_cert(bag, i)->cert))
			return true;
	return false;
}

/* --- what was seen --------------------------------------------------------- */

static int
list_add(struct list *list, const unsigned char match[32], size_t kept, size_t at)
{
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 64 : 2 * list->room;
		struct half *bigger = reallocarray(list->halves, room, sizeof(*bigger));

		if (bigger == NULL)
			return -1;
		list->halves = bigger;
		list->room = room;
	}
	memcpy(list->halves[list->count].match, match, 32);
	list->halves[list->count].kept = kept;
	list->halves[list->count++].at = at;
	return 0;
}

static int
by_match(const void *a, const void *b)
{
	const struct half *one = a, *two = b;
	int order = memcmp(one->match, two->match, sizeof(one->match));

	if (order == 0 && one->kept != two->kept)
		order = one->kept < two->kept ? -1 : 1;
	if (order == 0 && one->at != two->at)
		order = one->at < two->at ? -1 : 1;
	return order;
}

static void
list_sort(struct list *list)
{
	if (list->count > 1)
		qsort(list->halves, list->count, sizeof(*list->halves), by_match);
}

/* The first with this public key; *count of them. */
static const struct half *
list_find(const struct list *list, const unsigned char match[32], size_t *count)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(list->halves[middle].match, match, 32) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*count = 0; low + *count < list->count; ++*count)
		if (memcmp(list->halves[low + *count].match, match, 32) != 0)
			break;
	return *count == 0 ? NULL : &list->halves[low];
}

static bool
is_in(const struct list *list, const unsigned char match[32])
{
	size_t count;

	return list_find(list, match, &count) != NULL;
}

static int
remember_issuers(struct halves *halves, const struct bag *bag)
{
	for (size_t i = 0; i < bag_certs(bag) && bag_certs(halves->issuers) < ISSUERS_MOST; i++)
		if (is_issuer(bag_cert(bag, i)->cert) && bag_copy_cert(halves->issuers, bag_cert(bag, i)) != 0)
			return -1;
	return 0;
}

int
halves_seen(struct halves *halves, const struct bag *bag, size_t number)
{
	for (size_t i = 0; i < bag_keys(bag); i++)
		if (list_add(&halves->seen_keys, bag_key(bag, i)->match, number, 0) != 0)
			return -1;
	for (size_t i = 0; i < bag_certs(bag); i++)
		if (!is_issuer(bag_cert(bag, i)->cert) && list_add(&halves->seen_certs, bag_cert(bag, i)->digest, number, 0) != 0)
			return -1;
	return remember_issuers(halves, bag);
}

/* Always takes the bag. */
static struct kept *
keep(struct halves *halves, const char *group, struct bag *bag)
{
	struct kept *bigger = reallocarray(halves->kept, halves->count + 1, sizeof(*bigger));
	char *copy = strdup(group);

	if (bigger != NULL)
		halves->kept = bigger;
	if (bigger == NULL || copy == NULL) {
		free(copy);
		bag_free(bag);
		return NULL;
	}
	bigger[halves->count] = (struct kept){ .group = copy, .bag = bag };
	return &bigger[halves->count++];
}

static int
list_keys(struct halves *halves, const struct bag *bag)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < bag_keys(bag); i++)
		status = list_add(&halves->keys, bag_key(bag, i)->match, halves->count - 1, i);
	return status;
}

int
halves_keep(struct halves *halves, const char *group, struct bag *bag)
{
	int status = keep(halves, group, bag) == NULL ? -1 : list_keys(halves, bag);

	for (size_t i = 0; status == 0 && i < bag_certs(bag); i++)
		status = list_add(&halves->certs, bag_cert(bag, i)->match, halves->count - 1, i);
	return status == 0 ? remember_issuers(halves, bag) : -1;
}

/* --- keys of what was seen -------------------------------------------------------- */

static int
want(struct halves *halves, const struct bag_cert *cert)
{
	size_t count;
	const struct half *key = list_find(&halves->seen_keys, cert->match, &count);
	size_t *bigger;

	if (key == NULL || is_issuer(cert->cert) || is_in(&halves->keys, cert->match) ||
	    is_in(&halves->seen_certs, cert->digest))
		return 0;
	bigger = reallocarray(halves->wanted, halves->wanted_count + 1, sizeof(*bigger));
	if (bigger == NULL)
		return -1;
	halves->wanted = bigger;
	bigger[halves->wanted_count++] = key->kept;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const size_t *one = a, *two = b;

	return *one < *two ? -1 : *one > *two;
}

int
halves_drop(struct halves *halves, size_t number)
{
	if (number >= halves->dropped_room) {
		size_t room = 2 * number + 64;
		bool *bigger = realloc(halves->dropped, room);

		if (bigger == NULL)
			return -1;
		memset(bigger + halves->dropped_room, 0, room - halves->dropped_room);
		halves->dropped = bigger;
		halves->dropped_room = room;
	}
	halves->dropped[number] = halves->any_dropped = true;
	return 0;
}

static void
drop_from(const struct halves *halves, struct list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->halves[i].kept >= halves->dropped_room || !halves->dropped[list->halves[i].kept])
			list->halves[kept++] = list->halves[i];
	list->count = kept;
}

static void
sort_all(struct halves *halves)
{
	if (halves->any_dropped) {
		drop_from(halves, &halves->seen_keys);
		drop_from(halves, &halves->seen_certs);
		halves->any_dropped = false;
	}
	list_sort(&halves->certs);
	list_sort(&halves->keys);
	list_sort(&halves->seen_keys);
	list_sort(&halves->seen_certs);
}

int
halves_want(struct halves *halves)
{
	sort_all(halves);
	for (size_t i = 0; i < halves->count; i++)
		for (size_t j = 0; j < bag_certs(halves->kept[i].bag); j++)
			if (want(halves, bag_cert(halves->kept[i].bag, j)) != 0)
				return -1;
	if (halves->wanted_count > 1)
		qsort(halves->wanted, halves->wanted_count, sizeof(*halves->wanted), by_number);
	return halves->wanted_count > 0;
}

bool
halves_wants(const struct halves *halves, size_t number)
{
	return halves->wanted_count > 0 &&
	    bsearch(&number, halves->wanted, halves->wanted_count, sizeof(number), by_number) != NULL;
}

int
halves_bring(struct halves *halves, const char *group, struct bag *bag)
{
	struct kept *kept = keep(halves, group, bag);

	if (kept == NULL)
		return -1;
	kept->warned = kept->brought = true;
	return list_keys(halves, bag);
}

/* --- pairs ------------------------------------------------------------------- */

static void
take_warnings(struct bag *bag, struct kept *from)
{
	for (size_t i = 0; !from->warned && i < bag_warnings(from->bag); i++)
		bag_warn(bag, "%s", bag_warning(from->bag, i));
	from->warned = true;
}

/* All of another bag that issued these certificates, and so on up. */
static int
add_issuers(struct bag *bag, const struct bag *from)
{
	for (size_t i = 0; i < bag_certs(bag) && i < 4 * CANDIDATE_CHAIN_MAX; i++) {
		X509 *cert = bag_cert(bag, i)->cert;

		if (X509_check_issued(cert, cert) == X509_V_OK)
			continue;
		for (size_t j = 0; j < bag_certs(from); j++) {
			const struct bag_cert *issuer = bag_cert(from, j);

			if (is_issuer(issuer->cert) && X509_check_issued(issuer->cert, cert) == X509_V_OK &&
			    bag_copy_cert(bag, issuer) != 0)
				return -1;
		}
	}
	ERR_clear_error();
	return 0;
}

static const struct bag_cert *
cert_at(const struct halves *halves, const struct half *half)
{
	return bag_cert(halves->kept[half->kept].bag, half->at);
}

static int
fill_pair(struct halves *halves, struct bag *bag, struct kept *kept, const struct bag_key *key, const struct half *cert)
{
	if (bag_copy_key(bag, key) != 0 || bag_copy_cert(bag, cert_at(halves, cert)) != 0)
		return -1;
	take_warnings(bag, kept);
	take_warnings(bag, &halves->kept[cert->kept]);
	return add_issuers(bag, halves->issuers);
}

/* A key in several files is paired where it occurs first. */
static bool
is_first(const struct halves *halves, size_t which, size_t at)
{
	size_t count;
	const struct half *first = list_find(&halves->keys, bag_key(halves->kept[which].bag, at)->match, &count);

	return first != NULL && first->kept == which && first->at == at;
}

static bool
is_again(const struct halves *halves, const struct half *first, const struct half *cert, bool brought)
{
	if (brought && is_in(&halves->seen_certs, cert_at(halves, cert)->digest))
		return true;
	for (; first < cert; first++)
		if (memcmp(cert_at(halves, first)->digest, cert_at(halves, cert)->digest, 32) == 0)
			return true;
	return false;
}

/* A key may have many certificates: we pair them one by one, all independent. */
static int
pair_key(struct halves *halves, size_t which, const struct bag_key *key, halves_take *take, void *arg)
{
	struct kept *kept = &halves->kept[which];
	size_t count;
	const struct half *first = list_find(&halves->certs, key->match, &count);
	int status = 0;

	for (size_t i = 0; status == 0 && i < count; i++) {
		const char *group = halves->kept[kept->brought ? first[i].kept : which].group;
		struct bag *bag;

		if (is_again(halves, first, first + i, kept->brought))
			continue;
		if ((bag = bag_new()) == NULL || fill_pair(halves, bag, kept, key, first + i) != 0)
			status = -1;
		else
			status = take(arg, &(struct halves_found){ group, bag, false, which, first[i].kept });
		bag_free(bag);
	}
	return status;
}

static int
pair_keys(struct halves *halves, size_t which, halves_take *take, void *arg)
{
	const struct bag *bag = halves->kept[which].bag;
	int status = 0;

	for (size_t i = 0; status == 0 && i < bag_keys(bag); i++)
		if (is_first(halves, which, i))
			status = pair_key(halves, which, bag_key(bag, i), take, arg);
	return status;
}

/* Keys without a certificate, and leaves without a key, among everything. */
static void
count_lone(const struct halves *halves, const struct bag *bag, size_t *keys, size_t *certs)
{
	*keys = *certs = 0;
	for (size_t i = 0; i < bag_keys(bag); i++)
		*keys += !is_in(&halves->certs, bag_key(bag, i)->match) && !is_in(&halves->seen_keys, bag_key(bag, i)->match);
	for (size_t i = 0; i < bag_certs(bag); i++) {
		const struct bag_cert *cert = bag_cert(bag, i);

		*certs += !is_issuer(cert->cert) && !is_in(&halves->keys, cert->match) &&
		    !is_in(&halves->seen_certs, cert->digest);
	}
}

static int
take_rest(struct halves *halves, size_t which, halves_take *take, void *arg)
{
	struct kept *kept = &halves->kept[which];
	struct halves_found found = { kept->group, kept->bag, true, which, which };
	size_t keys, certs;

	if (kept->brought)
		return 0;
	count_lone(halves, kept->bag, &keys, &certs);
	if (keys == 0 && certs == 0)
		return 0;
	/* A key with another's certificate under one name is a fault. */
	found.alone = keys == 0 || certs == 0;
	if (keys == 0 && add_issuers(kept->bag, halves->issuers) != 0)
		return -1;
	return take(arg, &found);
}

int
halves_pair(struct halves *halves, halves_take *take, void *arg)
{
	int status = 0;

	sort_all(halves);
	for (size_t i = 0; status == 0 && i < halves->count; i++)
		status = pair_keys(halves, i, take, arg);
	for (size_t i = 0; status == 0 && i < halves->count; i++)
		status = take_rest(halves, i, take, arg);
	return status;
}
