/* SPDX-License-Identifier: ISC */
/* simulator.c: what a client is served, by the real code. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "error.h"
#include "hook_choice.h"
#include "instance.h"
#include "look/simulator.h"
#include "nearest.h"
#include "show/say.h"

/* What a client can use. */
static const struct simulator_profile {
	const char *name;
	int version;            /* the only one; 0: any */
	const char *sigalgs;
	const char *ciphers;    /* of TLS 1.2 */
	bool narrow;            /* can't use even the server's own certificate */
} profiles[] = {
	{ "any", 0, NULL, NULL, false },
	{ "rsa", 0, "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512",
	    "aRSA", false },
	{ "rsa-pss", TLS1_3_VERSION, "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512", NULL, true },
	{ "ecdsa", 0, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512", "aECDSA", false },
	/* In TLS 1.3 each has its curve. */
	{ "ecdsa-p256", TLS1_3_VERSION, "ECDSA+SHA256", NULL, false },
	{ "ecdsa-p384", TLS1_3_VERSION, "ECDSA+SHA384", NULL, true },
	{ "ecdsa-p521", TLS1_3_VERSION, "ECDSA+SHA512", NULL, true },
	{ "ed25519", 0, "ed25519", "aECDSA", false },
	{ "tls12", TLS1_2_VERSION, NULL, NULL, false },
	{ "tls12-rsa", TLS1_2_VERSION, "RSA+SHA256:RSA+SHA384:RSA+SHA512", "aRSA", false },
	{ "tls12-ecdsa", TLS1_2_VERSION, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512", "aECDSA", false },
};

const struct simulator_profile *
simulator_profile(const char *name)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}

const char *
simulator_meant(const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		nearest_offer(name, profiles[i].name, &best);
	return best;
}

struct simulator {
	struct snicert *snicert;
	SSL_CTX *server, *client;
	int least;                      /* the lowest log priority to print */
	struct sockaddr_storage local;  /* AF_UNSPEC: none */
};

static void
tell(void *arg, int priority, const char *text)
{
	const struct simulator *served = arg;
	char sentence[1024];

	if (priority <= served->least)
		say("%s", log_sentence_of(text, sentence, sizeof(sentence)));
}

/* Stands for the server's own certificate: any client here can use it. */
static int
give_own(SSL_CTX *ctx, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	int good = key != NULL && cert != NULL && X509_set_version(cert, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	    X509_set_pubkey(cert, key) == 1 &&
	    X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0 &&
	    SSL_CTX_use_cert_and_key(ctx, cert, key, NULL, 1) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	return good;
}

/* The local address, in inet_ntop's form. */
static void
set_address(struct simulator *served, const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&served->local;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&served->local;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		served->local.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		served->local.ss_family = AF_INET6;
}

static int
prepare(struct simulator *served, struct snicert_error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	served->server = ctx;
	served->client = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || served->client == NULL || !give_own(ctx, EVP_RSA_gen(2048)) ||
	    !give_own(ctx, EVP_EC_gen("P-256")) || !give_own(ctx, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")))
		return error_openssl(err, SNICERT_EINPUT, "can't set up the handshake");
	return snicert_attach(served->snicert, ctx, err);
}

int
simulator_open(struct simulator **out, const struct simulator_options *options, struct snicert_error *err)
{
	struct simulator *served = calloc(1, sizeof(*served));
	const char *program = options->program;

	if (served == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	served->least = options->quiet ? LOG_ERR : LOG_DEBUG;
	if (snicert_open_logging(&served->snicert, options->config_path, (struct snicert_sink){ tell, served, true }, err) != 0 ||
	    prepare(served, err) != 0) {
		simulator_close(served);
		return -1;
	}
	if (options->address != NULL)
		set_address(served, options->address);
	served->snicert->hook.program = program == NULL ? NULL : config_program(served->snicert->config, program);
	*out = served;
	return 0;
}

void
simulator_close(struct simulator *served)
{
	if (served == NULL)
		return;
	SSL_CTX_free(served->server);
	SSL_CTX_free(served->client);
	snicert_close(served->snicert);
	free(served);
}

static SSL *
make_client(SSL_CTX *ctx, const char *name, const struct simulator_profile *profile)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl != NULL && profile->version != 0 &&
	    (SSL_set_min_proto_version(ssl, profile->version) != 1 ||
	        SSL_set_max_proto_version(ssl, profile->version) != 1))
		return ssl;
	if (ssl != NULL && ((profile->sigalgs != NULL && SSL_set1_sigalgs_list(ssl, profile->sigalgs) != 1) ||
	    (profile->ciphers != NULL && SSL_set_cipher_list(ssl, profile->ciphers) != 1) ||
	    (name != NULL && SSL_set_tlsext_host_name(ssl, name) != 1))) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static bool
shake_hands(SSL *server, SSL *client)
{
	BIO *one = NULL, *other = NULL;
	int rc = 0;

	if (BIO_new_bio_pair(&one, 0, &other, 0) != 1)
		return false;
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 100 && rc != 1; i++) {
		SSL_do_handshake(client);
		rc = SSL_do_handshake(server);
	}
	return rc == 1;
}

static SSL *
make_server(const struct simulator *served, struct snicert_error *err)
{
	SSL *ssl = SSL_new(served->server);

	if (ssl != NULL && served->local.ss_family != AF_UNSPEC &&
	    hook_set_local(ssl, (const struct sockaddr *)&served->local, sizeof(served->local), err) != 0) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

/* The result of a handshake.  Returns 0, or -1 if it should have ended. */
static int
judge(const struct simulator *served, const struct simulator_profile *profile, const SSL *server, bool is_done,
    enum simulator_result *result)
{
	bool is_refused;
	const struct hook_outcome *outcome = hook_outcome_of(server, &is_refused);
	bool from_store = outcome != NULL && outcome->what != HOOK_CANDIDATES;

	if (is_done)
		*result = from_store ? SIMULATOR_STORE : SIMULATOR_OWN;
	else if (outcome == NULL && served->snicert->hook.program != NULL)
		*result = SIMULATOR_REFUSED;
	else if (outcome != NULL && outcome->tried > 0 && !from_store && profile->narrow)
		*result = SIMULATOR_OWN;
	else
		return -1;
	return 0;
}

int
simulator_ask(struct simulator *served, const char *name, const struct simulator_profile *profile,
    hook_tell_fn *step, void *arg, enum simulator_result *result, STACK_OF(X509) **certs,
    struct snicert_error *err)
{
	SSL *server = make_server(served, err), *client = make_client(served->client, name, profile);
	int status = 0;

	if (certs != NULL)
		*certs = NULL;
	if (server == NULL || client == NULL)
		status = error_openssl(err, SNICERT_EINPUT, "can't set up the handshake");
	else if (judge(served, profile, server, shake_hands(server, client), result) != 0)
		status = error_openssl(err, SNICERT_EINPUT, "the handshake failed");
	if (server != NULL && step != NULL)
		hook_retrace(&served->snicert->hook, server, step, arg);
	if (status == 0 && certs != NULL && SSL_get_peer_cert_chain(client) != NULL)
		*certs = X509_chain_up_ref(SSL_get_peer_cert_chain(client));
	SSL_free(server);
	SSL_free(client);
	return status;
}
