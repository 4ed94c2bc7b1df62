/* SPDX-License-Identifier: ISC */
/* input_pkcs12.c: PKCS#12 (RFC 7292), with any number of keys. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "error.h"
#include "intake/input.h"

#define DEPTH_MAX 8

DEFINE_STACK_OF(PKCS8_PRIV_KEY_INFO)

/* Contents of an opened file; no keys yet: they need another library context (legacy.h). */
struct opened {
	PKCS12 *p12;
	STACK_OF(PKCS8_PRIV_KEY_INFO) *infos;
	STACK_OF(X509) *certs;
};

static void
opened_clear(struct opened *opened)
{
	sk_PKCS8_PRIV_KEY_INFO_pop_free(opened->infos, PKCS8_PRIV_KEY_INFO_free);
	sk_X509_pop_free(opened->certs, X509_free);
	opened->infos = NULL;
	opened->certs = NULL;
}

static bool
keep_info(struct opened *opened, PKCS8_PRIV_KEY_INFO *info)
{
	if (info != NULL && sk_PKCS8_PRIV_KEY_INFO_push(opened->infos, info) > 0)
		return true;
	PKCS8_PRIV_KEY_INFO_free(info);
	return false;
}

static bool
keep_cert(struct opened *opened, X509 *cert)
{
	if (cert != NULL && sk_X509_push(opened->certs, cert) > 0)
		return true;
	X509_free(cert);
	return false;
}

/* Ignores CRLs, secrets and anything else. */
static bool
open_bags(struct opened *opened, const STACK_OF(PKCS12_SAFEBAG) *bags, const char *passphrase, int depth)
{
	int length = passphrase == NULL ? 0 : (int)strlen(passphrase);
	bool good = depth < DEPTH_MAX;

	for (int i = 0; good && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
		PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

		switch (PKCS12_SAFEBAG_get_nid(bag)) {
		case NID_keyBag:
			good = keep_info(opened, ASN1_item_dup(ASN1_ITEM_rptr(PKCS8_PRIV_KEY_INFO),
			    PKCS12_SAFEBAG_get0_p8inf(bag)));
			break;
		case NID_pkcs8ShroudedKeyBag:
			good = keep_info(opened, PKCS12_decrypt_skey(bag, passphrase, length));
			break;
		case NID_certBag:
			if (PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate)
				good = keep_cert(opened, PKCS12_SAFEBAG_get1_cert(bag));
			break;
		case NID_safeContentsBag:
			good = open_bags(opened, PKCS12_SAFEBAG_get0_safes(bag), passphrase, depth + 1);
			break;
		default:
			break;
		}
	}
	return good;
}

static bool
open_safe(struct opened *opened, PKCS7 *safe, const char *passphrase)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	bool good;

	if (PKCS7_type_is_data(safe))
		bags = PKCS12_unpack_p7data(safe);
	else if (PKCS7_type_is_encrypted(safe))
		bags = PKCS12_unpack_p7encdata(safe, passphrase, passphrase == NULL ? 0 : (int)strlen(passphrase));
	else
		return true;
	good = bags != NULL && open_bags(opened, bags, passphrase, 0);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return good;
}

static bool
has_true_mac(PKCS12 *p12, const char *passphrase)
{
	return !PKCS12_mac_present(p12) ||
	    PKCS12_verify_mac(p12, passphrase, passphrase == NULL ? 0 : -1) == 1;
}

static bool
open_file(void *arg, const char *passphrase)
{
	struct opened *opened = arg;
	STACK_OF(PKCS7) *safes;
	bool good;

	opened_clear(opened);
	if (!has_true_mac(opened->p12, passphrase))
		return false;
	opened->infos = sk_PKCS8_PRIV_KEY_INFO_new_null();
	opened->certs = sk_X509_new_null();
	safes = PKCS12_unpack_authsafes(opened->p12);
	good = opened->infos != NULL && opened->certs != NULL && safes != NULL;
	for (int i = 0; good && i < sk_PKCS7_num(safes); i++)
		good = open_safe(opened, sk_PKCS7_value(safes, i), passphrase);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return good;
}

/* By any passphrase that works: none and "" differ here. */
static int
open_somehow(struct input *in, struct opened *opened, size_t line)
{
	const char *const tries[] = { "", NULL, in->bag->passphrase };
	enum input_lock lock = INPUT_SHUT;
	bool asked = false;

	for (size_t i = 0; i < 3; i++) {
		if (i == 2 && tries[i] == NULL)
			break;
		if ((lock = input_try(open_file, opened, tries[i])) == INPUT_OPEN)
			return 0;
	}
	if (lock != INPUT_UNSUPPORTED && (asked = input_ask_passphrase(in)))
		lock = input_try(open_file, opened, in->bag->passphrase);
	return lock == INPUT_OPEN ? 0 : input_locked(in, line, lock, asked);
}

static int
add_opened(struct input *in, struct opened *opened, size_t line)
{
	int rc = 0;

	while (rc == 0 && sk_PKCS8_PRIV_KEY_INFO_num(opened->infos) > 0) {
		PKCS8_PRIV_KEY_INFO *info = sk_PKCS8_PRIV_KEY_INFO_shift(opened->infos);
		EVP_PKEY *key = EVP_PKCS82PKEY(info);

		PKCS8_PRIV_KEY_INFO_free(info);
		rc = key != NULL ? input_add_key(in, key, line) : error_openssl(in->err, SNICERT_EKEY,
		    "%s: a private key in this PKCS#12 file can't be decoded, get the file again", in->origin);
	}
	for (int i = 0; rc == 0 && i < sk_X509_num(opened->certs); i++) {
		/* Its key may be in the legacy library context: decode again. */
		X509 *cert = X509_dup(sk_X509_value(opened->certs, i));

		rc = cert != NULL ? input_add_cert(in, cert, line) : input_no_memory(in->err);
	}
	return rc;
}

int
input_add_pkcs12(struct input *in, PKCS12 *p12, size_t line)
{
	struct opened opened = { .p12 = p12 };
	size_t found;
	int rc = open_somehow(in, &opened, line);

	found = (size_t)(rc != 0 ? 0 : sk_PKCS8_PRIV_KEY_INFO_num(opened.infos) + sk_X509_num(opened.certs));
	if (rc == 0)
		rc = add_opened(in, &opened, line);
	if (rc == 0 && found == 0)
		rc = error_set(in->err, SNICERT_EINPUT, "no certificate and no private key in %s: it is PKCS#12"
		    " with something else in it", in->origin);
	opened_clear(&opened);
	ERR_clear_error();
	return rc;
}
