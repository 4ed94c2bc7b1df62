/* SPDX-License-Identifier: ISC */
/* init.c: create the store and its key, with safe modes. */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "show/report.h"
#include "store/admin.h"
#include "store/keyfile.h"
#include "store/parents.h"
#include "tool.h"

/* The directory of a file: created if missing, as readable as it. */
static int
make_directory(const char *file, gid_t group, struct snicert_error *err)
{
	char path[PATH_MAX], *directory;

	snprintf(path, sizeof(path), "%s", file);
	directory = dirname(path);
	if (parents_make(directory, err) != 0)
		return -1;
	if (mkdir(directory, 0750) != 0)
		return errno == EEXIST ? 0
		                       : error_system(err, "can't make the directory %s", directory);
	if (group != (gid_t)-1 && chown(directory, (uid_t)-1, group) != 0)
		return error_system(err, "can't give %s to the group", directory);
	return chmod(directory, 0750) == 0 ? 0 : error_system(err, "can't set the mode of %s", directory);
}

/*
 * The directory where servers count: each that starts as another user makes its own file there.
 * They work without it, so failing is no error.  Not for a configuration on trial, which doesn't
 * say where it should be.
 */
static void
prepare_statistics(const struct tool *tool, gid_t group)
{
	char path[PATH_MAX], *directory, *name;

	if (tool->config_path != NULL || tool->config->stats_path == NULL)
		return;
	snprintf(path, sizeof(path), "%s", tool->config->stats_path);
	directory = dirname(path);
	name = strrchr(directory, '/');
	/* A system directory like /dev/shm keeps its mode. */
	if (mkdir(directory, 0755) != 0 && (errno != EEXIST || name == NULL || strcmp(name, "/snicert") != 0))
		return;
	if (group != (gid_t)-1 && chown(directory, (uid_t)-1, group) == 0)
		(void)!chmod(directory, 01775);
}

static int
create_both(const struct config *config, gid_t group, bool *kept_key, struct snicert_error *err)
{
	*kept_key = access(config->key_path, F_OK) == 0;
	if (access(config->store_path, F_OK) == 0)
		return error_set(err, SNICERT_ESTORE, "%s exists already: nothing was changed; if its store key is "
		    "lost for good, move the store away and import all chains again", config->store_path);
	if (make_directory(config->store_path, group, err) != 0 ||
	    make_directory(config->key_path, group, err) != 0)
		return -1;
	/* Keep an existing key: backups are sealed under it. */
	if (!*kept_key && keyfile_create(config->key_path, group, err) != 0)
		return -1;
	if (admin_create(config->store_path, group, err) != 0) {
		if (!*kept_key)
			unlink(config->key_path);
		return -1;
	}
	return 0;
}

static int
cmd_init(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "group", required_argument, NULL, 'g' }, TOOL_OPTIONS };
	static const struct report_column columns[] = {
		{ "store", "Store", false }, { "key", "Key", false }, { "group", "Group", false },
		{ "key_kept", "Key kept", false },
	};
	struct snicert_error err = {0};
	const char *group_name = NULL;
	gid_t group = (gid_t)-1;
	bool kept_key;
	struct report *report;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != 'g')
			return status;
		group_name = optarg;
	}
	if (optind != argc)
		return tool_usage(tool, "init takes no arguments");
	if (group_name != NULL) {
		struct group *entry = getgrnam(group_name);

		if (entry == NULL)
			return tool_usage(tool, "there is no group %s", group_name);
		group = entry->gr_gid;
	}
	if (create_both(tool->config, group, &kept_key, &err) != 0)
		return tool_fail(&err);
	prepare_statistics(tool, group);
	report = report_new(stdout, tool->json, columns, 4);
	report_single(report);
	report_text(report, tool->config->store_path);
	report_text(report, tool->config->key_path);
	report_text(report, group_name);
	report_flag(report, kept_key);
	report_row_end(report);
	return report_finish(report, &err) == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_init = {
	.name = "init",
	.run = cmd_init,
	.arguments = "[--group GROUP]",
	.summary = "create the store and its key",
	.help =
	    "  --group GROUP   the mail server's group, which may read both\n",
};
