/* SPDX-License-Identifier: ISC */
/*
 * held.h: a descriptor that is held across the host's code.  A host that becomes a
 * daemon closes what it did not open, and the number is its own socket soon
 * after: before each use, and before it is closed, it is asked whether it still is what it was.
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

/** Hold `fd`, of which `st` is what fstat(2) says. */
struct held held_take(int fd, const struct stat *st);

/** Whether the number still stands for that file or socket: one system call. */
bool held_is_ours(const struct held *);

/** Close it if it is ours, forget it if not. */
void held_close(struct held *);

#endif
