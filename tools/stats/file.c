/* SPDX-License-Identifier: ISC */
/* file.c: finds and opens the statistics files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "stats/file.h"

int
stats_file_read(int fd, void *out, size_t size, size_t offset)
{
	char *to = out;

	while (size > 0) {
		ssize_t got = pread(fd, to, size, (off_t)offset);

		if (got <= 0) {
			errno = got == 0 ? EIO : errno; /* cut off */
			return -1;
		}
		to += got;
		offset += (size_t)got;
		size -= (size_t)got;
	}
	return 0;
}

int
stats_file_write(int fd, const void *octets, size_t size, size_t offset)
{
	return pwrite(fd, octets, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

void
stats_file_text(char *out, const char *text, size_t size)
{
	memcpy(out, text, size);
	out[size - 1] = '\0';
}

/* 0; 1 if there is no such file; -1. */
static int
open_one(struct stats_file *file, bool writable, int *fd, struct snicert_error *err)
{
	struct mapping_header header;
	struct stat st;

	*fd = open(file->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (*fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 1 : error_system(err, "can't open %s", file->path);
	if (fstat(*fd, &st) != 0)
		return error_system(err, "can't stat %s", file->path);
	if (!S_ISREG(st.st_mode) || st.st_uid != file->uid)
		return error_set(err, SNICERT_EPERM, "%s does not belong to uid %lu: remove it", file->path,
		    (unsigned long)file->uid);
	file->inode = st.st_ino;
	if (stats_file_read(*fd, &header, sizeof(header), 0) != 0 ||
	    !mapping_check(&header, (uint64_t)st.st_size, &file->parts))
		return error_set(err, SNICERT_ESYSTEM,
		    "%s has statistics of another release: servers replace it when they restart", file->path);
	return 0;
}

/* The uid after the last dot of a name that begins with `base`; false for others. */
static bool
uid_of(const char *name, const char *base, uid_t *out)
{
	size_t length = strlen(base);
	char *end;
	unsigned long number;

	if (strncmp(name, base, length) != 0 || name[length] != '.' ||
	    name[length + 1] < '1' || name[length + 1] > '9')
		return false;
	errno = 0;
	number = strtoul(name + length + 1, &end, 10);
	*out = (uid_t)number;
	return *end == '\0' && errno == 0 && number <= (uid_t)-2;
}

void
stats_file_each(const char *path, bool writable,
    int (*each)(void *arg, int fd, const struct stats_file *, struct snicert_error *err), void *arg,
    size_t *skipped, struct snicert_error *err)
{
	char directory[PATH_MAX], base[PATH_MAX], *directory_name, *base_name;
	size_t taken = 0;
	struct dirent *entry;
	DIR *dir;

	*skipped = 0;
	snprintf(directory, sizeof(directory), "%s", path);
	snprintf(base, sizeof(base), "%s", path);
	directory_name = dirname(directory);
	base_name = basename(base);
	dir = opendir(directory_name);
	if (dir == NULL) {
		if (errno != ENOENT && errno != ENOTDIR)
			error_system(err, "can't look into %s", directory_name);
		return;
	}
	while ((entry = readdir(dir)) != NULL && taken < STATS_FILES_MOST) {
		struct stats_file file = {0};
		int fd = -1, result;

		if (strcmp(entry->d_name, base_name) != 0 && !uid_of(entry->d_name, base_name, &file.uid))
			continue;
		snprintf(file.path, sizeof(file.path), "%s/%s", directory_name, entry->d_name);
		result = open_one(&file, writable, &fd, err);
		if (result == 0)
			result = each(arg, fd, &file, err);
		taken += result == 0;
		*skipped += result < 0;
		if (fd >= 0)
			close(fd);
	}
	closedir(dir);
}
