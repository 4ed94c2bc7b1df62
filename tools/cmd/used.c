/* SPDX-License-Identifier: ISC */
/*
 * used.c: the names in the store by how clients used them: the most wanted, which a server may load
 * ahead, or those that nobody asks for any more.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "error.h"
#include "show/report.h"
#include "stats/use.h"
#include "store/admin_names.h"
#include "store/open.h"
#include "tool.h"

#define LAST_DEFAULT 50

struct row {
	char *name;
	int64_t chain;
	struct stats_use use;
};

struct used {
	struct tool *tool;
	const char *pattern;
	int64_t since, not_since;       /* 0: any */
	int64_t last;                   /* how many; 0: all */
	const struct stats_reader *reader;
	struct row *rows;
	size_t count, room;
	int64_t seen;                   /* names that match the pattern */
	int64_t began;                  /* counting, by all servers */
	struct snicert_error err;
};

/* The most wanted first. */
static int
by_count(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	if (left->use.count != right->use.count)
		return left->use.count > right->use.count ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* The longest unused first. */
static int
by_latest(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	int64_t of_left = use_latest(&left->use), of_right = use_latest(&right->use);

	if (of_left != of_right)
		return of_left < of_right ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* Sort, and drop what is not asked for. */
static void
settle(struct used *used)
{
	if (used->count > 0)
		qsort(used->rows, used->count, sizeof(*used->rows), used->not_since != 0 ? by_latest : by_count);
	while (used->last > 0 && used->count > (uint64_t)used->last)
		free(used->rows[--used->count].name);
}

static bool
make_room(struct used *used)
{
	size_t room = used->room == 0 ? 256 : 2 * used->room;
	struct row *more;

	if (used->count < used->room)
		return true;
	settle(used);
	if (used->count <= used->room / 2 && used->room > 0)
		return true;
	more = realloc(used->rows, room * sizeof(*more));
	if (more == NULL)
		return false;
	used->rows = more;
	used->room = room;
	return true;
}

static bool
is_wanted(const struct used *used, const struct stats_use *use)
{
	if (used->not_since != 0)
		return use_latest(use) <= used->not_since;
	return use->used == STATS_USED && use_latest(use) > used->since;
}

static int
take_name(void *arg, const char *name, int64_t chain)
{
	struct used *used = arg;
	struct row row = { .chain = chain };

	if (used->pattern != NULL && fnmatch(used->pattern, name, FNM_CASEFOLD) != 0)
		return 0;
	used->seen++;
	stats_read_use(used->reader, name, &row.use);
	used->began = row.use.since > used->began ? row.use.since : used->began;
	if (!is_wanted(used, &row.use))
		return 0;
	row.name = strdup(name);
	if (row.name == NULL || !make_room(used)) {
		free(row.name);
		return error_set(&used->err, SNICERT_EMEMORY, "no memory");
	}
	used->rows[used->count++] = row;
	return 0;
}

static int
gather(struct used *used)
{
	struct stats_reader *reader = NULL;
	struct admin *admin = NULL;
	int status = stats_read_open(&reader, used->tool->config->stats_path, &used->err);

	used->reader = reader;
	if (status == 0 && (open_store(used->tool, ADMIN_READ, &admin, &used->err) != 0 ||
	    admin_each_name(admin, take_name, used, &used->err) != 0))
		status = -1;
	admin_close(admin);
	stats_read_close(reader);
	settle(used);
	return status;
}

/* Why there is nothing to show. */
static void
say_empty(const struct used *used, struct report *report)
{
	char began[16] = "?";

	date_print(began, sizeof(began), "%Y-%m-%d", used->began);
	if (used->seen == 0)
		report_empty(report, used->pattern == NULL ? "No name is bound." : "No name matches %s.", used->pattern);
	else if (used->not_since != 0 && used->began > used->not_since)
		report_empty(report, "No name is known to be unused for so long: servers count since %s.", began);
	else
		report_empty(report, used->not_since != 0 ? "Clients asked for all of them." : "No client asked for any of them.");
}

static int
print(struct used *used)
{
	const struct report_column columns[] = {
		{ "count", "About", true }, { "last", "Last asked", false },
		{ "unused_since", used->not_since != 0 ? "Unused since" : NULL, false },
		{ "name", "Name", false }, { "chain", "Chain", true },
	};
	struct report *report = report_new(stdout, used->tool->json, columns, sizeof(columns) / sizeof(columns[0]));

	say_empty(used, report);
	for (size_t i = 0; i < used->count; i++) {
		const struct row *row = &used->rows[i];

		report_number(report, (long long)row->use.count);
		if (row->use.used == STATS_USED)
			report_time(report, row->use.day);
		else
			report_text(report, NULL);
		report_time(report, use_latest(&row->use));
		report_text(report, row->name);
		report_number(report, row->chain);
		report_row_end(report);
	}
	if (report_finish(report, &used->err) != 0)
		return tool_fail(&used->err);
	return used->count > 0 ? TOOL_DONE : TOOL_NO;
}

static int
parse(struct used *used, int argc, char **argv)
{
	static const struct option options[] = {
		{ "since", required_argument, NULL, 's' }, { "not-since", required_argument, NULL, 'n' },
		{ "last", required_argument, NULL, 'l' }, TOOL_OPTIONS,
	};
	int option, status;

	while ((option = tool_getopt(used->tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'l' && !tool_number(optarg, 0, INT64_MAX, &used->last))
			return tool_usage(used->tool, "%s is not a number", optarg);
		if (option != 'l' && !tool_since(optarg, option == 's' ? &used->since : &used->not_since))
			return tool_usage(used->tool,
			    "%s is neither a day, such as 2026-11-24, nor a time ago, such as 6h, 7d or 2w", optarg);
	}
	if (used->since != 0 && used->not_since != 0)
		return tool_usage(used->tool, "--since and --not-since exclude each other");
	if (argc - optind > 1)
		return tool_usage(used->tool, "used takes at most one pattern (quote it)");
	used->pattern = argv[optind];
	return -1;
}

static int
cmd_used(struct tool *tool, int argc, char **argv)
{
	struct used used = { .tool = tool, .last = LAST_DEFAULT };
	int status = parse(&used, argc, argv);

	if (status != -1)
		return status;
	status = gather(&used) == 0 ? print(&used) : tool_fail(&used.err);
	for (size_t i = 0; i < used.count; i++)
		free(used.rows[i].name);
	free(used.rows);
	return status;
}

const struct command command_used = {
	.name = "used",
	.run = cmd_used,
	.arguments = "[--since TIME | --not-since TIME] [--last COUNT] [PATTERN]",
	.summary = "list names in the store by how often clients asked for them",
	.help =
	    "  --since TIME    asked for since a day (2026-11-24), or a time ago (6h, 7d, 2w)\n"
	    "  --not-since TIME\n"
	    "                  that nobody asked for since then, the longest unused first\n"
	    "  --last COUNT    this many names (50; 0: all)\n"
	    "  PATTERN         only names that match, such as '*.example'\n",
	.traits = COMMAND_PRINTS,
};
