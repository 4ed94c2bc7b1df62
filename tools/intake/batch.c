/* SPDX-License-Identifier: ISC */
/* batch.c: importing groups of files, many in one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "date.h"
#include "error.h"
#include "intake/batch.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "store/open.h"

static int
add_name(struct batch *batch, const char *text, struct snicert_error *err)
{
	struct name *names = reallocarray(batch->names, batch->in.name_count + 1, sizeof(*names));

	if (names == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	batch->names = names;
	batch->in.names = names;
	return tool_name(text, &names[batch->in.name_count++], err);
}

int
batch_option(struct batch *batch, int option, struct snicert_error *err)
{
	switch (option) {
	case 'n':
		return add_name(batch, optarg, err);
	case 'b':
		batch->in.bind = false;
		return 0;
	case 's':
		batch->in.stage = true;
		return 0;
	default:
		batch->in.owner = optarg;
		return admin_owner_check(optarg, err);
	}
}

int
batch_options_check(const struct batch *batch, struct snicert_error *err)
{
	if (batch->in.name_count > 0 && !batch->in.bind)
		return error_set(err, SNICERT_EUSAGE, "--name and --no-bind contradict each other");
	return 0;
}

int
batch_begin(struct batch *batch, struct snicert_error *err)
{
	if (open_store(batch->tool, ADMIN_WRITE, &batch->in.admin, err) == 0 &&
	    open_begin(batch->tool, batch->in.admin, &batch->seal, err) == 0) {
		batch->in.seal = batch->seal;
		return 0;
	}
	batch_close(batch);
	return -1;
}

int
batch_add_bag(struct batch *batch, struct bag *bag, bool *lost, struct snicert_error *err)
{
	struct snicert_error fatal = {0};
	bool good = admin_savepoint(batch->in.admin, err) == 0;

	if (good) {
		good = intake_bag(&batch->in, bag, err) == 0;
		if (admin_release(batch->in.admin, good, &fatal) != 0) {
			*err = fatal;
			good = false;
		}
	}
	/* An unwritable store is no file's fault. */
	*lost = !good && err->code == SNICERT_ESTORE;
	return good ? 0 : -1;
}

int
batch_add(struct batch *batch, const char *const *files, size_t count, bool *lost, struct snicert_error *err)
{
	struct bag *bag = bag_new();
	int status = bag != NULL ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");

	*lost = false;
	for (size_t i = 0; status == 0 && i < count; i++)
		status = bag_add_file(bag, files[i], NULL, err);
	if (status == 0)
		status = batch_add_bag(batch, bag, lost, err);
	bag_free(bag);
	return status;
}

int
batch_end(struct batch *batch, bool keep, struct snicert_error *err)
{
	if (!keep) {
		admin_rollback(batch->in.admin);
		return 0;
	}
	if (admin_commit(batch->in.admin, err) == 0)
		return 0;
	admin_rollback(batch->in.admin);
	return -1;
}

static const struct report_column columns[] = {
	{ "event", NULL, false }, { "path", NULL, false }, { "chain", NULL, false }, { "key_type", NULL, false },
	{ "not_after", NULL, false }, { "names", NULL, false }, { "text", NULL, false },
};

struct line {
	const struct tool *tool;
	const char *event;
	const char *path;
};

/* One line per object: they come one at a time, for as long as a program runs. */
static void
print_json(const struct line *line, const struct admin_chain *chain, const char *text)
{
	struct report *report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));

	report_single(report);
	report_text(report, line->event);
	report_text(report, line->path);
	if (chain == NULL) {
		for (int i = 0; i < 4; i++)
			report_text(report, NULL);
	} else {
		report_number(report, chain->id);
		report_text(report, chain->key_type);
		report_time(report, chain->not_after);
		tool_report_names(report, chain->names);
	}
	report_text(report, text);
	report_row_end(report);
	report_finish(report, NULL);
}

/* The first names that fit on a line. */
static void
print_names(const char *names)
{
	const char *at = names;

	for (int i = 0; *at != '\0'; i++) {
		size_t length = strcspn(at, " ");

		if (i == 4) {
			printf(", …");
			return;
		}
		printf("%s%.*s", i == 0 ? "" : ", ", (int)length, at);
		at += length + strspn(at + length, " ");
	}
}

static int
print_chain(void *arg, const struct admin_chain *chain)
{
	const struct line *line = arg;
	char expires[32];

	if (line->tool->json) {
		print_json(line, chain, NULL);
		return 0;
	}
	date_print(expires, sizeof(expires), "%Y-%m-%d", chain->not_after);
	say_on(stdout, "%s%schain %" PRId64 " %s: ", line->path == NULL ? "" : line->path, line->path == NULL ? "" : ": ",
	    chain->id, line->event);
	print_names(chain->names);
	printf(" (%s, until %s)\n", chain->key_type, expires);
	return 0;
}

void
batch_say(const struct tool *tool, const char *event, const char *path, const char *text)
{
	struct line line = { tool, event, path };

	if (tool->json)
		print_json(&line, NULL, text);
	else
		say_on(stdout, "%s%s%s%s%s\n", path == NULL ? "" : path, path == NULL ? "" : ": ",
		    strcmp(event, "warning") == 0 ? event : "", strcmp(event, "warning") == 0 ? ": " : "", text);
}

void
batch_tell(struct batch *batch, const struct intake_chain *chain, const char *path)
{
	struct line line = { batch->tool, intake_result_text(chain->result), path };
	char text[64];

	if (chain->superseded_by != 0) {
		snprintf(text, sizeof(text), "superseded by chain %" PRId64, chain->superseded_by);
		batch_say(batch->tool, line.event, path, text);
		return;
	}
	admin_chains(batch->in.admin, chain->id, NULL, print_chain, &line, NULL);
	for (size_t i = 0; i < chain->warning_count; i++)
		batch_say(batch->tool, "warning", path, chain->warnings[i]);
}

void
batch_close(struct batch *batch)
{
	intake_free(&batch->in);
	batch->in.chain_count = batch->in.labelled_count = 0;
	batch->in.kept = 0;
	batch->in.added = batch->in.renewed = batch->in.unchanged = 0;
	admin_close(batch->in.admin);
	batch->in.admin = NULL;
	seal_free(batch->seal);
	batch->seal = NULL;
	batch->in.seal = NULL;
}

void
batch_free(struct batch *batch)
{
	batch_close(batch);
	free(batch->names);
	batch->names = NULL;
}
