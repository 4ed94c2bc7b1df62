/* SPDX-License-Identifier: ISC */
/*
 * libctx.h: a library context of OpenSSL's for all that is ours.  The host's stays as
 * its configuration makes it: the first algorithm that is fetched there before its
 * providers are named would give it the default provider, FIPS or not.
 */
#ifndef SNICERT_LIBCTX_H
#define SNICERT_LIBCTX_H

#include <stddef.h>

#include <openssl/types.h>

/**
 * The context, which stays until the process ends, as hosts may keep our certificates;
 * keys in it are exported by OpenSSL to the host's providers as they are used first.
 * NULL, now and ever, where there was no memory to make it: never to be taken for the
 * default one.
 */
OSSL_LIB_CTX *libctx_get(void);

/** d2i_X509(), there. */
X509 *libctx_parse(const unsigned char **at, size_t length);

#endif
