/* SPDX-License-Identifier: ISC */
/* candidate.c: a chain that may go into the store, and the names it certifies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/candidate.h"

void
candidate_free_all(struct candidate *list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++) {
		EVP_PKEY_free(list[i].key);
		sk_X509_pop_free(list[i].certs, X509_free);
		X509_free(list[i].root);
		free(list[i].origin);
		free(list[i].key_origin);
	}
	free(list);
}

struct names {
	struct name *list;
	size_t count;
	bool dns;                     /* it had a dNSName, usable or not */
};

static int
names_add(struct names *names, const struct name *name)
{
	struct name *list = names->list;

	for (size_t i = 0; i < names->count; i++)
		if (name_equal(&list[i], name))
			return 0;
	if ((names->count & (names->count - 1)) == 0)
		list = reallocarray(list, names->count == 0 ? 1 : names->count * 2, sizeof(*list));
	if (list == NULL)
		return -1;
	names->list = list;
	list[names->count++] = *name;
	return 0;
}

/* Escaped for a terminal: a CA may have let any octets through. */
static void
escape(char *out, size_t size, const unsigned char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 5 < size; i++)
		if (text[i] > 0x20 && text[i] < 0x7f && text[i] != '\\')
			out[used++] = (char)text[i];
		else
			used += (size_t)snprintf(out + used, size - used, "\\x%02x", text[i]);
	out[used] = '\0';
}

static int
names_add_san(struct names *names, const struct candidate *c, const ASN1_IA5STRING *san,
    struct findings *findings)
{
	const unsigned char *text = ASN1_STRING_get0_data(san);
	size_t length = (size_t)ASN1_STRING_length(san);
	struct name name;
	char shown[300];

	names->dns = true;
	if (name_normalise_pattern(&name, (const char *)text, length))
		return names_add(names, &name);
	escape(shown, sizeof(shown), text, length);
	findings_add(findings, FINDING_WARN, false, "bad-name",
	    "%s: the SAN holds \"%s\", which isn't a host name: it is left out", c->origin, shown);
	return 0;
}

/* Require a dot, lest a "CN=Server" becomes a served name. */
static bool
cn_name(const X509 *cert, struct name *out)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int length;
	bool ok;

	if (at < 0)
		return false;
	length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	ok = length > 0 && name_normalise_pattern(out, (const char *)text, (size_t)length) &&
	    memchr(out->text, '.', out->length) != NULL;
	if (length >= 0)
		OPENSSL_free(text);
	return ok;
}

static int
names_add_cn(struct names *names, const struct candidate *c, X509 *leaf, struct findings *findings)
{
	struct name name;

	if (!cn_name(leaf, &name)) {
		findings_add(findings, FINDING_WARN, false, "no-name",
		    "%s: the certificate names no host; bind it by hand (--name)", c->origin);
		return 0;
	}
	findings_add(findings, FINDING_WARN, false, "cn-only",
	    "%s: no SAN but a CN (%s), which today's clients don't look at;"
	    " have it issued again with a SAN", c->origin, name.text);
	return names_add(names, &name);
}

int
candidate_names(const struct candidate *c, struct name **out, size_t *count,
    struct findings *findings, struct snicert_error *err)
{
	X509 *leaf = sk_X509_value(c->certs, 0);
	GENERAL_NAMES *list = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	struct names names = { NULL, 0, false };
	int rc = 0;

	for (int i = 0; rc == 0 && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *at = sk_GENERAL_NAME_value(list, i);

		if (at->type == GEN_DNS)
			rc = names_add_san(&names, c, at->d.dNSName, findings);
	}
	GENERAL_NAMES_free(list);
	if (rc == 0 && !names.dns)
		rc = names_add_cn(&names, c, leaf, findings);
	ERR_clear_error();
	if (rc != 0) {
		free(names.list);
		return error_set(err, SNICERT_EMEMORY, "out of memory");
	}
	*out = names.list;
	*count = names.count;
	return 0;
}
