/* SPDX-License-Identifier: ISC */
/* intake.c: from a bag of keys and certificates into the store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "error.h"
#include "intake/check.h"
#include "intake/intake.h"
#include "intake/lineage.h"
#include "intake/parse.h"
#include "intake/renewal.h"
#include "store/admin_owner.h"
#include "store/admin_related.h"
#include "x509/cert.h"
#include "x509/path.h"

/* One candidate on its way into the store. */
struct passage {
	const struct candidate *candidate;
	struct name *own;               /* the certificate's names, sorted */
	size_t own_count;
	const struct name *wanted;      /* to bind */
	size_t wanted_count;
	struct name *chosen;            /* holds `wanted` if it is neither of the two */
	char *names;                    /* `own`, space-separated */
	struct findings findings;
	struct admin_new_chain row;
	int64_t same_key_as;
	const struct finding *expired;  /* it has; no fault if another chain serves its names */
	bool alone;                     /* in its bag */
	bool no_name;                   /* to bind it to */
	char lineage[LINEAGE_SIZE];     /* "": none */
	char place[LINEAGE_SIZE];       /* the same, links followed; "": none */
	struct renewal how;
	int64_t id;
	bool existed;
	enum intake_result result;
	unsigned char *ders[STORE_CERTS_MOST];
	size_t der_count;
};

const char *
intake_result_text(enum intake_result result)
{
	static const char *const texts[] = { "added", "renewed", "unchanged", "staged", "superseded" };

	return texts[result];
}

static int
take_issuer(void *arg, const unsigned char *der, size_t length)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	X509 *issuer = NULL;

	/* Many chains ask for the same few. */
	if (der != NULL && EVP_Digest(der, length, digest, NULL, EVP_sha256(), NULL) == 1)
		issuer = parse_cert(der, length, digest);
	if (issuer != NULL && sk_X509_push(arg, issuer) <= 0)
		X509_free(issuer);
	return 0;
}

/* The intermediates with that name from earlier imports. */
static STACK_OF(X509) *
issuers_from_store(void *arg, X509 *cert)
{
	STACK_OF(X509) *found = sk_X509_new_null();

	if (found != NULL)
		admin_issuers(arg, cert_name_hash(X509_get_issuer_name(cert)), take_issuer, found, NULL);
	return found;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static char *
join_names(const struct name *names, size_t count)
{
	size_t size = 1, used = 0;
	char *text;

	for (size_t i = 0; i < count; i++)
		size += names[i].length + 1;
	text = malloc(size);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : " ", names[i].text);
	text[used] = '\0';
	return text;
}

static bool
is_among(const struct name *list, size_t count, const struct name *name)
{
	for (size_t i = 0; i < count; i++)
		if (name_equal(&list[i], name))
			return true;
	return false;
}

static void
add_chosen(const struct intake *in, struct passage *p, const struct name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_among(in->except, in->except_count, &names[i]))
			p->chosen[p->wanted_count++] = names[i];
}

/* The other server's names: fallbacks and all. */
static int
choose_as_told(const struct intake *in, struct passage *p, struct snicert_error *err)
{
	p->chosen = calloc(in->name_count + p->own_count + 1, sizeof(*p->chosen));
	if (p->chosen == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	add_chosen(in, p, in->names, in->name_count);
	if (in->own_too)
		add_chosen(in, p, p->own, p->own_count);
	p->wanted = p->chosen;
	if (in->own_too && in->name_count == 0 && p->own_count == 0)
		findings_add(&p->findings, FINDING_WARN, false, "no-name",
		    "%s: the certificate names no host, and is bound to nothing", p->candidate->origin);
	return 0;
}

static int
no_name(const struct passage *p, struct snicert_error *err)
{
	return error_set(err, SNICERT_ECERT, "%s: the certificate names no host: give it with --name, or use --no-bind",
	    p->candidate->origin);
}

/* What to bind: --name, nothing, the certificate's names, or those of another server. */
static int
choose_names(const struct intake *in, struct passage *p, struct snicert_error *err)
{
	if (!in->bind)
		return 0;
	if (in->as_told)
		return choose_as_told(in, p, err);
	p->wanted = in->name_count > 0 ? in->names : p->own;
	p->wanted_count = in->name_count > 0 ? in->name_count : p->own_count;
	/* A chain for addresses only may renew another, so isn't a stranger. */
	p->no_name = p->wanted_count == 0;
	if (p->no_name && in->stage)
		return no_name(p, err);
	for (size_t i = 0; i < in->name_count; i++)
		if (!cert_names_cover(p->names, &in->names[i]))
			findings_add(&p->findings, FINDING_ERROR, true, "not-covered",
			    "%s: the certificate is not for %s; get one that is, or use --force "
			    "(as `snicert bind` does)", p->candidate->origin, in->names[i].text);
	return 0;
}

/* After --force, warn without the advice to use it, which follows the last semicolon. */
static void
drop_advice(struct finding *f)
{
	char *advice = strrchr(f->text, ';');

	if (advice != NULL)
		*advice = '\0';
}

static int
examine(const struct intake *in, struct passage *p, struct snicert_error *err)
{
	struct check_options options = {0};
	size_t count = 0;

	if (candidate_names(p->candidate, &p->own, &count, &p->findings, err) != 0)
		return -1;
	p->own_count = count;
	if (count > 1)
		qsort(p->own, count, sizeof(*p->own), compare_names);
	p->names = join_names(p->own, count);
	if (p->names == NULL || candidate_check(p->candidate, &options, &p->findings) != 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (choose_names(in, p, err) != 0)
		return -1;
	for (size_t i = 0; i < p->findings.count; i++) {
		struct finding *f = &p->findings.list[i];

		if (f->level == FINDING_ERROR && f->forcible && in->force)
			drop_advice(f);
		if (f->level != FINDING_ERROR || (f->forcible && in->force))
			continue;
		if (!in->yield || strcmp(f->code, "expired") != 0)
			return error_set(err, SNICERT_ECERT, "%s", f->text);
		p->expired = f;
	}
	return 0;
}

/* Own i2d_…'s memory. */
static int
keep_der(struct passage *p, unsigned char *der, int length, size_t *out_length,
    struct snicert_error *err)
{
	if (length <= 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	p->ders[p->der_count++] = der;
	*out_length = (size_t)length;
	return 0;
}

static int
encode_cert(struct passage *p, X509 *cert, bool leaf, struct admin_new_cert *row,
    struct snicert_error *err)
{
	unsigned char *der = NULL;
	int length = i2d_X509(cert, &der);

	if (keep_der(p, der, length, &row->length, err) != 0)
		return -1;
	row->der = der;
	if (cert_digest(cert, row->digest) != 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	row->issuer = !leaf;
	row->subject_hash = cert_name_hash(X509_get_subject_name(cert));
	return 0;
}

static int
encode_certs(struct passage *p, struct snicert_error *err)
{
	int count = sk_X509_num(p->candidate->certs);

	if (count > STORE_CERTS_MOST)
		return error_set(err, SNICERT_ECERT, "%s: the chain is too long", p->candidate->origin);
	for (int i = 0; i < count; i++)
		if (encode_cert(p, sk_X509_value(p->candidate->certs, i), i == 0, &p->row.certs[i], err) != 0)
			return -1;
	p->row.cert_count = (size_t)count;
	return 0;
}

/* A chain's identity: certificates in order, key, and where that is. */
static int
identify(struct passage *p, struct snicert_error *err)
{
	static const char prefix[] = "snicert chain 1";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int good = ctx != NULL && EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, prefix, sizeof(prefix)) == 1 &&
	    EVP_DigestUpdate(ctx, p->row.spki, sizeof(p->row.spki)) == 1 &&
	    (p->row.key_uri == NULL ||
	        EVP_DigestUpdate(ctx, p->row.key_uri, strlen(p->row.key_uri) + 1) == 1);

	for (size_t i = 0; good && i < p->row.cert_count; i++)
		good = EVP_DigestUpdate(ctx, p->row.certs[i].digest, STORE_DIGEST_LENGTH) == 1;
	good = good && EVP_DigestFinal_ex(ctx, p->row.identity, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good ? 0 : error_openssl(err, SNICERT_EMEMORY, "can't digest the chain");
}

/* The key as PrivateKeyInfo, in the caller's memory; NULL: unavailable. */
static unsigned char *
encode_key(const struct candidate *candidate, size_t *length)
{
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	int size;

	*length = candidate->from->info_length;
	if (candidate->from->info != NULL)
		return OPENSSL_memdup(candidate->from->info, *length);
	info = EVP_PKEY2PKCS8(candidate->key);
	size = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	PKCS8_PRIV_KEY_INFO_free(info);
	*length = size > 0 ? (size_t)size : 0;
	return size > 0 ? der : NULL;
}

static int
seal_key(const struct intake *in, struct passage *p, struct snicert_error *err)
{
	unsigned char *der, *sealed = NULL;
	size_t length;
	int status = -1;

	if (p->row.key_uri != NULL)
		return 0;
	der = encode_key(p->candidate, &length);
	if (der == NULL)
		error_openssl(err, SNICERT_EKEY, "%s: the private key can't be encoded",
		    p->candidate->key_origin);
	else
		status = seal_close(in->seal, der, length, p->row.identity,
		    sizeof(p->row.identity), &sealed, &p->row.sealed_length, err);
	p->row.sealed_key = sealed;
	OPENSSL_clear_free(der, length);
	return status;
}

static int
encode(const struct intake *in, struct passage *p, const char *source, char *subject,
    size_t subject_size, struct snicert_error *err)
{
	X509 *leaf = sk_X509_value(p->candidate->certs, 0);
	struct path_end end;

	if (X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, subject,
	    (int)subject_size) < 0)
		subject[0] = '\0';
	p->row.key_type = key_type_name(p->candidate->key);
	p->row.not_before = cert_time(X509_get0_notBefore(leaf));
	path_end(p->candidate->certs, &end);
	p->row.not_after = end.at;
	p->row.lifetime = end.which == 0 ? 0 : end.lifetime;
	p->row.names = p->names;
	p->row.subject = subject;
	p->row.source = source;
	p->row.lineage = p->lineage[0] == '\0' ? NULL : p->lineage;
	p->row.key_uri = in->key_uri != NULL ? in->key_uri
	    : pending_key_supplies_uri(&in->supplies, p->candidate->key);
	memcpy(p->row.spki, p->candidate->spki, sizeof(p->row.spki));
	if (encode_certs(p, err) != 0 || identify(p, err) != 0)
		return -1;
	return seal_key(in, p, err);
}

static void
passage_clear(struct passage *p)
{
	for (size_t i = 0; i < p->der_count; i++)
		OPENSSL_free(p->ders[i]);
	OPENSSL_free((void *)(uintptr_t)p->row.sealed_key);
	findings_free(&p->findings);
	renewal_clear(&p->how);
	free(p->own);
	free(p->chosen);
	free(p->names);
}

static void
intake_chain_free(struct intake_chain *chain)
{
	for (size_t i = 0; i < chain->warning_count; i++)
		free(chain->warnings[i]);
	for (size_t i = 0; i < chain->renews_count; i++)
		free(chain->renews[i]);
	free(chain->warnings);
	free(chain->renews);
	free(chain->source);
	free(chain->names);
	free(chain->lineage);
}

/* What it renews, and why. */
static int
note_renews(struct intake_chain *chain, const struct passage *p)
{
	chain->renews = calloc(p->how.renews_count + 1, sizeof(*chain->renews));
	for (size_t i = 0; chain->renews != NULL && i < p->how.renews_count; i++) {
		const struct renewal_of *of = &p->how.renews[i];
		bool by_lineage = of->why == RENEWAL_LINEAGE;

		if (asprintf(&chain->renews[i], "chain %" PRId64 ": %s%s%s", of->chain, renewal_why_text(of->why),
		        by_lineage ? " " : "", by_lineage ? p->lineage : "") < 0) {
			chain->renews[i] = NULL;
			return -1;
		}
		chain->renews_count++;
	}
	return chain->renews != NULL ? 0 : -1;
}

static int
fill_chain(struct intake_chain *chain, const struct passage *p, size_t warnings)
{
	*chain = (struct intake_chain){ .id = p->id, .result = p->result, .source = strdup(p->row.source),
		.names = strdup(p->names), .not_after = p->row.not_after,
		.lineage = p->lineage[0] == '\0' ? NULL : strdup(p->lineage),
		.superseded_by = p->result == INTAKE_SUPERSEDED ? p->how.superseded_by : 0,
		.same_key_as = p->same_key_as != p->id ? p->same_key_as : 0 };
	memcpy(chain->leaf, p->row.certs[0].digest, sizeof(chain->leaf));
	snprintf(chain->key_type, sizeof(chain->key_type), "%s", p->row.key_type);
	chain->warnings = calloc(warnings + 1, sizeof(*chain->warnings));
	if (chain->source == NULL || chain->names == NULL || chain->warnings == NULL || note_renews(chain, p) != 0)
		return -1;
	for (size_t i = 0; p->result != INTAKE_SUPERSEDED && i < p->findings.count; i++)
		chain->warnings[chain->warning_count++] = strdup(p->findings.list[i].text);
	return 0;
}

static int
note_chain(struct intake *in, const struct bag *bag, const struct passage *p, struct snicert_error *err)
{
	size_t most = p->findings.count + bag_warnings(bag);
	bool same_key = p->same_key_as != 0 && p->same_key_as != p->id;
	struct intake_chain *list;

	if (in->brief && in->chain_count >= INTAKE_LISTED && most == 0 && !same_key &&
	    p->result != INTAKE_SUPERSEDED) {
		in->unlisted++;
		return 0;
	}
	list = realloc(in->chains, (in->chain_count + 1) * sizeof(*list));
	if (list == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	in->chains = list;
	return fill_chain(&list[in->chain_count++], p, most) == 0 ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

/* Report findings on the whole input once, with its first chain. */
static void
note_bag(struct intake *in, size_t first, const struct bag *bag)
{
	for (size_t i = 0; first < in->chain_count && i < bag_warnings(bag); i++)
		in->chains[first].warnings[in->chains[first].warning_count++] = strdup(bag_warning(bag, i));
}

/* Drop the names that another chain of the source has. */
static int
first_counts(const struct intake *in, struct passage *p, int64_t id, struct snicert_error *err)
{
	char text[NAME_TEXT_SIZE];
	size_t kept = 0;

	for (size_t i = 0; i < p->wanted_count; i++) {
		int64_t bound;

		if (admin_bound(in->admin, p->chosen[i].text, p->row.key_type, &bound, err) != 0)
			return -1;
		if (bound == 0 || bound == id || !chain_ids_have(&in->seen, bound))
			p->chosen[kept++] = p->chosen[i];
		else
			findings_add(&p->findings, FINDING_WARN, false, "twice",
			    "%s: %s has another %s chain in the same source, which came first and is used",
			    p->candidate->origin, name_describe(&p->chosen[i], text), p->row.key_type);
	}
	p->wanted_count = kept;
	return 0;
}

/* What a person should know of names from another server. */
static void
note_told(const struct intake *in, struct passage *p)
{
	struct name wildcard;

	for (size_t i = 0; i < p->wanted_count; i++)
		if (p->wanted[i].text[0] != '@' && !cert_names_cover(p->names, &p->wanted[i]))
			findings_add(&p->findings, FINDING_WARN, false, "not-covered",
			    "%s: the certificate is not for %s; the name is bound to it anyway, as in that configuration",
			    p->candidate->origin, p->wanted[i].text);
	/* A skipped name may be served by a wildcard that isn't skipped. */
	for (size_t i = 0; i < in->except_count; i++)
		if (in->except[i].text[0] != '*' && name_wildcard(&wildcard, &in->except[i]) &&
		    is_among(p->wanted, p->wanted_count, &wildcard))
			findings_add(&p->findings, FINDING_WARN, false, "exception",
			    "%s: %s is left out there, but %s, which is bound, serves it unless another chain is bound to it",
			    p->candidate->origin, in->except[i].text, wildcard.text);
}

/* If it has expired, we only look at it. */
static int
settle_expired(struct intake *in, struct passage *p, struct snicert_error *err)
{
	if (renewal_superseded(in->admin, p->id, p->wanted, p->wanted_count, &p->how.superseded_by, err) != 0)
		return -1;
	if (p->how.superseded_by == 0) {
		in->may_come_later = true;
		return error_set(err, SNICERT_ECERT, "%s", p->expired->text);
	}
	p->result = INTAKE_SUPERSEDED;
	return 0;
}

static int
stage(struct intake *in, struct passage *p, struct snicert_error *err)
{
	p->result = p->existed ? INTAKE_UNCHANGED : INTAKE_STAGED;
	for (size_t i = 0; i < p->wanted_count; i++)
		if (admin_stage(in->admin, p->wanted[i].text, p->id, (int64_t)time(NULL), err) != 0)
			return -1;
	return 0;
}

static int
bind_wanted(struct intake *in, struct passage *p, struct snicert_error *err)
{
	struct renewal *how = &p->how;

	if (renewal_bind(in->admin, p->id, p->wanted, p->wanted_count, how, err) != 0 ||
	    (how->added + how->renewed > 0 && admin_unstage(in->admin, p->id, err) != 0))
		return -1;
	in->added += how->added;
	in->renewed += how->renewed;
	in->unchanged += how->unchanged;
	if (how->added + how->renewed + how->unchanged == 0 && how->superseded_by != 0 &&
	    (in->yield || p->no_name || p->wanted_count > 0))
		p->result = INTAKE_SUPERSEDED;
	else if (p->no_name && !p->existed && how->renews_count == 0) {
		in->is_ca = X509_check_ca(sk_X509_value(p->candidate->certs, 0)) == 1;
		return no_name(p, err);
	}
	else
		p->result = how->renewed > 0 ? INTAKE_RENEWED
		    : p->existed && how->added == 0 ? INTAKE_UNCHANGED : INTAKE_ADDED;
	if (how->contested[0] != '\0')
		findings_add(&p->findings, FINDING_WARN, false, "contested", "%s", how->contested);
	/* A chain that is left out as a whole is said to be superseded. */
	if (how->left > 0 && (how->superseded_by == 0 || p->result == INTAKE_ADDED || p->result == INTAKE_RENEWED))
		findings_add(&p->findings, FINDING_WARN, false, "left",
		    "%s: names that were unbound or rolled back by hand stay as they are: bind them again, or use --force",
		    p->candidate->origin);
	return 0;
}

static int
remember_origin(struct intake *in, struct passage *p, struct snicert_error *err)
{
	if (p->existed && p->lineage[0] != '\0' &&
	    admin_set_lineage(in->admin, p->id, p->lineage, in->lineage != NULL, err) != 0)
		return -1;
	return p->existed ? 0 : admin_log(in->admin, "import", NULL, p->id, p->row.source, err);
}

/* Store it and bind its names. */
static int
settle_in(struct intake *in, struct passage *p, struct snicert_error *err)
{
	if (admin_add(in->admin, &p->row, &p->id, &p->existed, err) != 0)
		return -1;
	if (p->expired != NULL)
		return settle_expired(in, p, err);
	if (p->existed && in->news_only) {
		p->result = INTAKE_UNCHANGED;
		return remember_origin(in, p, err);
	}
	if (in->owner != NULL && admin_set_owner(in->admin, p->id, in->owner, err) != 0)
		return -1;
	if (in->as_told && first_counts(in, p, p->id, err) != 0)
		return -1;
	if (chain_ids_add(&in->seen, p->id, err) != 0)
		return -1;
	if (in->as_told)
		note_told(in, p);
	if (remember_origin(in, p, err) != 0 || pending_key_done(in->admin, p->row.spki, err) != 0)
		return -1;
	p->how = (struct renewal){ .force = in->force, .inherit = in->name_count == 0 && !in->as_told, .yield = in->yield, .lenient = true,
		.existed = p->existed, .alone = p->alone, .seen = &in->seen, .kept = in->kept, .origin = p->candidate->origin,
		.place = p->place[0] == '\0' ? NULL : p->place };
	return in->stage ? stage(in, p, err) : bind_wanted(in, p, err);
}

/* A superseded chain that is new leaves nothing behind. */
static int
settle(struct intake *in, struct passage *p, struct snicert_error *err)
{
	bool keep;

	if (in->kept == 0 && admin_last_chain(in->admin, &in->kept, err) != 0)
		return -1;
	if (in->kept == 0)
		in->kept = -1;
	if (admin_savepoint(in->admin, err) != 0)
		return -1;
	if (settle_in(in, p, err) != 0) {
		in->may_come_later = in->may_come_later || p->how.blocked;
		admin_release(in->admin, false, NULL);
		return -1;
	}
	keep = p->existed || p->result != INTAKE_SUPERSEDED;
	if (!keep)
		p->id = 0;
	return admin_release(in->admin, keep, err);
}

/* Whether a chain in the store sends its root, for a TLSA record of that. */
static bool
sends_root(struct admin *admin, int64_t id)
{
	struct store_rows rows = {0};
	X509 *last = NULL;

	if (id != 0 && admin_load(admin, id, &rows, NULL) == 0 && rows.chains[0].cert_count > 1) {
		const struct store_cert *cert = &rows.chains[0].certs[rows.chains[0].cert_count - 1];

		last = parse_cert(cert->der.data, cert->der.length, cert->digest);
	}
	store_rows_free(&rows);
	if (last == NULL || !cert_is_self_signed(last)) {
		X509_free(last);
		return false;
	}
	X509_free(last);
	return true;
}

/* Whichever it renews, or is renewed by, and sends its root; 0: none. */
static int64_t
renews_root(const struct intake *in, const struct renewal *how)
{
	for (size_t i = 0; i < how->renews_count; i++)
		if (sends_root(in->admin, how->renews[i].chain))
			return how->renews[i].chain;
	return sends_root(in->admin, how->superseded_by) ? how->superseded_by : 0;
}

static void
warn_root_lost(const struct intake *in, struct passage *p)
{
	int count = sk_X509_num(p->candidate->certs);
	int64_t former;

	if (p->result == INTAKE_UNCHANGED || p->result == INTAKE_SUPERSEDED || p->how.renews_count == 0 ||
	    cert_is_self_signed(sk_X509_value(p->candidate->certs, count - 1)) || (former = renews_root(in, &p->how)) == 0)
		return;
	findings_add(&p->findings, FINDING_WARN, false, "root-lost",
	    "%s: chain %" PRId64 ", which it renews, sends its root, and this input has none: a TLSA record of the root"
	    " fails from now on; import it again together with the root and --keep-root", p->candidate->origin, former);
}

static int
take_candidate(struct intake *in, const struct bag *bag, struct passage *p, struct snicert_error *err)
{
	char subject[256];
	int status = -1;

	if (examine(in, p, err) == 0 && encode(in, p, p->candidate->origin, subject, sizeof(subject), err) == 0) {
		/* Now: settle() retires what it renews. */
		status = admin_active_of_key(in->admin, p->row.spki, &p->same_key_as, err) == 0 ? settle(in, p, err) : -1;
		if (status == 0) {
			warn_root_lost(in, p);
			status = note_chain(in, bag, p, err);
		}
	}
	passage_clear(p);
	return status;
}

static bool
same_type(const struct candidate *a, const struct candidate *b)
{
	return strcmp(key_type_name(a->key) == NULL ? "" : key_type_name(a->key),
	    key_type_name(b->key) == NULL ? "" : key_type_name(b->key)) == 0;
}

/* Per run, a lineage is for one chain per key type. */
static int
label(struct intake *in, struct passage *p, struct snicert_error *err)
{
	const char *type = key_type_name(p->candidate->key);

	for (size_t i = 0; type != NULL && i < in->labelled_count; i++)
		if (strcmp(in->labelled[i], type) == 0)
			return error_set(err, SNICERT_EINPUT, "%s: a second %s chain of the lineage %s: import the chains of another "
			    "lineage with another command", p->candidate->origin, type, in->lineage);
	if (type != NULL && in->labelled_count < sizeof(in->labelled) / sizeof(in->labelled[0]))
		snprintf(in->labelled[in->labelled_count++], sizeof(in->labelled[0]), "%s", type);
	snprintf(p->lineage, sizeof(p->lineage), "%s", in->lineage);
	return 0;
}

/* Files with several chains of a key type aren't the source of one chain. */
static int
place(struct intake *in, struct passage *p, const struct candidate *all, size_t count, struct snicert_error *err)
{
	size_t alike = 0;

	p->alone = count == 1;
	for (size_t i = 0; i < count; i++)
		alike += same_type(&all[i], p->candidate);
	if (in->lineage != NULL)
		return label(in, p, err);
	if (alike > 1 || !lineage_of(p->candidate->origin, p->lineage, p->place))
		p->lineage[0] = p->place[0] = '\0';
	return 0;
}

/* Import on trial, to see what it would renew; undone afterwards. */
static int64_t
try_candidate(struct intake *in, struct passage *p)
{
	struct snicert_error ignored = {0};
	char subject[256];
	int64_t former = 0;

	if (admin_savepoint(in->admin, &ignored) != 0)
		return 0;
	if (examine(in, p, &ignored) == 0 && encode(in, p, p->candidate->origin, subject, sizeof(subject), &ignored) == 0 &&
	    admin_add(in->admin, &p->row, &p->id, &p->existed, &ignored) == 0) {
		p->how = (struct renewal){ .force = in->force, .inherit = in->name_count == 0 && !in->as_told, .yield = true,
			.lenient = true, .existed = p->existed, .alone = p->alone, .seen = &in->seen,
			.place = p->place[0] == '\0' ? NULL : p->place };
		/* The real import reports a chain in the way. */
		(void)!renewal_bind(in->admin, p->id, p->wanted, p->wanted_count, &p->how, &ignored);
		former = renews_root(in, &p->how);
	}
	admin_release(in->admin, false, NULL);
	passage_clear(p);
	return former;
}

/* Whether to send a dropped root after all, because the chain it renews does. */
static bool
wants_root(struct intake *in, const struct candidate *all, size_t count)
{
	size_t labelled = in->labelled_count;
	bool wants = false;

	for (size_t i = 0; i < count && !wants; i++) {
		struct passage p = { .candidate = &all[i] };

		wants = all[i].root_left && place(in, &p, all, count, NULL) == 0 && try_candidate(in, &p) != 0;
		in->labelled_count = labelled;
	}
	return wants;
}

/* The chains in a bag. */
static int
find_candidates(struct intake *in, struct bag *bag, struct candidate **out, size_t *count, struct snicert_error *err)
{
	size_t warnings = bag_warnings(bag);

	if (assemble(bag, issuers_from_store, in->admin, in->keep_root, out, count, err) != 0)
		return -1;
	if (in->keep_root || !wants_root(in, *out, *count))
		return 0;
	candidate_free_all(*out, *count);
	bag_unwarn(bag, warnings);
	return assemble(bag, issuers_from_store, in->admin, true, out, count, err);
}

static void
forget_chains(struct intake *in, size_t first)
{
	while (in->chain_count > first)
		intake_chain_free(&in->chains[--in->chain_count]);
}

int
intake_bag(struct intake *in, struct bag *bag, struct snicert_error *err)
{
	struct candidate *candidates = NULL;
	const struct intake before = *in;
	size_t count = 0;
	int status = 0;

	in->may_come_later = false;
	/* Left from another bag, whose keys are gone. */
	pending_key_supplies_free(&in->supplies);
	if ((in->key_uri == NULL && pending_key_supply(in->admin, in->seal, bag, &in->supplies, err) != 0) ||
	    find_candidates(in, bag, &candidates, &count, err) != 0)
		return -1;
	for (size_t i = 0; i < count && status == 0; i++) {
		struct passage p = { .candidate = &candidates[i], .result = INTAKE_ADDED };

		status = place(in, &p, candidates, count, err);
		if (status == 0)
			status = take_candidate(in, bag, &p, err);
	}
	if (status == 0) {
		note_bag(in, before.chain_count, bag);
	} else {
		forget_chains(in, before.chain_count);
		in->unlisted = before.unlisted;
		in->added = before.added;
		in->renewed = before.renewed;
		in->unchanged = before.unchanged;
		in->labelled_count = before.labelled_count;
	}
	candidate_free_all(candidates, count);
	return status;
}

void
intake_free(struct intake *in)
{
	forget_chains(in, 0);
	pending_key_supplies_free(&in->supplies);
	free(in->chains);
	free(in->seen.bits);
	in->chains = NULL;
	in->seen = (struct chain_ids){0};
}
