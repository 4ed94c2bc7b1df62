/* SPDX-License-Identifier: ISC */
/* import.h: what import.c, import_directory.c, import_report.c and import_source.c share of one `snicert import`. */
#ifndef SNICERT_IMPORT_H
#define SNICERT_IMPORT_H

#include "intake/intake.h"
#include "intake/passphrase.h"
#include "tool.h"

struct import {
	struct tool *tool;
	struct intake in;
	struct passphrase passphrase;
	struct passphrase_source source;
	struct name *names;             /* --name; in.names */
	EVP_PKEY *key;                  /* of --key-uri, to check that it fits */
	const char *from;               /* --from, or NULL */
	char **notes;                   /* of what the paths say, but of no chain */
	size_t note_count;
	bool keep_going;
	bool strict;                    /* in directories, too */
	char **late;                    /* groups to be judged once others are in; NULL: judged */
	size_t late_count;
	bool may_be_late;
	bool more;                      /* of the late ones some came in */
	char **alone;                   /* groups whose other half is nowhere in the directory, and what was said of them */
	size_t alone_count;
	size_t whole;                   /* groups of the directory that are not alone */
	bool dry_run;
	bool take;
	size_t failed;
	size_t groups, total;           /* taken so far, of how many if that is known */
	struct snicert_error err;
};

/** One bag into the store; with --keep-going a bad one (`good` false, import->err set) is told of, and undone alone. */
int import_bag(struct import *, struct bag *, const char *source, bool good);

/** Something that a person should know of the whole.  Returns 0, or -1 with import->err set. */
int import_note(struct import *, const char *text);

/** A bag that is undone by itself where it fails: 0, 1 if it did, -1 if all has to end. */
int import_try(struct import *, struct bag *, bool good);

/** One more that failed: import->err is told of, and cleared. */
void import_bad(struct import *, const char *source);

/** How far it is, on a terminal. */
void import_progress(const struct import *);

/** Take in what is good of a directory, or all or nothing with --strict. */
int import_directory(struct import *, const char *path);

/** After the commit: what there is now; or before nothing comes of it: what there would be.  Returns the exit code. */
int import_report(struct import *);

/** Take in what another server's configuration at `path` says. */
int import_source(struct import *, const char *path);

#endif
