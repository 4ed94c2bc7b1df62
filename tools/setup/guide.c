/* SPDX-License-Identifier: ISC */
/* guide.c: writes the guide of `snicert setup`.  Knows its forms, not servers. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup/guide.h"
#include "show/text.h"

const struct report_column setup_guide_columns[SETUP_GUIDE_COLUMNS] = {
	{ "server", "Server", false }, { "kind", "Kind", false }, { "what", "What", false },
	{ "text", "Text", false }, { "path", "Path", false }, { "there", "There", false },
};

static char *
copy(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

static void
plan_add(struct guide *guide, const char *kind, const char *what, const char *text, const char *path, bool there)
{
	struct guide_plan *plan = guide->plan;
	struct guide_item *more = realloc(plan->items, (plan->count + 1) * sizeof(*more));

	if (more == NULL)
		return;
	plan->items = more;
	more[plan->count++] = (struct guide_item){ .kind = copy(kind), .what = copy(what), .text = copy(text),
		.path = copy(path), .there = there, .activates = guide->activating };
}

void
guide_plan_free(struct guide_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->items[i].kind);
		free(plan->items[i].what);
		free(plan->items[i].text);
		free(plan->items[i].path);
	}
	free(plan->items);
}

/* Rows instead of text. */
static bool
in_rows(const struct guide *guide)
{
	return guide->report != NULL || guide->plan != NULL;
}

static void
row(struct guide *guide, const char *kind, const char *what, const char *text, const char *path, int there)
{
	struct report *report = guide->report;

	if (guide->plan != NULL) {
		plan_add(guide, kind, what, text, path, there > 0);
		return;
	}
	report_text(report, guide->host->name);
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

static void
put_line(const char *text, size_t length)
{
	text_put(stdout, text, length);
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
guide_fact(struct guide *guide, const char *what, const char *format, ...)
{
	char text[PATH_MAX + SETUP_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (in_rows(guide)) {
		row(guide, "fact", what, text, NULL, -1);
		return;
	}
	printf("  %-12s ", what);
	put_line(text, strlen(text));
}

void
guide_note(struct guide *guide, const char *format, ...)
{
	char text[2 * PATH_MAX + SETUP_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	guide->running = false;
	if (in_rows(guide))
		row(guide, "note", NULL, text, NULL, -1);
	else
		put_lines("", text);
}

void
guide_step(struct guide *guide, const char *text)
{
	guide->steps++;
	guide->running = false;
	if (in_rows(guide))
		row(guide, "step", NULL, text, NULL, -1);
	else
		printf("\n%u. %s\n", guide->steps, text);
}

/* `verb` says where the lines go. */
void
guide_file(struct guide *guide, const char *verb, const char *path, const char *text, bool there)
{
	guide->running = false;
	if (in_rows(guide)) {
		row(guide, "file", verb, text, path, there);
		return;
	}
	fputs(there ? "Already in " : verb, stdout);
	if (!there)
		putchar(' ');
	printf("%s:\n", path);
	put_lines(there ? "      " : "    ", text);
}

void
guide_command(struct guide *guide, const char *kind, const char *format, ...)
{
	char text[2 * PATH_MAX + 2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (in_rows(guide)) {
		row(guide, kind, NULL, text, NULL, -1);
		return;
	}
	if (!guide->running && strcmp(kind, "command") == 0)
		fputs("Run:\n", stdout);
	guide->running = true;
	put_lines(strcmp(kind, "command") == 0 ? "    " : "      ", text);
}

void
guide_already(struct guide *guide, const char *text)
{
	if (in_rows(guide))
		row(guide, "command", NULL, text, NULL, 1);
	else
		put_lines("Already done: ", text);
}

void
guide_title(struct guide *guide)
{
	const struct setup_host *host = guide->host;

	if (in_rows(guide)) {
		row(guide, "fact", "version", host->version, NULL, -1);
		return;
	}
	printf("%s%s", host->kind->name[0] == '\0' ? host->name : host->kind->title, host->version[0] != '\0' ? " " : "");
	put_line(host->version, strlen(host->version));
}

const char *
guide_tool_name(const struct guide *guide, char *out, size_t size)
{
	if (strcmp(guide->setup->config_path, config_default_path()) == 0)
		return "snicert";
	snprintf(out, size, "snicert -c %s", guide->setup->config_path);
	return out;
}
