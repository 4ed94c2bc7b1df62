/* SPDX-License-Identifier: ISC */
/* test_error.c: what the caller's struct snicert_error says. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "error.h"

#define ROOM sizeof(((struct snicert_error *)NULL)->text)

static const struct {
	const char *label;
	char kind;              /* e: error_set, s: error_system, o: error_openssl */
	int number;             /* errno beforehand */
	int code;               /* asked for */
	int want_code;
	const char *want;
} kinds[] = {
	{ "plain", 'e', ENOENT, SNICERT_ECONFIG, SNICERT_ECONFIG, "file x, line 7" },
	{ "usage", 'e', 0, SNICERT_EUSAGE, SNICERT_EUSAGE, "file x, line 7" },
	{ "system", 's', ENOENT, 0, SNICERT_ESYSTEM, "file x, line 7: No such file or directory" },
	{ "permission", 's', EACCES, 0, SNICERT_ESYSTEM, "file x, line 7: Permission denied" },
	{ "no such errno", 's', 99999, 0, SNICERT_ESYSTEM, "file x, line 7: Unknown error 99999" },
	{ "empty queue", 'o', EINTR, SNICERT_ECERT, SNICERT_ECERT, "file x, line 7" },
};

static int
fill(struct snicert_error *err, char kind, int code, const char *text, int line)
{
	switch (kind) {
	case 's':
		return error_system(err, "file %s, line %d", text, line);
	case 'o':
		return error_openssl(err, (enum snicert_code)code, "file %s, line %d", text, line);
	default:
		return error_set(err, (enum snicert_code)code, "file %s, line %d", text, line);
	}
}

START_TEST(test_text)
{
	struct snicert_error err = {0};

	ERR_clear_error();
	errno = kinds[_i].number;
	ck_assert_int_eq(fill(&err, kinds[_i].kind, kinds[_i].code, "x", 7), -1);
	ck_assert_msg(errno == kinds[_i].number, "%s: errno: got %d, want %d", kinds[_i].label, errno,
	    kinds[_i].number);
	ck_assert_msg(err.code == kinds[_i].want_code, "%s: code: got %d, want %d", kinds[_i].label,
	    err.code, kinds[_i].want_code);
	ck_assert_msg(strcmp(err.text, kinds[_i].want) == 0, "%s: got \"%s\", want \"%s\"",
	    kinds[_i].label, err.text, kinds[_i].want);
}
END_TEST

START_TEST(test_nobody_asks)
{
	errno = kinds[_i].number;
	ck_assert_int_eq(fill(NULL, kinds[_i].kind, kinds[_i].code, "x", 7), -1);
	ck_assert_msg(errno == kinds[_i].number, "%s: errno: got %d, want %d", kinds[_i].label, errno,
	    kinds[_i].number);
	error_clear(NULL);
}
END_TEST

/* Whatever comes second, and in whichever way, the first stays. */
START_TEST(test_first_stays)
{
	static const char later[] = { 'e', 's', 'o' };

	for (size_t i = 0; i < sizeof(later); i++) {
		struct snicert_error err = {0};
		char want[ROOM];

		fill(&err, kinds[_i].kind, kinds[_i].code, "first", 1);
		snprintf(want, sizeof(want), "%s", err.text);
		errno = EPERM;
		ck_assert_int_eq(fill(&err, later[i], SNICERT_EMEMORY, "second", 2), -1);
		ck_assert_msg(strcmp(err.text, want) == 0, "%s, then %c: got \"%s\", want \"%s\"",
		    kinds[_i].label, later[i], err.text, want);
		ck_assert_msg(err.code == kinds[_i].want_code, "%s, then %c: code: got %d, want %d",
		    kinds[_i].label, later[i], err.code, kinds[_i].want_code);
		ck_assert_int_eq(errno, EPERM);
		error_clear(&err);
		ck_assert_int_eq(err.code, SNICERT_OK);
		ck_assert_str_eq(err.text, "");
		fill(&err, 'e', SNICERT_EUSAGE, "third", 3);
		ck_assert_msg(strcmp(err.text, "file third, line 3") == 0,
		    "after error_clear: got \"%s\", want \"file third, line 3\"", err.text);
	}
}
END_TEST

/* Texts of each length about the buffer's, with sentinels on both sides. */
START_TEST(test_truncation)
{
	static const char kind[] = { 'e', 's', 'o' };
	char *fence = malloc(sizeof(struct snicert_error) + 64), *text = malloc(3 * ROOM);
	struct snicert_error *err = (struct snicert_error *)(void *)(fence + 32);

	for (size_t k = 0; k < sizeof(kind); k++) {
		for (size_t length = ROOM - 40; length < ROOM + 40; length++) {
			size_t got, whole;

			memset(fence, 'F', sizeof(struct snicert_error) + 64);
			memset(err, 0, sizeof(*err));
			memset(text, 'a', length);
			text[length] = '\0';
			errno = ENOENT;
			ck_assert_int_eq(fill(err, kind[k], SNICERT_EINPUT, text, 1), -1);
			whole = strlen("file , line 1") + length +
			    (kind[k] == 's' ? strlen(": No such file or directory") : 0);
			got = strnlen(err->text, ROOM);
			ck_assert_msg(got == (whole < ROOM ? whole : ROOM - 1),
			    "%c, %zu octets: got a text of %zu, want %zu", kind[k], length, got,
			    whole < ROOM ? whole : ROOM - 1);
			for (int i = 0; i < 32; i++)
				ck_assert_msg(fence[i] == 'F' &&
				        fence[32 + sizeof(struct snicert_error) + (size_t)i] == 'F',
				    "%c, %zu octets: written outside", kind[k], length);
			ck_assert_int_eq(errno, ENOENT);
		}
	}
	free(fence);
	free(text);
}
END_TEST

START_TEST(test_queue)
{
	struct snicert_error err = {0};
	unsigned long before[8], after[8];
	size_t count = 0, i = 0;

	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	ERR_clear_error();
	ERR_raise(ERR_LIB_X509, X509_R_UNKNOWN_KEY_TYPE);
	ERR_raise_data(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH, "with %s", "data");
	before[0] = ERR_peek_error();
	before[1] = ERR_peek_last_error();
	error_openssl(&err, SNICERT_ECERT, "chain %d", 3);
	ck_assert_str_eq(err.text, "chain 3: key values mismatch");
	ck_assert_msg(ERR_peek_error() == before[0], "oldest: got %lx, want %lx", ERR_peek_error(),
	    before[0]);
	while ((after[i] = ERR_get_error()) != 0 && ++i < 8)
		continue;
	count = i;
	ck_assert_msg(count == 2, "errors in the queue: got %zu, want 2", count);
	ck_assert_msg(after[1] == before[1], "newest: got %lx, want %lx", after[1], before[1]);
}
END_TEST

/* Percent signs in what is described are no formats. */
START_TEST(test_data_is_data)
{
	struct snicert_error err = {0};

	error_set(&err, SNICERT_EINPUT, "name \"%s\"", "%s%n%100d");
	ck_assert_str_eq(err.text, "name \"%s%n%100d\"");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("error");
	TCase *tc = tcase_create("error");
	SRunner *runner;
	int failed, count = (int)(sizeof(kinds) / sizeof(kinds[0]));

	tcase_add_loop_test(tc, test_text, 0, count);
	tcase_add_loop_test(tc, test_nobody_asks, 0, count);
	tcase_add_loop_test(tc, test_first_stays, 0, count);
	tcase_add_test(tc, test_truncation);
	tcase_add_test(tc, test_queue);
	tcase_add_test(tc, test_data_is_data);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
