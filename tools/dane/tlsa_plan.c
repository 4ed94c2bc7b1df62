/* SPDX-License-Identifier: ISC */
/* tlsa_plan.c: which keys clients may get for a name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/x509.h>

#include "dane/tlsa_plan.h"
#include "error.h"
#include "hook_candidates.h"
#include "intake/renewal.h"
#include "store/collect.h"

struct gathering {
	struct admin *admin;
	const struct config *config;
	const struct name *name;
	struct tlsa_plan *out;
	struct hook_candidates names;   /* the name itself, and its wildcard */
	struct name *addresses;         /* with fallbacks: their keys */
	size_t address_count;
	enum hook_candidate what;       /* the current candidate, and its key */
	const struct name *key;
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

/* The algorithm, and the curve for EC keys: as clients distinguish them. */
static void
set_kind(struct tlsa_plan_item *item, EVP_PKEY *key)
{
	char group[32] = "";
	size_t length;

	if (key != NULL)
		EVP_PKEY_get_group_name(key, group, sizeof(group), &length);
	snprintf(item->kind, sizeof(item->kind), "%s%s%s", item->key_type, group[0] == '\0' ? "" : " ", group);
}

static int
set_kind_of_chain(struct gathering *g, struct tlsa_plan_item *item)
{
	struct store_rows rows = {0};
	const unsigned char *at;
	X509 *cert = NULL;
	int status = admin_load(g->admin, item->id, &rows, g->err);

	if (status == 0 && rows.chains[0].cert_count > 0) {
		at = rows.chains[0].certs[0].der.data;
		cert = d2i_X509(NULL, &at, (long)rows.chains[0].certs[0].der.length);
		set_kind(item, cert == NULL ? NULL : X509_get0_pubkey(cert));
	}
	X509_free(cert);
	store_rows_free(&rows);
	return status;
}

/* Whether a client that can use this key gets another chain from an earlier candidate. */
static bool
is_hidden(const struct gathering *g, const char *kind, enum hook_candidate what)
{
	for (size_t i = 0; i < g->out->count; i++) {
		const struct tlsa_plan_item *item = &g->out->items[i];
		bool expired = g->config->expired == CONFIG_EXPIRED_FALLBACK && item->not_after < (int64_t)time(NULL);

		if (item->state == TLSA_PLAN_ACTIVE && item->what <= HOOK_WILDCARD && item->what < what && !expired &&
		    strcmp(item->kind, kind) == 0)
			return true;
	}
	return false;
}

static bool
is_there(const struct gathering *g, int64_t id)
{
	for (size_t i = 0; i < g->out->count; i++)
		if (g->out->items[i].id == id && g->out->items[i].state != TLSA_PLAN_WAITING)
			return true;
	return false;
}

static int
take_chain(void *arg, const struct admin_chain *chain)
{
	struct gathering *g = arg;
	struct tlsa_plan_item *item = is_there(g, chain->id) ? NULL : add_item(g);

	if (item == NULL)
		return g->failed ? 1 : 0;
	item->id = chain->id;
	item->not_after = chain->not_after;
	snprintf(item->key_type, sizeof(item->key_type), "%s", chain->key_type);
	memcpy(item->spki, chain->spki, sizeof(item->spki));
	item->what = g->what;
	item->served_by = *g->key;
	if (set_kind_of_chain(g, item) != 0)
		g->failed = true;
	else if (is_hidden(g, item->kind, g->what))
		g->out->count--;
	return g->failed ? 1 : 0;
}

static int
take_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct gathering *g = arg;

	(void)key;
	(void)key_type;
	return admin_chains(g->admin, chain, NULL, take_chain, g, g->err) < 0 || g->failed ? 1 : 0;
}

static void
set_kind_of_key(struct tlsa_plan_item *item)
{
	const unsigned char *at = item->public_key;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)item->public_length);

	set_kind(item, key);
	EVP_PKEY_free(key);
}

static int
take_key(void *arg, const struct admin_pending_key *key)
{
	struct gathering *g = arg;
	struct tlsa_plan_item *item = add_item(g);

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
	set_kind_of_key(item);
	/* A key waiting for the wildcard's certificate. */
	if (is_hidden(g, item->kind, g->what)) {
		free(item->public_key);
		g->out->count--;
	}
	return 0;
}

static int
take_address(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct gathering *g = arg;
	struct name *list;

	(void)key_type;
	(void)chain;
	if (g->address_count > 0 && strcmp(g->addresses[g->address_count - 1].text, key) == 0)
		return 0;
	list = realloc(g->addresses, (g->address_count + 1) * sizeof(*list));
	if (list == NULL) {
		g->failed = true;
		return 1;
	}
	g->addresses = list;
	name_fallback(&list[g->address_count++], key + 1);
	return 0;
}

/* For all clients that reach these candidates, in this order. */
static int
walk(struct gathering *g, const struct hook_candidates *list)
{
	for (size_t i = 0; i < list->count; i++) {
		size_t before = g->out->count;

		g->what = list->each[i].what;
		g->key = &list->each[i].key;
		if (admin_bindings(g->admin, g->key->text, 0, take_binding, g, g->err) < 0 || g->failed)
			return -1;
		if (before == 0 && g->out->count > 0)
			g->out->served_by = *g->key;
	}
	return 0;
}

static int
walk_fallbacks(struct gathering *g, const char *address, const struct config_program *program)
{
	struct hook_candidates list = {0};

	hook_candidates_fallbacks(&list, address, program);
	return walk(g, &list);
}

/* Like a handshake, for any program, at any address. */
static int
gather_active(struct gathering *g)
{
	hook_candidates_names(&g->names, g->config, g->name->text);
	if (walk(g, &g->names) != 0 || walk_fallbacks(g, NULL, NULL) != 0 ||
	    admin_address_fallbacks(g->admin, take_address, g, g->err) < 0 || g->failed)
		return -1;
	for (size_t i = 0; i < g->address_count; i++)
		if (walk_fallbacks(g, g->addresses[i].text + 1, NULL) != 0)
			return -1;
	for (size_t i = 0; i < g->config->program_count; i++)
		if (g->config->programs[i].unknown != CONFIG_UNKNOWN_OWN &&
		    walk_fallbacks(g, NULL, &g->config->programs[i]) != 0)
			return -1;
	return 0;
}

struct match {
	const struct gathering *g;
	size_t candidate;               /* of the names: the first it will be bound to; their count: none */
};

/* Whether activation binds what will serve the name. */
static int
match_name(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct match *match = arg;

	(void)key_type;
	(void)chain;
	for (size_t i = 0; i < match->candidate; i++)
		if (strcmp(key, match->g->names.each[i].key.text) == 0)
			match->candidate = i;
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
	struct match match = { .g = g, .candidate = g->names.count };
	bool renews = false;

	if (admin_staged(g->admin, id, match_name, &match, g->err) != 0 ||
	    (match.candidate > 0 && renews_active(g, id, &renews) != 0))
		return -1;
	if (!renews && match.candidate == g->names.count)
		return 0;
	/* What renews one of these goes where that is. */
	g->what = renews ? HOOK_EXACT : g->names.each[match.candidate].what;
	g->key = g->name;
	return admin_chains(g->admin, id, NULL, take_chain, g, g->err) < 0 || g->failed ? -1 : 0;
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
	g->state = TLSA_PLAN_WAITING;
	for (size_t i = 0; i < g->names.count; i++) {
		g->what = g->names.each[i].what;
		if (admin_pending_keys_for(g->admin, g->names.each[i].key.text, take_key, g, g->err) != 0)
			return -1;
	}
	return 0;
}

int
tlsa_plan_of(struct admin *admin, const struct config *config, const struct name *name, struct tlsa_plan *out,
    struct snicert_error *err)
{
	struct gathering g = { .admin = admin, .config = config, .name = name, .out = out, .err = err };
	int status;

	*out = (struct tlsa_plan){ .served_by = *name };
	status = gather_active(&g) == 0 && gather_staged(&g) == 0 && gather_waiting(&g) == 0 ? 0
	    : error_set(err, SNICERT_EMEMORY, "no memory");
	free(g.addresses);
	return status;
}

void
tlsa_plan_clear(struct tlsa_plan *out)
{
	for (size_t i = 0; i < out->count; i++)
		free(out->items[i].public_key);
	free(out->items);
	*out = (struct tlsa_plan){0};
}
