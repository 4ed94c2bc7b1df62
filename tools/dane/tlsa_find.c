/* SPDX-License-Identifier: ISC */
/* tlsa_find.c: what a client finds in published records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/tlsa_file.h"
#include "error.h"

#define HOPS_MOST 16                    /* of aliases; like those of resolvers */
#define OWNER_MOST 1024

struct search {
	const struct tlsa_file *file;
	struct tlsa_found *out;
	struct snicert_error *err;
};

static const struct tlsa_entry *
alias_at(const struct search *s, const char *owner, enum tlsa_entry_type type)
{
	for (size_t i = 0; i < s->file->count; i++)
		if (s->file->list[i].type == type && strcmp(s->file->list[i].owner, owner) == 0)
			return &s->file->list[i];
	return NULL;
}

static int
take_records(struct search *s, const char *owner)
{
	struct tlsa_found *out = s->out;

	for (size_t i = 0; i < s->file->count; i++) {
		const struct tlsa_entry *entry = &s->file->list[i], **list;

		if (entry->type != TLSA_ENTRY_RECORD || strcmp(entry->owner, owner) != 0)
			continue;
		list = realloc(out->list, (out->count + 1) * sizeof(struct tlsa_entry *));
		if (list == NULL)
			return error_set(s->err, SNICERT_EMEMORY, "no memory");
		out->list = list;
		list[out->count++] = entry;
	}
	return 0;
}

/* Whether the file has the name, or one below. */
static bool
is_there(const struct search *s, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < s->file->owner_count; i++) {
		const char *owner = s->file->owners[i];
		size_t more = strlen(owner) - length;

		if (strlen(owner) >= length && strcmp(owner + more, name) == 0 && (more == 0 || owner[more - 1] == '.'))
			return true;
	}
	return false;
}

/* By the wildcard for a name that doesn't exist; *alias if that is one. */
static int
take_wildcard(struct search *s, const char *owner, const struct tlsa_entry **alias)
{
	char wildcard[OWNER_MOST + 3];

	if (is_there(s, owner))
		return 0;
	for (const char *parent = strchr(owner, '.'); parent != NULL; parent = strchr(parent + 1, '.')) {
		snprintf(wildcard, sizeof(wildcard), "*%s", parent);
		*alias = alias_at(s, wildcard, TLSA_ENTRY_ALIAS);
		if (*alias != NULL || take_records(s, wildcard) != 0 || s->out->count > 0)
			return s->err->code == SNICERT_OK ? 0 : -1;
		/* Nothing above the closest existing name; the wildcard itself is below it. */
		if (is_there(s, parent + 1))
			return 0;
	}
	return 0;
}

/* Where the owner's alias leads: free() it.  NULL: nowhere, or no memory (*err set). */
static char *
next_owner(struct search *s, const char *owner, const struct tlsa_entry *alias)
{
	size_t size = OWNER_MOST + 1;
	char *next = malloc(size);

	if (next == NULL) {
		error_set(s->err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	for (const char *at = strchr(owner, '.'); alias == NULL && at != NULL; at = strchr(at + 1, '.')) {
		alias = alias_at(s, at + 1, TLSA_ENTRY_ALIAS_BELOW);
		if (alias != NULL && s->out->doubt == NULL)
			s->out->doubt = alias->doubt;
		if (alias != NULL && (size_t)snprintf(next, size, "%.*s%s", (int)(at - owner + 1), owner, alias->target) < size)
			return next;
	}
	if (alias == NULL || (size_t)snprintf(next, size, "%s", alias->target) >= size) {
		free(next);
		return NULL;
	}
	if (s->out->doubt == NULL)
		s->out->doubt = alias->doubt;
	return next;
}

/* From an owner to its records, if any. */
static int
follow(struct search *s, const char *owner)
{
	char *at = strdup(owner);

	for (int hops = 0; at != NULL; hops++) {
		const struct tlsa_entry *alias = alias_at(s, at, TLSA_ENTRY_ALIAS);
		char *next;

		free(s->out->owner);
		s->out->owner = at;
		if (hops == HOPS_MOST)
			return error_set(s->err, SNICERT_EINPUT, "the aliases (CNAME) of %s are circular, or too many", owner);
		if (take_records(s, at) != 0 || (s->out->count == 0 && alias == NULL && take_wildcard(s, at, &alias) != 0))
			return -1;
		next = s->out->count > 0 ? NULL : next_owner(s, at, alias);
		if (next == NULL)
			return s->err->code == SNICERT_OK ? 0 : -1;
		at = next;
	}
	return error_set(s->err, SNICERT_EMEMORY, "no memory");
}

/* The records of the hosts that the host's alias leads to: the first with any. */
static int
follow_host(struct search *s, const char *host, long port, char owner[OWNER_MOST + 1])
{
	const char *at = host;

	for (int hops = 0; s->out->count == 0; hops++) {
		const struct tlsa_entry *alias = alias_at(s, at, TLSA_ENTRY_ALIAS);

		if (alias == NULL)
			return 0;
		if (hops == HOPS_MOST)
			return error_set(s->err, SNICERT_EINPUT, "the aliases (CNAME) of %s are circular, or too many", host);
		at = alias->target;
		s->out->doubt = alias->doubt;
		snprintf(owner, OWNER_MOST + 1, "_%ld._tcp.%s", port, at);
		if (follow(s, owner) != 0)
			return -1;
	}
	return 0;
}

int
tlsa_find(const struct tlsa_file *file, const struct name *host, long port, struct tlsa_found *out,
    struct snicert_error *err)
{
	struct search s = { file, out, err };
	char owner[OWNER_MOST + 1], first[OWNER_MOST + 1];

	*out = (struct tlsa_found){0};
	snprintf(first, sizeof(first), "_%ld._tcp.%s", port, host->text);
	if (follow(&s, first) != 0)
		return -1;
	if (out->count > 0)
		return 0;
	/* Publish it where its own owner leads, unless the host's aliases have it. */
	snprintf(first, sizeof(first), "%s", out->owner);
	if (follow_host(&s, host->text, port, owner) != 0)
		return -1;
	if (out->count > 0)
		return 0;
	free(out->owner);
	out->owner = strdup(first);
	out->doubt = NULL;
	return out->owner != NULL ? take_records(&s, "") : error_set(err, SNICERT_EMEMORY, "no memory");
}

void
tlsa_found_clear(struct tlsa_found *found)
{
	free(found->list);
	free(found->owner);
	*found = (struct tlsa_found){0};
}
