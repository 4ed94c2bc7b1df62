/* SPDX-License-Identifier: ISC */
/* source_haproxy.c: HAProxy's crt-lists, crt directories, and the bind lines of haproxy.cfg. */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "migrate/source.h"

static const char *const bundle[] = { ".rsa", ".ecdsa", ".dsa", NULL };

static bool
ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && strcmp(text + length - tail, end) == 0;
}

/* FILE.key; FILE without its extension and .key; FILE.issuer. */
static void
companions(struct source *source, struct source_entry *entry, const char *path)
{
	char *key = NULL, *issuer = NULL;
	const char *dot;

	if (asprintf(&issuer, "%s.issuer", path) < 0)
		issuer = NULL;
	source->no_memory |= issuer == NULL;
	if (issuer != NULL && access(issuer, F_OK) == 0)
		source_file(source, entry, ".", issuer);
	free(issuer);
	if (asprintf(&key, "%s.key", path) < 0)
		key = NULL;
	source->no_memory |= key == NULL;
	if (key != NULL)
		source_key(source, entry, ".", key);
	dot = key == NULL ? NULL : strrchr(path, '.');
	if (dot != NULL && strchr(dot, '/') == NULL) {
		strcpy(key + (dot - path), ".key");
		source_key(source, entry, ".", key);
	}
	free(key);
}

/* The files of one crt: itself, or its parts by key type. */
static void
crt_files(struct source *source, struct source_entry *entry, const char *path)
{
	bool any = false;

	for (int i = 0; access(path, F_OK) != 0 && bundle[i] != NULL; i++) {
		char *part;

		if (asprintf(&part, "%s%s", path, bundle[i]) < 0) {
			source->no_memory = true;
			return;
		}
		if (access(part, F_OK) == 0) {
			any = true;
			source_file(source, entry, ".", part);
			companions(source, entry, part);
		}
		free(part);
	}
	if (any)
		return;
	source_file(source, entry, ".", path);
	companions(source, entry, path);
}

static int
is_crt(const struct dirent *entry)
{
	static const char *const not[] = { ".issuer", ".ocsp", ".sctl", ".key", NULL };

	for (int i = 0; not[i] != NULL; i++)
		if (ends_in(entry->d_name, not[i]))
			return 0;
	return entry->d_name[0] != '.';
}

/* Sort names; those that differ only in .rsa and .ecdsa are one. */
static int
read_directory(struct source *source, const char *directory, struct snicert_error *err)
{
	struct dirent **list;
	int count = scandir(directory, &list, is_crt, alphasort);
	char *former = NULL;

	if (count < 0)
		return error_system(err, "%s", directory);
	for (int i = 0; i < count; i++) {
		char *path = source_path(directory, list[i]->d_name);

		source->no_memory |= path == NULL;
		for (int j = 0; path != NULL && bundle[j] != NULL; j++)
			if (ends_in(path, bundle[j]))
				path[strlen(path) - strlen(bundle[j])] = '\0';
		if (path != NULL && (former == NULL || strcmp(former, path) != 0) && !source_is_directory(path)) {
			struct source_entry *entry = source_add(source, path, 0);

			crt_files(source, entry, path);
			if (entry != NULL)
				entry->own_names = true;
		}
		free(former);
		former = path;
		free(list[i]);
	}
	free(former);
	free(list);
	return 0;
}

/* [alpn h2 key FILE …]: HAProxy's settings; only the key's place matters. */
static char *
take_options(struct source *source, struct source_entry *entry, const struct source_lines *lines, char *at,
    const char *directory)
{
	char *end = strchr(at, ']'), *inside = at + 1, *word;

	if (end == NULL) {
		source_fault(source, lines->path, lines->number, "a [ without its ]");
		return NULL;
	}
	*end = '\0';
	while ((word = source_word(&inside, " \t")) != NULL) {
		bool key = strcmp(word, "key") == 0, issuer = strcmp(word, "issuer") == 0;

		if (!key && !issuer)
			continue;
		word = source_word(&inside, " \t");
		if (word != NULL)
			source_file(source, entry, directory, word);
	}
	return end + 1;
}

/* Filters; *any: some name, so not the certificate's own. */
static void
take_filters(struct source *source, struct source_entry *entry, char *at, bool *fallback, bool *any)
{
	char *word;

	while (entry != NULL && (word = source_word(&at, " \t")) != NULL) {
		if (strcmp(word, "*") == 0) {
			*fallback = *any = true;
			source_fallback(source, entry, NULL);
		} else if (*word == '!') {
			source_name(source, entry, &entry->except, word + 1);
		} else {
			*any = true;
			source_name(source, entry, &entry->names, word);
		}
	}
}

struct list {
	struct source *source;
	const char *directory;             /* of relative paths */
	bool options, fallback;         /* some line has them */
};

static void
list_line(struct list *list, const struct source_lines *lines)
{
	struct source_entry *entry;
	char *at = lines->text, *crt = source_word(&at, " \t"), *path;
	bool any = false;

	if (crt == NULL)
		return;
	if (*crt == '@') {
		source_fault(list->source, lines->path, lines->number, "%s: certificates of a crt-store are not supported: "
		    "give the path", crt);
		return;
	}
	path = source_path(list->directory, crt);
	entry = path == NULL ? NULL : source_add(list->source, lines->path, lines->number);
	list->source->no_memory |= path == NULL;
	if (path != NULL && source_is_directory(path))
		source_fault(list->source, lines->path, lines->number, "%s is a directory, not a file", path);
	else if (path != NULL)
		crt_files(list->source, entry, path);
	free(path);
	at += strspn(at, " \t");
	if (*at == '[') {
		list->options = true;
		at = take_options(list->source, entry, lines, at, list->directory);
	}
	if (at != NULL)
		take_filters(list->source, entry, at, &list->fallback, &any);
	if (entry != NULL)
		entry->own_names = !any;
}

static int
read_list(struct source *source, const char *path, const char *directory, bool *has_default, struct snicert_error *err)
{
	struct list list = { .source = source };
	struct source_lines lines;
	char *own = source_directory(path);
	int status = own == NULL ? error_set(err, SNICERT_EMEMORY, "no memory")
	    : source_lines_open(&lines, source, path, err);

	list.directory = directory != NULL ? directory : own;
	while (status == 0 && source_lines_next(&lines))
		if (lines.text[strspn(lines.text, " \t")] != '#')
			list_line(&list, &lines);
	if (status == 0)
		source_lines_close(&lines);
	if (list.options)
		source_note(source, NULL, "%s: of the options in [ ] only key and issuer are imported", path);
	*has_default = *has_default || list.fallback;
	free(own);
	return status;
}

/* HAProxy's default is the first entry since `from`. */
static void
first_is_default(struct source *source, size_t from, const char *address)
{
	if (source->count > from)
		source_fallback(source, &source->entries[from], address);
}

/* --- haproxy.cfg ----------------------------------------------------------- */

struct cfg {
	struct source *source;
	const char *path;
	char *base;                     /* crt-base */
};

/* A bind line's local address, or NULL: all, or several. */
static char *
bind_address(char *text)
{
	unsigned char octets[sizeof(struct in6_addr)];
	char *colon, *at = strchr(text, '@');

	if (strchr(text, ',') != NULL)
		return NULL;
	text = at != NULL ? at + 1 : text;
	colon = strrchr(text, ':');
	if (colon == NULL)
		return NULL;
	*colon = '\0';
	if (*text == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		text++;
	}
	return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1 ? text : NULL;
}

static int
bind_crt(struct cfg *cfg, const struct source_lines *lines, const char *word, char *value, bool *has_default,
    struct snicert_error *err)
{
	const char *directory = cfg->base != NULL ? cfg->base : ".";
	char *path = source_path(strcmp(word, "crt-list") == 0 ? "." : directory, value);
	struct source_entry *entry;
	int status = 0;

	if (path == NULL) {
		cfg->source->no_memory = true;
	} else if (strcmp(word, "crt-list") == 0) {
		status = read_list(cfg->source, path, cfg->base, has_default, err);
	} else if (source_is_directory(path)) {
		status = read_directory(cfg->source, path, err);
	} else {
		entry = source_add(cfg->source, lines->path, lines->number);
		crt_files(cfg->source, entry, path);
		if (entry != NULL)
			entry->own_names = true;
	}
	free(path);
	return status;
}

static int
bind_line(struct cfg *cfg, const struct source_lines *lines, char *at, struct snicert_error *err)
{
	size_t first = cfg->source->count;
	char *where = source_word(&at, " \t"), *address = where == NULL ? NULL : bind_address(where), *word, *value;
	bool has_default = false;
	int status = 0;

	while (status == 0 && (word = source_word(&at, " \t")) != NULL) {
		if (*word == '#')
			break;
		if (strcmp(word, "crt") != 0 && strcmp(word, "crt-list") != 0 && strcmp(word, "default-crt") != 0)
			continue;
		value = source_word(&at, " \t");
		if (value == NULL)
			source_fault(cfg->source, lines->path, lines->number, "%s needs a path", word);
		else if (strcmp(word, "default-crt") == 0)
			first = cfg->source->count;
		if (value != NULL)
			status = bind_crt(cfg, lines, word, value, &has_default, err);
	}
	if (!has_default)
		first_is_default(cfg->source, first, address);
	return status;
}

static int
read_cfg(struct cfg *cfg, struct snicert_error *err)
{
	struct source_lines lines;
	int status = 0;

	if (source_lines_open(&lines, cfg->source, cfg->path, err) != 0)
		return -1;
	while (status == 0 && source_lines_next(&lines)) {
		char *at = lines.text, *word = source_word(&at, " \t");

		if (word != NULL && strcmp(word, "crt-base") == 0 && (word = source_word(&at, " \t")) != NULL) {
			free(cfg->base);
			cfg->base = strdup(word);
			cfg->source->no_memory |= cfg->base == NULL;
		} else if (word != NULL && strcmp(word, "bind") == 0) {
			status = bind_line(cfg, &lines, at, err);
		}
	}
	source_lines_close(&lines);
	free(cfg->base);
	return status;
}

static bool
is_cfg(const char *path)
{
	static const char *const sections[] = { "global", "defaults", "frontend", "listen", "backend", NULL };
	struct source scratch = {0};
	struct source_lines lines;
	bool it_is = false;

	if (strcmp(path, "-") == 0 || source_lines_open(&lines, &scratch, path, NULL) != 0)
		return false;
	if (source_lines_logical(&lines)) {
		char *at = lines.text, *word = source_word(&at, " \t");

		for (int i = 0; word != NULL && sections[i] != NULL; i++)
			it_is = it_is || strcmp(word, sections[i]) == 0;
	}
	source_lines_close(&lines);
	source_free(&scratch);
	return it_is;
}

int
source_haproxy(struct source *source, const char *path, struct snicert_error *err)
{
	struct cfg cfg = { source, path, NULL };
	bool has_default = false;
	int status;

	if (is_cfg(path))
		return read_cfg(&cfg, err);
	status = source_is_directory(path) ? read_directory(source, path, err) : read_list(source, path, NULL, &has_default, err);
	if (status == 0 && !has_default)
		first_is_default(source, 0, NULL);
	return status;
}
