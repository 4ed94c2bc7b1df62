/* SPDX-License-Identifier: ISC */
/*
 * fuzz_hello.c: a ClientHello into servers with the module and into the same without it.
 *
 * Property: where the server without it goes on, so does the one with it, but
 * for the refusal of an unknown name that the configuration asks for.
 *
 * The first octet says which server and how to read the rest: as records off the
 * wire, or as instructions for a ClientHello whose lengths are all right.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "shop.h"

static const struct shop *shop;
static uint8_t x25519[32] = { 9 }, p256[65];

static void
start(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	unsigned char *point = NULL;

	if (key == NULL || EVP_PKEY_get1_encoded_public_key(key, &point) != sizeof(p256))
		fuzz_die("no P-256 key");
	memcpy(p256, point, sizeof(p256));
	OPENSSL_free(point);
	EVP_PKEY_free(key);
	shop = shop_open();
}

/* --- a ClientHello made to order ------------------------------------------ */

struct sent_hello {
	uint8_t octets[16384];
	size_t used;
	char name[256];                 /* the host_name it bears; "" without */
};

static void
put(struct sent_hello *h, const void *octets, size_t length)
{
	if (length > sizeof(h->octets) - h->used)
		length = sizeof(h->octets) - h->used;
	if (length > 0)
		memcpy(h->octets + h->used, octets, length);
	h->used += length;
}

static void
put8(struct sent_hello *h, unsigned value)
{
	uint8_t octet = (uint8_t)value;

	put(h, &octet, 1);
}

static void
put16(struct sent_hello *h, unsigned value)
{
	put8(h, value >> 8);
	put8(h, value);
}

/* Room for a length of `width` octets, which `end` fills in. */
static size_t
begin(struct sent_hello *h, unsigned width)
{
	put(h, "\0\0\0", width);
	return h->used;
}

static void
end(struct sent_hello *h, size_t from, unsigned width)
{
	size_t length = h->used - from;

	for (unsigned i = 1; i <= width; i++, length >>= 8)
		h->octets[from - i] = (uint8_t)length;
}

static const uint16_t ciphers[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
	0xcca8, 0x009c, 0x009e, 0xc009, 0xc013, 0x002f, 0x00ff, 0xc024 };
static const uint16_t schemes[] = { 0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808,
	0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0809, 0x080a, 0x0303 };
static const uint16_t groups[] = { 23, 24, 25, 29, 30, 256, 257, 22 };
static const uint16_t versions[] = { 0x0304, 0x0303, 0x0302, 0x0301, 0x0300, 0x7f1c, 0x0a0a, 0x0305 };

/* A list of two-octet numbers: from a table, or any where the index is 0xff. */
static void
put_list(struct sent_hello *h, struct fuzz_input *in, const uint16_t *table, size_t count)
{
	size_t length;
	const uint8_t *piece = fuzz_piece(in, &length);

	for (size_t i = 0; i < length; i++)
		put16(h, piece[i] == 0xff ? fuzz_number(in) : table[piece[i] % count]);
}

static void
put_name(struct sent_hello *h, struct fuzz_input *in, bool known)
{
	size_t outer = begin(h, 2), inner;

	if (known)
		strcpy(h->name, shop_names[fuzz_octet(in) % 15]);
	else
		fuzz_text(in, h->name);
	put8(h, 0);
	inner = begin(h, 2);
	put(h, h->name, strlen(h->name));
	end(h, inner, 2);
	end(h, outer, 2);
}

static void
put_share(struct sent_hello *h, struct fuzz_input *in)
{
	unsigned which = fuzz_octet(in);
	size_t list = begin(h, 2), share;

	if ((which & 1) != 0) {
		put16(h, 29);
		share = begin(h, 2);
		put(h, x25519, sizeof(x25519));
		end(h, share, 2);
	}
	if ((which & 2) != 0) {
		put16(h, 23);
		share = begin(h, 2);
		put(h, p256, sizeof(p256));
		end(h, share, 2);
	}
	end(h, list, 2);
}

static void
put_extension(struct sent_hello *h, struct fuzz_input *in)
{
	static const uint16_t types[] = { 0, 0, 0, 10, 13, 50, 43, 51, 11, 35, 45, 23, 22, 0xff01, 16, 5,
		41, 42, 0x3374, 21 };
	unsigned kind = fuzz_octet(in) % 21;
	size_t body, inner, length;
	const uint8_t *piece;

	put16(h, kind < 20 ? types[kind] : fuzz_number(in));
	body = begin(h, 2);
	switch (kind) {
	case 0:
	case 1:
		put_name(h, in, kind == 0);
		break;
	case 3:
	case 4:
	case 5:
		inner = begin(h, 2);
		put_list(h, in, kind == 3 ? groups : schemes, kind == 3 ? COUNT(groups) : COUNT(schemes));
		end(h, inner, 2);
		break;
	case 6:
		inner = begin(h, 1);
		put_list(h, in, versions, COUNT(versions));
		end(h, inner, 1);
		break;
	case 7:
		put_share(h, in);
		break;
	case 8:
		put(h, "\1\0", 2);
		break;
	case 10:
		put(h, "\1\1", 2);
		break;
	case 11:
	case 12:
		break;
	case 13:
		put8(h, 0);
		break;
	default:
		piece = fuzz_piece(in, &length);
		put(h, piece, length);
		break;
	}
	end(h, body, 2);
}

static void
put_hello(struct sent_hello *h, struct fuzz_input in)
{
	static const uint8_t random[32] = "thirty-two octets of no chance.";
	size_t record, message, list, length;
	const uint8_t *session;

	put(h, "\x16\x03\x01", 3);
	record = begin(h, 2);
	put8(h, 1);
	message = begin(h, 3);
	put16(h, versions[fuzz_octet(&in) % COUNT(versions)]);
	put(h, random, sizeof(random));
	session = fuzz_piece(&in, &length);
	list = begin(h, 1);
	put(h, session, length);
	end(h, list, 1);
	list = begin(h, 2);
	put_list(h, &in, ciphers, COUNT(ciphers));
	end(h, list, 2);
	put(h, "\1\0", 2);
	list = begin(h, 2);
	for (int i = 0; i < 24 && in.size > 0; i++)
		put_extension(h, &in);
	end(h, list, 2);
	end(h, message, 3);
	end(h, record, 2);
}

/* --- into a server -------------------------------------------------------- */

struct verdict {
	bool goes_on, named;
	int alert;
	char name[256];
};

static void
info(const SSL *ssl, int where, int value)
{
	struct verdict *verdict = SSL_get_app_data(ssl);

	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
		verdict->alert = value & 0xff;
}

static struct verdict
shake(SSL_CTX *ctx, const uint8_t *octets, size_t length)
{
	struct verdict verdict = {0};
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new_mem_buf(octets, (int)length), *out = BIO_new(BIO_s_null());
	const char *name;
	int rc;

	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	SSL_set_app_data(ssl, &verdict);
	SSL_set_info_callback(ssl, info);
	rc = SSL_do_handshake(ssl);
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_WANT_READ:
		verdict.goes_on = true;
		break;
	case SSL_ERROR_WANT_X509_LOOKUP:
	case SSL_ERROR_WANT_CLIENT_HELLO_CB:
		fuzz_die("the handshake is suspended");
	default:
		break;
	}
	if (verdict.goes_on && ERR_peek_error() != 0)
		fuzz_die("an error is left in the queue: %s", ERR_reason_error_string(ERR_peek_error()));
	name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	verdict.named = name != NULL;
	if (name != NULL)
		snprintf(verdict.name, sizeof(verdict.name), "%s", name);
	SSL_free(ssl);
	ERR_clear_error();
	return verdict;
}

static void
compare(unsigned server, const uint8_t *octets, size_t length)
{
	unsigned which = server % SHOP_OWNS, way = server / SHOP_OWNS % SHOP_WAYS;
	bool rich = (server / (SHOP_OWNS * SHOP_WAYS) & 1) != 0;
	struct verdict without = shake(shop->plain[which], octets, length);
	struct verdict with = shake(shop->with[rich][way][which], octets, length);

	if (!without.goes_on || with.goes_on)
		return;
	if (way == SHOP_REFUSING && with.alert == SSL_AD_UNRECOGNIZED_NAME &&
	    without.named && !shop_knows(without.name))
		return;
	fuzz_die("\"%s\": alert %d with the module (way %u, own %u, fallback %d), none without",
	    without.name, with.alert, way, which, rich);
}

static void
one(const uint8_t *data, size_t size)
{
	static struct sent_hello hello;
	struct fuzz_input in = { data, size };
	unsigned server = fuzz_octet(&in), how = fuzz_octet(&in);

	if ((how & 1) == 0) {
		compare(server, in.data, in.size);
		return;
	}
	hello.used = 0;
	hello.name[0] = '\0';
	put_hello(&hello, in);
	/* Once more, after a HelloRetryRequest. */
	if ((how & 2) != 0)
		put_hello(&hello, in);
	compare(server, hello.octets, hello.used);
}

/* --- seeds: what OpenSSL's client sends ----------------------------------- */

static void
seed_client(const char *name, const char *server_name, int version, const char *sigalgs)
{
	static uint8_t data[4096];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	BIO *out = BIO_new(BIO_s_mem());
	int length;

	SSL_CTX_set_max_proto_version(ctx, version);
	if (sigalgs != NULL)
		SSL_CTX_set1_sigalgs_list(ctx, sigalgs);
	ssl = SSL_new(ctx);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	if (server_name != NULL)
		SSL_set_tlsext_host_name(ssl, server_name);
	SSL_do_handshake(ssl);
	length = BIO_read(out, data + 2, sizeof(data) - 2);
	if (length > 0)
		fuzz_seed(name, data, (size_t)length + 2);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
seed(void)
{
	/* server, made to order | version | no session | ciphers | names, groups, schemes, versions, share … */
	static const char tls13[] = "\0\1" "\1" "\0" "\3\0\1\2" "\0\0" "\3\2\3\0" "\4\3\0\3\6" "\6\2\0\1" "\7\3" "\12";
	static const char tls12[] = "\5\1" "\1" "\0" "\4\3\4\5\6" "\0\3" "\3\1\0" "\4\2\0\3" "\10" "\13";
	static const char retry[] = "\2\3" "\1" "\0" "\2\0\2" "\0\1" "\3\2\2\1" "\4\1\3" "\6\1\0" "\7\0" "\12";
	static const char old[] = "\3\1" "\2" "\0" "\3\13\14\15" "\0\0" "\3\1\0" "\10" "\15";
	static const char text[] = "\22\1" "\1" "\0" "\2\0\3" "\1\14mx.a.example" "\4\2\6\7" "\6\1\0" "\3\1\3" "\7\1";

	seed_client("client-13", "mx.a.example", TLS1_3_VERSION, NULL);
	seed_client("client-12", "ec.example", TLS1_2_VERSION, NULL);
	seed_client("client-11", "y.w.example", TLS1_1_VERSION, "RSA+SHA1:ECDSA+SHA1");
	seed_client("client-rsa", "nobody.example", TLS1_3_VERSION, "rsa_pss_rsae_sha256:RSA+SHA256");
	seed_client("client-nameless", NULL, TLS1_3_VERSION, NULL);
	fuzz_seed("tls13", tls13, sizeof(tls13) - 1);
	fuzz_seed("tls12", tls12, sizeof(tls12) - 1);
	fuzz_seed("retry", retry, sizeof(retry) - 1);
	fuzz_seed("old", old, sizeof(old) - 1);
	fuzz_seed("text", text, sizeof(text) - 1);
}

const struct fuzz_target fuzz_hello = { .name = "hello", .start = start, .one = one, .seed = seed,
	.most = 1200 };
