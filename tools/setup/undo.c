/* SPDX-License-Identifier: ISC */
/*
 * undo.c: undoes what `snicert setup --apply` changed in files, last first.  If others have changed
 * a file since, it only says what to remove.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "setup/apply.h"
#include "setup/edit.h"
#include "setup/journal.h"
#include "show/text.h"

struct undo {
	struct journal journal;
	bool yes;
	struct apply_outcome *outcome;
};

/* A change's copies, and the file now; NULL if there is no file. */
struct texts {
	char *before, *after, *now;
};

static bool
equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
put_about(const char *path, const char *text)
{
	text_put(stdout, path, strlen(path));
	puts(text);
}

/* Another server relies on what this change added: it takes the change over. */
static bool
hand_over(struct undo *undo, struct journal_entry *entry)
{
	for (size_t i = 0; i < undo->journal.count; i++) {
		struct journal_entry *other = &undo->journal.entries[i];

		if (strcmp(other->kind, "use") != 0 || strcmp(other->path, entry->path) != 0)
			continue;
		text_put(stdout, entry->path, strlen(entry->path));
		printf(" stays: %s uses it too.\n", other->server);
		snprintf(entry->server, sizeof(entry->server), "%s", other->server);
		other->kind[0] = '\0';
		return true;
	}
	return false;
}

/* The last recorded change of a file. */
static struct journal_entry *
last_change(struct undo *undo, const char *path)
{
	for (size_t i = undo->journal.count; i-- > 0;) {
		struct journal_entry *entry = &undo->journal.entries[i];

		if (strcmp(entry->kind, "change") == 0 && strcmp(entry->path, path) == 0)
			return entry;
	}
	return NULL;
}

/* The file is as another server's change left it, so cut these lines out. */
static char *
text_from_between(struct undo *undo, const struct journal_entry *entry, const struct texts *texts)
{
	struct journal_entry *last = last_change(undo, entry->path);
	char *before = NULL, *after = NULL, *text = NULL;

	if (last != NULL && last != entry && texts->now != NULL && texts->after != NULL &&
	    journal_copies(&undo->journal, last, &before, &after, NULL) == 0 && equal(after, texts->now))
		text = edit_without(texts->now, texts->before, texts->after);
	free(before);
	free(after);
	return text;
}

/* Later copies must not restore the lines. */
static int
fix_later(struct undo *undo, const struct journal_entry *entry, const struct texts *texts, struct snicert_error *err)
{
	int rc = 0;

	for (struct journal_entry *later = undo->journal.entries + undo->journal.count; rc == 0 && --later > entry;) {
		char *before, *after, *less_before, *less_after;

		if (strcmp(later->kind, "change") != 0 || strcmp(later->path, entry->path) != 0)
			continue;
		rc = journal_copies(&undo->journal, later, &before, &after, err);
		if (rc != 0)
			break;
		less_before = before == NULL ? NULL : edit_without(before, texts->before, texts->after);
		less_after = after == NULL ? NULL : edit_without(after, texts->before, texts->after);
		if (less_before != NULL && less_after != NULL)
			rc = journal_rewrite(&undo->journal, later, less_before, less_after, err);
		free(before);
		free(after);
		free(less_before);
		free(less_after);
	}
	return rc;
}

/* Remove a unit's directory with the one file that made it. */
static void
drop_directory(const char *path)
{
	static const char tail[] = ".service.d";
	char directory[PATH_MAX];
	size_t length;

	setup_beside(path, "", directory, sizeof(directory));
	length = strlen(directory) - 1;
	directory[length] = '\0';
	if (length > strlen(tail) && strcmp(directory + length - strlen(tail), tail) == 0)
		(void)rmdir(directory);
}

static int
put_back(struct undo *undo, struct journal_entry *entry, const struct texts *texts, const char *text, struct snicert_error *err)
{
	unsigned changed = undo->outcome->changed;

	if (apply_file(NULL, entry->server, entry->path, texts->now, text, undo->yes, undo->outcome, err) != 0)
		return -1;
	if (undo->outcome->changed == changed)
		return 0;
	if (text == NULL)
		drop_directory(entry->path);
	if (!equal(texts->now, texts->after) && fix_later(undo, entry, texts, err) != 0)
		return -1;
	journal_drop(&undo->journal, entry);
	return 0;
}

static int
take_back(struct undo *undo, struct journal_entry *entry, const struct texts *texts, struct snicert_error *err)
{
	char *between;
	int rc;

	if (equal(texts->now, texts->before) || !edit_has(texts->now, texts->before, texts->after)) {
		put_about(entry->path, ": already undone.");
		journal_drop(&undo->journal, entry);
		return 0;
	}
	if (equal(texts->now, texts->after))
		return put_back(undo, entry, texts, texts->before, err);
	between = text_from_between(undo, entry, texts);
	if (between == NULL) {
		put_about(entry->path, " was edited after --apply and stays as it is. Remove by hand:");
		edit_show(entry->path, texts->after, texts->before);
		undo->outcome->left++;
		return 0;
	}
	rc = put_back(undo, entry, texts, between, err);
	free(between);
	return rc;
}

static int
undo_change(struct undo *undo, struct journal_entry *entry, struct snicert_error *err)
{
	struct texts texts = {0};
	int rc;

	if (hand_over(undo, entry))
		return 0;
	rc = journal_copies(&undo->journal, entry, &texts.before, &texts.after, err);
	if (rc == 0)
		rc = edit_read(entry->path, &texts.now, err);
	if (rc == 0)
		rc = take_back(undo, entry, &texts, err);
	free(texts.before);
	free(texts.after);
	free(texts.now);
	return rc;
}

/* Forget a server's uses first, so that nothing is handed over to one that goes, too. */
static void
forget_uses(struct undo *undo, const char *server)
{
	for (size_t i = 0; i < undo->journal.count; i++) {
		struct journal_entry *entry = &undo->journal.entries[i];

		if (strcmp(entry->kind, "change") != 0 && (server == NULL || strcmp(entry->server, server) == 0))
			entry->kind[0] = '\0';
	}
}

static int
undo_all(struct undo *undo, const char *server, struct snicert_error *err)
{
	int rc = 0;

	forget_uses(undo, server);
	for (size_t i = undo->journal.count; rc == 0 && i-- > 0 && !undo->outcome->stopped;) {
		struct journal_entry *entry = &undo->journal.entries[i];

		if (strcmp(entry->kind, "change") != 0 || (server != NULL && strcmp(entry->server, server) != 0))
			continue;
		rc = undo_change(undo, entry, err);
	}
	/* Record what was done in any case. */
	if (journal_save(&undo->journal, rc == 0 ? err : NULL) != 0)
		rc = -1;
	return rc;
}

int
apply_undo(const struct setup *setup, const char *server, bool yes, struct apply_outcome *outcome, struct snicert_error *err)
{
	struct undo undo = { .yes = yes, .outcome = outcome };
	int rc = journal_open(&undo.journal, setup->config->store_path, err);

	if (rc == 0 && journal_has(&undo.journal, NULL, server, NULL)) {
		outcome->found = true;
		rc = undo_all(&undo, server, err);
	}
	journal_close(&undo.journal);
	return rc;
}
