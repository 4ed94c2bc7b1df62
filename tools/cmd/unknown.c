/* SPDX-License-Identifier: ISC */
/*
 * unknown.c: the names that clients asked for and nobody has bound, most wanted first: customers
 * whose alias already points here.  And for each, what in the store would serve it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "date.h"
#include "error.h"
#include "fleet/asked.h"
#include "show/paint.h"
#include "show/report.h"
#include "stats/read.h"
#include "stats/suggest.h"
#include "store/open.h"
#include "tool.h"

#define LAST_DEFAULT 50

struct unknown {
	struct tool *tool;
	bool reset, all, fleet;
	int64_t since;                  /* asked for since then; 0: ever */
	int64_t least;                  /* so often */
	int64_t last;                   /* how many; 0: all */
	struct stats_unknown *list;
	struct suggestion *suggestions;
	size_t count;
	struct snicert_error err;
};

/* The requested ones, in order. */
static void
filter(struct unknown *unknown)
{
	size_t kept = 0;

	for (size_t i = 0; i < unknown->count; i++)
		if (unknown->list[i].last >= unknown->since && unknown->list[i].count >= (uint64_t)unknown->least)
			unknown->list[kept++] = unknown->list[i];
	unknown->count = kept;
}

/* A name that is now bound isn't missing. */
static void
drop_bound(struct unknown *unknown)
{
	size_t kept = 0;

	for (size_t i = 0; i < unknown->count; i++) {
		if (unknown->suggestions[i].kind == SUGGEST_BOUND && !unknown->all)
			continue;
		unknown->list[kept] = unknown->list[i];
		unknown->suggestions[kept] = unknown->suggestions[i];
		unknown->suggestions[kept].name = unknown->list[kept].name;
		kept++;
	}
	unknown->count = kept;
}

/* What this machine's servers were asked for. */
static int
read_here(struct unknown *unknown)
{
	struct stats_reader *reader = NULL;
	int status = stats_read_open(&reader, unknown->tool->config->stats_path, &unknown->err);

	if (status == 0 && stats_read_unknown(reader, &unknown->list, &unknown->count) != 0)
		status = error_set(&unknown->err, SNICERT_EMEMORY, "no memory");
	stats_read_close(reader);
	return status;
}

/* What all nodes' were. */
static int
read_fleet(struct unknown *unknown)
{
	struct fleet fleet;
	int status = fleet_open(&fleet, unknown->tool, DATABASE_READS, &unknown->err);

	if (status == 0)
		status = asked_unknown(&fleet, &unknown->list, &unknown->count, &unknown->err);
	fleet_close(&fleet);
	return status;
}

static int
gather(struct unknown *unknown)
{
	struct admin *admin = NULL;
	int status = (unknown->fleet ? read_fleet : read_here)(unknown);

	if (status != 0)
		return -1;
	filter(unknown);
	unknown->suggestions = calloc(unknown->count + 1, sizeof(*unknown->suggestions));
	if (unknown->suggestions == NULL)
		return error_set(&unknown->err, SNICERT_EMEMORY, "no memory");
	for (size_t i = 0; i < unknown->count; i++)
		unknown->suggestions[i].name = unknown->list[i].name;
	if (open_store(unknown->tool, ADMIN_READ, &admin, &unknown->err) != 0 ||
	    suggest(admin, unknown->suggestions, unknown->count, &unknown->err) != 0)
		status = -1;
	admin_close(admin);
	drop_bound(unknown);
	if (unknown->last > 0 && unknown->count > (uint64_t)unknown->last)
		unknown->count = (uint64_t)unknown->last;
	return status;
}

/* The command, or "". */
static void
command_for(const struct suggestion *s, char *out, size_t size)
{
	char chain[2 * STORE_DIGEST_LENGTH + 1];

	out[0] = '\0';
	if (s->kind == SUGGEST_COVERED)
		snprintf(out, size, "snicert bind %s %s", s->name,
		    tool_fingerprint(s->leaf, false, chain, sizeof(chain)));
	else if (s->kind == SUGGEST_STAGED)
		snprintf(out, size, "snicert activate %s", tool_fingerprint(s->leaf, false, chain, sizeof(chain)));
}

/* For people: what to do. */
static void
fix_for(const struct suggestion *s, char *out, size_t size)
{
	switch (s->kind) {
	case SUGGEST_BOUND:
		snprintf(out, size, "served now, as %s", s->near);
		break;
	case SUGGEST_ONE_LABEL:
		snprintf(out, size, "get a certificate: %s covers one label only", s->near);
		break;
	case SUGGEST_TYPO:
		snprintf(out, size, "a typo of %s in a DNS record?", s->near);
		break;
	case SUGGEST_NOTHING:
		snprintf(out, size, "get a certificate: no chain has the name");
		break;
	default:
		command_for(s, out, size);
		break;
	}
}

static void
report_row(struct report *report, const struct stats_unknown *name, const struct suggestion *s)
{
	char fix[2 * NAME_TEXT_SIZE + 64], command[2 * NAME_TEXT_SIZE];

	fix_for(s, fix, sizeof(fix));
	command_for(s, command, sizeof(command));
	report_number(report, (long long)name->count);
	report_number(report, (long long)name->missed);
	report_time(report, name->first);
	report_time(report, name->last);
	report_text(report, name->address[0] == '\0' ? NULL : name->address);
	report_text(report, name->name);
	report_text(report, fix);
	report_text(report, suggest_word(s->kind));
	if (s->kind == SUGGEST_COVERED || s->kind == SUGGEST_STAGED)
		report_number(report, s->chain);
	else
		report_text(report, NULL);
	report_text(report, s->near[0] == '\0' ? NULL : s->near);
	report_text(report, command[0] == '\0' ? NULL : command);
	report_number(report, name->windows);
	report_row_end(report);
}

static int
print_json(struct unknown *unknown)
{
	static const struct report_column columns[] = {
		{ "count", NULL, true }, { "missed", NULL, true }, { "first", NULL, false },
		{ "last", NULL, false }, { "address", NULL, false }, { "name", NULL, false },
		{ "fix", NULL, false }, { "code", NULL, false }, { "chain", NULL, false },
		{ "near", NULL, false }, { "command", NULL, false }, { "windows", NULL, false },
	};
	struct report *report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < unknown->count; i++)
		report_row(report, &unknown->list[i], &unknown->suggestions[i]);
	return report_finish(report, &unknown->err);
}

static void
day_of(int64_t at, char text[16])
{
	date_print(text, 16, "%Y-%m-%d", at);
}

/* The commands follow below: each stays on one line. */
static int
print_text(struct unknown *unknown)
{
	const char *head = paint_on(stdout, PAINT_HEAD), *end = paint_off(stdout, PAINT_HEAD);
	char first[16], last[16], more[24], fix[2 * NAME_TEXT_SIZE + 64];

	if (unknown->count == 0)
		puts("No client asked for a name that is not bound.");
	else
		printf("%s    Asked        First       Last        Name%s\n", head, end);
	for (size_t i = 0; i < unknown->count; i++) {
		const struct stats_unknown *name = &unknown->list[i];

		day_of(name->first, first);
		day_of(name->last, last);
		more[0] = '\0';
		if (name->missed > 0)
			snprintf(more, sizeof(more), "+%" PRIu64, name->missed);
		fix_for(&unknown->suggestions[i], fix, sizeof(fix));
		printf("%9" PRIu64 "%-7s  %s  %s  %s\n            %s\n", name->count, more, first, last, name->name, fix);
	}
	return fflush(stdout) == 0 ? 0 : error_system(&unknown->err, "can't write the output");
}

static int
print_unknown(struct unknown *unknown)
{
	if ((unknown->tool->json ? print_json(unknown) : print_text(unknown)) != 0)
		return tool_fail(&unknown->err);
	return unknown->count > 0 ? TOOL_DONE : TOOL_NO;
}

static int
parse(struct unknown *unknown, int argc, char **argv)
{
	static const struct option options[] = {
		{ "since", required_argument, NULL, 's' }, { "least", required_argument, NULL, 'm' },
		{ "last", required_argument, NULL, 'l' }, { "all", no_argument, NULL, 'a' },
		{ "reset", no_argument, NULL, 'r' }, { "fleet", no_argument, NULL, 'f' }, TOOL_OPTIONS,
	};
	int option, status;

	while ((option = tool_getopt(unknown->tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'r')
			unknown->reset = true;
		else if (option == 'f')
			unknown->fleet = true;
		else if (option == 'a')
			unknown->all = true;
		else if (option == 's' && !tool_since(optarg, &unknown->since))
			return tool_usage(unknown->tool,
			    "%s is neither a day, such as 2026-11-24, nor a time ago, such as 6h, 7d or 2w", optarg);
		else if (option != 's' && !tool_number(optarg, 0, INT64_MAX, option == 'm' ? &unknown->least : &unknown->last))
			return tool_usage(unknown->tool, "%s is not a number", optarg);
	}
	if (optind < argc)
		return tool_usage(unknown->tool, "unknown takes no names");
	if (unknown->fleet && unknown->reset)
		return tool_usage(unknown->tool, "--reset is for this machine's statistics: not with --fleet");
	return -1;
}

static int
cmd_unknown(struct tool *tool, int argc, char **argv)
{
	struct unknown unknown = { .tool = tool, .last = LAST_DEFAULT };
	int status = parse(&unknown, argc, argv);

	if (status != -1)
		return status;
	if (unknown.reset) {
		if (tool->config->stats_path == NULL)
			return TOOL_DONE;
		return stats_reset(tool->config->stats_path, STATS_RESET_UNKNOWN, &unknown.err) == 0
		    ? TOOL_DONE : tool_fail(&unknown.err);
	}
	status = gather(&unknown) == 0 ? print_unknown(&unknown) : tool_fail(&unknown.err);
	free(unknown.list);
	free(unknown.suggestions);
	return status;
}

const struct command command_unknown = {
	.name = "unknown",
	.run = cmd_unknown,
	.arguments = "[--since TIME] [--least COUNT] [--last COUNT] [--all] [--fleet | --reset]",
	.summary = "list names that clients asked for and that are not bound",
	.help =
	    "  --since TIME    asked for since a day (2026-11-24), or a time ago (6h, 7d, 2w)\n"
	    "  --least COUNT   asked for at least this often\n"
	    "  --last COUNT    this many names (50; 0: all)\n"
	    "  --all           also names that are served now\n"
	    "  --fleet         of all nodes of the fleet, together\n"
	    "  --reset         forget all of them\n",
	.traits = COMMAND_PRINTS,
};
