/* SPDX-License-Identifier: ISC */
/* dialogue_internal.h: lines to and from a server, for the protocols that have STARTTLS. */
#ifndef SNICERT_DIALOGUE_INTERNAL_H
#define SNICERT_DIALOGUE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "look/dialogue.h"
#include "snicert.h"

/* What RFC 7162 section 4 lets a command of IMAP have; a list of capabilities is shorter.  Other protocols have less. */
#define DIALOGUE_LINE_OCTETS 8192
#define DIALOGUE_QUOTE_SIZE 240

struct session {
	int fd;
	long long deadline;
	struct snicert_error *err;
	const char *stage;      /* what is awaited, for errors */
	const char *protocol;   /* its name, for errors */
	const char *quit;       /* what a server that refused hears last */
	size_t line_most;       /* octets of a line with its end, up to DIALOGUE_LINE_OCTETS */
	size_t used;            /* octets in `buffer`, not yet taken */
	size_t total;           /* octets received */
	char buffer[DIALOGUE_LINE_OCTETS];
};

/** All of these set *err unless they answer DIALOGUE_READY. */
enum dialogue_outcome dialogue_broken(struct session *, const char *what);

/** "the server doesn't speak …", with the line that shows it. */
enum dialogue_outcome dialogue_foreign(struct session *, const char *line, size_t length);

/** A line without its end; `line` holds DIALOGUE_LINE_OCTETS. */
enum dialogue_outcome dialogue_read_line(struct session *, char *line, size_t *length);

/** A command, with its end of line. */
enum dialogue_outcome dialogue_send(struct session *, const char *text);

/** The server's no, with what it said; it hears session->quit, whether or not that works. */
enum dialogue_outcome dialogue_refused(struct session *, const char *what, const char *said);

/** After the last reply: nothing may follow in the clear. */
enum dialogue_outcome dialogue_ready(struct session *);

/** Append to `quoted` as much as fits, in printable ASCII. */
void dialogue_quote(char quoted[DIALOGUE_QUOTE_SIZE], const char *text, size_t length);

/** Whether one of the words of a line is that one, in any case. */
bool dialogue_has_word(const char *line, size_t length, const char *word);

#endif
