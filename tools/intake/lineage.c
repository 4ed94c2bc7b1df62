/* SPDX-License-Identifier: ISC */
/* lineage.c: where a chain's renewals come from. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A full path that may lead through links: `path` from the working directory on, without empty or "."
 * components; "" if it leads upwards, which means something else behind a link. */
static void
full_path(const char *path, char out[PATH_MAX])
{
	size_t used = 0, length;

	if (*path != '/') {
		if (getcwd(out, PATH_MAX) == NULL)
			*out = '\0';
		used = strlen(out) > 1 ? strlen(out) : 0;
	}
	for (path += strspn(path, "/"); *path != '\0'; path += length, path += strspn(path, "/")) {
		length = strcspn(path, "/");
		if (length == 1 && path[0] == '.')
			continue;
		if ((length == 2 && strncmp(path, "..", 2) == 0) || used + length + 2 > PATH_MAX) {
			*out = '\0';
			return;
		}
		out[used++] = '/';
		memcpy(out + used, path, length);
		used += length;
	}
	if (used == 0)
		out[used++] = '/';
	out[used] = '\0';
}

/* A file's directory, as it was named and with links followed; false if anybody may put files there. */
static bool
directory_of(char *path, const char **name, char named[PATH_MAX], char resolved[PATH_MAX])
{
	char *slash = strrchr(path, '/');
	const char *directory = slash == NULL ? "." : slash == path ? "/" : path;
	struct stat st;

	*name = slash == NULL ? path : slash + 1;
	if (slash != NULL)
		*slash = '\0';
	if (realpath(directory, resolved) == NULL)
		return false;
	full_path(directory, named);
	if (*named == '\0')
		strcpy(named, resolved);
	/* /dev/stdin, whatever file that is. */
	return stat(resolved, &st) == 0 && (st.st_mode & S_IWOTH) == 0 && strncmp(resolved, "/proc/", 6) != 0 &&
	    strcmp(resolved, "/dev") != 0;
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

/* `own`: the stem is a name that any chain's files have. */
static bool
compose(const char *directory, const char *stem, bool own, char out[LINEAGE_SIZE])
{
	if (own || is_namesake(directory, stem))
		return snprintf(out, LINEAGE_SIZE, "%s", directory) < LINEAGE_SIZE;
	return snprintf(out, LINEAGE_SIZE, "%s/%s", directory, stem) < LINEAGE_SIZE;
}

bool
lineage_of(const char *origin, char out[LINEAGE_SIZE], char resolved[LINEAGE_SIZE])
{
	char path[PATH_MAX], directory[PATH_MAX], real[PATH_MAX];
	const char *name;
	char *stem;
	bool own, found;
	struct stat st;

	if (snprintf(path, sizeof(path), "%.*s", (int)path_length(origin), origin) >= (int)sizeof(path) ||
	    stat(path, &st) != 0 || !S_ISREG(st.st_mode) || !directory_of(path, &name, directory, real) ||
	    (stem = directory_stem(name, &own)) == NULL)
		return false;
	found = compose(directory, stem, own, out) && compose(real, stem, own, resolved);
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
