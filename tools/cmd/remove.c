/* SPDX-License-Identifier: ISC */
/* remove.c: unbind names, or delete chains. */
#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"

static int
take_bindings(void *arg, const struct admin_chain *chain)
{
	*(int64_t *)arg = chain->bindings;
	return 0;
}

static int
remove_chain(struct admin *admin, int64_t chain, bool force, struct snicert_error *err)
{
	int64_t bindings = 0;

	if (admin_chains(admin, chain, NULL, take_bindings, &bindings, err) != 0)
		return -1;
	if (bindings > 0 && !force)
		return error_set(err, SNICERT_EINPUT,
		    "chain %" PRId64 " is serving %" PRId64 " name(s) or fallbacks: see `snicert show %" PRId64
		    "`; unbind them first, or use --force",
		    chain, bindings, chain);
	return admin_remove(admin, chain, err);
}

static int
remove_one(struct admin *admin, const char *text, bool force, struct report *report,
    struct snicert_error *err)
{
	struct chain_arg target;
	const char *result = "deleted";
	int status;

	if (chain_arg_find(admin, text, &target, err) != 0)
		return -1;
	if (target.is_name && target.count == 0)
		return error_set(err, SNICERT_ENOTFOUND, "nothing is bound to %s", target.key.text);
	if (target.is_name) {
		/* The chains stay for roll-back; `remove CHAIN` deletes them. */
		status = admin_unbind(admin, target.key.text, NULL, NULL, err);
		result = "unbound";
	} else {
		status = remove_chain(admin, target.chains[0], force, err);
	}
	report_text(report, target.is_name ? target.key.text : text);
	report_text(report, result);
	report_row_end(report);
	return status;
}

static int
cmd_remove(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'f' }, TOOL_OPTIONS };
	static const struct report_column columns[] = {
		{ "target", "Target", false }, { "result", "Result", false },
	};
	struct snicert_error err = {0};
	struct tool_outcome outcome;
	struct admin *admin = NULL;
	bool force = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != 'f')
			return status;
		force = true;
	}
	if (optind == argc)
		return tool_usage(tool, "remove what? give names or chains");
	if (open_store(tool, ADMIN_WRITE, &admin, &err) != 0)
		return tool_fail(&err);
	tool_outcome_begin(&outcome, tool, columns, 2);
	status = admin_begin(admin, &err);
	for (int i = optind; i < argc && status == 0; i++)
		status = remove_one(admin, argv[i], force, outcome.report, &err);
	if (status == 0)
		status = admin_commit(admin, &err);
	if (status == 0)
		status = tool_outcome_print(&outcome, &err);
	tool_outcome_free(&outcome);
	admin_close(admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_remove = {
	.name = "remove",
	.run = cmd_remove,
	.arguments = "[--force] NAME|CHAIN…",
	.summary = "unbind names, or delete chains",
	.help =
	    "  --force         remove a chain even if names are bound to it\n",
};
