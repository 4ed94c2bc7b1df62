/* SPDX-License-Identifier: ISC */
/* hook_candidates.c: the keys to look up in the store for a client. */
#include <string.h>

#include "hook_candidates.h"

static struct name *
add(struct hook_candidates *list, enum hook_candidate what)
{
	list->each[list->count].what = what;
	return &list->each[list->count++].key;
}

void
hook_candidates_names(struct hook_candidates *list, const struct config *config, const char *server_name)
{
	struct name name, wildcard;

	if (server_name == NULL || !name_normalise(&name, server_name, strlen(server_name)))
		return;
	*add(list, HOOK_EXACT) = name;
	if (config->wildcard && name_wildcard(&wildcard, &name))
		*add(list, HOOK_WILDCARD) = wildcard;
}

void
hook_candidates_fallbacks(struct hook_candidates *list, const char *address, const struct config_program *program)
{
	if (address != NULL)
		name_fallback(add(list, HOOK_ADDRESS), address);
	if (program != NULL && program->has_fallback)
		*add(list, HOOK_PROGRAM) = program->fallback;
	name_fallback(add(list, HOOK_GLOBAL), NULL);
}
