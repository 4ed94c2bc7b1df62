/* SPDX-License-Identifier: ISC */
/* dialogue_internal.h: lines to and from a server, for protocols with STARTTLS. */
#ifndef SNICERT_DIALOGUE_INTERNAL_H
#define SNICERT_DIALOGUE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "look/dialogue.h"
#include "snicert.h"

/* RFC 7162 section 4's limit for an IMAP command; a capability list is shorter.  Other protocols
 * need less. */
#define DIALOGUE_LINE_OCTETS 8192
#define DIALOGUE_QUOTE_SIZE 240

struct session {
	int fd;
	long long deadline;
	struct snicert_error *err;
	const char *stage;      /* what we expect, for errors */
	const char *protocol;   /* its name, for errors */
	const char *quit;       /* last words to a server that refused */
	size_t line_most;       /* octets in a line with its end, up to DIALOGUE_LINE_OCTETS */
	size_t used;            /* octets in `buffer`, not yet used */
	size_t total;           /* octets received */
	char buffer[DIALOGUE_LINE_OCTETS];
};

/** All of these set *err unless they return DIALOGUE_READY. */
enum dialogue_outcome dialogue_broken(struct session *, const char *what);

/** "the server doesn't speak …", with the line that shows it. */
enum dialogue_outcome dialogue_foreign(struct session *, const char *line, size_t length);

/** A line without its end; `line` holds DIALOGUE_LINE_OCTETS. */
enum dialogue_outcome dialogue_read_line(struct session *, char *line, size_t *length);

/** A command, with its end of line. */
enum dialogue_outcome dialogue_send(struct session *, const char *text);

/** The server's refusal, with its text; sends session->quit, whether or not that works. */
enum dialogue_outcome dialogue_refused(struct session *, const char *what, const char *said);

/** After the last reply: no more cleartext may follow. */
enum dialogue_outcome dialogue_ready(struct session *);

/** Append as much as fits to `quoted`, in printable ASCII. */
void dialogue_quote(char quoted[DIALOGUE_QUOTE_SIZE], const char *text, size_t length);

/** Whether a line contains this word, in any case. */
bool dialogue_has_word(const char *line, size_t length, const char *word);

#endif
