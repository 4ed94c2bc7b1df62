/* SPDX-License-Identifier: ISC */
/*
 * assemble.h: from a bag of keys and certificates to chains ready for the store.
 *
 * A candidate is a key, its leaf and the intermediates, completed and in order;
 * "candidate" because the caller still decides, by the findings of
 * candidate_check, whether it goes into the store.
 */
#ifndef SNICERT_ASSEMBLE_H
#define SNICERT_ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "intake/pem.h"
#include "name.h"
#include "snicert.h"

/** The longest chain, leaf included. */
#define CANDIDATE_CHAIN_MAX 10

struct candidate {
	EVP_PKEY *key;
	const struct bag_key *from;   /* the same in its bag, which has to outlive this */
	STACK_OF(X509) *certs;        /* leaf, then intermediates in order; no root */
	char *origin;                 /* where the leaf was found */
	char *key_origin;
	unsigned char digest[32];     /* of the leaf */
	unsigned char spki[32];
	bool self_signed;             /* the leaf itself; then it is alone */
	bool rooted;                  /* the chain's root was seen (and left out) */
	int from_store;               /* how many of `certs` find_issuer supplied */
};

/**
 * The issuer of `cert` that the caller has elsewhere (the store), or NULL.  The
 * reference is the callee's gift; signature and names are checked here, so the
 * answer may be wrong.
 */
typedef X509 *find_issuer(void *arg, X509 *cert);

/**
 * Make a candidate of every key in the bag.
 *
 * Issuers come from the bag, then from `find` (may be NULL).  A key without leaf,
 * a leaf without key and a chain that doesn't link are errors; leftovers are
 * warnings of the bag.  Of several leaves for one key the newest is taken.
 * Returns 0 with *out and *count set (free with candidate_free_all), or -1 with
 * *err set and nothing to free.
 */
int assemble(struct bag *, find_issuer *find, void *arg, struct candidate **out, size_t *count,
    struct snicert_error *err);
void candidate_free_all(struct candidate *, size_t count);

/** "RSA", "RSA-PSS", "EC", "ED25519", "ED448", or NULL for what TLS servers can't use. */
const char *key_type_name(const EVP_PKEY *);

/** What a certificate is called in texts: its CN, else the whole subject, else a SAN. */
void cert_label(const X509 *, char *out, size_t size);

/** The same for its issuer. */
void cert_issuer_label(const X509 *, char *out, size_t size);

/** When a certificate begins or ends: Unix time, however far; 0 where it says no date. */
int64_t cert_time(const ASN1_TIME *);

/** Whether `issuer` really issued `cert`: names, key usage and signature. */
bool cert_issued(X509 *issuer, X509 *cert);

enum finding_level { FINDING_WARN, FINDING_ERROR };

/** `code` is a stable word for programs, `text` a sentence that ends with the mend. */
struct finding {
	enum finding_level level;
	bool forcible;                /* a person may overrule it (--force) */
	const char *code;
	char text[500];
};

/** All zero is an empty list. */
struct findings {
	struct finding *list;
	size_t count;
};

/** Adds one, unless an equal one is there.  Without memory it is lost, but see `errors`. */
void findings_add(struct findings *, enum finding_level, bool forcible, const char *code,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/** How many are errors that `force` doesn't overrule. */
size_t findings_errors(const struct findings *, bool force);
void findings_free(struct findings *);

/**
 * The names a candidate certifies, normalised, each once: the dNSNames of its SAN,
 * or its CN where there are none and the CN is a host name.  Names that no client
 * can send are left out; *findings (may be NULL) says so.
 * Returns 0 with *out (free() it) and *count set, which may be 0; or -1.
 */
int candidate_names(const struct candidate *, struct name **out, size_t *count,
    struct findings *, struct snicert_error *err);

/** All zero is right: now, and the library's own security level. */
struct check_options {
	time_t now;
	int security_level;           /* 1 to 5; 0: what a new SSL_CTX has here */
};

/**
 * Find what is wrong with a candidate, and what a person should know.
 *
 * The codes: errors "key-type", "curve", "weak-key", "weak-digest", "unusable", and
 * "expired" and "not-yet-valid", which are forcible; warnings "self-signed",
 * "ca-leaf", "cn-only", "no-name", "no-intermediate", "unknown-root",
 * "intermediate-expired", "short-life", "key-usage".
 * Safe in several threads.  Returns 0 however bad the candidate, -1 without memory.
 */
int candidate_check(const struct candidate *, const struct check_options *, struct findings *);

#endif
