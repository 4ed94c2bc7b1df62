/* SPDX-License-Identifier: ISC */
/*
 * bench-handshake --own PEM --conf CONF --name NAME… [--name-count N] [--blocks N] SIDE…: what a server's
 * part of a whole handshake takes, in one process, in microseconds: for each SIDE a line
 *     SIDE us N ratio N
 *
 * A SIDE is `static`, a context with the certificate of PEM alone, or a module's path, the same
 * context with that module attached; so two builds of the module can be compared, too.  NAME may have a
 * %d, which is 0 to N - 1 in turn.
 *
 * The sides take turns of twenty handshakes, each in the reverse order of the one before.  The clock runs
 * from the server's SSL_new() to its SSL_free(), but not in the client; the slowest twentieth, where
 * the kernel was elsewhere, does not count.  `ratio` is the first side's mean to this one's: below 1 this one costs.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <snicert.h>

#define SIDES_MOST 8
#define BLOCK 20
#define NAME_SIZE 256

struct side {
	const char *what;
	const struct snicert_module *module;
	struct snicert *certs;
	SSL_CTX *ctx;
	double *us;
	size_t count;
};

static struct {
	const char *own, *conf, *name;
	unsigned names;
	unsigned long blocks;
} options = { .names = 1, .blocks = 200 };

static void
must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench-handshake: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void
side_open(struct side *side, const char *what)
{
	struct snicert_error err = { 0 };
	void *object;

	side->what = what;
	side->us = calloc(options.blocks * BLOCK, sizeof(*side->us));
	side->ctx = SSL_CTX_new(TLS_server_method());
	must(side->us != NULL && side->ctx != NULL, "no memory");
	must(SSL_CTX_use_certificate_chain_file(side->ctx, options.own) == 1 &&
	    SSL_CTX_use_PrivateKey_file(side->ctx, options.own, SSL_FILETYPE_PEM) == 1, options.own);
	/* Nobody resumes any. */
	SSL_CTX_set_session_cache_mode(side->ctx, SSL_SESS_CACHE_OFF);
	if (strcmp(what, "static") == 0)
		return;
	object = dlopen(what, RTLD_NOW | RTLD_LOCAL);
	must(object != NULL, dlerror());
	side->module = dlsym(object, SNICERT_MODULE_SYMBOL);
	must(side->module != NULL && side->module->abi == SNICERT_ABI, "another module");
	must(side->module->open(&side->certs, options.conf, &err) == 0, err.text);
	must(side->module->attach(side->certs, side->ctx, &err) == 0, err.text);
}

static SSL *
peer(SSL_CTX *ctx, BIO *in, BIO *out)
{
	SSL *ssl = SSL_new(ctx);

	must(ssl != NULL && in != NULL && out != NULL, "no memory");
	BIO_up_ref(in);
	BIO_up_ref(out);
	SSL_set_bio(ssl, in, out);
	return ssl;
}

/* Returns the server's time, from SSL_new() to SSL_free(). */
static double
handshake(SSL_CTX *ctx, SSL_CTX *client_ctx, const char *name)
{
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	double us = -now_us();
	SSL *server = peer(ctx, up, down), *client;
	bool served = false, met = false;

	us += now_us();
	client = peer(client_ctx, down, up);
	must(SSL_set_tlsext_host_name(client, name) == 1, name);
	for (int flight = 0; flight < 4 && !(served && met); flight++) {
		met = SSL_connect(client) == 1;
		us -= now_us();
		served = SSL_accept(server) == 1;
		us += now_us();
	}
	must(served && met, "no handshake");
	us -= now_us();
	SSL_free(server);
	us += now_us();
	SSL_free(client);
	BIO_free(up);
	BIO_free(down);
	ERR_clear_error();
	return us;
}

static void
block(struct side *side, SSL_CTX *client_ctx, bool counts, unsigned long *turn)
{
	char name[NAME_SIZE];

	for (int i = 0; i < BLOCK; i++) {
		double us;

		snprintf(name, sizeof(name), options.name, (unsigned)((*turn)++ % options.names));
		us = handshake(side->ctx, client_ctx, name);
		if (counts)
			side->us[side->count++] = us;
	}
}

static int
by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double
mean(const struct side *side)
{
	size_t counted = side->count - side->count / 20;
	double sum = 0;

	qsort(side->us, side->count, sizeof(*side->us), by_size);
	for (size_t i = 0; i < counted; i++)
		sum += side->us[i];
	return sum / (double)counted;
}

static void
measure(struct side *sides, size_t count)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	unsigned long turns[SIDES_MOST] = { 0 }, warm = 1 + options.names / BLOCK;
	double first = 0;

	must(client_ctx != NULL, "no memory");
	for (size_t i = 0; i < count; i++)
		for (unsigned long j = 0; j < warm; j++)
			block(&sides[i], client_ctx, false, &turns[i]);
	for (unsigned long j = 0; j < options.blocks; j++)
		for (size_t i = 0; i < count; i++) {
			size_t at = j % 2 == 0 ? i : count - 1 - i;

			block(&sides[at], client_ctx, true, &turns[at]);
		}
	for (size_t i = 0; i < count; i++) {
		double us = mean(&sides[i]);

		if (i == 0)
			first = us;
		printf("%s us %.2f ratio %.3f\n", sides[i].what, us, first / us);
	}
	SSL_CTX_free(client_ctx);
}

static void
side_close(struct side *side)
{
	SSL_CTX_free(side->ctx);
	if (side->module != NULL)
		side->module->close(side->certs);
	free(side->us);
}

static void
usage(void)
{
	fputs("usage: bench-handshake --own PEM --conf CONF --name NAME [--name-count N] [--blocks N] SIDE…\n", stderr);
	exit(2);
}

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "own", required_argument, NULL, 'o' }, { "conf", required_argument, NULL, 'c' },
		{ "name", required_argument, NULL, 'n' }, { "name-count", required_argument, NULL, 'N' },
		{ "blocks", required_argument, NULL, 'b' }, { NULL, 0, NULL, 0 },
	};
	struct side sides[SIDES_MOST] = { { 0 } };
	size_t count = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'o': options.own = optarg; break;
		case 'c': options.conf = optarg; break;
		case 'n': options.name = optarg; break;
		case 'N': options.names = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'b': options.blocks = strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	}
	if (options.own == NULL || options.conf == NULL || options.name == NULL || options.names == 0 || options.blocks == 0 ||
	    optind == argc || argc - optind > SIDES_MOST)
		usage();
	for (; optind < argc; optind++)
		side_open(&sides[count++], argv[optind]);
	measure(sides, count);
	for (size_t i = 0; i < count; i++)
		side_close(&sides[i]);
	return 0;
}
