/* SPDX-License-Identifier: ISC */
/*
 * source_tree.c: directories where a place or a file's name says what a certificate is for: Exim's
 * by $tls_in_sni, Haraka's config, mailcow's and Virtualmin's.
 */
#include <dirent.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "intake/directory.h"
#include "migrate/source.h"

/* DIRECTORY/NAME, if it exists; the caller frees it. */
static char *
path_of(struct source *source, const char *directory, const char *name)
{
	char *path = source_path(directory, name);

	source->no_memory |= path == NULL;
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static bool
add_if_there(struct source *source, struct source_entry *entry, const char *directory, const char *name)
{
	char *path = path_of(source, directory, name);
	bool there = path != NULL;

	if (there)
		source_file(source, entry, ".", path);
	free(path);
	return there;
}

/* --- Exim: NAME.crt and NAME.key, NAME.pem, or a directory NAME --------------- */

static int
exim_group(void *arg, const char *group, const char *const *files, size_t count)
{
	struct source *source = arg;
	struct source_entry *entry;
	const char *slash = strrchr(group, '/'), *name = slash != NULL ? slash + 1 : group;

	if (strcmp(name, "default") != 0 && strchr(name, '.') == NULL) {
		source_note(source, NULL, "%s: %s is not a name that clients ask for; left out: "
		    "use `snicert import --no-bind` and `snicert fallback` if it is for unknown names", group, name);
		return 0;
	}
	entry = source_add(source, group, 0);
	if (entry == NULL)
		return 0;
	for (size_t i = 0; i < count; i++)
		source_file(source, entry, ".", files[i]);
	if (strcmp(name, "default") == 0)
		source_fallback(source, entry, NULL);
	else
		source_name(source, entry, &entry->names, name);
	return 0;
}

int
source_exim(struct source *source, const char *path, struct snicert_error *err)
{
	return directory_walk(path, exim_group, source, err);
}

/* --- Haraka: config/tls.ini, config/tls ------------------------------------ */

static int
own_group(void *arg, const char *group, const char *const *files, size_t count)
{
	struct source *source = arg;
	struct source_entry *entry = source_add(source, group, 0);

	for (size_t i = 0; entry != NULL && i < count; i++)
		source_file(source, entry, ".", files[i]);
	if (entry != NULL)
		entry->own_names = true;
	return 0;
}

/* The main section of tls.ini. */
static void
haraka_ini(struct source *source, struct source_entry *entry, const char *directory, const char *ini)
{
	struct source_lines lines;
	bool key = false, cert = false;

	if (source_lines_open(&lines, source, ini, NULL) == 0) {
		while (source_lines_next(&lines)) {
			char *at = lines.text, *name = source_word(&at, " \t="), *value;

			if (name == NULL || *name == ';' || *name == '#')
				continue;
			if (*name == '[' && strcmp(name, "[main]") != 0)
				break;
			value = source_word(&at, " \t=");
			if (value == NULL || (strcmp(name, "key") != 0 && strcmp(name, "cert") != 0))
				continue;
			key = key || *name == 'k';
			cert = cert || *name == 'c';
			source_file(source, entry, directory, value);
		}
		source_lines_close(&lines);
	}
	if (!key)
		add_if_there(source, entry, directory, "tls_key.pem");
	if (!cert)
		add_if_there(source, entry, directory, "tls_cert.pem");
}

static void
haraka_own(struct source *source, const char *directory, const char *ini)
{
	struct source_entry *entry = source_add(source, ini != NULL ? ini : directory, 0);

	haraka_ini(source, entry, directory, ini != NULL ? ini : "/dev/null");
	source_fallback(source, entry, NULL);
	if (entry != NULL && entry->files.count == 0)
		source_drop_last(source);
}

int
source_haraka(struct source *source, const char *path, struct snicert_error *err)
{
	char *config = path_of(source, path, "config"), *directory = config != NULL ? config : strdup(path), *ini, *tls;
	int status = 0;

	if (directory == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	ini = path_of(source, directory, "tls.ini");
	tls = path_of(source, directory, "tls");
	haraka_own(source, directory, ini);
	/* An empty one is none. */
	if (tls != NULL && directory_walk(tls, own_group, source, err) != 0 && source->count > 0)
		error_clear(err);
	else if (tls != NULL && source->count == 0)
		status = -1;
	else if (source->count == 0)
		status = directory_walk(directory, own_group, source, err);
	free(ini);
	free(tls);
	free(directory);
	return status;
}

/* --- mailcow: data/assets/ssl ---------------------------------------------- */

static void
mailcow_names(struct source *source, struct source_entry *entry, const char *path)
{
	struct source_lines lines;

	if (source_lines_open(&lines, source, path, NULL) != 0)
		return;
	while (source_lines_next(&lines)) {
		char *at = lines.text, *name;

		while (entry != NULL && (name = source_word(&at, " \t")) != NULL)
			source_name(source, entry, &entry->names, name);
	}
	source_lines_close(&lines);
}

/* mailcow's own script also skips a directory without `domains`. */
static void
mailcow_directory(struct source *source, const char *directory)
{
	char *domains = path_of(source, directory, "domains");
	struct source_entry *entry;

	if (domains != NULL) {
		entry = source_add(source, directory, 0);
		source_file(source, entry, directory, "key.pem");
		source_file(source, entry, directory, "cert.pem");
		mailcow_names(source, entry, domains);
	}
	free(domains);
}

int
source_mailcow(struct source *source, const char *path, struct snicert_error *err)
{
	char *assets = path_of(source, path, "data/assets/ssl"), *directory = assets != NULL ? assets : strdup(path);
	char *pattern = NULL, *own;
	glob_t found = {0};

	if (directory == NULL || asprintf(&pattern, "%s/*/cert.pem", directory) < 0) {
		free(directory);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	own = path_of(source, directory, "cert.pem");
	if (own != NULL) {
		struct source_entry *entry = source_add(source, directory, 0);

		source_file(source, entry, directory, "key.pem");
		source_file(source, entry, directory, "cert.pem");
		source_fallback(source, entry, NULL);
		if (entry != NULL)
			entry->own_names = true;
	}
	if (glob(pattern, 0, NULL, &found) == GLOB_NOSPACE)
		source->no_memory = true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		*strrchr(found.gl_pathv[i], '/') = '\0';
		mailcow_directory(source, found.gl_pathv[i]);
	}
	globfree(&found);
	free(own);
	free(pattern);
	free(directory);
	return 0;
}

/* --- Virtualmin: files of domains' homes, or its own records of domains ---- */

static void
virtualmin_home(struct source *source, const char *directory)
{
	struct source_entry *entry = source_add(source, directory, 0);

	source_file(source, entry, directory, "ssl.cert");
	add_if_there(source, entry, directory, "ssl.ca");
	if (!add_if_there(source, entry, directory, "ssl.key"))
		source_key(source, entry, directory, "ssl.everything");
	if (entry != NULL)
		entry->own_names = true;
}

static void
virtualmin_homes(struct source *source, const char *path)
{
	static const char *const patterns[] = { "ssl.cert", "*/ssl.cert", "*/domains/*/ssl.cert" };

	for (size_t i = 0; i < 3; i++) {
		char *pattern = source_path(path, patterns[i]);
		glob_t found = {0};

		source->no_memory |= pattern == NULL || glob(pattern, 0, NULL, &found) == GLOB_NOSPACE;
		for (size_t j = 0; j < found.gl_pathc; j++) {
			*strrchr(found.gl_pathv[j], '/') = '\0';
			virtualmin_home(source, found.gl_pathv[j]);
		}
		globfree(&found);
		free(pattern);
	}
}

/* /etc/webmin/virtual-server/domains/ID: name=value lines. */
static void
virtualmin_record(struct source *source, const char *path)
{
	static const char *const wanted[] = { "ssl_cert", "ssl_key", "ssl_chain" };
	char *values[3] = { NULL, NULL, NULL };
	struct source_entry *entry;
	struct source_lines lines;

	if (source_lines_open(&lines, source, path, NULL) != 0)
		return;
	while (source_lines_next(&lines)) {
		char *equals = strchr(lines.text, '=');

		if (equals == NULL)
			continue;
		*equals = '\0';
		for (int i = 0; i < 3; i++) {
			if (strcmp(lines.text, wanted[i]) == 0 && equals[1] == '/') {
				free(values[i]);
				values[i] = strdup(equals + 1);
				source->no_memory |= values[i] == NULL;
			}
		}
	}
	source_lines_close(&lines);
	entry = values[0] == NULL ? NULL : source_add(source, path, 0);
	for (int i = 0; i < 3; i++) {
		if (values[i] != NULL && entry != NULL)
			source_file(source, entry, ".", values[i]);
		free(values[i]);
	}
	if (entry != NULL)
		entry->own_names = true;
}

static int
is_record(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_name[strspn(entry->d_name, "0123456789")] == '\0';
}

int
source_virtualmin(struct source *source, const char *path, struct snicert_error *err)
{
	struct dirent **list;
	int count = scandir(path, &list, is_record, alphasort);

	if (count < 0)
		return error_system(err, "%s", path);
	for (int i = 0; i < count; i++) {
		char *record = source_path(path, list[i]->d_name);

		source->no_memory |= record == NULL;
		if (record != NULL)
			virtualmin_record(source, record);
		free(record);
		free(list[i]);
	}
	free(list);
	if (source->count == 0)
		virtualmin_homes(source, path);
	return 0;
}
