/* SPDX-License-Identifier: ISC */
/* rollback.c: return to former chains. */
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

/* One key type of a step, and what the key has now. */
struct half {
	char key_type[16];
	int64_t former, current;        /* former 0: it was added */
};

struct way_back {
	struct admin *admin;
	struct report *report;
	int64_t step;
	struct half halves[STORE_CHAINS_MOST];
	size_t count;
	struct snicert_error *err;
};

static int
take_half(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct way_back *way = arg;
	struct half *half = &way->halves[way->count];

	(void)key;
	if (way->count == STORE_CHAINS_MOST)
		return 1;
	snprintf(half->key_type, sizeof(half->key_type), "%s", key_type);
	half->former = chain;
	way->count++;
	return 0;
}

/* What the key had before its last step, maybe with several key types. */
static int
find_way(struct way_back *way, const char *key)
{
	char buffer[NAME_TEXT_SIZE];

	if (admin_last_step(way->admin, key, NULL, &way->step, way->err) != 0 ||
	    (way->step >= 0 && admin_formers_at(way->admin, key, way->step, take_half, way, way->err) < 0))
		return -1;
	if (way->count == 0)
		return error_set(way->err, SNICERT_ENOTFOUND, "%s has no former chain to go back to",
		    tool_key_text(key, buffer));
	for (size_t i = 0; i < way->count; i++)
		if (admin_bound(way->admin, key, way->halves[i].key_type, &way->halves[i].current, way->err) != 0)
			return -1;
	return 0;
}

/* Bind a key to its former chain, or to none; the current one stays staged, to come back. */
static int
go_back(struct way_back *way, const char *key, const struct half *half, int64_t former)
{
	struct admin *admin = way->admin;
	char buffer[NAME_TEXT_SIZE];

	if ((former != 0 ? admin_bind_back(admin, key, former, way->err)
	                 : admin_unbind(admin, key, half->key_type, NULL, way->err)) != 0 ||
	    (way->step > 0 && admin_forget_step(admin, key, half->key_type, way->step, way->err) != 0))
		return -1;
	if (half->current != 0 &&
	    (admin_forget_former(admin, key, half->current, way->err) != 0 ||
	        admin_stage(admin, key, half->current, 0, way->err) != 0))
		return -1;
	report_text(way->report, tool_key_text(key, buffer));
	report_text(way->report, half->key_type);
	if (half->current != 0)
		report_number(way->report, half->current);
	else
		report_text(way->report, NULL);
	if (former != 0)
		report_number(way->report, former);
	else
		report_text(way->report, NULL);
	report_row_end(way->report);
	return 0;
}

/* The chain that another key had before the same step, or 0; -1: it wasn't part of it. */
static int
former_of(struct way_back *way, const char *key, const struct half *half, int64_t *former)
{
	struct way_back theirs = { .admin = way->admin, .err = way->err };

	*former = -1;
	if (admin_last_step(way->admin, key, half->key_type, &theirs.step, way->err) != 0)
		return -1;
	if (theirs.step != way->step)
		return 0;
	if (admin_formers_at(way->admin, key, way->step, take_half, &theirs, way->err) < 0)
		return -1;
	for (size_t i = 0; i < theirs.count; i++)
		if (strcmp(theirs.halves[i].key_type, half->key_type) == 0 &&
		    (way->step > 0 || theirs.halves[i].former == half->former))
			*former = theirs.halves[i].former;
	return 0;
}

/* What joined the current chain with the key, or left the former one for none. */
static int
collect_company(struct way_back *way, const struct half *half, struct collect_names *names)
{
	if (half->current != 0)
		return collect_bound(way->admin, half->current, names, way->err);
	return collect_left(way->admin, half->former, way->step, names, way->err);
}

static int
half_back(struct way_back *way, const struct name *key, const struct half *half)
{
	struct collect_names company = {0};
	int status = collect_company(way, half, &company);

	if (status == 0)
		status = go_back(way, key->text, half, half->former);
	for (size_t i = 0; status == 0 && i < company.count; i++) {
		int64_t former = -1;

		if (name_equal(&company.list[i], key))
			continue;
		status = former_of(way, company.list[i].text, half, &former);
		if (status == 0 && former >= 0)
			status = go_back(way, company.list[i].text, half, former);
	}
	free(company.list);
	return status;
}

static int
take_bindings(void *arg, const struct admin_chain *chain)
{
	*(int64_t *)arg = chain->bindings;
	return 0;
}

/* A chain without bindings waits to come back. */
static int
stage_left(struct way_back *way, int64_t chain)
{
	int64_t left = 0;

	if (chain == 0)
		return 0;
	if (admin_chains(way->admin, chain, NULL, take_bindings, &left, way->err) != 0)
		return -1;
	return left == 0 ? admin_set_state(way->admin, chain, "staged", way->err) : 0;
}

static int
roll_back(struct admin *admin, const struct name *key, struct report *report,
    struct snicert_error *err)
{
	struct way_back way = { .admin = admin, .report = report, .err = err };

	if (find_way(&way, key->text) != 0)
		return -1;
	for (size_t i = 0; i < way.count; i++)
		if (half_back(&way, key, &way.halves[i]) != 0 || stage_left(&way, way.halves[i].current) != 0 ||
		    admin_log(admin, "rollback", key->text, way.halves[i].former, NULL, err) != 0)
			return -1;
	return 0;
}

static int
cmd_rollback(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "fallback", no_argument, NULL, 'f' }, { "default", no_argument, NULL, 'f' },
		{ "address", required_argument, NULL, 'a' },
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
		return tool_usage(tool, "rollback wants one name, or --fallback");
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
	.arguments = "[--take] NAME | --fallback [--address ADDRESS]",
	.summary = "undo the last change of a name's chains",
	.help =
	    "  --take          take the name from another owner\n",
};
