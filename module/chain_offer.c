/* SPDX-License-Identifier: ISC */
/* chain_offer.c: whether a client can use a chain, by its offer. */
#include <openssl/objects.h>
#include <openssl/ssl.h>

#include "certsigs.h"
#include "chain_internal.h"

/* Whether this key can make a TLS 1.3 signature scheme (RFC 8446 section 4.2.3). */
static bool
scheme_fits(const struct chain *chain, unsigned scheme)
{
	switch (chain->kind) {
	case KIND_RSA:
		return scheme >= 0x0804 && scheme <= 0x0806;
	case KIND_RSA_PSS:
		return scheme >= 0x0809 && scheme <= 0x080b;
	case KIND_EC:
		return scheme == chain->ec_scheme;
	case KIND_ED25519:
		return scheme == 0x0807;
	case KIND_ED448:
		return scheme == 0x0808;
	default:
		return false;
	}
}

static bool
shares_scheme(const struct chain *chain, SSL *ssl)
{
	unsigned char low, high;
	int count = SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, &low, &high);

	for (int i = 0; i < count; i++) {
		SSL_get_shared_sigalgs(ssl, i, NULL, NULL, NULL, &low, &high);
		if (scheme_fits(chain, (unsigned)high << 8 | low))
			return true;
	}
	return false;
}

/* What a client offers, up to TLS 1.2. */
struct offer {
	STACK_OF(SSL_CIPHER) *ciphers;
	int version;
	bool has_group;         /* a common one, as far as is known */
};

/*
 * Whether the library will use a cipher that both have.  ECDHE also needs a common group: with a
 * client that names none OpenSSL does no ECDHE, whatever RFC 8422 (section 4) allows.  Whether the
 * host has DHE parameters can't be queried: `with_dhe` says what to assume.
 */
static bool
will_do(SSL *ssl, const struct offer *offer, const SSL_CIPHER *cipher, bool with_dhe)
{
	static const int bits_of_level[] = { 0, 80, 112, 128, 192, 256 };
	int level = SSL_get_security_level(ssl), kx = SSL_CIPHER_get_kx_nid(cipher);

	/* SSL_CTX_set_security_level(3); level 3 and up require forward secrecy. */
	if (level > 5 || SSL_CIPHER_get_bits(cipher, NULL) < bits_of_level[level] ||
	    (level >= 3 && kx == NID_kx_rsa))
		return false;
	if (offer->version < TLS1_2_VERSION && strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.2") == 0)
		return false;
	switch (kx) {
	case NID_kx_ecdhe:
		return offer->has_group;
	case NID_kx_dhe:
		return with_dhe;
	case NID_kx_any: /* of TLS 1.3 */
		return false;
	default:
		return true;
	}
}

/* Whether they share a cipher for this authentication; auth_nid NID_auth_any: for any. */
static bool
shares_cipher_of(SSL *ssl, const struct offer *offer, int auth_nid, bool without_kx_rsa, bool with_dhe)
{
	STACK_OF(SSL_CIPHER) *peer = offer->ciphers, *own = SSL_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(peer); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(peer, i);

		if ((auth_nid != NID_auth_any && SSL_CIPHER_get_auth_nid(cipher) != auth_nid) ||
		    (without_kx_rsa && SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa) ||
		    !will_do(ssl, offer, cipher, with_dhe))
			continue;
		for (int j = 0; j < sk_SSL_CIPHER_num(own); j++)
			if (sk_SSL_CIPHER_value(own, j) == cipher)
				return true;
	}
	return false;
}

/* DHE counts only if nothing else is shared: without parameters it would serve nobody. */
static bool
shares_cipher(const struct chain *chain, SSL *ssl, const struct offer *offer)
{
	int auth = chain_kinds[chain->kind].auth_nid;
	bool without_kx_rsa = chain->kind == KIND_RSA_PSS;

	return shares_cipher_of(ssl, offer, auth, without_kx_rsa, false) ||
	    (!shares_cipher_of(ssl, offer, NID_auth_any, false, false) &&
	        shares_cipher_of(ssl, offer, auth, without_kx_rsa, true));
}

/* Before TLS 1.2 there was only plain RSA and ECDSA. */
static bool
is_of_tls10(const struct chain *chain)
{
	return chain->kind == KIND_RSA || chain->kind == KIND_EC;
}

/*
 * Up to TLS 1.2 the library, as server and as client, has no ECDSA cipher for a leaf whose keyUsage
 * forbids signatures, or has no keyUsage that it can read (RFC 8422 section 5.3).  Of RSA it does
 * not ask.
 */
static bool
may_authenticate(const struct chain *chain)
{
	return chain->may_sign || chain_kinds[chain->kind].auth_nid != NID_auth_ecdsa;
}

bool
chain_usable(const struct chain *chain, SSL *ssl)
{
	struct offer offer = { .ciphers = SSL_get_client_ciphers(ssl), .version = SSL_version(ssl) };
	int verdict;

	if (offer.version >= TLS1_2_VERSION && !certsigs_taken(ssl, chain->leaf, chain->key, chain->signature))
		return false;
	if (offer.version >= TLS1_3_VERSION)
		return shares_scheme(chain, ssl);
	offer.has_group = SSL_get_shared_group(ssl, 0) != NID_undef;
	if ((offer.version < TLS1_2_VERSION && !is_of_tls10(chain)) || !may_authenticate(chain) ||
	    !shares_cipher(chain, ssl, &offer))
		return false;
	/* OpenSSL's own verdict on the key type, for clients that name signature algorithms and for
	 * those too old to; and on the curve of an EC key. */
	verdict = SSL_check_chain(ssl, chain->leaf, chain->key, NULL);
	return (verdict & CERT_PKEY_SIGN) != 0 &&
	    (chain->kind != KIND_EC || (verdict & CERT_PKEY_EE_PARAM) != 0);
}

/* Whether this key can make a TLS 1.2 signature algorithm (RFC 5246 section 7.4.1.4.1; RFC 8446
 * section 4.2.3 for later ones), whatever its curve. */
static bool
algorithm_fits(const struct chain *chain, unsigned algorithm)
{
	switch (chain->kind) {
	case KIND_RSA:
		return (algorithm & 0xff) == 1 || scheme_fits(chain, algorithm);
	case KIND_EC:
		return (algorithm & 0xff) == 3;
	default:
		return scheme_fits(chain, algorithm);
	}
}

static bool
offers_algorithm(const struct chain *chain, const struct hello *hello)
{
	const struct hello_list *list = &hello->sigalgs;

	if (list->count == HELLO_LIST_MOST)
		return true;
	if (!list->is_there)
		return hello->version < TLS1_3_VERSION && is_of_tls10(chain);
	for (size_t i = 0; i < list->count; i++)
		if (hello->version >= TLS1_3_VERSION ? scheme_fits(chain, list->value[i])
		    : algorithm_fits(chain, list->value[i]))
			return true;
	return false;
}

/* Up to TLS 1.2 a client that names groups accepts no other curve in a certificate (RFC 8422
 * section 5.1); those of ec_scheme are numbered from 23 up, as their schemes are. */
static bool
offers_curve(const struct chain *chain, const struct hello *hello)
{
	return !hello->groups.is_there || chain->kind != KIND_EC || chain->ec_scheme == 0 ||
	    hello_list_may_have(&hello->groups, 23 + (chain->ec_scheme >> 8) - 4);
}

bool
chain_offered(const struct chain *chain, SSL *ssl, const struct hello *hello)
{
	struct offer offer = { .version = hello->version, .has_group = hello->groups.count > 0,
		.ciphers = hello->ciphers };

	if (hello->version >= TLS1_2_VERSION) {
		if (!certsigs_taken(ssl, chain->leaf, chain->key, chain->signature) || !offers_algorithm(chain, hello))
			return false;
	} else if (!is_of_tls10(chain)) {
		return false;
	}
	/* Where the library has read the ciphers but does not keep them yet, they are unknown. */
	return hello->version >= TLS1_3_VERSION ||
	    (may_authenticate(chain) && offers_curve(chain, hello) &&
	        (offer.ciphers == NULL || shares_cipher(chain, ssl, &offer)));
}
