/* SPDX-License-Identifier: ISC */
/* safety.c: who may have written, or may read, the files we trust. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"
#include "safety.h"

int
safety_check(const char *path, const struct stat *st, enum safety_kind kind, uid_t trusted,
    struct snicert_error *err)
{
	mode_t refused = S_IWGRP | S_IWOTH;
	const char *fix = "go-w";

	if (kind == SAFETY_STORE) {
		refused = S_IWOTH;
		fix = "o-w";
	} else if (kind == SAFETY_SECRET) {
		refused = S_IWGRP | S_IXGRP | S_IRWXO;
		fix = "g-wx,o-rwx";
	}
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != trusted)
		return error_set(err, SNICERT_EPERM,
		    "%s belongs to uid %lu, which is neither root nor this program's user: "
		    "chown it to root",
		    path, (unsigned long)st->st_uid);
	if ((st->st_mode & refused) != 0)
		return error_set(err, SNICERT_EPERM,
		    "%s has the unsafe mode %04o: others could %s it: chmod %s %s", path,
		    (unsigned)(st->st_mode & 07777),
		    (st->st_mode & refused & (S_IWGRP | S_IWOTH)) != 0 ? "change" : "read", fix,
		    path);
	return 0;
}

/* Up from `path`, which is cut shorter; what can't be seen is no way to the file. */
static int
check_upwards(char *path, struct snicert_error *err)
{
	struct stat st;
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		slash[slash == path] = '\0';
		if (stat(path, &st) == 0 && (st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
			return error_set(err, SNICERT_EPERM,
			    "%s has the unsafe mode %04o: others could put another file there: chmod o-w %s",
			    path, (unsigned)(st.st_mode & 07777), path);
		if (slash == path)
			break;
	}
	return 0;
}

/* The owner of the file's directory, if nobody else could have replaced that. */
static uid_t
keeper_of(const char *real)
{
	char directory[PATH_MAX];
	uid_t keeper = (uid_t)-1;
	struct stat st;
	char *slash;

	snprintf(directory, sizeof(directory), "%s", real);
	while ((slash = strrchr(directory, '/')) != NULL) {
		slash[slash == directory] = '\0';
		if (stat(directory, &st) != 0)
			return (uid_t)-1;
		if (keeper == (uid_t)-1)
			keeper = st.st_uid;
		if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != keeper)
			return (uid_t)-1;
		if (slash == directory)
			break;
	}
	return keeper;
}

int
safety_directories(const char *path, uid_t *owner, struct snicert_error *err)
{
	char named[PATH_MAX], real[PATH_MAX];

	if (owner != NULL)
		*owner = (uid_t)-1;
	if (snprintf(named, sizeof(named), "%s", path) >= (int)sizeof(named) || check_upwards(named, err) != 0)
		return -1;
	if (realpath(path, real) == NULL)
		return 0; /* the open will say why */
	if (owner != NULL)
		*owner = keeper_of(real);
	return check_upwards(real, err);
}

int
safety_open(const char *path, struct stat *st, struct snicert_error *err)
{
	unsigned occupied = safety_fds_occupy();
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int saved = errno;

	safety_fds_release(occupied);
	errno = saved;
	if (fd < 0)
		return error_system(err, "can't open %s", path);
	if (fstat(fd, st) != 0) {
		error_system(err, "can't stat %s", path);
		close(fd);
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		close(fd);
		return error_set(err, SNICERT_EPERM, "%s is not a regular file", path);
	}
	return fd;
}

unsigned
safety_fds_occupy(void)
{
	unsigned occupied = 0;
	int fd;

	for (int low = 0; low <= 2; low++) {
		if (fcntl(low, F_GETFD) >= 0)
			continue;
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0 || fd > 2) { /* none available in a bare jail */
			if (fd > 2)
				close(fd);
			break;
		}
		occupied |= 1u << fd;
	}
	return occupied;
}

/* Spare what another thread of the host has put there since: after dup2(2) not close-on-exec. */
static bool
is_occupied_by_us(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && (flags & FD_CLOEXEC) != 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev == makedev(1, 3);
}

void
safety_fds_release(unsigned occupied)
{
	for (int fd = 0; fd <= 2; fd++)
		if ((occupied & (1u << fd)) != 0 && is_occupied_by_us(fd))
			close(fd);
}
