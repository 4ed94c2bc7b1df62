/* SPDX-License-Identifier: ISC */
/* test_fleet.c: transactions of one store as changes that another applies; with a carrier that keeps them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "store/admin_fleet.h"
#include "store/admin_owner.h"
#include "store/admin_sql.h"

#define CHANGES_MOST 400
#define STEPS 120

static struct world *one, *other;
static struct admin *admin, *follower;
static struct snicert_error err;

/* What was carried. */
static struct change {
	unsigned char *octets;
	size_t length;
} changes[CHANGES_MOST];
static size_t carried, applied;
static int begun, ended, kept;
static int slow;                /* changes that SQLite's own way applied */
static int fails;               /* 1: begin, 2: commit */
static struct admin_position place;

static int
keep(void *arg, const void *octets, size_t length)
{
	struct change *change = arg;

	change->octets = realloc(change->octets, change->length + length);
	memcpy(change->octets + change->length, octets, length);
	change->length += length;
	return 0;
}

/* In pieces. */
static int
give(void *arg, int64_t at, void *octets, size_t *length)
{
	const struct change *change = arg;

	if (*length > 100)
		*length = 100;
	if (*length > change->length - (size_t)at)
		*length = change->length - (size_t)at;
	memcpy(octets, change->octets + at, *length);
	return 0;
}

/* SQLite's own way to apply a change begins with this. */
static int
note_slow(unsigned what, void *unused, void *statement, void *sql)
{
	(void)what;
	(void)unused;
	(void)statement;
	slow += strcmp(sql, "SAVEPOINT changeset_apply") == 0;
	return 0;
}

static int
on_begin(void *arg, struct admin *a, struct snicert_error *e)
{
	(void)a;
	ck_assert_ptr_eq(arg, &carried);
	if (fails == 1) {
		e->code = SNICERT_ESYSTEM;
		return -1;
	}
	begun++;
	return 0;
}

static int
on_commit(void *arg, struct admin *a, struct admin_position *next, struct snicert_error *e)
{
	bool empty;

	(void)arg;
	if (fails == 2) {
		e->code = SNICERT_ESYSTEM;
		return -1;
	}
	ck_assert_uint_lt(carried, CHANGES_MOST);
	changes[carried] = (struct change){0};
	ck_assert_int_eq(admin_changes_so_far(a, keep, &changes[carried], &empty, e), 0);
	ck_assert_int_eq(empty, changes[carried].length == 0);
	if (empty)
		return 0;
	carried++;
	place.seq++;
	*next = place;
	return 0;
}

static int
on_replace(void *arg, struct admin *a, const char *path, struct admin_position *next, struct snicert_error *e)
{
	(void)arg;
	(void)a;
	(void)e;
	place.seq++;
	*next = place;
	ck_assert_int_eq(admin_replace(follower, path, &place, &err), 0);
	return 0;
}

static void
on_end(void *arg, struct admin *a, bool is_kept)
{
	(void)arg;
	(void)a;
	ended++;
	kept += is_kept;
}

static const struct admin_carrier carrier = { on_begin, on_commit, on_replace, on_end };

static void
good(int status)
{
	ck_assert_msg(status == 0, "%s", err.text);
}

static void
take_place(struct admin *a, const char *node)
{
	snprintf(place.node, sizeof(place.node), "%s", node);
	good(admin_apply_begin(a, &err));
	good(admin_apply_commit(a, &place, &err));
}

static void
setup(void)
{
	memset(&err, 0, sizeof(err));
	carried = applied = 0;
	begun = ended = kept = slow = fails = 0;
	place = (struct admin_position){ .is_member = true, .fleet = "f", .epoch = 1, .history = "h" };
	one = world_new();
	other = world_copy(one);
	admin = world_admin(one);
	follower = world_admin(other);
	take_place(admin, "a");
	take_place(follower, "b");
	sqlite3_trace_v2(follower->db, SQLITE_TRACE_STMT, note_slow, NULL);
	admin_carry_by(&carrier, &carried);
}

static void
teardown(void)
{
	admin_carry_by(NULL, NULL);
	admin_close(admin);
	admin_close(follower);
	world_free(one);
	world_free(other);
	for (size_t i = 0; i < carried; i++)
		free(changes[i].octets);
}

/* The follower has what the first has. */
static void
follow(void)
{
	unsigned char a[32], b[32];

	for (; applied < carried; applied++) {
		place.seq = (int64_t)applied + 1;
		good(admin_apply_begin(follower, &err));
		ck_assert_msg(admin_apply(follower, give, &changes[applied], &err) == 0, "%s", err.text);
		good(admin_apply_commit(follower, &place, &err));
	}
	world_digest(one, a);
	world_digest(other, b);
	ck_assert_mem_eq(a, b, 32);
}

static uint64_t dice = 7;

static unsigned
draw(unsigned below)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(dice >> 33) % below;
}

static int64_t
some_chain(void)
{
	struct admin_totals totals;

	good(admin_totals(admin, &totals, &err));
	return totals.chains == 0 ? 0 : 1 + (int64_t)draw((unsigned)totals.chains + 3);
}

/* Something that a command does, and whether it may be kept. */
static bool
act(int step)
{
	char name[32];
	struct fake fake = { .names = name, .key_type = draw(3) == 0 ? "RSA" : "EC" };
	struct admin_pending_key waiting = { .key_type = "EC", .identity = (const unsigned char *)"01234567890123456789012345678901",
		.public_key = (const unsigned char *)"key", .public_length = 3, .names = name,
		.sealed_key = (const unsigned char *)"sealed", .sealed_length = 6 };
	unsigned char spki[32] = { (unsigned char)step, (unsigned char)(step >> 8) };
	int64_t id, chain = some_chain();
	bool existed, found;
	int count;

	snprintf(name, sizeof(name), "n%u.example", draw(12));
	waiting.spki = spki;
	switch (draw(9)) {
	case 0:
	case 1:
	case 2:
		id = fake_add(admin, &fake, &existed);
		return admin_bind(admin, name, id, &err) == 0 && admin_log(admin, "import", name, id, NULL, &err) == 0;
	case 3:
		id = fake_add(admin, &fake, &existed);
		return admin_stage(admin, name, id, 0, &err) == 0;
	case 4:
		return admin_unbind(admin, name, NULL, &count, &err) == 0 && admin_log(admin, "unbind", name, 0, NULL, &err) == 0;
	case 5:
		return admin_prune(admin, &err) == 0;
	case 6:
		return chain == 0 || admin_remove(admin, chain, &err) == 0;
	case 7:
		return admin_add_pending_key(admin, &waiting, &id, &err) == 0 &&
		    (draw(2) == 0 || admin_remove_pending_key(admin, id, &found, &err) == 0);
	default:
		return chain == 0 || admin_set_owner(admin, chain, draw(2) == 0 ? "somebody" : NULL, &err) == 0;
	}
}

START_TEST(test_changes)
{
	for (int step = 0; step < STEPS; step++) {
		int transactions = 1 + (int)draw(4);
		bool keeps = true;

		memset(&err, 0, sizeof(err));
		good(admin_begin(admin, &err));
		for (int i = 0; i < transactions && keeps; i++)
			keeps = act(step * 4 + i);
		if (keeps && draw(8) != 0)
			good(admin_commit(admin, &err));
		else
			admin_rollback(admin);
		if (draw(3) == 0)
			follow();
	}
	follow();
	ck_assert_uint_gt(carried, STEPS / 2);
	ck_assert_int_eq(begun, STEPS);
	ck_assert_int_eq(ended, STEPS);
	ck_assert_int_ge(kept, (int)carried);
	ck_assert_int_lt(slow, (int)carried / 20);
}
END_TEST

#define DIGEST(octet) "x'00000000000000000000000000000000000000000000000000000000000000" octet "'"

/* What commands do from day to day never takes the slow way; what comes anew under the same digest may. */
START_TEST(test_ways)
{
	struct fake fake = { .names = "a.example" };
	int64_t id = 0;

	for (int i = 0; i < 20; i++) {
		good(admin_begin(admin, &err));
		id = fake_add(admin, &fake, NULL);
		good(admin_bind(admin, "a.example", id, &err));
		good(admin_log(admin, "renew", "a.example", id, NULL, &err));
		good(admin_commit(admin, &err));
		follow();
	}
	ck_assert_int_eq(slow, 0);
	/* A digest that goes from one row to another, up and down: in one of these ways the order is wrong. */
	good(admin_begin(admin, &err));
	good(admin_execute(admin, "INSERT INTO cert (id, sha256, der) VALUES (100, " DIGEST("02") ", x'00'),"
	    " (101, " DIGEST("03") ", x'00'), (102, " DIGEST("04") ", x'00'), (103, " DIGEST("05") ", x'00')", &err));
	good(admin_commit(admin, &err));
	follow();
	ck_assert_int_eq(slow, 0);
	good(admin_begin(admin, &err));
	good(admin_execute(admin, "UPDATE cert SET sha256 = " DIGEST("12") " WHERE id = 100;"
	    "UPDATE cert SET sha256 = " DIGEST("02") " WHERE id = 101;"
	    "UPDATE cert SET sha256 = " DIGEST("15") " WHERE id = 103;"
	    "UPDATE cert SET sha256 = " DIGEST("05") " WHERE id = 102", &err));
	good(admin_commit(admin, &err));
	follow();
	ck_assert_int_eq(slow, 1);
}
END_TEST

/* Both number what comes next alike, so that any of them may write it. */
START_TEST(test_turns)
{
	int64_t ids[2];

	for (int i = 0; i < 6; i++) {
		struct fake fake = { .names = "a.example" };
		struct admin *swap = admin;
		struct world *w = one;

		good(admin_begin(admin, &err));
		ids[0] = fake_add(admin, &fake, NULL);
		good(admin_bind(admin, "a.example", ids[0], &err));
		good(admin_log(admin, "import", "a.example", ids[0], NULL, &err));
		good(admin_commit(admin, &err));
		follow();
		ck_assert(i == 0 || ids[0] == ids[1] + 1);
		ids[1] = ids[0];
		admin = follower;
		follower = swap;
		one = other;
		other = w;
	}
}
END_TEST

START_TEST(test_nothing)
{
	struct admin_position position;

	good(admin_begin(admin, &err));
	good(admin_commit(admin, &err));
	ck_assert_uint_eq(carried, 0);
	good(admin_position(admin, &position, &err));
	ck_assert_int_eq(position.seq, 0);
}
END_TEST

START_TEST(test_place)
{
	struct admin_position position;

	good(admin_position(admin, &position, &err));
	ck_assert(position.is_member);
	ck_assert_str_eq(position.node, "a");
	good(admin_begin(admin, &err));
	good(admin_log(admin, "x", NULL, 0, NULL, &err));
	good(admin_commit(admin, &err));
	good(admin_position(admin, &position, &err));
	ck_assert_int_eq(position.seq, 1);
	/* Each its own. */
	follow();
	good(admin_position(follower, &position, &err));
	ck_assert_int_eq(position.seq, 1);
	place = (struct admin_position){0};
	good(admin_apply_begin(admin, &err));
	good(admin_apply_commit(admin, &place, &err));
	good(admin_position(admin, &position, &err));
	ck_assert(!position.is_member);
}
END_TEST

START_TEST(test_no_carrier)
{
	admin_carry_by(NULL, NULL);
	ck_assert_int_eq(admin_begin(admin, &err), -1);
	ck_assert_msg(strstr(err.text, "fleet leave") != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_failures)
{
	unsigned char before[32], after[32];

	world_digest(one, before);
	for (fails = 1; fails <= 2; fails++) {
		memset(&err, 0, sizeof(err));
		ck_assert_int_eq(admin_begin(admin, &err), fails == 1 ? -1 : 0);
		if (fails == 1)
			continue;
		good(admin_log(admin, "x", NULL, 0, NULL, &err));
		ck_assert_int_eq(admin_commit(admin, &err), -1);
		ck_assert_int_eq(err.code, SNICERT_ESYSTEM);
	}
	ck_assert_int_eq(begun, ended);
	ck_assert_int_eq(kept, 0);
	world_digest(one, after);
	ck_assert_mem_eq(before, after, 32);
}
END_TEST

/* A store that somebody wrote otherwise: nothing of the change is in it. */
START_TEST(test_differs)
{
	struct fake fake = { .names = "a.example" };
	unsigned char before[32], after[32];
	int64_t id;

	good(admin_begin(admin, &err));
	id = fake_add(admin, &fake, NULL);
	good(admin_bind(admin, "a.example", id, &err));
	good(admin_commit(admin, &err));
	follow();
	world_sql(other, _i == 0 ? "UPDATE chain SET source = 'elsewhere'" : _i == 1 ? "DELETE FROM chain" :
	    "INSERT INTO binding VALUES ('b.example', 'EC', 1)");
	good(admin_begin(admin, &err));
	good(_i < 2 ? admin_remove(admin, id, &err) : admin_bind(admin, "b.example", id, &err));
	good(admin_commit(admin, &err));
	world_digest(other, before);
	good(admin_apply_begin(follower, &err));
	ck_assert_int_eq(admin_apply(follower, give, &changes[1], &err), 1);
	ck_assert_msg(strstr(err.text, _i == 2 ? "the table binding" : "the table chain") != NULL, "%s", err.text);
	admin_apply_rollback(follower);
	world_digest(other, after);
	ck_assert_mem_eq(before, after, 32);
}
END_TEST

START_TEST(test_restore)
{
	struct fake fake = { .names = "a.example" };
	unsigned char a[32], b[32];
	struct admin_position position;
	char path[128];
	int64_t id;

	good(admin_begin(admin, &err));
	id = fake_add(admin, &fake, NULL);
	good(admin_bind(admin, "a.example", id, &err));
	good(admin_commit(admin, &err));
	follow();
	snprintf(path, sizeof(path), "%s/backup", one->dir);
	good(admin_backup(admin, path, &err));
	good(admin_begin(admin, &err));
	good(admin_bind(admin, "b.example", id, &err));
	good(admin_commit(admin, &err));
	follow();
	good(admin_restore(admin, path, NULL, NULL, &err));
	world_digest(one, a);
	world_digest(other, b);
	ck_assert_mem_eq(a, b, 32);
	good(admin_position(admin, &position, &err));
	ck_assert_int_eq(position.seq, 3);
	good(admin_bound(admin, "b.example", "EC", &id, &err));
	ck_assert_int_eq(id, 0);
	ck_assert_int_eq(begun, ended);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fleet");
	TCase *tests = tcase_create("fleet");
	int failed;

	harness_start();
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_changes);
	tcase_add_test(tests, test_ways);
	tcase_add_test(tests, test_turns);
	tcase_add_test(tests, test_nothing);
	tcase_add_test(tests, test_place);
	tcase_add_test(tests, test_no_carrier);
	tcase_add_test(tests, test_failures);
	tcase_add_loop_test(tests, test_differs, 0, 3);
	tcase_add_test(tests, test_restore);
	suite_add_tcase(suite, tests);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
