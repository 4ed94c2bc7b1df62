/* SPDX-License-Identifier: ISC */
/* shop.c: servers to be fuzzed, with and without the module. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop.h"

const char *const shop_names[] = {
	"mx.a.example", "y.w.example", "x.w.example", "ec.example", "rsa.example", "p384.example",
	"ed.example", "old.example", "nobody.example", "MX.A.Example.", "w.example", "*.w.example", "@",
	"192.0.2.1", "a..b", NULL,
};

bool
shop_knows(const char *text)
{
	static const char *const patterns[] = { "mx.a.example", "*.w.example", "ec.example",
		"rsa.example", "p384.example", "ed.example", "old.example" };
	struct name name, pattern;

	if (!name_normalise(&name, text, strlen(text)))
		return false;
	for (size_t i = 0; i < COUNT(patterns); i++)
		if (name_normalise_pattern(&pattern, patterns[i], strlen(patterns[i])) &&
		    name_covers(&pattern, &name))
			return true;
	return false;
}

struct world *
shop_world(bool rich)
{
	static const struct spec chains[] = {
		{ .cn = "mx.a.example" }, { .cn = "mx.a.example", .kind = KEY_RSA },
		{ .cn = "mx.a.example", .kind = KEY_ED25519 }, { .cn = "*.w.example" },
		{ .cn = "x.w.example", .kind = KEY_RSA }, { .cn = "ec.example" },
		{ .cn = "rsa.example", .kind = KEY_RSA }, { .cn = "p384.example", .kind = KEY_P384 },
		{ .cn = "ed.example", .kind = KEY_ED25519 },
		{ .cn = "old.example", .from = -90 * DAY, .to = -DAY },
	};
	struct spec fallback = { .cn = "fallback.invalid", .no_bind = true };
	struct world *w = world_new();

	for (size_t i = 0; i < COUNT(chains); i++)
		world_add(w, &chains[i]);
	if (rich) {
		world_bind(w, "@", world_add(w, &fallback));
		fallback.kind = KEY_RSA;
		world_bind(w, "@", world_add(w, &fallback));
	}
	return w;
}

static struct snicert *
open_on(const struct world *w, const char *more)
{
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;

	world_configure(w, more);
	if (snicert_open(&snicert, w->config, &err) != 0)
		fuzz_die("%s", err.text);
	return snicert;
}

static struct {
	EVP_PKEY *key[2];
	X509 *cert[2];
} own;

static SSL_CTX *
context(enum shop_own which)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	/* RFC 8446 wants nothing older; the old have paths of their own. */
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	for (int i = 0; i < 2; i++)
		if (which == SHOP_OWN_BOTH || which == (i == 0 ? SHOP_OWN_RSA : SHOP_OWN_EC))
			if (SSL_CTX_use_certificate(ctx, own.cert[i]) != 1 ||
			    SSL_CTX_use_PrivateKey(ctx, own.key[i]) != 1)
				fuzz_die("no certificates");
	return ctx;
}

static void
attach(struct snicert *snicert, enum shop_attached way, SSL_CTX *ctx)
{
	switch (way) {
	case SHOP_ATTACHED:
		hook_attach(&snicert->hook, ctx, NULL);
		break;
	case SHOP_OVERRIDDEN:
		hook_attach(&snicert->hook, ctx, NULL);
		SSL_CTX_set_client_hello_cb(ctx, host_client_hello, NULL);
		break;
	case SHOP_LATE:
		hook_attach_late(&snicert->hook, ctx);
		break;
	default:
		hook_attach(&snicert->hook, ctx, NULL);
		break;
	}
}

static struct shop shop;

static void
close_shop(void)
{
	world_free(shop.poor);
	world_free(shop.rich);
}

const struct shop *
shop_open(void)
{
	static const enum key_kind kinds[] = { KEY_RSA, KEY_P256 };
	struct spec spec = { .cn = "own.example", .self_signed = true };
	char refuse[300];

	if (shop.poor != NULL)
		return &shop;
	harness_start();
	for (int i = 0; i < 2; i++) {
		own.key[i] = key_make(kinds[i]);
		own.cert[i] = cert_make(&spec, own.key[i]);
	}
	shop.poor = shop_world(false);
	shop.rich = shop_world(true);
	atexit(close_shop);
	snprintf(refuse, sizeof(refuse), "program \"%s\" { unknown = refuse }",
	    program_invocation_short_name);
	for (int which = 0; which < SHOP_OWNS; which++)
		shop.plain[which] = context((enum shop_own)which);
	for (int rich = 0; rich < 2; rich++)
		for (int way = 0; way < SHOP_WAYS; way++) {
			struct snicert *snicert = open_on(rich ? shop.rich : shop.poor,
			    way == SHOP_REFUSING ? refuse : NULL);

			for (int which = 0; which < SHOP_OWNS; which++) {
				shop.with[rich][way][which] = context((enum shop_own)which);
				attach(snicert, (enum shop_attached)way, shop.with[rich][way][which]);
			}
		}
	return &shop;
}
