/* SPDX-License-Identifier: ISC */
/*
 * rekey.c: seal all keys under a new store key.  A store of its own does it in one go; in a fleet the new key
 * has to be everywhere first, and the old one stays until nobody needs it: --add, then rekey, then --drop.
 */
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "fleet/node.h"
#include "fleet/snapshot.h"
#include "hex.h"
#include "show/report.h"
#include "store/keyfile.h"
#include "store/open.h"
#include "tool.h"

static int
reseal(void *arg, const unsigned char *identity, const unsigned char *sealed, size_t length,
    unsigned char **out, size_t *out_length, struct snicert_error *err)
{
	const struct seal *seal = arg;
	unsigned char *plain = NULL;
	size_t plain_length = 0;
	int status;

	if (seal_open(seal, sealed, length, identity, STORE_DIGEST_LENGTH, &plain, &plain_length, err) != 0)
		return -1;
	status = seal_close(seal, plain, plain_length, identity, STORE_DIGEST_LENGTH, out, out_length, err);
	OPENSSL_clear_free(plain, plain_length);
	return status;
}

struct rekeying {
	struct tool *tool;
	struct admin *admin;
	struct seal *seal;              /* the key file, as this transaction found or made it */
	int64_t count;
	size_t under, others;           /* store keys in use: the file's last, and others */
};

static int
begin(struct rekeying *run, struct snicert_error *err)
{
	seal_free(run->seal);
	run->seal = NULL;
	return open_begin(run->tool, run->admin, &run->seal, err);
}

static int
count_sealed(void *arg, const unsigned char *sealed, size_t length)
{
	struct rekeying *run = arg;

	if (length > SEAL_OVERHEAD && memcmp(sealed + 1, seal_id(run->seal), SEAL_ID_LENGTH) == 0)
		run->under++;
	else
		run->others++;
	return 0;
}

/* Remove what was added after the file's keys, if nobody else can have used it. */
static int
undo(struct rekeying *run, off_t former)
{
	if (former != 0)
		keyfile_cut(run->tool->config->key_path, former);
	admin_rollback(run->admin);
	return -1;
}

/* After a commit with unknown outcome, the store tells whether it needs the new key. */
static void
clear_up(struct rekeying *run, off_t former)
{
	unsigned char id[SEAL_ID_LENGTH];

	memcpy(id, seal_id(run->seal), sizeof(id));
	if (former == 0 || begin(run, NULL) != 0)
		return;
	run->under = run->others = 0;
	if (seal_count(run->seal) > 1 && memcmp(id, seal_id(run->seal), sizeof(id)) == 0 &&
	    admin_sealed(run->admin, count_sealed, run, NULL) == 0 && run->under == 0)
		keyfile_cut(run->tool->config->key_path, former);
	admin_rollback(run->admin);
}

/*
 * Reseals all under the file's last key: a new one, unless an earlier rekey was interrupted or
 * another is running: then finish that first.
 */
static int
reseal_all(struct rekeying *run, bool *fresh, struct snicert_error *err)
{
	off_t former = 0;

	if (begin(run, err) != 0)
		return -1;
	*fresh = seal_count(run->seal) == 1;
	if (*fresh && keyfile_append(run->tool->config->key_path, run->seal, &former, err) != 0)
		return undo(run, 0);
	if (admin_rekey(run->admin, seal_id(run->seal), INT64_MAX, reseal, run->seal, &run->count, err) != 0 ||
	    admin_log(run->admin, "rekey", NULL, 0, NULL, err) != 0)
		return undo(run, former);
	if (admin_commit(run->admin, err) == 0)
		return 0;
	clear_up(run, former);
	return -1;
}

/* Remove the former key, unless somebody has sealed something under it, as a restore may. */
static int
settle(struct rekeying *run, bool *settled, struct snicert_error *err)
{
	const char *path = run->tool->config->key_path;
	struct snicert_error why = {0};
	int status = begin(run, &why);

	run->under = run->others = 0;
	if (status == 0)
		status = admin_sealed(run->admin, count_sealed, run, &why);
	*settled = run->others == 0;
	if (status == 0 && *settled && seal_count(run->seal) > 1)
		status = keyfile_settle(path, run->seal, &why);
	admin_rollback(run->admin);
	if (status == 0)
		return 0;
	return error_set(err, (enum snicert_code)why.code, "all keys are sealed with the new store key, but the "
	    "old one is still in %s: run `snicert rekey` again (%s)", path, why.text);
}

/* Each step holds the store, and sees what others left: whenever one is interrupted, the file has
 * the keys in use. */
static int
rekey(struct rekeying *run, struct snicert_error *err)
{
	bool fresh, settled;

	do {
		if (reseal_all(run, &fresh, err) != 0 || settle(run, &settled, err) != 0)
			return -1;
	} while (!fresh || !settled);
	return 0;
}

/* --- in a fleet --------------------------------------------------------------------- */

#define A_CHANGE 10000          /* keys: what one records is in memory */

/* The key of the file that does not seal; NULL: there is none. */
static const unsigned char *
other_key(const struct seal *seal)
{
	for (size_t i = 0; i < seal_count(seal); i++)
		if (memcmp(seal_id_of(seal, i), seal_id(seal), SEAL_ID_LENGTH) != 0)
			return seal_id_of(seal, i);
	return NULL;
}

/* The nodes seen lately that have not what all need. */
struct lacking {
	char id[2 * SEAL_ID_LENGTH + 1];
	bool as_last;                   /* the key has to be the one that they seal under */
	char names[200];
};

static int
lacking_row(void *arg, const struct node *node)
{
	struct lacking *lacking = arg;
	size_t used = strlen(lacking->names), length = strlen(node->keys);
	const char *last = length < 2 * SEAL_ID_LENGTH ? "" : node->keys + length - 2 * SEAL_ID_LENGTH;
	bool has = lacking->as_last ? strcmp(last, lacking->id) == 0 : strstr(node->keys, lacking->id) != NULL;

	if (!has && node->unseen <= NODE_LATELY)
		snprintf(lacking->names + used, sizeof(lacking->names) - used, "%s%s", used == 0 ? "" : ", ", node->name);
	return 0;
}

static int
find_lacking(struct rekeying *run, const unsigned char *id, bool as_last, struct lacking *lacking,
    struct snicert_error *err)
{
	struct fleet fleet;
	int status;

	*lacking = (struct lacking){ .as_last = as_last };
	*hex_put(lacking->id, id, SEAL_ID_LENGTH) = '\0';
	status = fleet_open(&fleet, run->tool, DATABASE_READS, err);
	if (status == 0)
		status = node_each(&fleet, lacking_row, lacking, err);
	fleet_close(&fleet);
	return status;
}

static int
fleet_add_key(struct rekeying *run, struct snicert_error *err)
{
	const char *path = run->tool->config->key_path;
	int status = begin(run, err);

	if (status == 0 && other_key(run->seal) != NULL)
		status = error_set(err, SNICERT_EKEY, "%s has a second key already: copy the file to all nodes, then `snicert rekey`",
		    path);
	if (status == 0)
		status = keyfile_add(path, run->seal, err);
	admin_rollback(run->admin);
	return status;
}

/* One change of many. */
static int
reseal_some(struct rekeying *run, const unsigned char id[SEAL_ID_LENGTH], int64_t *count, struct snicert_error *err)
{
	off_t former = 0;

	if (begin(run, err) != 0)
		return -1;
	if (memcmp(seal_id(run->seal), id, SEAL_ID_LENGTH) != 0 &&
	    keyfile_prefer(run->tool->config->key_path, run->seal, id, &former, err) != 0)
		return undo(run, 0);
	if (admin_rekey(run->admin, id, A_CHANGE, reseal, run->seal, count, err) != 0 ||
	    (*count > 0 && admin_log(run->admin, "rekey", NULL, 0, NULL, err) != 0))
		return undo(run, former);
	/* Whatever became of it: all nodes have both keys. */
	return admin_commit(run->admin, err);
}

static int
fleet_rekey(struct rekeying *run, struct snicert_error *err)
{
	const char *path = run->tool->config->key_path;
	unsigned char id[SEAL_ID_LENGTH];
	struct lacking lacking;
	int64_t count = 0;

	if (begin(run, err) != 0)
		return -1;
	admin_rollback(run->admin);
	if (other_key(run->seal) == NULL)
		return error_set(err, SNICERT_EKEY, "%s has only the key in use: first `snicert rekey --add`, and copy the file to all "
		    "nodes", path);
	/* new, old (added); or new, old, new (already here). */
	memcpy(id, seal_count(run->seal) > 2 ? seal_id(run->seal) : other_key(run->seal), sizeof(id));
	if (find_lacking(run, id, false, &lacking, err) != 0)
		return -1;
	if (lacking.names[0] != '\0')
		return error_set(err, SNICERT_EKEY, "these nodes lack the new store key %s: %s; copy %s there (a node that is gone for "
		    "good: `snicert fleet forget`)", lacking.id, lacking.names, path);
	do {
		if (reseal_some(run, id, &count, err) != 0)
			return -1;
		run->count += count;
	} while (count == A_CHANGE);
	return 0;
}

/* Whoever starts anew must find a snapshot whose MAC is of a key that there still is. */
static int
snapshot_under(struct rekeying *run, struct snicert_error *err)
{
	struct history_snapshot snapshot;
	struct fleet fleet;
	int status = -1;

	if (fleet_open(&fleet, run->tool, DATABASE_WRITES, err) == 0 && fleet_head(&fleet, err) == 0)
		status = snapshot_newest(&fleet, fleet.head.seq, &snapshot, err);
	if (status == 1 || (status == 0 && memcmp(snapshot.key, seal_id(run->seal), SEAL_ID_LENGTH) != 0))
		status = snapshot_make(&fleet, run->admin, SNAPSHOT_ALWAYS, &snapshot, err);
	fleet_close(&fleet);
	return status;
}

static int
fleet_drop_key(struct rekeying *run, struct snicert_error *err)
{
	const char *path = run->tool->config->key_path;
	struct lacking lacking;
	int status;

	if (begin(run, err) != 0)
		return -1;
	if (other_key(run->seal) == NULL)
		status = error_set(err, SNICERT_EKEY, "%s has only the key in use", path);
	else
		status = find_lacking(run, seal_id(run->seal), true, &lacking, err);
	if (status == 0 && lacking.names[0] != '\0')
		status = error_set(err, SNICERT_EKEY, "these nodes still seal with another store key: %s; run `snicert rekey` there",
		    lacking.names);
	if (status == 0)
		status = admin_sealed(run->admin, count_sealed, run, err);
	admin_rollback(run->admin);
	if (status == 0 && run->others > 0)
		status = error_set(err, SNICERT_EKEY, "some keys are still sealed with the former store key: run `snicert rekey`");
	return status == 0 && snapshot_under(run, err) == 0 ? keyfile_settle(path, run->seal, err) : -1;
}

/* --- */

static int
rekey_as(struct rekeying *run, char how, struct snicert_error *err)
{
	struct admin_position position;

	if (admin_position(run->admin, &position, err) != 0)
		return -1;
	if (!position.is_member && how != '\0')
		return error_set(err, SNICERT_EUSAGE, "--add and --drop are for fleets: `snicert rekey` does all of it here");
	if (!position.is_member)
		return rekey(run, err);
	return how == 'a' ? fleet_add_key(run, err) : how == 'd' ? fleet_drop_key(run, err) : fleet_rekey(run, err);
}

static int
cmd_rekey(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "add", no_argument, NULL, 'a' }, { "drop", no_argument, NULL, 'd' },
		TOOL_OPTIONS };
	static const struct report_column columns[] = { { "resealed", "Keys resealed", true } };
	struct snicert_error err = {0};
	struct rekeying run = { .tool = tool };
	struct report *report;
	int option, status;
	char how = '\0';

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (how != '\0' && how != option)
			return tool_usage(tool, "--add and --drop contradict each other");
		how = (char)option;
	}
	if (optind != argc)
		return tool_usage(tool, "rekey takes no arguments");
	status = open_store(tool, ADMIN_WRITE, &run.admin, &err) == 0 && rekey_as(&run, how, &err) == 0 ? 0 : -1;
	admin_close(run.admin);
	seal_free(run.seal);
	if (status != 0)
		return tool_fail(&err);
	report = report_new(stdout, tool->json, columns, 1);
	report_single(report);
	report_number(report, run.count);
	report_row_end(report);
	return report_finish(report, &err) == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_rekey = {
	.name = "rekey",
	.run = cmd_rekey,
	.arguments = "[--add | --drop]",
	.summary = "encrypt all private keys with a new store key",
	.help =
	    "  --add           in a fleet, first: add a new key to the key file, to copy to all nodes\n"
	    "  --drop          in a fleet, last: remove the key that nobody needs any more\n",
};
