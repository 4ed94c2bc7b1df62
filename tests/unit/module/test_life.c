/* SPDX-License-Identifier: ISC */
/*
 * test_life.c: hosts that attach twice, to the wrong kind of context, open and close without
 * end, unload the object while connections last, or have a library context of their own;
 * with the object as they load it.  No descriptor is left; what memory is, LeakSanitizer tells and
 * tests/analyze/valgrind.sh.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/provider.h>

#include "../harness.h"

#define MANY 100
#define MANY_NAME "SNICERT_LIFE"     /* how many instead, where each takes long */

static struct world *world;
static const struct snicert_module *module;
static void *object;
static int many = MANY;

static void
setup(void)
{
	struct spec rsa = { .cn = "rsa.example", .kind = KEY_RSA }, ed25519 = { .cn = "ed.example", .kind = KEY_ED25519 };
	struct spec a = { .cn = "a.example" }, fallback = { .cn = "fallback.example" };

	world = world_new();
	world_add(world, &a);
	world_add(world, &rsa);
	world_add(world, &ed25519);
	world_bind(world, "@", world_add(world, &fallback));
	object = dlopen(getenv("SNICERT_MODULE"), RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(object != NULL, "%s", dlerror());
	module = dlsym(object, SNICERT_MODULE_SYMBOL);
	ck_assert_ptr_nonnull(module);
}

static void
teardown(void)
{
	dlclose(object);
	world_free(world);
}

static struct snicert *
opened(void)
{
	struct snicert *snicert = NULL;
	struct snicert_error err = {0};

	ck_assert_msg(module->open(&snicert, world->config, &err) == 0, "%s", err.text);
	return snicert;
}

static void
attach(struct snicert *snicert, SSL_CTX *ctx)
{
	struct snicert_error err = {0};

	ck_assert_msg(module->attach(snicert, ctx, &err) == 0, "%s", err.text);
}

/* What the libraries open once, they have opened. */
static int
fds_before(void)
{
	struct snicert *snicert = opened();
	SSL_CTX *ctx = server_ctx();

	attach(snicert, ctx);
	served(ctx, "a.example");
	SSL_CTX_free(ctx);
	module->close(snicert);
	return open_fds();
}

/* Of a handshake that is complete. */
static const char *
leaf_of(const struct pair *pair)
{
	static char leaf[64];

	cert_cn(SSL_get0_peer_certificate(pair->client), leaf, sizeof(leaf));
	return leaf;
}

/* --- attached --------------------------------------------------------------- */

static unsigned asked;

static int
host_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *arg)
{
	(void)ssl;
	(void)ctx;
	(void)op;
	(void)bits;
	(void)nid;
	(void)other;
	(void)arg;
	asked++;
	return 1;
}

/* As once: one look-up for each handshake, and the host's own callback is asked as often. */
START_TEST(test_attached_again)
{
	struct snicert_policy policy = { .size = sizeof(policy) };
	struct snicert *snicert;
	struct snicert_counters counters;
	unsigned once = 0;
	int before = fds_before();

	for (int times = 1; times <= many; times += many / 2 - 1) {
		SSL_CTX *ctx = server_ctx();

		snicert = opened();
		SSL_CTX_set_security_callback(ctx, host_security);
		for (int i = 0; i < times; i++)
			ck_assert_int_eq(i % 2 == 0 ? module->attach(snicert, ctx, NULL)
			    : module->attach2(snicert, ctx, &policy, NULL), 0);
		asked = 0;
		ck_assert_str_eq(served(ctx, "a.example"), "a.example");
		if (times == 1)
			once = asked;
		ck_assert_uint_gt(asked, 0);
		ck_assert_msg(asked == once, "attached %d times: the host was asked %u times, not %u", times, asked, once);
		module->counters(snicert, &counters);
		ck_assert_uint_eq(counters.exact, 1);
		ck_assert_uint_eq(counters.decodes, 2); /* the fallback's at open */
		SSL_CTX_free(ctx);
		module->close(snicert);
	}
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* A client is as it was, and nothing is counted. */
START_TEST(test_client)
{
	const SSL_METHOD *methods[] = { TLS_client_method(), TLS_method() };
	struct client client = { .name = "a.example", .ctx = SSL_CTX_new(methods[_i]) };
	struct snicert *snicert = opened();
	SSL_CTX *server = server_ctx();
	struct snicert_counters before, after;
	struct outcome out;

	module->counters(snicert, &before);
	attach(snicert, client.ctx);
	attach(snicert, client.ctx);
	handshake(server, &client, &out);
	ck_assert(out.done);
	ck_assert_str_eq(out.leaf, "own-ec");
	outcome_clear(&out);
	module->counters(snicert, &after);
	ck_assert_mem_eq(&after, &before, sizeof(before));
	module->close(snicert);
	handshake(server, &client, &out);
	ck_assert(out.done);
	outcome_clear(&out);
	SSL_CTX_free(client.ctx);
	SSL_CTX_free(server);
}
END_TEST

/* --- opened ----------------------------------------------------------------- */

/* All at once, each with a context; then gone in the one order or the other. */
START_TEST(test_many)
{
	struct snicert *snicerts[MANY];
	SSL_CTX *ctxs[MANY];
	int before = fds_before();

	for (int i = 0; i < many; i++) {
		snicerts[i] = opened();
		ctxs[i] = server_ctx();
		attach(snicerts[i], ctxs[i]);
	}
	for (int i = 0; i < many; i += 9)
		ck_assert_str_eq(served(ctxs[i], "a.example"), "a.example");
	for (int i = 0; i < many; i++)
		module->close(snicerts[_i == 0 ? i : many - 1 - i]);
	for (int i = 0; i < many; i += 9)
		ck_assert_str_eq(served(ctxs[i], "x.example"), "fallback.example");
	for (int i = 0; i < many; i++)
		SSL_CTX_free(ctxs[i]);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* One context that is given to a new instance each time, with a connection in the midst of it. */
START_TEST(test_in_a_loop)
{
	struct client client = { .name = "a.example" };
	SSL_CTX *ctx = server_ctx();
	struct outcome outs[4];
	struct pair pairs[4];
	int before = fds_before();

	for (int i = 0; i < many; i++) {
		struct pair *pair = &pairs[i % 4];
		struct snicert *snicert = opened();

		attach(snicert, ctx);
		if (i >= 4) {
			ck_assert_msg(pair_shake(pair), "round %d", i);
			ck_assert_str_eq(leaf_of(pair), "a.example");
			pair_close(pair);
			outcome_clear(&outs[i % 4]);
		}
		pair_open(pair, ctx, &client, &outs[i % 4]);
		SSL_do_handshake(pair->client);
		SSL_do_handshake(pair->server);
		module->close(snicert);
	}
	for (int i = 0; i < 4; i++) {
		pair_close(&pairs[i]);
		outcome_clear(&outs[i]);
	}
	SSL_CTX_free(ctx);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* --- unloaded --------------------------------------------------------------- */

/* The object stays for its contexts: those that were attached are served, and freed, without it. */
START_TEST(test_unloaded)
{
	struct client client = { .name = "a.example" };
	SSL_CTX *ctx = server_ctx();
	int before = fds_before();
	struct snicert *snicert = opened();
	struct outcome out;
	struct pair pair;

	attach(snicert, ctx);
	pair_open(&pair, ctx, &client, &out);
	SSL_do_handshake(pair.client);
	if (_i == 0)
		module->close(snicert);
	ck_assert_int_eq(dlclose(object), 0);
	ck_assert(pair_shake(&pair));
	ck_assert_str_eq(leaf_of(&pair), "a.example");
	pair_close(&pair);
	outcome_clear(&out);
	ck_assert_str_eq(served(ctx, "x.example"), "fallback.example");
	SSL_CTX_free(ctx);
	if (_i == 1)
		module->close(snicert);
	ck_assert_int_eq(open_fds(), before);
	object = dlopen(getenv("SNICERT_MODULE"), RTLD_NOW | RTLD_LOCAL); /* for teardown */
}
END_TEST

/* --- library contexts -------------------------------------------------------- */

/*
 * What a FIPS provider is to a host: all that there is has fips=yes, and to decode files there is "base".  Its
 * algorithms are the default provider's, so what it refuses (short keys, say) is not tried here.
 */
static OSSL_PROVIDER *everything;       /* the default one, of a library context of its own */
static OSSL_ALGORITHM with_fips[OSSL_OP__HIGHEST + 1][200];

/* As some versions of OpenSSL's own have it. */
static bool
unapproved(const OSSL_ALGORITHM *algorithm)
{
	return strncmp(algorithm->algorithm_names, "ED25519", strlen("ED25519")) == 0;
}

static const OSSL_ALGORITHM *
query_fips(void *context, int operation, int *no_cache)
{
	const OSSL_ALGORITHM *from;
	OSSL_ALGORITHM *to = with_fips[operation];

	(void)context;
	if (operation == OSSL_OP_DECODER || operation == OSSL_OP_ENCODER || operation == OSSL_OP_STORE)
		return NULL;
	from = OSSL_PROVIDER_query_operation(everything, operation, no_cache);
	for (; from != NULL && from->algorithm_names != NULL; from++, to++) {
		ck_assert(to < with_fips[operation] + 199);
		*to = *from;
		to->property_definition = unapproved(from) ? "provider=likefips,fips=no" : "provider=likefips,fips=yes";
	}
	return with_fips[operation];
}

static int
capabilities_of_fips(void *context, const char *what, int (*each)(const OSSL_PARAM *, void *), void *arg)
{
	(void)context;
	return OSSL_PROVIDER_get_capabilities(everything, what, each, arg);
}

static int
init_fips(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH dispatch[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_fips },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities_of_fips },
		{ 0, NULL },
	};

	(void)handle;
	(void)in;
	*out = dispatch;
	*context = OSSL_PROVIDER_get0_provider_ctx(everything);
	return 1;
}

static OSSL_PROVIDER *loaded[4];
static size_t loaded_count;

static OSSL_PROVIDER *
load(OSSL_LIB_CTX *libctx, const char *name)
{
	OSSL_PROVIDER *provider = OSSL_PROVIDER_load(libctx, name);

	ck_assert_msg(provider != NULL, "no provider %s", name);
	return loaded[loaded_count++] = provider;
}

/* Its algorithms look for others, by the same properties, in the library context that they are of. */
static void
load_like_fips(OSSL_LIB_CTX *libctx, OSSL_LIB_CTX *aside)
{
	everything = load(aside, "default");
	ck_assert_int_eq(OSSL_PROVIDER_add_builtin(aside, "likefips", init_fips), 1);
	load(aside, "likefips");
	load(libctx, "base");
	ck_assert_int_eq(OSSL_PROVIDER_add_builtin(libctx, "likefips", init_fips), 1);
	load(libctx, "likefips");
}

static const struct {
	const char *properties;
	int version;
	const char *name;
	const char *want;       /* NULL: the name */
} library_contexts[] = {
	{ NULL, TLS1_3_VERSION, "a.example", NULL },
	{ NULL, TLS1_2_VERSION, "a.example", NULL },
	{ NULL, TLS1_3_VERSION, "rsa.example", NULL },
	{ NULL, TLS1_2_VERSION, "rsa.example", NULL },
	{ NULL, TLS1_3_VERSION, "ed.example", NULL },
	{ "provider=default", TLS1_3_VERSION, "a.example", NULL },
	{ "provider=default", TLS1_2_VERSION, "rsa.example", NULL },
	{ "?fips=yes", TLS1_3_VERSION, "a.example", NULL },
	{ "?fips=yes", TLS1_2_VERSION, "rsa.example", NULL },
	{ "fips=yes", TLS1_3_VERSION, "a.example", NULL },
	{ "fips=yes", TLS1_2_VERSION, "a.example", NULL },
	{ "fips=yes", TLS1_3_VERSION, "rsa.example", NULL },
	{ "fips=yes", TLS1_2_VERSION, "rsa.example", NULL },
	{ "fips=yes", TLS1_3_VERSION, "ed.example", "fallback.example" },
	{ "fips=yes", TLS1_2_VERSION, "ed.example", "fallback.example" },
};

/* The host's contexts are of a library context of its own, and it has nothing in the global one. */
START_TEST(test_library_context)
{
	const char *name = library_contexts[_i].name, *properties = library_contexts[_i].properties;
	struct client client = { .name = name, .version = library_contexts[_i].version };
	OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new(), *aside = OSSL_LIB_CTX_new();
	struct snicert *snicert = opened();
	struct outcome out;
	SSL_CTX *ctx;

	if (properties != NULL && strcmp(properties, "fips=yes") == 0)
		load_like_fips(libctx, aside);
	else
		load(libctx, "default");
	ctx = SSL_CTX_new_ex(libctx, properties, TLS_server_method());
	ck_assert_ptr_nonnull(ctx);
	attach(snicert, ctx);
	for (int i = 0; i < 2; i++) {
		handshake(ctx, &client, &out);
		ck_assert_msg(out.done, "%s: no handshake", name);
		ck_assert_str_eq(out.leaf, library_contexts[_i].want == NULL ? name : library_contexts[_i].want);
		outcome_clear(&out);
	}
	/* It is freed ahead of us. */
	SSL_CTX_free(ctx);
	while (loaded_count > 0)
		OSSL_PROVIDER_unload(loaded[--loaded_count]);
	OSSL_LIB_CTX_free(libctx);
	OSSL_LIB_CTX_free(aside);
	ctx = server_ctx();
	attach(snicert, ctx);
	ck_assert_str_eq(served(ctx, name), name);
	SSL_CTX_free(ctx);
	module->close(snicert);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* --- FIPS, the real one: tests/analyze/fips.sh ------------------------------ */

/* The global library context is of OPENSSL_CONF, with "fips" and "base" and no other provider. */
static const struct {
	const char *name;
	int version;
	const char *want;
} under_fips[] = {
	{ "a.example", TLS1_3_VERSION, "a.example" },
	{ "a.example", TLS1_2_VERSION, "a.example" },
	{ "rsa.example", TLS1_3_VERSION, "rsa.example" },
	{ "rsa.example", TLS1_2_VERSION, "rsa.example" },
	{ "x.example", TLS1_3_VERSION, "fallback.example" },
};

static void
only_fips(void)
{
	EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);

	ck_assert_msg(OSSL_PROVIDER_available(NULL, "fips") == 1, "there is no provider \"fips\"");
	ck_assert_msg(OSSL_PROVIDER_available(NULL, "default") == 0, "the default provider is there");
	ck_assert_msg(md5 == NULL, "there is MD5");
}

START_TEST(test_fips)
{
	struct client client = { .name = under_fips[_i].name, .version = under_fips[_i].version };
	struct snicert *snicert;
	struct outcome out;
	SSL_CTX *ctx;

	only_fips();
	snicert = opened();
	ctx = server_ctx();
	attach(snicert, ctx);
	for (int i = 0; i < 2; i++) {
		handshake(ctx, &client, &out);
		ck_assert_msg(out.done, "%s: no handshake", client.name);
		ck_assert_str_eq(out.leaf, under_fips[_i].want);
		outcome_clear(&out);
	}
	SSL_CTX_free(ctx);
	module->close(snicert);
	only_fips();
	ERR_clear_error();      /* of the fetch */
}
END_TEST

static void
add_all(TCase *tests)
{
	tcase_add_test(tests, test_attached_again);
	tcase_add_loop_test(tests, test_client, 0, 2);
	tcase_add_loop_test(tests, test_many, 0, 2);
	tcase_add_test(tests, test_in_a_loop);
	tcase_add_loop_test(tests, test_unloaded, 0, 2);
	tcase_add_loop_test(tests, test_library_context, 0, COUNT(library_contexts));
}

int
main(void)
{
	Suite *suite = suite_create("life");
	TCase *tests = tcase_create("life");
	int result;

	if (getenv("SNICERT_MODULE") == NULL) {
		fprintf(stderr, "SKIPPED: needs SNICERT_MODULE\n");
		return 77;
	}
	if (getenv(MANY_NAME) != NULL)
		many = atoi(getenv(MANY_NAME));
	if (many < 10 || many > MANY)
		many = MANY;
	harness_start();
	tcase_add_checked_fixture(tests, setup, teardown);
	if (getenv("SNICERT_FIPS") != NULL)
		tcase_add_loop_test(tests, test_fips, 0, COUNT(under_fips));
	else
		add_all(tests);
	suite_add_tcase(suite, tests);
	result = harness_run(suite);
	harness_end();
	return result;
}
