/* SPDX-License-Identifier: ISC */
/* log.c: the store's change log: who did what, and when; latest first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "error.h"
#include "show/report.h"
#include "store/admin_log.h"
#include "store/open.h"
#include "tool.h"

#define LAST_DEFAULT 50

struct logging {
	struct tool *tool;
	struct report *report;
	long long rows;
	struct snicert_error err;
};

/* To the second, unlike other tables. */
static void
report_moment(struct logging *logging, int64_t at)
{
	char text[32];
	struct tm tm;

	if (logging->tool->json || !date_split(at, &tm)) {
		report_time(logging->report, at);
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	report_text(logging->report, text);
}

static int
report_change(void *arg, const struct admin_change *change)
{
	struct logging *logging = arg;
	struct report *report = logging->report;
	char buffer[NAME_TEXT_SIZE], who[300];

	snprintf(who, sizeof(who), "%s%s%s%s", change->user, change->sudo != NULL ? " (" : "",
	    change->sudo != NULL ? change->sudo : "", change->sudo != NULL ? ")" : "");
	report_number(report, change->sequence);
	report_moment(logging, change->at);
	report_text(report, who);
	report_text(report, change->user);
	report_text(report, change->sudo);
	if (change->pid > 0)
		report_number(report, change->pid);
	else
		report_text(report, NULL);
	report_text(report, change->what);
	if (change->chain != 0)
		report_number(report, change->chain);
	else
		report_text(report, NULL);
	report_text(report, change->key != NULL ? tool_key_text(change->key, buffer) : change->detail);
	report_text(report, change->key != NULL ? tool_key_text(change->key, buffer) : NULL);
	report_text(report, change->detail);
	report_row_end(report);
	logging->rows++;
	return 0;
}

static int
print_log(struct tool *tool, struct admin *admin, const struct admin_log_filter *filter, const char *about)
{
	static const struct report_column table[] = {
		{ "", "Change", true }, { "", "When (UTC)", false }, { "", "Who", false }, { "", NULL, false },
		{ "", NULL, false }, { "", "Pid", true }, { "", "What", false }, { "", "Chain", true },
		{ "", "Name or more", false }, { "", NULL, false }, { "", NULL, false },
	};
	static const struct report_column json[] = {
		{ "sequence", NULL, true }, { "at", NULL, false }, { "who", NULL, false }, { "user", NULL, false },
		{ "sudo", NULL, false }, { "pid", NULL, true }, { "what", NULL, false }, { "chain", NULL, true },
		{ "text", NULL, false }, { "name", NULL, false }, { "detail", NULL, false },
	};
	bool narrowed = filter->since != 0 || filter->after != 0;
	struct logging logging = { .tool = tool };
	int status;

	logging.report = report_new(stdout, tool->json, tool->json ? json : table, 11);
	if (about != NULL)
		report_empty(logging.report, "The log has no change of %s%s.", about, narrowed ? " since then" : "");
	else
		report_empty(logging.report, "The log has no change%s.", narrowed ? " since then" : "");
	status = admin_changes(admin, filter, report_change, &logging, &logging.err);
	if (report_finish(logging.report, &logging.err) != 0 || status != 0)
		return tool_fail(&logging.err);
	return logging.rows > 0 ? TOOL_DONE : TOOL_NO;
}

/* A deleted chain may still have lines here, so a number needn't exist. */
static int
parse_target(struct admin *admin, const char *text, struct admin_log_filter *filter, struct name *key,
    struct snicert_error *err)
{
	if (strspn(text, "0123456789") == strlen(text) && tool_number(text, 0, INT64_MAX, &filter->chain))
		return 0;
	if (strcmp(text, "fallback") == 0)
		name_fallback(key, NULL);
	else if (strchr(text, '.') == NULL && admin_resolve(admin, text, &filter->chain, NULL) == 0)
		return 0;
	else if (tool_name(text, key, err) != 0)
		return -1;
	filter->key = key->text;
	return 0;
}

static int
cmd_log(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "last", required_argument, NULL, 'l' }, { "since", required_argument, NULL, 's' },
		{ "after", required_argument, NULL, 'a' }, TOOL_OPTIONS,
	};
	struct admin_log_filter filter = { .last = LAST_DEFAULT };
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct name key;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 's' && !tool_since(optarg, &filter.since))
			return tool_usage(tool, "%s is not a day such as 2026-11-24, nor a time ago such as 7d or 2w",
			    optarg);
		if (option != 's' && !tool_number(optarg, 0, INT64_MAX, option == 'l' ? &filter.last : &filter.after))
			return tool_usage(tool, "%s is not a number", optarg);
	}
	if (argc - optind > 1)
		return tool_usage(tool, "log takes at most one name or chain");
	if (open_store(tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	if (optind < argc && parse_target(admin, argv[optind], &filter, &key, &err) != 0)
		status = tool_fail(&err);
	else
		status = print_log(tool, admin, &filter, optind < argc ? argv[optind] : NULL);
	admin_close(admin);
	return status;
}

const struct command command_log = {
	.name = "log",
	.run = cmd_log,
	.arguments = "[--last COUNT] [--since TIME] [--after CHANGE] [NAME|CHAIN]",
	.summary = "list who changed what, the latest change first",
	.help =
	    "  --last COUNT    this many changes (50; 0: all)\n"
	    "  --since TIME    changes since a day (2026-11-24), or this long ago (7d, 2w)\n"
	    "  --after CHANGE  changes with a greater number\n",
	.traits = COMMAND_PRINTS,
};
