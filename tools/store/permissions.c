/* SPDX-License-Identifier: ISC */
/*
 * permissions.c: owners and modes of the store's files.  The module refuses a file that
 * others may change, so it is useless.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "safety.h"
#include "store/open.h"
#include "store/permissions.h"
#include "tool.h"

void
permissions_files(const char *store, permissions_fn *each, void *arg)
{
	static const char *const tails[] = { "-wal", "-shm" };
	struct snicert_error err = {0};
	char path[4200], *directory;
	uid_t keeper;
	struct stat st;

	/* As the module does for the store: root, the current user, or the directory's owner. */
	safety_directories(store, &keeper, NULL);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", store, tails[i]);
		if (stat(path, &st) == 0 && safety_check(path, &st, SAFETY_STORE, keeper, &err) != 0)
			each(arg, "store", &err);
		error_clear(&err);
	}
	snprintf(path, sizeof(path), "%s", store);
	directory = dirname(path);
	if (stat(directory, &st) == 0 && (st.st_mode & S_ISVTX) == 0 &&
	    safety_check(directory, &st, SAFETY_STORE, keeper, &err) != 0)
		each(arg, "store's directory", &err);
}

enum permissions_key
permissions_key(struct tool *tool, struct snicert_error *err)
{
	struct seal *seal = NULL;

	/* Whoever maintains the store may be unable to open its keys. */
	if (!tool_may(tool->config->key_path, R_OK) && errno == EACCES)
		return PERMISSIONS_KEY_UNSEEN;
	if (open_key(tool, &seal, err) != 0)
		return PERMISSIONS_KEY_WRONG;
	seal_free(seal);
	return PERMISSIONS_KEY_FINE;
}

const char *
permissions_fix(struct snicert_error *err)
{
	char *fix = err->code == SNICERT_EPERM || err->code == SNICERT_EKEY ? strrchr(err->text, ':') : NULL;

	if (fix == NULL)
		return NULL;
	*fix++ = '\0';
	return fix + strspn(fix, " ");
}
