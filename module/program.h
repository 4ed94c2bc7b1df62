/* SPDX-License-Identifier: ISC */
/* program.h: this program's name, whatever it writes over its arguments. */
#ifndef SNICERT_PROGRAM_H
#define SNICERT_PROGRAM_H

/** argv[0] without its directories, as it was when the module was loaded. */
const char *program_name(void);

/** Make it the ident of syslog(3), unless the host calls openlog(), before or later. */
void program_keep_ident(void);

#endif
