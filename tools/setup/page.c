/* SPDX-License-Identifier: ISC */
/* page.c: writes the page of `snicert setup`.  Knows its forms, and nothing of servers. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "setup/page.h"

const struct report_column setup_page_columns[SETUP_PAGE_COLUMNS] = {
	{ "server", "Server", false }, { "kind", "Kind", false }, { "what", "What", false },
	{ "text", "Text", false }, { "path", "Path", false }, { "there", "There", false },
};

static void
row(struct page *page, const char *kind, const char *what, const char *text, const char *path, int there)
{
	struct report *report = page->report;

	report_text(report, page->host->name);
	report_text(report, kind);
	report_text(report, what);
	report_text(report, text);
	report_text(report, path);
	if (there < 0)
		report_text(report, NULL);
	else
		report_flag(report, there != 0);
	report_row_end(report);
}

/* What a file or a program said must not move the cursor. */
static void
put_line(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f || (c == 0xc2 && i + 1 < length && (unsigned char)text[i + 1] < 0xa0))
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	putchar('\n');
}

static void
put_lines(const char *indent, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		fputs(indent, stdout);
		put_line(text, length);
		text += length + (text[length] == '\n');
	}
}

void
page_fact(struct page *page, const char *what, const char *format, ...)
{
	char text[PATH_MAX + SETUP_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (page->report != NULL) {
		row(page, "fact", what, text, NULL, -1);
		return;
	}
	printf("  %-12s ", what);
	put_line(text, strlen(text));
}

void
page_note(struct page *page, const char *format, ...)
{
	char text[2 * PATH_MAX + SETUP_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	page->running = false;
	if (page->report != NULL)
		row(page, "note", NULL, text, NULL, -1);
	else
		put_lines("", text);
}

void
page_step(struct page *page, const char *text)
{
	page->steps++;
	page->running = false;
	if (page->report != NULL)
		row(page, "step", NULL, text, NULL, -1);
	else
		printf("\n%u. %s\n", page->steps, text);
}

/* `verb` says where the lines go. */
void
page_file(struct page *page, const char *verb, const char *path, const char *text, bool there)
{
	page->running = false;
	if (page->report != NULL) {
		row(page, "file", verb, text, path, there);
		return;
	}
	fputs(there ? "Already in " : verb, stdout);
	if (!there)
		putchar(' ');
	printf("%s:\n", path);
	put_lines(there ? "      " : "    ", text);
}

void
page_command(struct page *page, const char *kind, const char *format, ...)
{
	char text[2 * PATH_MAX + 2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (page->report != NULL) {
		row(page, kind, NULL, text, NULL, -1);
		return;
	}
	if (!page->running && strcmp(kind, "command") == 0)
		fputs("Run:\n", stdout);
	page->running = true;
	put_lines(strcmp(kind, "command") == 0 ? "    " : "      ", text);
}

void
page_already(struct page *page, const char *text)
{
	if (page->report != NULL)
		row(page, "command", NULL, text, NULL, 1);
	else
		put_lines("Already done: ", text);
}

void
page_title(struct page *page)
{
	const struct setup_host *host = page->host;

	if (page->report != NULL) {
		row(page, "fact", "version", host->version, NULL, -1);
		return;
	}
	printf("%s%s", host->kind->name[0] == '\0' ? host->name : host->kind->title, host->version[0] != '\0' ? " " : "");
	put_line(host->version, strlen(host->version));
}
