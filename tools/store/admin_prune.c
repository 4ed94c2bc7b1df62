/* SPDX-License-Identifier: ISC */
/*
 * admin_prune.c: what nothing needs any more.
 *
 * Retired chains that no key remembers go, and certificates without a chain.  To look for them in the
 * whole store takes seconds where it has a million names, with every other writer waiting; so triggers
 * of the connection's own note whose last reference a transaction may have taken.
 */
#include "store/admin_sql.h"

/* Not made within a savepoint, which may be rolled back. */
int
admin_prune_begin(struct admin *admin, struct snicert_error *err)
{
	return admin_execute(admin,
	    "CREATE TEMP TABLE IF NOT EXISTS left_chain (id INTEGER PRIMARY KEY);"
	    "CREATE TEMP TABLE IF NOT EXISTS left_cert (id INTEGER PRIMARY KEY);"
	    "CREATE TEMP TRIGGER IF NOT EXISTS chain_retires AFTER UPDATE OF state ON main.chain WHEN new.state = 'retired'"
	    " BEGIN INSERT OR IGNORE INTO left_chain VALUES (new.id); END;"
	    "CREATE TEMP TRIGGER IF NOT EXISTS former_goes AFTER DELETE ON main.former"
	    " BEGIN INSERT OR IGNORE INTO left_chain VALUES (old.chain); END;"
	    "CREATE TEMP TRIGGER IF NOT EXISTS chain_cert_goes AFTER DELETE ON main.chain_cert"
	    " BEGIN INSERT OR IGNORE INTO left_cert VALUES (old.cert); END", err);
}

#define UNREMEMBERED \
	"state = 'retired' AND NOT EXISTS (SELECT 1 FROM former WHERE former.chain = chain.id AND former.sequence > 0)"
#define UNCHAINED "NOT EXISTS (SELECT 1 FROM chain_cert WHERE chain_cert.cert = cert.id)"

int
admin_prune(struct admin *admin, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err,
	        "DELETE FROM chain WHERE id IN (SELECT id FROM temp.left_chain) AND " UNREMEMBERED, "") != 0 ||
	    admin_run(admin, NULL, NULL, err,
	        "DELETE FROM cert WHERE id IN (SELECT id FROM temp.left_cert) AND " UNCHAINED, "") != 0 ||
	    admin_run(admin, NULL, NULL, err, "DELETE FROM temp.left_chain", "") != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err, "DELETE FROM temp.left_cert", "");
}

int
admin_prune_all(struct admin *admin, struct snicert_error *err)
{
	if (admin_run(admin, NULL, NULL, err, "DELETE FROM chain WHERE " UNREMEMBERED, "") != 0)
		return -1;
	return admin_run(admin, NULL, NULL, err, "DELETE FROM cert WHERE " UNCHAINED, "");
}
