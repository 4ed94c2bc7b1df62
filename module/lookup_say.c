/* SPDX-License-Identifier: ISC */
/*
 * lookup_say.c: log lines of look-ups.  The log may be the host's own code, which waits for a disk,
 * or forks: lines are made under `load`, and written after it is released.
 */
#include <pthread.h>
#include <stdlib.h>

#include "error.h"
#include "lookup_internal.h"

struct said {
	struct said *next;
	struct log_line line;
};

void
lookup_load_begin(struct lookup *lookup)
{
	lock_take(&lookup->load, LOCK_LOAD);
}

void
lookup_load_end(struct lookup *lookup)
{
	struct said *said = lookup->said;

	lookup->said = NULL;
	lock_give(&lookup->load, LOCK_LOAD);
	lookup_say(said);
}

void
lookup_say(struct said *said)
{
	while (said != NULL) {
		struct said *next = said->next;

		log_end(&said->line);
		free(said);
		said = next;
	}
}

/* Append another line; NULL if there should be none. */
static struct log_line *
begin(struct lookup *lookup, struct said **list, enum log_event event)
{
	struct said *said;

	if (lookup_fork_is_on() || !log_wants(lookup->log, event))
		return NULL;
	said = calloc(1, sizeof(*said));
	if (said == NULL || !log_begin(&said->line, lookup->log, event)) {
		free(said);
		return NULL;
	}
	while (*list != NULL)
		list = &(*list)->next;
	*list = said;
	return &said->line;
}

void
lookup_tell_store(struct lookup *lookup, enum log_event event, const char *what, const char *then)
{
	struct log_line *line = begin(lookup, &lookup->said, event);

	if (line == NULL)
		return;
	log_word(line, "store", lookup->config->store_path);
	log_sentence(line, "%s%s", what, then);
}

void
lookup_tell_key(struct lookup *lookup, const struct snicert_error *err)
{
	struct log_line *line = begin(lookup, &lookup->said, LOG_EVENT_KEY);

	if (line == NULL)
		return;
	log_word(line, "file", lookup->config->key_path);
	log_sentence(line, "%s", err->text);
}

void
lookup_tell_chain(struct lookup *lookup, struct said **list, const struct name *key, const char *label,
    const char *key_type, const struct snicert_error *err)
{
	struct log_line *line = begin(lookup, list, LOG_EVENT_CHAIN);
	char text[NAME_TEXT_SIZE];

	if (line == NULL)
		return;
	log_word(line, "bound", name_word(key, text));
	log_word(line, "chain", label);
	log_word(line, "key", key_type);
	log_sentence(line, "%s chain of %s skipped: %s", key_type, name_describe(key, text), err->text);
}
