/* SPDX-License-Identifier: ISC */
/*
 * certs.c: all that a mail server has to do to serve certificates by name.
 *
 * Nothing else in this program knows of snicert: the context `ctx` has, or has
 * not, a certificate of its own, and the handshakes are those of any server.
 * Call certs_open() once, as root if you start as root, before chroot() and
 * before privileges are dropped.  With `strict` a store that is missing or broken
 * is an error that says why; without, it is logged, and tried again at each
 * handshake.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "certs.h"
#include "log.h"

static int
fail(struct snicert_error *err, int code, const char *path, const char *why)
{
	err->code = code;
	snprintf(err->text, sizeof(err->text), "%s: %s", path, why);
	return -1;
}

/* The module's table, with all that is called in here. */
static int
load(struct certs *certs, const char *path, struct snicert_error *err)
{
	const struct snicert_module *module = NULL;

	certs->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (certs->object != NULL)
		module = dlsym(certs->object, SNICERT_MODULE_SYMBOL);
	if (module == NULL) {
		const char *reason = dlerror();

		return fail(err, SNICERT_ESYSTEM, path, reason != NULL ? reason : "no module");
	}
	/* The rest of it may look different. */
	if (module->abi != SNICERT_ABI)
		return fail(err, SNICERT_EUSAGE, path, "has another interface");
	/* Members are only ever added: the last one that we need says that all are there. */
	if (!SNICERT_HAS(module, attach2))
		return fail(err, SNICERT_EUSAGE, path, "is of a release before attach2");
	certs->module = module;
	return 0;
}

int
certs_open(struct certs *certs, const char *path, const struct certs_options *wanted, SSL_CTX *ctx,
    struct snicert_error *err)
{
	struct snicert_options options = { .size = sizeof(options), .config_path = wanted->config,
		.flags = wanted->strict ? SNICERT_STRICT : 0, .sink = wanted->to_stderr ? log_module_line : NULL };
	struct snicert_policy policy = { .size = sizeof(policy), .program = wanted->program };

	*certs = (struct certs){0};
	if (load(certs, path, err) != 0 || certs->module->open2(&certs->store, &options, err) != 0)
		return -1;
	return certs->module->attach2(certs->store, ctx, &policy, err);
}

const char *
certs_served(const struct certs *certs, const SSL *ssl, char *out, size_t size)
{
	static const char *const outcomes[] = { [SNICERT_SERVED_NOTHING] = "none", [SNICERT_SERVED_EXACT] = "exact",
		[SNICERT_SERVED_WILDCARD] = "wildcard", [SNICERT_SERVED_ADDRESS_FALLBACK] = "address",
		[SNICERT_SERVED_PROGRAM_FALLBACK] = "program", [SNICERT_SERVED_FALLBACK] = "global",
		[SNICERT_SERVED_OWN] = "own", [SNICERT_SERVED_REFUSED] = "refused" };
	struct snicert_served served = { .size = sizeof(served) };
	struct snicert_error err;

	if (certs->module == NULL || certs->module->served(certs->store, ssl, &served, &err) != 0)
		return "own";
	/* A later module may have outcomes that this program does not know. */
	snprintf(out, size, "%s%s%s", served.outcome <= SNICERT_SERVED_REFUSED ? outcomes[served.outcome] : "other",
	    served.bound[0] != '\0' ? ":" : "", served.bound);
	return out;
}

void
certs_close(struct certs *certs)
{
	if (certs->module != NULL)
		certs->module->close(certs->store);
	if (certs->object != NULL)
		dlclose(certs->object);
	*certs = (struct certs){0};
}
