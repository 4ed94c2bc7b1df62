/* SPDX-License-Identifier: ISC */
/* import_source.c: `snicert import --from`: imports the entries of a source, one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/import.h"
#include "error.h"
#include "intake/bag.h"
#include "show/say.h"

/* An error says where the source has it, and which file it is about. */
static void
put_place(struct snicert_error *err, const char *place)
{
	struct snicert_error plain = *err;

	if (strstr(plain.text, place) != NULL)
		return;
	error_clear(err);
	error_set(err, (enum snicert_code)plain.code, "%s: %s", place, plain.text);
}

int
import_note(struct import *import, const char *text)
{
	char **list = reallocarray(import->notes, import->note_count + 1, sizeof(*list));

	if (list == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->notes = list;
	if ((list[import->note_count] = strdup(text)) == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->note_count++;
	return 0;
}

static int
keep_notes(struct import *import, const struct source_texts *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		if (import_note(import, notes->list[i]) != 0)
			return -1;
	return 0;
}

static int
fill_bag(struct import *import, struct bag *bag, const struct source_entry *entry)
{
	for (size_t i = 0; i < entry->files.count; i++)
		if (bag_add_file(bag, entry->files.list[i], &import->source, &import->err) != 0)
			return -1;
	for (size_t i = 0; bag_keys(bag) == 0 && i < entry->keys.count; i++)
		if (access(entry->keys.list[i], F_OK) == 0 &&
		    bag_add_file(bag, entry->keys.list[i], &import->source, &import->err) != 0)
			return -1;
	for (size_t i = 0; i < entry->notes.count; i++)
		bag_warn(bag, "%s", entry->notes.list[i]);
	return 0;
}

/* Keys as in the store; the caller frees *out. */
static int
names_of(const struct source_texts *texts, struct name **out, struct snicert_error *err)
{
	*out = calloc(texts->count + 1, sizeof(**out));
	if (*out == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	for (size_t i = 0; i < texts->count; i++)
		(*out)[i].length = (size_t)snprintf((*out)[i].text, sizeof((*out)[i].text), "%s", texts->list[i]);
	return 0;
}

static int
take_bag(struct import *import, struct bag *bag, const struct source_entry *entry)
{
	struct name *names = NULL, *except = NULL;
	bool good = names_of(&entry->names, &names, &import->err) == 0 &&
	    names_of(&entry->except, &except, &import->err) == 0 && fill_bag(import, bag, entry) == 0;
	int status;

	import->in.names = names;
	import->in.name_count = entry->names.count;
	import->in.except = except;
	import->in.except_count = entry->except.count;
	import->in.own_too = entry->own_names;
	if (!good)
		put_place(&import->err, entry->place);
	status = import_bag(import, bag, entry->place, good);
	if (status != 0)
		put_place(&import->err, entry->place);
	import->in.names = import->in.except = NULL;
	import->in.name_count = import->in.except_count = 0;
	free(names);
	free(except);
	return status;
}

static int
take_entry(struct import *import, const struct source_entry *entry)
{
	struct bag *bag;
	int status;

	/* Another entry has all its names, or a fault was reported. */
	if (entry->files.count == 0 || (entry->names.count == 0 && !entry->own_names))
		return keep_notes(import, &entry->notes);
	bag = bag_new();
	if (bag == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	status = take_bag(import, bag, entry);
	bag_free(bag);
	return status;
}

/* Lines that we can't parse: import nothing, or with --keep-going the rest. */
static int
report_faults(struct import *import, const struct source *source)
{
	if (source->faults.count == 0)
		return 0;
	if (!import->keep_going)
		return error_set(&import->err, SNICERT_EINPUT, "%s", source->faults.list[0]);
	for (size_t i = 0; i < source->faults.count; i++)
		say("%s", source->faults.list[i]);
	import->failed += source->faults.count;
	return 0;
}

int
import_sources_read(struct import *import, int count, char **paths)
{
	import->sources = calloc((size_t)count, sizeof(*import->sources));
	if (import->sources == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	for (int i = 0; i < count; i++) {
		if (source_read(&import->sources[import->source_count++], import->from, paths[i], &import->err) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_EMEMORY)
			return -1;
		source_free(&import->sources[--import->source_count]);
		import->sources[import->source_count] = (struct source){0};
		import->failed++;
		say("%s", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

void
import_sources_free(struct import *import)
{
	for (size_t i = 0; i < import->source_count; i++)
		source_free(&import->sources[i]);
	free(import->sources);
}

/* What is wrong with the files is said once they are imported. */
void
import_sources_ask(struct import *import)
{
	for (size_t i = 0; i < import->source_count; i++)
		for (size_t j = 0; j < import->sources[i].count; j++) {
			struct bag *bag = bag_new();

			if (bag != NULL)
				fill_bag(import, bag, &import->sources[i].entries[j]);
			bag_free(bag);
			error_clear(&import->err);
		}
}

int
import_source(struct import *import, struct source *source)
{
	int status = report_faults(import, source);

	if (status == 0)
		status = keep_notes(import, &source->notes);
	import->total += source->count;
	for (size_t i = 0; status == 0 && i < source->count; i++)
		status = take_entry(import, &source->entries[i]);
	return status;
}
