/* SPDX-License-Identifier: ISC */
/* chain_install.c: puts chains on a connection, and the former ones back. */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "chain_internal.h"
#include "error.h"

#define SLOTS_MOST 16           /* OpenSSL has 9 certificate slots, more from 3.2 on */
#define RESERVE 8192            /* octets: room to put a few certificates back */

bool
chain_own_does_tls13(SSL *ssl)
{
	EVP_PKEY *key = SSL_get_privatekey(ssl);

	return key != NULL &&
	    (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || chain_ec_scheme(SSL_get_certificate(ssl), key) != 0);
}

/* What an SSL presented before, to be restored. */
struct chain_own {
	size_t count;
	struct slot {
		X509 *leaf;
		EVP_PKEY *key;
		STACK_OF(X509) *chain;
	} slot[SLOTS_MOST];
};

static bool
save_slot(SSL *ssl, struct slot *slot)
{
	STACK_OF(X509) *chain = NULL;

	slot->leaf = SSL_get_certificate(ssl);
	slot->key = SSL_get_privatekey(ssl);
	SSL_get0_chain_certs(ssl, &chain);
	slot->chain = chain == NULL ? NULL : X509_chain_up_ref(chain);
	X509_up_ref(slot->leaf);
	EVP_PKEY_up_ref(slot->key);
	return chain == NULL || slot->chain != NULL;
}

struct chain_own *
chain_own_save(SSL *ssl)
{
	struct chain_own *own = calloc(1, sizeof(*own));
	long more = own == NULL ? 0 : SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);

	while (more == 1 && own->count < SLOTS_MOST) {
		if (!save_slot(ssl, &own->slot[own->count++])) {
			chain_own_free(own);
			return NULL;
		}
		more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT);
	}
	return own;
}

void
chain_own_free(struct chain_own *own)
{
	if (own == NULL)
		return;
	for (size_t i = 0; i < own->count; i++) {
		X509_free(own->slot[i].leaf);
		EVP_PKEY_free(own->slot[i].key);
		sk_X509_pop_free(own->slot[i].chain, X509_free);
	}
	free(own);
}

void
chain_put_back(SSL *ssl, struct chain_own *own)
{
	SSL_certs_clear(ssl);
	/* SSL_use_cert_and_key crashes OpenSSL 3.2 to 3.6 from before April 2026 where the host's
	 * own key is an ML-DSA key (openssl#30683). */
	for (size_t i = 0; i < own->count; i++) {
		struct slot *slot = &own->slot[i];

		if (SSL_use_certificate(ssl, slot->leaf) == 1 && SSL_use_PrivateKey(ssl, slot->key) == 1 &&
		    slot->chain != NULL && SSL_set0_chain(ssl, slot->chain) == 1)
			slot->chain = NULL; /* taken */
	}
	chain_own_free(own);
}

/* How many of the chains the library accepts; *err says why it refused the first refused one. */
static size_t
use(SSL *ssl, struct chain *const *chains, size_t count, struct snicert_error *err)
{
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		if (SSL_use_cert_and_key(ssl, chains[i]->leaf, chains[i]->key, chains[i]->intermediates, 1) == 1)
			taken++;
		else if (err != NULL && err->code == SNICERT_OK)
			error_openssl(err, SNICERT_ECERT, "the library refuses the %s chain %s",
			    chain_kinds[chains[i]->kind].key_type, chains[i]->label);
	}
	return taken;
}

int
chain_install(SSL *ssl, struct chain *const *chains, size_t count, struct chain_own **own,
    struct snicert_error *err)
{
	struct chain_own *before = chain_own_save(ssl);
	/* Restoring what was there takes some memory: without it, leave it alone. */
	void *reserve = before == NULL ? NULL : OPENSSL_malloc(RESERVE);
	size_t taken;

	if (reserve == NULL) {
		chain_own_free(before);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	/* Clear all the former ones, or a client might get the host's ECDSA certificate beside our
	 * RSA one. */
	SSL_certs_clear(ssl);
	taken = use(ssl, chains, count, err);
	OPENSSL_free(reserve);
	if (taken == 0) {
		chain_put_back(ssl, before);
		return -1;
	}
	*own = before;
	return 0;
}
