/* SPDX-License-Identifier: ISC */
/* spool.h: accepted messages, each a file in the mail directory. */
#ifndef SAMPLE_SPOOL_H
#define SAMPLE_SPOOL_H

#include <stdio.h>

struct spool {
	int dir_fd;             /* -1: messages are thrown away */
	FILE *file;             /* NULL unless a message is being written to disk */
	char name[64];
};

/** Start a message.  Returns 0, or -1 where the disk says no. */
int spool_begin(struct spool *, int dir_fd);

/** One line of the message, without its line end.  Errors show in spool_commit(). */
void spool_line(struct spool *, const char *text, size_t length);

/** Make the message last.  Returns 0, or -1 with nothing left behind. */
int spool_commit(struct spool *);

/** Drop the message, if there is one. */
void spool_abort(struct spool *);

#endif
