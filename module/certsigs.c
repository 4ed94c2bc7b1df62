/* SPDX-License-Identifier: ISC */
/*
 * certsigs.c: which certificate signatures a client accepts, if it says so.
 *
 * RFC 8446 (section 4.4.2.2) has a server send its certificate anyway; OpenSSL skips one whose
 * signature the client did not list, and ends the handshake if that was the last.  So a chain may
 * replace the server's own certificate only if its leaf's signature is in that list.  No function
 * reveals the list in the certificate callback: so earlier callbacks note it, as far as they can
 * see it.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/objects.h>

#include "certsigs.h"

/* The schemes that name a signature (one of them, twice, or two), as OpenSSL compares them: by key
 * type and digest.  Not every release knows those of brainpool curves. */
static const struct {
	int key_nid, digest_nid;
	uint16_t schemes[2];
} signatures[] = {
	{ NID_rsaEncryption, NID_sha256, { 0x0401, 0x0401 } },
	{ NID_rsaEncryption, NID_sha384, { 0x0501, 0x0501 } },
	{ NID_rsaEncryption, NID_sha512, { 0x0601, 0x0601 } },
	{ NID_rsaEncryption, NID_sha224, { 0x0301, 0x0301 } },
	{ NID_rsaEncryption, NID_sha1, { 0x0201, 0x0201 } },
	{ NID_rsassaPss, NID_sha256, { 0x0804, 0x0809 } },
	{ NID_rsassaPss, NID_sha384, { 0x0805, 0x080a } },
	{ NID_rsassaPss, NID_sha512, { 0x0806, 0x080b } },
	{ NID_X9_62_id_ecPublicKey, NID_sha256, { 0x0403, 0x0403 } },
	{ NID_X9_62_id_ecPublicKey, NID_sha384, { 0x0503, 0x0503 } },
	{ NID_X9_62_id_ecPublicKey, NID_sha512, { 0x0603, 0x0603 } },
	{ NID_X9_62_id_ecPublicKey, NID_sha224, { 0x0303, 0x0303 } },
	{ NID_X9_62_id_ecPublicKey, NID_sha1, { 0x0203, 0x0203 } },
	{ NID_ED25519, NID_undef, { 0x0807, 0x0807 } },
	{ NID_ED448, NID_undef, { 0x0808, 0x0808 } },
};
#define SIGNATURES (sizeof(signatures) / sizeof(signatures[0]))
/* Beside the signatures: there was a list; and it was unreadable. */
#define SAID (1u << 31)
#define UNREAD (1u << 30)

static int ssl_index_value = -1;

static void
ssl_index_get(void)
{
	ssl_index_value = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Where an SSL keeps the set; -1 if no memory. */
static int
ssl_index(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, ssl_index_get);
	return ssl_index_value;
}

unsigned
certsigs_of(X509 *cert)
{
	int digest, key;

	if (X509_get_signature_info(cert, &digest, &key, NULL, NULL) != 1)
		return 0;
	for (size_t i = 0; i < SIGNATURES; i++)
		if (signatures[i].key_nid == key && signatures[i].digest_nid == digest)
			return 1u << i;
	return 0;
}

static unsigned
set_of(const unsigned char *list, size_t length)
{
	unsigned set = SAID;

	for (size_t at = 0; at + 1 < length; at += 2) {
		unsigned scheme = (unsigned)list[at] << 8 | list[at + 1];

		for (size_t i = 0; i < SIGNATURES; i++)
			if (signatures[i].schemes[0] == scheme || signatures[i].schemes[1] == scheme)
				set |= 1u << i;
	}
	return set;
}

void
certsigs_note(SSL *ssl)
{
	const unsigned char *list;
	size_t length;
	unsigned before, set = 0;

	if (ssl_index() < 0)
		return;
	before = (unsigned)(uintptr_t)SSL_get_ex_data(ssl, ssl_index());
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_signature_algorithms_cert, &list, &length) == 1) {
		/* Two octets are its length.  By the servername callback the library has consumed
		 * it: then keep what the ClientHello callback saw, if that was ours. */
		if (length >= 2)
			set = set_of(list + 2, length - 2);
		else
			set = (before & SAID) != 0 ? before : SAID | UNREAD;
	}
	if (set != before)
		SSL_set_ex_data(ssl, ssl_index(), (void *)(uintptr_t)set);
}

bool
certsigs_taken(SSL *ssl, X509 *leaf, EVP_PKEY *key, unsigned signature)
{
	unsigned set = ssl_index() < 0 ? 0 : (unsigned)(uintptr_t)SSL_get_ex_data(ssl, ssl_index());

	if ((set & SAID) == 0)
		return true;
	/* In TLS 1.3 the library goes by that list; in TLS 1.2 by the one for handshakes, which
	 * does not cover it. */
	if ((set & UNREAD) != 0)
		return SSL_version(ssl) >= TLS1_3_VERSION &&
		    (SSL_check_chain(ssl, leaf, key, NULL) & CERT_PKEY_EE_SIGNATURE) != 0;
	return (set & signature) != 0;
}
