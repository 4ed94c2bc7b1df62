/* SPDX-License-Identifier: ISC */
/*
 * held.h: a descriptor held across the host's code.  A host that becomes a daemon closes what it
 * did not open, and soon reuses the number for its own socket: check before each use, and before
 * closing, that it still is the same.
 */
#ifndef SNICERT_HELD_H
#define SNICERT_HELD_H

#include <stdbool.h>
#include <sys/stat.h>

struct held {
	int fd;                 /* -1: none */
	dev_t device;
	ino_t inode;
};

#define HELD_NONE { .fd = -1 }

/** Hold `fd`; `st` is from fstat(2). */
struct held held_take(int fd, const struct stat *st);

/** Whether the number is still that file or socket: one system call. */
bool held_is_ours(const struct held *);

/** Close it if it is ours, else forget it. */
void held_close(struct held *);

#endif
