/* SPDX-License-Identifier: ISC */
/* rekey.c: seal all keys under a new store key. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "show/report.h"
#include "store/keyfile.h"
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

/* Everything under the file's last key. */
static int
reseal_all(struct admin *admin, struct seal *seal, int64_t *count, struct snicert_error *err)
{
	if (admin_begin(admin, err) == 0 && admin_rekey(admin, reseal, seal, count, err) == 0 &&
	    admin_log(admin, "rekey", NULL, 0, NULL, err) == 0 && admin_commit(admin, err) == 0)
		return 0;
	admin_rollback(admin);
	return -1;
}

/* An earlier one was cut off: it is brought to its end. */
static int
finish_former(struct tool *tool, struct admin *admin, struct seal **seal, int64_t *count,
    struct snicert_error *err)
{
	if (reseal_all(admin, *seal, count, err) != 0 ||
	    keyfile_settle(tool->config->key_path, *seal, err) != 0)
		return -1;
	seal_free(*seal);
	*seal = NULL;
	return tool_key(tool, seal, err);
}

/* Whether the store wants the newest key; also after a commit that failed who knows where. */
static bool
is_resealed(struct admin *admin, const struct seal *seal)
{
	unsigned char *sealed = NULL;
	size_t length = 0;
	bool is = admin_any_sealed(admin, &sealed, &length, NULL) != 0 ||
	    (length > SEAL_OVERHEAD && memcmp(sealed + 1, seal_id(seal), SEAL_ID_LENGTH) == 0);

	free(sealed);
	return is;
}

/* In this order, so that whenever it is cut off the file has the key in use. */
static int
rekey(struct tool *tool, struct admin *admin, struct seal **seal, int64_t *count,
    struct snicert_error *err)
{
	const char *path = tool->config->key_path;
	off_t former = 0;

	if (seal_count(*seal) > 1 && finish_former(tool, admin, seal, count, err) != 0)
		return -1;
	if (keyfile_append(path, *seal, &former, err) != 0)
		return -1;
	if (reseal_all(admin, *seal, count, err) != 0) {
		if (!is_resealed(admin, *seal))
			keyfile_cut(path, former);
		return -1;
	}
	return keyfile_settle(path, *seal, err);
}

static int
cmd_rekey(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	static const struct report_column columns[] = { { "resealed", "Keys resealed", true } };
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct seal *seal = NULL;
	struct report *report;
	int64_t count = 0;
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind != argc)
		return tool_usage(tool, "rekey takes no arguments");
	status = tool_store(tool, ADMIN_WRITE, &admin, &err) == 0 && tool_key(tool, &seal, &err) == 0 &&
	    rekey(tool, admin, &seal, &count, &err) == 0 ? 0 : -1;
	admin_close(admin);
	seal_free(seal);
	if (status != 0)
		return tool_fail(&err);
	report = report_new(stdout, tool->json, columns, 1);
	report_single(report);
	report_number(report, count);
	report_row_end(report);
	return report_finish(report, &err) == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_rekey = {
	.name = "rekey",
	.run = cmd_rekey,
	.arguments = "",
	.summary = "seal all keys under a new store key",
};
