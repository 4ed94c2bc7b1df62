/* SPDX-License-Identifier: ISC */
/* admin_related.c: which chains a new one may be related to; where chains come from. */
#include <stdio.h>
#include <string.h>

#include "name.h"
#include "store/admin_related.h"
#include "store/admin_sql.h"

/* Names are sorted: if the new chain has all names of a chain, it has the first. */
static int
of_names(struct admin *admin, const char *names, admin_row_fn *row, void *to, struct snicert_error *err)
{
	char name[NAME_MAX_LENGTH + 3];
	int status = 0;

	do {
		size_t length = strcspn(names, " ");

		snprintf(name, sizeof(name), "%.*s", (int)length, names);
		status = admin_run(admin, row, to, err, ADMIN_CHAIN_COLUMNS
		    "WHERE state = 'active' AND substr(names, 1, instr(names || ' ', ' ') - 1) = ?1", "t", name);
		names += length;
		names += strspn(names, " ");
	} while (status == 0 && *names != '\0');
	return status;
}

int
admin_related(struct admin *admin, const struct admin_related *of, enum admin_related_by by, admin_each_chain_fn *each, void *arg,
    struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	switch (by) {
	case ADMIN_RELATED_LINEAGE:
		return of->lineage == NULL ? 0 : admin_run(admin, admin_chain_row, &to, err,
		    ADMIN_CHAIN_COLUMNS "WHERE state = 'active' AND lineage = ?1", "t", of->lineage);
	case ADMIN_RELATED_KEY:
		return admin_run(admin, admin_chain_row, &to, err,
		    ADMIN_CHAIN_COLUMNS "WHERE state = 'active' AND spki = ?1 LIMIT 2", "b", of->spki, (size_t)STORE_DIGEST_LENGTH);
	case ADMIN_RELATED_NAMES:
		return of_names(admin, of->names, admin_chain_row, &to, err);
	default:
		return of->subject[0] == '\0' ? 0 : admin_run(admin, admin_chain_row, &to, err,
		    ADMIN_CHAIN_COLUMNS "WHERE state = 'active' AND subject = ?1", "t", of->subject);
	}
}

int
admin_set_lineage(struct admin *admin, int64_t chain, const char *lineage, bool force, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "UPDATE chain SET lineage = ?2 WHERE id = ?1 AND (lineage IS NULL OR ?3) AND lineage IS NOT ?2", "iti",
	    chain, lineage, (int64_t)force);
}

int
admin_has_left(struct admin *admin, const char *key, int64_t chain, bool *left, struct snicert_error *err)
{
	int64_t found = 0;
	int status = admin_number(admin, &found, err,
	    "SELECT 1 WHERE EXISTS (SELECT 1 FROM former WHERE chain = ?2 AND name = ?1 AND sequence > 0)"
	    " OR EXISTS (SELECT 1 FROM staged WHERE chain = ?2 AND name = ?1 AND since IS NULL)", "ti", key, chain);

	*left = found != 0;
	return status;
}

int
admin_serving(struct admin *admin, const char *key, admin_each_chain_fn *each, void *arg, struct snicert_error *err)
{
	struct admin_each_chain to = { each, arg };

	return admin_run(admin, admin_chain_row, &to, err,
	    ADMIN_CHAIN_COLUMNS "WHERE id IN (SELECT chain FROM binding WHERE name = ?1)", "t", key);
}

int
admin_rolled_back(struct admin *admin, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT s.chain FROM staged s JOIN chain c ON c.id = s.chain WHERE s.name = ?1 AND c.key_type = ?2"
	    " AND s.since IS NULL ORDER BY c.not_after DESC LIMIT 1", "tt", key, key_type);
}

int
admin_last_former(struct admin *admin, const char *key, const char *key_type, int64_t *chain, struct snicert_error *err)
{
	*chain = 0;
	return admin_number(admin, chain, err,
	    "SELECT chain FROM former WHERE name = ?1 AND key_type = ?2 AND sequence > 0"
	    " ORDER BY ifnull(step, 0) DESC, sequence DESC LIMIT 1",
	    "tt", key, key_type);
}

int
admin_last_chain(struct admin *admin, int64_t *id, struct snicert_error *err)
{
	*id = 0;
	return admin_number(admin, id, err, "SELECT seq FROM sqlite_sequence WHERE name = 'chain'", "");
}
