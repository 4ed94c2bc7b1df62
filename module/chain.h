/* SPDX-License-Identifier: ISC */
/*
 * chain.h: from the store's bytes to X509 and EVP_PKEY, and from there onto an SSL.  Knows no
 * database.  Once decoded, only a chain's number changes; names, threads and handshakes share it by
 * reference.
 */
#ifndef SNICERT_CHAIN_H
#define SNICERT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "hello.h"
#include "seal.h"
#include "store.h"

struct chain;

/** Decoders and shared intermediates; used by one thread at a time. */
struct chain_codec;

/** `memory`: octets for shared intermediates; beyond it they count with their chains. */
struct chain_codec *chain_codec_new(size_t memory);
void chain_codec_free(struct chain_codec *);

/**
 * Decode a chain of the store: parse certificates, open the key, check that they match.  Returns 0
 * with *out holding one reference, or -1 with *err set (SNICERT_EKEY for trouble with the store
 * key).
 */
int chain_decode(struct chain_codec *, const struct seal *, const struct store_chain *row,
    struct chain **out, struct snicert_error *err);

/**
 * The same in two steps: a key elsewhere stays there until chain_open_key fetches it, through
 * foreign code (a token's, over a network) that must not run under a lock.  Until then the chain
 * has no key and is private.
 */
int chain_decode_here(struct chain_codec *, const struct seal *, const struct store_chain *row,
    struct chain **out, struct snicert_error *err);
int chain_open_key(struct chain *, const char *uri, struct snicert_error *err);

/**
 * Make a decoded chain, which nobody else has yet, cheap to present: its private key and its leaf's
 * public one become one object in the host's default library context.  Call it only once the host
 * is seen to use the default provider: else this would load it there (libctx.h).  If it can't be
 * done the chain stays as it is.  Returns 0, or -1 with *err set and the chain of no use.
 */
int chain_pair(struct chain_codec *, struct chain *, struct snicert_error *err);

/** Whether chain_pair() was called, or need not be; and to let it need not be. */
bool chain_is_settled(const struct chain *);
void chain_settle(struct chain *);

/**
 * Find out, for the children of a process that parses no chain itself, what would cost each of them
 * more than its chain: for the first row of each key type how that is decoded, and for each row its
 * intermediates.  Needs the store key, if one is needed, in `seal`, and leaves keys elsewhere alone.
 */
void chain_codec_prepare(struct chain_codec *, const struct seal *, const struct store_chain *row);

struct chain *chain_ref(struct chain *);
void chain_unref(struct chain *);

const unsigned char *chain_identity(const struct chain *);      /* STORE_DIGEST_LENGTH octets */
/** Its number in the store: all that may change, if one is removed and comes back. */
int64_t chain_number(const struct chain *);
void chain_renumber(struct chain *, int64_t number);
/** The tool's name for it: the start of the leaf's SHA-256, 16 hexadecimal digits. */
#define CHAIN_LABEL_SIZE 17
const char *chain_label(const struct chain *);
void chain_label_of(const unsigned char *digest, char out[CHAIN_LABEL_SIZE]);
const char *chain_key_type(const struct chain *);
const unsigned char *chain_digest(const struct chain *);        /* SHA-256 of the leaf's DER */
X509 *chain_leaf(const struct chain *);                         /* lent */
EVP_PKEY *chain_key(const struct chain *);                      /* lent */
int64_t chain_not_after(const struct chain *);                  /* Unix time */
size_t chain_memory(const struct chain *);                      /* octets, about, rounded up */

/**
 * Whether the peer of `ssl` can use a chain: its protocol version, signature algorithms (for
 * certificates, too, if certsigs_note was called) and, up to TLS 1.2, ciphers and curves (RFC 8446
 * section 4.4.2.2, RFC 5246 section 7.4.2).  Call from the certificate callback, where all are
 * known.
 */
bool chain_usable(const struct chain *, SSL *ssl);

/**
 * The same as far as the ClientHello tells, before the library has read it: whether to take the
 * certificate callback of `ssl` at all.  In doubt the answer is yes.
 */
bool chain_offered(const struct chain *, SSL *ssl, const struct hello *);

/**
 * Whether the library offers TLS 1.3 because of the certificate that an SSL has.  It may do so even
 * if the answer is no: for other certificates or reasons.
 */
bool chain_own_does_tls13(SSL *ssl);

/** Whether the key of an SSL's certificate is OpenSSL's default provider's. */
bool chain_own_is_of_default(SSL *ssl);

/** An SSL's certificates, with their keys and chains; NULL if out of memory. */
struct chain_own;
struct chain_own *chain_own_save(SSL *ssl);

/**
 * Present only these chains on `ssl`; leave out those that the library refuses (weaker than its
 * security level, say), with the first reason in *err.  Returns 0 with *own set, for chain_put_back
 * or chain_own_free, if any was accepted.  Else -1 with *err set, and `ssl` has its former
 * certificates back.
 */
int chain_install(SSL *ssl, struct chain *const *chains, size_t count, struct chain_own **own,
    struct snicert_error *err);

/** Present only those again; frees them. */
void chain_put_back(SSL *ssl, struct chain_own *);
void chain_own_free(struct chain_own *);

/**
 * Write leaf, intermediates and the private key, unencrypted, as PEM.  A key in a token can't be
 * exported.  Returns 0 or -1 with *err set.
 */
int chain_write_pem(const struct chain *, BIO *out, struct snicert_error *err);

#endif
