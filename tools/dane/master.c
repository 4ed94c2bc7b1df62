/* SPDX-License-Identifier: ISC */
/* master.c: the records of a master file, as words. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dane/master.h"
#include "error.h"

#define FILE_MOST ((size_t)64 << 20)
#define DEPTH_MOST 8                    /* of $INCLUDE */
#define FILES_MOST 1000
#define BLANKS " \t\r\n\f\v"

struct reading {
	const char *path;
	unsigned depth, *files;         /* files: total so far */
	char *origin, *owner;           /* from earlier lines */
	unsigned line;                  /* where the current record begins */
	master_record_fn *each;
	void *arg;
	struct snicert_error *err;
};

static int read_file(struct reading *r, const char *path);

/* "\095" and "\_" are "_"; a dot that isn't a separator stays escaped. */
static char *
unescape(const char *word)
{
	char *text = malloc(strlen(word) + 1), *to = text;

	for (const char *at = word; text != NULL && *at != '\0'; at++) {
		int code = (unsigned char)*at;

		if (*at == '\\' && isdigit((unsigned char)at[1]) && isdigit((unsigned char)at[2]) && isdigit((unsigned char)at[3])) {
			code = (at[1] - '0') * 100 + (at[2] - '0') * 10 + at[3] - '0';
			if (code > ' ' && code < 127 && code != '.' && code != '\\')
				at += 3;
			else
				code = '\\';
		} else if (*at == '\\' && at[1] != '\0' && at[1] != '.' && at[1] != '\\') {
			code = (unsigned char)*++at;
		}
		*to++ = (char)tolower(code);
	}
	if (text != NULL)
		*to = '\0';
	return text;
}

char *
master_absolute(const char *word, const char *origin)
{
	char *plain = unescape(strcmp(word, "@") == 0 ? "" : word), *text;
	size_t length = plain == NULL ? 0 : strlen(plain);
	bool relative = length == 0 || plain[length - 1] != '.';

	if (plain == NULL)
		return NULL;
	if (!relative)
		plain[length - 1] = '\0';
	if (!relative || origin == NULL || *origin == '\0')
		return plain;
	text = malloc(length + strlen(origin) + 2);
	if (text != NULL)
		sprintf(text, "%s%s%s", plain, length > 0 ? "." : "", origin);
	free(plain);
	return text;
}

static int
set_text(struct reading *r, char **into, const char *word)
{
	char *text = master_absolute(word, r->origin);

	if (text == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	free(*into);
	*into = text;
	return 0;
}

/* Relative to the including file; its origin and owner end with it. */
static int
include(struct reading *r, const char *file, const char *origin)
{
	struct reading inner = { .depth = r->depth + 1, .files = r->files, .each = r->each, .arg = r->arg, .err = r->err };
	const char *slash = strrchr(r->path, '/');
	size_t directory = slash == NULL || file[0] == '/' ? 0 : (size_t)(slash - r->path) + 1;
	char *path = malloc(directory + strlen(file) + 1);
	int status = -1;

	if (r->depth == DEPTH_MOST || ++*r->files > FILES_MOST) {
		free(path);
		return error_set(r->err, SNICERT_EINPUT, "%s:%u: $INCLUDE is nested too deep, or circular", r->path, r->line);
	}
	inner.origin = path == NULL ? NULL : master_absolute(origin != NULL ? origin : "@", r->origin);
	if (inner.origin == NULL) {
		error_set(r->err, SNICERT_EMEMORY, "no memory");
	} else {
		sprintf(path, "%.*s%s", (int)directory, r->path, file);
		status = read_file(&inner, path);
	}
	free(path);
	free(inner.origin);
	free(inner.owner);
	return status;
}

/* None is a record, or changes the owner. */
static int
take_directive(struct reading *r, char **words, size_t count)
{
	if (strcasecmp(words[0], "$ORIGIN") == 0 && count > 1)
		return set_text(r, &r->origin, words[1]);
	if (strcasecmp(words[0], "$INCLUDE") == 0 && count > 1)
		return include(r, words[1], count > 2 ? words[2] : NULL);
	return 0;
}

/* One record: without comments, on one line. */
static int
take_record(struct reading *r, char *text)
{
	struct master_record record = { .path = r->path, .line = r->line };
	bool indented = isspace((unsigned char)*text);
	char *save = NULL;
	int status = 0;

	record.words = calloc(strlen(text) / 2 + 2, sizeof(*record.words));
	if (record.words == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	for (char *word = strtok_r(text, BLANKS, &save); word != NULL; word = strtok_r(NULL, BLANKS, &save))
		record.words[record.count++] = word;
	if (record.count > 0 && record.words[0][0] == '$') {
		status = take_directive(r, record.words, record.count);
	} else if (record.count > 0) {
		if (!indented)
			status = set_text(r, &r->owner, record.words[record.at++]);
		record.owner = r->owner;
		record.origin = r->origin;
		if (status == 0)
			status = r->each(r->arg, &record, r->err);
	}
	free(record.words);
	return status;
}

/* The position in the text. */
struct cutting {
	bool quoted, comment;
	int depth;
	unsigned line;
};

/* Blanks comments and parentheses.  Returns whether a record ends here. */
static bool
cut(struct cutting *c, char *at)
{
	char was = *at;

	if (was == '\n' || was == '\0')
		c->comment = c->quoted = false;
	if (was == '"' && !c->comment)
		c->quoted = !c->quoted;
	if (was == ';' && !c->quoted)
		c->comment = true;
	if (!c->comment && !c->quoted && (was == '(' || was == ')')) {
		c->depth = was == '(' ? 1 : 0;
		*at = ' ';
	}
	if (c->comment)
		*at = ' ';
	c->line += was == '\n';
	return was == '\0' || (was == '\n' && c->depth == 0);
}

static int
take_text(struct reading *r, char *text)
{
	struct cutting c = { .line = 1 };
	char *start = text;

	r->line = 1;
	for (char *at = text;; at++) {
		bool last = *at == '\0';

		if (*at == '\\' && !c.comment && at[1] != '\0' && at[1] != '\n' && at[1] != '\r') {
			at++;
			continue;
		}
		if (!cut(&c, at))
			continue;
		if (c.depth > 0)
			return error_set(r->err, SNICERT_EINPUT, "%s:%u: a parenthesis is never closed", r->path, r->line);
		*at = '\0';
		if (take_record(r, start) != 0)
			return -1;
		if (last)
			return 0;
		start = at + 1;
		r->line = c.line;
	}
}

static char *
read_all(FILE *in, const char *path, struct snicert_error *err)
{
	char *text = NULL;
	size_t used = 0, room = 0;

	for (;;) {
		if (used + 1 >= room) {
			char *more = room > FILE_MOST ? NULL : realloc(text, room = 2 * room + 65536);

			if (more == NULL) {
				free(text);
				error_set(err, SNICERT_EINPUT, "%s is too large for a file of records", path);
				return NULL;
			}
			text = more;
		}
		size_t got = fread(text + used, 1, room - used - 1, in);

		if (got == 0)
			break;
		used += got;
	}
	if (ferror(in)) {
		error_system(err, "can't read %s", path);
		free(text);
		return NULL;
	}
	for (size_t i = 0; i < used; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[used] = '\0';
	return text;
}

static int
read_file(struct reading *r, const char *path)
{
	bool standard = strcmp(path, "-") == 0 && r->depth == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	char *text;
	int status;

	if (in == NULL)
		return error_system(r->err, "can't read %s%s", path, r->depth > 0 ? ", which $INCLUDE names" : "");
	r->path = standard ? "standard input" : path;
	text = read_all(in, r->path, r->err);
	/* Windows' editors begin with a byte order mark. */
	status = text == NULL ? -1 : take_text(r, text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0));
	if (!standard)
		fclose(in);
	free(text);
	return status;
}

int
master_read(const char *path, master_record_fn *each, void *arg, struct snicert_error *err)
{
	unsigned files = 0;
	struct reading r = { .files = &files, .each = each, .arg = arg, .err = err };
	int status = read_file(&r, path);

	free(r.origin);
	free(r.owner);
	return status;
}
