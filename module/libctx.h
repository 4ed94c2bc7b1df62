/* SPDX-License-Identifier: ISC */
/*
 * libctx.h: an OpenSSL library context for everything of ours.  The host's stays as its
 * configuration makes it: fetching an algorithm there before its providers are named would give it
 * the default provider, FIPS or not.
 */
#ifndef SNICERT_LIBCTX_H
#define SNICERT_LIBCTX_H

#include <stddef.h>

#include <openssl/types.h>

/**
 * The context, which stays until the process ends, as hosts may keep our certificates.  OpenSSL
 * exports keys in it to the host's providers on first use, unless chain_pair() has moved them there.
 * NULL, now and ever, if there was no memory to make it: never treat that as the default one.
 */
OSSL_LIB_CTX *libctx_get(void);

/** What its provider is called where it isn't the default one itself. */
#define LIBCTX_PROVIDER "snicert"

/** d2i_X509(), in it. */
X509 *libctx_parse(const unsigned char **at, size_t length);

#endif
