/* SPDX-License-Identifier: ISC */
/*
 * test_hosts.c: hosts of all kinds × clients × names × ways of attaching, each without the module
 * and with it.  Whatever completes without it completes with it, in the same version; and the
 * certificate is another one only where the store has an answer.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
#include <openssl/quic.h>
#endif

#include "../harness.h"

/* What a host has by itself.  A host with callbacks has certificates in them only. */
enum own { OWN_RSA, OWN_P256, OWN_P521, OWN_ED25519, OWN_BRAINPOOL, OWN_KOBLITZ, OWN_EXPLICIT, OWN_BOTH, OWN_NONE, OWNS };

static struct world *world;
static struct bench bench;
static EVP_PKEY *keys[OWNS], *named_key;
static X509 *certs[OWNS], *named_cert;

static X509 *
certificate(EVP_PKEY *key, const char *cn)
{
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1,
	    -1, 0);
	X509_set_pubkey(cert, key);
	ck_assert(X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	return cert;
}

static void
setup(void)
{
	static const char *const curves[OWNS] = { [OWN_P256] = "P-256", [OWN_P521] = "P-521",
		[OWN_BRAINPOOL] = "brainpoolP256r1", [OWN_KOBLITZ] = "secp256k1", [OWN_EXPLICIT] = "P-256" };
	struct spec ec = { .cn = "store-ec", .names = "ec.example" };
	struct spec rsa = { .cn = "store-rsa", .kind = KEY_RSA, .names = "rsa.example" };

	world = world_new();
	world_add(world, &ec);
	world_add(world, &rsa);
	bench_open(&bench, world);
	keys[OWN_RSA] = key_make(KEY_RSA);
	keys[OWN_ED25519] = key_make(KEY_ED25519);
	for (int i = 0; i < OWNS; i++) {
		if (curves[i] != NULL)
			keys[i] = EVP_EC_gen(curves[i]);
		if (i == OWN_EXPLICIT)
			EVP_PKEY_set_utf8_string_param(keys[i], OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT);
		if (keys[i] != NULL)
			certs[i] = certificate(keys[i], "own");
	}
	named_key = key_make(KEY_P256);
	named_cert = certificate(named_key, "host-by-name");
}

static void
teardown(void)
{
	for (int i = 0; i < OWNS; i++) {
		EVP_PKEY_free(keys[i]);
		X509_free(certs[i]);
	}
	EVP_PKEY_free(named_key);
	X509_free(named_cert);
	bench_close(&bench);
	world_free(world);
}

/* --- hosts ------------------------------------------------------------------ */

static bool
is_named(SSL *ssl)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	return name != NULL && strcmp(name, "host.example") == 0;
}

static int
use(SSL *ssl)
{
	return is_named(ssl) ? SSL_use_cert_and_key(ssl, named_cert, named_key, NULL, 1)
	                     : SSL_use_cert_and_key(ssl, certs[OWN_RSA], keys[OWN_RSA], NULL, 1);
}

/* nginx, `ssl_certificate $ssl_server_name`: for names that it has no file for it fails. */
static int
strict_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	return is_named(ssl) || SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == NULL ? use(ssl) : 0;
}

static int
host_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	return use(ssl);
}

/* Postfix, with a map of its own. */
static int
host_servername(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	return use(ssl) == 1 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* nginx's server blocks, Dovecot's local_name: another context, which is attached as well. */
static bool attached_too;

static int
switching_servername(SSL *ssl, int *alert, void *arg)
{
	SSL_CTX *other;

	(void)alert;
	(void)arg;
	if (!is_named(ssl))
		return SSL_TLSEXT_ERR_NOACK;
	other = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_cert_and_key(other, named_cert, named_key, NULL, 1);
	if (attached_too)
		ck_assert_int_eq(snicert_attach(bench.snicert, other, NULL), 0);
	SSL_set_SSL_CTX(ssl, other);
	SSL_CTX_free(other);
	return SSL_TLSEXT_ERR_OK;
}

static int
host_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	return SSL_use_cert_and_key(ssl, certs[OWN_RSA], keys[OWN_RSA], NULL, 1) == 1 ? SSL_CLIENT_HELLO_SUCCESS
	                                                                              : SSL_CLIENT_HELLO_ERROR;
}

/* HAProxy: a certificate callback on the connection, from the ClientHello callback. */
static int
setting_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	SSL_set_cert_cb(ssl, host_certificate, NULL);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* Servers with scripts, which look things up elsewhere: the handshake is suspended, twice, and goes on. */
static bool
is_waiting(SSL *ssl)
{
	uintptr_t times = (uintptr_t)SSL_get_app_data(ssl);

	SSL_set_app_data(ssl, (void *)(times + 1));
	return times < 2;
}

static int
suspended_hello(SSL *ssl, int *alert, void *arg)
{
	return is_waiting(ssl) ? SSL_CLIENT_HELLO_RETRY : host_hello(ssl, alert, arg);
}

static int
suspended_certificate(SSL *ssl, void *arg)
{
	return is_waiting(ssl) ? -1 : host_certificate(ssl, arg);
}

static int own_callbacks;       /* how often */

static int
lax_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	(void)ssl, (void)ctx, (void)op, (void)bits, (void)nid, (void)other;
	ck_assert_ptr_eq(ex, &own_callbacks);
	own_callbacks++;
	return 1;
}

static const struct host {
	const char *label;
	enum own own;
	int (*certificate)(SSL *, void *), (*servername)(SSL *, int *, void *), (*hello)(SSL *, int *, void *);
	bool on_connection;     /* the certificate callback, on each */
	bool lax;
	/* What it limits itself to; NULL, 0: nothing. */
	const char *ciphers, *suites, *sigalgs, *groups;
	int least, most;
	bool psk;               /* knows a key that the client has, too */
} hosts[] = {
	{ .label = "RSA", .own = OWN_RSA },
	{ .label = "P-256", .own = OWN_P256 },
	{ .label = "P-521", .own = OWN_P521 },
	{ .label = "Ed25519", .own = OWN_ED25519 },
	{ .label = "brainpool", .own = OWN_BRAINPOOL },
	{ .label = "secp256k1", .own = OWN_KOBLITZ },
	{ .label = "P-256, its parameters explicit", .own = OWN_EXPLICIT },
	{ .label = "RSA and P-256", .own = OWN_BOTH },
	{ .label = "none", .own = OWN_NONE },
	{ .label = "certificate callback, none", .own = OWN_NONE, .certificate = host_certificate },
	{ .label = "strict certificate callback, none", .own = OWN_NONE, .certificate = strict_certificate },
	{ .label = "certificate callback, brainpool", .own = OWN_BRAINPOOL, .certificate = host_certificate },
	{ .label = "certificate callback, each connection", .own = OWN_NONE, .certificate = host_certificate,
	    .on_connection = true },
	{ .label = "servername callback, none", .own = OWN_NONE, .servername = host_servername },
	{ .label = "servername callback, RSA", .own = OWN_RSA, .servername = host_servername },
	{ .label = "switching, RSA", .own = OWN_RSA, .servername = switching_servername },
	{ .label = "switching, none", .own = OWN_NONE, .servername = switching_servername },
	{ .label = "switching, certificate callback", .own = OWN_NONE, .servername = switching_servername,
	    .certificate = host_certificate },
	{ .label = "ClientHello callback, none", .own = OWN_NONE, .hello = host_hello },
	{ .label = "ClientHello callback, P-256", .own = OWN_P256, .hello = host_hello },
	{ .label = "ClientHello callback that sets the other", .own = OWN_NONE, .hello = setting_hello },
	{ .label = "suspended ClientHello callback", .own = OWN_NONE, .hello = suspended_hello },
	{ .label = "suspended certificate callback", .own = OWN_NONE, .certificate = suspended_certificate },
	{ .label = "security callback", .own = OWN_RSA, .lax = true },
};

/* Hosts that can't use each of the store's chains. */
static const struct host limited[] = {
	{ .label = "RSA ciphers", .own = OWN_RSA, .ciphers = "aRSA" },
	{ .label = "ECDSA ciphers", .own = OWN_P256, .ciphers = "aECDSA" },
	{ .label = "RSA key exchange", .own = OWN_RSA, .ciphers = "kRSA", .most = TLS1_2_VERSION },
	{ .label = "CBC, both", .own = OWN_BOTH, .ciphers = "AES128-SHA:ECDHE-ECDSA-AES128-SHA", .most = TLS1_2_VERSION },
	{ .label = "PSS signatures", .own = OWN_RSA, .sigalgs = "RSA-PSS+SHA256" },
	{ .label = "ECDSA signatures", .own = OWN_P256, .sigalgs = "ECDSA+SHA256" },
	{ .label = "P-384 only", .own = OWN_BOTH, .groups = "P-384" },
	{ .label = "level 3", .own = OWN_P256, .ciphers = "ALL:@SECLEVEL=3" },
	{ .label = "level 5, P-521", .own = OWN_P521, .ciphers = "ALL:@SECLEVEL=5" },
	{ .label = "1.3 only", .own = OWN_P256, .least = TLS1_3_VERSION },
	{ .label = "1.3, a suite", .own = OWN_RSA, .suites = "TLS_CHACHA20_POLY1305_SHA256" },
	{ .label = "1.3, no suite", .own = OWN_RSA, .suites = "" },
	{ .label = "1.0 only", .own = OWN_RSA, .most = TLS1_VERSION },
	{ .label = "a shared key", .own = OWN_NONE, .psk = true },
	{ .label = "a shared key, RSA", .own = OWN_RSA, .psk = true },
	{ .label = "a shared key, brainpool", .own = OWN_BRAINPOOL, .psk = true },
};

static unsigned int
psk_of_host(SSL *ssl, const char *identity, unsigned char *psk, unsigned int max)
{
	(void)ssl;
	if (max < 16 || strcmp(identity, "friend") != 0)
		return 0;
	memset(psk, 'k', 16);
	return 16;
}

static unsigned int
psk_of_client(SSL *ssl, const char *hint, char *identity, unsigned int max_identity, unsigned char *psk, unsigned int max)
{
	(void)hint;
	snprintf(identity, max_identity, "friend");
	return psk_of_host(ssl, identity, psk, max);
}

static void
give(SSL_CTX *ctx, enum own own)
{
	for (int i = 0; i < OWNS; i++)
		if (i == (int)own || (own == OWN_BOTH && (i == OWN_RSA || i == OWN_P256)))
			if (certs[i] != NULL)
				SSL_CTX_use_cert_and_key(ctx, certs[i], keys[i], NULL, 1);
}

static void
set_callbacks(SSL_CTX *ctx, const struct host *host)
{
	if (host->certificate != NULL && !host->on_connection)
		SSL_CTX_set_cert_cb(ctx, host->certificate, NULL);
	if (host->servername != NULL)
		SSL_CTX_set_tlsext_servername_callback(ctx, host->servername);
	if (host->hello != NULL)
		SSL_CTX_set_client_hello_cb(ctx, host->hello, NULL);
	if (host->lax) {
		SSL_CTX_set0_security_ex_data(ctx, &own_callbacks);
		SSL_CTX_set_security_callback(ctx, lax_security);
	}
}

enum way { WITHOUT, BEFORE, AFTER, TWICE, LATE, WAYS };
static const char *const way_names[] = { "without", "attached first", "attached last", "attached twice", "late" };

static void
limit(SSL_CTX *ctx, const struct host *host)
{
	SSL_CTX_set_cipher_list(ctx, host->ciphers != NULL ? host->ciphers : "ALL:@SECLEVEL=0");
	SSL_CTX_set1_groups_list(ctx, host->groups != NULL ? host->groups : "P-384:P-256");
	if (host->suites != NULL)
		SSL_CTX_set_ciphersuites(ctx, host->suites);
	if (host->sigalgs != NULL)
		SSL_CTX_set1_sigalgs_list(ctx, host->sigalgs);
	SSL_CTX_set_min_proto_version(ctx, host->least);
	SSL_CTX_set_max_proto_version(ctx, host->most);
	if (host->psk)
		SSL_CTX_set_psk_server_callback(ctx, psk_of_host);
}

static SSL_CTX *
server_of(const SSL_METHOD *method, const struct host *host, enum way way)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	limit(ctx, host);
	if (way == BEFORE || way == TWICE)
		ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	give(ctx, host->own);
	set_callbacks(ctx, host);
	if (way == AFTER || way == TWICE)
		ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
	if (way == LATE)
		hook_attach_late(&bench.snicert->hook, ctx);
	attached_too = way != WITHOUT;
	return ctx;
}

static SSL_CTX *
server(const struct host *host, enum way way)
{
	return server_of(TLS_server_method(), host, way);
}

/* A ClientHello callback before is Exim's not; a security callback after is no longer ours. */
static bool
is_possible(const struct host *host, enum way way)
{
	return !(way == LATE && host->hello != NULL) && !(host->lax && way == BEFORE);
}

/* --- clients ---------------------------------------------------------------- */

static const struct kind {
	const char *label, *ciphers, *sigalgs, *groups;
	int least, most;
	bool able;              /* to use whatever there is */
	bool always;            /* not for one way of attaching alone */
	bool psk;
} kinds[] = {
	{ .label = "any", .able = true, .always = true },
	{ .label = "1.2", .most = TLS1_2_VERSION, .able = true, .always = true },
	{ .label = "1.3", .least = TLS1_3_VERSION, .able = true },
	{ .label = "anonymous too", .ciphers = "ALL:@SECLEVEL=0", .able = true },
	{ .label = "anonymous only", .ciphers = "aNULL:@SECLEVEL=0", .most = TLS1_2_VERSION },
	{ .label = "retry", .groups = "P-521:P-384:P-256", .able = true, .always = true },
	{ .label = "RSA", .sigalgs = "RSA-PSS+SHA256:RSA+SHA256" },
	{ .label = "RSA, 1.2", .sigalgs = "RSA+SHA256", .most = TLS1_2_VERSION },
	{ .label = "ECDSA", .sigalgs = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512" },
	{ .label = "ECDSA P-256 only, 1.2", .sigalgs = "ECDSA+SHA256", .groups = "P-256", .most = TLS1_2_VERSION },
	{ .label = "1.0", .ciphers = "ALL:@SECLEVEL=0", .least = TLS1_VERSION, .most = TLS1_VERSION },
	{ .label = "a shared key", .psk = true },
	{ .label = "a shared key, 1.2", .psk = true, .most = TLS1_2_VERSION },
	{ .label = "a shared key only, 1.2", .psk = true, .ciphers = "PSK:@SECLEVEL=0", .most = TLS1_2_VERSION },
};

static SSL_CTX *
client(const struct kind *kind)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (kind->ciphers != NULL)
		SSL_CTX_set_cipher_list(ctx, kind->ciphers);
	if (kind->sigalgs != NULL)
		SSL_CTX_set1_sigalgs_list(ctx, kind->sigalgs);
	if (kind->groups != NULL)
		SSL_CTX_set1_groups_list(ctx, kind->groups);
	SSL_CTX_set_min_proto_version(ctx, kind->least);
	SSL_CTX_set_max_proto_version(ctx, kind->most);
	if (kind->psk)
		SSL_CTX_set_psk_client_callback(ctx, psk_of_client);
	return ctx;
}

static const char *const names[] = { NULL, "nobody.example", "host.example", "ec.example", "rsa.example" };

/* What a client got: "" without a handshake. */
struct got {
	char text[160];
	char leaf[64];
	bool done;
};

static void
shake(SSL *end, SSL_CTX *client_ctx, const char *name, struct got *got)
{
	SSL *other = SSL_new(client_ctx);
	BIO *one = NULL, *two = NULL;
	X509 *cert;
	int rc = 0;

	memset(got, 0, sizeof(*got));
	BIO_new_bio_pair(&one, 0, &two, 0);
	SSL_set_bio(end, one, one);
	SSL_set_bio(other, two, two);
	if (name != NULL)
		SSL_set_tlsext_host_name(other, name);
	SSL_set_accept_state(end);
	SSL_set_connect_state(other);
	for (int i = 0; i < 50 && rc != 1; i++) {
		SSL_do_handshake(other);
		rc = SSL_do_handshake(end);
	}
	SSL_do_handshake(other);
	got->done = rc == 1 && SSL_is_init_finished(other);
	cert = SSL_get0_peer_certificate(other);
	if (got->done && cert != NULL)
		cert_cn(cert, got->leaf, sizeof(got->leaf));
	if (got->done)
		snprintf(got->text, sizeof(got->text), "%s \"%s\" %s", SSL_get_version(other), got->leaf,
		    cert == NULL ? "-" : EVP_PKEY_get0_type_name(X509_get0_pubkey(cert)));
	SSL_set_shutdown(end, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(other);
	ERR_clear_error();
}

static SSL *
accepting(SSL_CTX *ctx, const struct host *host)
{
	SSL *ssl = SSL_new(ctx);

	if (host->on_connection)
		SSL_set_cert_cb(ssl, host->certificate, NULL);
	return ssl;
}

/* The store has these two names, and no fallback. */
static bool
is_of_store(const struct got *got, const char *name)
{
	return name != NULL && ((strcmp(name, "ec.example") == 0 && strcmp(got->leaf, "store-ec") == 0) ||
	    (strcmp(name, "rsa.example") == 0 && strcmp(got->leaf, "store-rsa") == 0));
}

static void
compare(const char *where, const char *name, const struct got *without, const struct got *with)
{
	if (is_of_store(with, name))
		return;
	ck_assert_msg(strcmp(without->text, with->text) == 0, "%s, %s: without: %s, with: %s", where,
	    name == NULL ? "no name" : name, without->done ? without->text : "fails", with->done ? with->text : "fails");
}

static void
expect_store(const char *where, const struct kind *kind, const char *name, const struct got *with)
{
	if (name == NULL || !kind->able || strcmp(name, "nobody.example") == 0 || strcmp(name, "host.example") == 0)
		return;
	ck_assert_msg(is_of_store(with, name), "%s, %s: the store has it, got %s", where, name, with->text);
}

static void
compare_fresh(const struct host *host, bool can_all)
{
	SSL_CTX *plain = server(host, WITHOUT);

	for (int way = BEFORE; way < WAYS; way++) {
		SSL_CTX *attached = is_possible(host, (enum way)way) ? server(host, (enum way)way) : NULL;

		for (int k = 0; k < (int)COUNT(kinds) && attached != NULL; k++) {
			SSL_CTX *other;

			if (way != BEFORE && !kinds[k].always)
				continue;
			other = client(&kinds[k]);

			for (int n = 0; n < (int)COUNT(names); n++) {
				SSL *a = accepting(plain, host), *b = accepting(attached, host);
				struct got without, with;
				char where[200];

				snprintf(where, sizeof(where), "%s, %s, client %s", host->label, way_names[way], kinds[k].label);
				attached_too = false;
				shake(a, other, names[n], &without);
				attached_too = true;
				shake(b, other, names[n], &with);
				compare(where, names[n], &without, &with);
				if (can_all)
					expect_store(where, &kinds[k], names[n], &with);
				SSL_free(a);
				SSL_free(b);
			}
			SSL_CTX_free(other);
		}
		SSL_CTX_free(attached);
	}
	SSL_CTX_free(plain);
}

START_TEST(test_fresh)
{
	compare_fresh(&hosts[_i], true);
}
END_TEST

START_TEST(test_limited)
{
	compare_fresh(&limited[_i], false);
}
END_TEST

/* SSL_clear(3): each name after each other on one SSL. */
START_TEST(test_used_again)
{
	const struct host *host = &hosts[_i];
	SSL_CTX *plain = server(host, WITHOUT), *attached = server(host, host->lax ? AFTER : BEFORE);
	SSL_CTX *other = client(&kinds[0]);

	/* What a host set on the SSL alone is not had again: snicert(7). */
	for (int n = 0; n < (int)(COUNT(names) * COUNT(names)) && !host->on_connection; n++) {
		SSL *a = accepting(plain, host), *b = accepting(attached, host);

		for (int i = 0; i < 2; i++) {
			const char *name = names[i == 0 ? (size_t)n / COUNT(names) : (size_t)n % COUNT(names)];
			struct got without, with;
			char where[200];

			snprintf(where, sizeof(where), "%s, SSL of before, the %d.", host->label, i + 1);
			attached_too = false;
			shake(a, other, name, &without);
			attached_too = true;
			shake(b, other, name, &with);
			compare(where, name, &without, &with);
			SSL_clear(a);
			SSL_clear(b);
		}
		SSL_free(a);
		SSL_free(b);
	}
	SSL_CTX_free(plain);
	SSL_CTX_free(attached);
	SSL_CTX_free(other);
}
END_TEST

/* What the client gets when it comes with another name in a renegotiation. */
static void
shake_twice(SSL *end, SSL_CTX *client_ctx, const char *first, const char *second, struct got *got)
{
	SSL *other = SSL_new(client_ctx);
	BIO *one = NULL, *two = NULL;
	char octet;

	memset(got, 0, sizeof(*got));
	BIO_new_bio_pair(&one, 0, &two, 0);
	SSL_set_bio(end, one, one);
	SSL_set_bio(other, two, two);
	SSL_set_tlsext_host_name(other, first);
	SSL_set_accept_state(end);
	SSL_set_connect_state(other);
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(other);
		SSL_do_handshake(end);
	}
	SSL_set_tlsext_host_name(other, second);
	SSL_renegotiate(other);
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(other);
		SSL_read(end, &octet, 1);
	}
	got->done = SSL_is_init_finished(other) && SSL_renegotiate_pending(other) == 0;
	if (got->done && SSL_get0_peer_certificate(other) != NULL)
		cert_cn(SSL_get0_peer_certificate(other), got->leaf, sizeof(got->leaf));
	snprintf(got->text, sizeof(got->text), "%s \"%s\"", got->done ? "done" : "", got->leaf);
	SSL_free(other);
	ERR_clear_error();
}

START_TEST(test_renegotiation)
{
	static const char *const pairs[][2] = { { "ec.example", "nobody.example" }, { "nobody.example", "ec.example" },
		{ "rsa.example", "host.example" }, { "ec.example", "rsa.example" } };
	const struct host *host = &hosts[_i];
	SSL_CTX *plain = server(host, WITHOUT), *attached = server(host, host->lax ? AFTER : BEFORE);
	SSL_CTX *other = client(&kinds[1]);

	/* A callback on the connection is not had again, whoever set it: snicert(7). */
	for (int i = 0; i < (int)COUNT(pairs) && !host->on_connection && host->hello == NULL; i++)
		for (int ticket = 0; ticket < 2; ticket++) {
			SSL *a = accepting(plain, host), *b = accepting(attached, host);
			struct got without, with;

			SSL_set_options(a, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION | (ticket ? 0 : SSL_OP_NO_TICKET));
			SSL_set_options(b, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION | (ticket ? 0 : SSL_OP_NO_TICKET));
			attached_too = false;
			shake_twice(a, other, pairs[i][0], pairs[i][1], &without);
			attached_too = true;
			shake_twice(b, other, pairs[i][0], pairs[i][1], &with);
			/* Without us some have nothing for the first of the two. */
			if (without.done)
				compare(host->label, pairs[i][1], &without, &with);
			SSL_free(a);
			SSL_free(b);
		}
	SSL_CTX_free(plain);
	SSL_CTX_free(attached);
	SSL_CTX_free(other);
}
END_TEST

/* The host's own security callback goes on being asked, and gives the verdicts, with the argument of
 * the context or of the connection. */
START_TEST(test_security_callback)
{
	const struct host *lax = hosts;
	SSL_CTX *attached, *other = client(&kinds[0]);

	while (!lax->lax)
		lax++;
	attached = server(lax, AFTER);
	for (int on_connection = 0; on_connection < 2; on_connection++) {
		SSL *ssl = SSL_new(attached);
		struct got got;

		if (on_connection) {
			SSL_CTX_set0_security_ex_data(attached, NULL);
			SSL_set0_security_ex_data(ssl, &own_callbacks);
		}
		own_callbacks = 0;
		shake(ssl, other, "ec.example", &got);
		ck_assert_str_eq(got.leaf, "store-ec");
		ck_assert_int_gt(own_callbacks, 0);
		SSL_free(ssl);
	}
	SSL_CTX_free(attached);
	SSL_CTX_free(other);
}
END_TEST

static int (*chained)(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

static int
chaining_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	own_callbacks++;
	return chained(ssl, ctx, op, bits, nid, other, ex);
}

/* A host whose security callback asks the one that it found, ours; and it attaches again. */
START_TEST(test_security_callback_chained)
{
	SSL_CTX *ctx = server(&hosts[0], AFTER), *other = client(&kinds[0]);

	chained = SSL_CTX_get_security_callback(ctx);
	SSL_CTX_set_security_callback(ctx, chaining_security);
	for (int again = 0; again < 2; again++) {
		SSL *ssl;
		struct got got;

		if (again)
			ck_assert_int_eq(snicert_attach(bench.snicert, ctx, NULL), 0);
		ssl = SSL_new(ctx);
		own_callbacks = 0;
		shake(ssl, other, "ec.example", &got);
		ck_assert_str_eq(got.leaf, "store-ec");
		ck_assert_int_gt(own_callbacks, 0);
		SSL_free(ssl);
	}
	SSL_CTX_free(ctx);
	SSL_CTX_free(other);
}
END_TEST

/* A host that makes a context like another, its security callback included: it is served once it is
 * attached, and works before. */
START_TEST(test_security_callback_copied)
{
	SSL_CTX *first = server(&hosts[0], AFTER), *copy = server(&hosts[0], WITHOUT), *other = client(&kinds[0]);

	SSL_CTX_set_security_callback(copy, SSL_CTX_get_security_callback(first));
	SSL_CTX_set0_security_ex_data(copy, SSL_CTX_get0_security_ex_data(first));
	SSL_CTX_free(first);
	for (int attached = 0; attached < 2; attached++) {
		SSL *ssl;
		struct got got;

		if (attached)
			ck_assert_int_eq(snicert_attach(bench.snicert, copy, NULL), 0);
		ssl = SSL_new(copy);
		shake(ssl, other, "ec.example", &got);
		ck_assert_str_eq(got.leaf, attached ? "store-ec" : "own");
		SSL_free(ssl);
	}
	SSL_CTX_free(copy);
	SSL_CTX_free(other);
}
END_TEST

/* DTLS is none of our business, whatever the name. */
START_TEST(test_datagrams)
{
	const struct host *host = &hosts[_i];
	SSL_CTX *plain = server_of(DTLS_server_method(), host, WITHOUT), *other = SSL_CTX_new(DTLS_client_method());

	for (int way = BEFORE; way < WAYS; way++) {
		SSL_CTX *attached = is_possible(host, (enum way)way)
		    ? server_of(DTLS_server_method(), host, (enum way)way) : NULL;

		/* The context that this one switches to is of TLS. */
		for (int n = 0; n < (int)COUNT(names) && attached != NULL && host->servername != switching_servername; n++) {
			SSL *a = accepting(plain, host), *b = accepting(attached, host);
			struct got without, with;

			shake(a, other, names[n], &without);
			shake(b, other, names[n], &with);
			ck_assert_msg(strcmp(without.text, with.text) == 0, "%s, %s, %s: without: %s, with: %s", host->label,
			    way_names[way], names[n] == NULL ? "no name" : names[n], without.text, with.text);
			SSL_free(a);
			SSL_free(b);
		}
		SSL_CTX_free(attached);
	}
	SSL_CTX_free(plain);
	SSL_CTX_free(other);
}
END_TEST

#if OPENSSL_VERSION_NUMBER >= 0x30200000L

#define RAW TLSEXT_cert_type_rpk
#define CHAIN TLSEXT_cert_type_x509

/* RFC 7250: who takes a raw public key knows the host's, and the host's order is what counts. */
static const struct raw_key {
	const char *label;
	unsigned char own[2], peer[2];
	size_t own_count, peer_count;
	bool is_raw;
} raw_keys[] = {
	{ "both raw", { RAW }, { RAW }, 1, 1, true },
	{ "both raw first", { RAW, CHAIN }, { RAW, CHAIN }, 2, 2, true },
	{ "client chain first", { RAW, CHAIN }, { CHAIN, RAW }, 2, 2, true },
	{ "host chain first", { CHAIN, RAW }, { RAW, CHAIN }, 2, 2, false },
	{ "host alone", { RAW, CHAIN }, { CHAIN }, 2, 0, false },
	{ "client alone", { CHAIN }, { RAW, CHAIN }, 0, 2, false },
};

/* Hosts that ask for a chain themselves, in one callback or another. */
static int chosen;              /* what the last one was told */

static int
choosing_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	chosen = snicert_choose(bench.snicert, ssl, NULL);
	return 1;
}

static int
choosing_servername(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	chosen = snicert_choose(bench.snicert, ssl, NULL);
	return SSL_TLSEXT_ERR_OK;
}

static int
choosing_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	chosen = snicert_choose(bench.snicert, ssl, NULL);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static void
shake_raw(const struct host *host, enum way way, const struct raw_key *types, const struct kind *kind)
{
	SSL_CTX *ctx = server(host, way), *other = client(kind);
	SSL *ssl = accepting(ctx, host);
	struct got got;

	if (types->own_count > 0)
		ck_assert_int_eq(SSL_set1_server_cert_type(ssl, types->own, types->own_count), 1);
	if (types->peer_count > 0)
		ck_assert_int_eq(SSL_CTX_set1_server_cert_type(other, types->peer, types->peer_count), 1);
	shake(ssl, other, "ec.example", &got);
	ck_assert_msg(got.done, "%s, %s, %s, %s: no handshake", host->label, way_names[way], types->label, kind->label);
	ck_assert_msg(strcmp(got.leaf, types->is_raw ? "" : "store-ec") == 0, "%s, %s, %s, %s: got %s", host->label,
	    way_names[way], types->label, kind->label, got.text);
	if (types->is_raw)
		ck_assert_msg(EVP_PKEY_eq(SSL_get_privatekey(ssl), keys[host->own]) == 1, "%s, %s, %s, %s: another key",
		    host->label, way_names[way], types->label, kind->label);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	SSL_CTX_free(other);
}

START_TEST(test_raw_keys)
{
	static const struct host some[] = { { .label = "RSA", .own = OWN_RSA }, { .label = "P-256", .own = OWN_P256 },
		{ .label = "certificate callback, RSA", .own = OWN_RSA, .certificate = host_certificate } };

	for (int h = 0; h < (int)COUNT(some); h++)
		for (int way = BEFORE; way < WAYS; way++)
			for (int k = 0; k < 3; k++)
				shake_raw(&some[h], (enum way)way, &raw_keys[_i], &kinds[k]);
}
END_TEST

START_TEST(test_raw_keys_chosen)
{
	static const struct host some[] = {
		{ .label = "choose, certificate callback", .own = OWN_RSA, .certificate = choosing_certificate },
		{ .label = "choose, certificate callback, each connection", .own = OWN_P256,
		    .certificate = choosing_certificate, .on_connection = true },
		{ .label = "choose, servername callback", .own = OWN_RSA, .servername = choosing_servername },
		{ .label = "choose, ClientHello callback", .own = OWN_RSA, .hello = choosing_hello } };

	for (int h = 0; h < (int)COUNT(some); h++)
		for (int k = 0; k < 3; k++) {
			chosen = -2;
			shake_raw(&some[h], WITHOUT, &raw_keys[_i], &kinds[k]);
			ck_assert_msg(chosen == raw_keys[_i].is_raw, "%s, %s: choose said %d", some[h].label,
			    raw_keys[_i].label, chosen);
		}
}
END_TEST

#endif

#if OPENSSL_VERSION_NUMBER >= 0x30500000L

static int
take_protocol(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *in, unsigned count,
    void *arg)
{
	(void)ssl;
	(void)in;
	(void)count;
	(void)arg;
	*out = (const unsigned char *)"x";
	*length = 1;
	return SSL_TLSEXT_ERR_OK;
}

/* A socket of an end; its address is left in *address. */
static int
bound_socket(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
	return fd;
}

/* Both ends of a QUIC connection, over loopback.  Returns the server's, or NULL. */
static SSL *
shake_quic(SSL *listener, SSL *client, const char *name)
{
	static const unsigned char protocol[] = { 1, 'x' };
	struct sockaddr_in at, from;
	struct pollfd either[2] = { { bound_socket(&at), POLLIN, 0 }, { bound_socket(&from), POLLIN, 0 } };
	BIO_ADDR *peer = BIO_ADDR_new();
	SSL *end = NULL;
	int rc = 0;

	SSL_set_fd(listener, either[0].fd);
	SSL_set_fd(client, either[1].fd);
	BIO_ADDR_rawmake(peer, AF_INET, &at.sin_addr, sizeof(at.sin_addr), at.sin_port);
	ck_assert_int_eq(SSL_set1_initial_peer_addr(client, peer), 1);
	BIO_ADDR_free(peer);
	SSL_set_blocking_mode(listener, 0);
	SSL_set_blocking_mode(client, 0);
	ck_assert_int_eq(SSL_set_alpn_protos(client, protocol, sizeof(protocol)), 0);
	if (name != NULL)
		SSL_set_tlsext_host_name(client, name);
	ck_assert_int_eq(SSL_listen(listener), 1);
	for (int i = 0; i < 500 && rc != 1; i++) {
		rc = SSL_connect(client);
		SSL_handle_events(listener);
		if (end == NULL)
			end = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK);
		if (end != NULL)
			SSL_handle_events(end);
		if (rc != 1)
			poll(either, 2, 20); /* QUIC's own timers run out, too */
	}
	return rc == 1 ? end : (SSL_free(end), NULL);
}

/* Left as it is, whatever the name, and not stopped by a call of ours within its lock. */
static void
expect_own_by_quic(const struct host *host, enum way way, const char *name)
{
	SSL_CTX *ctx = server_of(OSSL_QUIC_server_method(), host, way), *other = SSL_CTX_new(OSSL_QUIC_client_method());
	SSL *listener, *client = SSL_new(other), *end;
	char leaf[64] = "";

	SSL_CTX_set_alpn_select_cb(ctx, take_protocol, NULL);
	listener = SSL_new_listener(ctx, 0);
	ck_assert_ptr_nonnull(listener);
	end = shake_quic(listener, client, name);
	ck_assert_msg(end != NULL, "%s, %s: no handshake", host->label, way_names[way]);
	cert_cn(SSL_get0_peer_certificate(client), leaf, sizeof(leaf));
	ck_assert_msg(strcmp(leaf, "own") == 0, "%s, %s, %s: got %s", host->label, way_names[way],
	    name == NULL ? "no name" : name, leaf);
	SSL_free(end);
	SSL_free(client);
	SSL_free(listener);
	SSL_CTX_free(ctx);
	SSL_CTX_free(other);
}

START_TEST(test_quic)
{
	static const struct host some[] = { { .label = "RSA", .own = OWN_RSA },
		{ .label = "choose, certificate callback", .own = OWN_RSA, .certificate = choosing_certificate },
		{ .label = "choose, servername callback", .own = OWN_RSA, .servername = choosing_servername },
		{ .label = "choose, ClientHello callback", .own = OWN_RSA, .hello = choosing_hello } };

	for (int n = 0; n < (int)COUNT(names); n++)
		expect_own_by_quic(&some[0], (enum way)_i, names[n]);
	for (int h = 1; h < (int)COUNT(some) && _i == WITHOUT; h++) {
		chosen = -2;
		expect_own_by_quic(&some[h], WITHOUT, "ec.example");
		ck_assert_msg(chosen == -1, "%s: choose said %d", some[h].label, chosen);
	}
}
END_TEST

#endif

int
main(void)
{
	Suite *suite = suite_create("hosts");
	TCase *tests = tcase_create("hosts");
	int failed;

	harness_start();
	tcase_add_unchecked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_fresh, 0, COUNT(hosts));
	tcase_add_loop_test(tests, test_limited, 0, COUNT(limited));
	tcase_add_loop_test(tests, test_used_again, 0, COUNT(hosts));
	tcase_add_loop_test(tests, test_renegotiation, 0, COUNT(hosts));
	tcase_add_test(tests, test_security_callback);
	tcase_add_test(tests, test_security_callback_chained);
	tcase_add_test(tests, test_security_callback_copied);
	tcase_add_loop_test(tests, test_datagrams, 0, COUNT(hosts));
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
	tcase_add_loop_test(tests, test_raw_keys, 0, COUNT(raw_keys));
	tcase_add_loop_test(tests, test_raw_keys_chosen, 0, COUNT(raw_keys));
#else
	fprintf(stderr, "SKIPPED: test_raw_keys: needs OpenSSL 3.2\n");
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
	tcase_add_loop_test(tests, test_quic, WITHOUT, WAYS);
#else
	fprintf(stderr, "SKIPPED: test_quic: needs OpenSSL 3.5\n");
#endif
	suite_add_tcase(suite, tests);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
