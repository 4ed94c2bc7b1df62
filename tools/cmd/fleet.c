/* SPDX-License-Identifier: ISC */
/*
 * fleet.c: the fleet's nodes, and this store's part in it: `snicert fleet`, and its actions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "error.h"
#include "fleet/catch_up.h"
#include "fleet/change.h"
#include "fleet/member.h"
#include "fleet/node.h"
#include "fleet/schema.h"
#include "fleet/snapshot.h"
#include "nearest.h"
#include "show/age.h"
#include "show/report.h"
#include "show/say.h"
#include "store/open.h"
#include "tool.h"

#define TIMEOUT 60              /* seconds that `wait` waits */

struct fleet_run {
	struct tool *tool;
	struct fleet fleet;
	struct admin *admin;
	struct admin_position position;
	struct report *report;
	bool print_sql, replace;        /* --print-sql, --replace */
	int64_t seq, timeout;           /* --seq, -1: the head; --timeout, seconds */
	struct snicert_error err;
};

static const struct option options[] = {
	{ "print-sql", no_argument, NULL, 'p' }, { "replace", no_argument, NULL, 'r' },
	{ "seq", required_argument, NULL, 's' }, { "timeout", required_argument, NULL, 't' }, TOOL_OPTIONS,
};

static int
connect_to(struct fleet_run *run, enum database_use use)
{
	return fleet_open(&run->fleet, run->tool, use, &run->err);
}

static int
open_member(struct fleet_run *run, enum admin_mode mode)
{
	return open_store(run->tool, mode, &run->admin, &run->err) == 0 &&
	    admin_position(run->admin, &run->position, &run->err) == 0 ? 0 : -1;
}

/* --- the table -------------------------------------------------------------------- */

/* Not known where a node has no statistics. */
static void
report_count(struct report *report, int64_t count)
{
	if (count < 0)
		report_text(report, NULL);
	else
		report_number(report, count);
}

static int
report_node(void *arg, const struct node *node)
{
	struct fleet_run *run = arg;
	int64_t behind = run->fleet.head.seq - node->seq;

	report_text(run->report, node->name);
	report_text(run->report, node->release);
	report_number(run->report, node->seq);
	report_number(run->report, behind > 0 ? behind : 0);
	report_number(run->report, node->unseen);
	report_number(run->report, node->schema);
	report_number(run->report, node->epoch);
	report_text(run->report, node->keys);
	report_count(run->report, node->handshakes);
	report_count(run->report, node->by_name);
	report_count(run->report, node->unknown);
	report_text(run->report, node->trouble[0] == '\0' ? NULL : node->trouble);
	report_row_end(run->report);
	return 0;
}

/* Before the table, for people: where the history is, and where this store. */
static void
print_head(const struct fleet_run *run)
{
	const struct fleet_head *head = &run->fleet.head;

	say_on(stdout, "Fleet     %s\n", database_describe(run->fleet.database));
	printf("Head      change %lld of epoch %lld\n", (long long)head->seq, (long long)head->epoch);
	if (!run->position.is_member)
		printf("This store is not of the fleet: see `snicert help fleet join`\n\n");
	else if (run->position.seq >= head->seq)
		say_on(stdout, "Here      %s, at the head\n\n", run->fleet.node);
	else
		say_on(stdout, "Here      %s, at change %lld: %lld behind\n\n", run->fleet.node, (long long)run->position.seq,
		    (long long)(head->seq - run->position.seq));
}

static int
fleet_list(struct fleet_run *run)
{
	static const struct report_column columns[] = {
		{ "node", "Node", false }, { "release", "Release", false }, { "change", "Change", true },
		{ "behind", "Behind", true }, { "unseen", "Seen, s ago", true }, { "schema", NULL, true },
		{ "epoch", NULL, true }, { "store_keys", NULL, false }, { "handshakes", "Handshakes", true },
		{ "by_name", "By name", true }, { "unknown", "Unknown", true }, { "trouble", "Trouble", false },
	};

	if (connect_to(run, DATABASE_READS) != 0 || fleet_head(&run->fleet, &run->err) != 0 || open_member(run, ADMIN_READ) != 0)
		return -1;
	if (!run->tool->json)
		print_head(run);
	run->report = report_new(stdout, run->tool->json, columns, sizeof(columns) / sizeof(columns[0]));
	report_empty(run->report, "No node has said anything yet: start `snicert follow` on each.");
	if (node_each(&run->fleet, report_node, run, &run->err) != 0) {
		report_finish(run->report, NULL);
		return -1;
	}
	return report_finish(run->report, &run->err);
}

/* --- being of it -------------------------------------------------------------------- */

/* Where this store now stands. */
static int
answer(struct fleet_run *run, const char *format, const char *more)
{
	static const struct report_column columns[] = { { "node", NULL, false }, { "epoch", NULL, true },
		{ "change", NULL, true } };

	if (!run->tool->json) {
		printf(format, run->fleet.node, (long long)run->position.seq, more);
		return 0;
	}
	run->report = report_new(stdout, true, columns, 3);
	report_single(run->report);
	report_text(run->report, run->fleet.node);
	report_number(run->report, run->position.epoch);
	report_number(run->report, run->position.seq);
	report_row_end(run->report);
	return report_finish(run->report, &run->err);
}

/* The store is of the fleet by now: that the database went away is no reason to fail. */
static int
tell_others(struct fleet_run *run)
{
	if (node_say(&run->fleet, &run->position, "", &run->err) == 0)
		return 0;
	if (database_trouble(run->fleet.database) != DATABASE_LOST)
		return -1;
	say("the others are not told yet; `snicert follow` does it (%s)", run->err.text);
	error_clear(&run->err);
	return 0;
}

static int
fleet_init(struct fleet_run *run)
{
	if (run->print_sql) {
		printf("-- The tables of a snicert fleet and its two roles; run this in the fleet's database as one who may\n"
		       "-- create roles, then make the nodes' roles members: GRANT snicert_writer TO mx;\n%s", schema_sql);
		return 0;
	}
	if (connect_to(run, DATABASE_WRITES) != 0 || open_member(run, ADMIN_WRITE) != 0 ||
	    member_found(&run->fleet, run->admin, &run->position, &run->err) != 0 || tell_others(run) != 0)
		return -1;
	return answer(run, "The fleet begins with this store, as node %s.  On each other node: copy the store key, `snicert init`, "
	    "`snicert fleet join`; and start `snicert follow` on all.\n", NULL);
}

static int
fleet_join(struct fleet_run *run)
{
	struct catch_up_done done = { .snapshot = -1 };
	char copy[4300] = "";

	if (connect_to(run, DATABASE_WRITES) != 0 || open_member(run, ADMIN_WRITE) != 0 ||
	    member_join(&run->fleet, run->admin, run->replace, &run->position, &done, &run->err) != 0)
		return -1;
	/* A name that another machine has: it is no node until it has one of its own. */
	if (tell_others(run) != 0) {
		member_leave(run->admin, NULL);
		return -1;
	}
	if (done.copy[0] != '\0')
		snprintf(copy, sizeof(copy), "; what it had is in %s", done.copy);
	return answer(run, "Node %s is of the fleet, at change %lld%s.  Start `snicert follow`.\n", copy);
}

static int
fleet_leave(struct fleet_run *run)
{
	bool found;

	if (open_member(run, ADMIN_WRITE) != 0)
		return -1;
	if (!run->position.is_member)
		return error_set(&run->err, SNICERT_ESTORE, "store %s is of no fleet", run->tool->config->store_path);
	if (member_leave(run->admin, &run->err) != 0)
		return -1;
	/* It is out, whether or not the others hear of it. */
	if (connect_to(run, DATABASE_WRITES) != 0 || node_forget(&run->fleet, run->fleet.node, &found, &run->err) != 0) {
		say("the fleet was not told (%s): there, run `snicert fleet forget`", run->err.text);
		error_clear(&run->err);
	}
	if (run->fleet.node == NULL)
		run->fleet.node = "-";
	return answer(run, "Node %s has left at change %lld: this store is now of its own.  Stop `snicert follow`, and remove the "
	    "fleet section of the configuration.\n", NULL);
}

/* --- for all of it -------------------------------------------------------------------- */

static int
fleet_wait(struct fleet_run *run)
{
	int status;

	if (connect_to(run, DATABASE_READS) != 0 || fleet_head(&run->fleet, &run->err) != 0)
		return -1;
	status = node_wait(&run->fleet, run->seq < 0 ? run->fleet.head.seq : run->seq, run->timeout * 1000, &run->err);
	if (status != 1)
		return status;
	say("%s", run->err.text);
	return 1;
}

static int
fleet_snapshot(struct fleet_run *run)
{
	struct history_snapshot snapshot;

	if (connect_to(run, DATABASE_WRITES) != 0 || fleet_head(&run->fleet, &run->err) != 0 || open_member(run, ADMIN_READ) != 0 ||
	    fleet_check_member(&run->fleet, &run->position, &run->err) != 0 ||
	    snapshot_make(&run->fleet, run->admin, SNAPSHOT_ALWAYS, &snapshot, &run->err) != 0)
		return -1;
	if (snapshot_drop_old(&run->fleet, &run->err) != 0) {
		say("older snapshots stay until the next one is made (%s)", run->err.text);
		error_clear(&run->err);
	}
	run->position.seq = snapshot.seq;
	return answer(run, "Node %s has put a snapshot of change %lld into the database.\n", NULL);
}

static int
fleet_promote(struct fleet_run *run)
{
	struct history_change change;

	if (connect_to(run, DATABASE_WRITES) != 0 || fleet_hold_head(&run->fleet, &run->err) != 0)
		return -1;
	change = change_next(&run->fleet, HISTORY_EPOCH, 0);
	change.epoch++;
	history_digest_end(history_digest_new(), change.digest);
	if (change_add(&run->fleet, &change, &run->err) != 0 || change_ring(&run->fleet, &run->err) != 0 ||
	    database_execute(run->fleet.database, "COMMIT", &run->err) != 0)
		return -1;
	run->position = (struct admin_position){ .epoch = change.epoch, .seq = change.seq };
	return answer(run, "Said by node %s, at change %lld: what this database has is what holds.  A node that has more starts from "
	    "a snapshot, and keeps a copy of what it had.\n", NULL);
}

static int
fleet_forget(struct fleet_run *run, const char *name)
{
	bool found = false;

	if (connect_to(run, DATABASE_WRITES) != 0 || node_forget(&run->fleet, name, &found, &run->err) != 0)
		return -1;
	if (!found)
		return error_set(&run->err, SNICERT_ENOTFOUND, "there is no node %s, or this role may not strike it off", name);
	if (!run->tool->json)
		say_on(stdout, "Node %s is forgotten: nobody waits for it.\n", name);
	return 0;
}

/* --- dispatch ---------------------------------------------------------------------------- */

static const struct action {
	const char *name;
	int (*run)(struct fleet_run *);
	const char *allowed;            /* options */
} actions[] = {
	{ "init", fleet_init, "p" }, { "join", fleet_join, "r" }, { "leave", fleet_leave, "" }, { "wait", fleet_wait, "st" },
	{ "snapshot", fleet_snapshot, "" }, { "promote", fleet_promote, "" }, { "forget", NULL, "" },
};

#define WORDS "init, join, leave, wait, snapshot, promote or forget?"

static const struct action *
find_action(const char *word)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, word) == 0)
			return &actions[i];
	return NULL;
}

static int
exit_code(struct fleet_run *run, int status)
{
	return status == 1 ? TOOL_NO : status == 0 ? TOOL_DONE : tool_fail(&run->err);
}

static int
dispatch(struct fleet_run *run, const char *given, int count, char **words)
{
	const struct action *action = count == 0 ? NULL : find_action(words[0]);
	const char *meant = NULL;

	if (count == 0)
		return given[0] != '\0' ? tool_usage(run->tool, "fleet has no such option") : exit_code(run, fleet_list(run));
	for (size_t i = 0; action == NULL && i < sizeof(actions) / sizeof(actions[0]); i++)
		nearest_offer(words[0], actions[i].name, &meant);
	if (action == NULL)
		return tool_unknown("action", words[0], meant, "fleet " WORDS);
	if (given[strspn(given, action->allowed)] != '\0')
		return tool_usage(run->tool, "fleet %s has no such option", words[0]);
	if (count != (action->run == NULL ? 2 : 1))
		return tool_usage(run->tool, action->run == NULL ? "fleet forget which node?" : "fleet %s takes no arguments", words[0]);
	return exit_code(run, action->run == NULL ? fleet_forget(run, words[1]) : action->run(run));
}

static int
cmd_fleet(struct tool *tool, int argc, char **argv)
{
	struct fleet_run run = { .tool = tool, .seq = -1, .timeout = TIMEOUT };
	char given[8] = "";
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (strchr(given, option) == NULL)
			given[strlen(given)] = (char)option;
		if (option == 'p')
			run.print_sql = true;
		else if (option == 'r')
			run.replace = true;
		else if (!tool_number(optarg, 0, option == 't' ? 31 * 86400 : INT64_MAX, option == 't' ? &run.timeout : &run.seq))
			return tool_usage(tool, "%s is not a number", optarg);
	}
	status = dispatch(&run, given, argc - optind, argv + optind);
	fleet_close(&run.fleet);
	admin_close(run.admin);
	return status;
}

static const struct command_action uses[] = {
	{ .name = "init",
	    .arguments = "[--print-sql]",
	    .summary = "make a fleet of this store, in the configured database",
	    .help = "  --print-sql     print the SQL of its tables and roles instead, for who administers the database\n" },
	{ .name = "join",
	    .arguments = "[--replace]",
	    .summary = "make this store one of the fleet's",
	    .help = "  --replace       though it has chains of its own: they go, and a copy of the store stays\n" },
	{ .name = "leave", .arguments = "", .summary = "make it a store of its own again" },
	{ .name = "wait",
	    .arguments = "[--seq N] [--timeout SECONDS]",
	    .summary = "wait until all nodes that were seen within a day serve a change",
	    .help =
	        "  --seq N         this one (the last)\n"
	        "  --timeout SECONDS  for so long (60); then exit with 1\n" },
	{ .name = "snapshot", .arguments = "", .summary = "put a copy of this store into the database, for new nodes" },
	{ .name = "promote",
	    .arguments = "",
	    .summary = "after a fail-over that lost changes: what the database has is what holds" },
	{ .name = "forget", .arguments = "NODE", .summary = "strike a node off that is gone for good" },
	{ .name = NULL },
};

const struct command command_fleet = {
	.name = "fleet",
	.run = cmd_fleet,
	.arguments = "",
	.summary = "list the fleet's nodes and where they are; make, join and leave a fleet",
	.actions = uses,
};
