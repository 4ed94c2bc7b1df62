/* SPDX-License-Identifier: ISC */
/* rekey.c: seal all keys under a new store key. */
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
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
	if (admin_rekey(run->admin, reseal, run->seal, &run->count, err) != 0 ||
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

static int
cmd_rekey(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	static const struct report_column columns[] = { { "resealed", "Keys resealed", true } };
	struct snicert_error err = {0};
	struct rekeying run = { .tool = tool };
	struct report *report;
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind != argc)
		return tool_usage(tool, "rekey takes no arguments");
	status = open_store(tool, ADMIN_WRITE, &run.admin, &err) == 0 && rekey(&run, &err) == 0 ? 0 : -1;
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
	.arguments = "",
	.summary = "encrypt all private keys with a new store key",
};
