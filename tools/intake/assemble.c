/* SPDX-License-Identifier: ISC */
/*
 * assemble.c: from a bag to chains: which key goes with which certificates. path.c finds the way to
 * a root, check.c judges a chain.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/assemble.h"
#include "x509/cert.h"

/* What we know of each certificate of a bag while making chains. */
struct piece {
	X509 *cert;
	const char *origin;
	const struct bag_cert *from;
	bool ca;                      /* may issue others */
	bool leaf;                    /* leaf of a candidate */
	bool issuer;                  /* in a chain */
	bool older;                   /* skipped for a newer leaf of the same key */
	struct name *names;           /* that it certifies; valid if `named` */
	size_t name_count;
	bool named;
};

struct assembly {
	struct bag *bag;
	struct piece *pieces;
	size_t count;
	STACK_OF(X509) *given;        /* those that may issue others, borrowed */
	path_find *find;
	void *arg;
	bool keep_root;
	struct candidate *out;
	size_t made;
	struct snicert_error *err;
};

/* --- which certificate issued which -------------------------------------- */

static bool
is_in_chain(const struct candidate *c, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(c->certs); i++)
		if (X509_cmp(sk_X509_value(c->certs, i), cert) == 0)
			return true;
	return false;
}

static bool
issued_any(const struct candidate *c, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(c->certs); i++)
		if (cert_issued(cert, sk_X509_value(c->certs, i)))
			return true;
	return false;
}

static int
chain_build(struct assembly *a, struct candidate *c)
{
	const struct path_sources sources = { a->given, a->find, a->arg, a->keep_root, CANDIDATE_CHAIN_MAX };
	struct path path;
	int rc = path_build(sk_X509_value(c->certs, 0), &sources, &path);

	if (rc > 0)
		return error_set(a->err, SNICERT_ECERT,
		    "%s: the chain is longer than %d certificates; leave out what isn't needed",
		    c->origin, CANDIDATE_CHAIN_MAX);
	if (rc < 0)
		return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	sk_X509_pop_free(c->certs, X509_free);
	c->certs = path.certs;
	c->self_signed = path.self_signed;
	c->rooted = path.rooted;
	c->root = path.root;
	c->known = path.known;
	c->from_store = path.from_store;
	for (size_t i = 0; i < a->count; i++) {
		struct piece *p = &a->pieces[i];

		p->issuer = p->issuer || (p->ca && is_in_chain(c, p->cert));
	}
	return 0;
}

/* --- which key goes with which leaf -------------------------------------- */

static int
pieces_init(struct assembly *a)
{
	a->count = bag_certs(a->bag);
	a->pieces = calloc(a->count + 1, sizeof(*a->pieces));
	a->given = sk_X509_new_null();
	if (a->pieces == NULL || a->given == NULL)
		return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	for (size_t i = 0; i < a->count; i++) {
		const struct bag_cert *from = bag_cert(a->bag, i);
		struct piece *p = &a->pieces[i];

		p->from = from;
		p->cert = from->cert;
		p->origin = from->origin;
		p->ca = X509_check_ca(p->cert) != 0;
		if (p->ca && sk_X509_push(a->given, p->cert) <= 0)
			return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	}
	return 0;
}

static void
warn_older(struct assembly *a, struct piece *older, const struct piece *newer)
{
	char label[200];

	older->older = true;
	older->leaf = false;
	cert_label(older->cert, label, sizeof(label));
	bag_warn(a->bag, "%s: %s is left out, since %s has a newer certificate for the same key",
	    older->origin, label, newer->origin);
}

static int
name_piece(struct assembly *a, struct piece *p)
{
	char nowhere[] = "";
	struct candidate one = { .origin = nowhere, .certs = sk_X509_new_null() };
	int status = -1;

	if (p->named) {
		sk_X509_free(one.certs);
		return 0;
	}
	if (one.certs == NULL || sk_X509_push(one.certs, p->cert) <= 0)
		error_set(a->err, SNICERT_EMEMORY, "out of memory");
	else
		status = candidate_names(&one, &p->names, &p->name_count, NULL, a->err);
	sk_X509_free(one.certs);
	p->named = status == 0;
	return status;
}

static bool
certifies(const struct piece *p, const struct name *name)
{
	struct name wildcard;
	bool has_wildcard = name->text[0] != '*' && name_wildcard(&wildcard, name);

	for (size_t i = 0; i < p->name_count; i++)
		if (name_equal(&p->names[i], name) || (has_wildcard && name_equal(&p->names[i], &wildcard)))
			return true;
	return false;
}

static bool
certifies_all(const struct piece *p, const struct piece *of)
{
	for (size_t i = 0; i < of->name_count; i++)
		if (!certifies(p, &of->names[i]))
			return false;
	return true;
}

/*
 * A key may have certificates for different names, which make as many chains.  We skip only an
 * older one without use: a newer one has all its names, or it has expired.
 */
static bool
is_superseded(const struct piece *old, const struct piece *by)
{
	int order = ASN1_TIME_compare(X509_get0_notBefore(by->cert), X509_get0_notBefore(old->cert));

	if (order < 0)
		return false;
	if (order > 0 && X509_cmp_current_time(X509_get0_notAfter(old->cert)) < 0)
		return true;
	/* With equal dates and names, the first counts. */
	return certifies_all(by, old) && (order > 0 || by < old || !certifies_all(old, by));
}

static bool
is_pair(const struct piece *p, const struct bag_key *key)
{
	bool pair = p->from != NULL && memcmp(p->from->match, key->match, sizeof(key->match)) == 0 &&
	    X509_check_private_key(p->cert, key->key) == 1;

	ERR_clear_error();
	return pair;
}

/* The certificates with the public half of `key`; their number. */
static size_t
find_leaves(struct assembly *a, const struct bag_key *key, struct piece **list)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (!is_pair(&a->pieces[i], key))
			continue;
		a->pieces[i].leaf = true;
		list[count++] = &a->pieces[i];
	}
	return count;
}

/* Of a key's leaves, drop those that a newer one supersedes. */
static int
drop_older(struct assembly *a, struct piece **list, size_t count)
{
	for (size_t i = 0; count > 1 && i < count; i++)
		if (name_piece(a, list[i]) != 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count && list[i]->leaf; k++)
			if (k != i && list[k]->leaf && is_superseded(list[i], list[k]))
				warn_older(a, list[i], list[k]);
	return 0;
}

/* A CA's key beside the leaves it issued: a CA directory, not a server's chain. */
static bool
is_own_ca(struct assembly *a, const struct piece *leaf)
{
	if (!leaf->ca)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (&a->pieces[i] != leaf && cert_issued(leaf->cert, a->pieces[i].cert))
			return true;
	return false;
}

static int
candidate_init(struct assembly *a, const struct bag_key *key, const struct piece *leaf)
{
	struct candidate *c = &a->out[a->made++];

	EVP_PKEY_up_ref(key->key);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): assemble() stops where there is no memory */
	c->key = key->key;
	c->from = key;
	c->origin = strdup(leaf->origin);
	c->key_origin = strdup(key->origin);
	memcpy(c->digest, leaf->from->digest, sizeof(c->digest));
	c->certs = sk_X509_new_null();
	if (c->certs == NULL || spki_digest(leaf->cert, c->spki) != 0 || c->origin == NULL || c->key_origin == NULL)
		return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	if (X509_add_cert(c->certs, leaf->cert, X509_ADD_FLAG_UP_REF) != 1)
		return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	return 0;
}

/* The only leaf that a lone key can be for, or NULL: none or several. */
static const struct piece *
lone_leaf(const struct assembly *a)
{
	const struct piece *found = NULL;

	for (size_t i = 0; i < a->count; i++) {
		if (a->pieces[i].ca && a->count > 1)
			continue;
		if (found != NULL)
			return NULL;
		found = &a->pieces[i];
	}
	return found;
}

static int
no_leaf(struct assembly *a, const struct bag_key *key)
{
	const struct piece *leaf = bag_keys(a->bag) == 1 ? lone_leaf(a) : NULL;
	char label[160];

	if (leaf == NULL)
		return error_set(a->err, SNICERT_ECERT,
		    "%s: no certificate for this private key; add the certificate that was issued for it,"
		    " or leave the key out", key->origin);
	cert_label(leaf->cert, label, sizeof(label));
	return error_set(a->err, SNICERT_EKEY,
	    "key and leaf don't match: the private key at %s isn't that of %s at %s;"
	    " give both from the same order or renewal", key->origin, label, leaf->origin);
}

/* The chains of one key; `list` has room for all pieces. */
static int
take_key(struct assembly *a, const struct bag_key *key, struct piece **list)
{
	size_t count = find_leaves(a, key, list);

	if (count == 0)
		return no_leaf(a, key);
	if (drop_older(a, list, count) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!list[i]->leaf)
			continue;
		if (is_own_ca(a, list[i])) {
			list[i]->leaf = false;
			bag_warn(a->bag, "%s: the private key of a CA isn't imported; keep it elsewhere",
			    key->origin);
		} else if (candidate_init(a, key, list[i]) != 0)
			return -1;
	}
	return 0;
}

static int
take_keys(struct assembly *a)
{
	struct piece **list = calloc(a->count + 1, sizeof(struct piece *));
	int status = 0;

	if (list == NULL)
		return error_set(a->err, SNICERT_EMEMORY, "out of memory");
	for (size_t i = 0; i < bag_keys(a->bag) && status == 0; i++)
		status = take_key(a, bag_key(a->bag, i), list);
	free(list);
	return status;
}

/* --- what is left over --------------------------------------------------- */

static int
no_key(struct assembly *a, const struct piece *p)
{
	char label[200];

	cert_label(p->cert, label, sizeof(label));
	return error_set(a->err, SNICERT_EKEY,
	    "no private key for %s at %s; add its key file, or leave the certificate out",
	    label, p->origin);
}

static int
not_linked(struct assembly *a, const struct piece *p)
{
	const struct candidate *c = &a->out[0];
	char issuer[150], label[150];

	cert_issuer_label(sk_X509_value(c->certs, 0), issuer, sizeof(issuer));
	cert_label(p->cert, label, sizeof(label));
	return error_set(a->err, SNICERT_ECERT,
	    "the chain doesn't link: the leaf at %s was issued by %s, but given with it is %s (%s);"
	    " give the chain file of this leaf", c->origin, issuer, label, p->origin);
}

static void
warn_leftovers(struct assembly *a, size_t count, const struct piece *first)
{
	char label[200];

	if (count == 0)
		return;
	cert_label(first->cert, label, sizeof(label));
	if (count == 1)
		bag_warn(a->bag, "%s: %s is in no chain here and is left out", first->origin, label);
	else
		bag_warn(a->bag, "%s: %s and %zu more CA certificates are in no chain here and are left out",
		    first->origin, label, count - 1);
}

/* Servers don't send roots, except for a TLSA record of the root (RFC 7671 section 5.2.2). */
static bool
warn_root(struct assembly *a, const struct piece *p)
{
	char label[200];
	bool is_root = false;

	if (!cert_is_self_signed(p->cert))
		return false;
	for (size_t i = 0; i < a->made; i++) {
		bool its = issued_any(&a->out[i], p->cert);

		a->out[i].root_left = a->out[i].root_left || (its && !a->keep_root);
		is_root = is_root || its;
	}
	if (!is_root || a->keep_root)
		return is_root;
	cert_label(p->cert, label, sizeof(label));
	bag_warn(a->bag, "%s: the root %s is left out, since clients have it; where a TLSA record of usage 2 is of"
	    " the root, import with --keep-root", p->origin, label);
	return true;
}

static bool
is_linked(const struct assembly *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (!a->pieces[i].leaf && a->pieces[i].ca &&
		    (a->pieces[i].issuer || issued_any(&a->out[0], a->pieces[i].cert)))
			return true;
	return false;
}

static int
check_leftovers(struct assembly *a)
{
	const struct piece *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct piece *p = &a->pieces[i];

		if (p->leaf || p->issuer || p->older || (p->ca && warn_root(a, p)))
			continue;
		if (!p->ca)
			return no_key(a, p);
		first = first == NULL ? p : first;
		count++;
	}
	if (a->made == 0)
		return error_set(a->err, SNICERT_EKEY, "no private key%s%s; add the key file",
		    a->count > 0 ? " beside the certificate at " : "",
		    a->count > 0 ? a->pieces[0].origin : "");
	if (a->made == 1 && count > 0 && !a->out[0].self_signed && !is_linked(a))
		return not_linked(a, first);
	warn_leftovers(a, count, first);
	return 0;
}

int
assemble(struct bag *bag, path_find *find, void *arg, bool keep_root, struct candidate **out,
    size_t *count, struct snicert_error *err)
{
	struct assembly a = { .bag = bag, .find = find, .arg = arg, .keep_root = keep_root, .err = err };
	int rc = pieces_init(&a);

	*out = NULL;
	*count = 0;
	a.out = calloc(bag_certs(bag) + 1, sizeof(*a.out)); /* one key per certificate */
	if (rc == 0 && a.out == NULL)
		rc = error_set(err, SNICERT_EMEMORY, "out of memory");
	if (rc == 0)
		rc = take_keys(&a);
	for (size_t i = 0; rc == 0 && i < a.made; i++)
		rc = chain_build(&a, &a.out[i]);
	if (rc == 0)
		rc = check_leftovers(&a);
	for (size_t i = 0; a.pieces != NULL && i < a.count; i++)
		free(a.pieces[i].names);
	free(a.pieces);
	sk_X509_free(a.given);
	if (rc != 0) {
		candidate_free_all(a.out, a.made);
		return -1;
	}
	*out = a.out;
	*count = a.made;
	return 0;
}
