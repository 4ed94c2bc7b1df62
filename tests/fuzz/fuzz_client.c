/* SPDX-License-Identifier: ISC */
/*
 * fuzz_client.c: whole handshakes of clients with abilities made up by the input,
 * against servers with the module and the same without it.
 *
 * Property: a client that the server without the module serves is served by
 * the one with it, to the end, and again with the session of the first time.
 */
#include <string.h>

#include <openssl/err.h>

#include "shop.h"

static const struct shop *shop;

static void
start(void)
{
	shop = shop_open();
}

static const char *const ciphers[] = { "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
	"AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
	"AES128-SHA", "ECDHE-ECDSA-CHACHA20-POLY1305" };
static const char *const schemes[] = { "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384",
	"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha512", "ed25519", "ed448", "RSA+SHA256", "ECDSA+SHA256",
	"RSA+SHA1", "ECDSA+SHA1", "ECDSA+SHA384", "RSA+SHA512" };
static const char *const curves[] = { "P-256", "P-384", "P-521", "X25519", "X448" };

/* "a:b:c", none where the input has no bits set. */
static const char *
list(unsigned bits, const char *const *from, size_t count, char *out)
{
	out[0] = '\0';
	for (size_t i = 0; i < count; i++)
		if ((bits >> i & 1) != 0) {
			strcat(out, out[0] == '\0' ? "" : ":");
			strcat(out, from[i]);
		}
	return out;
}

static SSL_CTX *
client(struct fuzz_input *in)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION, TLS1_1_VERSION, TLS1_VERSION };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char text[512];

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, versions[fuzz_octet(in) % 4]);
	if (list(fuzz_octet(in), ciphers, COUNT(ciphers), text)[0] != '\0')
		SSL_CTX_set_cipher_list(ctx, strcat(text, ":@SECLEVEL=0"));
	if (list(fuzz_number(in), schemes, COUNT(schemes), text)[0] != '\0')
		SSL_CTX_set1_sigalgs_list(ctx, text);
	if (list(fuzz_octet(in), curves, COUNT(curves), text)[0] != '\0')
		SSL_CTX_set1_groups_list(ctx, text);
	return ctx;
}

static bool
shake(SSL_CTX *server, const struct client *c, struct outcome *out)
{
	ERR_clear_error();
	handshake(server, c, out);
	return out->done;
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned number = fuzz_octet(&in), which = number % SHOP_OWNS, way = number / SHOP_OWNS % 3;
	bool rich = (number / 9 & 1) != 0;
	char text[256];
	struct client c = { .name = NULL };
	struct outcome without = {0}, with = {0}, again = {0};

	c.ctx = client(&in);
	number = fuzz_octet(&in);
	if (number % 17 < 15)
		c.name = shop_names[number % 17];
	else if (number % 17 == 15 && fuzz_text(&in, text)[0] != '\0')
		c.name = text;
	if (shake(shop->plain[which], &c, &without)) {
		if (!shake(shop->with[rich][way][which], &c, &with))
			fuzz_die("%s: alert %d with the module (way %u, own %u, fallback %d), none without",
			    c.name == NULL ? "no name" : c.name, with.alert, way, which, rich);
		if (with.version != without.version || strcmp(with.name, without.name) != 0)
			fuzz_die("version %#x or name \"%s\" is another with the module", (unsigned)with.version, with.name);
		c.session = with.session;
		if (!shake(shop->with[rich][way][which], &c, &again))
			fuzz_die("%s: no handshake with the session of the first, alert %d",
			    c.name == NULL ? "no name" : c.name, again.alert);
	}
	outcome_clear(&without);
	outcome_clear(&with);
	outcome_clear(&again);
	SSL_CTX_free(c.ctx);
	ERR_clear_error();
}

static void
seed(void)
{
	/* server | version | ciphers | schemes | curves | name */
	fuzz_seed("all", "\0\0\0\0\0\0\0", 7);
	fuzz_seed("tls12", "\3\1\3\0\0\1\1", 7);
	fuzz_seed("rsa-only", "\0\1\2\0\4\0\3", 7);
	fuzz_seed("ed25519", "\6\0\0\0\20\10\6", 7);
	fuzz_seed("old", "\1\3\160\0\0\0\2", 7);
}

const struct fuzz_target fuzz_client = { .name = "client", .start = start, .one = one, .seed = seed,
	.most = 64 };
