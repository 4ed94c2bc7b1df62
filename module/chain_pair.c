/* SPDX-License-Identifier: ISC */
/*
 * chain_pair.c: decoding leaves two keys in a library context of ours, the leaf's public and the private one.
 * The library compares them each time that a connection takes them, and at each signature looks
 * algorithms up in our context and in the host's, whose tables push each other out of the
 * processor's caches: together a third of what a cached name costs.  So one pair takes the place of
 * both, in the host's default context.
 */
#include <string.h>

#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "chain_internal.h"
#include "error.h"

bool
chain_own_is_of_default(SSL *ssl)
{
	const EVP_PKEY *key = SSL_get_privatekey(ssl);
	const OSSL_PROVIDER *provider = key == NULL ? NULL : EVP_PKEY_get0_provider(key);

	return provider != NULL && strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0;
}

/*
 * A pair is as its private key is.  A leaf whose key is written otherwise keeps its own: the library looks
 * at that for what a client takes (compressed points, RFC 8422 section 5.1.1; explicit parameters) and
 * what may be signed (RSA-PSS, RFC 4055 section 1.2).
 */
static bool
is_written_alike(const struct chain *chain)
{
	const ASN1_BIT_STRING *point;

	if (chain->kind != KIND_EC)
		return chain->kind != KIND_RSA_PSS;
	point = X509_get0_pubkey_bitstr(chain->leaf);
	return chain_named_curve(chain->leaf) != NID_undef && point->length > 0 &&
	    point->data[0] == POINT_CONVERSION_UNCOMPRESSED &&
	    EVP_PKEY_get_ec_point_conv_form(chain->key) == POINT_CONVERSION_UNCOMPRESSED;
}

/*
 * In the process's context: a thread may have a default one of its own, which ends with it.  Of the default
 * provider: a token's may be there, too, and take a key without its private half.
 */
static EVP_PKEY_CTX *
maker_of(struct chain_codec *codec, enum chain_kind kind)
{
	EVP_PKEY_CTX **maker = &codec->makers[kind];

	if (*maker == NULL)
		*maker = EVP_PKEY_CTX_new_from_name(OSSL_LIB_CTX_get0_global_default(), chain_kinds[kind].key_type,
		    "provider=default");
	return *maker;
}

struct making {
	EVP_PKEY_CTX *maker;
	EVP_PKEY *pair;
};

/* Within the export, whose parameters are wiped as it ends; a copy of them would not be. */
static int
make(const OSSL_PARAM *params, void *arg)
{
	struct making *making = arg;

	return EVP_PKEY_fromdata_init(making->maker) == 1 &&
	    EVP_PKEY_fromdata(making->maker, &making->pair, EVP_PKEY_KEYPAIR, (OSSL_PARAM *)params) == 1;
}

/* Fills the object that the leaf has. */
int
chain_pair(struct chain_codec *codec, struct chain *chain, struct snicert_error *err)
{
	EVP_PKEY *of_leaf = X509_get0_pubkey(chain->leaf);
	struct making making = { .pair = of_leaf };

	chain_settle(chain);
	if (!is_written_alike(chain) || (making.maker = maker_of(codec, chain->kind)) == NULL)
		return 0;
	if (EVP_PKEY_export(chain->key, EVP_PKEY_KEYPAIR, make, &making) != 1)
		/* It is emptied before it is filled. */
		return EVP_PKEY_get0_provider(of_leaf) != NULL ? 0 :
		    error_set(err, SNICERT_EMEMORY, "no memory");
	if (making.pair == of_leaf)
		EVP_PKEY_up_ref(of_leaf);
	EVP_PKEY_free(chain->key);
	chain->key = making.pair;
	return 0;
}
