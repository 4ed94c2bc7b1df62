/* SPDX-License-Identifier: ISC */
/* tlsa.c: the data of TLSA records, from keys and certificates. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "dane/tlsa.h"
#include "error.h"
#include "hex.h"

int
tlsa_of_octets(struct tlsa_kind kind, const unsigned char *octets, size_t length, struct tlsa *out,
    struct snicert_error *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_length = 0;

	if (kind.matching != 0) {
		if (EVP_Digest(octets, length, digest, &digest_length,
		    kind.matching == 1 ? EVP_sha256() : EVP_sha512(), NULL) != 1)
			return error_openssl(err, SNICERT_EMEMORY, "can't digest a certificate");
		octets = digest;
		length = digest_length;
	}
	*out = (struct tlsa){ kind, OPENSSL_memdup(octets, length), length };
	return out->data != NULL ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

int
tlsa_of_cert(struct tlsa_kind kind, const X509 *cert, struct tlsa *out, struct snicert_error *err)
{
	unsigned char *der = NULL;
	int length = kind.selector == 0 ? i2d_X509(cert, &der)
	    : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der), status;

	if (length <= 0)
		return error_openssl(err, SNICERT_EMEMORY, "can't encode a certificate");
	status = tlsa_of_octets(kind, der, (size_t)length, out, err);
	OPENSSL_free(der);
	return status;
}

int
tlsa_of_chain(struct tlsa_kind kind, const struct store_chain *chain, struct tlsa *out,
    struct snicert_error *err)
{
	const struct store_cert *from = &chain->certs[0];
	const unsigned char *at;
	X509 *cert;
	int status;

	if (kind.usage == 2 && chain->cert_count < 2)
		return error_set(err, SNICERT_EINPUT, "has no CA certificate for a record of usage 2: use --usage 3");
	if (kind.usage == 2)
		from = &chain->certs[chain->cert_count - 1];
	at = from->der.data;
	cert = at == NULL ? NULL : d2i_X509(NULL, &at, (long)from->der.length);
	if (cert == NULL)
		return error_openssl(err, SNICERT_ECERT, "has a certificate that can't be decoded");
	status = tlsa_of_cert(kind, cert, out, err);
	X509_free(cert);
	return status;
}

bool
tlsa_equal(const struct tlsa *a, const struct tlsa *b)
{
	return a->kind.usage == b->kind.usage && a->kind.selector == b->kind.selector &&
	    a->kind.matching == b->kind.matching && a->length == b->length &&
	    memcmp(a->data, b->data, a->length) == 0;
}

void
tlsa_clear(struct tlsa *tlsa)
{
	OPENSSL_free(tlsa->data);
	*tlsa = (struct tlsa){0};
}

char *
tlsa_hex(const struct tlsa *tlsa)
{
	char *text = malloc(2 * tlsa->length + 1);

	if (text != NULL)
		*hex_put(text, tlsa->data, tlsa->length) = '\0';
	return text;
}
