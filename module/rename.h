/* SPDX-License-Identifier: ISC */
/*
 * rename.h: Linux's renameat2(), which some C libraries lack: musl 1.2.3, for one.  The system call
 * is always the same.
 */
#ifndef SNICERT_RENAME_H
#define SNICERT_RENAME_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

/** rename(2) with RENAME_NOREPLACE or RENAME_EXCHANGE: never gives a file two names, even briefly,
 * as link(2) does. */
static inline int
rename_by(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

#endif
