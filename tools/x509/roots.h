/* SPDX-License-Identifier: ISC */
/* roots.h: the roots that this system's clients know. */
#ifndef SNICERT_ROOTS_H
#define SNICERT_ROOTS_H

#include <stdbool.h>

#include <openssl/x509.h>

/** Whether this system has any. */
bool roots_any(void);

/** The one that is valid now and issued `cert`, with a reference; NULL: none. */
X509 *roots_find(X509 *cert);

/** Whether one of them that is valid now issued `cert`.  Safe in several threads. */
bool roots_issued(X509 *cert);

#endif
