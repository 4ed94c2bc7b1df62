/* SPDX-License-Identifier: ISC */
/*
 * keyuri.c: keys that are elsewhere, through OSSL_STORE.  In the host's library context, unlike
 * other decoding (libctx.c): a token's provider is the host's.
 */
#include <openssl/store.h>

#include "keyuri.h"

EVP_PKEY *
keyuri_open(const char *uri)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
	EVP_PKEY *key = NULL;

	/* Before a token returns certificates, say. */
	if (store != NULL)
		OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	while (store != NULL && key == NULL && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (info == NULL)
			break;
		key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return key;
}
