/* SPDX-License-Identifier: ISC */
/*
 * rename.h: Linux's renameat2(), which not every C library offers: musl 1.2.3 does not.  The system
 * call is the same with each of them.
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

/** rename(2) with RENAME_NOREPLACE or RENAME_EXCHANGE: never two names for one file, not for a moment, as with link(2). */
static inline int
rename_by(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

#endif
