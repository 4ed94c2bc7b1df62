/* SPDX-License-Identifier: ISC */
/* collect.c: names and chains collected from the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "store/collect.h"

static int
take_name(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct collect_names *names = arg;
	struct name *list = realloc(names->list, (names->count + 1) * sizeof(*list));

	(void)key_type;
	(void)chain;
	if (list == NULL)
		return 1;
	names->list = list;
	list[names->count].length = strlen(key);
	snprintf(list[names->count++].text, sizeof(list[0].text), "%s", key);
	return 0;
}

static int
take_chain(void *arg, const struct admin_chain *chain)
{
	struct collect_chains *chains = arg;
	int64_t *list = realloc(chains->list, (chains->count + 1) * sizeof(*list));

	if (list == NULL)
		return 1;
	chains->list = list;
	list[chains->count++] = chain->id;
	return 0;
}

/* 1: the callback stopped. */
static int
walk_end(int status, struct snicert_error *err)
{
	return status > 0 ? error_set(err, SNICERT_EMEMORY, "no memory") : status;
}

int
collect_bound(struct admin *admin, int64_t chain, struct collect_names *names, struct snicert_error *err)
{
	return walk_end(admin_bindings(admin, NULL, chain, take_name, names, err), err);
}

int
collect_staged(struct admin *admin, int64_t chain, struct collect_names *names, struct snicert_error *err)
{
	return walk_end(admin_staged(admin, chain, take_name, names, err), err);
}

int
collect_staged_chains(struct admin *admin, struct collect_chains *chains, struct snicert_error *err)
{
	return walk_end(admin_staged_chains(admin, take_chain, chains, err), err);
}

int
collect_left(struct admin *admin, int64_t chain, int64_t step, struct collect_names *names, struct snicert_error *err)
{
	return walk_end(admin_left_at(admin, chain, step, take_name, names, err), err);
}

int
collect_related(struct admin *admin, const struct admin_related *of, enum admin_related_by by, struct collect_chains *chains,
    struct snicert_error *err)
{
	return walk_end(admin_related(admin, of, by, take_chain, chains, err), err);
}
