/* SPDX-License-Identifier: ISC */
/*
 * admin_wal.c: the store's file and those beside it.  A commit goes to the WAL, and into the
 * file at the next checkpoint: until then, a copy of the file alone lacks it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl.h"
#include "store/admin_sql.h"

/*
 * Passive: readers go on, and we wait for nobody.  After the commit's tick there is hardly
 * ever a reader of the previous state, which alone keeps a part in the WAL.
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

/* Opened with O_PATH: closing another descriptor of the file would drop SQLite's locks on it. */
static void
share(const char *path, const struct acl *list, const struct stat *store)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct acl has, wants = *list;
	struct stat st;
	char itself[64];

	snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
	/* A second link could lead to somebody's other file. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == store->st_uid) {
		acl_read_path(&has, itself);
		if (wants.length == 0) {
			wants = has;
			acl_set(&wants, store->st_mode & 0777);
		}
		/* If this process may not, another one made it. */
		if (wants.length > 0 && (wants.length != has.length || memcmp(wants.value, has.value, has.length) != 0))
			(void)!setxattr(itself, ACL_ATTRIBUTE, wants.value, wants.length, 0);
	}
	if (fd >= 0)
		close(fd);
}

/*
 * SQLite gives the WAL and its index the store's owner and mode, but a default access list of
 * the directory changes that (acl.h).
 */
void
admin_share(const struct admin *admin)
{
	static const char *const tails[] = { "-wal", "-shm" };
	char path[4200];
	struct acl list;
	struct stat store;

	if (stat(admin->path, &store) != 0)
		return;
	acl_read_path(&list, admin->path);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", admin->path, tails[i]);
		share(path, &list, &store);
	}
}
