/* SPDX-License-Identifier: ISC */
/*
 * source_postfix.c: sources of tls_server_sni_maps, main.cf (or postconf's output) and master.cf;
 * and the plain mapping file, which is similar.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "migrate/source.h"

#define EXPANSIONS_MOST 32      /* one within another */

struct parameter {
	char *name, *value;
	size_t line;
};

struct configuration {
	const char *path;
	char *directory;
	struct parameter *list;
	size_t count;
};

static const char between[] = ", \t";

/* --- the map: NAME FILE[, FILE]… ------------------------------------------- */

static void
map_files(struct source *source, struct source_entry *entry, const char *path, size_t line, const char *directory,
    char *at)
{
	char *file;

	while ((file = source_word(&at, between)) != NULL)
		source_file(source, entry, directory, file);
	if (entry != NULL && entry->files.count == 0)
		source_fault(source, path, line, "the name has no files: write NAME FILE, ...");
}

static void
map_entry(struct source *source, const char *path, size_t line, const char *directory, const char *key, char *files)
{
	struct source_entry *entry = source_add(source, path, line);
	char *name;

	if (entry == NULL)
		return;
	if (key[0] != '.') {
		source_name(source, entry, &entry->names, key);
	} else if (asprintf(&name, "*%s", key) < 0) {
		source->no_memory = true;
	} else {
		source_name(source, entry, &entry->names, name);
		source_note(source, entry, "%s: %s matches names of any depth in Postfix, but %s matches one label here: "
		    "bind the deeper names, or they get the fallback", entry->place, key, name);
		free(name);
	}
	map_files(source, entry, path, line, directory, files);
}

static int
read_map(struct source *source, const char *path, struct snicert_error *err)
{
	struct source_lines lines;
	char *directory;

	if (source_lines_open(&lines, source, path, err) != 0)
		return -1;
	directory = source_directory(path);
	source->no_memory |= directory == NULL;
	while (directory != NULL && source_lines_logical(&lines)) {
		char *at = lines.text, *key = source_word(&at, " \t");

		if (key != NULL)
			map_entry(source, lines.path, lines.number, directory, key, at);
	}
	source_lines_close(&lines);
	free(directory);
	return 0;
}

/* "fallback", "fallback@ADDRESS", or the same with "default", the older word. */
static bool
is_fallback(const char *key, const char **address)
{
	size_t length = strcspn(key, "@");
	bool is = (length == 8 && strncmp(key, "fallback", length) == 0) ||
	    (length == 7 && strncmp(key, "default", length) == 0);

	*address = is && key[length] == '@' ? key + length + 1 : NULL;
	return is;
}

/* NAME, *.PARENT, fallback or fallback@ADDRESS */
static void
plain_line(struct source *source, const struct source_lines *lines, const char *directory)
{
	struct source_entry *entry = source_add(source, lines->path, lines->number);
	char *at = lines->text, *key = source_word(&at, " \t");
	const char *address;

	if (entry == NULL || key == NULL)
		return;
	if (!is_fallback(key, &address))
		source_name(source, entry, &entry->names, key);
	else if (!source_fallback(source, entry, address))
		source_fault(source, lines->path, lines->number, "%s is not an IPv4 or IPv6 address", address);
	map_files(source, entry, lines->path, lines->number, directory, at);
}

int
source_map(struct source *source, const char *path, struct snicert_error *err)
{
	struct source_lines lines;
	char *directory;

	if (source_lines_open(&lines, source, path, err) != 0)
		return -1;
	directory = source_directory(path);
	source->no_memory |= directory == NULL;
	while (directory != NULL && source_lines_logical(&lines))
		plain_line(source, &lines, directory);
	source_lines_close(&lines);
	free(directory);
	return 0;
}

/* --- main.cf --------------------------------------------------------------- */

static void
configuration_clear(struct configuration *configuration)
{
	for (size_t i = 0; i < configuration->count; i++) {
		free(configuration->list[i].name);
		free(configuration->list[i].value);
	}
	free(configuration->list);
	free(configuration->directory);
	memset(configuration, 0, sizeof(*configuration));
}

/* NAME = VALUE, terminated in place; NULL if it isn't. */
static char *
split_setting(char *text, char **value)
{
	char *end = text + strcspn(text, " \t=");
	char *equals = end + strspn(end, " \t");

	if (end == text || *equals != '=')
		return NULL;
	*value = equals + 1 + strspn(equals + 1, " \t");
	*end = '\0';
	for (char *tail = *value + strlen(*value); tail > *value && isspace((unsigned char)tail[-1]);)
		*--tail = '\0';
	return text;
}

static void
add_parameter(struct source *source, struct configuration *to, const struct source_lines *lines)
{
	struct parameter *list;
	char *value, *name = split_setting(lines->text, &value);

	if (name == NULL) {
		source_fault(source, lines->path, lines->number, "this is not NAME = VALUE, as in main.cf");
		return;
	}
	list = reallocarray(to->list, to->count + 1, sizeof(*list));
	if (list == NULL) {
		source->no_memory = true;
		return;
	}
	to->list = list;
	list[to->count] = (struct parameter){ strdup(name), strdup(value), lines->number };
	source->no_memory |= list[to->count].name == NULL || list[to->count].value == NULL;
	to->count++;
}

/* The last one counts, as in Postfix. */
static const struct parameter *
find(const struct configuration *in, const char *name, size_t length)
{
	for (size_t i = in->count; i > 0; i--)
		if (strlen(in->list[i - 1].name) == length && strncmp(in->list[i - 1].name, name, length) == 0)
			return &in->list[i - 1];
	return NULL;
}

struct expansion {
	struct source *source;
	const struct configuration *in;
	size_t line;
	FILE *out;
	int depth;
	bool failed;
};

static void expand_text(struct expansion *, const char *text);

static void
expand_name(struct expansion *e, const char *name, size_t length)
{
	const struct parameter *parameter = find(e->in, name, length);

	if (length == 16 && strncmp(name, "config_directory", 16) == 0 && parameter == NULL &&
	    strcmp(e->in->path, "-") != 0) {
		fputs(e->in->directory, e->out);
	} else if (parameter == NULL || ++e->depth > EXPANSIONS_MOST) {
		source_fault(e->source, e->in->path, e->line, "$%.*s can't be expanded from this file: "
		    "give what `postconf -x` prints", (int)length, name);
		e->failed = true;
	} else {
		expand_text(e, parameter->value);
		e->depth--;
	}
}

/* $name, ${name}, $(name), and $$; not ${name?…}. */
static void
expand_text(struct expansion *e, const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	while (*text != '\0' && !e->failed) {
		bool bracket;
		size_t length;

		if (*text != '$' || text[1] == '$') {
			text += *text == '$';
			fputc(*text++, e->out);
			continue;
		}
		bracket = text[1] == '{' || text[1] == '(';
		text += 1 + bracket;
		length = strspn(text, letters);
		if (length == 0 || (bracket && text[length] != '}' && text[length] != ')')) {
			source_fault(e->source, e->in->path, e->line, "conditional expansions are not supported: "
			    "give what `postconf -x` prints");
			e->failed = true;
			return;
		}
		expand_name(e, text, length);
		text += length + bracket;
	}
}

/* The caller frees it; NULL if missing, or a fault. */
static char *
expand(struct source *source, const struct configuration *in, const char *text, size_t line)
{
	char *out = NULL;
	size_t length = 0;
	struct expansion e = { source, in, line, open_memstream(&out, &length), 0, false };

	if (e.out == NULL) {
		source->no_memory = true;
		return NULL;
	}
	expand_text(&e, text);
	if (fclose(e.out) != 0 || e.failed) {
		source->no_memory |= !e.failed;
		free(out);
		return NULL;
	}
	return out;
}

static char *
value_of(struct source *source, const struct configuration *in, const char *name, size_t *line)
{
	const struct parameter *parameter = find(in, name, strlen(name));

	if (parameter == NULL)
		return NULL;
	if (line != NULL && *line == 0)
		*line = parameter->line;
	return expand(source, in, parameter->value, parameter->line);
}

/* A list of files, or "none". */
static void
add_files(struct source *source, struct source_entry *entry, const char *directory, char *value)
{
	char *file;

	while (value != NULL && (file = source_word(&value, between)) != NULL)
		if (strcmp(file, "none") != 0)
			source_file(source, entry, directory, file);
}

/*
 * The server's own chains: from smtpd_tls_chain_files, else from the older pairs, where a missing
 * key is in the certificate's file.
 */
static void
own_chains(struct source *source, struct source_entry *entry, const struct configuration *in)
{
	static const char *const older[] = {
		"smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_eccert_file",
		"smtpd_tls_eckey_file", "smtpd_tls_dcert_file", "smtpd_tls_dkey_file",
	};
	char *value = value_of(source, in, "smtpd_tls_chain_files", NULL);

	add_files(source, entry, in->directory, value);
	free(value);
	if (entry == NULL || entry->files.count > 0)
		return;
	for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
		value = value_of(source, in, older[i], NULL);
		add_files(source, entry, in->directory, value);
		free(value);
	}
}

static size_t
line_of_chains(const struct configuration *in)
{
	const struct parameter *parameter = find(in, "smtpd_tls_chain_files", 21);

	if (parameter == NULL || parameter->value[0] == '\0')
		parameter = find(in, "smtpd_tls_cert_file", 19);
	if (parameter == NULL)
		parameter = find(in, "smtpd_tls_eccert_file", 21);
	return parameter == NULL || strcmp(parameter->value, "none") == 0 ? 0 : parameter->line;
}

/* The next word of a list whose braces keep words together, ended in place; NULL at the end. */
static char *
braced_word(char **at)
{
	char *word = *at + strspn(*at, between), *end = word;

	for (int depth = 0; *end != '\0' && (depth > 0 || strchr(between, *end) == NULL); end++)
		depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
	*at = end + (*end != '\0');
	*end = '\0';
	return word == end ? NULL : word;
}

/* What is between its braces, in place, without white space around; NULL if it has none. */
static char *
unbraced(char *text)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != '{' || text[length - 1] != '}')
		return NULL;
	do
		text[--length] = '\0';
	while (isspace((unsigned char)text[length - 1]));
	return text + 1 + strspn(text + 1, " \t");
}

/* inline:{ NAME=FILE, { NAME = FILE, FILE } } */
static void
inline_map(struct source *source, const struct configuration *in, char *map, size_t line)
{
	char *at = unbraced(map), *word, *files;

	if (at == NULL)
		source_fault(source, in->path, line, "an inline: map is not in { }");
	while (at != NULL && (word = braced_word(&at)) != NULL) {
		char *pair = word[0] == '{' ? unbraced(word) : word;

		if (pair != NULL && split_setting(pair, &files) != NULL)
			map_entry(source, in->path, line, in->directory, pair, files);
		else
			source_fault(source, in->path, line, "in an inline: map, %s is not NAME = FILE", pair != NULL ? pair : word);
	}
}

/* One of tls_server_sni_maps: TYPE:PATH; we want the text file that postmap read. */
static int
one_map(struct source *source, const struct configuration *in, char *map, size_t line, struct snicert_error *err)
{
	static const char *const indexed[] = { "hash", "btree", "cdb", "dbm", "lmdb", "sdbm", "texthash", NULL };
	char *colon = strchr(map, ':'), *path;
	bool known = colon == NULL;
	int status;

	if (strncmp(map, "proxy:", 6) == 0)
		return one_map(source, in, map + 6, line, err);
	if (strncmp(map, "inline:", 7) == 0) {
		inline_map(source, in, map + 7, line);
		return 0;
	}
	for (size_t i = 0; colon != NULL && indexed[i] != NULL; i++)
		known = known || (strlen(indexed[i]) == (size_t)(colon - map) &&
		    strncmp(map, indexed[i], strlen(indexed[i])) == 0);
	if (!known) {
		source_note(source, NULL, "%s:%zu: %s is not a map made from a text file; its names are left out",
		    in->path, line, map);
		return 0;
	}
	path = source_path(in->directory, colon != NULL ? colon + 1 : map);
	if (path == NULL) {
		source->no_memory = true;
		return 0;
	}
	status = read_map(source, path, err);
	free(path);
	return status;
}

static int
all_maps(struct source *source, const struct configuration *in, struct snicert_error *err)
{
	size_t line = 0;
	char *value = value_of(source, in, "tls_server_sni_maps", &line), *at = value, *map;
	int status = 0;

	while (status == 0 && at != NULL && (map = braced_word(&at)) != NULL)
		status = one_map(source, in, map, line, err);
	free(value);
	return status;
}

static int
read_main(struct source *source, struct configuration *in, struct snicert_error *err)
{
	struct source_lines lines;
	char *directory;
	size_t line;

	directory = source_directory(in->path);
	/* Absolute, like $config_directory. */
	in->directory = directory == NULL ? NULL : realpath(directory, NULL);
	if (in->directory == NULL && directory != NULL) {
		in->directory = directory;
		directory = NULL;
	}
	free(directory);
	if (in->directory == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (source_lines_open(&lines, source, in->path, err) != 0)
		return -1;
	while (source_lines_logical(&lines))
		add_parameter(source, in, &lines);
	source_lines_close(&lines);
	line = line_of_chains(in);
	if (line != 0) {
		struct source_entry *entry = source_add(source, in->path, line);

		own_chains(source, entry, in);
		source_fallback(source, entry, NULL);
	}
	return all_maps(source, in, err);
}

/* --- master.cf: a service of its own address with -o smtpd_tls_… ----------- */

static bool
about_chains(const char *name)
{
	static const char *const names[] = { "smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_key_file",
		"smtpd_tls_eccert_file", "smtpd_tls_eckey_file", NULL };

	for (size_t i = 0; names[i] != NULL; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* 192.0.2.1:smtp, [2001:db8::1]:25: terminated in place; NULL if for all addresses, or a host's name. */
static char *
address_of(char *service)
{
	unsigned char octets[sizeof(struct in6_addr)];
	char *colon = strrchr(service, ':');

	if (colon == NULL)
		return NULL;
	*colon = '\0';
	if (service[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		service++;
	}
	return inet_pton(AF_INET, service, octets) == 1 || inet_pton(AF_INET6, service, octets) == 1 ? service : NULL;
}

/* A service's -o options, as further parameters; *relevant: some are about chains. */
static void
add_options(struct source *source, struct configuration *in, char *at, size_t line, bool *relevant)
{
	char *word;

	while ((word = source_word(&at, " \t")) != NULL) {
		struct source_lines option = { .path = in->path, .number = line };
		char *equals;

		if (strcmp(word, "-o") != 0 || (at += strspn(at, " \t"), *at == '\0'))
			continue;
		/* { name = value, value } */
		if (*at == '{') {
			option.text = at + 1 + strspn(at + 1, " \t");
			at += strcspn(at, "}");
			if (*at != '\0')
				*at++ = '\0';
		} else {
			option.text = source_word(&at, " \t");
		}
		equals = strchr(option.text, '=');
		if (equals == NULL)
			continue;
		add_parameter(source, in, &option);
		*relevant = *relevant || (in->count > 0 && about_chains(in->list[in->count - 1].name));
		if (in->count > 0 && strcmp(in->list[in->count - 1].name, "tls_server_sni_maps") == 0)
			source_note(source, NULL, "%s:%zu: tls_server_sni_maps for this service only is not read",
			    in->path, line);
	}
}

static void
master_line(struct source *source, struct configuration *in, const struct source_lines *lines)
{
	size_t former = in->count;
	char *at = lines->text, *service = source_word(&at, " \t"), *type = source_word(&at, " \t"), *command = NULL;
	bool relevant = false;

	for (int i = 0; i < 6; i++)
		command = source_word(&at, " \t");
	if (type == NULL || command == NULL || strcmp(command, "smtpd") != 0)
		return;
	add_options(source, in, at, lines->number, &relevant);
	if (relevant) {
		char *name = strdup(service), *address = strcmp(type, "inet") == 0 ? address_of(service) : NULL;

		if (address != NULL) {
			struct source_entry *entry = source_add(source, lines->path, lines->number);

			own_chains(source, entry, in);
			source_fallback(source, entry, address);
		} else {
			source_note(source, NULL, "%s:%zu: certificates for the service %s only are left out: the store has "
			    "fallbacks by address, not by port", lines->path, lines->number, name != NULL ? name : service);
		}
		free(name);
	}
	while (in->count > former) {
		free(in->list[--in->count].name);
		free(in->list[in->count].value);
	}
}

static void
read_master(struct source *source, struct configuration *in, const char *path)
{
	struct source_lines lines;
	const char *former = in->path;

	if (access(path, F_OK) != 0 || source_lines_open(&lines, source, path, NULL) != 0)
		return;
	in->path = path;
	while (source_lines_logical(&lines))
		master_line(source, in, &lines);
	source_lines_close(&lines);
	in->path = former;
}

/* A directory like /etc/postfix. */
static int
read_directory(struct source *source, const char *directory, struct snicert_error *err)
{
	struct configuration in = {0};
	char *main_cf = source_path(directory, "main.cf"), *master_cf = source_path(directory, "master.cf");
	int status = main_cf == NULL || master_cf == NULL ? error_set(err, SNICERT_EMEMORY, "no memory") : 0;

	in.path = main_cf;
	if (status == 0)
		status = read_main(source, &in, err);
	if (status == 0)
		read_master(source, &in, master_cf);
	configuration_clear(&in);
	free(main_cf);
	free(master_cf);
	return status;
}

/* NAME = VALUE; in a map, no line has "=" there. */
static bool
is_main(const char *path)
{
	struct source scratch = {0};
	struct source_lines lines;
	char *value;
	bool it_is = false;

	/* We can't read standard input twice: people pipe postconf in. */
	if (strcmp(path, "-") == 0)
		return true;
	if (source_lines_open(&lines, &scratch, path, NULL) != 0)
		return false;
	if (source_lines_logical(&lines))
		it_is = split_setting(lines.text, &value) != NULL;
	source_lines_close(&lines);
	source_free(&scratch);
	return it_is;
}

int
source_postfix(struct source *source, const char *path, struct snicert_error *err)
{
	struct configuration in = { .path = path };
	int status;

	if (strcmp(path, "-") != 0 && source_is_directory(path))
		return read_directory(source, path, err);
	if (!is_main(path))
		return read_map(source, path, err);
	status = read_main(source, &in, err);
	configuration_clear(&in);
	return status;
}
