/* SPDX-License-Identifier: ISC */
/* tlsa_plan.c: which keys clients may meet under a name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/tlsa_plan.h"
#include "error.h"
#include "intake/renewal.h"
#include "store/collect.h"

struct gathering {
	struct admin *admin;
	const struct name *name;
	struct tlsa_plan *out;
	enum tlsa_plan_state state;
	struct snicert_error *err;
	bool failed;
};

const char *
tlsa_plan_state_text(enum tlsa_plan_state state)
{
	static const char *const texts[] = { "active", "staged", "waiting" };

	return texts[state];
}

static struct tlsa_plan_item *
add_item(struct gathering *g)
{
	struct tlsa_plan *out = g->out;
	struct tlsa_plan_item *items = realloc(out->items, (out->count + 1) * sizeof(*items));

	if (items == NULL) {
		g->failed = true;
		error_set(g->err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	out->items = items;
	items += out->count++;
	*items = (struct tlsa_plan_item){ .state = g->state };
	return items;
}

static int
take_chain(void *arg, const struct admin_chain *chain)
{
	struct tlsa_plan_item *item = add_item(arg);

	if (item == NULL)
		return 1;
	item->id = chain->id;
	item->not_after = chain->not_after;
	snprintf(item->key_type, sizeof(item->key_type), "%s", chain->key_type);
	memcpy(item->spki, chain->spki, sizeof(item->spki));
	return 0;
}

static int
take_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct gathering *g = arg;

	(void)key;
	(void)key_type;
	return admin_chains(g->admin, chain, NULL, take_chain, g, g->err) < 0 || g->failed ? 1 : 0;
}

static int
take_key(void *arg, const struct admin_pending_key *key)
{
	struct tlsa_plan_item *item = add_item(arg);

	if (item == NULL)
		return 1;
	item->id = key->id;
	snprintf(item->key_type, sizeof(item->key_type), "%s", key->key_type);
	memcpy(item->spki, key->spki, sizeof(item->spki));
	item->public_key = malloc(key->public_length + 1);
	if (item->public_key == NULL)
		return 1;
	memcpy(item->public_key, key->public_key, key->public_length);
	item->public_length = key->public_length;
	return 0;
}

/* As a handshake looks: the name, its wildcard, the fallback. */
static int
gather_active(struct gathering *g)
{
	struct tlsa_plan *out = g->out;
	struct name wildcard, fallback;
	const struct name *keys[] = { g->name, &wildcard, &fallback };

	if (!name_wildcard(&wildcard, g->name))
		keys[1] = g->name;
	name_fallback(&fallback, NULL);
	for (size_t i = 0; i < 3 && out->count == 0; i++) {
		out->served_by = *keys[i];
		if (admin_bindings(g->admin, keys[i]->text, 0, take_binding, g, g->err) < 0 || g->failed)
			return -1;
	}
	return 0;
}

/* The wildcard of a name that is not bound itself: what is bound to it serves the name. */
static bool
wildcard_of(const struct gathering *g, struct name *out)
{
	return !name_equal(&g->out->served_by, g->name) && name_wildcard(out, g->name);
}

struct match {
	const struct gathering *g;
	bool found;
};

/* Whether activation binds what the name will be served by. */
static int
match_name(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct match *match = arg;
	struct name wildcard;

	(void)key_type;
	(void)chain;
	if (strcmp(key, match->g->name->text) == 0 ||
	    (wildcard_of(match->g, &wildcard) && strcmp(key, wildcard.text) == 0))
		match->found = true;
	return 0;
}

/* Names and fallbacks move with the chain that renews theirs. */
static int
renews_active(struct gathering *g, int64_t id, bool *renews)
{
	*renews = false;
	for (size_t i = 0; i < g->out->count && !*renews; i++)
		if (g->out->items[i].state == TLSA_PLAN_ACTIVE &&
		    renewal_is(g->admin, id, g->out->items[i].id, renews, g->err) != 0)
			return -1;
	return 0;
}

static int
consider_staged(struct gathering *g, int64_t id)
{
	struct match match = { .g = g };

	if (admin_staged(g->admin, id, match_name, &match, g->err) != 0 ||
	    (!match.found && renews_active(g, id, &match.found) != 0))
		return -1;
	return match.found ? admin_chains(g->admin, id, NULL, take_chain, g, g->err) : 0;
}

static int
gather_staged(struct gathering *g)
{
	struct collect_chains chains = {0};
	int status = collect_staged_chains(g->admin, &chains, g->err);

	g->state = TLSA_PLAN_STAGED;
	for (size_t i = 0; i < chains.count && status == 0; i++)
		status = consider_staged(g, chains.list[i]);
	free(chains.list);
	return status;
}

static int
gather_waiting(struct gathering *g)
{
	struct name wildcard;

	g->state = TLSA_PLAN_WAITING;
	if (admin_pending_keys_for(g->admin, g->name->text, take_key, g, g->err) != 0)
		return -1;
	return wildcard_of(g, &wildcard)
	    ? admin_pending_keys_for(g->admin, wildcard.text, take_key, g, g->err) : 0;
}

int
tlsa_plan_of(struct admin *admin, const struct name *name, struct tlsa_plan *out,
    struct snicert_error *err)
{
	struct gathering g = { .admin = admin, .name = name, .out = out, .err = err };

	*out = (struct tlsa_plan){0};
	if (gather_active(&g) != 0 || gather_staged(&g) != 0 || gather_waiting(&g) != 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	return 0;
}

void
tlsa_plan_clear(struct tlsa_plan *out)
{
	for (size_t i = 0; i < out->count; i++)
		free(out->items[i].public_key);
	free(out->items);
	*out = (struct tlsa_plan){0};
}
