/* SPDX-License-Identifier: ISC */
/*
 * verify.c: the whole store, chain by chain: nothing is held in memory but
 * the chain at hand.
 *
 * For programs the answer is
 *
 *     {"findings": [{"severity": "error" | "warning", "code": …, "chain": … | null,
 *       "what": …, "finding": …, "mend": … | null}, …],
 *      "chains": n, "names": n, "errors": n, "warnings": n}
 *
 * A chain's identity is not computed again: it is the associated data of the
 * sealed key, so a row whose identity was changed has a key that doesn't open.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "chain.h"
#include "date.h"
#include "error.h"
#include "intake/assemble.h"
#include "intake/parse.h"
#include "intake/pending_key.h"
#include "intake/renewal.h"
#include "intake/torn.h"
#include "show/report.h"
#include "store/admin_status.h"
#include "store/open.h"
#include "store/permissions.h"
#include "tool.h"
#include "x509/cert.h"

#define DAY 86400
#define EXPIRING_DAYS 7
#define LINKS 256               /* links among intermediates remembered as good */
#define UNCOVERED_SHOWN 3

/* An import takes a chain that is there for what it should be, hence the removal. */
#define RESTORE "`snicert restore` a backup"
#define IMPORT_AGAIN "`snicert remove --force` it and import it again"

struct verify {
	struct tool *tool;
	struct admin *admin;
	struct report *report;
	struct seal *seal;              /* NULL: the store key can't be read */
	struct chain_codec *codec;
	struct store_rows rows;
	time_t now;
	int64_t done, names, errors, warnings;
	int64_t foreign, foreign_first; /* chains sealed under a key we don't have */
	unsigned char links[LINKS][2 * STORE_DIGEST_LENGTH];
	bool fallback;

	/* The chain at hand. */
	const struct admin_chain *chain;
	char what[400];
	X509 *certs[STORE_CERTS_MOST];
	int64_t uncovered;
	char uncovered_names[UNCOVERED_SHOWN * 260];
	struct snicert_error err;
};

enum severity { WARNING, ERROR };

/* A finding on the chain at hand, or (chain NULL) on `what`.  `mend` may be NULL. */
static void
finding(struct verify *v, enum severity severity, const char *code, const char *mend,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void
finding(struct verify *v, enum severity severity, const char *code, const char *mend,
    const char *format, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (severity == ERROR)
		v->errors++;
	else
		v->warnings++;
	report_text(v->report, severity == ERROR ? "error" : "warning");
	report_text(v->report, code);
	if (v->chain != NULL)
		report_number(v->report, v->chain->id);
	else
		report_text(v->report, NULL);
	report_text(v->report, v->what);
	report_text(v->report, text);
	report_text(v->report, mend);
	report_row_end(v->report);
}

/* An error of safety.c or seal.c says the mend behind its last colon. */
static void
finding_of_file(struct verify *v, const char *what, const char *code, struct snicert_error *err)
{
	const char *mend = permissions_mend(err);

	snprintf(v->what, sizeof(v->what), "%s", what);
	finding(v, ERROR, code, mend == NULL ? "put it back, or run as who may read it" : mend, "%s", err->text);
}

static X509 *
decode(const struct store_cert *row)
{
	X509 *cert = row->der.data == NULL ? NULL : parse_cert(row->der.data, row->der.length, row->digest);

	if (cert != NULL && i2d_X509(cert, NULL) != (int)row->der.length) { /* more stands behind it */
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* Whether all certificates are what they were, and decode. */
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
		finding(v, ERROR, "certificate", IMPORT_AGAIN, "%s", fault);
	else if (fault != NULL)
		finding(v, ERROR, "certificate", RESTORE ", or " IMPORT_AGAIN, "certificate %zu (%s): %s",
		    at + 1, at == 0 ? "the leaf" : "an intermediate", fault);
	return fault == NULL;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Whether the names column has the certificate's names, sorted, a blank between. */
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

/* The row's end is that of one of the certificates, and no earlier one ends before it: which of
 * them clients need was told by the roots that the system had when it was imported. */
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

/* What the row says of the leaf.  The module goes by these columns. */
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
		finding(v, ERROR, "column", RESTORE ", or " IMPORT_AGAIN,
		    "the %s in its row is not its certificates'", column);
	return column == NULL;
}

/* Intermediates are few and shared: their signatures are checked once. */
static bool
link_good(struct verify *v, const struct store_chain *row, size_t i)
{
	unsigned char both[2 * STORE_DIGEST_LENGTH];
	unsigned char *known = v->links[row->certs[i].digest[0] % LINKS];
	X509 *cert = v->certs[i], *issuer = v->certs[i + 1];

	memcpy(both, row->certs[i].digest, STORE_DIGEST_LENGTH);
	memcpy(both + STORE_DIGEST_LENGTH, row->certs[i + 1].digest, STORE_DIGEST_LENGTH);
	if (i > 0 && memcmp(known, both, sizeof(both)) == 0)
		return true;
	if (X509_check_issued(issuer, cert) != X509_V_OK ||
	    X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
		return false;
	if (i > 0)
		memcpy(known, both, sizeof(both));
	return true;
}

static void
check_links(struct verify *v, const struct store_chain *row)
{
	char label[300], issuer[300];

	if (row->cert_count == 1 && X509_check_issued(v->certs[0], v->certs[0]) != X509_V_OK)
		finding(v, WARNING, "no-intermediate", "import it again with its intermediates",
		    "its leaf stands alone: clients may not find the way to its root");
	for (size_t i = 0; i + 1 < row->cert_count; i++) {
		if (link_good(v, row, i))
			continue;
		cert_label(v->certs[i], label, sizeof(label));
		cert_label(v->certs[i + 1], issuer, sizeof(issuer));
		finding(v, ERROR, "link", "import it again with the right intermediates",
		    "%s is not signed by %s, which follows it", label, issuer);
	}
}

/* The module's own code tells whether it can use the chain. */
static void
check_key(struct verify *v, const struct store_chain *row)
{
	struct snicert_error err = {0};
	struct chain *chain = NULL;

	if (row->key_uri == NULL && row->sealed_key.length < SEAL_OVERHEAD) {
		finding(v, ERROR, "key", RESTORE ", or " IMPORT_AGAIN, "the sealed key is damaged");
		return;
	}
	if (row->key_uri == NULL && v->seal == NULL)
		return;
	if (row->key_uri == NULL && !seal_knows(v->seal, row->sealed_key.data, row->sealed_key.length)) {
		v->foreign_first = v->foreign++ == 0 ? v->chain->id : v->foreign_first;
		return;
	}
	if (chain_decode(v->codec, v->seal, row, &chain, &err) != 0)
		finding(v, ERROR, "key",
		    row->key_uri != NULL ? "make the key readable, or import another chain" : IMPORT_AGAIN,
		    "%s%s%s", err.text, row->key_uri != NULL ? ": " : "",
		    row->key_uri != NULL ? row->key_uri : "");
	else if (key_is_torn(chain_key(chain)))
		finding(v, ERROR, "key", row->key_uri != NULL ? "put the sound key in its place"
		    : "import a new certificate with a new key",
		    "its key has the public half that its leaf has, but does not sign for it: it is damaged");
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
		finding(v, ERROR, "expired", renew, "it expired on %s", date);
	else if (status_is_near(&near, chain->lifetime, chain->not_after, v->now))
		finding(v, WARNING, "expiring", renew, "it expires on %s", date);
	if (chain->not_before > v->now)
		finding(v, ERROR, "not-yet-valid", "check the clock, or bind another chain meanwhile",
		    "it is not valid yet");
	for (size_t i = 1; i < row->cert_count; i++) {
		if (X509_cmp_time(X509_get0_notAfter(v->certs[i]), &v->now) >= 0)
			continue;
		cert_label(v->certs[i], label, sizeof(label));
		finding(v, WARNING, "intermediate-expired", "import it with its issuer's new intermediate",
		    "the intermediate %s has expired", label);
	}
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
		finding(v, ERROR, "binding", "unbind that and bind it again", "%s is bound to it as %s",
		    tool_key_text(key, buffer), key_type);
	if (key[0] == '@') {
		v->fallback = v->fallback || key[1] == '\0';
		return 0;
	}
	if (!name_normalise_pattern(&name, key, strlen(key)) || strcmp(name.text, key) != 0) {
		finding(v, ERROR, "binding", IMPORT_AGAIN,
		    "\"%s\" is bound to it, which no client can ask for", key);
		return 0;
	}
	if (!renewal_covers(v->chain->names, &name) && v->uncovered++ < UNCOVERED_SHOWN)
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
	if (v->uncovered > UNCOVERED_SHOWN)
		snprintf(more, sizeof(more), " and %" PRId64 " more", v->uncovered - UNCOVERED_SHOWN);
	if (v->uncovered > 0)
		finding(v, WARNING, "not-covered", "unbind what is not so on purpose",
		    "its certificate is not for %s%s, bound to it", v->uncovered_names, more);
	if (active != (v->chain->bindings > 0))
		finding(v, ERROR, "state", active ? "bind it to a name, or remove it" : "unbind them and bind them again",
		    "it is %s, but %s bound to it", v->chain->state, active ? "nothing is" : "names are");
	return 0;
}

static void
progress(const struct verify *v, const struct admin_totals *totals)
{
	if (v->tool->quiet || !isatty(STDERR_FILENO))
		return;
	if (totals == NULL)
		fprintf(stderr, "\r%40s\r", "");
	else if (v->done % 500 == 0)
		fprintf(stderr, "\r%" PRId64 " of %" PRId64 " chains …\r", v->done, totals->chains);
}

struct walk {
	struct verify *verify;
	struct admin_totals totals;
};

static int
check_chain(void *arg, const struct admin_chain *chain)
{
	struct walk *walk = arg;
	struct verify *v = walk->verify;
	const struct store_chain *row = &v->rows.chains[0];
	struct snicert_error err = {0};
	int status;

	progress(v, &walk->totals);
	v->done++;
	v->chain = chain;
	snprintf(v->what, sizeof(v->what), "chain %" PRId64 "%s%.300s%s", chain->id,
	    chain->subject[0] != '\0' ? " (" : "", chain->subject, chain->subject[0] != '\0' ? ")" : "");
	if (admin_load(v->admin, chain->id, &v->rows, &err) != 0) {
		finding(v, ERROR, "row", RESTORE, "%s", err.text);
	} else if (take_certs(v, row)) {
		check_links(v, row);
		if (check_columns(v, row))
			check_key(v, row);
		check_dates(v, row);
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

static void
take_fault(void *arg, const char *fault)
{
	struct verify *v = arg;

	/* SQLite puts several into one text, a line each, under a heading. */
	while (*fault != '\0') {
		size_t length = strcspn(fault, "\n");

		if (length > 0 && fault[0] != '*')
			finding(v, ERROR, "integrity", RESTORE, "%.*s", (int)length, fault);
		fault += length;
		fault += strspn(fault, "\n");
	}
}

static void
unsafe_file(void *arg, const char *what, struct snicert_error *err)
{
	finding_of_file(arg, what, "permissions", err);
}

static void
check_files(struct verify *v)
{
	struct snicert_error err = {0};

	permissions_files(v->tool->config->store_path, unsafe_file, v);
	if (open_key(v->tool, &v->seal, &err) != 0)
		finding_of_file(v, "store key", "store-key", &err);
}

static void
check_whole(struct verify *v)
{
	snprintf(v->what, sizeof(v->what), "store key");
	if (v->foreign > 0)
		finding(v, ERROR, "store-key", "put back the key file these were sealed under",
		    "%" PRId64 " chain%s sealed under another store key, chain %" PRId64 " for one", v->foreign,
		    v->foreign == 1 ? " is" : "s are", v->foreign_first);
	snprintf(v->what, sizeof(v->what), "fallback");
	if (!v->fallback)
		finding(v, WARNING, "no-fallback", "set one with `snicert default CHAIN`",
		    "there is none: a missing or unknown name gets the server's own certificate");
}

/* A key whose certificate is under way, and its TLSA record published. */
static int
check_waiting(void *arg, const struct admin_pending_key *key)
{
	struct verify *v = arg;
	struct snicert_error err = {0};
	EVP_PKEY *opened = NULL;

	snprintf(v->what, sizeof(v->what), "key %" PRId64 " (%.300s)", key->id, key->names);
	if (v->seal != NULL && pending_key_open(key, v->seal, &opened, &err) != 0)
		finding(v, ERROR, "waiting-key", "`snicert key remove` it and make another, or " RESTORE,
		    "the key can't be opened: %s", err.text);
	EVP_PKEY_free(opened);
	return 0;
}

static int
check_all(struct verify *v)
{
	struct walk walk = { .verify = v };
	int status;

	check_files(v);
	snprintf(v->what, sizeof(v->what), "store");
	if (admin_integrity(v->admin, take_fault, v, &v->err) != 0 ||
	    admin_totals(v->admin, &walk.totals, &v->err) != 0)
		return -1;
	v->names = walk.totals.names;
	status = admin_chains(v->admin, 0, NULL, check_chain, &walk, &v->err);
	progress(v, NULL);
	if (status == 0) {
		v->chain = NULL;
		status = admin_pending_keys(v->admin, 0, check_waiting, v, &v->err);
	}
	if (status == 0)
		check_whole(v);
	return status;
}

/* Writing brings an older schema up to date; who may not write can still look. */
static int
prepare(struct verify *v)
{
	bool writable = tool_may(v->tool->config->store_path, W_OK);

	v->now = time(NULL);
	v->codec = chain_codec_new(1u << 20);
	if (v->codec == NULL)
		return error_set(&v->err, SNICERT_EMEMORY, "no memory");
	return open_store(v->tool, writable ? ADMIN_WRITE : ADMIN_READ, &v->admin, &v->err);
}

static int
verify(struct verify *v)
{
	static const struct report_column columns[] = {
		{ "severity", "Severity", false }, { "code", NULL, false }, { "chain", NULL, true },
		{ "what", "What", false }, { "finding", "Finding", false }, { "mend", "Mend", false },
	};
	bool json = v->tool->json;
	int status;

	if (prepare(v) != 0)
		return tool_fail(&v->err);
	if (json)
		printf("{\"findings\": ");
	v->report = report_new(stdout, json, columns, 6);
	status = check_all(v);
	if (report_finish(v->report, &v->err) != 0)
		return tool_fail(&v->err);
	if (json)
		printf(", \"chains\": %" PRId64 ", \"names\": %" PRId64 ", \"errors\": %" PRId64
		    ", \"warnings\": %" PRId64 "}\n", v->done, v->names, v->errors, v->warnings);
	if (status != 0)
		return tool_fail(&v->err);
	if (!json)
		printf("%s%" PRId64 " chain%s, %" PRId64 " name%s: %" PRId64 " error%s, %" PRId64 " warning%s\n",
		    v->errors + v->warnings > 0 ? "\n" : "", v->done, v->done == 1 ? "" : "s", v->names,
		    v->names == 1 ? "" : "s", v->errors, v->errors == 1 ? "" : "s", v->warnings,
		    v->warnings == 1 ? "" : "s");
	return v->errors > 0 ? TOOL_NO : TOOL_DONE;
}

static int
cmd_verify(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct verify v = { .tool = tool };
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind < argc)
		return tool_usage(tool, "verify takes no arguments");
	status = verify(&v);
	chain_codec_free(v.codec);
	seal_free(v.seal);
	store_rows_free(&v.rows);
	admin_close(v.admin);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.run = cmd_verify,
	.arguments = "",
	.summary = "check the whole store",
	.traits = COMMAND_PRINTS,
};
