/* SPDX-License-Identifier: ISC */
/* newdirectory.c: makes a directory under another name, and renames it when complete. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "migrate/newdirectory.h"
#include "rename.h"

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* From the root, for writing the path into files; the directory itself may not exist. */
static int
locate(struct newdirectory *new, const char *path, struct snicert_error *err)
{
	char *copy = strdup(path), *slash, *parent;
	size_t length = copy == NULL ? 0 : strlen(copy);
	const char *last;
	int status = 0;

	if (copy == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	slash = strrchr(copy, '/');
	last = slash != NULL ? slash + 1 : copy;
	if (slash != NULL)
		*slash = '\0';
	parent = realpath(slash == NULL ? "." : slash == copy ? "/" : copy, NULL);
	if (parent == NULL)
		status = error_system(err, "can't create %s: its directory", path);
	else if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		status = error_set(err, SNICERT_EINPUT, "%s: give the name of a new directory", path);
	else if (asprintf(&new->final, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last) < 0 ||
	    asprintf(&new->path, "%s.new-XXXXXX", new->final) < 0)
		status = error_set(err, SNICERT_EMEMORY, "no memory");
	free(parent);
	free(copy);
	return status;
}

/* Nothing, an empty directory, or with force one with the mark. */
static int
may_replace(const struct newdirectory *new, struct snicert_error *err)
{
	char mark[4200];
	struct stat st;

	if (lstat(new->final, &st) != 0 || (S_ISDIR(st.st_mode) && rmdir(new->final) == 0))
		return 0;
	if (!new->force)
		return error_set(err, SNICERT_EINPUT, "%s exists already: nothing was written (--force replaces what "
		    "export made)", new->final);
	snprintf(mark, sizeof(mark), "%s/%s", new->final, new->mark);
	return access(mark, F_OK) == 0 ? 0 : error_set(err, SNICERT_EINPUT,
	    "%s was not made by export, so --force does not replace it either", new->final);
}

int
newdirectory_locate(struct newdirectory *new, const char *path, struct snicert_error *err)
{
	return locate(new, path, err) == 0 && may_replace(new, err) == 0 ? 0 : -1;
}

int
newdirectory_begin(struct newdirectory *new, struct snicert_error *err)
{
	char mark[4200];
	int fd;

	if (mkdtemp(new->path) == NULL)
		return error_system(err, "can't create %s", new->final);
	new->begun = true;
	snprintf(mark, sizeof(mark), "%s/%s", new->path, new->mark);
	fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) != 0)
		return error_system(err, "can't create %s", mark);
	return 0;
}

int
newdirectory_done(struct newdirectory *new, struct snicert_error *err)
{
	if (rename(new->path, new->final) == 0) {
		new->begun = false;
		return 0;
	}
	/* The temporary name then has the former one. */
	if ((errno == ENOTEMPTY || errno == EEXIST) && new->force &&
	    rename_by(new->path, new->final, RENAME_EXCHANGE) == 0)
		return 0;
	return error_system(err, "can't put the new directory in place of %s", new->final);
}

void
newdirectory_clear(struct newdirectory *new)
{
	if (new->begun)
		remove_tree(new->path);
	free(new->final);
	free(new->path);
}
