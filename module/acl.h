/* SPDX-License-Identifier: ISC */
/*
 * acl.h: POSIX access lists (acl(5)) of newly created files.
 *
 * A new file inherits its directory's default list, including the group's entry: chmod(2) then
 * changes only the mask, and the group gets what the directory's list says, for example "search" on
 * a file that it must read.
 */
#ifndef SNICERT_ACL_H
#define SNICERT_ACL_H

#include <stdbool.h>
#include <sys/types.h>

#define ACL_ATTRIBUTE "system.posix_acl_access"

struct acl {
	size_t length;          /* 0: none, as in most files */
	char value[4096];
};

/** A file's list; an unreadable one counts as none. */
void acl_read(struct acl *, int fd);
void acl_read_path(struct acl *, const char *path);

/**
 * Make it match a mode for owner, group and others.  Named entries stay, and may at most read.
 * Leaves a missing or malformed list alone: false.
 */
bool acl_set(struct acl *, mode_t mode);

/** As fchmod(2), with or without a list. */
int acl_fchmod(int fd, mode_t mode);

/** Give a file beside `from` its list, if it has one, else that mode. */
int acl_take_over(int fd, const char *from, mode_t mode);

#endif
