/* SPDX-License-Identifier: ISC */
/* passphrase.h: passphrases by file, descriptor or prompt; never an argument. */
#ifndef SNICERT_PASSPHRASE_H
#define SNICERT_PASSPHRASE_H

#include "intake/bag.h"

/** Where the user said the passphrase is. */
struct passphrase {
	const char *file;       /* its first line; NULL */
	int fd;                 /* its first line; -1 */
	char *kept;             /* once read */
	bool asked;
};

/** A source for bags that borrows *where; with neither file nor fd it asks on the terminal, if any. */
struct passphrase_source passphrase_from(struct passphrase *where);
void passphrase_clear(struct passphrase *where);

#endif
