/* SPDX-License-Identifier: ISC */
/* test_ahead.c: a directory's bags come in order, with what went wrong, and no longer than they are wanted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../harness.h"
#include "intake/ahead.h"

#define FILES 100               /* more than are read ahead */

static char dir[] = "/tmp/snicert-test-XXXXXX";

static void
put_file(int number, const char *text)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/n%03d.pem", dir, number);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
}

static void
setup(void)
{
	char text[4096] = "";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (int i = 0; i < FILES; i++) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		BIO *bio = BIO_new(BIO_s_mem());

		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
		text[BIO_read(bio, text, sizeof(text) - 1)] = '\0';
		put_file(i, text);
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
}

static void
teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

struct seen {
	int count, broken, stop_at;
	bool in_order;
};

static int
see(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct seen *seen = arg;
	char want[96];

	ck_assert(alone || why->code != SNICERT_OK); /* keys are all that is there */
	snprintf(want, sizeof(want), "%s/n%03d", dir, seen->count);
	seen->in_order = seen->in_order && strcmp(group, want) == 0;
	if (why->code != SNICERT_OK)
		seen->broken++;
	else
		ck_assert_uint_eq(bag_keys(bag), 1);
	return ++seen->count == seen->stop_at ? 7 : 0;
}

START_TEST(test_order)
{
	struct snicert_error err = {0};
	struct seen seen = { .in_order = true };

	ck_assert_int_eq(ahead_walk(dir, NULL, see, &seen, &err), 0);
	ck_assert_int_eq(seen.count, FILES);
	ck_assert(seen.in_order);
	ck_assert_int_eq(seen.broken, 0);
}
END_TEST

/* The reader is blocked by then, with more than there is room for. */
START_TEST(test_stop)
{
	static const int at[] = { 1, 50, FILES };

	for (size_t i = 0; i < COUNT(at); i++) {
		struct snicert_error err = {0};
		struct seen seen = { .stop_at = at[i], .in_order = true };

		ck_assert_int_eq(ahead_walk(dir, NULL, see, &seen, &err), 7);
		ck_assert_int_eq(seen.count, at[i]);
		ck_assert_int_eq(err.code, SNICERT_OK);
	}
}
END_TEST

START_TEST(test_broken)
{
	struct snicert_error err = {0};
	struct seen seen = { .in_order = true };

	put_file(3, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	ck_assert_int_eq(ahead_walk(dir, NULL, see, &seen, &err), 0);
	ck_assert_int_eq(seen.count, FILES);
	ck_assert_int_eq(seen.broken, 1);
}
END_TEST

START_TEST(test_nothing)
{
	struct snicert_error err = {0};
	struct seen seen = {0};

	ck_assert_int_eq(ahead_walk("/nonexistent", NULL, see, &seen, &err), -1);
	ck_assert_int_eq(seen.count, 0);
	ck_assert_msg(strstr(err.text, "/nonexistent") != NULL, "%s", err.text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ahead");
	TCase *tcase = tcase_create("ahead");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_stop);
	tcase_add_test(tcase, test_broken);
	tcase_add_test(tcase, test_nothing);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
