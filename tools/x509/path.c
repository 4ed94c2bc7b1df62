/* SPDX-License-Identifier: ISC */
/*
 * path.c: the path from a leaf to a root.  Tries all paths, since cross-signed CAs have several,
 * and takes the best.
 */
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "x509/cert.h"
#include "x509/path.h"
#include "x509/roots.h"

/* Steps, however many cross-certificates there are. */
#define STEPS_MOST 500

/* What a path is worth, most important first. */
enum worth { WORTH_VALID, WORTH_KNOWN, WORTH_ROOT, WORTH_GIVEN, WORTH_SPELLED, WORTH_END, WORTH_ALONE, WORTH_COUNT };

struct walk {
	const struct path_sources *sources;
	bool ask;                     /* `find`, too */
	time_t now;
	STACK_OF(X509) *way;          /* current; borrowed */
	STACK_OF(X509) *lent;         /* from `find`, until the end */
	int steps;
	bool too_long;
	bool no_memory;
	struct path best;             /* certs: borrowed until the end */
	int64_t worth[WORTH_COUNT];
};

bool
path_is_known(const STACK_OF(X509) *certs)
{
	for (int i = sk_X509_num(certs) - 1; i >= 0; i--)
		if (roots_issued(sk_X509_value(certs, i)))
			return true;
	return false;
}

static void
end_of(const STACK_OF(X509) *certs, int count, struct path_end *out)
{
	for (int i = 0; i < count; i++) {
		const X509 *cert = sk_X509_value(certs, i);
		int64_t at = cert_time(X509_get0_notAfter(cert));

		if (i == 0 || at < out->at)
			*out = (struct path_end){ at, at - cert_time(X509_get0_notBefore(cert)), i };
	}
}

void
path_end(const STACK_OF(X509) *certs, struct path_end *out)
{
	*out = (struct path_end){0};
	end_of(certs, sk_X509_num(certs), out);
	/* A root counts only below the certificate that expires first. */
	for (int i = 0; i < out->which; i++)
		if (roots_issued(sk_X509_value(certs, i))) {
			end_of(certs, i + 1, out);
			return;
		}
}

static bool
has(const STACK_OF(X509) *list, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(sk_X509_value(list, i), cert) == 0)
			return true;
	return false;
}

/* A path has each CA once, with whichever certificate. */
static bool
is_on_way(const struct walk *w, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(w->way); i++) {
		const X509 *at = sk_X509_value(w->way, i);

		if (X509_NAME_cmp(X509_get_subject_name(at), X509_get_subject_name(cert)) == 0 &&
		    EVP_PKEY_eq(X509_get0_pubkey(at), X509_get0_pubkey(cert)) == 1)
			return true;
	}
	return false;
}

/* RFC 5280 section 7.1 treats them as equal, but GnuTLS compares octets. */
static bool
is_spelled_alike(const X509 *cert, const X509 *issuer)
{
	const unsigned char *a = NULL, *b = NULL;
	size_t a_length = 0, b_length = 0;

	return X509_NAME_get0_der(X509_get_issuer_name(cert), &a, &a_length) == 1 &&
	    X509_NAME_get0_der(X509_get_subject_name(issuer), &b, &b_length) == 1 && a_length == b_length &&
	    memcmp(a, b, a_length) == 0;
}

static void
weigh(const struct walk *w, bool ends_in_root, int64_t worth[WORTH_COUNT])
{
	int count = sk_X509_num(w->way);
	struct path_end end;

	memset(worth, 0, WORTH_COUNT * sizeof(*worth));
	worth[WORTH_VALID] = 1;
	for (int i = 1; i < count; i++) {
		worth[WORTH_VALID] &= cert_is_valid(sk_X509_value(w->way, i), w->now);
		worth[WORTH_GIVEN] += has(w->sources->given, sk_X509_value(w->way, i));
		worth[WORTH_SPELLED] -= !is_spelled_alike(sk_X509_value(w->way, i - 1), sk_X509_value(w->way, i));
	}
	worth[WORTH_KNOWN] = path_is_known(w->way);
	worth[WORTH_ROOT] = w->sources->keep_root && ends_in_root;
	path_end(w->way, &end);
	worth[WORTH_END] = end.at;
	worth[WORTH_ALONE] = -count;
}

/* The way so far is a path.  `root` (NULL: none) issued or is its last. */
static void
consider(struct walk *w, X509 *root, bool rooted)
{
	int64_t worth[WORTH_COUNT];
	STACK_OF(X509) *certs;
	int i = 0;

	weigh(w, root != NULL, worth);
	while (w->best.certs != NULL && i < WORTH_COUNT - 1 && worth[i] == w->worth[i])
		i++;
	if (w->best.certs != NULL && worth[i] <= w->worth[i])
		return;
	certs = sk_X509_dup(w->way);
	if (certs == NULL || (w->sources->keep_root && root != NULL && has(w->sources->given, root) &&
	    sk_X509_push(certs, root) <= 0)) {
		sk_X509_free(certs);
		w->no_memory = true;
		return;
	}
	sk_X509_free(w->best.certs);
	w->best.certs = certs;
	w->best.rooted = rooted;
	w->best.root = root;
	w->best.known = worth[WORTH_KNOWN] != 0;
	memcpy(w->worth, worth, sizeof(worth));
}

static void go(struct walk *w, X509 *cert, bool rooted);

static bool
may_issue(const struct walk *w, X509 *issuer, X509 *cert)
{
	return X509_check_ca(issuer) != 0 && !is_on_way(w, issuer) && cert_issued(issuer, cert);
}

/* Names first: signatures are the expensive part. */
static bool
is_root(X509 *cert)
{
	return (X509_get_extension_flags(cert) & EXFLAG_SI) != 0 && cert_is_self_signed(cert);
}

static X509 *
root_among(const struct walk *w, const STACK_OF(X509) *list, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		X509 *issuer = sk_X509_value(list, i);

		if (is_root(issuer) && may_issue(w, issuer, cert))
			return issuer;
	}
	return NULL;
}

/* Continue with each non-root that issued it; returns how many. */
static int
go_on(struct walk *w, const STACK_OF(X509) *list, X509 *cert, bool rooted)
{
	int ways = 0;

	for (int i = 0; i < sk_X509_num(list) && !w->no_memory; i++) {
		X509 *issuer = sk_X509_value(list, i);

		if (is_root(issuer) || !may_issue(w, issuer, cert))
			continue;
		ways++;
		go(w, issuer, rooted);
	}
	return ways;
}

/* What the store has and the input lacks. */
static STACK_OF(X509) *
ask(struct walk *w, X509 *cert)
{
	STACK_OF(X509) *found = w->ask ? w->sources->find(w->sources->arg, cert) : NULL;

	for (int i = sk_X509_num(found) - 1; i >= 0; i--) {
		X509 *at = sk_X509_value(found, i);

		if (!has(w->sources->given, at) && sk_X509_push(w->lent, at) > 0)
			continue;
		X509_free(at);
		(void)sk_X509_delete(found, i);
	}
	return found;
}

/* `cert` is the next on the way. */
static void
go(struct walk *w, X509 *cert, bool rooted)
{
	STACK_OF(X509) *stored;
	X509 *root;
	int ways;

	if (++w->steps > STEPS_MOST || sk_X509_num(w->way) >= w->sources->most) {
		w->too_long = true;
		return;
	}
	if (sk_X509_push(w->way, cert) <= 0) {
		w->no_memory = true;
		return;
	}
	stored = ask(w, cert);
	root = root_among(w, w->sources->given, cert);
	root = root == NULL ? root_among(w, stored, cert) : root;
	rooted = rooted || root != NULL;
	ways = go_on(w, w->sources->given, cert, rooted) + go_on(w, stored, cert, rooted);
	if (root != NULL || ways == 0 || roots_issued(cert))
		consider(w, root, rooted);
	sk_X509_free(stored);
	(void)sk_X509_pop(w->way);
}

static void
count_stored(struct path *path, const STACK_OF(X509) *given)
{
	for (int i = 1; i < sk_X509_num(path->certs); i++)
		path->from_store += !has(given, sk_X509_value(path->certs, i));
}

static void
walk_all(struct walk *w, X509 *leaf)
{
	go(w, leaf, false);
	if (w->sources->find == NULL || (w->worth[WORTH_VALID] != 0 && w->worth[WORTH_KNOWN] != 0))
		return;
	/* Try all again: those that stopped may now continue. */
	w->ask = true;
	w->steps = 0;
	sk_X509_free(w->best.certs);
	w->best.certs = NULL;
	go(w, leaf, false);
}

int
path_build(X509 *leaf, const struct path_sources *sources, struct path *out)
{
	struct walk w = { .sources = sources, .now = time(NULL) };

	memset(out, 0, sizeof(*out));
	w.way = sk_X509_new_null();
	w.lent = sk_X509_new_null();
	w.best.self_signed = cert_is_self_signed(leaf);
	if (w.way == NULL || w.lent == NULL)
		w.no_memory = true;
	else if (!w.best.self_signed)
		walk_all(&w, leaf);
	else if (sk_X509_push(w.way, leaf) > 0)
		consider(&w, NULL, false);
	if (w.best.certs != NULL && !w.no_memory) {
		*out = w.best;
		for (int i = 0; i < sk_X509_num(out->certs); i++)
			X509_up_ref(sk_X509_value(out->certs, i));
		if (out->root != NULL)
			X509_up_ref(out->root);
		count_stored(out, sources->given);
	} else {
		sk_X509_free(w.best.certs);
	}
	sk_X509_free(w.way);
	sk_X509_pop_free(w.lent, X509_free);
	ERR_clear_error();
	return out->certs != NULL ? 0 : w.too_long && !w.no_memory ? 1 : -1;
}
