/* SPDX-License-Identifier: ISC */
/*
 * keyfile.c: writing the store key file.  We write a new key after the old one, reseal the
 * store in one transaction, and only then remove the old key: whenever this is interrupted,
 * the file has the key that the store needs.  The file is written in place and never replaced,
 * so that a process that opened it before a chroot sees the change.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "acl.h"
#include "error.h"
#include "store/keyfile.h"

#define LINE_MOST 256

static int
write_line(int fd, const char *path, const struct seal *seal, off_t at, struct snicert_error *err)
{
	char line[LINE_MOST];
	size_t length = seal_line(seal, line, sizeof(line));
	ssize_t written = length == 0 ? -1 : pwrite(fd, line, length, at);

	OPENSSL_cleanse(line, sizeof(line));
	if (written < 0 || (size_t)written != length || fsync(fd) != 0) {
		if (written >= 0)
			errno = ENOSPC;
		return error_system(err, "can't write the store key %s", path);
	}
	return 0;
}

static int
add_random(struct seal *seal, struct snicert_error *err)
{
	unsigned char octets[SEAL_KEY_LENGTH];
	int status;

	if (RAND_priv_bytes(octets, sizeof(octets)) != 1)
		return error_openssl(err, SNICERT_EKEY, "no random numbers");
	status = seal_add(seal, octets, err);
	OPENSSL_cleanse(octets, sizeof(octets));
	return status;
}

int
keyfile_create(const char *path, gid_t group, struct snicert_error *err)
{
	struct seal *seal = seal_new(err);
	int status = -1, fd = -1;

	if (seal == NULL)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST)
		error_set(err, SNICERT_EKEY, "%s exists already: nothing was changed", path);
	else if (fd < 0)
		error_system(err, "can't create %s", path);
	else if ((group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0) ||
	    acl_fchmod(fd, group == (gid_t)-1 ? 0600 : 0640) != 0)
		error_system(err, "can't give %s to the group", path);
	else if (add_random(seal, err) == 0)
		status = write_line(fd, path, seal, 0, err);
	if (fd >= 0)
		close(fd);
	if (status != 0 && fd >= 0)
		unlink(path);
	seal_free(seal);
	return status;
}

static int
open_for_change(const char *path, struct snicert_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : error_system(err, "can't change the store key %s", path);
}

int
keyfile_append(const char *path, struct seal *seal, off_t *former, struct snicert_error *err)
{
	char line[LINE_MOST];
	size_t length = seal_line(seal, line, sizeof(line));
	int fd = open_for_change(path, err), status = -1;
	struct stat st;

	OPENSSL_cleanse(line, sizeof(line));
	if (fd < 0)
		return -1;
	/* Overwrite a line that an interrupted rekey left incomplete. */
	if (length == 0 || fstat(fd, &st) != 0)
		error_system(err, "can't change the store key %s", path);
	else if (st.st_size < (off_t)length)
		error_set(err, SNICERT_EKEY, "%s is not a whole store key file", path);
	else if (add_random(seal, err) == 0) {
		*former = st.st_size - st.st_size % (off_t)length;
		status = write_line(fd, path, seal, *former, err);
		if (status != 0 && ftruncate(fd, *former) != 0)
			error_system(err, "can't cut %s back", path);
	}
	close(fd);
	return status;
}

/* Lines of whole keys; what an interrupted write left behind them is none. */
static int
open_lines(const char *path, const struct seal *seal, int *fd, off_t *end, struct snicert_error *err)
{
	char line[LINE_MOST];
	size_t length = seal_line(seal, line, sizeof(line));
	struct stat st;

	OPENSSL_cleanse(line, sizeof(line));
	*fd = open_for_change(path, err);
	if (*fd < 0)
		return -1;
	if (length == 0 || fstat(*fd, &st) != 0 || st.st_size < (off_t)length) {
		close(*fd);
		return error_set(err, SNICERT_EKEY, "%s is not a whole store key file", path);
	}
	*end = st.st_size - st.st_size % (off_t)length;
	return 0;
}

/* First the last key once more at the end, then the new one over the first: at every moment the last whole
 * line is the key that seals. */
int
keyfile_add(const char *path, struct seal *seal, struct snicert_error *err)
{
	struct seal *fresh = seal_new(err);
	int fd, status = -1;
	off_t end;

	if (fresh == NULL)
		return -1;
	if (add_random(fresh, err) == 0 && open_lines(path, seal, &fd, &end, err) == 0) {
		if (write_line(fd, path, seal, end, err) == 0)
			status = write_line(fd, path, fresh, 0, err);
		close(fd);
	}
	seal_free(fresh);
	return status;
}

int
keyfile_prefer(const char *path, struct seal *seal, const unsigned char *id, off_t *former,
    struct snicert_error *err)
{
	int fd, status;

	if (open_lines(path, seal, &fd, former, err) != 0)
		return -1;
	status = seal_prefer(seal, id, err);
	if (status == 0)
		status = write_line(fd, path, seal, *former, err);
	if (status != 0 && ftruncate(fd, *former) != 0)
		error_system(err, "can't cut %s back", path);
	close(fd);
	return status;
}

void
keyfile_cut(const char *path, off_t former)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	/* If truncating fails, the extra key seals nothing: the next rekey handles it. */
	if (fd >= 0 && ftruncate(fd, former) == 0)
		fsync(fd);
	if (fd >= 0)
		close(fd);
}

int
keyfile_settle(const char *path, const struct seal *seal, struct snicert_error *err)
{
	char line[LINE_MOST];
	size_t length = seal_line(seal, line, sizeof(line));
	int fd = open_for_change(path, err), status = -1;

	OPENSSL_cleanse(line, sizeof(line));
	if (fd < 0)
		return -1;
	/* Over the first line, then truncate: at every moment the last complete line is the key in use. */
	if (write_line(fd, path, seal, 0, err) == 0) {
		if (ftruncate(fd, (off_t)length) == 0 && fsync(fd) == 0)
			status = 0;
		else
			error_system(err, "can't shorten the store key file %s", path);
	}
	close(fd);
	return status;
}
