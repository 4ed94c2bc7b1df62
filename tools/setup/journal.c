/* SPDX-License-Identifier: ISC */
/* journal.c: what `snicert setup --apply` changed.  Knows copies and lines, not their purpose. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "setup/edit.h"
#include "setup/journal.h"
#include "setup/setup.h"

static void
name_of(const struct journal *journal, const char *name, char out[PATH_MAX + 32])
{
	snprintf(out, PATH_MAX + 32, "%s/%s", journal->directory, name);
}

static void
copy_name(const struct journal *journal, unsigned number, const char *what, char out[PATH_MAX + 32])
{
	char name[32];

	snprintf(name, sizeof(name), "%u.%s", number, what);
	name_of(journal, name, out);
}

static struct journal_entry *
append(struct journal *journal)
{
	struct journal_entry *more = realloc(journal->entries, (journal->count + 1) * sizeof(*more));

	if (more == NULL)
		return NULL;
	journal->entries = more;
	memset(&more[journal->count], 0, sizeof(*more));
	return &more[journal->count++];
}

static int
parse(struct journal *journal, char *text, struct snicert_error *err)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		struct journal_entry *entry = append(journal);

		if (entry == NULL)
			return error_set(err, SNICERT_EMEMORY, "no memory");
		/* NOLINTNEXTLINE(cert-err34-c): a number of ours */
		if (sscanf(line, "%15s %u %63s %4095[^\n]", entry->kind, &entry->number, entry->server, entry->path) != 4)
			return error_set(err, SNICERT_EINPUT, "%s/journal can't be read: %s", journal->directory, line);
	}
	return 0;
}

static int
take(struct journal *journal, struct snicert_error *err)
{
	char path[PATH_MAX + 32], *text = NULL;
	int rc;

	journal->lock = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->lock < 0)
		return errno == ENOENT ? 0 : error_system(err, "can't open %s", journal->directory);
	if (flock(journal->lock, LOCK_EX | LOCK_NB) != 0)
		return error_system(err, "another `snicert setup` is running in %s", journal->directory);
	name_of(journal, "journal", path);
	rc = edit_read(path, &text, err);
	if (rc == 0 && text != NULL)
		rc = parse(journal, text, err);
	free(text);
	return rc;
}

int
journal_open(struct journal *journal, const char *store_path, struct snicert_error *err)
{
	memset(journal, 0, sizeof(*journal));
	setup_beside(store_path, "setup", journal->directory, sizeof(journal->directory));
	return take(journal, err);
}

/* Only when needed: `init` creates the store's directory. */
static int
make(struct journal *journal, struct snicert_error *err)
{
	if (journal->lock >= 0)
		return 0;
	if (mkdir(journal->directory, 0700) != 0 && errno != EEXIST)
		return error_system(err, "can't create %s, which keeps the changes", journal->directory);
	return take(journal, err);
}

void
journal_close(struct journal *journal)
{
	if (journal->lock >= 0)
		close(journal->lock);
	free(journal->entries);
}

static bool
same(const char *wanted, const char *is)
{
	return wanted == NULL || strcmp(wanted, is) == 0;
}

bool
journal_has(const struct journal *journal, const char *kind, const char *server, const char *path)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_entry *entry = &journal->entries[i];

		if (entry->kind[0] != '\0' && same(kind, entry->kind) && same(server, entry->server) && same(path, entry->path))
			return true;
	}
	return false;
}

int
journal_save(const struct journal *journal, struct snicert_error *err)
{
	char path[PATH_MAX + 32], *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int rc;

	if (out == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_entry *entry = &journal->entries[i];

		if (entry->kind[0] != '\0')
			fprintf(out, "%s %u %s %s\n", entry->kind, entry->number, entry->server, entry->path);
	}
	fclose(out);
	name_of(journal, "journal", path);
	rc = edit_write(path, text, err);
	free(text);
	return rc;
}

/* What can't be read back. */
static int
judge_words(const char *server, const char *path, struct snicert_error *err)
{
	if (server[0] == '\0' || strpbrk(server, " \t\n") != NULL || strchr(path, '\n') != NULL)
		return error_set(err, SNICERT_EINPUT, "--apply can't handle a program name with a blank or a path with a line break");
	return 0;
}

int
journal_mark(struct journal *journal, const char *kind, const char *server, const char *path, struct snicert_error *err)
{
	struct journal_entry *entry;

	if (judge_words(server, path, err) != 0 || make(journal, err) != 0)
		return -1;
	entry = append(journal);
	if (entry == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	snprintf(entry->kind, sizeof(entry->kind), "%s", kind);
	snprintf(entry->server, sizeof(entry->server), "%s", server);
	snprintf(entry->path, sizeof(entry->path), "%s", path);
	return journal_save(journal, err);
}

int
journal_rewrite(const struct journal *journal, const struct journal_entry *entry, const char *before, const char *after,
    struct snicert_error *err)
{
	char path[PATH_MAX + 32];

	copy_name(journal, entry->number, "before", path);
	if (edit_write(path, before, err) != 0)
		return -1;
	copy_name(journal, entry->number, "after", path);
	return edit_write(path, after, err);
}

int
journal_change(struct journal *journal, const char *server, const char *path, const char *before, const char *after,
    struct snicert_error *err)
{
	struct journal_entry entry = { .kind = "change", .number = 1 }, *place;

	if (judge_words(server, path, err) != 0 || make(journal, err) != 0)
		return -1;
	for (size_t i = 0; i < journal->count; i++) {
		struct journal_entry *other = &journal->entries[i];

		if (other->number >= entry.number)
			entry.number = other->number + 1;
		if (strcmp(other->kind, "restarted") == 0 && strcmp(other->server, server) == 0)
			other->kind[0] = '\0';
	}
	snprintf(entry.server, sizeof(entry.server), "%s", server);
	snprintf(entry.path, sizeof(entry.path), "%s", path);
	place = append(journal);
	if (place == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	*place = entry;
	return journal_rewrite(journal, &entry, before, after, err) != 0 ? -1 : journal_save(journal, err);
}

int
journal_copies(const struct journal *journal, const struct journal_entry *entry, char **before, char **after,
    struct snicert_error *err)
{
	char path[PATH_MAX + 32];

	*before = *after = NULL;
	copy_name(journal, entry->number, "before", path);
	if (edit_read(path, before, err) != 0)
		return -1;
	copy_name(journal, entry->number, "after", path);
	return edit_read(path, after, err);
}

void
journal_drop(struct journal *journal, struct journal_entry *entry)
{
	char path[PATH_MAX + 32];

	if (strcmp(entry->kind, "change") == 0) {
		copy_name(journal, entry->number, "before", path);
		unlink(path);
		copy_name(journal, entry->number, "after", path);
		unlink(path);
	}
	entry->kind[0] = '\0';
}
