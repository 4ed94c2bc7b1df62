/* SPDX-License-Identifier: ISC */
/*
 * program.c: this program's name.  The C library's copy points into argv, which nginx and others
 * overwrite with a title for ps(1): a worker would be called "ker process".  So we copy the name
 * before any host code runs, or as soon as it loads us.
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

/* Without openlog() glibc's ident is program_invocation_short_name, as of the first line; openlog()
 * itself could not be undone, and loses the host's options. */
void
program_keep_ident(void)
{
	program_invocation_short_name = name;
}
