/* SPDX-License-Identifier: ISC */
/*
 * mx_check.c: whether what is served for an MX host passes RFC 8461 section 4.2: the certificate
 * leads to a trusted root, hasn't expired, and has the host's name among its subject alternative
 * names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "store/admin_status.h"
#include "sts/mx_check.h"
#include "x509/cert.h"
#include "x509/path.h"

struct mx_check {
	struct simulator *served;
	X509_STORE *roots;
};

int
mx_check_open(struct mx_check **out, const struct simulator_options *options, struct snicert_error *err)
{
	struct mx_check *check = calloc(1, sizeof(*check));

	if (check == NULL || (check->roots = X509_STORE_new()) == NULL) {
		free(check);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	/* A system without roots trusts nobody: each verdict says so. */
	X509_STORE_set_default_paths(check->roots);
	ERR_clear_error();
	if (simulator_open(&check->served, options, err) != 0) {
		mx_check_close(check);
		return -1;
	}
	*out = check;
	return 0;
}

void
mx_check_close(struct mx_check *check)
{
	if (check == NULL)
		return;
	simulator_close(check->served);
	X509_STORE_free(check->roots);
	free(check);
}

/* How we found the chains that serve. */
static void
take_step(void *arg, enum hook_candidate what, const struct name *key, enum hook_verdict verdict,
    const struct answer *answer)
{
	static const char *const whats[] = { "exact name", "wildcard", "fallback of the address",
		"fallback of the program", "global fallback" };
	const char **served_by = arg;

	(void)key;
	(void)answer;
	if (verdict == HOOK_SERVED)
		*served_by = whats[what];
}

static int
verify(const struct mx_check *check, STACK_OF(X509) *certs, const char **reason)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int good = ctx != NULL && X509_STORE_CTX_init(ctx, check->roots, sk_X509_value(certs, 0), certs) == 1 &&
	    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1 && X509_verify_cert(ctx) == 1;

	*reason = good ? NULL : ctx == NULL ? "no memory"
	    : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static void
judge(const struct mx_check *check, const char *mx, STACK_OF(X509) *certs, struct mx_verdict *out)
{
	static const struct status_near near = { STATUS_NEAR_WARNING_DAYS * INT64_C(86400), STATUS_NEAR_WARNING_PART };
	X509 *leaf = sk_X509_value(certs, 0);
	const char *type = key_type_name(X509_get0_pubkey(leaf)), *reason = NULL;
	bool named = X509_check_host(leaf, mx, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
	struct path_end end;
	size_t used = 0;

	path_end(certs, &end);
	snprintf(out->key_type, sizeof(out->key_type), "%s", type == NULL ? "?" : type);
	X509_digest(leaf, EVP_sha256(), out->leaf, NULL);
	out->not_after = end.at;
	out->near = status_is_near(&near, end.lifetime, end.at, (int64_t)time(NULL));
	out->good = named;
	if (!named)
		used = (size_t)snprintf(out->reason, sizeof(out->reason), "not for this host");
	if (verify(check, certs, &reason) == 0) {
		out->good = false;
		snprintf(out->reason + used, sizeof(out->reason) - used, "%s%s", named ? "" : "; ", reason);
	}
}

static void
nothing(enum simulator_result result, struct mx_verdict *out)
{
	memset(out, 0, sizeof(*out));
	out->served_by = result == SIMULATOR_OWN ? "own certificate" : "nothing";
	snprintf(out->reason, sizeof(out->reason), "%s", result == SIMULATOR_OWN
	    ? "the server's own certificate, which is not in the store: set a fallback" : "refused: unrecognized_name");
}

static bool
is_there(const struct mx_verdict *verdicts, size_t count, const struct mx_verdict *verdict)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(verdicts[i].leaf, verdict->leaf, sizeof(verdict->leaf)) == 0)
			return true;
	return false;
}

/* One kind of client.  *out has no dates if the store has nothing for it. */
static int
check_client(struct mx_check *check, const char *mx, const char *sni, const char *profile,
    struct mx_verdict *out, struct snicert_error *err)
{
	STACK_OF(X509) *certs = NULL;
	const char *served_by = NULL;
	enum simulator_result result;

	memset(out, 0, sizeof(*out));
	if (simulator_ask(check->served, sni, simulator_profile(profile), take_step, &served_by, &result, &certs, err) != 0)
		return -1;
	if (result != SIMULATOR_STORE || sk_X509_num(certs) < 1) {
		nothing(result, out);
	} else {
		out->served_by = served_by;
		judge(check, mx, certs, out);
	}
	sk_X509_pop_free(certs, X509_free);
	return 0;
}

int
mx_check_host(struct mx_check *check, const char *mx, const char *sni,
    struct mx_verdict verdicts[MX_VERDICTS_MOST], size_t *count, struct snicert_error *err)
{
	static const char *const clients[MX_VERDICTS_MOST] = { "any", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa",
		"rsa-pss", "ed25519" };

	*count = 0;
	for (size_t i = 0; i < MX_VERDICTS_MOST && clients[i] != NULL; i++) {
		struct mx_verdict *verdict = &verdicts[*count];

		if (check_client(check, mx, sni, clients[i], verdict, err) != 0)
			return -1;
		if (verdict->not_after != 0 && !is_there(verdicts, *count, verdict))
			++*count;
	}
	/* Nobody gets any: say so. */
	return *count > 0 ? 0 : check_client(check, mx, sni, "any", &verdicts[(*count)++], err);
}
