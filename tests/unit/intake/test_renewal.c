/* SPDX-License-Identifier: ISC */
/* test_renewal.c: which names a new chain takes over, as a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "intake/renewal.h"
#include "x509/cert.h"

#define KEYS_MOST 6
#define NEWER (120 * DAY)
#define OLDER (60 * DAY)
#define GONE (-DAY)
#define HOUR 3600
#define ONE_TWO "a.example b.example"

/* The old chain (not_after in 90 days, for `names`, bound to `bound`), the new one,
 * how it is adopted, and what is bound to the new one then. */
static const struct {
	const char *label;
	struct fake old;
	const char *bound[KEYS_MOST];
	struct fake fresh;
	const char *wanted[KEYS_MOST];
	bool force, inherit;
	int status;
	const char *got[KEYS_MOST];     /* keys that the new chain has; the rest stays with the old */
	int added, renewed, unchanged;
} cases[] = {
	{ "same names, newer", { .names = "a.example" }, { "a.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0, { "a.example" }, 0, 1, 0 },
	{ "same names, as long", { .names = "a.example", .to = NEWER }, { "a.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0, { "a.example" }, 0, 1, 0 },
	{ "same names, older", { .names = "a.example" }, { "a.example" },
	    { .names = "a.example", .to = OLDER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "same names, older, forced", { .names = "a.example" }, { "a.example" },
	    { .names = "a.example", .to = OLDER }, { "a.example" }, true, true, 0, { "a.example" }, 0, 1, 0 },
	{ "older, but the old one has expired", { .names = "a.example", .to = GONE }, { "a.example" },
	    { .names = "a.example", .to = GONE - DAY }, { "a.example" }, false, true, 0, { "a.example" }, 0, 1, 0 },
	{ "superset", { .names = "a.example" }, { "a.example" }, { .names = ONE_TWO, .to = NEWER },
	    { "a.example", "b.example" }, false, true, 0, { "a.example", "b.example" }, 1, 1, 0 },
	{ "subset, the rest still served", { .names = ONE_TWO }, { "a.example", "b.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "subset, forced", { .names = ONE_TWO }, { "a.example", "b.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, true, true, 0, { "a.example" }, 0, 1, 0 },
	{ "subset, the rest not served", { .names = ONE_TWO }, { "a.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0, { "a.example" }, 0, 1, 0 },
	{ "subset, same key", { .names = ONE_TWO, .spki = 7 }, { "a.example", "b.example" },
	    { .names = "a.example", .spki = 7, .to = NEWER }, { "a.example" }, false, true, 0,
	    { "a.example" }, 0, 1, 0 },
	{ "subset, same common name", { .names = ONE_TWO, .subject = "A" }, { "a.example", "b.example" },
	    { .names = "a.example", .subject = "A", .to = NEWER }, { "a.example" }, false, true, 0,
	    { "a.example" }, 0, 1, 0 },
	{ "another common name", { .names = ONE_TWO, .subject = "A" }, { "a.example", "b.example" },
	    { .names = "a.example", .subject = "B", .to = NEWER }, { "a.example" }, false, true, -1,
	    { NULL }, 0, 0, 0 },
	{ "no common name is not the same one", { .names = ONE_TWO, .subject = "" },
	    { "a.example", "b.example" }, { .names = "a.example", .subject = "", .to = NEWER },
	    { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "covered by a wildcard", { .names = "x.a.example" }, { "x.a.example" },
	    { .names = "*.a.example", .to = NEWER }, { "x.a.example" }, false, true, 0,
	    { "x.a.example" }, 0, 1, 0 },
	{ "a wildcard is not covered by one name", { .names = "*.a.example" }, { "*.a.example" },
	    { .names = "x.a.example", .to = NEWER }, { "*.a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "vanity name inherited", { .names = "a.example" }, { "a.example", "vanity.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0,
	    { "a.example", "vanity.example" }, 0, 2, 0 },
	{ "vanity name not inherited", { .names = "a.example" }, { "a.example", "vanity.example" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, false, 0, { "a.example" }, 0, 1, 0 },
	{ "fallbacks inherited", { .names = "a.example" }, { "a.example", "@", "@192.0.2.1", "@::1" },
	    { .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0,
	    { "a.example", "@", "@192.0.2.1", "@::1" }, 0, 4, 0 },
	{ "fallback stays where nothing is renewed", { .names = "a.example" }, { "a.example", "@" },
	    { .names = "b.example", .to = NEWER }, { "b.example" }, false, true, 0, { "b.example" }, 1, 0, 0 },
	{ "forced, but no renewal: nothing inherited", { .names = ONE_TWO },
	    { "a.example", "b.example", "vanity.example", "@" }, { .names = "a.example", .to = OLDER },
	    { "a.example" }, true, true, 0, { "a.example" }, 0, 1, 0 },
	{ "another key type: side by side", { .names = "a.example" }, { "a.example", "@" },
	    { .key_type = "RSA", .names = "a.example", .to = NEWER }, { "a.example" }, false, true, 0,
	    { "a.example" }, 1, 0, 0 },
	{ "another key type, older: side by side", { .names = "a.example" }, { "a.example" },
	    { .key_type = "RSA", .names = "a.example", .to = OLDER }, { "a.example" }, false, true, 0,
	    { "a.example" }, 1, 0, 0 },
	{ "a vanity name in the way", { .names = "a.example" }, { "a.example", "v.example" },
	    { .names = "v.example", .to = NEWER }, { "v.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "namesake renews the fallback", { .names = "a.example" }, { "@" },
	    { .names = "a.example", .to = NEWER }, { NULL }, false, true, 0, { "@" }, 0, 1, 0 },
	{ "namesake renews a vanity name", { .names = "a.example" }, { "v.example" },
	    { .names = "a.example", .to = NEWER }, { NULL }, false, true, 0, { "v.example" }, 0, 1, 0 },
	{ "namesake with no names wanted leaves certified ones", { .names = "a.example" },
	    { "a.example", "@" }, { .names = "a.example", .to = NEWER }, { NULL }, false, true, 0,
	    { "@" }, 0, 1, 0 },
	{ "older namesake renews nothing", { .names = "a.example" }, { "@" },
	    { .names = "a.example", .to = OLDER }, { NULL }, false, true, 0, { NULL }, 0, 0, 0 },
	{ "namesake of another key type", { .names = "a.example" }, { "@" },
	    { .key_type = "RSA", .names = "a.example", .to = NEWER }, { NULL }, false, true, 0, { NULL }, 0, 0, 0 },
	{ "nameless are no namesakes", { .names = "" }, { "@" }, { .names = "", .to = NEWER }, { NULL },
	    false, true, 0, { NULL }, 0, 0, 0 },
	{ "same lineage: other names, another key", { .names = ONE_TWO, .lineage = "/l" }, { "a.example", "b.example", "@" },
	    { .names = "b.example c.example", .lineage = "/l", .to = NEWER }, { "b.example", "c.example" }, false, true, 0,
	    { "b.example", "c.example", "@" }, 1, 2, 0 },
	{ "same lineage, no name in common", { .names = "a.example", .lineage = "/l" }, { "a.example", "@", "v.example" },
	    { .names = "c.example", .lineage = "/l", .to = NEWER }, { "c.example" }, false, true, 0,
	    { "c.example", "@", "v.example" }, 1, 2, 0 },
	{ "same lineage, a shorter life but issued later", { .names = "a.example", .lineage = "/l" }, { "a.example", "@" },
	    { .names = "a.example", .lineage = "/l", .from = -HOUR, .to = 6 * DAY }, { "a.example" }, false, true, 0,
	    { "a.example", "@" }, 0, 2, 0 },
	{ "another lineage, a shorter life but issued later", { .names = "a.example", .lineage = "/l" }, { "a.example", "@" },
	    { .names = "a.example", .lineage = "/m", .from = -HOUR, .to = 6 * DAY }, { "a.example" }, false, true, -1,
	    { NULL }, 0, 0, 0 },
	{ "same lineage, older", { .names = "a.example", .lineage = "/l" }, { "a.example" },
	    { .names = "a.example", .lineage = "/l", .to = OLDER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "another lineage is a stranger", { .names = ONE_TWO, .lineage = "/l" }, { "a.example", "b.example" },
	    { .names = "a.example", .lineage = "/m", .to = NEWER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "certbot's twin", { .names = "a.example b.example", .lineage = "/live/a" }, { "a.example", "b.example", "@" },
	    { .names = "a.example c.example", .lineage = "/live/a-0001", .to = NEWER }, { "a.example", "c.example" }, false, true, 0,
	    { "a.example", "c.example", "@" }, 1, 2, 0 },
	{ "certbot's twin, of the first", { .names = "a.example b.example", .lineage = "/live/a-0002" }, { "@" },
	    { .names = "a.example c.example", .lineage = "/live/a", .to = NEWER }, { NULL }, false, true, 0, { "@" }, 0, 1, 0 },
	{ "certbot's twin, older", { .names = ONE_TWO, .lineage = "/live/a" }, { "a.example" },
	    { .names = "a.example c.example", .lineage = "/live/a-0001", .to = OLDER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "customers with numbers are no twins", { .names = "a.example", .lineage = "/live/c-0001" }, { "a.example", "@" },
	    { .names = "b.example", .lineage = "/live/c-0002", .to = NEWER }, { "b.example" }, false, true, 0, { "b.example" }, 1, 0, 0 },
	{ "not certbot's", { .names = ONE_TWO, .lineage = "/srv/a" }, { "a.example", "b.example" },
	    { .names = "a.example", .lineage = "/srv/a-0001", .to = NEWER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "not the same", { .names = ONE_TWO, .lineage = "/live/a" }, { "a.example", "b.example" },
	    { .names = "a.example", .lineage = "/live/a-001", .to = NEWER }, { "a.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "fallback alone: same key, other names", { .names = "a.example", .spki = 8 }, { "@" },
	    { .names = "b.example", .spki = 8, .to = NEWER }, { NULL }, false, true, 0, { "@" }, 0, 1, 0 },
	{ "same key for other names beside the fallback", { .names = "a.example", .spki = 8 }, { "a.example", "@" },
	    { .names = "b.example", .spki = 8, .to = NEWER }, { "b.example" }, false, true, 0, { "b.example" }, 1, 0, 0 },
	{ "fallback alone: same common name", { .names = ONE_TWO, .subject = "A" }, { "@", "v.example" },
	    { .names = "a.example", .subject = "A", .to = NEWER }, { NULL }, false, true, 0, { "@", "v.example" }, 0, 2, 0 },
	{ "fallback alone: all of its names", { .names = "b.example" }, { "@" },
	    { .names = ONE_TWO, .to = NEWER }, { NULL }, false, true, 0, { "@" }, 0, 1, 0 },
	{ "fallback alone: not all of its names", { .names = ONE_TWO }, { "@" },
	    { .names = "a.example", .to = NEWER }, { NULL }, false, true, 0, { NULL }, 0, 0, 0 },
	{ "same lineage, another key type: beside it", { .names = "a.example", .lineage = "/l" }, { "a.example", "@", "v.example" },
	    { .key_type = "RSA", .names = "a.example", .lineage = "/l", .to = NEWER, .alone = true }, { "a.example" }, false, true, 0,
	    { "a.example", "@", "v.example" }, 3, 0, 0 },
	{ "same lineage, another key type that always was: names alone", { .names = "a.example", .lineage = "/l" },
	    { "a.example", "@" }, { .key_type = "RSA", .names = "a.example", .lineage = "/l", .to = NEWER }, { "a.example" },
	    false, true, 0, { "a.example" }, 1, 0, 0 },
	{ "the very same chain", { .names = "a.example", .id = 5, .spki = 5 }, { "a.example" },
	    { .names = "a.example", .id = 5, .spki = 5 }, { "a.example", "b.example" }, false, true, 0,
	    { "a.example", "b.example" }, 1, 0, 1 },
	{ "one name in the way of two", { .names = "b.example", .to = NEWER }, { "b.example" },
	    { .names = ONE_TWO }, { "a.example", "b.example" }, false, true, -1, { NULL }, 0, 0, 0 },
	{ "a name wanted twice", { .names = "x.example" }, { "x.example" }, { .names = "a.example" },
	    { "a.example", "a.example" }, false, true, 0, { "a.example" }, 1, 0, 1 },
};

static struct world *world;
static struct admin *admin;

static void
setup(void)
{
	struct snicert_error err = {0};

	world = world_new();
	admin = world_admin(world);
	ck_assert_int_eq(admin_begin(admin, &err), 0);
}

static void
teardown(void)
{
	admin_close(admin);
	world_free(world);
}

static size_t
length_of(const char *const *list)
{
	size_t count = 0;

	while (count < KEYS_MOST && list[count] != NULL)
		count++;
	return count;
}

static bool
has(const char *const *list, const char *key)
{
	for (size_t i = 0; i < length_of(list); i++)
		if (strcmp(list[i], key) == 0)
			return true;
	return false;
}

static void
names_of(struct name *out, const char *const *list)
{
	for (size_t i = 0; i < length_of(list); i++)
		ck_assert(name_normalise_pattern(&out[i], list[i], strlen(list[i])));
}

static int64_t
bound(const char *key, const char *key_type)
{
	int64_t id;

	ck_assert_int_eq(admin_bound(admin, key, key_type, &id, NULL), 0);
	return id;
}

/* A refused renewal leaves what it did to admin_release or the roll-back. */
START_TEST(test_case)
{
	struct renewal how = { .force = cases[_i].force, .inherit = cases[_i].inherit, .alone = cases[_i].fresh.alone };
	const char *type = cases[_i].fresh.key_type == NULL ? "EC" : cases[_i].fresh.key_type;
	struct name wanted[KEYS_MOST];
	struct snicert_error err = {0};
	const char *label = cases[_i].label;
	int64_t old = fake_add(admin, &cases[_i].old, NULL), fresh;
	int status;

	for (size_t i = 0; i < length_of(cases[_i].bound); i++)
		ck_assert_int_eq(admin_bind(admin, cases[_i].bound[i], old, &err), 0);
	ck_assert_int_eq(admin_savepoint(admin, &err), 0);
	fresh = fake_add(admin, &cases[_i].fresh, NULL);
	names_of(wanted, cases[_i].wanted);
	status = renewal_bind(admin, fresh, wanted, length_of(cases[_i].wanted), &how, &err);
	ck_assert_msg(status == cases[_i].status, "%s: got %d: %s", label, status, err.text);
	ck_assert_int_eq(admin_release(admin, status == 0, NULL), 0);
	for (size_t i = 0; i < length_of(cases[_i].got); i++)
		ck_assert_msg(bound(cases[_i].got[i], type) == fresh, "%s: %s is not taken", label,
		    cases[_i].got[i]);
	for (size_t i = 0; i < length_of(cases[_i].bound); i++)
		if (!has(cases[_i].got, cases[_i].bound[i]) || strcmp(type, "EC") != 0)
			ck_assert_msg(bound(cases[_i].bound[i], "EC") == old, "%s: %s is taken", label,
			    cases[_i].bound[i]);
	if (status == 0) {
		ck_assert_msg(how.added == cases[_i].added && how.renewed == cases[_i].renewed &&
		    how.unchanged == cases[_i].unchanged, "%s: added %d, renewed %d, unchanged %d", label,
		    how.added, how.renewed, how.unchanged);
	} else {
		ck_assert_int_eq(err.code, SNICERT_EINPUT);
		ck_assert_msg(strstr(err.text, "--force") != NULL, "%s: %s", label, err.text);
	}
	renewal_clear(&how);
}
END_TEST

START_TEST(test_in_the_way)
{
	struct fake old = { .names = "a.example", .subject = "The Old" }, fresh = { .names = "a.example",
		.to = OLDER }, other = { .names = ONE_TWO, .to = NEWER };
	const char *const wanted[KEYS_MOST] = { "a.example" };
	struct renewal how = { .inherit = true };
	struct name names[KEYS_MOST];
	struct snicert_error err = {0};
	int64_t id = fake_add(admin, &old, NULL);
	char want[100];

	admin_bind(admin, "a.example", id, &err);
	admin_bind(admin, "z.example", id, &err);
	names_of(names, wanted);
	ck_assert_int_eq(renewal_bind(admin, fake_add(admin, &fresh, NULL), names, 1, &how, &err), -1);
	snprintf(want, sizeof(want), "a.example is served by chain %d (The Old, from fake, leaf ",
	    (int)id);
	ck_assert_msg(strncmp(err.text, want, strlen(want)) == 0, "got %s", err.text);
	ck_assert_msg(strstr(err.text, "), which lasts longer than this one") != NULL, "got %s", err.text);
	/* What a roll-back takes is not called by its number. */
	how.kept = -1;
	how.origin = "new.pem";
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(renewal_bind(admin, fake_add(admin, &fresh, NULL), names, 1, &how, &err), -1);
	ck_assert_msg(strncmp(err.text, "new.pem: a.example is served by a chain (The Old, from fake", 59) == 0, "got %s", err.text);
	/* Newer, and for more: it renews, and takes along what was bound on purpose. */
	ck_assert_int_eq(renewal_bind(admin, fake_add(admin, &other, NULL), names, 1, &how, NULL), 0);
	ck_assert_int_ne(bound("z.example", "EC"), id);
	renewal_clear(&how);
}
END_TEST

/* A third renewal in a row; each takes all over, and the former ones are there to go back to. */
START_TEST(test_in_a_row)
{
	const char *const wanted[KEYS_MOST] = { "a.example" };
	struct renewal how = { .inherit = true };
	struct name names[KEYS_MOST];
	struct snicert_error err = {0};
	int64_t id = 0;

	names_of(names, wanted);
	for (int i = 0; i < 5; i++) {
		struct fake fake = { .names = "a.example", .to = (90 + i) * DAY };

		id = fake_add(admin, &fake, NULL);
		ck_assert_int_eq(renewal_bind(admin, id, names, 1, &how, &err), 0);
		if (i == 0) {
			admin_bind(admin, "vanity.example", id, &err);
			admin_bind(admin, "@", id, &err);
		}
		ck_assert_int_eq(bound("a.example", "EC"), id);
		ck_assert_int_eq(bound("vanity.example", "EC"), id);
		ck_assert_int_eq(bound("@", "EC"), id);
	}
	ck_assert_int_eq(how.added, 1);
	ck_assert_int_eq(how.renewed, 4 * 3);
	renewal_clear(&how);
}
END_TEST

/* Two old chains become one. */
START_TEST(test_merger)
{
	struct fake a = { .names = "a.example" }, b = { .names = "b.example" },
		both = { .names = ONE_TWO, .to = NEWER };
	const char *const wanted[KEYS_MOST] = { "a.example", "b.example" };
	struct renewal how = { .inherit = true };
	struct name names[KEYS_MOST];
	struct snicert_error err = {0};
	int64_t ids[3] = { fake_add(admin, &a, NULL), fake_add(admin, &b, NULL), fake_add(admin, &both, NULL) };

	admin_bind(admin, "a.example", ids[0], &err);
	admin_bind(admin, "va.example", ids[0], &err);
	admin_bind(admin, "b.example", ids[1], &err);
	admin_bind(admin, "@", ids[1], &err);
	names_of(names, wanted);
	ck_assert_int_eq(renewal_bind(admin, ids[2], names, 2, &how, &err), 0);
	ck_assert_int_eq(bound("a.example", "EC"), ids[2]);
	ck_assert_int_eq(bound("va.example", "EC"), ids[2]);
	ck_assert_int_eq(bound("b.example", "EC"), ids[2]);
	ck_assert_int_eq(bound("@", "EC"), ids[2]);
	ck_assert_int_eq(how.renewed, 4);
	renewal_clear(&how);
}
END_TEST

START_TEST(test_gone)
{
	struct renewal how = { .inherit = true };
	struct snicert_error err = {0};

	ck_assert_int_eq(renewal_bind(admin, 4711, NULL, 0, &how, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ESTORE);
}
END_TEST

static const struct {
	const char *names, *key;
	bool want;
} covers[] = {
	{ "a.example", "a.example", true }, { "a.example b.example", "b.example", true },
	{ "a.example", "b.example", false }, { "*.a.example", "x.a.example", true },
	{ "*.a.example", "a.example", false }, { "*.a.example", "y.x.a.example", false },
	{ "*.a.example", "*.a.example", true }, { "x.a.example", "*.a.example", false },
	{ "", "a.example", false }, { "A.Example", "a.example", true },
	{ "a..b a.example", "a.example", true }, { "a.exampl", "a.example", false },
};

START_TEST(test_covers)
{
	struct name key;

	ck_assert(name_normalise_pattern(&key, covers[_i].key, strlen(covers[_i].key)));
	ck_assert_msg(cert_names_cover(covers[_i].names, &key) == covers[_i].want, "%s, %s", covers[_i].names,
	    covers[_i].key);
}
END_TEST

START_TEST(test_covers_no_fallback)
{
	struct name key;

	name_fallback(&key, NULL);
	ck_assert(!cert_names_cover("a.example *.example", &key));
	name_fallback(&key, "192.0.2.1");
	ck_assert(!cert_names_cover("192.0.2.1 *.0.2.1", &key));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("renewal");
	TCase *tc = tcase_create("renewal");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_case, 0, (int)COUNT(cases));
	tcase_add_test(tc, test_in_the_way);
	tcase_add_test(tc, test_in_a_row);
	tcase_add_test(tc, test_merger);
	tcase_add_test(tc, test_gone);
	tcase_add_loop_test(tc, test_covers, 0, (int)COUNT(covers));
	tcase_add_test(tc, test_covers_no_fallback);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
