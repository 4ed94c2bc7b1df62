/* SPDX-License-Identifier: ISC */
/* fleet.c: connecting, and the head of the history. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fleet/fleet.h"
#include "fleet/schema.h"
#include "show/say.h"
#include "store/open.h"

bool
fleet_is_configured(const struct tool *tool)
{
	return tool->config->fleet_database != NULL;
}

static void
name_node(struct fleet *fleet)
{
	fleet->node = fleet->tool->config->fleet_node;
	if (fleet->node != NULL)
		return;
	if (gethostname(fleet->host_name, sizeof(fleet->host_name) - 1) != 0 || fleet->host_name[0] == '\0')
		snprintf(fleet->host_name, sizeof(fleet->host_name), "node");
	fleet->node = fleet->host_name;
}

int
fleet_open(struct fleet *fleet, const struct tool *tool, enum database_use use, struct snicert_error *err)
{
	const struct config *config = tool->config;

	*fleet = (struct fleet){ .tool = tool };
	name_node(fleet);
	if (database_can(err) != 0)
		return -1;
	if (config->fleet_database == NULL)
		return error_set(err, SNICERT_ECONFIG, "no fleet is configured: write fleet { database = \"host=…\" } into %s",
		    config->path != NULL ? config->path : config_default_path());
	if (open_key(tool, &fleet->seal, err) != 0)
		return -1;
	return database_open(&fleet->database, config->fleet_database, fleet->node, use, err);
}

void
fleet_close(struct fleet *fleet)
{
	seal_free(fleet->seal);
	database_close(fleet->database);
	fleet->seal = NULL;
	fleet->database = NULL;
}

struct reading {
	struct fleet *fleet;
	int64_t version;
	bool any;
};

static int
take_head(void *arg, const struct database_row *row)
{
	struct reading *reading = arg;
	struct fleet *fleet = reading->fleet;
	const unsigned char *history = database_digest(row, 4);

	reading->any = history != NULL;
	snprintf(fleet->id, sizeof(fleet->id), "%s", database_text(row, 0));
	reading->version = database_int(row, 1);
	fleet->head.epoch = database_int(row, 2);
	fleet->head.seq = database_int(row, 3);
	if (history != NULL)
		memcpy(fleet->head.history, history, ADMIN_MAC_LENGTH);
	return 0;
}

#define HEAD "SELECT f.id, f.version, h.epoch, h.seq, h.history FROM snicert.fleet f, snicert.head h"

static int
read_head(struct fleet *fleet, const char *sql, struct snicert_error *err)
{
	struct reading reading = { .fleet = fleet };

	if (database_run(fleet->database, take_head, &reading, err, sql, "") != 0)
		return -1;
	if (!reading.any)
		return error_set(err, SNICERT_ESTORE, "there is no fleet in %s: make one with `snicert fleet init`",
		    database_describe(fleet->database));
	if (reading.version > SCHEMA_VERSION)
		return error_set(err, SNICERT_ESTORE, "the fleet in %s is of a newer release: install that",
		    database_describe(fleet->database));
	if (reading.version < SCHEMA_VERSION)
		return error_set(err, SNICERT_ESTORE, "the tables in %s are of an earlier release: have the administrator of the "
		    "database run what `snicert fleet init --print-sql` prints, which brings them to this one",
		    database_describe(fleet->database));
	return 0;
}

int
fleet_head(struct fleet *fleet, struct snicert_error *err)
{
	return read_head(fleet, HEAD, err);
}

static int
take_holder(void *arg, const struct database_row *row)
{
	snprintf(arg, 120, "%s", database_text(row, 0));
	return 1;
}

/* Whoever has held the head for the longest; anybody's name is to be seen, since when is not. */
static void
name_holder(struct fleet *fleet, char out[120])
{
	snprintf(out, 120, "another node");
	database_run(fleet->database, take_holder, out, NULL, "SELECT a.application_name FROM pg_locks l"
	    " JOIN pg_stat_activity a USING (pid) WHERE l.relation = 'snicert.head'::regclass AND l.granted"
	    " AND l.mode = 'RowShareLock' AND a.pid <> pg_backend_pid() AND a.application_name <> ''"
	    " ORDER BY a.xact_start NULLS LAST LIMIT 1", "");
}

int
fleet_hold_head(struct fleet *fleet, struct snicert_error *err)
{
	int64_t began = clock_ms(), waited = 0;
	char who[120] = "";

	for (;;) {
		struct snicert_error why = {0};

		if (database_execute(fleet->database, "BEGIN; SET LOCAL lock_timeout = '1s'", err) != 0)
			return -1;
		if (read_head(fleet, HEAD " FOR UPDATE OF h", &why) == 0)
			return 0;
		if (database_trouble(fleet->database) != DATABASE_LOCKED)
			return error_set(err, (enum snicert_code)why.code, "%s", why.text);
		if (database_execute(fleet->database, "ROLLBACK", err) != 0)
			return -1;
		if (waited == 0)
			name_holder(fleet, who);
		if (waited == 0 && !fleet->tool->quiet)
			say("waiting up to %u s for %s, which is changing the fleet", fleet->tool->wait, who);
		waited = clock_ms() - began;
		if (waited >= (int64_t)fleet->tool->wait * 1000)
			return error_set(err, SNICERT_ESTORE, "waited %lld s for %s, which is changing the fleet: try again, or "
			    "wait longer with --wait", (long long)(waited / 1000), who);
	}
}

int
fleet_check_member(const struct fleet *fleet, const struct admin_position *position, struct snicert_error *err)
{
	const char *store = fleet->tool->config->store_path;

	if (!position->is_member)
		return error_set(err, SNICERT_ESTORE, "store %s is not of the fleet yet: `snicert fleet join` makes it one of it, "
		    "`snicert fleet init` makes a fleet of it", store);
	if (strcmp(position->fleet, fleet->id) != 0)
		return error_set(err, SNICERT_ESTORE, "store %s is of another fleet than the one in %s: correct `database`, or "
		    "take it out of its fleet with `snicert fleet leave`", store, database_describe(fleet->database));
	return 0;
}
