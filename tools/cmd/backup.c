/* SPDX-License-Identifier: ISC */
/* backup.c: backup and restore of the store. */
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "show/report.h"
#include "store/open.h"
#include "tool.h"

static int
report_totals(struct tool *tool, struct admin *admin, const char *path, struct snicert_error *err)
{
	static const struct report_column columns[] = {
		{ "file", "File", false }, { "chains", "Chains", true }, { "names", "Names", true },
		{ "sequence", "Sequence", true },
	};
	struct admin_totals totals;
	struct report *report;

	if (admin_totals(admin, &totals, err) != 0)
		return -1;
	report = report_new(stdout, tool->json, columns, 4);
	report_single(report);
	report_text(report, path);
	report_number(report, totals.chains);
	report_number(report, totals.names);
	report_number(report, totals.sequence);
	report_row_end(report);
	return report_finish(report, err);
}

struct restoring {
	struct tool *tool;
	struct seal *seal;
	struct snicert_error *err;
};

static int
check_sealed(void *arg, const unsigned char *sealed, size_t length)
{
	struct restoring *restoring = arg;
	struct tool *tool = restoring->tool;

	if (restoring->seal == NULL && open_key(tool, &restoring->seal, restoring->err) != 0)
		return -1;
	if (seal_knows(restoring->seal, sealed, length))
		return 0;
	return error_set(restoring->err, SNICERT_EKEY,
	    "the backup is sealed with a store key other than %s: first put the key from the time "
	    "of the backup there; nothing was changed", tool->config->key_path);
}

/* A backup with keys that nobody can open takes every name down. */
static int
check_key(void *arg, struct admin *backup, struct snicert_error *err)
{
	struct restoring restoring = { .tool = arg, .err = err };
	int status = admin_sealed(backup, check_sealed, &restoring, err);

	seal_free(restoring.seal);
	return status;
}

static void
progress(void *arg, int done, int all)
{
	const struct tool *tool = arg;

	if (tool->quiet || !isatty(STDERR_FILENO))
		return;
	if (done == all)
		fprintf(stderr, "\r%40s\r", "");
	else
		fprintf(stderr, "\r%d %% copied …\r", (int)(100.0 * done / all));
}

static int
write_backup(struct tool *tool, struct admin *admin, const char *path, struct snicert_error *err)
{
	admin_on_copied(admin, progress, tool);
	return admin_backup(admin, path, err);
}

static int
read_backup(struct tool *tool, struct admin *admin, const char *path, struct snicert_error *err)
{
	return admin_restore(admin, path, check_key, tool, err);
}

static int
copy(struct tool *tool, int argc, char **argv, enum admin_mode mode,
    int (*work)(struct tool *, struct admin *, const char *path, struct snicert_error *))
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (argc - optind != 1)
		return tool_usage(tool, "%s wants one file", tool->command->name);
	status = open_store(tool, mode, &admin, &err) == 0 && work(tool, admin, argv[optind], &err) == 0 &&
	    report_totals(tool, admin, argv[optind], &err) == 0 ? 0 : -1;
	admin_close(admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

static int
cmd_backup(struct tool *tool, int argc, char **argv)
{
	return copy(tool, argc, argv, ADMIN_READ, write_backup);
}

const struct command command_backup = {
	.name = "backup",
	.run = cmd_backup,
	.arguments = "FILE",
	.summary = "copy the store to a new file (without the store key)",
};

static int
cmd_restore(struct tool *tool, int argc, char **argv)
{
	return copy(tool, argc, argv, ADMIN_WRITE, read_backup);
}

const struct command command_restore = {
	.name = "restore",
	.run = cmd_restore,
	.arguments = "FILE",
	.summary = "replace the store's content with a backup's",
};
