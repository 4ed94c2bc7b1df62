/* SPDX-License-Identifier: ISC */
/*
 * guide.h: what `snicert setup` says, item by item: text for people, or rows of
 * a report for programs, of these kinds:
 *
 *     fact        what was found out            what, text
 *     note        worth knowing                 text
 *     step        a heading                     text
 *     file        lines to add to a file        what (where in it), path, text; there
 *     command     to run                        text; there
 *     choice      commands, of which the reader picks what fits     text
 *     look, undo  to see it work, to take it out: not part of the set-up
 *
 * In the text, lines to add and to run are those after four spaces.
 */
#ifndef SNICERT_GUIDE_H
#define SNICERT_GUIDE_H

#include "setup/setup.h"

/** A page to carry out: the same rows. */
struct guide_item {
	char *kind, *what, *text, *path;        /* NULL: none */
	bool there;
	bool activates;         /* useful only after a change: a restart or the like */
};

struct guide_plan {
	struct guide_item *items;
	size_t count;
};

struct guide {
	const struct setup *setup;
	const struct setup_host *host;
	struct setup_told *told;        /* by earlier servers */
	struct report *report;          /* NULL: text */
	struct guide_plan *plan;        /* instead of them */
	bool activating;                /* the rest is useful only after a change */
	unsigned steps, setting_step;   /* number so far; the one with the server's setting */
	bool running;                   /* "Run:" was printed */
};

void guide_fact(struct guide *, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));
void guide_note(struct guide *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void guide_step(struct guide *, const char *text);

/** Lines for a file; `verb` says where they go, up to the file's name. */
void guide_file(struct guide *, const char *verb, const char *path, const char *text, bool there);

/** `kind` is command, choice, look or undo. */
void guide_command(struct guide *, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** What is already done. */
void guide_already(struct guide *, const char *text);

/** `snicert`, with the current configuration. */
const char *guide_tool_name(const struct guide *, char *out, size_t size);

/** The page's first line. */
void guide_title(struct guide *);

/** The page's steps, for carrying them out.  Returns false without memory. */
bool guide_plan(const struct setup *, const struct setup_host *, struct setup_told *, struct guide_plan *);
void guide_plan_free(struct guide_plan *);

#endif
