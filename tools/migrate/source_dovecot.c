/* SPDX-License-Identifier: ISC */
/*
 * source_dovecot.c: Dovecot's local_name and local blocks, of 2.3 and 2.4, from its files or from
 * `doveconf -nP`.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "migrate/source.h"

#define DEPTH_MOST 16           /* blocks, and files that include files */

/* The settings for a chain's place, by their names in 2.3 and 2.4. */
enum setting { CERT, KEY, ALT_CERT, ALT_KEY, SETTINGS };
static const struct {
	const char *name;
	enum setting which;
} settings[] = {
	{ "ssl_cert", CERT }, { "ssl_key", KEY }, { "ssl_alt_cert", ALT_CERT }, { "ssl_alt_key", ALT_KEY },
	{ "ssl_server_cert_file", CERT }, { "ssl_server_key_file", KEY },
	{ "ssl_server_alt_cert_file", ALT_CERT }, { "ssl_server_alt_key_file", ALT_KEY },
};

enum kind { TOP, LOCAL_NAME, LOCAL, PROTOCOL, REMOTE, GROUP, OTHER };

struct block {
	enum kind kind;
	char *arguments;                /* of local_name, local …; "ssl_server" of a group */
	char *set[SETTINGS];            /* paths */
	size_t line;
	char *path;                     /* file where it begins */
};

struct reading {
	struct source *source;
	struct block blocks[DEPTH_MOST];
	int depth;                      /* of the innermost */
	int includes;
	bool stop;
};

static int read_file(struct reading *, const char *path, struct snicert_error *err);

static char *
strip(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	if (end - text >= 2 && (*text == '"' || *text == '\'') && end[-1] == *text) {
		end[-1] = '\0';
		text++;
	}
	return text;
}

/* Drops comments: a # at the start, or after white space outside of quotes. */
static void
drop_comment(char *text)
{
	bool quoted = false;

	for (char *at = text; *at != '\0'; at++) {
		quoted ^= *at == '"';
		if (*at == '#' && !quoted && (at == text || isspace((unsigned char)at[-1]))) {
			*at = '\0';
			return;
		}
	}
}

static void
block_clear(struct block *block)
{
	free(block->arguments);
	free(block->path);
	for (int i = 0; i < SETTINGS; i++)
		free(block->set[i]);
	memset(block, 0, sizeof(*block));
}

/* The nearest enclosing block with the setting: Dovecot looks there too. */
static const char *
inherited(const struct reading *r, enum setting which)
{
	for (int i = r->depth - 1; i >= 0; i--)
		if (r->blocks[i].set[which] != NULL)
			return r->blocks[i].set[which];
	return NULL;
}

static const struct block *
within(const struct reading *r, enum kind kind)
{
	for (int i = r->depth; i >= 0; i--)
		if (r->blocks[i].kind == kind)
			return &r->blocks[i];
	return NULL;
}

static void
add_names(struct source *source, struct source_entry *entry, const struct block *block)
{
	char *copy = strdup(block->arguments), *at = copy, *name;

	source->no_memory |= copy == NULL;
	while (entry != NULL && copy != NULL && (name = source_word(&at, " \t,")) != NULL)
		source_name(source, entry, &entry->names, name);
	free(copy);
}

static void
add_addresses(struct source *source, struct source_entry *entry, const struct block *block)
{
	char *copy = strdup(block->arguments), *at = copy, *address;

	source->no_memory |= copy == NULL;
	while (entry != NULL && copy != NULL && (address = source_word(&at, " \t,")) != NULL)
		if (!source_fallback(source, entry, address))
			source_note(source, entry, "%s: local %s is left out: the store has fallbacks for single IP addresses only",
			    entry->place, address);
	free(copy);
}

static void
add_chains(struct source *source, struct source_entry *entry, const struct reading *r, const struct block *block)
{
	for (int i = CERT; entry != NULL && i < SETTINGS; i += 2) {
		const char *key = block->set[i + 1] != NULL ? block->set[i + 1] : inherited(r, (enum setting)(i + 1));

		if (block->set[i] == NULL)
			continue;
		source_file(source, entry, ".", block->set[i]);
		if (block->set[i + 1] != NULL)
			source_file(source, entry, ".", key);
		else if (key != NULL)
			source_key(source, entry, ".", key);
	}
}

/* A block ends: use what it says of chains. */
static void
block_ends(struct reading *r)
{
	const struct block *block = &r->blocks[r->depth], *names = within(r, LOCAL_NAME), *local = within(r, LOCAL);
	struct source *source = r->source;
	struct source_entry *entry;

	if (block->set[CERT] == NULL && block->set[ALT_CERT] == NULL)
		return;
	if (within(r, REMOTE) != NULL || within(r, OTHER) != NULL || (within(r, PROTOCOL) != NULL && names == NULL)) {
		source_note(source, NULL, "%s:%zu: a certificate for only some clients or protocols is left out: "
		    "the store selects by name and local address", block->path, block->line);
		return;
	}
	entry = source_add(source, block->path, block->line);
	add_chains(source, entry, r, block);
	if (names != NULL)
		add_names(source, entry, names);
	else if (local != NULL)
		add_addresses(source, entry, local);
	else
		source_fallback(source, entry, NULL);
	if (names != NULL && (local != NULL || within(r, PROTOCOL) != NULL) && entry != NULL)
		source_note(source, entry, "%s: local_name %s applies to only some addresses or protocols there, "
		    "and to all in the store", entry->place, names->arguments);
}

static void
block_begins(struct reading *r, const struct source_lines *lines, char *text)
{
	static const struct { const char *word; enum kind kind; } kinds[] = {
		{ "local_name", LOCAL_NAME }, { "local", LOCAL }, { "protocol", PROTOCOL }, { "remote", REMOTE },
		{ "ssl_server", GROUP },
	};
	char *word = source_word(&text, " \t");
	struct block *block;

	if (r->depth + 1 == DEPTH_MOST || word == NULL) {
		source_fault(r->source, lines->path, lines->number, "blocks are nested too deep");
		r->stop = true;
		return;
	}
	block = &r->blocks[++r->depth];
	block->kind = OTHER;
	block->line = lines->number;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].word, word) == 0)
			block->kind = kinds[i].kind;
	block->arguments = strdup(strip(text));
	block->path = strdup(lines->path);
	r->source->no_memory |= block->arguments == NULL || block->path == NULL;
	if (block->kind == LOCAL_NAME && block->arguments != NULL && block->arguments[0] == '\0')
		source_fault(r->source, lines->path, lines->number, "local_name needs a name");
}

/* A value is a path, in 2.3 after "<". */
static void
set(struct reading *r, const struct source_lines *lines, enum setting which, char *value, bool file)
{
	struct block *block = &r->blocks[r->depth];
	char *directory;

	if (block->kind == GROUP)
		block = &r->blocks[r->depth - 1];
	if (*value == '<')
		value += 1 + strspn(value + 1, " \t<");
	else if (!file && *value != '\0')
		value = NULL;
	if (value == NULL || strncmp(value, "inline:", 7) == 0 || strchr(value, '$') != NULL || strchr(value, '%') != NULL) {
		source_fault(r->source, lines->path, lines->number, "give the path of a PEM file here%s",
		    value != NULL && strchr(value, '$') != NULL ? ": give what `doveconf -nP` prints" : "");
		return;
	}
	free(block->set[which]);
	block->set[which] = NULL;
	if (*value == '\0')
		return;
	directory = source_directory(lines->path);
	block->set[which] = directory == NULL ? NULL : source_path(directory, value);
	r->source->no_memory |= block->set[which] == NULL;
	free(directory);
	/* Its place: the line of its certificate. */
	if (which == CERT && block->kind == TOP) {
		free(block->path);
		block->path = strdup(lines->path);
		block->line = lines->number;
		r->source->no_memory |= block->path == NULL;
	}
}

static void
setting(struct reading *r, const struct source_lines *lines, char *text, char *equals)
{
	bool group = r->blocks[r->depth].kind == GROUP;
	char name[80], *word;

	*equals = '\0';
	word = strip(text);
	snprintf(name, sizeof(name), "%s%s", group ? "ssl_server_" : "", word);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i].name, name) == 0)
			set(r, lines, settings[i].which, strip(equals + 1), strstr(name, "_file") != NULL);
}

static int
include(struct reading *r, const struct source_lines *lines, char *pattern, bool must, struct snicert_error *err)
{
	char *directory = source_directory(lines->path), *path = directory == NULL ? NULL : source_path(directory, strip(pattern));
	glob_t found = {0};
	int status = 0;

	free(directory);
	if (path == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (r->includes == DEPTH_MOST)
		status = error_set(err, SNICERT_EINPUT, "%s:%zu: files include each other too deep", lines->path, lines->number);
	else if (glob(path, 0, NULL, &found) != 0 && must && strpbrk(path, "*?[") == NULL)
		status = error_set(err, SNICERT_EINPUT, "%s:%zu: %s does not exist", lines->path, lines->number, path);
	r->includes++;
	for (size_t i = 0; i < found.gl_pathc && status == 0; i++) {
		status = read_file(r, found.gl_pathv[i], err);
		if (status != 0 && !must) {
			error_clear(err);
			status = 0;
		}
	}
	r->includes--;
	globfree(&found);
	free(path);
	return status;
}

static int
line_of(struct reading *r, const struct source_lines *lines, char *text, struct snicert_error *err)
{
	size_t length = strlen(text);
	char *equals = strchr(text, '=');

	if (strncmp(text, "!include_try", 12) == 0 && isspace((unsigned char)text[12]))
		return include(r, lines, text + 13, false, err);
	if (strncmp(text, "!include", 8) == 0 && isspace((unsigned char)text[8]))
		return include(r, lines, text + 9, true, err);
	if (strcmp(text, "}") == 0) {
		if (r->depth == 0) {
			source_fault(r->source, lines->path, lines->number, "a } without a {");
			return 0;
		}
		block_ends(r);
		block_clear(&r->blocks[r->depth--]);
	} else if (text[length - 1] == '{') {
		text[length - 1] = '\0';
		/* name = value { … }: in 2.4, a block's name and a setting in one. */
		block_begins(r, lines, text);
	} else if (equals != NULL) {
		setting(r, lines, text, equals);
	} else if (strpbrk(text, "{}") != NULL) {
		source_fault(r->source, lines->path, lines->number, "{ and } must be at the end of a line");
	}
	return 0;
}

/* A line with a final backslash continues. */
static bool
next_line(struct source_lines *lines, char **joined)
{
	size_t length = 0, number = 0;

	free(*joined);
	*joined = NULL;
	while (source_lines_next(lines)) {
		size_t more = strlen(lines->text);
		bool on = more > 0 && lines->text[more - 1] == '\\';
		char *longer = realloc(*joined, length + more + 2);

		if (longer == NULL) {
			lines->source->no_memory = true;
			return false;
		}
		*joined = longer;
		number = number == 0 ? lines->number : number;
		memcpy(longer + length, lines->text, more + 1);
		length += more - on;
		longer[length] = '\0';
		if (!on)
			break;
	}
	lines->number = number;
	return *joined != NULL;
}

static int
read_file(struct reading *r, const char *path, struct snicert_error *err)
{
	struct source_lines lines;
	char *joined = NULL;
	int status = 0;

	if (source_lines_open(&lines, r->source, path, err) != 0)
		return -1;
	while (status == 0 && !r->stop && !r->source->no_memory && next_line(&lines, &joined)) {
		char *text = joined;

		drop_comment(text);
		text += strspn(text, " \t");
		for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
			*--end = '\0';
		if (*text != '\0')
			status = line_of(r, &lines, text, err);
	}
	free(joined);
	source_lines_close(&lines);
	return status;
}

int
source_dovecot(struct source *source, const char *path, struct snicert_error *err)
{
	char *file = source_is_directory(path) ? source_path(path, "dovecot.conf") : strdup(path);
	struct reading *r = file == NULL ? NULL : calloc(1, sizeof(*r));
	int status;

	if (r == NULL) {
		free(file);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	r->source = source;
	r->blocks[0].path = strdup(file);
	source->no_memory |= r->blocks[0].path == NULL;
	status = read_file(r, file, err);
	if (status == 0 && r->depth > 0 && !r->stop)
		source_fault(source, r->blocks[r->depth].path, r->blocks[r->depth].line, "the block is never closed");
	if (status == 0 && r->depth == 0)
		block_ends(r);
	for (int i = 0; i < DEPTH_MOST; i++)
		block_clear(&r->blocks[i]);
	free(r);
	free(file);
	return status;
}
