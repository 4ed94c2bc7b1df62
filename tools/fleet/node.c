/* SPDX-License-Identifier: ISC */
/* node.c: the table of nodes. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "fleet/node.h"
#include "hex.h"

static void
list_keys(const struct seal *seal, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < seal_count(seal) && used + 2 * SEAL_ID_LENGTH + 2 < size; i++) {
		if (i > 0)
			out[used++] = ',';
		used = (size_t)(hex_put(out + used, seal_id_of(seal, i), SEAL_ID_LENGTH) - out);
		out[used] = '\0';
	}
}

int
node_taken(const struct fleet *fleet, struct snicert_error *err)
{
	return error_set(err, SNICERT_ECONFIG, "another machine is the node %s of this fleet: give this one a name of its own "
	    "(fleet { node = \"…\" }), or if that one is gone: `snicert fleet forget %s`", fleet->node, fleet->node);
}

int
node_say(struct fleet *fleet, const struct admin_position *position, const char *trouble, struct snicert_error *err)
{
	char keys[SEAL_KEYS_MOST * (2 * SEAL_ID_LENGTH + 1) + 1];
	int64_t rows = 0;

	list_keys(fleet->seal, keys, sizeof(keys));
	if (database_run(fleet->database, database_first_int, &rows, err,
	        "INSERT INTO snicert.node AS n (name, id, release, schema, epoch, seq, keys, trouble)"
	        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	        " ON CONFLICT (name) DO UPDATE SET release = excluded.release, schema = excluded.schema,"
	        " epoch = excluded.epoch, seq = excluded.seq, keys = excluded.keys, trouble = excluded.trouble, seen = now()"
	        " WHERE n.id = excluded.id RETURNING 1",
	        "tttiiitt", fleet->node, position->node, SNICERT_VERSION, (int64_t)STORE_SCHEMA, position->epoch,
	        position->seq, keys, trouble) != 0)
		return -1;
	if (rows > 0)
		return 0;
	return node_taken(fleet, err);
}

static int
token_row(void *arg, const struct database_row *row)
{
	snprintf(arg, ADMIN_ID_LENGTH + 1, "%s", database_text(row, 0));
	return 0;
}

int
node_is_doubled(struct fleet *fleet, const char *token, bool has_spoken, struct snicert_error *err)
{
	char last[ADMIN_ID_LENGTH + 1] = "";

	if (database_run(fleet->database, token_row, last, err, "SELECT follower FROM snicert.node WHERE name = $1", "t",
	        fleet->node) != 0)
		return -1;
	if (strcmp(last, token) == 0)
		return 0;
	if (database_run(fleet->database, NULL, NULL, err, "UPDATE snicert.node SET follower = $2 WHERE name = $1", "tt", fleet->node,
	        token) != 0)
		return -1;
	if (!has_spoken)
		return 0;
	error_set(err, SNICERT_ECONFIG, "another `snicert follow` runs as the node %s: is this machine a copy of another one?  Then "
	    "`snicert fleet leave` here, and join under a name of its own", fleet->node);
	return 1;
}

struct each {
	node_fn *each;
	void *arg;
};

static int
node_row(void *arg, const struct database_row *row)
{
	const struct each *to = arg;
	const struct node node = { .name = database_text(row, 0), .release = database_text(row, 1),
		.schema = database_int(row, 2), .epoch = database_int(row, 3), .seq = database_int(row, 4),
		.unseen = database_int(row, 5), .keys = database_text(row, 6), .trouble = database_text(row, 7),
		.handshakes = database_int(row, 8), .by_name = database_int(row, 9), .unknown = database_int(row, 10) };

	return to->each(to->arg, &node);
}

int
node_each(struct fleet *fleet, node_fn *each, void *arg, struct snicert_error *err)
{
	struct each to = { each, arg };

	return database_run(fleet->database, node_row, &to, err,
	    "SELECT name, release, schema, epoch, seq, greatest(0, extract(epoch FROM clock_timestamp() - seen))::bigint,"
	    " keys, trouble, coalesce(handshakes, -1), coalesce(by_name, -1), coalesce(unknown, -1) FROM snicert.node"
	    " ORDER BY name", "");
}

struct older {
	int64_t schema;
	char *names;
	size_t size;
	bool any;
};

static int
older_row(void *arg, const struct node *node)
{
	struct older *older = arg;
	size_t used = strlen(older->names);

	if (node->schema >= older->schema || node->unseen > NODE_LATELY)
		return 0;
	older->any = true;
	snprintf(older->names + used, older->size - used, "%s%s", used == 0 ? "" : ", ", node->name);
	return 0;
}

int
node_older(struct fleet *fleet, int64_t schema, char *names, size_t size, struct snicert_error *err)
{
	struct older older = { schema, names, size, false };

	names[0] = '\0';
	if (node_each(fleet, older_row, &older, err) != 0)
		return -1;
	return older.any ? 1 : 0;
}

int
node_forget(struct fleet *fleet, const char *name, bool *found, struct snicert_error *err)
{
	int64_t rows = 0;

	if (database_run(fleet->database, database_first_int, &rows, err, "DELETE FROM snicert.node WHERE name = $1 RETURNING 1", "t",
	        name) != 0)
		return -1;
	*found = rows > 0;
	return 0;
}

/* Who keeps us waiting. */
struct late {
	int64_t seq;
	int count;
	char text[160];
};

static int
late_row(void *arg, const struct node *node)
{
	struct late *late = arg;
	size_t used = strlen(late->text);

	if (node->seq >= late->seq || node->unseen > NODE_LATELY)
		return 0;
	if (late->count++ < 3)
		snprintf(late->text + used, sizeof(late->text) - used, "%s%s at change %lld", used == 0 ? "" : ", ", node->name,
		    (long long)node->seq);
	return 0;
}

int
node_wait(struct fleet *fleet, int64_t seq, int64_t timeout, struct snicert_error *err)
{
	const struct timespec nap = { .tv_nsec = 100000000 };
	int64_t until = clock_ms() + timeout;
	struct late late;

	for (;;) {
		late = (struct late){ .seq = seq };
		if (node_each(fleet, late_row, &late, err) != 0)
			return -1;
		if (late.count == 0)
			return 0;
		if (clock_ms() >= until)
			break;
		nanosleep(&nap, NULL);
	}
	error_set(err, SNICERT_ENOTFOUND, "%d node%s not serve change %lld yet: %s%s", late.count, late.count == 1 ? " does" : "s do",
	    (long long)seq, late.text, late.count > 3 ? ", …" : "");
	return 1;
}

int
node_wish_parse(struct node_wish *wish, const char *text, struct snicert_error *err)
{
	wish->wanted = true;
	wish->seconds = NODE_WISH_SECONDS;
	if (text == NULL || tool_number(text, 0, 31 * 86400, &wish->seconds))
		return 0;
	return error_set(err, SNICERT_EUSAGE, "%s is not a number of seconds", text);
}

int
node_wish_wait(const struct node_wish *wish, const struct tool *tool, struct snicert_error *err)
{
	struct fleet fleet;
	int status;

	if (!wish->wanted)
		return 0;
	status = fleet_open(&fleet, tool, DATABASE_READS, err);
	if (status == 0)
		status = fleet_head(&fleet, err);
	if (status == 0)
		status = node_wait(&fleet, fleet.head.seq, wish->seconds * 1000, err);
	fleet_close(&fleet);
	return status;
}
