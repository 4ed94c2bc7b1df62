/* SPDX-License-Identifier: ISC */
/* config.c: what is in force, and its source. */
#include <stdio.h>

#include "show/report.h"
#include "tool.h"

struct listing {
	struct report *report;
	const char *file;
};

static void
list_option(void *arg, const char *option, const char *value, bool from_file)
{
	const struct listing *listing = arg;

	report_text(listing->report, option);
	report_text(listing->report, value);
	report_text(listing->report, from_file ? listing->file : "default");
	report_row_end(listing->report);
}

static int
cmd_config(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	static const struct report_column columns[] = {
		{ "option", "Option", false }, { "value", "Value", false }, { "from", "From", false },
	};
	struct listing listing = { .file = tool->config->path };
	struct snicert_error err = {0};
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind != argc)
		return tool_usage(tool, "config takes no arguments");
	if (!tool->json)
		printf("Configuration: %s\n\n", tool->config->path != NULL
		    ? tool->config->path : "all options have their defaults: the file does not exist");
	listing.report = report_new(stdout, tool->json, columns, 3);
	config_each(tool->config, list_option, &listing);
	return report_finish(listing.report, &err) == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_config = {
	.name = "config",
	.run = cmd_config,
	.arguments = "",
	.summary = "print each option, its value and where that comes from",
	.traits = COMMAND_PRINTS,
};
