/* SPDX-License-Identifier: ISC */
/*
 * scarce.h: allocations that fail to order, in the thread that asked for it: those of
 * this program and of all libraries, OpenSSL, SQLite, libconfuse and libc included.
 *
 * This program has a malloc() of its own (glibc lets programs), which is the
 * sanitizer's or glibc's until told otherwise.
 */
#ifndef SCARCE_H
#define SCARCE_H

#include <stdbool.h>

/** Whether that can be had here: not under the thread sanitizer. */
bool scarce_works(void);

/** From now on count: the n-th allocation fails (0: none), and with `on` all behind it. */
void scarce_plan(long n, bool on);

/** Count, and fail, between these two only. */
void scarce_begin(void);
void scarce_end(void);

/** Not here, for a while; returns what resume wants. */
bool scarce_pause(void);
void scarce_resume(bool was_counting);

/** How many were counted since scarce_plan. */
long scarce_count(void);

/** Who wanted the one that failed first: the file name of a program or library; "" if none did. */
const char *scarce_victim(void);

#endif
