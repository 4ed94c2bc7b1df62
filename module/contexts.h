/* SPDX-License-Identifier: ISC */
/*
 * contexts.h: attaching to the TLS contexts of a program that does not hand them to us: those it
 * makes, and those it made before we came.
 */
#ifndef SNICERT_CONTEXTS_H
#define SNICERT_CONTEXTS_H

#include "hook.h"

/**
 * Attach `hook` to each server context made in this process from now on (hook_attach_unasked).
 * Sees no connections, and does nothing around a fork.
 *
 * Borrows `hook` for the rest of the process.  If called again, contexts made afterwards get the
 * new `hook`.  Returns 0, or -1 if out of memory.
 */
int contexts_watch_new(struct hook *hook);

/**
 * The same, and to each existing context with its next connection (hook_attach_late).  For a
 * process with one thread, like Exim's: with more, none may free a connection before the thread
 * that made it has used it.
 */
int contexts_watch_older(struct hook *hook);

#endif
