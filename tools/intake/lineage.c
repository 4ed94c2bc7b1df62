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
	/* /dev/stdin, whatever file that is. */
	return stat(out, &st) == 0 && (st.st_mode & S_IWOTH) == 0 && strncmp(out, "/proc/", 6) != 0 && strcmp(out, "/dev") != 0;
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

/* The length of …/live/NAME without certbot's -0001; 0: not certbot's. */
static size_t
base_length(const char *lineage)
{
	const char *last = strrchr(lineage, '/');
	size_t length = strlen(lineage);

	if (last == NULL || last - lineage < 5 || strncmp(last - 5, "/live", 5) != 0)
		return 0;
	if (strlen(last) > 6 && lineage[length - 5] == '-' && strspn(lineage + length - 4, "0123456789") == 4)
		length -= 5;
	return length;
}

bool
lineage_twin(const char *lineage, int i, char out[LINEAGE_SIZE])
{
	size_t base = base_length(lineage);
	int length;

	if (base == 0)
		return false;
	if (i == 0)
		length = snprintf(out, LINEAGE_SIZE, "%.*s", (int)base, lineage);
	else
		length = snprintf(out, LINEAGE_SIZE, "%.*s-%04d", (int)base, lineage, i);
	return length < LINEAGE_SIZE;
}

bool
lineage_are_twins(const char *a, const char *b)
{
	size_t base = base_length(a);

	return base != 0 && base == base_length(b) && strncmp(a, b, base) == 0;
}
