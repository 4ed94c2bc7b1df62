/* SPDX-License-Identifier: ISC */
/* import_directory.c: imports what is good in a directory, in whatever order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"
#include "error.h"
#include "intake/ahead.h"

/* A later group may supersede an expired one, or renew a chain in the way. */
static int
keep_late(struct import *import, const char *group)
{
	char **list = reallocarray(import->late, import->late_count + 1, sizeof(*list));

	if (list == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->late = list;
	if ((list[import->late_count] = strdup(group)) == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->late_count++;
	error_clear(&import->err);
	return 0;
}

static bool
is_late(struct import *import, const char *group)
{
	for (size_t i = 0; i < import->late_count; i++)
		if (import->late[i] != NULL && strcmp(import->late[i], group) == 0)
			return true;
	return false;
}

static void
forget_late(struct import *import, const char *group)
{
	for (size_t i = 0; i < import->late_count; i++)
		if (import->late[i] != NULL && (group == NULL || strcmp(import->late[i], group) == 0)) {
			free(import->late[i]);
			import->late[i] = NULL;
		}
}

/* An account's key, another's certificate: a note, unless there is nothing else. */
static int
keep_alone(struct import *import, const char *group)
{
	char **list = reallocarray(import->alone, import->alone_count + 2, sizeof(*list));

	if (list == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->alone = list;
	list[import->alone_count] = strdup(group);
	list[import->alone_count + 1] = strdup(import->err.text);
	import->alone_count += 2;
	error_clear(&import->err);
	return list[import->alone_count - 2] != NULL && list[import->alone_count - 1] != NULL ? 0
	    : error_set(&import->err, SNICERT_EMEMORY, "no memory");
}

/* Somebody's own CA: it keeps nothing out, and is no server's. */
static int
note_ca(struct import *import, const char *group)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s: left out, because it is the key and certificate of a CA", group);
	error_clear(&import->err);
	return import_note(import, text);
}

/* Without --strict, imports what is good in a directory, and reports what is bad. */
static int
take_group(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct import *import = arg;
	bool good = why->code == SNICERT_OK;
	int status;

	import->groups++;
	import_progress(import);
	if (!good)
		import->err = *why;
	import->in.may_come_later = import->in.is_ca = false;
	status = import_try(import, bag, good);
	if (status == 1 && alone && import->err.code == SNICERT_EMEMORY)
		return -1;
	if (status == 1 && alone)
		return keep_alone(import, group);
	if (status == 1 && import->in.is_ca && bag_keys(bag) == 1)
		return note_ca(import, group);
	import->whole++;
	if (status == 1 && import->in.may_come_later && import->may_be_late)
		return is_late(import, group) ? (error_clear(&import->err), 0) : keep_late(import, group);
	if (status == 0 && is_late(import, group))
		import->more = true;
	forget_late(import, group);
	if (status == 1 && !import->strict)
		import_bad(import, group);
	return status < 0 || (status == 1 && import->strict) ? -1 : 0;
}

static int
take_late(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct import *import = arg;

	return alone || !is_late(import, group) ? 0 : take_group(import, group, bag, alone, why);
}

#define ALONE_NAMED 3

/* One line for all of them. */
static int
note_alone(struct import *import, const char *path)
{
	char text[2048];
	size_t count = import->alone_count / 2, used;

	used = (size_t)snprintf(text, sizeof(text), "%s: left out, because the matching key or certificate is not there:"
	    " ", path);
	for (size_t i = 0; i < count && i < ALONE_NAMED && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i == 0 ? "" : ", ", import->alone[2 * i]);
	if (count > ALONE_NAMED && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, " and %zu more", count - ALONE_NAMED);
	return import_note(import, text);
}

static int
end_alone(struct import *import, const char *path)
{
	int status = 0;

	if (import->alone_count > 0 && import->whole > 0)
		status = note_alone(import, path);
	for (size_t i = 0; status == 0 && import->whole == 0 && i < import->alone_count; i += 2) {
		error_set(&import->err, SNICERT_EINPUT, "%s", import->alone[i + 1]);
		if (import->strict)
			status = -1;
		else
			import_bad(import, import->alone[i]);
	}
	for (size_t i = 0; i < import->alone_count; i++)
		free(import->alone[i]);
	free(import->alone);
	import->alone = NULL;
	import->alone_count = 0;
	return status;
}

static int
leave_group(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	(void)arg;
	(void)group;
	(void)bag;
	(void)alone;
	return why->code == SNICERT_EMEMORY ? -1 : 0;
}

/* What is wrong with the files is said once they are imported. */
int
import_directory_ask(struct import *import, const char *path)
{
	struct snicert_error err = {0};

	if (ahead_walk(path, &import->source, leave_group, import, &err) != 0 && err.code == SNICERT_EMEMORY)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	return 0;
}

int
import_directory(struct import *import, const char *path)
{
	int status;

	import->in.yield = import->may_be_late = true;
	import->whole = 0;
	status = ahead_walk(path, &import->source, take_group, import, &import->err);
	/* Repeat while some still come in; then report the rest. */
	for (import->more = import->late_count > 0; status == 0 && import->more;) {
		import->more = false;
		status = ahead_walk(path, &import->source, take_late, import, &import->err);
	}
	import->may_be_late = false;
	if (status == 0)
		status = end_alone(import, path);
	if (status == 0 && import->late_count > 0)
		status = ahead_walk(path, &import->source, take_late, import, &import->err);
	forget_late(import, NULL);
	import->late_count = 0;
	import->in.yield = false;
	return status;
}
