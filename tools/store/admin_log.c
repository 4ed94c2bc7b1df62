/* SPDX-License-Identifier: ISC */
/* admin_log.c: the store's change log: who did what, and when. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/admin_log.h"
#include "store/admin_sql.h"

#define DAY 86400

static unsigned kept = 365;     /* days */

void
admin_log_user(char *out, size_t size)
{
	struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		snprintf(out, size, "%s", user->pw_name);
	else
		snprintf(out, size, "uid %lu", (unsigned long)getuid());
}

int
admin_log(struct admin *admin, const char *what, const char *key, int64_t chain,
    const char *detail, struct snicert_error *err)
{
	if (admin->user[0] == '\0')
		admin_log_user(admin->user, sizeof(admin->user));
	return admin_run(admin, NULL, NULL, err,
	    "INSERT INTO change (at, who, sudo, pid, what, name, chain, detail)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, 0), ?8)",
	    "ittittit", (int64_t)time(NULL), admin->user, getenv("SUDO_USER"),
	    (int64_t)getpid(), what, key, chain, detail);
}

void
admin_log_days(unsigned days)
{
	kept = days;
}

/* In chronological order, so we read only those to delete, and one more. */
int
admin_log_prune(struct admin *admin, struct snicert_error *err)
{
	return admin_run(admin, NULL, NULL, err,
	    "DELETE FROM change WHERE sequence < (SELECT min(sequence) FROM change WHERE at >= ?1)", "i",
	    (int64_t)time(NULL) - (int64_t)kept * DAY);
}

struct each_change {
	admin_each_change_fn *each;
	void *arg;
};

static int
change_row(void *arg, sqlite3_stmt *row)
{
	const struct each_change *to = arg;
	const unsigned char *user = sqlite3_column_text(row, 2), *what = sqlite3_column_text(row, 5);
	struct admin_change change = {
		.sequence = sqlite3_column_int64(row, 0),
		.at = sqlite3_column_int64(row, 1),
		.user = user != NULL ? (const char *)user : "",
		.sudo = (const char *)sqlite3_column_text(row, 3),
		.pid = sqlite3_column_int64(row, 4),
		.what = what != NULL ? (const char *)what : "",
		.key = (const char *)sqlite3_column_text(row, 6),
		.chain = sqlite3_column_int64(row, 7),
		.detail = (const char *)sqlite3_column_text(row, 8),
	};

	return to->each(to->arg, &change);
}

int
admin_changes(struct admin *admin, const struct admin_log_filter *filter, admin_each_change_fn *each,
    void *arg, struct snicert_error *err)
{
	struct each_change to = { each, arg };

	return admin_run(admin, change_row, &to, err,
	    "SELECT sequence, at, who, sudo, pid, what, name, chain, detail FROM change"
	    " WHERE sequence > ?1 AND at >= ?2 AND (?3 IS NULL OR name = ?3) AND (?4 = 0 OR chain = ?4)"
	    " ORDER BY sequence DESC LIMIT ?5",
	    "iitii", filter->after, filter->since, filter->key, filter->chain,
	    filter->last > 0 ? filter->last : -1);
}
