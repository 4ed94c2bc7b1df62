/* SPDX-License-Identifier: ISC */
/* expiring.c: the active chains that expire soon, soonest first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "show/report.h"
#include "store/admin_status.h"
#include "store/open.h"
#include "tool.h"

#define DAYS_DEFAULT 30
#define DAYS_MOST 36500
#define DAY 86400

struct expiring {
	struct report *report;
	const struct status_near *near; /* NULL: a lifetime doesn't matter */
	int64_t now;
	long long rows;
	struct snicert_error err;
};

/* "30", "30d", "4w"; -1 for anything else. */
static long
parse_days(const char *text)
{
	char *end;
	long days;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	days = strtol(text, &end, 10);
	if (days > DAYS_MOST)
		return -1;
	if (strcmp(end, "w") == 0)
		days *= 7;
	else if (strcmp(end, "d") != 0 && end[0] != '\0')
		return -1;
	return days > DAYS_MOST ? -1 : days;
}

static int
report_names(struct expiring *expiring, const char *names)
{
	char *copy = strdup(names), *save = NULL;
	const char **list = calloc(strlen(names) / 2 + 1, sizeof(*list));
	size_t count = 0;
	int status = 0;

	if (copy == NULL || list == NULL) {
		status = error_set(&expiring->err, SNICERT_EMEMORY, "no memory");
	} else {
		for (char *name = strtok_r(copy, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save))
			list[count++] = name;
	}
	report_list(expiring->report, list, count);
	free(list);
	free(copy);
	return status;
}

static int
report_chain(void *arg, const struct admin_chain *chain)
{
	struct expiring *expiring = arg;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];
	int64_t left = chain->not_after - expiring->now;
	int status;

	if (left > 0 && expiring->near != NULL && !status_is_near(expiring->near, chain->lifetime, chain->not_after, expiring->now))
		return 0;
	report_number(expiring->report, chain->id);
	report_text(expiring->report, chain->key_type);
	report_days_left(expiring->report, left);
	report_time(expiring->report, chain->not_after);
	status = report_names(expiring, chain->names);
	report_text(expiring->report, chain->subject[0] != '\0' ? chain->subject : NULL);
	report_number(expiring->report, chain->bindings);
	report_text(expiring->report, chain->source);
	report_text(expiring->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_row_end(expiring->report);
	expiring->rows++;
	return status;
}

/* With so many days left, or by default (days < 0) as `status` and `check` have it: a chain of six days
 * has always less than thirty left, and is renewed in time all the same. */
static int
report_all(struct tool *tool, struct admin *admin, long days)
{
	static const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "key_type", "Key", false }, { "days_left", "Days left", true },
		{ "not_after", "Expires", false }, { "names", "Names", false },
		{ "subject", "Subject", false }, { "bindings", "Bound", true }, { "source", "Source", false },
		{ "sha256", NULL, false },
	};
	static const struct status_near near = { (int64_t)DAYS_DEFAULT * DAY, STATUS_NEAR_WARNING_PART };
	struct expiring expiring = { .near = days < 0 ? &near : NULL, .now = (int64_t)time(NULL) };
	int64_t within = days < 0 ? DAYS_DEFAULT : days;
	int status;

	expiring.report = report_new(stdout, tool->json, columns, 9);
	status = admin_expiring(admin, expiring.now + within * DAY, report_chain, &expiring,
	    &expiring.err);
	if (report_finish(expiring.report, &expiring.err) != 0 || status != 0)
		return tool_fail(&expiring.err);
	if (expiring.rows == 0 && !tool->json)
		printf("No chain expires within %" PRId64 " day%s%s.\n", within, within == 1 ? "" : "s",
		    days < 0 ? " with less than a third of its life left" : "");
	return expiring.rows > 0 ? TOOL_DONE : TOOL_NO;
}

static int
cmd_expiring(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	long days = -1;
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (argc - optind > 1)
		return tool_usage(tool, "expiring takes at most one number of days");
	if (optind < argc && (days = parse_days(argv[optind])) < 0)
		return tool_usage(tool, "%s is not a number of days (such as 30, 30d or 4w)", argv[optind]);
	if (open_store(tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	status = report_all(tool, admin, days);
	admin_close(admin);
	return status;
}

const struct command command_expiring = {
	.name = "expiring",
	.run = cmd_expiring,
	.arguments = "[DAYS]",
	.summary = "list chains that expire within DAYS, or soon",
	.traits = COMMAND_PRINTS,
};
