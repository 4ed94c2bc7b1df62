/* SPDX-License-Identifier: ISC */
/*
 * page.h: what `snicert setup` tells, item by item: text for people, or rows of
 * a report for programs, of these kinds:
 *
 *     fact        what was found out            what, text
 *     note        to be known                   text
 *     step        a heading                     text
 *     file        lines to add to a file        what (where in it), path, text; there
 *     command     to be run                     text; there
 *     look, undo  to see it work, to take it out: not part of the set-up
 *
 * In the text, lines to add and to run are those with four blanks in front.
 */
#ifndef SNICERT_PAGE_H
#define SNICERT_PAGE_H

#include "setup/setup.h"

struct page {
	const struct setup *setup;
	const struct setup_host *host;
	struct report *report;          /* NULL: text */
	unsigned steps;
	bool running;                   /* "Run:" stands above */
};

void page_fact(struct page *, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));
void page_note(struct page *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_step(struct page *, const char *text);

/** Lines for a file; `verb` says where they go, up to the file's name. */
void page_file(struct page *, const char *verb, const char *path, const char *text, bool there);

/** `kind` is command, look or undo. */
void page_command(struct page *, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** What need not be done. */
void page_already(struct page *, const char *text);

/** The page's first line. */
void page_title(struct page *);

#endif
