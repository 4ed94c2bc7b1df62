/* SPDX-License-Identifier: ISC */
/*
 * admin_owner.c: the owners of chains and names.  An owner is a label on chains; a name
 * belongs to the owner of the chain that serves it.  This is no protection: --take overrides
 * it.  It keeps one customer's import from another's name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "store/admin_owner.h"
#include "store/admin_sql.h"

bool
admin_owner_valid(const char *label)
{
	size_t length = strlen(label);

	return length > 0 && length <= ADMIN_OWNER_MOST && strcmp(label, "none") != 0 && label[0] != '-' &&
	    strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+:/") == length;
}

void
admin_take(struct admin *admin, bool take)
{
	admin->take = take;
}

/* Most stores have no owners and pay nothing for them: we ask once per transaction. */
static int
any_owners(struct admin *admin, bool *any, struct snicert_error *err)
{
	int64_t found = 0;

	if (admin->owners == 0) {
		if (admin_number(admin, &found, err, "SELECT 1 FROM chain WHERE owner IS NOT NULL LIMIT 1", "") != 0)
			return -1;
		admin->owners = found != 0 ? 1 : -1;
	}
	*any = admin->owners > 0;
	return 0;
}

struct holder {
	char owner[ADMIN_OWNER_MOST + 1];
	char name[NAME_MAX_LENGTH + 1];
	int64_t chain;
	bool bound;             /* to a chain */
};

static int
holder_row(void *arg, sqlite3_stmt *row)
{
	struct holder *holder = arg;

	holder->bound = true;
	if (sqlite3_column_type(row, 1) != SQLITE_TEXT)
		return 0;
	snprintf(holder->name, sizeof(holder->name), "%s", (const char *)sqlite3_column_text(row, 0));
	snprintf(holder->owner, sizeof(holder->owner), "%s", (const char *)sqlite3_column_text(row, 1));
	holder->chain = sqlite3_column_int64(row, 2);
	return 1;
}

/* Of any key type; the owner is NULL if it is the chain's own, or none. */
static int
find_holder(struct admin *admin, const char *key, int64_t chain, struct holder *holder,
    struct snicert_error *err)
{
	return admin_run(admin, holder_row, holder, err,
	    "SELECT b.name, nullif(c.owner, ifnull((SELECT owner FROM chain WHERE id = ?2), '')), c.id"
	    " FROM binding b JOIN chain c ON c.id = b.chain WHERE b.name = ?1", "ti", key, chain) < 0 ? -1 : 0;
}

int
admin_may_bind(struct admin *admin, const char *key, int64_t chain, struct snicert_error *err)
{
	struct holder holder = {0};
	const char *dot = strchr(key, '.');
	char wildcard[NAME_MAX_LENGTH + 2];
	bool any = false;

	/* A fallback has no owner. */
	if (key[0] == '@' || admin->take)
		return 0;
	if (any_owners(admin, &any, err) != 0 || (any && find_holder(admin, key, chain, &holder, err) != 0))
		return -1;
	/* Binding the name would remove it from the wildcard that serves it. */
	if (any && !holder.bound && key[0] != '*' && dot != NULL) {
		snprintf(wildcard, sizeof(wildcard), "*%s", dot);
		if (find_holder(admin, wildcard, chain, &holder, err) != 0)
			return -1;
	}
	if (holder.owner[0] == '\0')
		return 0;
	return error_set(err, SNICERT_EINPUT,
	    "%s belongs to owner %s (%s%schain %" PRId64 "); give this chain the same owner (--owner, or `snicert owner`), "
	    "or add --take",
	    key, holder.owner, strcmp(holder.name, key) != 0 ? holder.name : "",
	    strcmp(holder.name, key) != 0 ? ", " : "", holder.chain);
}

static int
owner_row(void *arg, sqlite3_stmt *row)
{
	const char *text = (const char *)sqlite3_column_text(row, 0);

	snprintf(arg, ADMIN_OWNER_MOST + 1, "%s", text != NULL ? text : "");
	return 1;
}

int
admin_owner_of(struct admin *admin, int64_t chain, char owner[ADMIN_OWNER_MOST + 1],
    struct snicert_error *err)
{
	owner[0] = '\0';
	return admin_run(admin, owner_row, owner, err, "SELECT owner FROM chain WHERE id = ?1", "i", chain) < 0
	    ? -1 : 0;
}

int
admin_set_owner(struct admin *admin, int64_t chain, const char *owner, struct snicert_error *err)
{
	char former[ADMIN_OWNER_MOST + 1];

	if (admin_owner_of(admin, chain, former, err) != 0)
		return -1;
	if (strcmp(former, owner == NULL ? "" : owner) == 0)
		return 0;
	if (former[0] != '\0' && !admin->take)
		return error_set(err, SNICERT_EINPUT, "chain %" PRId64 " belongs to owner %s; add --take to take it from them",
		    chain, former);
	admin->owners = 0;
	if (admin_run(admin, NULL, NULL, err, "UPDATE chain SET owner = ?2 WHERE id = ?1", "it", chain, owner) != 0)
		return -1;
	return admin_log(admin, "owner", NULL, chain, owner == NULL ? "none" : owner, err);
}

int
admin_inherit_owner(struct admin *admin, int64_t fresh, int64_t old, bool *strangers,
    struct snicert_error *err)
{
	char theirs[ADMIN_OWNER_MOST + 1], ours[ADMIN_OWNER_MOST + 1];
	bool any = false;

	*strangers = false;
	if (any_owners(admin, &any, err) != 0)
		return -1;
	if (!any)
		return 0;
	if (admin_owner_of(admin, old, theirs, err) != 0 || admin_owner_of(admin, fresh, ours, err) != 0)
		return -1;
	if (theirs[0] != '\0' && ours[0] == '\0')
		return admin_set_owner(admin, fresh, theirs, err);
	*strangers = theirs[0] != '\0' && strcmp(theirs, ours) != 0 && !admin->take;
	return 0;
}

struct each_owner {
	admin_each_owner_fn *each;
	void *arg;
};

static int
each_owner_row(void *arg, sqlite3_stmt *row)
{
	const struct each_owner *to = arg;

	return to->each(to->arg, (const char *)sqlite3_column_text(row, 0), sqlite3_column_int64(row, 1),
	    sqlite3_column_int64(row, 2));
}

int
admin_owners(struct admin *admin, admin_each_owner_fn *each, void *arg, struct snicert_error *err)
{
	struct each_owner to = { each, arg };

	return admin_run(admin, each_owner_row, &to, err,
	    "SELECT c.owner, count(DISTINCT c.id), count(DISTINCT b.name)"
	    " FROM chain c LEFT JOIN binding b ON b.chain = c.id AND b.name NOT BETWEEN '@' AND 'A'"
	    " WHERE c.owner IS NOT NULL GROUP BY c.owner ORDER BY c.owner", "");
}

struct each_key {
	admin_each_key_fn *each;
	void *arg;
};

static int
key_row(void *arg, sqlite3_stmt *row)
{
	const struct each_key *to = arg;

	return to->each(to->arg, (const char *)sqlite3_column_text(row, 0),
	    (const char *)sqlite3_column_text(row, 1), sqlite3_column_int64(row, 2));
}

int
admin_bindings_of(struct admin *admin, const char *owner, admin_each_key_fn *each, void *arg,
    struct snicert_error *err)
{
	struct each_key to = { each, arg };

	return admin_run(admin, key_row, &to, err,
	    "SELECT b.name, b.key_type, b.chain FROM chain c CROSS JOIN binding b ON b.chain = c.id"
	    " WHERE c.owner = ?1 ORDER BY b.name, b.key_type", "t", owner);
}

int
admin_owner_check(const char *label, struct snicert_error *err)
{
	if (admin_owner_valid(label))
		return 0;
	return error_set(err, SNICERT_EUSAGE,
	    "%s is not a label for an owner: use up to %d letters, digits and ._-@+:/", label, ADMIN_OWNER_MOST);
}
