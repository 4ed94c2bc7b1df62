/* SPDX-License-Identifier: ISC */
/*
 * contexts.h: attaching to the TLS contexts of a program that does not hand them
 * to us: those that it makes, and those that it had made before we came.
 */
#ifndef SNICERT_CONTEXTS_H
#define SNICERT_CONTEXTS_H

#include "hook.h"

/**
 * Attach `hook` to each server context of this process that is made from now on
 * (hook_attach_unasked).  Nothing is seen of connections, nor done over a fork.
 *
 * Borrows `hook` for the rest of the process.  Called again, the contexts of
 * then on get the `hook` of then.  Returns 0, or -1 for want of memory.
 */
int contexts_watch_new(struct hook *hook);

/**
 * The same, and to each context that exists with its next connection (hook_attach_late).
 * For a process with one thread, as Exim's are: of more than one, none may free a
 * connection before the one that made it has used it.
 */
int contexts_watch_older(struct hook *hook);

#endif
