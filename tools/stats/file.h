/* SPDX-License-Identifier: ISC */
/* file.h: finds and opens the statistics files; for read.c and trace.c. */
#ifndef STATS_FILE_H
#define STATS_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "mapping.h"
#include "snicert.h"

#define STATS_FILES_MOST 64     /* users whose servers write */

struct stats_file {
	char path[PATH_MAX + 32];
	uid_t uid;
	ino_t inode;
	struct mapping_parts parts;
};

/**
 * Call `each` with a descriptor of each file at the configured path: root's, and those of other
 * users, which the user in the name must own.  `each` returns 0, or -1 with *err set.  *skipped:
 * how many we couldn't use; *err has the first reason.
 */
void stats_file_each(const char *path, bool writable,
    int (*each)(void *arg, int fd, const struct stats_file *, struct snicert_error *err), void *arg,
    size_t *skipped, struct snicert_error *err);

/** `size` octets from `offset`; 0, or -1 with errno set. */
int stats_file_read(int fd, void *out, size_t size, size_t offset);
int stats_file_write(int fd, const void *octets, size_t size, size_t offset);

/** Copy a file's text, maybe without NUL, into as much room. */
void stats_file_text(char *out, const char *text, size_t size);

#endif
