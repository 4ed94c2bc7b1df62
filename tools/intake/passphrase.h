/* SPDX-License-Identifier: ISC */
/* passphrase.h: passphrases by file, descriptor or prompt; never an argument. */
#ifndef SNICERT_PASSPHRASE_H
#define SNICERT_PASSPHRASE_H

#include "intake/bag.h"

/** What the user typed; text NULL: nothing. */
struct passphrase_answer {
	char *what, *text;
	bool used;
};

/** Where the user said the passphrase is. */
struct passphrase {
	const char *file;       /* its first line; NULL */
	int fd;                 /* its first line; -1 */
	char *kept;             /* once read */
	bool prompts;           /* asking now; later the answers are repeated */
	struct passphrase_answer *answers;
	size_t answer_count;
};

/**
 * A source for bags that borrows *where.
 *
 * From passphrase_begin(), which reads the file or descriptor, to passphrase_end() it asks on the
 * terminal, if there are neither; then it only repeats the answers, in the order in which they were
 * given for each file.  So nothing waits for a person once the store is locked.
 */
struct passphrase_source passphrase_from(struct passphrase *where);
int passphrase_begin(struct passphrase *where, struct snicert_error *err);
void passphrase_end(struct passphrase *where);
/** Whether there is somebody to ask. */
bool passphrase_asks(const struct passphrase *where);
void passphrase_clear(struct passphrase *where);

#endif
