/* SPDX-License-Identifier: ISC */
/*
 * bench-open MODULE CONF: what it takes a server to have the module, in one line:
 *     load_us N open_us N attach_us N memory_kib N
 *
 * `load_us` is dlopen itself, which every server pays once whatever the store;
 * `memory_kib` is by how much open and attach let the process grow, and an
 * OpenSSL that has made its first context already is not part of it.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <snicert.h>

#include "tree.h"

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t
memory_kib(void)
{
	struct tree_usage usage;

	return tree_read(getpid(), true, &usage) == 0 ? usage.rss_kib : 0;
}

static int
measure(const struct snicert_module *module, const char *conf, SSL_CTX *ctx, uint64_t load_us)
{
	struct snicert_error err = { 0 };
	struct snicert *certs = NULL;
	uint64_t before = memory_kib(), start = now_us(), opened, attached;

	if (module->open(&certs, conf, &err) != 0) {
		fprintf(stderr, "bench-open: %s\n", err.text);
		return 1;
	}
	opened = now_us();
	if (module->attach(certs, ctx, &err) != 0) {
		fprintf(stderr, "bench-open: %s\n", err.text);
		return 1;
	}
	attached = now_us();
	printf("load_us %" PRIu64 " open_us %" PRIu64 " attach_us %" PRIu64 " memory_kib %" PRIu64 "\n",
	    load_us, opened - start, attached - opened, memory_kib() - before);
	module->close(certs);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct snicert_module *module;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	uint64_t start = now_us();
	void *object;
	int status;

	if (argc != 3 || ctx == NULL) {
		fputs("usage: bench-open MODULE CONF\n", stderr);
		return 2;
	}
	object = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	module = object != NULL ? dlsym(object, SNICERT_MODULE_SYMBOL) : NULL;
	if (module == NULL || module->abi != SNICERT_ABI) {
		fprintf(stderr, "bench-open: %s: %s\n", argv[1], object == NULL ? dlerror() : "another module");
		return 1;
	}
	status = measure(module, argv[2], ctx, now_us() - start);
	SSL_CTX_free(ctx);
	return status;
}
