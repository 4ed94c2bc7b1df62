/* SPDX-License-Identifier: ISC */
/* published.c: whether DANE clients accept a chain, by the published records. */
#include <stdio.h>

#include <openssl/x509v3.h>

#include "dane/published.h"

static bool
is_for(const struct store_chain *chain, const struct name *name)
{
	const unsigned char *at = chain->certs[0].der.data;
	X509 *leaf = at == NULL ? NULL : d2i_X509(NULL, &at, (long)chain->certs[0].der.length);
	bool is = leaf != NULL && X509_check_host(leaf, name->text, name->length, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;

	X509_free(leaf);
	return is;
}

bool
published_takes(const struct tlsa_entry *entry, const struct name *name, const struct store_chain *chain)
{
	return tlsa_entry_useless(entry) == NULL && tlsa_entry_matches(entry, chain) &&
	    (entry->tlsa.kind.usage == 3 || is_for(chain, name));
}

static const char *
useless(const struct tlsa_found *found, const struct tlsa_entry *entry)
{
	if (found->doubt != NULL)
		return "it is reached by an alias that clients don't follow (insecure, or bogus)";
	return tlsa_entry_useless(entry);
}

int
published_of(const struct tlsa_file *file, const struct name *name, long port, const struct store_chain *chain,
    struct published *out, struct snicert_error *err)
{
	*out = (struct published){0};
	if (tlsa_find(file, name, port, &out->found, err) != 0)
		return -1;
	for (size_t i = 0; i < out->found.count; i++) {
		const struct tlsa_entry *entry = out->found.list[i];
		const char *why = useless(&out->found, entry);

		if (why != NULL)
			snprintf(out->useless, sizeof(out->useless), "%s: %s", entry->where, why);
		else if (published_takes(entry, name, chain))
			out->state = PUBLISHED;
		else if (out->state == PUBLISHED_NONE)
			out->state = PUBLISHED_NOT;
	}
	return 0;
}

void
published_clear(struct published *published)
{
	tlsa_found_clear(&published->found);
}
