/* SPDX-License-Identifier: ISC */
/* test_acl.c: access lists of new files, by the kernel's own form of them. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../harness.h"
#include "acl.h"

#define ENTRIES_MOST 8
enum { OWNER = 0x01, USER = 0x02, OWN_GROUP = 0x04, GROUP = 0x08, MASK = 0x10, OTHERS = 0x20 };

struct entry {
	unsigned tag, may, id;
};

static char dir[] = "/tmp/snicert-test-XXXXXX";

/* linux/posix_acl_xattr.h: a version, and entries of tag, permissions and id, little endian. */
static size_t
form(const struct entry *entries, unsigned char *out)
{
	size_t used = 4;

	memcpy(out, &(uint32_t){ htole32(2) }, 4);
	for (; entries->tag != 0; entries++, used += 8) {
		memcpy(out + used, &(uint16_t){ htole16((uint16_t)entries->tag) }, 2);
		memcpy(out + used + 2, &(uint16_t){ htole16((uint16_t)entries->may) }, 2);
		memcpy(out + used + 4, &(uint32_t){ htole32(entries->id) }, 4);
	}
	return used;
}

static int
make(const char *name, const struct entry *entries, char path[64])
{
	unsigned char list[4 + 8 * ENTRIES_MOST];
	int fd;

	snprintf(path, 64, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	if (entries != NULL && setxattr(path, ACL_ATTRIBUTE, list, form(entries, list), 0) != 0)
		ck_abort_msg("setxattr: %s", strerror(errno));
	return fd;
}

static const unsigned nobody = 0xffffffff; /* of entries that have no id */

static const struct {
	const char *label;
	mode_t mode;
	struct entry before[ENTRIES_MOST], after[ENTRIES_MOST];
} lists[] = {
	{ "the group reads, and so may the mask", 0640,
	    { { OWNER, 6, nobody }, { OWN_GROUP, 1, nobody }, { MASK, 1, nobody }, { OTHERS, 0, nobody } },
	    { { OWNER, 6, nobody }, { OWN_GROUP, 4, nobody }, { MASK, 4, nobody }, { OTHERS, 0, nobody } } },
	{ "named ones read at most", 0600,
	    { { OWNER, 7, nobody }, { USER, 7, 7 }, { OWN_GROUP, 7, nobody }, { GROUP, 4, 8 }, { MASK, 7, nobody }, { OTHERS, 7, nobody } },
	    { { OWNER, 6, nobody }, { USER, 7, 7 }, { OWN_GROUP, 0, nobody }, { GROUP, 4, 8 }, { MASK, 4, nobody }, { OTHERS, 0, nobody } } },
	{ "a named one that may not read", 0660,
	    { { OWNER, 6, nobody }, { USER, 0, 7 }, { OWN_GROUP, 0, nobody }, { MASK, 0, nobody }, { OTHERS, 4, nobody } },
	    { { OWNER, 6, nobody }, { USER, 0, 7 }, { OWN_GROUP, 6, nobody }, { MASK, 6, nobody }, { OTHERS, 0, nobody } } },
};

/* On a file, and taken over by one beside it. */
START_TEST(test_lists)
{
	unsigned char want[4 + 8 * ENTRIES_MOST], got[512];
	char path[64], beside[64];
	size_t length = form(lists[_i].after, want);
	int fd = make("list", lists[_i].before, path), other = make("beside", NULL, beside);

	ck_assert_int_eq(acl_fchmod(fd, lists[_i].mode), 0);
	ck_assert_int_eq(fgetxattr(fd, ACL_ATTRIBUTE, got, sizeof(got)), (ssize_t)length);
	ck_assert_msg(memcmp(got, want, length) == 0, "%s", lists[_i].label);
	ck_assert_int_eq(acl_take_over(other, path, 0600), 0);
	ck_assert_int_eq(fgetxattr(other, ACL_ATTRIBUTE, got, sizeof(got)), (ssize_t)length);
	ck_assert_msg(memcmp(got, want, length) == 0, "%s: taken over", lists[_i].label);
	close(fd);
	close(other);
	unlink(path);
	unlink(beside);
}
END_TEST

START_TEST(test_none)
{
	char path[64], beside[64];
	struct stat st;
	int fd = make("none", NULL, path), other = make("beside", NULL, beside);

	ck_assert_int_eq(acl_fchmod(fd, 0640), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(acl_take_over(other, path, 0604), 0);
	ck_assert_int_eq(fstat(other, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0604);
	close(fd);
	close(other);
	unlink(path);
	unlink(beside);
}
END_TEST

/* Not ours to change: without a mask, as a mode alone makes it, of no entries, of another form. */
START_TEST(test_left_alone)
{
	static const struct entry few[] = { { OWNER, 6, 0 }, { OWN_GROUP, 4, 0 }, { OTHERS, 0, 0 }, { 0, 0, 0 } };
	struct acl acl = {0};

	ck_assert(!acl_set(&acl, 0640));
	acl.length = form(few, (unsigned char *)acl.value);
	ck_assert(!acl_set(&acl, 0640));
	acl.length = 4;
	ck_assert(!acl_set(&acl, 0640));
	acl_read(&acl, -1);
	ck_assert_uint_eq(acl.length, 0);
	acl_read_path(&acl, "/nonexistent");
	ck_assert_uint_eq(acl.length, 0);
}
END_TEST

/* Whether /tmp has them. */
static bool
has_lists(void)
{
	static const struct entry one[] = { { OWNER, 6, 0xffffffff }, { USER, 4, 7 }, { OWN_GROUP, 4, 0xffffffff },
		{ MASK, 4, 0xffffffff }, { OTHERS, 0, 0xffffffff }, { 0, 0, 0 } };
	unsigned char list[4 + 8 * ENTRIES_MOST];
	char path[64];
	bool has;
	int fd;

	snprintf(path, sizeof(path), "%s/probe", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	has = fd >= 0 && fsetxattr(fd, ACL_ATTRIBUTE, list, form(one, list), 0) == 0;
	close(fd);
	unlink(path);
	return has;
}

int
main(void)
{
	Suite *suite = suite_create("acl");
	TCase *tests = tcase_create("acl");
	int result;

	if (mkdtemp(dir) == NULL)
		return 99;
	if (has_lists())
		tcase_add_loop_test(tests, test_lists, 0, COUNT(lists));
	else
		fprintf(stderr, "SKIPPED: test_lists: no access lists in %s\n", dir);
	tcase_add_test(tests, test_none);
	tcase_add_test(tests, test_left_alone);
	suite_add_tcase(suite, tests);
	result = harness_run(suite);
	rmdir(dir);
	return result;
}
