/* SPDX-License-Identifier: ISC */
/*
 * shop.h: servers to be fuzzed: contexts with the module attached in every way there
 * is, each beside one without it that has the same certificates of its own.
 */
#ifndef SHOP_H
#define SHOP_H

#include "fuzz.h"
#include "harness.h"

enum shop_attached {
	SHOP_ATTACHED,          /* as by snicert_attach() */
	SHOP_UNASKED,           /* as by openssl.cnf */
	SHOP_LATE,              /* as in Exim */
	SHOP_REFUSING,          /* unasked, `unknown = refuse` */
	SHOP_OVERRIDDEN,        /* attached, and then the host sets a ClientHello callback */
	SHOP_WAYS
};

enum shop_own { SHOP_OWN_BOTH, SHOP_OWN_RSA, SHOP_OWN_EC, SHOP_OWNS };

struct shop {
	struct world *poor, *rich;      /* without a fallback, and with */
	SSL_CTX *plain[SHOP_OWNS];
	SSL_CTX *with[2][SHOP_WAYS][SHOP_OWNS];         /* poor, rich */
};

/** Opened once in a process. */
const struct shop *shop_open(void);

/** Names that the store has, and some it has not; NULL behind the last. */
extern const char *const shop_names[];

/** Whether the store has chains that a name gets: exact or by wildcard. */
bool shop_knows(const char *name);

/** The store with a name for each kind of chain, `rich`: and a fallback. */
struct world *shop_world(bool rich);

#endif
