/* SPDX-License-Identifier: ISC */
/*
 * contexts.h: attaching to the TLS contexts of a program that does not hand them
 * to us: those that it makes, and those that it had made before we came.
 */
#ifndef SNICERT_CONTEXTS_H
#define SNICERT_CONTEXTS_H

#include "hook.h"

/**
 * Attach `hook` to the server contexts of this process, from now on: to a new
 * one as it is made (hook_attach_unasked), to one that exists with its next
 * connection (hook_attach_late).
 *
 * Borrows `hook` for the rest of the process.  Called again, the contexts of
 * then on get the `hook` of then.  Returns 0, or -1 for want of memory.
 */
int contexts_watch(struct hook *hook);

#endif
