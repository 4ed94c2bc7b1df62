/* SPDX-License-Identifier: ISC */
/* lineage.c: where a chain's renewals come from. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "intake/directory.h"
#include "intake/lineage.h"

/* Without the line. */
static size_t
path_length(const char *origin)
{
	const char *colon = strrchr(origin, ':');

	if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return strlen(origin);
	return (size_t)(colon - origin);
}

/* The full path of a file's directory; false if anybody may put files there. */
static bool
directory_of(char *path, const char **name, char out[PATH_MAX])
{
	char *slash = strrchr(path, '/');
	struct stat st;

	*name = slash == NULL ? path : slash + 1;
	if (slash != NULL && slash == path)
		strcpy(out, "/");
	else if (slash != NULL)
		*slash = '\0';
	if (slash != path && realpath(slash == NULL ? "." : path, out) == NULL)
		return false;
	return stat(out, &st) == 0 && (st.st_mode & S_IWOTH) == 0 && strncmp(out, "/proc/", 6) != 0;
}

/* acme.sh has NAME/NAME.cer and NAME_ecc/NAME.cer: also the directory's own. */
static bool
is_namesake(const char *directory, const char *stem)
{
	const char *last = strrchr(directory, '/');
	size_t length = strlen(stem);

	last = last == NULL ? directory : last + 1;
	return strncmp(last, stem, length) == 0 && (last[length] == '\0' || strcmp(last + length, "_ecc") == 0);
}

bool
lineage_of(const char *origin, char out[LINEAGE_SIZE])
{
	char path[PATH_MAX], directory[PATH_MAX];
	const char *name;
	char *stem = NULL;
	bool own, found = false;
	struct stat st;

	if (snprintf(path, sizeof(path), "%.*s", (int)path_length(origin), origin) >= (int)sizeof(path) ||
	    stat(path, &st) != 0 || !S_ISREG(st.st_mode) || !directory_of(path, &name, directory))
		return false;
	stem = directory_stem(name, &own);
	if (stem != NULL && (own || is_namesake(directory, stem)))
		found = snprintf(out, LINEAGE_SIZE, "%s", directory) < LINEAGE_SIZE;
	else if (stem != NULL)
		found = snprintf(out, LINEAGE_SIZE, "%s/%s", directory, stem) < LINEAGE_SIZE;
	free(stem);
	return found;
}
