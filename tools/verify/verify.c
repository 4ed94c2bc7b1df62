/* SPDX-License-Identifier: ISC */
/* verify.c: the store's files, each chain, and everything else. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "intake/pending_key.h"
#include "store/open.h"
#include "store/permissions.h"
#include "verify/verify.h"

/* For programs: each, at once. */
static void
report_finding(struct verify *v, const struct gather_finding *f)
{
	report_text(v->report, f->error ? "error" : "warning");
	report_text(v->report, f->code);
	if (f->chain != 0)
		report_number(v->report, f->chain);
	else
		report_text(v->report, NULL);
	report_text(v->report, f->what);
	report_text(v->report, f->text);
	report_text(v->report, f->fix);
	report_row_end(v->report);
}

void
verify_finding(struct verify *v, enum verify_severity severity, const char *code, const char *fix,
    const char *format, ...)
{
	char text[1200];
	/* Findings with the same sentence are equal, whatever names and dates they contain.  The
	 * few texts of a column, and quoted texts about no chain, are separate findings. */
	bool by_text = strcmp(code, "column") == 0 || (v->chain == NULL && strchr(format, ' ') == NULL);
	struct gather_finding f = {
		.error = severity == VERIFY_ERROR, .code = code, .chain = v->chain == NULL ? 0 : v->chain->id,
		.kind = by_text ? text : format, .what = v->what, .text = text, .fix = fix,
	};
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (severity == VERIFY_ERROR)
		v->errors++;
	else
		v->warnings++;
	if (v->gather != NULL)
		gather_add(v->gather, &f);
	else
		report_finding(v, &f);
}

/* An error of safety.c or seal.c has the fix after its last colon. */
static void
finding_of_file(struct verify *v, const char *what, const char *code, struct snicert_error *err)
{
	const char *fix = permissions_fix(err);

	snprintf(v->what, sizeof(v->what), "%s", what);
	verify_finding(v, VERIFY_ERROR, code, fix == NULL ? "restore it, or run as a user who may read it" : fix, "%s", err->text);
}

static void
progress(const struct verify *v, const struct admin_totals *totals)
{
	if (v->tool->quiet || !isatty(STDERR_FILENO))
		return;
	if (totals == NULL)
		fprintf(stderr, "\r%40s\r", "");
	else if (v->done % 500 == 0)
		fprintf(stderr, "\r%" PRId64 " of %" PRId64 " chains …\r", v->done, totals->chains);
}

struct walk {
	struct verify *verify;
	struct admin_totals totals;
};

static int
check_chain(void *arg, const struct admin_chain *chain)
{
	struct walk *walk = arg;

	progress(walk->verify, &walk->totals);
	walk->verify->done++;
	return verify_chain(walk->verify, chain);
}

static void
take_fault(void *arg, const char *fault)
{
	struct verify *v = arg;

	/* SQLite puts several into one text, a line each, with a heading. */
	while (*fault != '\0') {
		size_t length = strcspn(fault, "\n");

		if (length > 0 && fault[0] != '*')
			verify_finding(v, VERIFY_ERROR, "integrity", VERIFY_RESTORE, "%.*s", (int)length, fault);
		fault += length;
		fault += strspn(fault, "\n");
	}
}

static void
unsafe_file(void *arg, const char *what, struct snicert_error *err)
{
	finding_of_file(arg, what, "permissions", err);
}

static void
check_files(struct verify *v)
{
	struct snicert_error err = {0};

	permissions_files(v->tool->config->store_path, unsafe_file, v);
	if (open_key(v->tool, &v->seal, &err) != 0)
		finding_of_file(v, "store key", "store-key", &err);
}

static void
check_whole(struct verify *v)
{
	snprintf(v->what, sizeof(v->what), "store key");
	if (v->foreign > 0)
		verify_finding(v, VERIFY_ERROR, "store-key", "restore the key file that these were sealed with",
		    "%" PRId64 " chain%s sealed with another store key, chain %" PRId64 " for one", v->foreign,
		    v->foreign == 1 ? " is" : "s are", v->foreign_first);
	snprintf(v->what, sizeof(v->what), "fallback");
	if (!v->fallback)
		verify_finding(v, VERIFY_WARNING, "no-fallback", "set one with `snicert fallback CHAIN`",
		    "there is no fallback: a missing or unknown name gets the server's own certificate");
}

/* A key waiting for its certificate, with its TLSA record published. */
static int
check_waiting(void *arg, const struct admin_pending_key *key)
{
	struct verify *v = arg;
	struct snicert_error err = {0};
	EVP_PKEY *opened = NULL;

	snprintf(v->what, sizeof(v->what), "key %" PRId64 " (%.300s)", key->id, key->names);
	if (v->seal != NULL && pending_key_open(key, v->seal, &opened, &err) != 0)
		verify_finding(v, VERIFY_ERROR, "waiting-key", "`snicert key remove` it and make another, or " VERIFY_RESTORE,
		    "the key can't be opened: %s", err.text);
	EVP_PKEY_free(opened);
	return 0;
}

int
verify_all(struct verify *v)
{
	struct walk walk = { .verify = v };
	int status;

	check_files(v);
	snprintf(v->what, sizeof(v->what), "store");
	if (admin_integrity(v->admin, take_fault, v, &v->err) != 0 ||
	    admin_totals(v->admin, &walk.totals, &v->err) != 0)
		return -1;
	v->names = walk.totals.names;
	status = admin_chains(v->admin, 0, NULL, check_chain, &walk, &v->err);
	progress(v, NULL);
	if (status == 0) {
		v->chain = NULL;
		status = admin_pending_keys(v->admin, 0, check_waiting, v, &v->err);
	}
	if (status == 0)
		check_whole(v);
	return status;
}
