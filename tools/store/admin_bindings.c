/* SPDX-License-Identifier: ISC */
/*
 * admin_bindings.c: what keys are, will be, and were bound to.
 *
 * A new chain is staged.  It is active while any key is bound to it, and retired when the last
 * key leaves it.  The latest few former chains of a key are kept for roll-back; a retired
 * chain that no key remembers is deleted.  A former with the sequence 0 tells that in its step
 * the key had no chain of this key type, and got this one; it doesn't keep the chain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "store/admin_owner.h"
#include "store/admin_sql.h"

struct each_key {
	admin_each_key_fn *each;
	void *arg;
};

static int
key_row(void *arg, sqlite3_stmt *row)
{
	const struct each_key *to = arg;

	return to->each(to->arg, admin_text(row, 0), admin_text(row, 1), sqlite3_column_int64(row, 2));
}

int
admin_bindings(struct admin *admin, const char *key, int64_t chain, admin_each_key_fn *each,
    void *arg, struct snicert_error *err)
{
	struct each_key to = { each, arg };

	if (key != NULL)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM binding WHERE name = ?1 ORDER BY key_type", "t", key);
	if (chain != 0)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM binding WHERE chain = ?1 ORDER BY name", "i", chain);
	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain FROM binding ORDER BY name, key_type", "");
}

int
admin_address_fallbacks(struct admin *admin, admin_each_key_fn *each, void *arg, struct snicert_error *err)
{
	struct each_key to = { each, arg };

	/* '@' alone is the global one; no other key has an '@' or begins with a capital. */
	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain FROM binding WHERE name > '@' AND name < 'A' ORDER BY name, key_type", "");
}

int
admin_staged(struct admin *admin, int64_t chain, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT s.name, c.key_type, s.chain FROM staged s JOIN chain c ON c.id = s.chain"
	    " WHERE s.chain = ?1 ORDER BY s.name", "i", chain);
}

int
admin_formers(struct admin *admin, const char *key, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT name, key_type, chain FROM former WHERE name = ?1 AND sequence > 0"
	    " ORDER BY ifnull(step, 0) DESC, sequence DESC", "t", key);
}

/*
 * Of a former f: it was a chain; or the key still has the chain that it got then, and had another one
 * before: we don't go back to nothing.
 */
#define WAY_BACK \
	"(f.sequence > 0 OR (EXISTS (SELECT 1 FROM binding b" \
	" WHERE b.name = f.name AND b.key_type = f.key_type AND b.chain = f.chain)" \
	" AND (EXISTS (SELECT 1 FROM former g WHERE g.name = f.name AND g.step = f.step" \
	" GROUP BY g.key_type HAVING min(g.sequence) > 0)" \
	" OR EXISTS (SELECT 1 FROM binding o WHERE o.name = f.name AND NOT EXISTS (SELECT 1 FROM former g" \
	" WHERE g.name = o.name AND g.key_type = o.key_type AND g.sequence = 0 AND g.step = f.step AND g.chain = o.chain)))))"

int
admin_last_step(struct admin *admin, const char *key, const char *key_type, int64_t *step,
    struct snicert_error *err)
{
	*step = -1;
	return admin_number(admin, step, err,
	    "SELECT ifnull(max(ifnull(f.step, 0)), -1) FROM former f WHERE f.name = ?1 AND (?2 IS NULL OR f.key_type = ?2)"
	    " AND " WAY_BACK,
	    "tt", key, key_type);
}

int
admin_formers_at(struct admin *admin, const char *key, int64_t step, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	/* Older schemas lack steps: take the latest, by its number. */
	if (step == 0)
		return admin_run(admin, key_row, &to, err,
		    "SELECT name, key_type, chain FROM former WHERE name = ?1 AND step IS NULL"
		    " ORDER BY sequence DESC LIMIT 1", "t", key);
	/* With min(), SQLite takes its row. */
	return admin_run(admin, key_row, &to, err,
	    "SELECT f.name, f.key_type, iif(f.sequence = 0, 0, f.chain), min(f.sequence) FROM former f"
	    " WHERE f.name = ?1 AND f.step = ?2 AND " WAY_BACK " GROUP BY f.key_type ORDER BY f.key_type", "ti", key, step);
}

int
admin_left_at(struct admin *admin, int64_t chain, int64_t step, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT f.name, f.key_type, f.chain FROM former f WHERE f.chain = ?1 AND f.step = ?2"
	    " AND f.sequence > 0 AND NOT EXISTS"
	    " (SELECT 1 FROM binding b WHERE b.name = f.name AND b.key_type = f.key_type) ORDER BY f.name", "ii",
	    chain, step);
}

int
admin_forget_step(struct admin *admin, const char *key, const char *key_type, int64_t step,
    struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND step = ?3", "tti", key, key_type, step);
}

int
admin_bound(struct admin *admin, const char *key, const char *key_type, int64_t *chain,
    struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT chain FROM binding WHERE name = ?1 AND key_type = ?2", "tt", key, key_type);
}

struct since {
	int64_t at;
	bool found;
};

static int
since_row(void *arg, sqlite3_stmt *row)
{
	struct since *since = arg;

	since->at = sqlite3_column_int64(row, 0);
	since->found = sqlite3_column_type(row, 0) != SQLITE_NULL;
	return 1;
}

int
admin_staged_since(struct admin *admin, int64_t chain, int64_t *since, struct snicert_error *err)
{
	struct since found = {0};

	/* If one name has no time, the chain has none. */
	if (admin_run(admin, since_row, &found, err,
	    "SELECT since FROM staged WHERE chain = ?1 ORDER BY since IS NOT NULL, since DESC", "i",
	    chain) < 0)
		return -1;
	*since = found.found ? found.at : 0;
	return 0;
}

int
admin_staged_chains(struct admin *admin, admin_each_chain_fn *each, void *arg,
    struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE state = 'staged' AND EXISTS (SELECT 1 FROM staged WHERE staged.chain = chain.id)"
	    " ORDER BY id", "");
}

/* After it gained or lost a key. */
static int
settle(struct admin *admin, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "UPDATE chain SET state = CASE WHEN EXISTS (SELECT 1 FROM binding WHERE chain = ?1)"
	    " THEN 'active' ELSE 'retired' END"
	    " WHERE id = ?1 AND (state <> 'staged' OR EXISTS (SELECT 1 FROM binding WHERE chain = ?1))",
	    "i", chain);
}

/* One number for all that a transaction binds and unbinds, greater than those before. */
static int
take_step(struct admin *admin, struct snicert_error *err)
{
	if (admin->step != 0)
		return 0;
	admin->step = 1;
	return admin_number(admin, &admin->step, err, "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'change'", "");
}

static int
remember(struct admin *admin, const char *key, const char *key_type, int64_t chain,
    struct snicert_error *err)
{
	if (take_step(admin, err) != 0 ||
	    admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND chain = ?3 AND sequence > 0", "tti", key, key_type,
	    chain) != 0 ||
	    admin_run(admin, NULL, NULL, err,
	        "INSERT INTO former (name, key_type, sequence, chain, step)"
	        " SELECT ?1, ?2, 1 + ifnull(max(sequence), 0), ?3, ?4 FROM former"
	        " WHERE name = ?1 AND key_type = ?2", "ttii", key, key_type, chain, admin->step) != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND sequence > 0 AND sequence <="
	    " (SELECT sequence FROM former WHERE name = ?1 AND key_type = ?2"
	    "  ORDER BY sequence DESC LIMIT 1 OFFSET ?3)",
	    "tti", key, key_type, (int64_t)ADMIN_FORMER_KEPT);
}

/*
 * It has its first chain of this key type, beside others: roll-back can undo that.  The names that had
 * nothing at all before this transaction are in "fresh", and go back to nothing never.
 */
static int
note_added(struct admin *admin, const char *key, const char *key_type, int64_t chain, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err,
	    "INSERT OR IGNORE INTO temp.fresh SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM former WHERE name = ?1 AND step = ?2)"
	    " AND NOT EXISTS (SELECT 1 FROM binding WHERE name = ?1 AND key_type <> ?3)", "tit", key, admin->step, key_type) != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err,
	    "INSERT INTO former (name, key_type, sequence, chain, step) SELECT ?1, ?2, 0, ?3, ?4"
	    " WHERE NOT EXISTS (SELECT 1 FROM temp.fresh WHERE name = ?1)"
	    " AND NOT EXISTS (SELECT 1 FROM former WHERE name = ?1 AND key_type = ?2 AND step = ?4)",
	    "ttii", key, key_type, chain, admin->step);
}

static int
note_new(struct admin *admin, const char *key, const char *key_type, int64_t chain, int64_t former,
    struct snicert_error *err)
{
	if (take_step(admin, err) != 0)
		return -1;
	/* In the transaction that added one, another one replaces it: nothing was before both. */
	if (former != 0 && admin_run(admin, NULL, NULL, err,
	    "UPDATE former SET chain = ?3 WHERE name = ?1 AND key_type = ?2 AND sequence = 0 AND step = ?4", "ttii", key,
	    key_type, chain, admin->step) != 0)
		return -1;
	/* Later, a chain that comes again was not added to nothing. */
	if (admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND key_type = ?2 AND sequence = 0 AND step <> ?4 AND (chain = ?3 OR ?5)",
	    "ttiii", key, key_type, chain, admin->step, (int64_t)(former == 0)) != 0)
		return -1;
	return former == 0 ? note_added(admin, key, key_type, chain, err) : 0;
}

static int
key_type_row(void *arg, sqlite3_stmt *row)
{
	snprintf(arg, 16, "%s", (const char *)sqlite3_column_text(row, 0));
	return 1;
}

static int
bind_to(struct admin *admin, const char *key, int64_t chain, bool back, struct snicert_error *err)
{
	char key_type[16] = "";
	int64_t former;

	if (admin_run(admin, key_type_row, key_type, err, "SELECT key_type FROM chain WHERE id = ?1",
	    "i", chain) < 0 ||
	    admin_bound(admin, key, key_type, &former, err) != 0)
		return -1;
	if (former == chain)
		return settle(admin, chain, err);
	if (admin_may_bind(admin, key, chain, err) != 0)
		return -1;
	if (admin_run(admin, NULL, NULL, err,
	    "INSERT INTO binding (name, key_type, chain) VALUES (?1, ?2, ?3)"
	    " ON CONFLICT (name, key_type) DO UPDATE SET chain = excluded.chain",
	    "tti", key, key_type, chain) != 0 ||
	    settle(admin, chain, err) != 0 ||
	    admin_forget_former(admin, key, chain, err) != 0)
		return -1;
	if (admin_run(admin, NULL, NULL, err, "DELETE FROM staged WHERE chain = ?1 AND name = ?2", "it",
	    chain, key) != 0)
		return -1;
	if (!back && note_new(admin, key, key_type, chain, former, err) != 0)
		return -1;
	if (former != 0 && (remember(admin, key, key_type, former, err) != 0 ||
	    settle(admin, former, err) != 0))
		return -1;
	return admin_log(admin, "bind", key, chain, NULL, err);
}

int
admin_bind(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	return bind_to(admin, key, chain, false, err);
}

int
admin_bind_back(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	return bind_to(admin, key, chain, true, err);
}

struct unbinding {
	struct {
		char key_type[16];
		int64_t chain;
	} each[STORE_CHAINS_MOST];
	int count;
	const char *key_type;
};

static int
unbinding_row(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct unbinding *list = arg;

	(void)key;
	if (list->count == STORE_CHAINS_MOST ||
	    (list->key_type != NULL && strcmp(list->key_type, key_type) != 0))
		return 0;
	snprintf(list->each[list->count].key_type, sizeof(list->each[0].key_type), "%s", key_type);
	list->each[list->count++].chain = chain;
	return 0;
}

int
admin_unbind(struct admin *admin, const char *key, const char *key_type, int *count,
    struct snicert_error *err)
{
	struct unbinding list = { .key_type = key_type };

	if (admin_bindings(admin, key, 0, unbinding_row, &list, err) != 0)
		return -1;
	for (int i = 0; i < list.count; i++) {
		if (admin_run(admin, NULL, NULL, err,
		    "DELETE FROM binding WHERE name = ?1 AND key_type = ?2", "tt", key,
		    list.each[i].key_type) != 0 ||
		    remember(admin, key, list.each[i].key_type, list.each[i].chain, err) != 0 ||
		    settle(admin, list.each[i].chain, err) != 0 ||
		    admin_log(admin, "unbind", key, list.each[i].chain, NULL, err) != 0)
			return -1;
	}
	if (count != NULL)
		*count = list.count;
	return 0;
}

int
admin_stage(struct admin *admin, const char *key, int64_t chain, int64_t since,
    struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "INSERT INTO staged (chain, name, since) VALUES (?1, ?2, nullif(?3, 0))"
	    " ON CONFLICT DO UPDATE SET since = excluded.since WHERE since IS NULL OR excluded.since IS NULL",
	    "iti", chain, key, since);
}

int
admin_unstage(struct admin *admin, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err, "DELETE FROM staged WHERE chain = ?1", "i", chain);
}

int
admin_forget_former(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM former WHERE name = ?1 AND chain = ?2 AND sequence > 0", "ti", key, chain);
}
