/* SPDX-License-Identifier: ISC */
/* test_mapping.c: making, judging and mapping the statistics file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness.h"
#include "mapping.h"
#include "rename.h"

static const struct mapping_geometry small = { 64, 1024 };
static char dir[64], path[96], own[128];

static void
setup(void)
{
	strcpy(dir, "/tmp/snicert-mapping-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/stats", dir);
	mapping_path(own, sizeof(own), path, geteuid());
}

static void
teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static int
try(struct snicert_error *err)
{
	struct mapping mapping;
	int result = mapping_open(&mapping, path, &small, "/the/store", err);

	if (result == 0)
		mapping_close(&mapping);
	return result;
}

START_TEST(test_made_and_shared)
{
	struct mapping one, two;
	struct stat st;

	ck_assert_int_eq(mapping_open(&one, path, &small, "/the/store", NULL), 0);
	ck_assert_int_eq(mapping_open(&two, path, &small, "/the/store", NULL), 0);
	ck_assert_int_eq(stat(own, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(st.st_size, (off_t)one.parts.size);
	ck_assert_int_ge(st.st_blocks * 512, st.st_size); /* allocated, all of it */
	atomic_fetch_add(&one.shards[3].keys[1], 5);
	ck_assert_uint_eq(atomic_load(&two.shards[3].keys[1]), 5);
	mapping_close(&one);
	mapping_close(&two);
	ck_assert_int_eq(mapping_open(&one, path, &small, "/the/store", NULL), 0);
	ck_assert_uint_eq(atomic_load(&one.shards[3].keys[1]), 5);
	mapping_close(&one);
}
END_TEST

/* Whoever has its name first counts: of those that start at once all map the same. */
START_TEST(test_made_by_many)
{
	struct mapping mapping;
	pid_t makers[8];
	int go[2], status;
	uint64_t sum = 0;

	ck_assert_int_eq(pipe(go), 0);
	for (size_t i = 0; i < COUNT(makers); i++) {
		makers[i] = fork();
		if (makers[i] == 0) {
			close(go[1]);
			if (read(go[0], &status, 1) != 0 || mapping_open(&mapping, path, &small, "/the/store", NULL) != 0)
				_exit(1);
			atomic_fetch_add(&mapping.shards[3].keys[1], 1);
			_exit(0);
		}
	}
	close(go[0]);
	close(go[1]);
	for (size_t i = 0; i < COUNT(makers); i++) {
		ck_assert_int_eq(waitpid(makers[i], &status, 0), makers[i]);
		ck_assert_msg(status == 0, "maker %zu ended with %d", i, status);
	}
	ck_assert_int_eq(mapping_open(&mapping, path, &small, "/the/store", NULL), 0);
	sum = atomic_load(&mapping.shards[3].keys[1]);
	mapping_close(&mapping);
	ck_assert_uint_eq(sum, COUNT(makers));
}
END_TEST

/* What all who give a file its name rely on, whatever C library it is. */
START_TEST(test_rename)
{
	char other[128];
	struct stat st;

	snprintf(other, sizeof(other), "%s/other", dir);
	write_file(own, "1", 0644);
	write_file(other, "22", 0644);
	ck_assert_int_eq(rename_by(other, own, RENAME_NOREPLACE), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(rename_by(other, own, RENAME_EXCHANGE), 0);
	ck_assert_int_eq(stat(own, &st), 0);
	ck_assert_int_eq(st.st_size, 2);
	ck_assert_int_eq(unlink(own), 0);
	ck_assert_int_eq(rename_by(other, own, RENAME_NOREPLACE), 0);
	ck_assert_int_eq(stat(own, &st), 0);
	ck_assert_int_eq(st.st_size, 1);
}
END_TEST

struct hostile {
	const char *label, *want;
	void (*make)(void);
	int code;
};

static void
make_link(void)
{
	ck_assert_int_eq(symlink("/etc/passwd", own), 0);
}

static void
make_fifo(void)
{
	ck_assert_int_eq(mkfifo(own, 0600), 0);
}

static void
make_dir(void)
{
	ck_assert_int_eq(mkdir(own, 0700), 0);
}

static void
make_other(void)
{
	write_file(own, "not ours at all", 0600);
}

static void
make_writable(void)
{
	ck_assert_int_eq(try(NULL), 0);
	ck_assert_int_eq(chmod(own, 0660), 0);
}

static void
make_linked(void)
{
	char other[160];

	snprintf(other, sizeof(other), "%s/other", dir);
	ck_assert_int_eq(try(NULL), 0);
	ck_assert_int_eq(link(own, other), 0);
}

static void
make_foreign(void)
{
	struct mapping mapping;

	ck_assert_int_eq(mapping_open(&mapping, path, &small, "/another/store", NULL), 0);
	mapping_close(&mapping);
}

static void
make_given_away(void)
{
	ck_assert_int_eq(try(NULL), 0);
	ck_assert_int_eq(chown(own, 65534, (gid_t)-1), geteuid() == 0 ? 0 : -1);
}

static void
remove_dir(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
make_broken_fs(void)
{
	/* Of the kernel: nothing that could be mapped and kept. */
	snprintf(path, sizeof(path), "/proc/snicert-stats");
	mapping_path(own, sizeof(own), path, geteuid());
}

static const struct hostile hostile[] = {
	{ "a link", "Too many levels of symbolic links", make_link, SNICERT_ESYSTEM },
	{ "a FIFO", "is not a regular file", make_fifo, SNICERT_EPERM },
	{ "a directory", "directory", make_dir, SNICERT_ESYSTEM },
	{ "something else", "is something else: remove it", make_other, SNICERT_ESYSTEM },
	{ "writable by others", "could be changed by others", make_writable, SNICERT_EPERM },
	{ "two links", "could be changed by others", make_linked, SNICERT_EPERM },
	{ "another store", "is of the store /another/store", make_foreign, SNICERT_ECONFIG },
	{ "another owner", "could be changed by others", make_given_away, SNICERT_EPERM },
	{ "no directory", "No such file", remove_dir, SNICERT_ENOTFOUND },
	{ "no file system", "", make_broken_fs, SNICERT_ENOTFOUND },
};

/* Each is left as it was found, with a reason. */
START_TEST(test_hostile)
{
	struct snicert_error err = {0};
	struct stat before = {0}, after = {0};
	int there, fds;

	if (hostile[_i].make == make_given_away && geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_hostile, %s: needs root\n", hostile[_i].label);
		return;
	}
	hostile[_i].make();
	there = lstat(own, &before);
	fds = open_fds();
	ck_assert_msg(try(&err) == -1, "%s: taken", hostile[_i].label);
	ck_assert_msg(err.code == hostile[_i].code && strstr(err.text, hostile[_i].want) != NULL,
	    "%s: got %d \"%s\", want %d \"%s\"", hostile[_i].label, err.code, err.text, hostile[_i].code,
	    hostile[_i].want);
	ck_assert_int_eq(lstat(own, &after), there);
	ck_assert_int_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_eq(open_fds(), fds);
}
END_TEST

/* One of ours that is not whole, or of another release, is replaced. */
START_TEST(test_outdated)
{
	static const struct { off_t size; off_t at; uint32_t value; } cases[] = {
		{ 0, -1, 0 }, { 100, -1, 0 }, { 4096, -1, 0 }, { 1 << 22, -1, 0 },
		{ -1, offsetof(struct mapping_header, layout), 99 },
		{ -1, offsetof(struct mapping_header, unknown), 65 },
		{ -1, offsetof(struct mapping_header, names), 0 },
		{ -1, offsetof(struct mapping_header, records), 7 },
		{ -1, offsetof(struct mapping_header, size), 7 },
	};
	struct stat st;

	for (size_t i = 0; i < COUNT(cases); i++) {
		ino_t before;
		int fd;

		ck_assert_int_eq(try(NULL), 0);
		ck_assert_int_eq(stat(own, &st), 0);
		before = st.st_ino;
		fd = open(own, O_RDWR);
		if (cases[i].size >= 0)
			ck_assert_int_eq(ftruncate(fd, cases[i].size), 0);
		else
			ck_assert_int_eq(pwrite(fd, &cases[i].value, sizeof(cases[i].value), cases[i].at), 4);
		ck_assert_int_eq(try(NULL), 0);
		ck_assert_int_eq(stat(own, &st), 0);
		ck_assert_msg(st.st_ino != before, "case %zu: not replaced", i);
		close(fd); /* until here so that the number is not used again */
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mapping");
	TCase *tc = tcase_create("mapping");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_made_and_shared);
	tcase_add_loop_test(tc, test_made_by_many, 0, 20);
	tcase_add_test(tc, test_rename);
	tcase_add_loop_test(tc, test_hostile, 0, COUNT(hostile));
	tcase_add_test(tc, test_outdated);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
