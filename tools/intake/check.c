/* SPDX-License-Identifier: ISC */
/*
 * check.c: what is wrong with a candidate, and what a person should know.  We ask the library what
 * it would refuse.  The only files read are the system's roots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/check.h"
#include "show/age.h"
#include "store/admin_status.h"
#include "x509/cert.h"
#include "x509/path.h"
#include "x509/roots.h"

/* --- checks: key type ---------------------------------------------------- */

/* openssl#30683: 3.2 to 3.6 before the releases after April 2026. */
static bool
crashes_on_provider_keys(void)
{
	unsigned minor = OPENSSL_version_minor(), patch = OPENSSL_version_patch();

	if (OPENSSL_version_major() != 3 || minor < 2 || minor > 6)
		return false;
	return minor <= 3 || (minor == 4 && patch < 6) || (minor == 5 && patch < 7) ||
	    (minor == 6 && patch < 3);
}

static bool
check_key_type(const struct candidate *c, struct findings *f)
{
	const char *type = EVP_PKEY_get0_type_name(c->key);

	if (key_type_name(c->key) != NULL)
		return true;
	if (EVP_PKEY_get_base_id(c->key) == EVP_PKEY_KEYMGMT && crashes_on_provider_keys())
		findings_add(f, FINDING_ERROR, false, "key-type",
		    "%s: OpenSSL %s crashes a server that is given a key of type %s (openssl#30683);"
		    " use an RSA, EC or Ed25519 key", c->key_origin, OpenSSL_version(OPENSSL_VERSION_STRING),
		    type == NULL ? "unknown" : type);
	else
		findings_add(f, FINDING_ERROR, false, "key-type",
		    "%s: keys of type %s aren't supported; use an RSA, EC or Ed25519 key",
		    c->key_origin, type == NULL ? "unknown" : type);
	return false;
}

/* TLS 1.3 has signatures for only three curves (RFC 8446 section 4.2.3). */
static bool
check_curve(const struct candidate *c, struct findings *f)
{
	static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
	char name[64] = "?";
	size_t length = 0;
	int explicit = 0;

	if (!EVP_PKEY_is_a(c->key, "EC"))
		return true;
	(void)EVP_PKEY_get_group_name(c->key, name, sizeof(name), &length);
	(void)EVP_PKEY_get_int_param(c->key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit);
	for (size_t i = 0; explicit != 1 && i < sizeof(curves) / sizeof(curves[0]); i++)
		if (strcmp(name, curves[i]) == 0)
			return true;
	findings_add(f, FINDING_ERROR, false, "curve",
	    "%s: TLS clients don't take the curve %s%s; use a key on P-256", c->key_origin, name,
	    explicit == 1 ? " spelled out as parameters" : "");
	return false;
}

/* --- checks: what the library would say ---------------------------------- */

static CRYPTO_ONCE scratch_once = CRYPTO_ONCE_STATIC_INIT;
static SSL_CTX *scratch;              /* never changes, so threads may share it */

static void
scratch_free(void)
{
	SSL_CTX_free(scratch);
	scratch = NULL;
}

static void
scratch_init(void)
{
	scratch = SSL_CTX_new(TLS_server_method());
	if (scratch != NULL)
		atexit(scratch_free);
}

struct verdict {
	int reason;
	const char *code;
	const char *text;
};

static const struct verdict verdicts[] = {
	{ SSL_R_EE_KEY_TOO_SMALL, "weak-key",
	    "the key is too weak for this system's security level; use RSA of 2048 bits or more, or P-256" },
	{ SSL_R_CA_KEY_TOO_SMALL, "weak-key",
	    "the key of an intermediate is too weak for this system's security level; get another chain" },
	{ SSL_R_CA_MD_TOO_WEAK, "weak-digest",
	    "signed with a digest (such as SHA-1) too weak for this system's security level; have it issued again" },
	{ SSL_R_UNKNOWN_CERTIFICATE_TYPE, "key-type",
	    "OpenSSL serves no keys of this type; use an RSA, EC or Ed25519 key" },
	{ SSL_R_PRIVATE_KEY_MISMATCH, "unusable",
	    "the private key isn't that of the certificate; give both from the same order" },
};

static void
add_refusal(const struct candidate *c, int why, int level, struct findings *f)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (why == verdicts[i].reason) {
			findings_add(f, FINDING_ERROR, false, verdicts[i].code, "%s: %s (level %d)",
			    c->origin, verdicts[i].text, level);
			return;
		}
	findings_add(f, FINDING_ERROR, false, "unusable",
	    "%s: OpenSSL can't serve this chain: %s; have it issued again", c->origin,
	    reason == NULL ? "no reason given" : reason);
}

/* Clients refuse this from level 1 on.  So does a server's own library, except OpenSSL 3.5 since
 * its releases of summer 2026. */
static bool
has_weak_digest(const struct candidate *c)
{
	for (int i = 0; i < sk_X509_num(c->certs); i++) {
		X509 *cert = sk_X509_value(c->certs, i);
		int bits;

		if ((X509_get_extension_flags(cert) & EXFLAG_SS) == 0 &&
		    X509_get_signature_info(cert, NULL, NULL, &bits, NULL) == 1 && bits < 80)
			return true;
	}
	return false;
}

/* Really installs the chain on a connection, as a handshake does. */
static int
check_installs(const struct candidate *c, int level, struct findings *f)
{
	STACK_OF(X509) *rest = sk_X509_dup(c->certs);
	X509 *leaf = rest == NULL ? NULL : sk_X509_shift(rest);
	SSL *ssl = NULL;

	if (CRYPTO_THREAD_run_once(&scratch_once, scratch_init) == 1 && scratch != NULL)
		ssl = SSL_new(scratch);
	if (leaf == NULL || ssl == NULL) {
		SSL_free(ssl);
		sk_X509_free(rest);
		return -1;
	}
	if (level != 0)
		SSL_set_security_level(ssl, level);
	ERR_clear_error();
	if (SSL_use_cert_and_key(ssl, leaf, c->key, rest, 1) != 1)
		add_refusal(c, ERR_GET_REASON(ERR_peek_last_error()), SSL_get_security_level(ssl), f);
	else if (SSL_get_security_level(ssl) > 0 && has_weak_digest(c))
		add_refusal(c, SSL_R_CA_MD_TOO_WEAK, SSL_get_security_level(ssl), f);
	ERR_clear_error();
	SSL_free(ssl);
	sk_X509_free(rest);
	return 0;
}

/* --- checks: dates ------------------------------------------------------- */

static void
day(const ASN1_TIME *at, char out[16])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
		strcpy(out, "?");
}

/* The chain's end may be that of an intermediate. */
static void
check_end(const struct candidate *c, time_t now, struct findings *f)
{
	static const struct status_near near = { STATUS_NEAR_WARNING_DAYS * INT64_C(86400), STATUS_NEAR_WARNING_PART };
	struct path_end end;
	char label[200], date[16], left[AGE_SIZE];
	X509 *cert;

	path_end(c->certs, &end);
	if (end.at <= now || !status_is_near(&near, end.lifetime, end.at, now))
		return;
	cert = sk_X509_value(c->certs, end.which);
	age_text(end.at - now, left);
	day(X509_get0_notAfter(cert), date);
	if (end.which == 0) {
		findings_add(f, FINDING_WARN, false, "short-life",
		    "%s: less than a third of its life is left, it expires on %s (%s); renew it", c->origin, date,
		    left);
		return;
	}
	cert_label(cert, label, sizeof(label));
	findings_add(f, FINDING_WARN, false, "short-life",
	    "%s: the intermediate %s expires on %s (%s), and the chain with it, before its leaf; get the CA's"
	    " current chain file", c->origin, label, date, left);
}

static void
check_dates(const struct candidate *c, time_t now, struct findings *f)
{
	X509 *leaf = sk_X509_value(c->certs, 0);
	const ASN1_TIME *from = X509_get0_notBefore(leaf), *to = X509_get0_notAfter(leaf);
	char date[16];

	if (X509_cmp_time(to, &now) <= 0) {
		day(to, date);
		findings_add(f, FINDING_ERROR, true, "expired",
		    "%s: expired on %s; renew it, or import it with --force", c->origin, date);
	} else if (X509_cmp_time(from, &now) > 0) {
		day(from, date);
		findings_add(f, FINDING_ERROR, true, "not-yet-valid",
		    "%s: not valid before %s; stage it until then, check the clock, or use --force",
		    c->origin, date);
	} else {
		check_end(c, now, f);
	}
}

static void
check_intermediate_dates(const struct candidate *c, time_t now, struct findings *f)
{
	for (int i = 1; i < sk_X509_num(c->certs); i++) {
		X509 *cert = sk_X509_value(c->certs, i);
		char label[200];

		if (X509_cmp_time(X509_get0_notAfter(cert), &now) > 0)
			continue;
		cert_label(cert, label, sizeof(label));
		findings_add(f, FINDING_WARN, false, "intermediate-expired",
		    "%s: the intermediate %s has expired; get the CA's current chain file",
		    c->origin, label);
	}
}

/* --- checks: the way to a root ------------------------------------------- */

static void
check_rooted(const struct candidate *c, struct findings *f)
{
	int count = sk_X509_num(c->certs);
	X509 *last = sk_X509_value(c->certs, count - 1);
	char issuer[200];

	if (c->self_signed || c->rooted || c->known)
		return;
	cert_issuer_label(last, issuer, sizeof(issuer));
	if (count == 1)
		findings_add(f, FINDING_WARN, false, "no-intermediate",
		    "%s: the intermediate is missing, and the issuer, %s, is not a root that this system knows,"
		    " so clients can't verify it; add the CA's chain file (fullchain)", c->origin, issuer);
	else if (roots_any())
		findings_add(f, FINDING_WARN, false, "unknown-root",
		    "%s: the chain ends below %s, which is not a root that this system knows; right for a CA"
		    " of your own, else add the intermediate that is missing", c->origin, issuer);
}

/* --- checks: the leaf ---------------------------------------------------- */

static void
check_leaf(const struct candidate *c, struct findings *f)
{
	X509 *leaf = sk_X509_value(c->certs, 0);
	uint32_t usage = X509_get_key_usage(leaf), extended = X509_get_extended_key_usage(leaf);

	if (c->self_signed)
		findings_add(f, FINDING_WARN, false, "self-signed",
		    "%s: self-signed; right with DANE (publish the TLSA record), else get one from a CA",
		    c->origin);
	if (X509_get_extension_flags(leaf) & EXFLAG_CA)
		findings_add(f, FINDING_WARN, false, "ca-leaf",
		    "%s: marked as CA, as \"openssl req -x509\" makes it, and some clients refuse that;"
		    " issue it with basicConstraints=CA:FALSE", c->origin);
	if (!(usage & (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)))
		findings_add(f, FINDING_WARN, false, "key-usage",
		    "%s: its keyUsage forbids digital signatures, as TLS needs them;"
		    " have it issued for servers", c->origin);
	else if (!(usage & KU_DIGITAL_SIGNATURE))
		findings_add(f, FINDING_WARN, false, "key-usage",
		    "%s: its keyUsage lacks digitalSignature, so TLS 1.3 clients may refuse it;"
		    " have it issued for servers", c->origin);
	if (!(extended & (XKU_SSL_SERVER | XKU_ANYEKU)))
		findings_add(f, FINDING_WARN, false, "key-usage",
		    "%s: its extendedKeyUsage excludes serverAuth; have it issued for servers", c->origin);
}

/* --- checks: what clients would refuse ----------------------------------- */

/* RFC 7633: clients that heed it want a stapled OCSP response, which servers don't get. */
static void
check_must_staple(const struct candidate *c, struct findings *f)
{
	TLS_FEATURE *features = X509_get_ext_d2i(sk_X509_value(c->certs, 0), NID_tlsfeature, NULL, NULL);
	bool wanted = false;

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
		long feature = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i));

		wanted = wanted || feature == TLSEXT_TYPE_status_request || feature == 17; /* status_request_v2 */
	}
	TLS_FEATURE_free(features);
	if (wanted)
		findings_add(f, FINDING_WARN, false, "must-staple",
		    "%s: marked as must-staple (RFC 7633), but no OCSP response is stapled here, so strict clients"
		    " (GnuTLS, Thunderbird) refuse it; have it issued without", c->origin);
}

struct objection {
	int error;
	const char *code;
	const char *text;
};

/* What the library reports in strict mode and clients in use refuse. */
static const struct objection objections[] = {
	{ X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL, "san-critical",
	    "has an empty subject and beside it a subject alternative name that isn't critical (RFC 5280 section"
	    " 4.2.1.6), which Java refuses; have it issued again" },
	{ X509_V_ERR_PERMITTED_VIOLATION, "name-constraints",
	    "has names that its CA may not certify, so clients refuse it; get it from another CA" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, "name-constraints",
	    "has names that its CA may not certify, so clients refuse it; get it from another CA" },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, "ca-limits",
	    "stands above more CAs than it allows, so clients refuse the chain; get another chain" },
	{ X509_V_ERR_INVALID_CA, "ca-limits", "is no CA, so clients refuse what it issued; get another chain" },
	{ X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "critical-extension",
	    "has a critical extension that clients don't know, so they refuse it; have it issued again" },
	{ X509_V_ERR_INVALID_EXTENSION, "bad-extension",
	    "has an extension that can't be read, so clients refuse it; have it issued again" },
	{ X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, "unusable-signature",
	    "bears a signature of another kind than its issuer's key makes; have it issued again" },
};

struct hearing {
	const struct candidate *candidate;
	struct findings *findings;
};

static int
take_objection(int ok, X509_STORE_CTX *ctx)
{
	const struct hearing *h = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	char label[200] = "it";

	for (size_t i = 0; ok == 0 && i < sizeof(objections) / sizeof(objections[0]); i++) {
		if (objections[i].error != error)
			continue;
		if (cert != NULL)
			cert_label(cert, label, sizeof(label));
		findings_add(h->findings, FINDING_WARN, false, objections[i].code, "%s: %s %s", h->candidate->origin,
		    label, objections[i].text);
	}
	return 1;
}

/* The root, if known; the library doesn't judge a lone certificate. */
static X509 *
anchor_of(const struct candidate *c)
{
	X509 *last = sk_X509_value(c->certs, sk_X509_num(c->certs) - 1);
	X509 *root = c->root == NULL ? roots_find(last) : NULL;

	if (root != NULL)
		return root;
	root = c->root == NULL ? last : c->root;
	X509_up_ref(root);
	return root;
}

/* X509_STORE_set_verify(3): signatures were verified as the chain was put together, and dates are checked
 * by themselves. */
static int
verify_no_more(X509_STORE_CTX *ctx)
{
	(void)ctx;
	return 1;
}

/* The library verifies it like a strict client that trusts the root, or the chain's last. */
static int
check_strictly(const struct candidate *c, struct findings *f)
{
	struct hearing hearing = { c, f };
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *anchor = anchor_of(c);
	int rc = -1;

	if (store != NULL)
		X509_STORE_set_verify(store, verify_no_more);
	if (store != NULL && ctx != NULL && X509_STORE_add_cert(store, anchor) == 1 &&
	    X509_STORE_CTX_init(ctx, store, sk_X509_value(c->certs, 0), c->certs) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN);
		X509_STORE_CTX_set_app_data(ctx, &hearing);
		X509_STORE_CTX_set_verify_cb(ctx, take_objection);
		(void)X509_verify_cert(ctx);
		rc = 0;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(anchor);
	return rc;
}

/* A host that `name` matches: itself unless it is a wildcard. */
static const char *
host_of(const struct name *name, struct name *host)
{
	*host = *name;
	if (host->text[0] == '*')
		host->text[0] = 'a';
	return host->text;
}

/* Names are normalised: the rest of "mx.example." matches here, but with no client. */
static void
check_hosts(const struct candidate *c, const struct name *names, size_t count, struct findings *f)
{
	X509 *leaf = sk_X509_value(c->certs, 0);
	struct name host;

	for (size_t i = 0; i < count; i++) {
		if (X509_check_host(leaf, host_of(&names[i], &host), 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1)
			continue;
		findings_add(f, FINDING_WARN, false, "no-client",
		    "%s: no client accepts it for %s, as its name is written there; have it issued again", c->origin,
		    names[i].text);
	}
}

static void
check_key_whole(const struct candidate *c, struct findings *f)
{
	if (c->from != NULL && c->from->torn)
		findings_add(f, FINDING_ERROR, false, "key-broken",
		    "%s: the key has the public half that its certificate has, but does not sign for it: it is"
		    " damaged; take it from a backup, or get a new key and certificate", c->key_origin);
}

int
candidate_refused(const struct candidate *c, struct findings *f)
{
	struct name *names = NULL;
	size_t count;

	check_must_staple(c, f);
	if (check_strictly(c, f) != 0 || candidate_names(c, &names, &count, f, NULL) != 0)
		return -1;
	check_hosts(c, names, count, f);
	free(names);
	ERR_clear_error();
	return 0;
}

int
candidate_check(const struct candidate *c, const struct check_options *options, struct findings *f)
{
	time_t now = options == NULL || options->now == 0 ? time(NULL) : options->now;

	/* Only a known key type may reach SSL_use_cert_and_key. */
	if (check_key_type(c, f) && check_curve(c, f) &&
	    check_installs(c, options == NULL ? 0 : options->security_level, f) != 0)
		return -1;
	check_key_whole(c, f);
	check_dates(c, now, f);
	check_intermediate_dates(c, now, f);
	check_leaf(c, f);
	check_rooted(c, f);
	return candidate_refused(c, f);
}
