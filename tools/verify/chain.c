/* SPDX-License-Identifier: ISC */
/*
 * chain.c: a chain of the store: its certificates, row, key and names.
 *
 * We don't compute a chain's identity again: it is the associated data of the sealed key, so if a
 * row's identity was changed, its key doesn't open.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "chain.h"
#include "date.h"
#include "intake/candidate.h"
#include "intake/check.h"
#include "intake/parse.h"
#include "intake/renewal.h"
#include "intake/torn.h"
#include "store/admin_status.h"
#include "verify/verify.h"
#include "x509/cert.h"
#include "x509/path.h"

#define DAY 86400
#define EXPIRING_DAYS 7

static X509 *
decode(const struct store_cert *row)
{
	X509 *cert = row->der.data == NULL ? NULL : parse_cert(row->der.data, row->der.length, row->digest);

	if (cert != NULL && i2d_X509(cert, NULL) != (int)row->der.length) { /* followed by more */
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* Whether all certificates are unchanged, and decode. */
static bool
take_certs(struct verify *v, const struct store_chain *row)
{
	unsigned char digest[STORE_DIGEST_LENGTH];
	const char *fault = row->cert_count == 0 ? "it has no certificate" : NULL;
	size_t at = 0;

	for (size_t i = 0; i < row->cert_count && fault == NULL; i++) {
		const struct store_cert *cert = &row->certs[i];

		at = i;
		if (EVP_Digest(cert->der.data, cert->der.length, digest, NULL, EVP_sha256(), NULL) != 1 ||
		    memcmp(digest, cert->digest, sizeof(digest)) != 0)
			fault = "its content was changed: it doesn't have its SHA-256 any more";
		else if ((v->certs[i] = decode(cert)) == NULL)
			fault = "it can't be decoded";
	}
	if (fault != NULL && row->cert_count == 0)
		verify_finding(v, VERIFY_ERROR, "certificate", VERIFY_IMPORT_AGAIN, "%s", fault);
	else if (fault != NULL)
		verify_finding(v, VERIFY_ERROR, "certificate", VERIFY_RESTORE ", or " VERIFY_IMPORT_AGAIN, "certificate %zu (%s): %s",
		    at + 1, at == 0 ? "the leaf" : "an intermediate", fault);
	return fault == NULL;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Whether the names column has the certificate's names, sorted, space-separated. */
static bool
names_agree(struct verify *v)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	struct candidate candidate = { .certs = certs };
	const char *at = v->chain->names;
	struct name *names = NULL;
	size_t count = 0;
	bool good = certs != NULL && sk_X509_push(certs, v->certs[0]) > 0 &&
	    candidate_names(&candidate, &names, &count, NULL, NULL) == 0;

	if (good && count > 1)
		qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; good && i < count; i++) {
		good = (i == 0 || *at++ == ' ') && strncmp(at, names[i].text, names[i].length) == 0;
		at += good ? names[i].length : 0;
	}
	good = good && *at == '\0';
	free(names);
	sk_X509_free(certs);
	return good;
}

/* The row's end is that of a certificate, and no earlier one expires before it: the system's roots
 * at import decided which of them clients need. */
static bool
dates_agree(const struct verify *v, size_t count)
{
	const struct admin_chain *chain = v->chain;

	if (cert_time(X509_get0_notBefore(v->certs[0])) != chain->not_before)
		return false;
	for (size_t i = 0; i < count; i++) {
		int64_t ends = cert_time(X509_get0_notAfter(v->certs[i]));

		if (ends < chain->not_after)
			return false;
		if (ends == chain->not_after && ends - cert_time(X509_get0_notBefore(v->certs[i])) == chain->lifetime)
			return true;
	}
	return false;
}

/* The row's columns for the leaf.  The module uses them. */
static bool
check_columns(struct verify *v, const struct store_chain *row)
{
	const struct admin_chain *chain = v->chain;
	const EVP_PKEY *key = X509_get0_pubkey(v->certs[0]);
	const char *type = key == NULL ? NULL : key_type_name(key), *column = NULL;
	unsigned char spki[STORE_DIGEST_LENGTH];
	char subject[256];

	if (X509_NAME_get_text_by_NID(X509_get_subject_name(v->certs[0]), NID_commonName, subject,
	    sizeof(subject)) < 0)
		subject[0] = '\0';
	if (chain->leaf == NULL || memcmp(chain->leaf, row->certs[0].digest, STORE_DIGEST_LENGTH) != 0)
		column = "fingerprint";
	else if (type == NULL || strcmp(type, chain->key_type) != 0)
		column = "key type";
	else if (chain->spki == NULL || spki_digest(v->certs[0], spki) != 0 ||
	    memcmp(spki, chain->spki, sizeof(spki)) != 0)
		column = "public key";
	else if (!dates_agree(v, row->cert_count))
		column = "validity";
	else if (!names_agree(v))
		column = "list of names";
	else if (strcmp(chain->subject, subject) != 0)
		column = "subject";
	if (column != NULL)
		verify_finding(v, VERIFY_ERROR, "column", VERIFY_RESTORE ", or " VERIFY_IMPORT_AGAIN,
		    "the %s in its row does not match its certificates", column);
	return column == NULL;
}

static void
check_links(struct verify *v, const struct store_chain *row)
{
	char label[300], issuer[300];

	if (row->cert_count == 1 && X509_check_issued(v->certs[0], v->certs[0]) != X509_V_OK)
		verify_finding(v, VERIFY_WARNING, "no-intermediate", "import it again with its intermediates",
		    "its leaf has no intermediates: clients may not find the path to a root");
	for (size_t i = 0; i + 1 < row->cert_count; i++) {
		if (cert_issued(v->certs[i + 1], v->certs[i]))
			continue;
		cert_label(v->certs[i], label, sizeof(label));
		cert_label(v->certs[i + 1], issuer, sizeof(issuer));
		verify_finding(v, VERIFY_ERROR, "link", "import it again with the right intermediates",
		    "%s is not signed by %s, which follows it", label, issuer);
	}
}

/* Asks the module's own code whether it can use the chain. */
static void
check_key(struct verify *v, const struct store_chain *row)
{
	struct snicert_error err = {0};
	struct chain *chain = NULL;

	if (row->key_uri == NULL && row->sealed_key.length < SEAL_OVERHEAD) {
		verify_finding(v, VERIFY_ERROR, "key", VERIFY_RESTORE ", or " VERIFY_IMPORT_AGAIN, "the sealed key is damaged");
		return;
	}
	if (row->key_uri == NULL && v->seal == NULL)
		return;
	if (row->key_uri == NULL && !seal_knows(v->seal, row->sealed_key.data, row->sealed_key.length)) {
		v->foreign_first = v->foreign++ == 0 ? v->chain->id : v->foreign_first;
		return;
	}
	if (chain_decode(v->codec, v->seal, row, &chain, &err) != 0)
		verify_finding(v, VERIFY_ERROR, "key",
		    row->key_uri != NULL ? "make the key readable, or import another chain" : VERIFY_IMPORT_AGAIN,
		    "%s%s%s", err.text, row->key_uri != NULL ? ": " : "",
		    row->key_uri != NULL ? row->key_uri : "");
	else if (key_is_torn(chain_key(chain)))
		verify_finding(v, VERIFY_ERROR, "key", row->key_uri != NULL ? "restore the undamaged key"
		    : "import a new certificate with a new key",
		    "its key has the public half of its leaf, but can't sign for it: it is damaged");
	chain_unref(chain);
}

static void
check_dates(struct verify *v, const struct store_chain *row)
{
	static const char renew[] = "import its renewal";
	const struct admin_chain *chain = v->chain;
	const struct status_near near = { EXPIRING_DAYS * DAY, STATUS_NEAR_WARNING_PART };
	char label[300], date[32];

	if (strcmp(chain->state, "active") != 0)
		return;
	date_print(date, sizeof(date), "%Y-%m-%d", chain->not_after);
	if (chain->not_after < v->now)
		verify_finding(v, VERIFY_ERROR, "expired", renew, "it expired on %s", date);
	else if (status_is_near(&near, chain->lifetime, chain->not_after, v->now))
		verify_finding(v, VERIFY_WARNING, "expiring", renew, "it expires on %s", date);
	if (chain->not_before > v->now)
		verify_finding(v, VERIFY_ERROR, "not-yet-valid", "check the clock, or bind another chain until then",
		    "it is not valid yet");
	for (size_t i = 1; i < row->cert_count; i++) {
		if (X509_cmp_time(X509_get0_notAfter(v->certs[i]), &v->now) >= 0)
			continue;
		cert_label(v->certs[i], label, sizeof(label));
		verify_finding(v, VERIFY_WARNING, "intermediate-expired", "import it with its issuer's new intermediate",
		    "the intermediate %s has expired", label);
	}
}

/* As reported when it was imported. */
static void
check_refused(struct verify *v, const struct store_chain *row)
{
	static char origin[] = "its certificate";
	struct candidate candidate = { .certs = sk_X509_new_null(), .origin = origin };
	struct findings findings = {0};
	bool good = candidate.certs != NULL && strcmp(v->chain->state, "active") == 0;

	for (size_t i = 0; good && i < row->cert_count; i++)
		good = sk_X509_push(candidate.certs, v->certs[i]) > 0;
	if (good && candidate_refused(&candidate, &findings) == 0)
		for (size_t i = 0; i < findings.count; i++)
			verify_finding(v, VERIFY_WARNING, findings.list[i].code, "import another certificate", "%s",
			    findings.list[i].text);
	findings_free(&findings);
	sk_X509_free(candidate.certs);
}

static int
check_binding(void *arg, const char *key, const char *key_type, int64_t id)
{
	struct verify *v = arg;
	char buffer[NAME_TEXT_SIZE];
	struct name name;
	size_t used = strlen(v->uncovered_names);

	(void)id;
	if (strcmp(key_type, v->chain->key_type) != 0)
		verify_finding(v, VERIFY_ERROR, "binding", "unbind that and bind it again", "%s is bound to it as %s",
		    tool_key_text(key, buffer), key_type);
	if (key[0] == '@') {
		v->fallback = v->fallback || key[1] == '\0';
		return 0;
	}
	if (!name_normalise_pattern(&name, key, strlen(key)) || strcmp(name.text, key) != 0) {
		verify_finding(v, VERIFY_ERROR, "binding", VERIFY_IMPORT_AGAIN,
		    "\"%s\" is bound to it, but no client can ask for that name", key);
		return 0;
	}
	if (!cert_names_cover(v->chain->names, &name) && v->uncovered++ < VERIFY_UNCOVERED)
		snprintf(v->uncovered_names + used, sizeof(v->uncovered_names) - used, "%s%s",
		    used == 0 ? "" : ", ", key);
	return 0;
}

static int
check_bindings(struct verify *v)
{
	bool active = strcmp(v->chain->state, "active") == 0;
	char more[40] = "";

	v->uncovered = 0;
	v->uncovered_names[0] = '\0';
	if (admin_bindings(v->admin, NULL, v->chain->id, check_binding, v, &v->err) != 0)
		return -1;
	if (v->uncovered > VERIFY_UNCOVERED)
		snprintf(more, sizeof(more), " and %" PRId64 " more", v->uncovered - VERIFY_UNCOVERED);
	if (v->uncovered > 0)
		verify_finding(v, VERIFY_WARNING, "not-covered", "unbind the names that are not bound on purpose",
		    "its certificate is not for %s%s, bound to it", v->uncovered_names, more);
	if (active != (v->chain->bindings > 0))
		verify_finding(v, VERIFY_ERROR, "state", active ? "bind it to a name, or remove it" : "unbind them and bind them again",
		    "it is %s, but %s bound to it", v->chain->state, active ? "nothing is" : "names are");
	return 0;
}

int
verify_chain(struct verify *v, const struct admin_chain *chain)
{
	const struct store_chain *row = &v->rows.chains[0];
	struct snicert_error err = {0};
	int status;

	v->chain = chain;
	snprintf(v->what, sizeof(v->what), "chain %" PRId64 "%s%.300s%s", chain->id,
	    chain->subject[0] != '\0' ? " (" : "", chain->subject, chain->subject[0] != '\0' ? ")" : "");
	if (admin_load(v->admin, chain->id, &v->rows, &err) != 0) {
		verify_finding(v, VERIFY_ERROR, "row", VERIFY_RESTORE, "%s", err.text);
	} else if (take_certs(v, row)) {
		check_links(v, row);
		if (check_columns(v, row))
			check_key(v, row);
		check_dates(v, row);
		check_refused(v, row);
	}
	status = check_bindings(v);
	for (size_t i = 0; i < STORE_CERTS_MOST; i++) {
		X509_free(v->certs[i]);
		v->certs[i] = NULL;
	}
	ERR_clear_error();
	v->chain = NULL;
	return status;
}
