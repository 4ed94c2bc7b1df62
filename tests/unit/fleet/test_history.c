/* SPDX-License-Identifier: ISC */
/* test_history.c: whatever is altered in a change or a snapshot is noticed. */
#include <stdio.h>
#include <string.h>

#include "../harness.h"
#include "fleet/history.h"

static struct world *world;
static struct seal *seal;
static struct snicert_error err;

static void
setup(void)
{
	memset(&err, 0, sizeof(err));
	world = world_new();
	seal = world_seal(world);
}

static void
teardown(void)
{
	seal_free(seal);
	world_free(world);
}

static struct history_change
a_change(void)
{
	struct history_change change = { .kind = HISTORY_ROWS, .epoch = 3, .seq = 17, .at = 1000, .node = "mx1",
		.who = "root", .schema = 6, .size = 100, .previous = "previous", .digest = "digest" };

	ck_assert_int_eq(history_sign_change(seal, "fleet", &change, &err), 0);
	return change;
}

static void
must_fail(const struct history_change *change, const char *what)
{
	memset(&err, 0, sizeof(err));
	ck_assert_msg(history_check_change(seal, "fleet", change, &err) == -1, "%s", what);
	ck_assert_msg(strstr(err.text, "change") != NULL, "%s: %s", what, err.text);
}

START_TEST(test_change)
{
	struct history_change change = a_change(), other;

	ck_assert_msg(history_check_change(seal, "fleet", &change, &err) == 0, "%s", err.text);
	ck_assert_int_eq(history_check_change(seal, "another", &change, &err), -1);
#define ALTERED(what) (other = change, (what), must_fail(&other, #what))
	ALTERED(other.kind = HISTORY_STORE);
	ALTERED(other.epoch++);
	ALTERED(other.seq++);
	ALTERED(other.at++);
	ALTERED(other.schema++);
	ALTERED(other.size++);
	ALTERED(other.node[0] = 'n');
	ALTERED(other.who[0] = 'R');
	ALTERED(other.previous[31] ^= 1);
	ALTERED(other.digest[31] ^= 1);
	ALTERED(other.mac[0] ^= 1);
	ALTERED(other.key[0] ^= 1);
	/* What moves from one text to the next. */
	ALTERED((snprintf(other.node, sizeof(other.node), "mx1r"), snprintf(other.who, sizeof(other.who), "oot")));
}
END_TEST

START_TEST(test_snapshot)
{
	struct history_snapshot snapshot = { .epoch = 3, .seq = 17, .at = 1000, .schema = 6, .size = 100, .history = "history",
		.digest = "digest" }, other;

	ck_assert_int_eq(history_sign_snapshot(seal, "fleet", &snapshot, &err), 0);
	ck_assert_int_eq(history_check_snapshot(seal, "fleet", &snapshot, &err), 0);
	ck_assert_int_eq(history_check_snapshot(seal, "another", &snapshot, NULL), -1);
#define NOT_THAT(what) (other = snapshot, (what), ck_assert_msg(history_check_snapshot(seal, "fleet", &other, NULL) == -1, #what))
	NOT_THAT(other.epoch++);
	NOT_THAT(other.seq++);
	NOT_THAT(other.at++);
	NOT_THAT(other.schema++);
	NOT_THAT(other.size++);
	NOT_THAT(other.history[0] ^= 1);
	NOT_THAT(other.digest[0] ^= 1);
	NOT_THAT(other.mac[31] ^= 1);
	NOT_THAT(other.key[7] ^= 1);
}
END_TEST

/* Of several store keys the change says which; one that isn't here is named. */
START_TEST(test_keys)
{
	static const unsigned char fresh[SEAL_KEY_LENGTH] = "another";
	struct history_change change = a_change(), later;
	struct seal *stranger = seal_new(NULL);

	ck_assert_int_eq(seal_add(seal, fresh, &err), 0);
	later = a_change();
	ck_assert_mem_ne(change.key, later.key, SEAL_ID_LENGTH);
	ck_assert_int_eq(history_check_change(seal, "fleet", &change, &err), 0);
	ck_assert_int_eq(history_check_change(seal, "fleet", &later, &err), 0);
	ck_assert_int_eq(seal_add(stranger, fresh, &err), 0);
	ck_assert_int_eq(history_check_change(stranger, "fleet", &later, &err), 0);
	ck_assert_int_eq(history_check_change(stranger, "fleet", &change, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EKEY);
	ck_assert_msg(strstr(err.text, "which this node's key file lacks") != NULL, "%s", err.text);
	seal_free(stranger);
}
END_TEST

START_TEST(test_start)
{
	unsigned char a[ADMIN_MAC_LENGTH], b[ADMIN_MAC_LENGTH];
	char id[ADMIN_ID_LENGTH + 1], again[ADMIN_ID_LENGTH + 1];

	ck_assert_int_eq(history_start(seal, "fleet", a, &err), 0);
	ck_assert_int_eq(history_start(seal, "fleet", b, &err), 0);
	ck_assert_mem_eq(a, b, sizeof(a));
	ck_assert_int_eq(history_start(seal, "other", b, &err), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert_int_eq(history_new_id(id, &err), 0);
	ck_assert_int_eq(history_new_id(again, &err), 0);
	ck_assert_uint_eq(strlen(id), ADMIN_ID_LENGTH);
	ck_assert_str_ne(id, again);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("history");
	TCase *tests = tcase_create("history");
	int failed;

	harness_start();
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_change);
	tcase_add_test(tests, test_snapshot);
	tcase_add_test(tests, test_keys);
	tcase_add_test(tests, test_start);
	suite_add_tcase(suite, tests);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
