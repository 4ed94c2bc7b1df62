/* SPDX-License-Identifier: ISC */
/*
 * spool.c: messages as files in a directory that was opened before chroot().
 * A message grows under a name that starts with a dot and is renamed when it
 * is complete and on disk: who accepts a message answers for it (RFC 5321
 * section 6.1).  File names are ours alone; nothing a peer sent is in them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool.h"

int
spool_begin(struct spool *spool, int dir_fd)
{
	static atomic_ulong serial;
	int fd;

	spool->dir_fd = dir_fd;
	spool->file = NULL;
	if (dir_fd < 0)
		return 0;
	snprintf(spool->name, sizeof(spool->name), ".%lld.%ld.%lu.eml", (long long)time(NULL),
	    (long)getpid(), atomic_fetch_add(&serial, 1));
	fd = openat(dir_fd, spool->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	spool->file = fdopen(fd, "w");
	if (spool->file == NULL) {
		close(fd);
		unlinkat(dir_fd, spool->name, 0);
		return -1;
	}
	return 0;
}

void
spool_line(struct spool *spool, const char *text, size_t length)
{
	if (spool->file == NULL)
		return;
	fwrite(text, 1, length, spool->file);
	putc('\n', spool->file);
}

int
spool_commit(struct spool *spool)
{
	int bad;

	if (spool->file == NULL)
		return 0;
	bad = fflush(spool->file) != 0 || ferror(spool->file) ||
	    fsync(fileno(spool->file)) != 0;
	bad = fclose(spool->file) != 0 || bad;
	spool->file = NULL;
	if (!bad)
		bad = renameat(spool->dir_fd, spool->name, spool->dir_fd, spool->name + 1) != 0;
	if (bad)
		unlinkat(spool->dir_fd, spool->name, 0);
	return bad ? -1 : 0;
}

void
spool_abort(struct spool *spool)
{
	if (spool->file == NULL)
		return;
	fclose(spool->file);
	spool->file = NULL;
	unlinkat(spool->dir_fd, spool->name, 0);
}
