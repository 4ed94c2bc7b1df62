/* SPDX-License-Identifier: ISC */
/* import.h: what import.c and import_*.c share of one `snicert import`. */
#ifndef SNICERT_IMPORT_H
#define SNICERT_IMPORT_H

#include "intake/intake.h"
#include "intake/passphrase.h"
#include "migrate/source.h"
#include "tool.h"

/* Named files, read before the transaction begins. */
struct import_file {
	struct bag *bag;
	char *source;
	struct snicert_error why;       /* why the bag isn't good; or clear */
};

struct import {
	struct tool *tool;
	struct intake in;
	struct passphrase passphrase;
	struct passphrase_source source;
	struct name *names;             /* --name; in.names */
	EVP_PKEY *key;                  /* of --key-uri, to check that it fits */
	const char *from;               /* --from, or NULL */
	struct source *sources;         /* then: what the paths say */
	size_t source_count;
	struct import_file *files;      /* complete ones, with --keep-going */
	size_t file_count;
	struct import_file common;      /* all others; bag NULL: none */
	char **notes;                   /* about the paths, not about any chain */
	size_t note_count;
	bool keep_going;
	bool strict;                    /* also in directories */
	char **late;                    /* groups to judge after others are in; NULL: judged */
	size_t late_count;
	bool may_be_late;
	bool more;                      /* some of the late ones came in */
	char **alone;                   /* groups whose other half isn't in the directory, and their errors */
	size_t alone_count;
	size_t whole;                   /* groups of the directory that aren't alone */
	bool dry_run;
	bool take;
	size_t failed;
	size_t groups, total;           /* done so far, of how many if known */
	struct snicert_error err;
};

/** Import a bag; with --keep-going report a bad one (`good` false, import->err set), and undo only it. */
int import_bag(struct import *, struct bag *, const char *source, bool good);

/** Something a person should know in general.  Returns 0, or -1 with import->err set. */
int import_note(struct import *, const char *text);

/** Import a bag, and undo it if it fails: 0, 1 if it failed, -1 if all must stop. */
int import_try(struct import *, struct bag *, bool good);

/** Count a failure: reports and clears import->err. */
void import_bad(struct import *, const char *source);

/** Show progress on a terminal. */
void import_progress(const struct import *);

/** Read a named file, "-" or not.  -1: nothing can be imported. */
int import_file_read(struct import *, const char *path);

/** Import what was read. */
int import_files(struct import *);
void import_files_free(struct import *);

/** Ask for the passphrases that a directory's files need. */
int import_directory_ask(struct import *, const char *path);

/** Import what is good in a directory, or all or nothing with --strict. */
int import_directory(struct import *, const char *path);

/** After the commit: what there is now; for a dry run: what there would be.  Returns the exit code. */
int import_report(struct import *);

/** Read other servers' configurations. */
int import_sources_read(struct import *, int count, char **paths);
void import_sources_free(struct import *);

/** Ask for the passphrases that their files need. */
void import_sources_ask(struct import *);

/** Import what one of them says. */
int import_source(struct import *, struct source *);

#endif
