/* SPDX-License-Identifier: ISC */
/*
 * policy.c: what a host says of one context or connection: attach2, set_local, set_name.  Reads the
 * public structs; the callbacks see the result.
 */
#include <string.h>

#include "error.h"
#include "instance.h"
#include "library.h"

#define KEY_TYPES (SNICERT_KEY_RSA | SNICERT_KEY_EC | SNICERT_KEY_ED25519 | SNICERT_KEY_ED448)

_Static_assert((int)SNICERT_KEY_RSA == STATS_RSA && (int)SNICERT_KEY_EC == STATS_EC &&
    (int)SNICERT_KEY_ED25519 == STATS_ED25519 && (int)SNICERT_KEY_ED448 == STATS_ED448, "one set of key types");

/* The section to start from: the named one, or the instance's. */
static int
take_section(const struct snicert *snicert, const char *name, struct config_program *out,
    struct snicert_error *err)
{
	const struct config_program *section = snicert->hook.program;
	const char *path = snicert->config->path;

	if (name != NULL && (section = config_program(snicert->config, name)) == NULL)
		return error_set(err, SNICERT_ECONFIG, "attach2: %s has no section program \"%s\"",
		    path == NULL ? "the configuration" : path, name);
	if (section != NULL)
		*out = *section;
	out->name = NULL;
	return 0;
}

static int
take_unknown(enum snicert_unknown given, enum config_unknown *out, struct snicert_error *err)
{
	switch (given) {
	case SNICERT_UNKNOWN_CONFIGURED:
		return 0;
	case SNICERT_UNKNOWN_FALLBACK:
		*out = CONFIG_UNKNOWN_FALLBACK;
		return 0;
	case SNICERT_UNKNOWN_OWN:
		*out = CONFIG_UNKNOWN_OWN;
		return 0;
	case SNICERT_UNKNOWN_REFUSE:
		*out = CONFIG_UNKNOWN_REFUSE;
		return 0;
	default:
		return error_set(err, SNICERT_EUSAGE, "attach2: unknown is %d, which this release (%s) does not know",
		    (int)given, SNICERT_VERSION);
	}
}

/* Strict, a name with nothing in the store is a mistake; else it may be bound later. */
static int
check_bound(struct snicert *snicert, const struct name *fallback, struct snicert_error *err)
{
	struct answer *answer = NULL;
	enum lookup_result result;

	if (!snicert->is_strict)
		return 0;
	lookup_refresh(snicert->lookup);
	result = lookup_find(snicert->lookup, fallback, &answer);
	answer_unref(answer);
	if (result == LOOKUP_FOUND)
		return 0;
	return error_set(err, result == LOOKUP_NONE ? SNICERT_ENOTFOUND : SNICERT_ESTORE, result == LOOKUP_NONE
	    ? "attach2: the fallback %s has no chain in %s: bind one, or name another"
	    : "attach2: the chains of the fallback %s can't be read from %s", fallback->text,
	    snicert->config->store_path);
}

static int
take_fallback(struct snicert *snicert, const struct snicert_policy *given, struct hook_policy *out,
    struct snicert_error *err)
{
	const char *text = given->fallback;

	if (text == NULL)
		return 0;
	out->has_no_fallback = strcmp(text, "none") == 0;
	out->program.has_fallback = !out->has_no_fallback;
	if (given->unknown == SNICERT_UNKNOWN_OWN && !out->has_no_fallback)
		return error_set(err, SNICERT_EUSAGE,
		    "attach2: the fallback %s is never served where unknown is SNICERT_UNKNOWN_OWN", text);
	if (given->unknown == SNICERT_UNKNOWN_FALLBACK && out->has_no_fallback)
		return error_set(err, SNICERT_EUSAGE,
		    "attach2: unknown is SNICERT_UNKNOWN_FALLBACK, and the fallback \"none\"");
	if (out->has_no_fallback)
		return 0;
	if (!name_normalise_pattern(&out->program.fallback, text, strlen(text))) {
		char escaped[256];

		return error_set(err, SNICERT_EINPUT, "attach2: the fallback \"%s\" is not a name that a store can hold",
		    log_escape(escaped, sizeof(escaped), text, strlen(text)));
	}
	return check_bound(snicert, &out->program.fallback, err);
}

static int
take_policy(struct snicert *snicert, const struct snicert_policy *given, struct hook_policy *out,
    struct snicert_error *err)
{
	if (take_section(snicert, given->program, &out->program, err) != 0 ||
	    take_unknown(given->unknown, &out->program.unknown, err) != 0 ||
	    take_fallback(snicert, given, out, err) != 0)
		return -1;
	if ((given->key_types & ~KEY_TYPES) != 0)
		return error_set(err, SNICERT_EUSAGE, "attach2: key_types has a type that this release (%s) does not know",
		    SNICERT_VERSION);
	out->key_types = given->key_types;
	if ((given->flags & ~(size_t)SNICERT_STAPLES) != 0)
		return error_set(err, SNICERT_EUSAGE, "attach2: flags has one that this release (%s) does not know",
		    SNICERT_VERSION);
	out->staples = (given->flags & SNICERT_STAPLES) != 0;
	return 0;
}

int
snicert_attach2(struct snicert *snicert, SSL_CTX *ctx, const struct snicert_policy *given, struct snicert_error *err)
{
	struct snicert_policy known = {0};
	struct hook_policy policy = {0};
	struct hook *hook;
	int status;

	if (snicert == NULL || ctx == NULL || given == NULL || given->size < sizeof(given->size))
		return error_set(err, SNICERT_EUSAGE,
		    "attach2: needs an open snicert, an SSL_CTX, and a policy with its size set");
	memcpy(&known, given, given->size < sizeof(known) ? given->size : sizeof(known));
	if (library_check(ctx, err) != 0 || take_policy(snicert, &known, &policy, err) != 0)
		return -1;
	if ((hook = hook_derive(&snicert->hook, &policy)) == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	status = hook_attach(hook, ctx, err);
	hook_unref(hook); /* the context has its own reference */
	return status;
}

int
snicert_set_local(struct snicert *snicert, SSL *ssl, const struct sockaddr *address, size_t length,
    struct snicert_error *err)
{
	if (snicert == NULL || ssl == NULL)
		return error_set(err, SNICERT_EUSAGE, "set_local: needs an open snicert and an SSL");
	if (library_check_ssl(ssl, err) != 0)
		return -1;
	return hook_set_local(ssl, address, length, err);
}

int
snicert_set_name(struct snicert *snicert, SSL *ssl, const char *name, struct snicert_error *err)
{
	if (snicert == NULL || ssl == NULL)
		return error_set(err, SNICERT_EUSAGE, "set_name: needs an open snicert and an SSL");
	if (library_check_ssl(ssl, err) != 0)
		return -1;
	return hook_set_name(ssl, name, err);
}
