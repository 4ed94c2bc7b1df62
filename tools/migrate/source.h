/* SPDX-License-Identifier: ISC */
/*
 * source.h: what other servers' configurations say: which names, which files.
 *
 * A reader (source_*.c) knows one server's format and turns it into entries; it
 * opens no certificate and knows no store.  What the store can't say exactly
 * becomes a note, a line that can't be understood a fault.  Memory that ran out
 * is remembered in the source, so readers need not look: all functions here take
 * the NULL that source_add() answers then.
 */
#ifndef SNICERT_SOURCE_H
#define SNICERT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "name.h"
#include "snicert.h"

/** Strings, all owned. */
struct source_texts {
	char **list;
	size_t count;
};

/** Chains, and what they are to be bound to. */
struct source_entry {
	char *place;                    /* "FILE:LINE", or a file's or directory's path */
	struct source_texts files;      /* all of them together */
	struct source_texts keys;       /* those that exist, where the files have no private key */
	struct source_texts names;      /* keys of the store, fallbacks included */
	struct source_texts except;     /* not to be bound to these */
	bool own_names;                 /* to the certificate's names too */
	struct source_texts notes;
	size_t order;                   /* as read */
};

/** Two entries of one name: which counts. */
enum source_order {
	SOURCE_FIRST,
	SOURCE_LAST,
	SOURCE_BESIDE           /* the first of each key type, which only the certificates tell */
};

struct source {
	struct source_entry *entries;
	size_t count, room;
	enum source_order order;
	struct source_texts notes;      /* that are no entry's */
	struct source_texts faults;
	bool no_memory;
};

/** The kinds, for texts: "postfix, dovecot, …". */
const char *source_kinds(void);

/** Whether there is such a kind. */
bool source_known(const char *kind);

/**
 * Read `path` ("-": standard input, where the kind is a file) as what `kind` says.
 * Entries of the same files come out as one, and each name once but for
 * SOURCE_BESIDE.  Returns 0, or -1 with *err set where there is nothing to read;
 * free in both cases.
 */
int source_read(struct source *, const char *kind, const char *path, struct snicert_error *err);
void source_free(struct source *);

/** The kind that a file without certificates seems to be of, by its name and first line; or NULL. */
const char *source_guess(const char *path);

/* For the readers. */

struct source_entry *source_add(struct source *, const char *file, size_t line); /* line 0: none */
/** The last one was none after all. */
void source_drop_last(struct source *);
void source_file(struct source *, struct source_entry *, const char *directory, const char *path);
void source_key(struct source *, struct source_entry *, const char *directory, const char *path);
/** `text` is a name, or one that the store has no words for: then a note says so. */
void source_name(struct source *, struct source_entry *, struct source_texts *, const char *text);
/** The fallback (NULL), or that of a local address; false where `address` is none. */
bool source_fallback(struct source *, struct source_entry *, const char *address);
/** entry NULL: of the whole. */
void source_note(struct source *, struct source_entry *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void source_fault(struct source *, const char *file, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The directory of a path; the caller frees it. */
char *source_directory(const char *path);
/** `path` as seen from `directory`; the caller frees it. */
char *source_path(const char *directory, const char *path);
/** "*.example" and the like: patterns, but none of the store's. */
bool source_is_pattern(const char *text);

/** A text file, line by line. */
struct source_lines {
	FILE *file;
	const char *path;
	struct source *source;
	char *text;             /* the line at hand, without its end */
	size_t room;
	size_t number;          /* of it, from 1 */
	size_t read;
	char *ahead;            /* of the next logical line */
	size_t ahead_room, ahead_number;
	bool has_ahead, failed;
};
int source_lines_open(struct source_lines *, struct source *, const char *path, struct snicert_error *err);
bool source_lines_next(struct source_lines *);
/** Postfix's logical lines: without comments, and one that begins with white space goes on. */
bool source_lines_logical(struct source_lines *);
void source_lines_close(struct source_lines *);

/** The next word of *at, ended in place, or NULL; words are parted by any of `between`. */
char *source_word(char **at, const char *between);

int source_postfix(struct source *, const char *path, struct snicert_error *err);
int source_map(struct source *, const char *path, struct snicert_error *err);
int source_dovecot(struct source *, const char *path, struct snicert_error *err);
int source_haproxy(struct source *, const char *path, struct snicert_error *err);
int source_exim(struct source *, const char *path, struct snicert_error *err);
int source_haraka(struct source *, const char *path, struct snicert_error *err);
int source_mailcow(struct source *, const char *path, struct snicert_error *err);
int source_virtualmin(struct source *, const char *path, struct snicert_error *err);

#endif
