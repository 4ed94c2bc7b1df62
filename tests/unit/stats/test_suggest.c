/* SPDX-License-Identifier: ISC */
/* test_suggest.c: what would serve an unknown name, against comparing each with each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../harness.h"
#include "stats/suggest.h"

static struct world *world;
static struct admin *admin;

static int64_t
put(const char *names, bool staged, const char *bound, int64_t to)
{
	struct fake fake = { .names = names, .to = to };
	struct snicert_error err = {0};
	char *list = strdup(bound), *save = NULL;
	int64_t id = fake_add(admin, &fake, NULL);

	for (char *name = strtok_r(list, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save))
		ck_assert_msg(admin_bind(admin, name, id, &err) == 0, "%s: %s", name, err.text);
	ck_assert_msg(admin_set_state(admin, id, staged ? "staged" : "active", &err) == 0, "%s", err.text);
	free(list);
	return id;
}

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

/* --- cases by hand ---------------------------------------------------------- */

static const struct {
	const char *name;
	enum suggest_kind kind;
	const char *near;
} cases[] = {
	{ "mx.bound.example", SUGGEST_BOUND, "mx.bound.example" },
	{ "any.wild.example", SUGGEST_BOUND, "*.wild.example" },
	{ "mx.covered.example", SUGGEST_COVERED, "mx.covered.example" },
	{ "second.covered.example", SUGGEST_COVERED, "second.covered.example" },
	{ "any.unbound.example", SUGGEST_COVERED, "*.unbound.example" },
	{ "mx.staged.example", SUGGEST_STAGED, "mx.staged.example" },
	{ "mx.loose.example", SUGGEST_COVERED, "mx.loose.example" },    /* staged for nothing */
	{ "mx.both.example", SUGGEST_COVERED, "mx.both.example" },
	{ "a.b.wild.example", SUGGEST_ONE_LABEL, "*.wild.example" },
	{ "wild.example", SUGGEST_ONE_LABEL, "*.wild.example" },
	{ "a.b.c.wild.example", SUGGEST_NOTHING, "" },
	{ "mx.buond.example", SUGGEST_TYPO, "mx.bound.example" },       /* exchanged */
	{ "mx.bond.example", SUGGEST_TYPO, "mx.bound.example" },        /* missing */
	{ "mx.bounds.example", SUGGEST_TYPO, "mx.bound.example" },      /* one more */
	{ "ms.bound.example", SUGGEST_TYPO, "mx.bound.example" },       /* another */
	{ "mx.bound.exampl", SUGGEST_TYPO, "mx.bound.example" },        /* the last */
	{ "x.bound.example", SUGGEST_TYPO, "mx.bound.example" },        /* the first */
	{ "mx.bou.example", SUGGEST_NOTHING, "" },                      /* two */
	{ "xm.buond.example", SUGGEST_NOTHING, "" },
	{ "any.wyld.example", SUGGEST_TYPO, "*.wild.example" },
	{ "any.retired.example", SUGGEST_NOTHING, "" },
	{ "nobody.test", SUGGEST_NOTHING, "" },
	{ "localhost", SUGGEST_NOTHING, "" },
};

START_TEST(test_cases)
{
	struct suggestion list[COUNT(cases)] = {{0}};
	struct snicert_error err = {0};
	int64_t covered;

	put("mx.bound.example", false, "mx.bound.example", 0);
	put("*.wild.example", false, "*.wild.example", 0);
	covered = put("mx.covered.example second.covered.example", false, "", 10 * DAY);
	put("second.covered.example", false, "", 5 * DAY);
	put("*.unbound.example", false, "", 0);
	ck_assert_int_eq(admin_stage(admin, "mx.staged.example", put("mx.staged.example", true, "", 0), 0, &err), 0);
	put("mx.loose.example", true, "", 0);
	put("mx.both.example", true, "", 90 * DAY);
	put("mx.both.example", false, "", 10 * DAY);
	ck_assert_int_eq(admin_set_state(admin, put("any.retired.example", false, "", 0), "retired", &err), 0);
	ck_assert_int_eq(admin_commit(admin, &err), 0);
	for (size_t i = 0; i < COUNT(cases); i++)
		list[i].name = cases[i].name;
	ck_assert_msg(suggest(admin, list, COUNT(cases), &err) == 0, "%s", err.text);
	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(list[i].kind == cases[i].kind && strcmp(list[i].near, cases[i].near) == 0,
		    "%s: got %s %s, want %s %s", cases[i].name, suggest_word(list[i].kind), list[i].near,
		    suggest_word(cases[i].kind), cases[i].near);
	ck_assert_int_eq(list[3].chain, covered); /* the one that lasts longest */
	ck_assert_int_eq(suggest(admin, NULL, 0, &err), 0);
}
END_TEST

/* --- many, against each with each -------------------------------------------- */

#define KNOWN 600
#define ASKED 400

static char known[KNOWN][40], asked[ASKED][40];

/* Few letters, so that near misses abound. */
static void
invent(char *out)
{
	static const char letters[] = "aab-";
	size_t used = 0;

	if (rand() % 8 == 0)
		used += (size_t)sprintf(out, "%s", rand() % 2 == 0 ? "mx." : "m.");
	for (int i = 4 + rand() % 4; i > 0; i--)
		out[used++] = letters[rand() % 4];
	strcpy(out + used, rand() % 4 == 0 ? ".a.example" : ".example");
}

/* Optimal string alignment, by its definition. */
static int
distance(const char *a, const char *b)
{
	int d[42][42];
	int m = (int)strlen(a), n = (int)strlen(b);

	for (int i = 0; i <= m; i++)
		d[i][0] = i;
	for (int j = 0; j <= n; j++)
		d[0][j] = j;
	for (int i = 1; i <= m; i++)
		for (int j = 1; j <= n; j++) {
			int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
			best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[m][n];
}

START_TEST(test_many)
{
	static struct suggestion list[ASKED];
	struct snicert_error err = {0};
	int typos = 0, nothing = 0;

	srand(7);
	for (int i = 0; i < KNOWN; i++) {
		invent(known[i]);
		put(known[i], false, known[i], 0);
	}
	ck_assert_int_eq(admin_commit(admin, &err), 0);
	for (int i = 0; i < ASKED; i++) {
		invent(asked[i]);
		list[i].name = asked[i];
	}
	ck_assert_msg(suggest(admin, list, ASKED, &err) == 0, "%s", err.text);
	for (int i = 0; i < ASKED; i++) {
		int nearest = 99;

		for (int k = 0; k < KNOWN && nearest > 0; k++) {
			int apart = distance(asked[i], known[k]);

			nearest = apart < nearest ? apart : nearest;
		}
		if (nearest == 0) {
			ck_assert_msg(list[i].kind == SUGGEST_BOUND, "%s: got %s", asked[i], suggest_word(list[i].kind));
		} else if (nearest == 1) {
			ck_assert_msg(list[i].kind == SUGGEST_TYPO && distance(asked[i], list[i].near) == 1,
			    "%s: got %s %s", asked[i], suggest_word(list[i].kind), list[i].near);
			typos++;
		} else {
			ck_assert_msg(list[i].kind == SUGGEST_NOTHING, "%s: got %s %s", asked[i],
			    suggest_word(list[i].kind), list[i].near);
			nothing++;
		}
	}
	ck_assert_msg(typos > 50 && nothing > 20, "%d typos, %d nothing: of too little use", typos, nothing);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("suggest");
	TCase *tests = tcase_create("suggest");
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_cases);
	tcase_add_test(tests, test_many);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
