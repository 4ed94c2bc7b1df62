/* SPDX-License-Identifier: ISC */
/*
 * show.c: chains in full: a record each for people, an array of objects for programs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "error.h"
#include "show/report.h"
#include "show/say.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"
#include "x509/cert.h"

static const struct report_column columns[] = {
	{ "chain", "Chain", true }, { "state", "State", false }, { "key_type", "Key type", false },
	{ "key_bits", "Key bits", true }, { "curve", "Curve", false }, { "subject", "Subject", false },
	{ "names", "Names", false }, { "issuer", "Issuer", false }, { "serial", "Serial", false },
	{ "not_before", "Valid from", false }, { "not_after", "Expires", false },
	{ "days_left", "Days left", true }, { "sha256", "SHA-256", false },
	{ "spki_sha256", "Public key SHA-256", false }, { "intermediates", "Intermediates", false },
	{ "key", "Private key", false }, { "source", "Source", false }, { "created", "Imported", false },
	{ "bound_to", "Bound to", false }, { "staged_for", "Staged for", false },
	{ "former", "Former chains", false }, { "owner", "Owner", false },
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

/* Texts of one report_list. */
struct list {
	char **items;
	size_t count;
};

/* One chain to show. */
struct showing {
	struct tool *tool;
	struct admin *admin;
	struct report *report;
	struct chain_arg target;   /* of the current argument */
	const struct admin_chain *chain;
	struct store_rows rows;
	X509 *leaf;                     /* NULL if it can't be decoded */
	struct list names, intermediates, bound, staged, former;
	size_t shown;
	int status;
	struct snicert_error err;
};

static int
list_add(struct showing *s, struct list *list, const char *text, size_t length)
{
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (items != NULL)
		list->items = items;
	if (items == NULL || (items[list->count] = strndup(text, length)) == NULL)
		return error_set(&s->err, SNICERT_EMEMORY, "no memory");
	list->count++;
	return 0;
}

static void
list_clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct list){0};
}

static int
list_key(struct showing *s, struct list *list, const char *key)
{
	char buffer[NAME_TEXT_SIZE];
	const char *text = tool_key_text(key, buffer);

	return list_add(s, list, text, strlen(text));
}

static int
take_staged(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct showing *s = arg;

	(void)key_type;
	(void)chain;
	return list_key(s, &s->staged, key);
}

/* A former chain of the key type shown: its id, once. */
static int
take_former(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct showing *s = arg;
	char id[24];

	(void)key;
	if (strcmp(key_type, s->chain->key_type) != 0)
		return 0;
	snprintf(id, sizeof(id), "%" PRId64, chain);
	for (size_t i = 0; i < s->former.count; i++)
		if (strcmp(s->former.items[i], id) == 0)
			return 0;
	return list_add(s, &s->former, id, strlen(id));
}

static int
take_bound(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct showing *s = arg;

	(void)key_type;
	(void)chain;
	if (list_key(s, &s->bound, key) != 0)
		return -1;
	/* For a name, only show that name's past. */
	if (s->target.is_name && strcmp(key, s->target.key.text) != 0)
		return 0;
	return admin_formers(s->admin, key, take_former, s, &s->err);
}

static int
split_names(struct showing *s, const char *names)
{
	while (*names != '\0') {
		size_t length = strcspn(names, " ");

		if (length > 0 && list_add(s, &s->names, names, length) != 0)
			return -1;
		names += length;
		names += strspn(names, " ");
	}
	return 0;
}

static X509 *
decode(const struct store_cert *row)
{
	const unsigned char *at = row->der.data;

	return at == NULL ? NULL : d2i_X509(NULL, &at, (long)row->der.length);
}

static int
take_certs(struct showing *s)
{
	const struct store_chain *row = &s->rows.chains[0];
	char label[300] = "damaged";

	if (admin_load(s->admin, s->chain->id, &s->rows, &s->err) != 0)
		return -1;
	s->leaf = row->cert_count == 0 ? NULL : decode(&row->certs[0]);
	for (size_t i = 1; i < row->cert_count; i++) {
		X509 *cert = decode(&row->certs[i]);

		if (cert != NULL)
			cert_label(cert, label, sizeof(label));
		X509_free(cert);
		if (list_add(s, &s->intermediates, label, strlen(label)) != 0)
			return -1;
	}
	ERR_clear_error();
	if (s->leaf == NULL) {
		say("chain %" PRId64 ": the leaf can't be decoded: see `snicert verify`",
		    s->chain->id);
		s->status = TOOL_FAILED;
	}
	return 0;
}

static void
report_key(struct showing *s)
{
	const EVP_PKEY *key = s->leaf == NULL ? NULL : X509_get0_pubkey(s->leaf);
	char group[80];
	const char *curve = NULL;

	if (key == NULL)
		report_text(s->report, NULL);
	else
		report_number(s->report, EVP_PKEY_get_bits(key));
	if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1) {
		curve = EC_curve_nid2nist(OBJ_sn2nid(group));
		if (curve == NULL)
			curve = group;
	}
	report_text(s->report, curve);
}

static void
report_issuer(struct showing *s)
{
	BIO *bio = s->leaf == NULL ? NULL : BIO_new(BIO_s_mem());
	char *text = NULL;

	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_issuer_name(s->leaf), 0,
	    (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)) >= 0 &&
	    BIO_write(bio, "", 1) == 1)
		BIO_get_mem_data(bio, &text);
	report_text(s->report, text);
	BIO_free(bio);
}

static void
report_serial(struct showing *s)
{
	BIGNUM *number = s->leaf == NULL ? NULL
	    : ASN1_INTEGER_to_BN(X509_get0_serialNumber(s->leaf), NULL);
	char *text = number == NULL ? NULL : BN_bn2hex(number);

	report_text(s->report, text);
	OPENSSL_free(text);
	BN_free(number);
}

static void
report_strings(struct showing *s, const struct list *list)
{
	report_list(s->report, (const char *const *)list->items, list->count);
}

static void
report_chain(struct showing *s)
{
	const struct admin_chain *chain = s->chain;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_number(s->report, chain->id);
	report_text(s->report, chain->state);
	report_text(s->report, chain->key_type);
	report_key(s);
	report_text(s->report, chain->subject[0] != '\0' ? chain->subject : NULL);
	report_strings(s, &s->names);
	report_issuer(s);
	report_serial(s);
	report_time(s->report, chain->not_before);
	report_time(s->report, chain->not_after);
	report_days_left(s->report, chain->not_after - (int64_t)time(NULL));
	report_text(s->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_text(s->report, tool_fingerprint(chain->spki, true, fingerprint, sizeof(fingerprint)));
	report_strings(s, &s->intermediates);
	report_text(s->report, chain->key_uri == NULL ? "sealed" : chain->key_uri);
	report_text(s->report, chain->source);
	report_time(s->report, chain->created);
	report_strings(s, &s->bound);
	report_strings(s, &s->staged);
	report_strings(s, &s->former);
	report_text(s->report, chain->owner);
	report_row_end(s->report);
}

/* People get a report per chain, separated by a line. */
static void
begin_record(struct showing *s)
{
	if (s->tool->json)
		return;
	if (s->shown > 0)
		putchar('\n');
	s->report = report_new(stdout, false, columns, COLUMN_COUNT);
	report_single(s->report);
}

static int
end_record(struct showing *s)
{
	struct report *report = s->report;

	s->shown++;
	if (s->tool->json)
		return 0;
	s->report = NULL;
	return report_finish(report, &s->err);
}

static int
show_chain(void *arg, const struct admin_chain *chain)
{
	struct showing *s = arg;
	int status = -1;

	s->chain = chain;
	if (split_names(s, chain->names) == 0 && take_certs(s) == 0 &&
	    admin_bindings(s->admin, NULL, chain->id, take_bound, s, &s->err) == 0 &&
	    admin_staged(s->admin, chain->id, take_staged, s, &s->err) == 0) {
		begin_record(s);
		report_chain(s);
		status = end_record(s);
	}
	X509_free(s->leaf);
	s->leaf = NULL;
	list_clear(&s->names);
	list_clear(&s->intermediates);
	list_clear(&s->bound);
	list_clear(&s->staged);
	list_clear(&s->former);
	return status;
}

/* The chains of one argument; reports and skips a missing one. */
static int
show_target(struct showing *s, const char *text)
{
	struct chain_arg *target = &s->target;

	if (chain_arg_find(s->admin, text, target, &s->err) != 0) {
		if (s->err.code != SNICERT_EINPUT)
			return -1;
		say("%s", s->err.text);
		error_clear(&s->err);
		target->count = 0;
		s->status = s->status == TOOL_DONE ? TOOL_NO : s->status;
	} else if (target->count == 0) {
		say("nothing is bound to %s", target->key.text);
		s->status = s->status == TOOL_DONE ? TOOL_NO : s->status;
	}
	for (size_t i = 0; i < target->count; i++)
		if (admin_chains(s->admin, target->chains[i], NULL, show_chain, s, &s->err) != 0)
			return -1;
	return 0;
}

static int
show(struct showing *s, int count, char **texts)
{
	int status = 0;

	if (open_store(s->tool, ADMIN_READ, &s->admin, &s->err) != 0)
		return tool_fail(&s->err);
	if (s->tool->json)
		s->report = report_new(stdout, true, columns, COLUMN_COUNT);
	for (int i = 0; i < count && status == 0; i++)
		status = show_target(s, texts[i]);
	if (s->tool->json && report_finish(s->report, &s->err) != 0)
		status = -1;
	return status == 0 ? s->status : tool_fail(&s->err);
}

static int
cmd_show(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct showing s = { .tool = tool };
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind == argc)
		return tool_usage(tool, "give a name, or a chain's number or SHA-256 fingerprint");
	status = show(&s, argc - optind, argv + optind);
	store_rows_free(&s.rows);
	admin_close(s.admin);
	return status;
}

const struct command command_show = {
	.name = "show",
	.run = cmd_show,
	.arguments = "NAME|CHAIN…",
	.summary = "show everything about a chain",
	.traits = COMMAND_PRINTS,
};
