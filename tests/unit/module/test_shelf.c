/* SPDX-License-Identifier: ISC */
/* test_shelf.c: rows of the store, where the children that a server forks find them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "shelf.h"

#define SIZE (256u << 10)
#define HASH 0x123456789abcdefull

static struct shelf *shelf;
static struct store_rows rows, found;

static struct store_version
version_of(uint32_t n)
{
	return (struct store_version){ .words = { n, n }, .opened = 1, .indexed = true, .certain = true };
}

static struct name
key_of(const char *text)
{
	struct name key = { .length = strlen(text) };

	strcpy(key.text, text);
	return key;
}

/* Two chains: a sealed key and three certificates, a key elsewhere and one. */
static void
make_rows(size_t length)
{
	static unsigned char octets[1u << 20];

	memset(&rows, 0, sizeof(rows));
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)(i * 7 + i / 256);
	rows.count = 2;
	for (size_t i = 0; i < 2; i++) {
		struct store_chain *chain = &rows.chains[i];

		memset(chain->identity, 'i' + (int)i, sizeof(chain->identity));
		strcpy(chain->key_type, i == 0 ? "EC" : "RSA");
		chain->not_before = -5;
		chain->not_after = INT64_MAX - (int64_t)i;
		chain->number = 7 + (int64_t)i;
		chain->cert_count = i == 0 ? 3 : 1;
		for (size_t j = 0; j < chain->cert_count; j++) {
			memset(chain->certs[j].digest, 'a' + (int)j, STORE_DIGEST_LENGTH);
			chain->certs[j].der = (struct store_bytes){ octets + 100 * j, length + j };
		}
	}
	rows.chains[0].sealed_key = (struct store_bytes){ octets + 17, 100 };
	rows.chains[1].key_uri = "file:/somewhere/else.key";
}

static void
setup(void)
{
	make_rows(400);
	memset(&found, 0, sizeof(found));
	shelf = shelf_new(SIZE);
	ck_assert_ptr_nonnull(shelf);
}

static void
teardown(void)
{
	shelf_free(shelf);
	store_rows_free(&found);
}

static void
same_bytes(struct store_bytes a, struct store_bytes b)
{
	ck_assert_uint_eq(a.length, b.length);
	ck_assert_int_eq(a.data == NULL, b.data == NULL);
	ck_assert(a.data == NULL || memcmp(a.data, b.data, a.length) == 0);
}

static void
same_rows(const struct store_rows *a, const struct store_rows *b)
{
	ck_assert_uint_eq(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct store_chain *x = &a->chains[i], *y = &b->chains[i];

		ck_assert_mem_eq(x->identity, y->identity, sizeof(x->identity));
		ck_assert_str_eq(x->key_type, y->key_type);
		ck_assert_int_eq(x->not_before, y->not_before);
		ck_assert_int_eq(x->not_after, y->not_after);
		ck_assert_int_eq(x->number, y->number);
		same_bytes(x->sealed_key, y->sealed_key);
		ck_assert_int_eq(x->key_uri == NULL, y->key_uri == NULL);
		if (x->key_uri != NULL)
			ck_assert_str_eq(x->key_uri, y->key_uri);
		ck_assert_uint_eq(x->cert_count, y->cert_count);
		for (size_t j = 0; j < x->cert_count; j++) {
			ck_assert_mem_eq(x->certs[j].digest, y->certs[j].digest, STORE_DIGEST_LENGTH);
			same_bytes(x->certs[j].der, y->certs[j].der);
		}
	}
}

static enum shelf_result
get(uint32_t n, const char *text)
{
	struct store_version version = version_of(n);
	struct name key = key_of(text);

	return shelf_get(shelf, &version, HASH + (text[0] == 'x'), &key, &found);
}

static bool
put(uint32_t n, const char *text)
{
	struct store_version version = version_of(n);
	struct name key = key_of(text);

	return shelf_put(shelf, &version, HASH + (text[0] == 'x'), &key, &rows);
}

static int
get_in_child(void *text)
{
	enum shelf_result result = get(1, text);

	if (result == SHELF_FOUND)
		same_rows(&rows, &found);
	return (int)result;
}

START_TEST(test_found)
{
	ck_assert_int_eq(get(1, "a.example"), SHELF_UNKNOWN);
	ck_assert(put(1, "a.example"));
	ck_assert(put(1, "b.example")); /* the same hash */
	ck_assert(put(1, "x.example"));
	for (const char *const *it = (const char *const[]){ "a.example", "b.example", "x.example", NULL };
	    *it != NULL; it++) {
		ck_assert_int_eq(get(1, *it), SHELF_FOUND);
		same_rows(&rows, &found);
		ck_assert_int_eq(in_child(get_in_child, (void *)(uintptr_t)*it), SHELF_FOUND);
	}
	ck_assert_int_eq(get(1, "c.example"), SHELF_UNKNOWN);
	ck_assert_uint_eq(found.count, 0);
	ck_assert_int_eq(get(2, "a.example"), SHELF_UNKNOWN);
	/* The newest of what was put twice. */
	rows.chains[0].not_before = 77;
	ck_assert(put(1, "a.example"));
	ck_assert_int_eq(get(1, "a.example"), SHELF_FOUND);
	ck_assert_int_eq(found.chains[0].not_before, 77);
}
END_TEST

START_TEST(test_another_state)
{
	struct store_version uncertain = version_of(3);
	struct name key = key_of("a.example");

	ck_assert(put(1, "a.example"));
	ck_assert(put(2, "b.example"));
	ck_assert_int_eq(get(1, "a.example"), SHELF_UNKNOWN);
	ck_assert_int_eq(get(2, "a.example"), SHELF_UNKNOWN);
	ck_assert_int_eq(get(2, "b.example"), SHELF_FOUND);
	uncertain.certain = false;
	ck_assert(!shelf_put(shelf, &uncertain, HASH, &key, &rows));
	ck_assert_int_eq(get(2, "b.example"), SHELF_FOUND);
	uncertain = version_of(2);
	uncertain.certain = false;
	ck_assert_int_eq(shelf_get(shelf, &uncertain, HASH, &key, &found), SHELF_UNKNOWN);
}
END_TEST

START_TEST(test_complete)
{
	struct store_version one = version_of(1), two = version_of(2);

	shelf_complete(shelf, &one); /* nothing is there, of no state */
	ck_assert_int_eq(get(1, "a.example"), SHELF_UNKNOWN);
	ck_assert(put(1, "a.example"));
	shelf_complete(shelf, &two);
	ck_assert_int_eq(get(1, "b.example"), SHELF_UNKNOWN);
	shelf_complete(shelf, &one);
	ck_assert_int_eq(get(1, "b.example"), SHELF_NONE);
	ck_assert_int_eq(get(2, "b.example"), SHELF_UNKNOWN);
	ck_assert_int_eq(get(1, "a.example"), SHELF_FOUND);
	ck_assert(put(2, "a.example"));
	ck_assert_int_eq(get(2, "b.example"), SHELF_UNKNOWN);
}
END_TEST

START_TEST(test_full)
{
	char text[32];
	int count = 0;
	struct store_version one = version_of(1);

	do
		snprintf(text, sizeof(text), "n%d.example", count++);
	while (put(1, text));
	ck_assert_int_gt(count, 50);
	ck_assert_int_eq(get(1, "n0.example"), SHELF_FOUND);
	snprintf(text, sizeof(text), "n%d.example", count - 2);
	ck_assert_int_eq(get(1, text), SHELF_FOUND);
	same_rows(&rows, &found);
	shelf_complete(shelf, &one);
	/* All go for another state, but not for what never fits. */
	ck_assert(!put(1, "new.example"));
	make_rows(SIZE);
	ck_assert(!put(2, "long.example"));
	ck_assert_int_eq(get(1, "n0.example"), SHELF_FOUND);
	make_rows(400);
	ck_assert(put(2, "new.example"));
	ck_assert_int_eq(get(2, "n0.example"), SHELF_UNKNOWN);
	ck_assert_int_eq(get(2, "new.example"), SHELF_FOUND);
}
END_TEST

static int
put_in_child(void *arg)
{
	(void)arg;
	return put(1, "b.example") ? 1 : shelf_is_own(shelf);
}

/* Whatever a child does to its memory: its parent and the others have what they had. */
static int
write_in_child(void *arg)
{
	char line[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	int mappings = 0, writable = 0;

	(void)arg;
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		unsigned long from, to;
		char may[5];

		if (strstr(line, "memfd:snicert") == NULL || sscanf(line, "%lx-%lx %4s", &from, &to, may) != 3)
			continue;
		mappings++;
		writable += strchr(may, 'w') != NULL ||
		    mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) == 0;
	}
	if (maps == NULL || mappings != 1)
		return 1;
	fclose(maps);
	return writable;
}

START_TEST(test_children_read)
{
	ck_assert(shelf_is_own(shelf));
	ck_assert(put(1, "a.example"));
	ck_assert_int_eq(in_child(put_in_child, NULL), 0);
	ck_assert_int_eq(get(1, "b.example"), SHELF_UNKNOWN);
	ck_assert_int_eq(in_child(write_in_child, NULL), 0);
}
END_TEST

/* One reads without a pause while all is thrown out and put anew, another state each time. */
static int
read_all_the_time(void *arg)
{
	unsigned hits = 0, i = 0;

	(void)arg;
	for (; hits < 2000 && i < 100000000; i++) {
		static const char *const texts[] = { "a.example", "b.example", "x.example" };
		const char *text = texts[i % 3];

		/* What is of a state says so. */
		if (get(i % 2, text) != SHELF_FOUND)
			continue;
		hits++;
		if (found.count != 2 || found.chains[0].not_before != i % 2 ||
		    found.chains[1].not_before != text[0] || strcmp(found.chains[1].key_uri, rows.chains[1].key_uri) != 0)
			return 1;
	}
	return hits < 2000 ? 2 : 0;
}

START_TEST(test_read_meanwhile)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(read_all_the_time(NULL));
	for (uint32_t n = 0; waitpid(pid, &status, WNOHANG) == 0; n = !n) {
		static const char *const texts[] = { "b.example", "a.example", "x.example" };

		for (int i = 0; i < 3; i++) {
			make_rows(i % 2 == 0 ? 300 : 900);
			rows.chains[0].not_before = n;
			rows.chains[1].not_before = texts[i][0];
			ck_assert(put(n, texts[i]));
		}
	}
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_octets_that_are_no_rows)
{
	unsigned char octets[8192];
	size_t length = shelf_pack(&rows, octets, sizeof(octets));
	unsigned taken = 0;

	ck_assert_uint_lt(length, sizeof(octets));
	ck_assert_uint_eq(shelf_pack(&rows, NULL, 0), length);
	/* An arena as long as what is to be read: what is read behind it is found out. */
	for (size_t cut = 0; cut <= length; cut++) {
		found.arena = malloc(cut + (cut == 0));
		memcpy(found.arena, octets, cut);
		taken += shelf_unpack(&found, cut);
		store_rows_free(&found);
	}
	ck_assert_uint_eq(taken, 2); /* with one chain, and with both */
	for (size_t i = 0; i < length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			found.arena = malloc(length);
			memcpy(found.arena, octets, length);
			found.arena[i] ^= (unsigned char)(1u << bit);
			if (shelf_unpack(&found, length)) {
				ck_assert_uint_le(found.count, STORE_CHAINS_MOST);
				for (size_t j = 0; j < found.count; j++) {
					const struct store_chain *chain = &found.chains[j];

					ck_assert_uint_lt(strlen(chain->key_type), sizeof(chain->key_type));
					ck_assert(chain->key_uri == NULL || strlen(chain->key_uri) < length);
				}
			}
			store_rows_free(&found);
		}
	}
}
END_TEST

static int
without_memory(void *arg)
{
	struct rlimit none = { 0, 0 };

	(void)arg;
	setrlimit(RLIMIT_AS, &none);
	return shelf_new(64u << 20) != NULL;
}

START_TEST(test_none)
{
	struct store_version version = version_of(1);
	struct name key = key_of("a.example");

	ck_assert_ptr_null(shelf_new(100));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_int_eq(in_child(without_memory, NULL), 0);
#else
	(void)without_memory;
#endif
	ck_assert(!shelf_is_own(NULL));
	ck_assert(!shelf_put(NULL, &version, HASH, &key, &rows));
	ck_assert_int_eq(shelf_get(NULL, &version, HASH, &key, &found), SHELF_UNKNOWN);
	shelf_complete(NULL, &version);
	shelf_free(NULL);
	rows.count = 0;
	ck_assert(!put(1, "a.example"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shelf");
	TCase *tc = tcase_create("shelf");

	harness_start();
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_found);
	tcase_add_test(tc, test_another_state);
	tcase_add_test(tc, test_complete);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_children_read);
	tcase_add_test(tc, test_read_meanwhile);
	tcase_add_test(tc, test_octets_that_are_no_rows);
	tcase_add_test(tc, test_none);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
