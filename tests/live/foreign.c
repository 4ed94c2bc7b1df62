/* SPDX-License-Identifier: ISC */
/*
 * foreign.c: a host whose TLS library is not the one that the module calls, or not the only one.  Built by
 * foreign.sh in several ways, with OpenSSL or BoringSSL.
 *
 *     foreign CERTIFICATE KEY MODULE|- CONFIG [LIBRARY…]
 *
 * Says what the module's calls return, whom the host's own handshakes present before and after, and (by
 * foreign_log.c) what is logged by syslog(3).  The libraries are loaded first, each in what is visible to it alone.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "snicert.h"

/* Returns 0 when no more can come of it. */
static int
step(SSL *ssl)
{
	int result = SSL_do_handshake(ssl);

	return result != 1 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

/* The name that the server presented, in `out`. */
static void
subject(const SSL *client, char *out, int size)
{
	X509 *leaf = SSL_get_peer_certificate(client);

	snprintf(out, (size_t)size, "nothing");
	if (leaf != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, out, size);
	X509_free(leaf);
}

static void
handshake(SSL_CTX *served, const char *when)
{
	SSL_CTX *other = SSL_CTX_new(TLS_client_method());
	SSL *server = SSL_new(served), *client = SSL_new(other);
	BIO *here, *there;
	char name[100];

	BIO_new_bio_pair(&here, 0, &there, 0);
	SSL_set_bio(server, here, here);
	SSL_set_bio(client, there, there);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	SSL_set_tlsext_host_name(client, "good-ec.example");
	for (int i = 0; i < 100 && step(client) + step(server) != 0; i++)
		continue;
	subject(client, name, sizeof(name));
	printf("%s: %s%s\n", when, name, SSL_is_init_finished(server) && SSL_is_init_finished(client) ? "" : ", not completed");
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(other);
}

static void
say(const char *call, int result, struct snicert_error *err)
{
	printf("%s: %d %s\n", call, result, result == 0 ? "" : err->text);
	memset(err, 0, sizeof(*err));
}

/* Every call that takes a context or a connection. */
static void
try_calls(const struct snicert_module *m, struct snicert *certs, SSL_CTX *ctx)
{
	struct snicert_request request = { .size = sizeof(request), .name = "good-ec.example", .ctx = ctx };
	struct snicert_policy policy = { .size = sizeof(policy) };
	struct snicert_served out = { .size = sizeof(out) };
	struct snicert_error err = {0};
	SSL *ssl = SSL_new(ctx);

	say("attach", m->attach(certs, ctx, &err), &err);
	say("attach2", m->attach2(certs, ctx, &policy, &err), &err);
	say("choose", m->choose(certs, ssl, &err), &err);
	say("set_name", m->set_name(certs, ssl, "good-ec.example", &err), &err);
	say("set_local", m->set_local(certs, ssl, NULL, 0, &err), &err);
	say("served", m->served(certs, ssl, &out, &err), &err);
	say("lookup", m->lookup(certs, &request, &out, &err), &err);
	SSL_free(ssl);
}

static void
try_module(const char *path, const char *config, SSL_CTX *ctx)
{
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct snicert_module *m = so == NULL ? NULL : dlsym(so, SNICERT_MODULE_SYMBOL);
	struct snicert *certs = NULL;
	struct snicert_error err = {0};
	int result;

	if (m == NULL) {
		printf("load: %s\n", dlerror());
		return;
	}
	result = m->open(&certs, config, &err);
	say("open", result, &err);
	if (result != 0)
		return;
	try_calls(m, certs, ctx);
	handshake(ctx, "attached");
	m->detach(certs, ctx);
	handshake(ctx, "detached");
	m->close(certs);
	dlclose(so);
}

int
main(int argc, char **argv)
{
	SSL_CTX *ctx;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 5)
		return 2;
	for (int i = 5; i < argc; i++)
		if (dlopen(argv[i], RTLD_NOW | RTLD_LOCAL) == NULL)
			printf("library: %s\n", dlerror());
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || SSL_CTX_use_certificate_file(ctx, argv[1], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[2], SSL_FILETYPE_PEM) != 1)
		return 2;
	handshake(ctx, "before");
	if (strcmp(argv[3], "-") != 0)
		try_module(argv[3], argv[4], ctx);
	handshake(ctx, "after");
	SSL_CTX_free(ctx);
	printf("end\n");
	return 0;
}
