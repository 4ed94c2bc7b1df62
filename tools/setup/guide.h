/* SPDX-License-Identifier: ISC */
/*
 * guide.h: what `snicert setup` tells, item by item: text for people, or rows of
 * a report for programs, of these kinds:
 *
 *     fact        what was found out            what, text
 *     note        to be known                   text
 *     step        a heading                     text
 *     file        lines to add to a file        what (where in it), path, text; there
 *     command     to be run                     text; there
 *     choice      commands, of which the reader takes what fits     text
 *     look, undo  to see it work, to take it out: not part of the set-up
 *
 * In the text, lines to add and to run are those with four blanks in front.
 */
#ifndef SNICERT_GUIDE_H
#define SNICERT_GUIDE_H

#include "setup/setup.h"

/** A page that is to be carried out: the same rows. */
struct guide_item {
	char *kind, *what, *text, *path;        /* NULL: none */
	bool there;
	bool activates;         /* of use after a change only: a restart and its like */
};

struct guide_plan {
	struct guide_item *items;
	size_t count;
};

struct guide {
	const struct setup *setup;
	const struct setup_host *host;
	struct setup_told *told;        /* with the servers before */
	struct report *report;          /* NULL: text */
	struct guide_plan *plan;        /* instead of both */
	bool activating;                /* what follows is of use after a change only */
	unsigned steps, setting_step;   /* how many so far; which one is the server's setting */
	bool running;                   /* "Run:" stands above */
};

void guide_fact(struct guide *, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));
void guide_note(struct guide *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void guide_step(struct guide *, const char *text);

/** Lines for a file; `verb` says where they go, up to the file's name. */
void guide_file(struct guide *, const char *verb, const char *path, const char *text, bool there);

/** `kind` is command, choice, look or undo. */
void guide_command(struct guide *, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** What need not be done. */
void guide_already(struct guide *, const char *text);

/** `snicert`, with the configuration at hand. */
const char *guide_tool_name(const struct guide *, char *out, size_t size);

/** The page's first line. */
void guide_title(struct guide *);

/** The steps of the page, for those who carry it out.  Returns false without memory. */
bool guide_plan(const struct setup *, const struct setup_host *, struct setup_told *, struct guide_plan *);
void guide_plan_free(struct guide_plan *);

#endif
