/* SPDX-License-Identifier: ISC */
/*
 * admin_wal.c: the store's file and what stands beside it.  A commit goes to the WAL, and
 * from there into the file at the next checkpoint: until then who copies the file alone
 * has a copy without it.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "store/admin_sql.h"

/*
 * Passive: whoever reads goes on, and nobody is waited for.  After the commit's tick there
 * is hardly ever a reader of the state before, which alone keeps a part in the WAL.
 */
void
admin_checkpoint(struct admin *admin)
{
	sqlite3_wal_checkpoint_v2(admin->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

bool
admin_wal_is_cut(const struct admin *admin)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%s-wal", admin->path);
	return stat(path, &st) != 0 || st.st_size == 0;
}
