/* SPDX-License-Identifier: ISC */
/* bind.c: bind, unbind names by hand. */
#include <stdio.h>

#include "error.h"
#include "show/report.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "store/open.h"
#include "tool.h"

static int
report_binding(struct tool *tool, const char *key, int64_t chain, const char *result,
    struct snicert_error *err)
{
	static const struct report_column columns[] = {
		{ "name", "Name", false }, { "chain", "Chain", true }, { "result", "Result", false },
	};
	struct report *report = report_new(stdout, tool->json, columns, 3);

	report_single(report);
	report_text(report, key);
	report_number(report, chain);
	report_text(report, result);
	report_row_end(report);
	return report_finish(report, err);
}

static int
bind(struct tool *tool, const char *name_text, const char *chain_text, bool take, struct snicert_error *err)
{
	struct admin *admin = NULL;
	struct name name;
	int64_t chain;
	int status = -1;

	if (tool_name(name_text, &name, err) != 0 || open_store(tool, ADMIN_WRITE, &admin, err) != 0)
		return -1;
	admin_take(admin, take);
	if (admin_begin(admin, err) == 0 && admin_resolve(admin, chain_text, &chain, err) == 0 &&
	    admin_bind(admin, name.text, chain, err) == 0 && admin_commit(admin, err) == 0)
		status = report_binding(tool, name.text, chain, "bound", err);
	admin_close(admin);
	return status;
}

static int
cmd_bind(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "take", no_argument, NULL, 't' }, TOOL_OPTIONS };
	struct snicert_error err = {0};
	bool take = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		take = true;
	}
	if (argc - optind != 2)
		return tool_usage(tool, "bind wants a name and a chain");
	return bind(tool, argv[optind], argv[optind + 1], take, &err) == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_bind = {
	.name = "bind",
	.run = cmd_bind,
	.arguments = "[--take] NAME CHAIN",
	.summary = "bind a name to a chain, even if its certificate lacks the name",
	.help =
	    "  --take          take the name from another owner\n",
};

static int
unbind_one(struct admin *admin, const char *text, struct report *report, int *missing,
    struct snicert_error *err)
{
	struct name name;
	int gone = 0;

	if (tool_name(text, &name, err) != 0 ||
	    admin_unbind(admin, name.text, NULL, &gone, err) != 0)
		return -1;
	if (gone == 0) {
		say("nothing is bound to %s", name.text);
		++*missing;
	}
	report_text(report, name.text);
	report_number(report, gone);
	report_row_end(report);
	return 0;
}

static int
cmd_unbind(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	static const struct report_column columns[] = {
		{ "name", "Name", false }, { "unbound", "Chains unbound", true },
	};
	struct snicert_error err = {0};
	struct tool_outcome outcome;
	struct admin *admin = NULL;
	int status, missing = 0;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind == argc)
		return tool_usage(tool, "unbind which name?");
	if (open_store(tool, ADMIN_WRITE, &admin, &err) != 0)
		return tool_fail(&err);
	tool_outcome_begin(&outcome, tool, columns, 2);
	status = admin_begin(admin, &err);
	for (int i = optind; i < argc && status == 0; i++)
		status = unbind_one(admin, argv[i], outcome.report, &missing, &err);
	if (status == 0)
		status = admin_commit(admin, &err);
	if (status == 0)
		status = tool_outcome_print(&outcome, &err);
	tool_outcome_free(&outcome);
	admin_close(admin);
	if (status != 0)
		return tool_fail(&err);
	return missing > 0 ? TOOL_NO : TOOL_DONE;
}

const struct command command_unbind = {
	.name = "unbind",
	.run = cmd_unbind,
	.arguments = "NAME…",
	.summary = "stop serving a name",
};
