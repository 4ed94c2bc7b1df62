/* SPDX-License-Identifier: ISC */
/* safety.h: who may have written, or may read, the files we trust. */
#ifndef SNICERT_SAFETY_H
#define SNICERT_SAFETY_H

#include <sys/stat.h>

#include "snicert.h"

enum safety_kind {
	SAFETY_PUBLIC,          /* others may read, only the owner may write */
	SAFETY_STORE,           /* the same; the group may also write */
	SAFETY_SECRET           /* others may not even read */
};

/**
 * Check an open or stat'ed file's owner and mode.
 *
 * The owner must be root, this process's user, or `trusted` (say, the store's owner; (uid_t)-1 for
 * none).  Returns 0, or -1 with *err naming `path` and the command that fixes it.
 */
int safety_check(const char *path, const struct stat *st, enum safety_kind kind, uid_t trusted,
    struct snicert_error *err);

/**
 * Check the directories above a file, both as named and where links lead: whoever may write one
 * could replace the file.  A sticky one like /tmp is fine, because nobody can remove others' files
 * there.  *owner, if wanted, is the owner of the file's directory: (uid_t)-1 if unknown, or if a
 * directory above it belongs to a third party, neither root nor this process's user.  Returns 0, or
 * -1 with *err naming the directory and the command that fixes it.
 */
int safety_directories(const char *path, uid_t *owner, struct snicert_error *err);

/**
 * Open a file for reading, close-on-exec, and not as fd 0-2: if the host has those closed, they
 * stay closed.  Never blocks on a FIFO; refuses anything but a regular file.  Returns the fd, or -1
 * with *err set.
 */
int safety_open(const char *path, struct stat *st, struct snicert_error *err);

/**
 * Occupy closed fds 0-2 so that a library's open() can't land there; pass the result to release,
 * which leaves alone what another thread has put there since.
 */
unsigned safety_fds_occupy(void);
void safety_fds_release(unsigned occupied);

#endif
