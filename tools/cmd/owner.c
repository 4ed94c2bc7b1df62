/* SPDX-License-Identifier: ISC */
/* owner.c: who owns chains. */
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "show/report.h"
#include "store/admin_owner.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"

static int
list_owner(void *arg, const char *owner, int64_t chains, int64_t names)
{
	struct report *report = arg;

	report_text(report, owner);
	report_number(report, chains);
	report_number(report, names);
	report_row_end(report);
	return 0;
}

static int
list_owners(struct tool *tool)
{
	static const struct report_column columns[] = {
		{ "owner", "Owner", false }, { "chains", "Chains", true }, { "names", "Names", true },
	};
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct report *report;
	int status;

	if (open_store(tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	report = report_new(stdout, tool->json, columns, 3);
	report_empty(report, "No chain has an owner: `snicert owner LABEL NAME` sets one.");
	status = admin_owners(admin, list_owner, report, &err);
	if (report_finish(report, &err) != 0)
		status = -1;
	admin_close(admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

/* A name means its chains. */
static int
label(struct admin *admin, const char *text, const char *owner, struct report *report,
    struct snicert_error *err)
{
	char former[ADMIN_OWNER_MOST + 1];
	struct chain_arg target;

	if (chain_arg_find(admin, text, &target, err) != 0)
		return -1;
	if (target.count == 0)
		return error_set(err, SNICERT_ENOTFOUND, "nothing is bound to %s", target.key.text);
	for (size_t i = 0; i < target.count; i++) {
		if (admin_owner_of(admin, target.chains[i], former, err) != 0 ||
		    admin_set_owner(admin, target.chains[i], owner, err) != 0)
			return -1;
		report_number(report, target.chains[i]);
		report_text(report, former[0] != '\0' ? former : NULL);
		report_text(report, owner);
		report_row_end(report);
	}
	return 0;
}

static int
label_all(struct tool *tool, const char *owner, bool take, int count, char **targets)
{
	static const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "former", "Former owner", false }, { "owner", "Owner", false },
	};
	struct snicert_error err = {0};
	struct tool_outcome outcome;
	struct admin *admin = NULL;
	int status;

	if (open_store(tool, ADMIN_WRITE, &admin, &err) != 0)
		return tool_fail(&err);
	admin_take(admin, take);
	tool_outcome_begin(&outcome, tool, columns, 3);
	status = admin_begin(admin, &err);
	for (int i = 0; i < count && status == 0; i++)
		status = label(admin, targets[i], owner, outcome.report, &err);
	if (status == 0)
		status = admin_commit(admin, &err);
	if (status == 0)
		status = tool_outcome_print(&outcome, &err);
	tool_outcome_free(&outcome);
	admin_close(admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

static int
cmd_owner(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "take", no_argument, NULL, 't' }, TOOL_OPTIONS };
	struct snicert_error err = {0};
	const char *owner;
	bool take = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		take = true;
	}
	if (optind == argc)
		return list_owners(tool);
	if (argc - optind < 2)
		return tool_usage(tool, "owner wants a label (or none) and names or chains");
	owner = strcmp(argv[optind], "none") == 0 ? NULL : argv[optind];
	if (owner != NULL && admin_owner_check(owner, &err) != 0)
		return tool_fail(&err);
	return label_all(tool, owner, take, argc - optind - 1, argv + optind + 1);
}

const struct command command_owner = {
	.name = "owner",
	.run = cmd_owner,
	.arguments = "[--take] [LABEL|none NAME|CHAIN…]",
	.summary = "list owners, or set the owner of chains",
	.help =
	    "  --take          take them from another owner\n",
};
