/* SPDX-License-Identifier: ISC */
/* source.c: merges what other servers' configurations say; knows no format. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "migrate/source.h"
#include "tool.h"

static const struct {
	const char *kind;
	int (*read)(struct source *, const char *path, struct snicert_error *err);
	enum source_order order;
} readers[] = {
	{ "postfix", source_postfix, SOURCE_FIRST },    /* postmap ignores the later one */
	{ "dovecot", source_dovecot, SOURCE_LAST },     /* the later block overrides */
	{ "haproxy", source_haproxy, SOURCE_BESIDE },
	{ "exim", source_exim, SOURCE_BESIDE },
	{ "haraka", source_haraka, SOURCE_BESIDE },
	{ "mailcow", source_mailcow, SOURCE_FIRST },    /* makes a map of Postfix */
	{ "virtualmin", source_virtualmin, SOURCE_BESIDE },
	{ "map", source_map, SOURCE_FIRST },
};

#define READERS (sizeof(readers) / sizeof(readers[0]))

const char *
source_kinds(void)
{
	return "postfix, dovecot, haproxy, exim, haraka, mailcow, virtualmin, map";
}

bool
source_known(const char *kind)
{
	for (size_t i = 0; i < READERS; i++)
		if (strcmp(readers[i].kind, kind) == 0)
			return true;
	return false;
}

/* Takes over `text`; NULL means no memory. */
static void
add_text(struct source *source, struct source_texts *texts, char *text)
{
	/* At powers of two. */
	bool full = (texts->count & (texts->count - 1)) == 0;
	char **list = texts->list;

	if (text != NULL && full)
		list = reallocarray(list, texts->count == 0 ? 1 : 2 * texts->count, sizeof(*list));
	if (text == NULL || list == NULL) {
		source->no_memory = true;
		free(text);
		return;
	}
	texts->list = list;
	list[texts->count++] = text;
}

static void
free_texts(struct source_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->list[i]);
	free(texts->list);
	memset(texts, 0, sizeof(*texts));
}

static void
entry_free(struct source_entry *entry)
{
	free(entry->place);
	free_texts(&entry->files);
	free_texts(&entry->keys);
	free_texts(&entry->notes);
	free_texts(&entry->names);
	free_texts(&entry->except);
}

void
source_free(struct source *source)
{
	for (size_t i = 0; i < source->count; i++)
		entry_free(&source->entries[i]);
	free(source->entries);
	free_texts(&source->notes);
	free_texts(&source->faults);
	memset(source, 0, sizeof(*source));
}

static char *
place_of(const char *file, size_t line)
{
	char *place;

	if (strcmp(file, "-") == 0)
		file = "standard input";
	if (line == 0)
		return strdup(file);
	return asprintf(&place, "%s:%zu", file, line) < 0 ? NULL : place;
}

struct source_entry *
source_add(struct source *source, const char *file, size_t line)
{
	struct source_entry *entry;

	if (source->count == source->room) {
		size_t room = source->room == 0 ? 16 : 2 * source->room;
		struct source_entry *list = reallocarray(source->entries, room, sizeof(*list));

		if (list == NULL) {
			source->no_memory = true;
			return NULL;
		}
		source->entries = list;
		source->room = room;
	}
	entry = &source->entries[source->count];
	memset(entry, 0, sizeof(*entry));
	entry->order = source->count++;
	entry->place = place_of(file, line);
	source->no_memory |= entry->place == NULL;
	return entry;
}

void
source_drop_last(struct source *source)
{
	entry_free(&source->entries[--source->count]);
}

char *
source_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

bool
source_is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Without "//" and "/./", in place. */
static char *
one_spelling(char *path)
{
	char *to = path;

	for (const char *at = path; at != NULL && *at != '\0'; at++) {
		if (*at == '/')
			while (at[1] == '/' || (at[1] == '.' && at[2] == '/'))
				at += at[1] == '/' ? 1 : 2;
		*to++ = *at;
	}
	if (to != NULL)
		*to = '\0';
	return path;
}

char *
source_path(const char *directory, const char *path)
{
	char *whole;

	if (path[0] == '/' || strcmp(directory, ".") == 0)
		return one_spelling(strdup(path));
	return asprintf(&whole, "%s/%s", directory, path) < 0 ? NULL : one_spelling(whole);
}

static void
add_path(struct source *source, struct source_texts *texts, const char *directory, const char *path)
{
	char *whole = source_path(directory, path);

	for (size_t i = 0; whole != NULL && i < texts->count; i++) {
		if (strcmp(texts->list[i], whole) == 0) {
			free(whole);
			return;
		}
	}
	add_text(source, texts, whole);
}

void
source_file(struct source *source, struct source_entry *entry, const char *directory, const char *path)
{
	if (entry != NULL)
		add_path(source, &entry->files, directory, path);
}

void
source_key(struct source *source, struct source_entry *entry, const char *directory, const char *path)
{
	if (entry != NULL)
		add_path(source, &entry->keys, directory, path);
}

bool
source_is_pattern(const char *text)
{
	struct name name;

	return strpbrk(text, "*?[") != NULL && !name_normalise_pattern(&name, text, strlen(text));
}

void
source_name(struct source *source, struct source_entry *entry, struct source_texts *names, const char *text)
{
	struct snicert_error err = {0};
	struct name name;

	if (entry == NULL)
		return;
	if (tool_name(text, &name, &err) == 0)
		add_text(source, names, strdup(name.text));
	else if (source_is_pattern(text))
		source_note(source, entry, "%s: %s is left out, because the store has no such patterns: "
		    "bind the names that it matches", entry->place, text);
	else
		source_fault(source, entry->place, 0, "%s", err.text);
}

bool
source_fallback(struct source *source, struct source_entry *entry, const char *address)
{
	struct name key;

	if (tool_fallback_key(address, &key, NULL) != 0)
		return false;
	if (entry != NULL)
		add_text(source, &entry->names, strdup(key.text));
	return true;
}

void
source_note(struct source *source, struct source_entry *entry, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	add_text(source, entry != NULL ? &entry->notes : &source->notes, text);
}

void
source_fault(struct source *source, const char *file, size_t line, const char *format, ...)
{
	char *text, *whole = NULL, *place = place_of(file, line);
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text != NULL && place != NULL && asprintf(&whole, "%s: %s", place, text) < 0)
		whole = NULL;
	free(text);
	free(place);
	add_text(source, &source->faults, whole);
}

/* --- entries of the same files, names that come twice -------------------- */

static int
compare_texts(const struct source_texts *a, const struct source_texts *b)
{
	int order = (a->count > b->count) - (a->count < b->count);

	for (size_t i = 0; order == 0 && i < a->count; i++)
		order = strcmp(a->list[i], b->list[i]);
	return order;
}

static int
by_files(const void *a, const void *b)
{
	const struct source_entry *one = a, *two = b;
	int order = compare_texts(&one->files, &two->files);

	if (order == 0)
		order = compare_texts(&one->keys, &two->keys);
	return order != 0 ? order : (one->order > two->order) - (one->order < two->order);
}

static int
by_order(const void *a, const void *b)
{
	const struct source_entry *one = a, *two = b;

	return (one->order > two->order) - (one->order < two->order);
}

static bool
same_files(const struct source_entry *a, const struct source_entry *b)
{
	return compare_texts(&a->files, &b->files) == 0 && compare_texts(&a->keys, &b->keys) == 0 &&
	    a->except.count == 0 && b->except.count == 0;
}

static void
absorb(struct source *source, struct source_entry *into, struct source_entry *from)
{
	for (size_t i = 0; i < from->names.count; i++)
		add_text(source, &into->names, strdup(from->names.list[i]));
	for (size_t i = 0; i < from->notes.count; i++)
		add_text(source, &into->notes, strdup(from->notes.list[i]));
	into->own_names |= from->own_names;
	entry_free(from);
}

/* Read a certificate of a thousand names once. */
static void
merge(struct source *source)
{
	size_t kept = 0;

	if (source->count == 0)
		return;
	qsort(source->entries, source->count, sizeof(*source->entries), by_files);
	for (size_t i = 0; i < source->count; i++) {
		if (kept > 0 && same_files(&source->entries[kept - 1], &source->entries[i]))
			absorb(source, &source->entries[kept - 1], &source->entries[i]);
		else
			source->entries[kept++] = source->entries[i];
	}
	source->count = kept;
	qsort(source->entries, kept, sizeof(*source->entries), by_order);
}

struct mention {
	size_t entry, name, order;
	char *text;
};

static int
by_text(const void *a, const void *b)
{
	const struct mention *one = a, *two = b;
	int order = strcmp(one->text, two->text);

	return order != 0 ? order : (one->order > two->order) - (one->order < two->order);
}

/* Keep the text until all are compared. */
static void
drop_name(struct source *source, const struct mention *at, const struct mention *counts, const char *which)
{
	struct source_entry *entry = &source->entries[at->entry], *other = &source->entries[counts->entry];
	char text[NAME_TEXT_SIZE];

	if (!same_files(entry, other))
		source_note(source, entry, "%s: %s is at %s too: the %s counts", entry->place,
		    tool_key_text(at->text, text), other->place, which);
	entry->names.list[at->name] = NULL;
}

static void
squeeze(struct source_texts *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->count; i++)
		if (names->list[i] != NULL)
			names->list[kept++] = names->list[i];
	names->count = kept;
}

/* Mentions of a name, in the source's order. */
static void
settle(struct source *source, const struct mention *same, size_t count)
{
	bool last = source->order == SOURCE_LAST;
	size_t counts = last ? count - 1 : 0;

	for (size_t i = 0; i < count; i++)
		if (i != counts && (source->order != SOURCE_BESIDE || same[i].entry == same[counts].entry))
			drop_name(source, &same[i], &same[counts], last ? "last" : "first");
}

static void
settle_names(struct source *source)
{
	struct mention *all;
	size_t count = 0, at = 0;

	for (size_t i = 0; i < source->count; i++)
		count += source->entries[i].names.count;
	all = calloc(count + 1, sizeof(*all));
	if (all == NULL) {
		source->no_memory = true;
		return;
	}
	for (size_t i = 0; i < source->count; i++)
		for (size_t j = 0; j < source->entries[i].names.count; j++, at++)
			all[at] = (struct mention){ i, j, at, source->entries[i].names.list[j] };
	qsort(all, count, sizeof(*all), by_text);
	for (size_t from = 0, to; from < count; from = to) {
		for (to = from + 1; to < count && strcmp(all[to].text, all[from].text) == 0; to++)
			;
		if (to > from + 1)
			settle(source, &all[from], to - from);
	}
	for (size_t i = 0; i < count; i++)
		if (source->entries[all[i].entry].names.list[all[i].name] == NULL)
			free(all[i].text);
	free(all);
	for (size_t i = 0; i < source->count; i++)
		squeeze(&source->entries[i].names);
}

int
source_read(struct source *source, const char *kind, const char *path, struct snicert_error *err)
{
	int status = error_set(err, SNICERT_EUSAGE, "%s is not a kind of source: use %s", kind, source_kinds());

	for (size_t i = 0; i < READERS; i++) {
		if (strcmp(readers[i].kind, kind) != 0)
			continue;
		if (err != NULL)
			error_clear(err);
		source->order = readers[i].order;
		status = readers[i].read(source, path, err);
	}
	if (status == 0 && !source->no_memory) {
		/* First with each in its place, then within merged ones. */
		settle_names(source);
		merge(source);
		settle_names(source);
	}
	if (source->no_memory)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (status == 0 && source->count == 0 && source->faults.count == 0)
		return error_set(err, SNICERT_EINPUT, "%s: it names no certificate%s%s",
		    strcmp(path, "-") == 0 ? "standard input" : path,
		    source->notes.count > 0 ? ": " : "", source->notes.count > 0 ? source->notes.list[0] : "");
	return status;
}
