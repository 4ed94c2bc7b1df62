/* SPDX-License-Identifier: ISC */
/*
 * acl.h: POSIX access lists (acl(5)) of files that are made anew.
 *
 * A new file takes over the default list of its directory, and of that the group's entry too:
 * chmod(2) then changes the mask, and what the group may is what the directory's
 * list says, such as "search" for a file that it is to read.
 */
#ifndef SNICERT_ACL_H
#define SNICERT_ACL_H

#include <stdbool.h>
#include <sys/types.h>

#define ACL_ATTRIBUTE "system.posix_acl_access"

struct acl {
	size_t length;          /* 0: it has none, as most files */
	char value[4096];
};

/** The list of a file; one that can't be read is none. */
void acl_read(struct acl *, int fd);
void acl_read_path(struct acl *, const char *path);

/**
 * Let it say what a mode does of owner, group and others.  Whom it names stays named, and may
 * read at most.  A list that is none, or makes no sense, is left alone: false.
 */
bool acl_set(struct acl *, mode_t mode);

/** As fchmod(2), with or without a list. */
int acl_fchmod(int fd, mode_t mode);

/** What a file beside it is to have: the list of `from`, where it has one, else that mode. */
int acl_take_over(int fd, const char *from, mode_t mode);

#endif
