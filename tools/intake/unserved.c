/* SPDX-License-Identifier: ISC */
/*
 * unserved.c: an ACME client renews, but fails to tell the store: nobody notices until the old
 * certificate expires.  Compares the client's directory with the store.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "error.h"
#include "intake/ahead.h"
#include "intake/candidate.h"
#include "intake/unserved.h"
#include "tool.h"
#include "x509/cert.h"

struct walk {
	struct admin *admin;
	int64_t now;
	const struct unserved_calls *calls;
	struct snicert_error *err;
};

/* A name's newest chain: of the current key type, or of any if it has none. */
struct newest {
	struct admin *admin;
	const char *key_type;
	int64_t same, any;              /* when issued; INT64_MIN: none */
	struct snicert_error *err;
};

static int
take_issued(void *arg, const struct admin_chain *chain)
{
	struct newest *newest = arg;

	if (chain->not_before > newest->any)
		newest->any = chain->not_before;
	if (strcmp(chain->key_type, newest->key_type) == 0 && chain->not_before > newest->same)
		newest->same = chain->not_before;
	return 0;
}

static int
take_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct newest *newest = arg;

	(void)key;
	(void)key_type;
	return admin_chains(newest->admin, chain, NULL, take_issued, newest, newest->err);
}

static int
compare_name(struct walk *walk, struct unserved *found, const char *name, const char *key_type)
{
	struct newest newest = { walk->admin, key_type, INT64_MIN, INT64_MIN, walk->err };

	if (admin_bindings(walk->admin, name, 0, take_binding, &newest, walk->err) != 0)
		return -1;
	found->served = newest.same != INT64_MIN ? newest.same : newest.any;
	found->name = found->served != INT64_MIN && found->served < found->issued ? name : NULL;
	return 0;
}

/* A staged or rolled-back chain has arrived. */
static bool
is_in_store(struct walk *walk, const X509 *cert)
{
	unsigned char digest[STORE_DIGEST_LENGTH];
	char text[2 * STORE_DIGEST_LENGTH + 1];
	struct snicert_error none = {0};
	int64_t id;

	return cert_digest(cert, digest) == 0 &&
	    admin_resolve(walk->admin, tool_fingerprint(digest, true, text, sizeof(text)), &id, &none) == 0;
}

/* The names of a leaf, as import would bind them; the caller frees *out. */
static int
names_of(X509 *cert, struct name **out, size_t *count, struct snicert_error *err)
{
	struct candidate leaf = { .certs = sk_X509_new_null(), .origin = (char[]){ "" } };
	int status = -1;

	*out = NULL;
	*count = 0;
	if (leaf.certs == NULL || sk_X509_push(leaf.certs, cert) <= 0)
		error_set(err, SNICERT_EMEMORY, "no memory");
	else
		status = candidate_names(&leaf, out, count, NULL, err);
	sk_X509_free(leaf.certs);
	return status;
}

static int
compare(struct walk *walk, const char *group, X509 *cert)
{
	const char *key_type = key_type_name(X509_get0_pubkey(cert));
	struct unserved found = { .group = group, .issued = cert_time(X509_get0_notBefore(cert)) };
	struct name *names = NULL;
	size_t count = 0;
	int status = 0;

	if (key_type == NULL || X509_check_ca(cert) == 1 || !cert_is_valid(cert, (time_t)walk->now) ||
	    is_in_store(walk, cert))
		return 0;
	if (names_of(cert, &names, &count, walk->err) != 0)
		return -1;
	for (size_t i = 0; status == 0 && found.name == NULL && i < count; i++)
		status = compare_name(walk, &found, names[i].text, key_type);
	if (found.name != NULL)
		walk->calls->each(walk->calls->arg, &found);
	free(names);
	return status;
}

static int
take_group(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct walk *walk = arg;
	int status = 0;

	(void)alone;
	if (why->code != SNICERT_OK)
		walk->calls->unread(walk->calls->arg, group, why);
	for (size_t i = 0; status == 0 && bag != NULL && i < bag_certs(bag); i++)
		status = compare(walk, group, bag_cert(bag, i)->cert);
	return status;
}

int
unserved_walk(struct admin *admin, const char *path, int64_t now, const struct unserved_calls *calls,
    struct snicert_error *err)
{
	struct walk walk = { admin, now, calls, err };

	return ahead_walk(path, NULL, take_group, &walk, err);
}
