/* SPDX-License-Identifier: ISC */
/* parents.c: see parents.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "store/parents.h"

int
parents_make(const char *path, struct snicert_error *err)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	for (char *slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(directory, 0755) != 0 && errno != EEXIST)
			return error_system(err, "can't make the directory %s", directory);
		*slash = '/';
	}
	return 0;
}
