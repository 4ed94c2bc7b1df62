/* SPDX-License-Identifier: ISC */
/* source_lines.c: the text files of sources, line by line, and the likely kind of a text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "migrate/source.h"

#define LINE_MOST ((size_t)1 << 20)

int
source_lines_open(struct source_lines *lines, struct source *source, const char *path, struct snicert_error *err)
{
	struct stat st;

	memset(lines, 0, sizeof(*lines));
	lines->path = path;
	lines->source = source;
	lines->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (lines->file == NULL)
		return error_system(err, "%s", path);
	if (fstat(fileno(lines->file), &st) == 0 && S_ISDIR(st.st_mode)) {
		source_lines_close(lines);
		return error_set(err, SNICERT_EINPUT, "%s is a directory, not a file", path);
	}
	return 0;
}

static bool
read_line(struct source_lines *lines, char **text, size_t *room)
{
	ssize_t length;

	if (lines->failed || (length = getline(text, room, lines->file)) < 0) {
		lines->source->no_memory |= !feof(lines->file) && errno == ENOMEM;
		if (!lines->failed && ferror(lines->file))
			source_fault(lines->source, lines->path, lines->read + 1, "%s", strerror(errno));
		return false;
	}
	lines->read++;
	if (strlen(*text) != (size_t)length || (size_t)length > LINE_MOST) {
		lines->failed = true;
		source_fault(lines->source, lines->path, lines->read, "this is not text (lines of up to 1 MiB, without NUL)");
		return false;
	}
	while (length > 0 && ((*text)[length - 1] == '\n' || (*text)[length - 1] == '\r'))
		(*text)[--length] = '\0';
	return true;
}

bool
source_lines_next(struct source_lines *lines)
{
	if (!read_line(lines, &lines->text, &lines->room))
		return false;
	lines->number = lines->read;
	return true;
}

/* Read the next line that isn't empty or a comment into `ahead`. */
static bool
look_ahead(struct source_lines *lines)
{
	while (!lines->has_ahead && read_line(lines, &lines->ahead, &lines->ahead_room)) {
		size_t space = strspn(lines->ahead, " \t");

		lines->has_ahead = lines->ahead[space] != '\0' && lines->ahead[space] != '#';
		lines->ahead_number = lines->read;
	}
	return lines->has_ahead;
}

bool
source_lines_logical(struct source_lines *lines)
{
	size_t length;

	if (!look_ahead(lines))
		return false;
	free(lines->text);
	lines->text = lines->ahead;
	lines->room = lines->ahead_room;
	lines->number = lines->ahead_number;
	lines->ahead = NULL;
	lines->ahead_room = 0;
	lines->has_ahead = false;
	length = strlen(lines->text);
	while (look_ahead(lines) && strchr(" \t", lines->ahead[0]) != NULL) {
		size_t more = strlen(lines->ahead);
		char *longer = length + more > LINE_MOST ? NULL : realloc(lines->text, length + more + 1);

		lines->has_ahead = false;
		if (longer == NULL) {
			source_fault(lines->source, lines->path, lines->ahead_number, "this line and its continuations are too long");
			return false;
		}
		memcpy(longer + length, lines->ahead, more + 1);
		lines->text = longer;
		lines->room = length + more + 1;
		length += more;
	}
	return true;
}

void
source_lines_close(struct source_lines *lines)
{
	if (lines->file != NULL && lines->file != stdin)
		fclose(lines->file);
	free(lines->text);
	free(lines->ahead);
	memset(lines, 0, sizeof(*lines));
}

char *
source_word(char **at, const char *between)
{
	char *word = *at + strspn(*at, between);

	if (*word == '\0')
		return NULL;
	*at = word + strcspn(word, between);
	if (**at != '\0')
		*(*at)++ = '\0';
	return word;
}

/* --- what a file may be, for those who forgot to say ----------------------- */

static const char *
guess_by_line(char *line)
{
	struct name name;
	char *at = line, *first = source_word(&at, " \t"), *second = source_word(&at, " \t,");

	if (first == NULL)
		return NULL;
	if (first[0] == '/')
		return "haproxy";
	if (second == NULL || second[0] != '/')
		return NULL;
	return name_normalise_pattern(&name, first + (first[0] == '.'), strlen(first + (first[0] == '.')))
	    ? "postfix" : NULL;
}

const char *
source_guess(const char *path)
{
	static const struct { const char *name, *kind; } names[] = {
		{ "main.cf", "postfix" }, { "dovecot.conf", "dovecot" }, { "10-ssl.conf", "dovecot" },
		{ "haproxy.cfg", "haproxy" }, { "tls.ini", "haraka" },
	};
	const char *slash = strrchr(path, '/'), *kind = NULL;
	struct source scratch = {0};
	struct source_lines lines;
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(slash != NULL ? slash + 1 : path, names[i].name) == 0)
			return names[i].kind;
	/* Standard input and pipes are used up. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || source_lines_open(&lines, &scratch, path, NULL) != 0)
		return NULL;
	if (source_lines_logical(&lines))
		kind = guess_by_line(lines.text);
	source_lines_close(&lines);
	source_free(&scratch);
	return kind;
}
