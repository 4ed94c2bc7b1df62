/* SPDX-License-Identifier: ISC */
/* relation.c: how two chains are related. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/lineage.h"
#include "intake/relation.h"
#include "x509/cert.h"

static int
take_summary(void *arg, const struct admin_chain *chain)
{
	struct summary *out = arg;

	out->id = chain->id;
	out->not_before = chain->not_before;
	out->not_after = chain->not_after;
	out->bindings = chain->bindings;
	memcpy(out->spki, chain->spki, sizeof(out->spki));
	memcpy(out->leaf, chain->leaf, sizeof(out->leaf));
	snprintf(out->key_type, sizeof(out->key_type), "%s", chain->key_type);
	out->was_active = strcmp(chain->state, "staged") != 0;
	out->names = strdup(chain->names);
	out->subject = strdup(chain->subject);
	out->source = strdup(chain->source);
	out->lineage = strdup(chain->lineage != NULL ? chain->lineage : "");
	return 0;
}

int
summary_load(struct admin *admin, int64_t id, struct summary *out, struct snicert_error *err)
{
	memset(out, 0, sizeof(*out));
	if (admin_chains(admin, id, NULL, take_summary, out, err) != 0)
		return -1;
	if (out->id == 0)
		return error_set(err, SNICERT_ESTORE, "chain %" PRId64 " is gone", id);
	if (out->names == NULL || out->subject == NULL || out->source == NULL || out->lineage == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	return 0;
}

void
summary_free(struct summary *summary)
{
	free(summary->names);
	free(summary->subject);
	free(summary->source);
	free(summary->lineage);
	free(summary->addresses);
	memset(summary, 0, sizeof(*summary));
}

static int
compare_addresses(const GENERAL_NAME *const *a, const GENERAL_NAME *const *b)
{
	return ASN1_OCTET_STRING_cmp((*a)->d.iPAddress, (*b)->d.iPAddress);
}

/* Sorted, in hexadecimal; NULL without memory. */
static char *
join_addresses(GENERAL_NAMES *sans)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (sans != NULL) {
		sk_GENERAL_NAME_set_cmp_func(sans, compare_addresses);
		sk_GENERAL_NAME_sort(sans);
	}
	for (int i = 0; sans != NULL && i < sk_GENERAL_NAME_num(sans); i++) {
		const ASN1_OCTET_STRING *octets = sk_GENERAL_NAME_value(sans, i)->d.iPAddress;

		for (int j = 0; j < ASN1_STRING_length(octets); j++)
			fprintf(out, "%02x", ASN1_STRING_get0_data(octets)[j]);
		fputc(' ', out);
	}
	return fclose(out) == 0 ? text : NULL;
}

static char *
addresses_of(const struct store_cert *leaf)
{
	const unsigned char *der = leaf->der.data;
	X509 *cert = d2i_X509(NULL, &der, (long)leaf->der.length);
	GENERAL_NAMES *sans = cert == NULL ? NULL : X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char *text;

	for (int i = 0; sans != NULL && i < sk_GENERAL_NAME_num(sans);) {
		if (sk_GENERAL_NAME_value(sans, i)->type == GEN_IPADD)
			i++;
		else
			GENERAL_NAME_free(sk_GENERAL_NAME_delete(sans, i));
	}
	text = join_addresses(sans);
	GENERAL_NAMES_free(sans);
	X509_free(cert);
	return text;
}

int
summary_look(struct admin *admin, struct summary *summary, struct snicert_error *err)
{
	struct store_rows *rows;
	int status;

	if (summary->looked)
		return 0;
	rows = calloc(1, sizeof(*rows));
	if (rows == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	status = admin_load(admin, summary->id, rows, err);
	if (status == 0) {
		summary->trust = trust_of(&rows->chains[0]);
		summary->addresses = addresses_of(&rows->chains[0].certs[0]);
		summary->looked = true;
		if (summary->addresses == NULL)
			status = error_set(err, SNICERT_EMEMORY, "no memory");
	}
	if (rows->arena != NULL)
		OPENSSL_cleanse(rows->arena, rows->size);
	free(rows->arena);
	free(rows);
	return status;
}

static bool
covers_each(const struct summary *fresh, const char *names)
{
	while (*names != '\0') {
		size_t length = strcspn(names, " ");
		struct name name;

		if (!name_normalise_pattern(&name, names, length) || !cert_names_cover(fresh->names, &name))
			return false;
		names += length;
		names += strspn(names, " ");
	}
	return true;
}

/* Whether `fresh` certifies all that `old` certifies of its bound names, or, without any, at all. */
static bool
covers_all(const struct summary *fresh, const struct summary *old, const struct collect_names *bound)
{
	bool any = false;

	for (size_t i = 0; i < bound->count; i++) {
		if (!cert_names_cover(old->names, &bound->list[i]))
			continue;
		any = true;
		if (!cert_names_cover(fresh->names, &bound->list[i]))
			return false;
	}
	return any || (old->names[0] != '\0' && covers_each(fresh, old->names));
}

bool
summary_is_of_lineage(const struct summary *fresh, const struct summary *old)
{
	return old->lineage[0] != '\0' && (strcmp(fresh->lineage, old->lineage) == 0 ||
	    (fresh->place != NULL && strcmp(fresh->place, old->lineage) == 0));
}

/* Customers may have numbers: twins have a name in common, for which certbot took the second. */
static bool
are_twins(const struct summary *fresh, const struct summary *old)
{
	const char *names = old->names;

	while (*names != '\0' && lineage_are_twins(fresh->lineage, old->lineage)) {
		size_t length = strcspn(names, " ");
		struct name name;

		if (name_normalise_pattern(&name, names, length) && cert_names_cover(fresh->names, &name))
			return true;
		names += length;
		names += strspn(names, " ");
	}
	return false;
}

static int
same_names(struct admin *admin, struct summary *fresh, struct summary *old, bool *same, struct snicert_error *err)
{
	*same = strcmp(fresh->names, old->names) == 0;
	if (!*same || fresh->names[0] != '\0')
		return 0;
	if (summary_look(admin, fresh, err) != 0 || summary_look(admin, old, err) != 0)
		return -1;
	*same = fresh->addresses[0] != '\0' && strcmp(fresh->addresses, old->addresses) == 0;
	return 0;
}

static int
find_why(struct admin *admin, struct summary *fresh, struct summary *old, const struct collect_names *bound,
    enum renewal_why *why, struct snicert_error *err)
{
	bool same;

	if (same_names(admin, fresh, old, &same, err) != 0)
		return -1;
	if (summary_is_of_lineage(fresh, old))
		*why = RENEWAL_LINEAGE;
	else if (memcmp(fresh->spki, old->spki, sizeof(fresh->spki)) == 0)
		*why = RENEWAL_KEY;
	else if (same)
		*why = RENEWAL_NAMES;
	else if (fresh->subject[0] != '\0' && strcmp(fresh->subject, old->subject) == 0)
		*why = RENEWAL_SUBJECT;
	else if (covers_all(fresh, old, bound))
		*why = RENEWAL_SERVED;
	else
		*why = are_twins(fresh, old) ? RENEWAL_TWIN : RENEWAL_NOT;
	return 0;
}

/* A lineage may switch to shorter lifetimes: then the later issued is newer. */
static bool
is_newer(const struct summary *fresh, const struct summary *old, enum renewal_why why)
{
	int64_t now = (int64_t)time(NULL);

	return fresh->not_after >= old->not_after || old->not_after <= now ||
	    (why == RENEWAL_LINEAGE && fresh->not_before > old->not_before && fresh->not_after > now);
}

/* Greater than 0: clients can verify `fresh` better; with `less`, only tests for worse. */
static int
compare_trust(struct admin *admin, struct summary *fresh, struct summary *old, bool less, int *order,
    struct snicert_error *err)
{
	*order = 0;
	if (summary_look(admin, fresh, err) != 0)
		return -1;
	if (less && fresh->trust >= TRUST_ROOT)
		return 0;
	if (summary_look(admin, old, err) != 0)
		return -1;
	if (fresh->trust != TRUST_UNREADABLE && old->trust != TRUST_UNREADABLE)
		*order = (fresh->trust > old->trust) - (fresh->trust < old->trust);
	return 0;
}

int
relation_of(struct admin *admin, struct summary *fresh, struct summary *old, const struct collect_names *bound,
    enum relation *relation, enum renewal_why *why, struct snicert_error *err)
{
	enum renewal_why back = RENEWAL_NOT;
	int trust;

	*relation = RELATION_NONE;
	if (find_why(admin, fresh, old, bound, why, err) != 0)
		return -1;
	if (*why != RENEWAL_NOT) {
		bool newer = is_newer(fresh, old, *why);

		if (compare_trust(admin, fresh, old, newer, &trust, err) != 0)
			return -1;
		if (newer)
			*relation = trust < 0 ? RELATION_WEAKER : RELATION_RENEWS;
		else /* Self-signed certificates last ten years. */
			*relation = trust > 0 && fresh->trust == TRUST_ROOT && fresh->not_after > (int64_t)time(NULL)
			    ? RELATION_RENEWS : RELATION_OLDER;
		return 0;
	}
	if (!is_newer(fresh, old, *why)) {
		const struct collect_names none = {0};

		/* As if the other one had come first. */
		if (find_why(admin, old, fresh, &none, &back, err) != 0)
			return -1;
	}
	if (back != RENEWAL_NOT)
		*relation = RELATION_OLDER;
	return 0;
}
