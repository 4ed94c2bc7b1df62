/* SPDX-License-Identifier: ISC */
/* import_report.c: an import's result. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"
#include "show/report.h"
#include "show/say.h"

struct row {
	struct import *import;
	struct report *report;
	const struct intake_chain *chain;
};

struct keys {
	char **list;
	size_t count;
};

static int
take_key(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct keys *keys = arg;
	char **list = reallocarray(keys->list, keys->count + 1, sizeof(*list));
	char text[NAME_TEXT_SIZE];

	(void)key_type;
	(void)chain;
	if (list != NULL) {
		keys->list = list;
		list[keys->count] = strdup(tool_key_text(key, text));
		keys->count += list[keys->count] != NULL;
	}
	return 0;
}

/* What it is or will be bound to. */
static void
report_bound(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	struct intake *in = &row->import->in;
	struct keys keys = {0};

	if (chain->result == INTAKE_STAGED)
		admin_staged(in->admin, chain->id, take_key, &keys, &row->import->err);
	else if (chain->id != 0)
		admin_bindings(in->admin, NULL, chain->id, take_key, &keys, &row->import->err);
	report_list(row->report, (const char *const *)keys.list, keys.count);
	for (size_t i = 0; i < keys.count; i++)
		free(keys.list[i]);
	free(keys.list);
}

/* Notes on the whole go with the first chain. */
static void
report_warnings(const struct row *row)
{
	const struct import *import = row->import;
	size_t whole = row->chain == import->in.chains ? import->note_count : 0, count = row->chain->warning_count;
	const char **list = calloc(whole + count + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < whole + count; i++)
		list[i] = i < whole ? import->notes[i] : row->chain->warnings[i - whole];
	report_list(row->report, list, list == NULL ? 0 : whole + count);
	free(list);
}

static void
report_id(struct report *report, int64_t id)
{
	if (id != 0)
		report_number(report, id);
	else
		report_text(report, NULL);
}

static void
report_result(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	char text[64];

	if (chain->superseded_by != 0 && !row->import->tool->json) {
		snprintf(text, sizeof(text), "superseded by chain %" PRId64, chain->superseded_by);
		report_text(row->report, text);
	} else {
		report_text(row->report, intake_result_text(chain->result));
	}
}

static void
report_chain(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_id(row->report, chain->id);
	report_result(row);
	report_text(row->report, chain->key_type);
	report_time(row->report, chain->not_after);
	tool_report_names(row->report, chain->names);
	report_text(row->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_text(row->report, chain->source);
	report_warnings(row);
	report_id(row->report, chain->same_key_as);
	report_bound(row);
	report_text(row->report, chain->lineage);
	report_list(row->report, (const char *const *)chain->renews, chain->renews_count);
	report_id(row->report, chain->superseded_by);
	report_row_end(row->report);
}

/* Somebody is about to publish a staged chain's TLSA records. */
static void
note_same_keys(const struct intake *in)
{
	for (size_t i = 0; i < in->chain_count; i++)
		if (in->chains[i].result == INTAKE_STAGED && in->chains[i].same_key_as != 0)
			printf("note: chain %" PRId64 " has the key of chain %" PRId64 ": its TLSA records stay as they "
			    "are, so you can activate it now\n", in->chains[i].id, in->chains[i].same_key_as);
}

/* What a dry run is for. */
static void
print_renews(const struct intake *in)
{
	for (size_t i = 0; i < in->chain_count; i++)
		for (size_t j = 0; j < in->chains[i].renews_count; j++)
			printf("chain %" PRId64 " renews %s\n", in->chains[i].id, in->chains[i].renews[j]);
}

#define ROWS_MOST 100           /* rows in a table, and warnings below it */

static void
print_warnings(const struct import *import)
{
	const struct intake *in = &import->in;
	size_t count = import->note_count;

	for (size_t i = 0; i < count && i < ROWS_MOST; i++)
		say_on(stdout, "warning: %s\n", import->notes[i]);
	for (size_t i = 0; i < in->chain_count; i++)
		for (size_t j = 0; j < in->chains[i].warning_count; j++)
			if (count++ < ROWS_MOST)
				say_on(stdout, "warning: %s\n", in->chains[i].warnings[j]);
	if (count > ROWS_MOST)
		printf("and %zu more warnings, which --json has\n", count - ROWS_MOST);
}

static size_t
count_superseded(const struct intake *in)
{
	size_t count = 0;

	for (size_t i = 0; i < in->chain_count; i++)
		count += in->chains[i].id == 0;
	return count;
}

static void
print_summary(const struct import *import)
{
	const struct intake *in = &import->in;
	size_t superseded = count_superseded(in), taken = in->chain_count + in->unlisted - superseded;

	printf("%zu chain%s %simported: %d name%s bound, %d renewed, %d unchanged", taken,
	    taken == 1 ? "" : "s", import->dry_run ? "would be " : "", in->added,
	    in->added == 1 ? "" : "s", in->renewed, in->unchanged);
	if (superseded > 0)
		printf("; %zu superseded", superseded);
	if (import->failed > 0)
		printf("; %zu failed", import->failed);
	if (import->dry_run)
		printf("; nothing was changed");
	putchar('\n');
}

int
import_report(struct import *import)
{
	/* A certificate's names; for another server's configuration, what it is bound to matters. */
	const char *names = import->from == NULL ? "Names" : NULL, *bound = import->from == NULL ? NULL : "Bound to";
	const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "result", "Result", false }, { "key_type", "Key", false },
		{ "not_after", "Expires", false }, { "names", names, false }, { "sha256", NULL, false },
		{ "source", "Source", false }, { "warnings", NULL, false }, { "same_key_as", NULL, true },
		{ "bound", bound, false }, { "lineage", NULL, false }, { "renews", NULL, false }, { "superseded_by", NULL, true },
	};
	const struct intake *in = &import->in;
	bool json = import->tool->json;
	struct report *report = report_new(stdout, json, columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < in->chain_count && (json || in->chain_count + in->unlisted <= ROWS_MOST); i++) {
		struct row row = { import, report, &in->chains[i] };

		report_chain(&row);
	}
	if (report_finish(report, &import->err) != 0)
		return tool_fail(&import->err);
	if (json)
		return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
	print_warnings(import);
	if (import->dry_run)
		print_renews(in);
	note_same_keys(in);
	print_summary(import);
	return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
}
