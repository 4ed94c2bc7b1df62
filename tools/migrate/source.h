/* SPDX-License-Identifier: ISC */
/*
 * source.h: what other servers' configurations say: which names, which files.
 *
 * A reader (source_*.c) knows one server's format and turns it into entries; it opens no
 * certificate and knows no store.  What the store can't express exactly becomes a note, and a line
 * that it can't parse a fault.  The source remembers a lack of memory, so readers needn't check:
 * all functions here accept the NULL that source_add() then returns.
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

/** Chains, and what to bind them to. */
struct source_entry {
	char *place;                    /* "FILE:LINE", or a file's or directory's path */
	struct source_texts files;      /* together */
	struct source_texts keys;       /* any existing ones, if the files have no private key */
	struct source_texts names;      /* keys of the store, fallbacks included */
	struct source_texts except;     /* don't bind to these */
	bool own_names;                 /* to the certificate's names too */
	struct source_texts notes;
	size_t order;                   /* as read */
};

/** Two entries for a name: which counts. */
enum source_order {
	SOURCE_FIRST,
	SOURCE_LAST,
	SOURCE_BESIDE           /* the first of each key type, which only the certificates show */
};

struct source {
	struct source_entry *entries;
	size_t count, room;
	enum source_order order;
	struct source_texts notes;      /* not about an entry */
	struct source_texts faults;
	bool no_memory;
};

/** The kinds, for texts: "postfix, dovecot, …". */
const char *source_kinds(void);

/** Whether the kind exists. */
bool source_known(const char *kind);

/**
 * Read `path` ("-": standard input, if the kind is a file) as `kind`.  Merges entries with the same
 * files, and returns each name once except for SOURCE_BESIDE.  Returns 0, or -1 with *err set if
 * there is nothing to read; free in both cases.
 */
int source_read(struct source *, const char *kind, const char *path, struct snicert_error *err);
void source_free(struct source *);

/** The likely kind of a file without certificates, by its name and first line; or NULL. */
const char *source_guess(const char *path);

/* For the readers. */

struct source_entry *source_add(struct source *, const char *file, size_t line); /* line 0: none */
/** The last one was none after all. */
void source_drop_last(struct source *);
void source_file(struct source *, struct source_entry *, const char *directory, const char *path);
void source_key(struct source *, struct source_entry *, const char *directory, const char *path);
/** `text` is a name; if the store can't express it, adds a note. */
void source_name(struct source *, struct source_entry *, struct source_texts *, const char *text);
/** The fallback (NULL), or a local address's; false if `address` isn't one. */
bool source_fallback(struct source *, struct source_entry *, const char *address);
/** entry NULL: on the whole. */
void source_note(struct source *, struct source_entry *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void source_fault(struct source *, const char *file, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The directory of a path; the caller frees it. */
char *source_directory(const char *path);
/** `path` relative to `directory`; the caller frees it. */
char *source_path(const char *directory, const char *path);
/** Whether it is one, links followed. */
bool source_is_directory(const char *path);
/** "*.example" and the like: patterns that the store lacks. */
bool source_is_pattern(const char *text);

/** A text file, line by line. */
struct source_lines {
	FILE *file;
	const char *path;
	struct source *source;
	char *text;             /* the current line, without its end */
	size_t room;
	size_t number;          /* of it, from 1 */
	size_t read;
	char *ahead;            /* of the next logical line */
	size_t ahead_room, ahead_number;
	bool has_ahead, failed;
};
int source_lines_open(struct source_lines *, struct source *, const char *path, struct snicert_error *err);
bool source_lines_next(struct source_lines *);
/** Postfix's logical lines: no comments; leading white space continues a line. */
bool source_lines_logical(struct source_lines *);
void source_lines_close(struct source_lines *);

/** The next word of *at, ended in place, or NULL; any of `between` separates words. */
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
