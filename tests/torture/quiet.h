/* SPDX-License-Identifier: ISC */
/*
 * quiet.h: OpenSSL without a fault of its own that hides ours.  What of its locks another
 * thread has as a process forks stays taken in the child, which so hangs in OpenSSL, with
 * or without the module.  Here, its threads are let out of all of them first.
 */
#ifndef TORTURE_QUIET_H
#define TORTURE_QUIET_H

/** Before the module is opened: its handlers come first then, and other threads go on meanwhile. */
void quiet_start(void);

#endif
