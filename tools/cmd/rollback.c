/* SPDX-License-Identifier: ISC */
/* rollback.c: go back to former chains. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "show/report.h"
#include "store/admin_owner.h"
#include "store/collect.h"
#include "store/open.h"
#include "tool.h"

/* The former chain to go back to, and what the key has now. */
struct step {
	char key_type[16];
	int64_t former, current;
};

static int
take_former(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct step *step = arg;

	(void)key;
	snprintf(step->key_type, sizeof(step->key_type), "%s", key_type);
	step->former = chain;
	return 1;
}

/* Whether the latest former chain of a key is `former`: then it moved with the others. */
static int
former_is(struct admin *admin, const char *key, int64_t former, struct snicert_error *err)
{
	struct step step = {0};

	if (admin_formers(admin, key, take_former, &step, err) < 0)
		return -1;
	return step.former == former;
}

/* Bind a key to its former chain; the current one waits, staged, to come back. */
static int
go_back(struct admin *admin, const char *key, const struct step *step, struct report *report,
    struct snicert_error *err)
{
	char buffer[NAME_TEXT_SIZE];

	if (admin_bind(admin, key, step->former, err) != 0)
		return -1;
	if (step->current != 0 &&
	    (admin_forget_former(admin, key, step->current, err) != 0 ||
	        admin_stage(admin, key, step->current, 0, err) != 0))
		return -1;
	report_text(report, tool_key_text(key, buffer));
	report_text(report, step->key_type);
	if (step->current != 0)
		report_number(report, step->current);
	else
		report_text(report, NULL);
	report_number(report, step->former);
	report_row_end(report);
	return 0;
}

static int
take_bindings(void *arg, const struct admin_chain *chain)
{
	*(int64_t *)arg = chain->bindings;
	return 0;
}

static int
roll_back(struct admin *admin, const struct name *key, struct report *report,
    struct snicert_error *err)
{
	struct collect_names moved = {0};
	struct step step = {0};
	int64_t left = 0;
	int status = -1;
	char buffer[NAME_TEXT_SIZE];

	if (admin_formers(admin, key->text, take_former, &step, err) < 0)
		return -1;
	if (step.former == 0)
		return error_set(err, SNICERT_ENOTFOUND, "%s has no former chain to go back to",
		    tool_key_text(key->text, buffer));
	if (admin_bound(admin, key->text, step.key_type, &step.current, err) != 0 ||
	    (step.current != 0 && collect_bound(admin, step.current, &moved, err) != 0) ||
	    go_back(admin, key->text, &step, report, err) != 0)
		goto out;
	for (size_t i = 0; i < moved.count; i++) {
		int with = name_equal(&moved.list[i], key)
		    ? 0 : former_is(admin, moved.list[i].text, step.former, err);

		if (with < 0 || (with == 1 && go_back(admin, moved.list[i].text, &step, report, err) != 0))
			goto out;
	}
	if (step.current != 0 &&
	    (admin_chains(admin, step.current, NULL, take_bindings, &left, err) != 0 ||
	        (left == 0 && admin_set_state(admin, step.current, "staged", err) != 0)))
		goto out;
	status = admin_log(admin, "rollback", key->text, step.former, NULL, err);
out:
	free(moved.list);
	return status;
}

static int
cmd_rollback(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "default", no_argument, NULL, 'd' }, { "address", required_argument, NULL, 'a' },
		{ "take", no_argument, NULL, 't' }, TOOL_OPTIONS,
	};
	static const struct report_column columns[] = {
		{ "name", "Name", false }, { "key_type", "Key", false }, { "from", "From chain", true },
		{ "to", "Back to chain", true },
	};
	struct snicert_error err = {0};
	struct tool_outcome outcome;
	struct admin *admin = NULL;
	const char *address = NULL;
	bool fallback = false, take = false;
	struct name key;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 't')
			take = true;
		else
			fallback = true;
		if (option == 'a')
			address = optarg;
	}
	if (argc - optind != (fallback ? 0 : 1))
		return tool_usage(tool, "rollback wants one name, or --default");
	if ((fallback ? tool_fallback_key(address, &key, &err) : tool_name(argv[optind], &key, &err)) != 0 ||
	    open_store(tool, ADMIN_WRITE, &admin, &err) != 0)
		return tool_fail(&err);
	admin_take(admin, take);
	tool_outcome_begin(&outcome, tool, columns, 4);
	status = admin_begin(admin, &err) == 0 &&
	    roll_back(admin, &key, outcome.report, &err) == 0 && admin_commit(admin, &err) == 0 &&
	    tool_outcome_print(&outcome, &err) == 0 ? 0 : -1;
	tool_outcome_free(&outcome);
	admin_close(admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_rollback = {
	.name = "rollback",
	.run = cmd_rollback,
	.arguments = "[--take] NAME | --default [--address ADDRESS]",
	.summary = "go back to the former chain of a name, with all that moved with it",
	.help =
	    "  --take          even if that was another owner's\n",
};
