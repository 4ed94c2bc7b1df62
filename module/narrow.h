/* SPDX-License-Identifier: ISC */
/* narrow.h: a library context of OpenSSL's in which a certificate is parsed fast. */
#ifndef SNICERT_NARROW_H
#define SNICERT_NARROW_H

#include <stddef.h>

#include <openssl/types.h>

/**
 * The context to parse certificates in, which stays until the process ends, as hosts
 * may keep our certificates; NULL is the default one, where there is nothing to
 * gain (OpenSSL 3.2 and later) or ours can't be had.
 */
OSSL_LIB_CTX *narrow_context(void);

/** d2i_X509(), in that context, or in the default one where its key is of another type. */
X509 *narrow_parse(const unsigned char **at, size_t length);

#endif
