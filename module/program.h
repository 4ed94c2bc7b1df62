/* SPDX-License-Identifier: ISC */
/* program.h: what this program is called, whatever it writes over its arguments. */
#ifndef SNICERT_PROGRAM_H
#define SNICERT_PROGRAM_H

/** argv[0] without its directories, as it was when the module was loaded. */
const char *program_name(void);

/**
 * Have syslog(3) take that for its ident, unless the host has called openlog(), before
 * or later.
 */
void program_keep_ident(void);

#endif
