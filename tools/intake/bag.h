/* SPDX-License-Identifier: ISC */
/*
 * bag.h: reading keys and certificates in any form.
 *
 * A bag holds the private keys and certificates found in any number of inputs, in order of
 * appearance, each once.  An input is PEM (several keys and leaves in any order, with text around),
 * PKCS#12, PKCS#7, or one certificate or key as DER or BER; its content decides, not its name.
 * assemble.h makes chains of a bag.
 *
 * Functions return 0, or -1 with *err set to what is wrong, where, and the fix.  If an input fails,
 * its bag may be incomplete: free it.  A bag belongs to one thread; what bags share, for example an
 * intermediate, never changes.
 */
#ifndef SNICERT_BAG_H
#define SNICERT_BAG_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "snicert.h"

/** The largest input; 64 MiB hold 30,000 certificates. */
#define BAG_INPUT_MAX ((size_t)64 << 20)

/** The longest passphrase OpenSSL's PEM readers take, in octets. */
#define BAG_PASSPHRASE_MAX 1023

/**
 * Where a passphrase comes from.
 *
 * `ask` is called for something encrypted in `what` (a file's name) that neither an empty
 * passphrase (PKCS#12) nor the bag's last one opens.  It returns a malloc()ed string that the bag
 * cleanses and frees, or NULL for none.
 */
struct passphrase_source {
	char *(*ask)(void *arg, const char *what);
	void *arg;
};

/** A key or certificate as found; `origin` is "path:line", or "path" for DER and PKCS#12. */
struct bag_key {
	EVP_PKEY *key;
	char *origin;
	unsigned char match[32];      /* the same for a key and its certificate */
	unsigned char *info;          /* its source PrivateKeyInfo, as the library would write it, or NULL */
	size_t info_length;
	bool torn;                    /* its private and public halves don't match (torn.h) */
};

struct bag_cert {
	X509 *cert;
	char *origin;
	unsigned char digest[32];     /* SHA-256 of its DER */
	unsigned char match[32];      /* equal to a key's: probably its certificate */
};

struct bag;

/** NULL without memory. */
struct bag *bag_new(void);
void bag_free(struct bag *);

/**
 * Add the keys and certificates of a file; "-" is standard input.
 *
 * Regular files, pipes and process substitutions work.  `source` may be NULL: no passphrase.  A
 * world-readable regular file with a private key gets a warning.  An input with neither key nor
 * certificate is an error.
 */
int bag_add_file(struct bag *, const char *path, const struct passphrase_source *source,
    struct snicert_error *err);

/** The same from memory; texts name it `origin`.  The caller cleanses `data`. */
int bag_add_mem(struct bag *, const char *origin, const unsigned char *data, size_t length,
    const struct passphrase_source *source, struct snicert_error *err);

/** Files that belong together; skips one with neither key nor certificate. */
int bag_add_group(struct bag *, const char *const *files, size_t count, const struct passphrase_source *source,
    struct snicert_error *err);

/** A key that the caller already has, e.g. in a token; `key` is borrowed. */
int bag_add_key(struct bag *, EVP_PKEY *key, const char *origin, struct snicert_error *err);

/** An item of another bag, as found there; once.  -1: no memory. */
int bag_copy_key(struct bag *, const struct bag_key *);
int bag_copy_cert(struct bag *, const struct bag_cert *);
int bag_copy(struct bag *, const struct bag *from);

/** Whether the failed input was complete, but had neither key nor certificate. */
bool bag_found_nothing(const struct bag *);

/** The bag's contents, lent until something is added. */
size_t bag_keys(const struct bag *);
size_t bag_certs(const struct bag *);
const struct bag_key *bag_key(const struct bag *, size_t i);
const struct bag_cert *bag_cert(const struct bag *, size_t i);

/** What a person should know but isn't an error, one or two sentences each. */
size_t bag_warnings(const struct bag *);
const char *bag_warning(const struct bag *, size_t i);
/** Keep only the first so many. */
void bag_unwarn(struct bag *, size_t kept);
void bag_warn(struct bag *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
