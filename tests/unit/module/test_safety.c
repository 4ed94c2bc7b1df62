/* SPDX-License-Identifier: ISC */
/* test_safety.c: whose files are trusted, and how they are opened. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "safety.h"

#define NOBODY 65534
#define NO_UID ((uid_t)-1)

static char dir[] = "/tmp/snicert-safety.XXXXXX";

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
teardown(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *
path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *const kinds[] = { [SAFETY_PUBLIC] = "public", [SAFETY_STORE] = "store",
	[SAFETY_SECRET] = "secret" };

/* Which modes are fine: 'p'ublic, 's'tore, 'k'ey (secret). */
static const struct {
	mode_t mode;
	const char *fine;
} modes[] = {
	{ 0600, "psk" }, { 0400, "psk" }, { 0000, "psk" }, { 0700, "psk" }, { 0640, "psk" },
	{ 0440, "psk" }, { 0644, "ps" }, { 0604, "ps" }, { 0755, "ps" }, { 0601, "ps" },
	{ 0750, "ps" }, { 0610, "ps" }, { 0660, "s" }, { 0620, "s" }, { 0664, "s" }, { 0666, "" },
	{ 0602, "" }, { 0622, "" }, { 0646, "" }, { 0777, "" }, { 04600, "psk" }, { 01640, "psk" },
};

START_TEST(test_modes)
{
	for (int kind = SAFETY_PUBLIC; kind <= SAFETY_SECRET; kind++) {
		struct stat st = { .st_uid = geteuid(), .st_mode = S_IFREG | modes[_i].mode };
		struct snicert_error err = {0};
		bool want = strchr(modes[_i].fine, "psk"[kind]) != NULL;
		int got = safety_check("/the/path", &st, (enum safety_kind)kind, NO_UID, &err);
		char mode[8];

		ck_assert_msg(got == (want ? 0 : -1), "mode %04o, %s: got %d, want %d",
		    (unsigned)modes[_i].mode, kinds[kind], got, want ? 0 : -1);
		if (want) {
			ck_assert_int_eq(err.code, SNICERT_OK);
			continue;
		}
		snprintf(mode, sizeof(mode), "%04o", (unsigned)modes[_i].mode);
		ck_assert_msg(err.code == SNICERT_EPERM && strstr(err.text, "/the/path") != NULL &&
		        strstr(err.text, mode) != NULL && strstr(err.text, "chmod ") != NULL,
		    "mode %s, %s: got %d \"%s\", want path, mode and the fix", mode, kinds[kind], err.code,
		    err.text);
	}
}
END_TEST

/* What the error tells to do makes the file acceptable. */
START_TEST(test_fix)
{
	const char *path = path_of("fixed");
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	ck_assert_int_ge(fd, 0);
	for (int kind = SAFETY_PUBLIC; kind <= SAFETY_SECRET; kind++) {
		struct snicert_error err = {0};
		struct stat st;
		const char *fix;

		ck_assert_int_eq(fchmod(fd, modes[_i].mode & 0777), 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		if (safety_check(path, &st, (enum safety_kind)kind, NO_UID, &err) == 0)
			continue;
		fix = strstr(err.text, "chmod ");
		ck_assert_ptr_nonnull(fix);
		ck_assert_msg(system(fix) == 0, "\"%s\" failed", fix);
		memset(&err, 0, sizeof(err));
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_msg(safety_check(path, &st, (enum safety_kind)kind, NO_UID, &err) == 0,
		    "%s after \"%s\": got \"%s\", want success", kinds[kind], fix, err.text);
	}
	close(fd);
	unlink(path);
}
END_TEST

/* Directories from the outer one to that of the file, and which of them is complained of: 0 for none. */
static const struct {
	const char *label;
	mode_t outer, inner;
	const char *wrong;
} directories[] = {
	{ "nobody else writes", 0755, 0700, NULL },
	{ "the group writes", 0775, 0770, NULL },
	{ "others write the directory", 0755, 0757, "outer/inner" },
	{ "others write the one above", 0777, 0755, "outer" },
	{ "a sticky one", 01777, 01777, NULL },
	{ "sticky above, not below", 01777, 0777, "outer/inner" },
};

START_TEST(test_directories)
{
	struct snicert_error err = {0};
	char inner[256], link[256], file[300], beside[300], wrong[300], fix[320];
	uid_t owner;
	int fd;

	mkdir(path_of("outer"), 0700);
	snprintf(inner, sizeof(inner), "%s", path_of("outer/inner"));
	mkdir(inner, 0700);
	snprintf(link, sizeof(link), "%s", path_of("link"));
	snprintf(file, sizeof(file), "%s/file", inner);
	snprintf(beside, sizeof(beside), "%s/file", link);
	fd = open(file, O_CREAT | O_RDWR, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(link);
	ck_assert_int_eq(symlink(inner, link), 0);
	ck_assert_int_eq(chmod(inner, directories[_i].inner), 0);
	ck_assert_int_eq(chmod(path_of("outer"), directories[_i].outer), 0);
	snprintf(wrong, sizeof(wrong), "%s", path_of(directories[_i].wrong == NULL ? "" : directories[_i].wrong));
	snprintf(fix, sizeof(fix), "chmod o-w %s", wrong);
	/* By its own name, and through a link that leads there. */
	for (int linked = 0; linked < 2; linked++) {
		int got = safety_directories(linked ? beside : file, &owner, &err);
		const char *said = strrchr(err.text, '/');

		/* The last of the directories has two names. */
		if (linked && said != NULL && strcmp(said, "/link") == 0)
			snprintf(fix, sizeof(fix), "chmod o-w %s", link);

		ck_assert_msg(got == (directories[_i].wrong == NULL ? 0 : -1), "%s, linked %d: got %d: %s", directories[_i].label,
		    linked, got, err.text);
		ck_assert_msg(directories[_i].wrong == NULL || (err.code == SNICERT_EPERM && strstr(err.text, fix) != NULL),
		    "%s, linked %d: got \"%s\", want the fix \"%s\"", directories[_i].label, linked, err.text, fix);
		ck_assert_msg(directories[_i].wrong != NULL || owner == geteuid(), "%s: got owner %lu", directories[_i].label,
		    (unsigned long)owner);
		memset(&err, 0, sizeof(err));
	}
	/* A file that isn't there has directories all the same; a name without any has none. */
	unlink(file);
	ck_assert_int_eq(safety_directories(file, NULL, NULL), directories[_i].wrong == NULL ? 0 : -1);
	ck_assert_int_eq(safety_directories("no-such-file", &owner, NULL), 0);
	ck_assert_msg(owner == (uid_t)-1, "got owner %lu of a directory that there is not", (unsigned long)owner);
	chmod(path_of("outer"), 0700);
	chmod(inner, 0700);
}
END_TEST

/* Whose a directory is keeps files there, unless a third party could put another directory in its place. */
START_TEST(test_keeper)
{
	static const struct {
		uid_t outer, inner, want;
	} keepers[] = {
		{ 0, 0, 0 }, { 0, 12345, 12345 }, { 12345, 12345, 12345 }, { 12346, 12345, NO_UID }, { 12346, 0, NO_UID },
	};
	char inner[256], file[300];

	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: test_keeper: needs root\n");
		return;
	}
	mkdir(path_of("above"), 0755);
	snprintf(inner, sizeof(inner), "%s", path_of("above/directory"));
	mkdir(inner, 0755);
	snprintf(file, sizeof(file), "%s/file", inner);
	ck_assert_int_ge(close(open(file, O_CREAT | O_RDWR, 0600)), 0);
	for (size_t i = 0; i < sizeof(keepers) / sizeof(keepers[0]); i++) {
		uid_t owner;

		ck_assert_int_eq(chown(path_of("above"), keepers[i].outer, 0), 0);
		ck_assert_int_eq(chown(inner, keepers[i].inner, 0), 0);
		ck_assert_int_eq(safety_directories(file, &owner, NULL), 0);
		ck_assert_msg(owner == keepers[i].want, "%lu's in %lu's: got %lu", (unsigned long)keepers[i].inner,
		    (unsigned long)keepers[i].outer, (unsigned long)owner);
	}
}
END_TEST

/* A link lies in a directory that others write, its target does not. */
START_TEST(test_directory_of_link)
{
	struct snicert_error err = {0};
	char target[256], link[256];

	snprintf(target, sizeof(target), "%s", path_of("target"));
	ck_assert_int_ge(close(open(target, O_CREAT | O_RDWR, 0600)), 0);
	ck_assert_int_eq(mkdir(path_of("open"), 0700), 0);
	ck_assert_int_eq(chmod(path_of("open"), 0777), 0);
	snprintf(link, sizeof(link), "%s", path_of("open/link"));
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert_int_eq(safety_directories(target, NULL, &err), 0);
	ck_assert_int_eq(safety_directories(link, NULL, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, path_of("open")));
}
END_TEST

static const struct {
	const char *label;
	uid_t owner, trusted;
	bool want;
} owners[] = {
	{ "root's", 0, NO_UID, true },
	{ "a stranger's", 12345, NO_UID, false },
	{ "the trusted one's", 12345, 12345, true },
	{ "neither's", 12346, 12345, false },
	{ "this process's", NOBODY, NO_UID, true },
};

/* Run by an ordinary user, where root runs the test. */
START_TEST(test_owners)
{
	struct stat st = { .st_mode = S_IFREG | 0600, .st_uid = owners[_i].owner };
	struct snicert_error err = {0};
	int status, want = owners[_i].want ? 0 : -1;
	pid_t child;

	if (owners[_i].owner == NOBODY && geteuid() != 0)
		st.st_uid = geteuid();
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
			_exit(77);
		_exit(safety_check("/the/path", &st, SAFETY_SECRET, owners[_i].trusted, NULL) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		fprintf(stderr, "SKIPPED: test_owners, %s: needs the right to be another\n", owners[_i].label);
		return;
	}
	ck_assert_msg(-WEXITSTATUS(status) == want, "%s: got %d, want %d", owners[_i].label,
	    -WEXITSTATUS(status), want);
	if (want == 0)
		return;
	ck_assert_int_eq(safety_check("/the/path", &st, SAFETY_SECRET, owners[_i].trusted, &err), -1);
	ck_assert_msg(err.code == SNICERT_EPERM && strstr(err.text, "/the/path") != NULL &&
	        strstr(err.text, "chown") != NULL, "%s: got \"%s\", want path and fix", owners[_i].label,
	    err.text);
	/* A stranger's file is no better for its mode. */
	st.st_mode = S_IFREG | 0400;
	ck_assert_int_eq(safety_check("/the/path", &st, SAFETY_PUBLIC, owners[_i].trusted, NULL), -1);
}
END_TEST

static void
make(const char *path, char what)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = -1, rc = -1;

	switch (what) {
	case 'f':
		rc = fd = open(path, O_CREAT | O_WRONLY, 0600);
		ck_assert_int_eq(write(fd, "content", 7), 7);
		break;
	case 'l':
		make(path_of("target"), 'f');
		rc = symlink("target", path);
		break;
	case 'b':
		rc = symlink("nowhere", path);
		break;
	case 'd':
		rc = mkdir(path, 0700);
		break;
	case 'p':
		rc = mkfifo(path, 0600);
		break;
	case 's':
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		memcpy(address.sun_path, path, strlen(path) + 1);
		rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
		break;
	case 'n':
		rc = symlink("/dev/null", path);
		break;
	default:
		rc = 0;
		break;
	}
	if (fd >= 0)
		close(fd);
	ck_assert_int_ge(rc, 0);
}

static const struct {
	const char *label;
	char what;
	int want_code;          /* SNICERT_OK: opened */
} things[] = {
	{ "a file", 'f', SNICERT_OK },
	{ "a symbolic link", 'l', SNICERT_OK },
	{ "a link to nowhere", 'b', SNICERT_ESYSTEM },
	{ "nothing", '-', SNICERT_ESYSTEM },
	{ "a directory", 'd', SNICERT_EPERM },
	{ "a FIFO", 'p', SNICERT_EPERM },
	{ "a socket", 's', SNICERT_ESYSTEM },
	{ "a device", 'n', SNICERT_EPERM },
};

static int
count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(test_open)
{
	char path[sizeof(dir) + 16], got[16];
	struct snicert_error err = {0};
	struct stat st;
	int fd, before;

	snprintf(path, sizeof(path), "%s/thing%d", dir, _i);
	make(path, things[_i].what);
	before = count_fds();
	alarm(10); /* a FIFO with no writer must not be waited for */
	fd = safety_open(path, &st, &err);
	alarm(0);
	ck_assert_msg((fd >= 0) == (things[_i].want_code == SNICERT_OK), "%s: got fd %d, \"%s\"",
	    things[_i].label, fd, err.text);
	ck_assert_msg(err.code == things[_i].want_code, "%s: code: got %d, want %d (%s)",
	    things[_i].label, err.code, things[_i].want_code, err.text);
	if (fd < 0) {
		ck_assert_msg(strstr(err.text, path) != NULL, "%s: got \"%s\", want the path in it",
		    things[_i].label, err.text);
		ck_assert_msg(count_fds() == before, "%s: fds: got %d, want %d", things[_i].label,
		    count_fds(), before);
		return;
	}
	ck_assert_int_eq(read(fd, got, sizeof(got)), 7);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_int_eq(st.st_size, 7);
	ck_assert_msg((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "%s: not close-on-exec",
	    things[_i].label);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}
END_TEST

START_TEST(test_open_errno)
{
	struct snicert_error err = {0};
	struct stat st;

	errno = 0;
	ck_assert_int_eq(safety_open(path_of("absent"), &st, &err), -1);
	ck_assert_msg(errno == ENOENT, "errno: got %d, want %d", errno, ENOENT);
	ck_assert_msg(strstr(err.text, strerror(ENOENT)) != NULL, "got \"%s\"", err.text);
}
END_TEST

/* With each set of fds 0-2 closed: none of them opened for longer, nothing else touched. */
static int
low_fds(int closed, const char *path)
{
	struct stat st;
	unsigned occupied;
	int fd, before;

	for (int low = 0; low <= 2; low++)
		if ((closed & (1 << low)) != 0)
			close(low);
	before = count_fds();
	fd = safety_open(path, &st, NULL);
	if (fd <= 2)
		return 10;
	close(fd);
	if (safety_open("/nowhere/at/all", &st, NULL) != -1 || count_fds() != before)
		return 11;
	occupied = safety_fds_occupy();
	if (occupied != (unsigned)closed)
		return 12;
	fd = open(path, O_RDONLY);
	if (fd <= 2)
		return 13;
	close(fd);
	for (int low = 0; low <= 2; low++)
		if ((closed & (1 << low)) != 0 && (fcntl(low, F_GETFD) & FD_CLOEXEC) == 0)
			return 14;
	safety_fds_release(occupied);
	for (int low = 0; low <= 2; low++)
		if ((fcntl(low, F_GETFD) >= 0) != ((closed & (1 << low)) == 0))
			return 15;
	return count_fds() == before ? 0 : 16;
}

START_TEST(test_low_fds)
{
	char path[sizeof(dir) + 16];
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/low%d", dir, _i);
	make(path, 'f');
	child = fork();
	if (child == 0)
		_exit(low_fds(_i, path));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "fds closed: 0x%x: got status %d, want 0 (10: fd of the file, 11: fds after failure, "
	    "12: mask, 13: next fd, 14: flags, 15: open at the end, 16: count)", (unsigned)_i,
	    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}
END_TEST

/* Another thread becomes a daemon just then: what it puts on fds 0-2 stays. */
START_TEST(test_low_fds_taken)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2];
		unsigned occupied;

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
			_exit(1);
		close(0);
		close(1);
		occupied = safety_fds_occupy();
		if (occupied != 3 || dup2(null, 0) != 0 || dup2(pair[0], 1) != 1)
			_exit(2);
		safety_fds_release(occupied);
		_exit(fcntl(0, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 ? 3 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "step %d failed", status >> 8);
}
END_TEST

/* In a jail without /dev/null closed fds stay as they are, and files are opened all the same. */
static int
bare_jail(void)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), before, result = 0, fd;
	struct stat st;

	if (chroot(dir) != 0 || chdir("/") != 0)
		return 77;
	close(0);
	close(2);
	before = count_fds();
	if (safety_fds_occupy() != 0 || count_fds() != before)
		result = 10;
	fd = safety_open("/jailed", &st, NULL);
	if (fd < 0 || !S_ISREG(st.st_mode))
		result = 11;
	close(fd);
	if (fcntl(0, F_GETFD) >= 0 || fcntl(2, F_GETFD) >= 0)
		result = 12;
	return fchdir(root) == 0 && chroot(".") == 0 ? result : 98;
}

START_TEST(test_bare_jail)
{
	int status;
	pid_t child;

	make(path_of("jailed"), 'f');
	child = fork();
	if (child == 0)
		_exit(bare_jail());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("safety: a bare jail: left out: it takes root\n");
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "got status %d, want 0 (10: occupied, 11: the file,"
	    " 12: open at the end)", status >> 8);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("safety");
	TCase *tc = tcase_create("safety");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_modes, 0, COUNT(modes));
	tcase_add_loop_test(tc, test_directories, 0, sizeof(directories) / sizeof(directories[0]));
	tcase_add_test(tc, test_directory_of_link);
	tcase_add_test(tc, test_keeper);
	tcase_add_loop_test(tc, test_fix, 0, COUNT(modes));
	tcase_add_loop_test(tc, test_owners, 0, COUNT(owners));
	tcase_add_loop_test(tc, test_open, 0, COUNT(things));
	tcase_add_test(tc, test_open_errno);
	tcase_add_loop_test(tc, test_low_fds, 0, 8);
	tcase_add_test(tc, test_low_fds_taken);
	tcase_add_test(tc, test_bare_jail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
