/* SPDX-License-Identifier: ISC */
/*
 * program.c: what this program is called.  The C library's name of it points into
 * argv, over which nginx and others write a title for ps(1): a worker would be
 * called "ker process".  So the name is copied before any of the host's code runs,
 * or as soon as it loads us.
 */
#include <errno.h>
#include <stdio.h>

#include "program.h"

static char name[256];

__attribute__((constructor)) static void
copy(void)
{
	snprintf(name, sizeof(name), "%s", program_invocation_short_name);
}

const char *
program_name(void)
{
	return name;
}

/* Without openlog() glibc's ident is program_invocation_short_name, when a line is written
 * first; openlog() itself could not be taken back, and loses the host's options. */
void
program_keep_ident(void)
{
	program_invocation_short_name = name;
}
