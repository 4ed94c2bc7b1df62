/* SPDX-License-Identifier: ISC */
/* import_files.c: the files that `snicert import` is given by name, read before the store is locked. */
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"
#include "error.h"

static int
no_memory(struct import *import)
{
	return error_set(&import->err, SNICERT_EMEMORY, "no memory");
}

/* With --keep-going: whether the file was dealt with, because it is complete, or bad.  -1: no memory. */
static int
read_alone(struct import *import, const char *path)
{
	struct import_file file = { .bag = bag_new(), .source = strdup(path) };
	struct import_file *list = reallocarray(import->files, import->file_count + 1, sizeof(*list));
	bool mine = false;

	if (list != NULL)
		import->files = list;
	if (list != NULL && file.bag != NULL && file.source != NULL)
		mine = bag_add_file(file.bag, path, &import->source, &file.why) != 0 ||
		    (bag_keys(file.bag) > 0 && bag_certs(file.bag) > 0);
	else
		no_memory(import);
	if (mine) {
		import->files[import->file_count++] = file;
		return 1;
	}
	bag_free(file.bag);
	free(file.source);
	return import->err.code == SNICERT_OK ? 0 : -1;
}

/* The others go into one bag, so that key and chain may be in any order and number of files. */
static int
read_common(struct import *import, const char *path)
{
	struct import_file *common = &import->common;
	bool first = common->bag == NULL;

	if (first) {
		common->bag = bag_new();
		common->source = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
		if (common->bag == NULL || common->source == NULL)
			return no_memory(import);
		if (import->key != NULL && bag_add_key(common->bag, import->key, import->in.key_uri, &common->why) != 0)
			return 0;
	}
	if (common->why.code == SNICERT_OK)
		bag_add_file(common->bag, path, &import->source, &common->why);
	return 0;
}

int
import_file_read(struct import *import, const char *path)
{
	int status = 0;

	if (import->keep_going && strcmp(path, "-") != 0)
		status = read_alone(import, path);
	if (status == 0)
		status = read_common(import, path);
	if (status < 0)
		return -1;
	/* The rest of the files needn't be read, or asked for. */
	if (!import->keep_going && import->common.why.code != SNICERT_OK) {
		import->err = import->common.why;
		return -1;
	}
	return 0;
}

static int
import_one(struct import *import, struct import_file *file)
{
	bool good = file->why.code == SNICERT_OK;

	if (!good)
		import->err = file->why;
	return import_bag(import, file->bag, file->source, good);
}

int
import_files(struct import *import)
{
	for (size_t i = 0; i < import->file_count; i++)
		if (import_one(import, &import->files[i]) != 0)
			return -1;
	return import->common.bag != NULL ? import_one(import, &import->common) : 0;
}

static void
file_free(struct import_file *file)
{
	bag_free(file->bag);
	free(file->source);
}

void
import_files_free(struct import *import)
{
	for (size_t i = 0; i < import->file_count; i++)
		file_free(&import->files[i]);
	free(import->files);
	file_free(&import->common);
}
