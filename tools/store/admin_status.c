/* SPDX-License-Identifier: ISC */
/*
 * admin_status.c: the state of a store as a whole.  SQLite counts, so we hold nothing here;
 * frequent questions (when chains expire) have an index.
 */
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "store/admin_sql.h"
#include "store/admin_status.h"

#define WEEK (7 * 86400)

/* '@' starts the fallbacks, as in store.c; a name has neither '@' nor capitals.  In this form,
 * SQLite doesn't split the table in two and sort it. */
#define IS_NAME "name NOT BETWEEN '@' AND 'A'"

/* In the order of enum status_type. */
const char *const status_types[STATUS_TYPES] = { "RSA", "RSA-PSS", "EC", "ED25519", "ED448" };

static const char *
text(sqlite3_stmt *row, int column)
{
	const unsigned char *octets = sqlite3_column_text(row, column);

	return octets != NULL ? (const char *)octets : "";
}

/* From the index, in its order; grouping by week would sort first. */
static int
count_ends(struct admin *admin, int64_t from, int64_t to, int64_t *out, struct snicert_error *err)
{
	return admin_number(admin, out, err,
	    "SELECT count(*) FROM chain WHERE state = 'active' AND not_after >= ?1 AND not_after < ?2", "ii", from,
	    to);
}

bool
status_is_near(const struct status_near *near, int64_t lifetime, int64_t not_after, int64_t now)
{
	int64_t left = not_after - now;

	return left < near->seconds && left < lifetime / near->part;
}

struct near_count {
	const struct status_near *near;
	int64_t now, count;
};

static int
near_row(void *arg, sqlite3_stmt *row)
{
	struct near_count *to = arg;

	to->count += status_is_near(to->near, sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), to->now);
	return 0;
}

/* Among those that the index has within the days; the rule itself is above, once. */
static int
count_near(struct admin *admin, int64_t now, const struct status_near *near, int64_t *out,
    struct snicert_error *err)
{
	struct near_count to = { near, now, 0 };
	int status = admin_run(admin, near_row, &to, err,
	    "SELECT ifnull(lifetime, not_after - not_before), not_after FROM chain"
	    " WHERE state = 'active' AND not_after >= ?1 AND not_after < ?1 + ?2", "ii", now, near->seconds);

	*out = to.count;
	return status;
}

static int
soonest_row(void *arg, sqlite3_stmt *row)
{
	struct status_ends *out = arg;
	const char *names = text(row, 1), *subject = text(row, 2);
	size_t length = strcspn(names, " ");

	out->any = true;
	out->soonest = sqlite3_column_int64(row, 0);
	if (length > 0)
		snprintf(out->soonest_name, sizeof(out->soonest_name), "%.*s", (int)length, names);
	else
		snprintf(out->soonest_name, sizeof(out->soonest_name), "%s", subject);
	return 1;
}

int
admin_ends(struct admin *admin, int64_t now, const struct status_near near[2], struct status_ends *out,
    struct snicert_error *err)
{
	memset(out, 0, sizeof(*out));
	if (admin_number(admin, &out->active, err, "SELECT count(*) FROM chain WHERE state = 'active'", "") != 0 ||
	    count_ends(admin, INT64_MIN, now, &out->expired, err) != 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (count_near(admin, now, &near[i], &out->within[i], err) != 0)
			return -1;
	for (int64_t i = 0; i < STATUS_WEEKS; i++)
		if (count_ends(admin, now + i * WEEK, now + (i + 1) * WEEK, &out->weeks[i], err) != 0)
			return -1;
	return admin_run(admin, soonest_row, out, err,
	    "SELECT not_after, names, subject FROM chain WHERE state = 'active' AND not_after >= ?1"
	    " ORDER BY not_after LIMIT 1", "i", now) < 0 ? -1 : 0;
}

static int
names_row(void *arg, sqlite3_stmt *row)
{
	struct status_counts *out = arg;

	out->names = sqlite3_column_int64(row, 0);
	for (int i = 0; i < STATUS_TYPES; i++)
		out->of_type[i] = sqlite3_column_int64(row, i + 1); /* NULL, of no names, is 0 */
	return 0;
}

/* The bindings are in order of names: one pass, no sort. */
static int
count_names(struct admin *admin, struct status_counts *out, struct snicert_error *err)
{
	return admin_run(admin, names_row, out, err,
	    "SELECT count(*), sum(a), sum(b), sum(c), sum(d), sum(e) FROM (SELECT"
	    " max(key_type = 'RSA') a, max(key_type = 'RSA-PSS') b, max(key_type = 'EC') c,"
	    " max(key_type = 'ED25519') d, max(key_type = 'ED448') e"
	    " FROM binding WHERE " IS_NAME " GROUP BY name)", "");
}

static int
uncovered_row(void *arg, sqlite3_stmt *row)
{
	struct status_counts *out = arg;

	if (out->uncovered < STATUS_SHOWN)
		snprintf(out->uncovered_names[out->uncovered], sizeof(out->uncovered_names[0]), "%s", text(row, 0));
	out->uncovered++;
	return 0;
}

/*
 * A chain's names are in its row, space-separated.  Most names match as they are, so we try
 * that first; a wildcard covers one label.
 */
static int
count_uncovered(struct admin *admin, struct status_counts *out, struct snicert_error *err)
{
	return admin_run(admin, uncovered_row, out, err,
	    "SELECT b.name FROM chain c CROSS JOIN binding b ON b.chain = c.id"
	    " WHERE b." IS_NAME
	    " AND instr(' ' || c.names || ' ', ' ' || b.name || ' ') = 0"
	    " AND instr(' ' || c.names || ' ', ' *.' || substr(b.name, 1 + instr(b.name, '.')) || ' ') = 0", "");
}

static int
fallback_row(void *arg, sqlite3_stmt *row)
{
	struct status_counts *out = arg;
	const char *type = text(row, 0);

	out->has_fallback = true;
	for (int i = 0; i < STATUS_TYPES; i++)
		out->fallback[i] |= strcmp(type, status_types[i]) == 0;
	return 0;
}

static int
change_row(void *arg, sqlite3_stmt *row)
{
	struct status_counts *out = arg;

	out->sequence = sqlite3_column_int64(row, 0);
	out->changed = sqlite3_column_int64(row, 1);
	snprintf(out->changed_by, sizeof(out->changed_by), "%s", text(row, 2));
	return 1;
}

int
admin_counts(struct admin *admin, struct status_counts *out, struct snicert_error *err)
{
	memset(out, 0, sizeof(*out));
	/* Each of these has an index; a chain neither active nor retired is staged. */
	if (admin_number(admin, &out->chains, err, "SELECT count(*) FROM chain", "") != 0 ||
	    admin_number(admin, &out->active, err, "SELECT count(*) FROM chain WHERE state = 'active'", "") != 0 ||
	    admin_number(admin, &out->retired, err, "SELECT count(*) FROM chain WHERE state = 'retired'", "") != 0 ||
	    admin_number(admin, &out->addresses, err,
	        "SELECT count(DISTINCT name) FROM binding WHERE name > '@' AND name < 'A'", "") != 0 ||
	    admin_number(admin, &out->schema, err, "PRAGMA user_version", "") != 0)
		return -1;
	out->staged = out->chains - out->active - out->retired;
	if (admin_run(admin, fallback_row, out, err, "SELECT key_type FROM binding WHERE name = '@'", "") != 0 ||
	    admin_run(admin, change_row, out, err,
	        "SELECT sequence, at, who FROM change ORDER BY sequence DESC LIMIT 1", "") < 0)
		return -1;
	return count_names(admin, out, err) != 0 || count_uncovered(admin, out, err) != 0 ? -1 : 0;
}
