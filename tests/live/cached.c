/* SPDX-License-Identifier: ISC */
/*
 * cached CONF NAME MODULE|- CERTIFICATE KEY: handshakes within the process, of which cached.sh
 * looks at the system calls.  Two are for the cache; then, each between two calls of getppid(),
 * come some while the module's clock stands still, and as many with a tick before each.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <snicert.h>

#define HANDSHAKES 20

/* In front of libc's: by the coarse clock the module knows when to look at the store. */
static _Atomic long ticks;

__attribute__((visibility("default"))) int
clock_gettime(clockid_t clock, struct timespec *out)
{
	static int (*real)(clockid_t, struct timespec *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	if (clock != CLOCK_MONOTONIC_COARSE)
		return real(clock, out);
	*out = (struct timespec){ .tv_sec = 1000, .tv_nsec = 4000000 * ticks };
	return 0;
}

static bool
shake(SSL_CTX *server_ctx, SSL_CTX *client_ctx, const char *name, bool is_known)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *ends[2];
	bool good;

	BIO_new_bio_pair(&ends[0], 0, &ends[1], 0);
	SSL_set_bio(server, ends[0], ends[0]);
	SSL_set_bio(client, ends[1], ends[1]);
	SSL_set_tlsext_host_name(client, name);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	good = SSL_is_init_finished(server) && SSL_is_init_finished(client) &&
	    (X509_check_host(SSL_get0_peer_certificate(client), name, 0, 0, NULL) == 1) == is_known;
	SSL_free(server);
	SSL_free(client);
	return good;
}

static const struct snicert_module *
module_at(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	return object == NULL ? NULL : dlsym(object, SNICERT_MODULE_SYMBOL);
}

static bool
attach(const char *path, const char *conf, SSL_CTX *ctx)
{
	const struct snicert_module *module = module_at(path);
	struct snicert_error err = {0};
	struct snicert *snicert;

	if (module == NULL || module->open(&snicert, conf, &err) != 0 || module->attach(snicert, ctx, &err) != 0) {
		fprintf(stderr, "cached: %s: %s\n", path, module == NULL ? dlerror() : err.text);
		return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client = SSL_CTX_new(TLS_client_method());
	bool with, good;

	if (argc != 6 || SSL_CTX_use_certificate_chain_file(server, argv[4]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(server, argv[5], SSL_FILETYPE_PEM) != 1) {
		fputs("usage: cached CONF NAME MODULE|- CERTIFICATE KEY\n", stderr);
		return 2;
	}
	with = strcmp(argv[3], "-") != 0;
	if (with && !attach(argv[3], argv[1], server))
		return 1;
	good = shake(server, client, argv[2], with) && shake(server, client, argv[2], with);
	syscall(SYS_getppid);
	for (int i = 0; i < HANDSHAKES; i++)
		good = shake(server, client, argv[2], with) && good;
	syscall(SYS_getppid);
	for (int i = 0; i < HANDSHAKES; i++) {
		ticks++;
		good = shake(server, client, argv[2], with) && good;
	}
	syscall(SYS_getppid);
	return good ? 0 : 1;
}
