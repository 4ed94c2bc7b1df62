/* SPDX-License-Identifier: ISC */
/*
 * activate.c: binds staged chains to their names: on request, or once their keys' TLSA records have
 * had their time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dane/rollover.h"
#include "error.h"
#include "fleet/node.h"
#include "intake/renewal.h"
#include "show/report.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "store/collect.h"
#include "store/open.h"
#include "tool.h"

/* The options of `activate`, and the result. */
struct activation {
	struct tool *tool;
	struct admin *admin;
	struct report *report;
	bool force, all, take;
	int64_t after;                  /* seconds; -1: at once */
	const char *record_path;        /* --require-tlsa */
	struct tlsa_file records;
	long port;
	char **warnings;
	size_t warning_count;
	bool not_yet, not_published, failed;
	struct node_wish wait;
	struct snicert_error err;
};

static const struct option activate_options[] = {
	{ "force", no_argument, NULL, 'f' }, { "all", no_argument, NULL, 'a' },
	{ "after", required_argument, NULL, 't' }, { "require-tlsa", required_argument, NULL, 'r' },
	{ "port", required_argument, NULL, 'p' }, { "take", no_argument, NULL, 'k' },
	{ "wait-fleet", optional_argument, NULL, 'w' }, TOOL_OPTIONS,
};

static const struct report_column activate_columns[] = {
	{ "chain", "Chain", true }, { "result", "Result", false }, { "bound", "Bound", true },
	{ "renewed", "Renewed", true }, { "unchanged", "Unchanged", true }, { "key", "Key", false },
	{ "due", "Due", false }, { "key_changed", NULL, false }, { "warnings", NULL, false },
};

static int
keep_warning(struct activation *a, char *text)
{
	char **list = text == NULL ? a->warnings : realloc(a->warnings, (a->warning_count + 1) * sizeof(*list));

	if (text == NULL)
		return 0;
	if (list == NULL) {
		free(text);
		return error_set(&a->err, SNICERT_EMEMORY, "no memory");
	}
	a->warnings = list;
	list[a->warning_count++] = text;
	return 0;
}

static int
report_activated(struct activation *a, int64_t chain, const struct renewal *how,
    struct rollover *rollover)
{
	size_t count, first = a->warning_count;
	const char **names = rollover_names(rollover, &count);

	if (names == NULL)
		return error_set(&a->err, SNICERT_EMEMORY, "no memory");
	if (keep_warning(a, rollover_warning(rollover)) != 0 || keep_warning(a, rollover_take_notes(rollover)) != 0) {
		free(names);
		return -1;
	}
	report_number(a->report, chain);
	report_text(a->report, "activated");
	report_number(a->report, how->added);
	report_number(a->report, how->renewed);
	report_number(a->report, how->unchanged);
	report_text(a->report, rollover_key(rollover));
	report_text(a->report, NULL);
	report_list(a->report, names, count);
	report_list(a->report, a->warning_count == first ? NULL : (const char *const *)&a->warnings[first],
	    a->warning_count - first);
	report_row_end(a->report);
	free(names);
	return 0;
}

/* One whose time hasn't come (`due`), or that waits for a person (0). */
static void
report_waiting(struct activation *a, int64_t chain, int64_t due)
{
	report_number(a->report, chain);
	report_text(a->report, due != 0 ? "not yet" : "when told");
	for (int i = 0; i < 3; i++)
		report_number(a->report, 0);
	report_text(a->report, NULL);
	if (due != 0)
		report_time(a->report, due);
	else
		report_text(a->report, NULL);
	report_list(a->report, NULL, 0);
	report_list(a->report, NULL, 0);
	report_row_end(a->report);
	a->not_yet = true;
}

/* Whether its records have had their time. */
static int
is_due(struct activation *a, int64_t chain, bool *due)
{
	int64_t since = 0;

	*due = true;
	if (a->after < 0)
		return 0;
	if (admin_staged_since(a->admin, chain, &since, &a->err) != 0)
		return -1;
	*due = since != 0 && since + a->after <= (int64_t)time(NULL);
	if (!*due)
		report_waiting(a, chain, since == 0 ? 0 : since + a->after);
	return 0;
}

static int
staged_names(struct activation *a, int64_t chain, struct collect_names *names)
{
	if (collect_staged(a->admin, chain, names, &a->err) != 0)
		return -1;
	if (names->count == 0)
		return error_set(&a->err, SNICERT_EINPUT,
		    "chain %" PRId64 " is staged for no name: use `snicert bind NAME %" PRId64 "` or "
		    "`snicert fallback %" PRId64 "`", chain, chain, chain);
	return 0;
}

static int
activate_one(struct activation *a, int64_t chain)
{
	struct rollover rollover = { .admin = a->admin, .chain = chain, .port = a->port, .config = a->tool->config,
		.records = a->record_path != NULL ? &a->records : NULL };
	struct renewal how = { .force = a->force, .inherit = true, .moved = rollover_note,
		.moved_arg = &rollover };
	struct collect_names names = {0};
	bool due;
	int status = staged_names(a, chain, &names);

	if (status == 0)
		status = is_due(a, chain, &due);
	if (status == 0 && due)
		status = renewal_bind(a->admin, chain, names.list, names.count, &how, &a->err) == 0 &&
		    rollover_judge(&rollover, &a->err) == 0 && admin_unstage(a->admin, chain, &a->err) == 0 &&
		    admin_log(a->admin, "activate", NULL, chain, NULL, &a->err) == 0
		    ? report_activated(a, chain, &how, &rollover) : -1;
	renewal_clear(&how);
	rollover_clear(&rollover);
	free(names.list);
	return status;
}

/* Each separately: one that fails doesn't stop the others. */
static int
activate_all(struct activation *a)
{
	struct collect_chains chains = {0};
	int status = collect_staged_chains(a->admin, &chains, &a->err);

	for (size_t i = 0; i < chains.count && status == 0; i++) {
		struct snicert_error fatal = {0};
		bool good;

		if (admin_savepoint(a->admin, &a->err) != 0)
			status = -1;
		good = status == 0 && activate_one(a, chains.list[i]) == 0;
		if (status == 0 && admin_release(a->admin, good, &fatal) != 0) {
			a->err = fatal;
			status = -1;
		}
		if (status != 0 || good)
			continue;
		say("%s", a->err.text);
		if (a->err.code == SNICERT_ENOTFOUND)
			a->not_published = true;
		else
			a->failed = true;
		error_clear(&a->err);
	}
	free(chains.list);
	return status;
}

static int
activate_given(struct activation *a, int count, char **texts)
{
	int64_t chain;

	for (int i = 0; i < count; i++)
		if (admin_resolve(a->admin, texts[i], &chain, &a->err) != 0 || activate_one(a, chain) != 0)
			return -1;
	return 0;
}

static int
activate(struct activation *a, int count, char **texts)
{
	struct tool_outcome outcome;
	int status;

	if ((a->record_path != NULL && tlsa_file_read(a->record_path, &a->records, &a->err) != 0) ||
	    open_store(a->tool, ADMIN_WRITE, &a->admin, &a->err) != 0)
		return tool_fail(&a->err);
	admin_take(a->admin, a->take);
	tool_outcome_begin(&outcome, a->tool, activate_columns, sizeof(activate_columns) / sizeof(activate_columns[0]));
	a->report = outcome.report;
	report_empty(a->report, "No chain is staged.");
	status = admin_begin(a->admin, &a->err) == 0 &&
	    (a->all ? activate_all(a) : activate_given(a, count, texts)) == 0 &&
	    admin_commit(a->admin, &a->err) == 0 &&
	    tool_outcome_print(&outcome, &a->err) == 0 ? 0 : -1;
	tool_outcome_free(&outcome);
	if (status != 0)
		return tool_fail(&a->err);
	for (size_t i = 0; i < a->warning_count && !a->tool->json; i++)
		say_on(stdout, "warning: %s\n", a->warnings[i]);
	status = node_wish_wait(&a->wait, a->tool, &a->err);
	if (status != 0)
		say("activated here; %s", a->err.text);
	return a->failed ? TOOL_FAILED : status != 0 || a->not_published || (a->not_yet && !a->all) ? TOOL_NO : TOOL_DONE;
}

/* "3600", "90m", "36h", "2d", "1w"; -1: something else. */
static int64_t
parse_time(const char *text)
{
	static const struct {
		char unit;
		long seconds;
	} units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end;
	long number = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || number > 100000000 || (*end != '\0' && end[1] != '\0'))
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*end == units[i].unit)
			return (int64_t)number * units[i].seconds;
	return -1;
}

static int
take_activate_option(struct activation *a, int option, const char *text)
{
	char *end;

	switch (option) {
	case 'f':
		a->force = true;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case 'k':
		a->take = true;
		return 0;
	case 't':
		a->after = parse_time(text);
		return a->after >= 0 ? 0 : tool_usage(a->tool, "%s is not a time: write 3600, 90m, 36h, 2d or 1w", text);
	case 'r':
		a->record_path = text;
		return 0;
	case 'w':
		return node_wish_parse(&a->wait, text, &a->err) == 0 ? 0 : tool_usage(a->tool, "%s", a->err.text);
	default:
		a->port = strtol(text, &end, 10);
		return *text >= '0' && *text <= '9' && *end == '\0' && a->port > 0 && a->port < 65536 ? 0
		    : tool_usage(a->tool, "%s is not a port", text);
	}
}

static int
cmd_activate(struct tool *tool, int argc, char **argv)
{
	struct activation a = { .tool = tool, .after = -1, .port = 25 };
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, activate_options, &status)) != -1) {
		if (option != '?')
			status = take_activate_option(&a, option, optarg);
		if (option == '?' || status != 0)
			return status;
	}
	if (optind == argc && !a.all)
		return tool_usage(tool, "activate which chain? see `snicert list --staged`");
	if (optind < argc && a.all)
		return tool_usage(tool, "--all activates all staged chains: give no chains with it");
	status = activate(&a, argc - optind, argv + optind);
	admin_close(a.admin);
	tlsa_file_free(&a.records);
	for (size_t i = 0; i < a.warning_count; i++)
		free(a.warnings[i]);
	free(a.warnings);
	return status;
}

const struct command command_activate = {
	.name = "activate",
	.run = cmd_activate,
	.arguments = "[OPTION…] CHAIN… | --all",
	.summary = "bind staged chains to their names",
	.help =
	    "  --all           all chains that are staged for names; report what fails\n"
	    "  --after TIME    only chains staged at least this long (3600, 90m, 36h, 2d)\n"
	    "  --require-tlsa FILE  only if the TLSA records in FILE (- for standard input) have the new key\n"
	    "  --port PORT     the port of those TLSA records (25)\n"
	    "  --force         also take names from chains that these don't renew\n"
	    "  --take          take names from another owner\n"
	    NODE_WISH_HELP,
};
