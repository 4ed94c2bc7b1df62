/* SPDX-License-Identifier: ISC */
/* pemfile.c: chains with their keys as PEM in sealed memory files. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>

#include "error.h"
#include "pemfile.h"
#include "safety.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3: some systems require it, older ones do not know it */
#endif

static int
memory_file(void)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	unsigned occupied = safety_fds_occupy();
	int fd = memfd_create("snicert", flags | MFD_NOEXEC_SEAL), saved;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("snicert", flags);
	saved = errno;
	safety_fds_release(occupied);
	errno = saved;
	return fd;
}

static int
write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		data += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Whether the path works: the host may live without /proc. */
static bool
reachable(const char *path)
{
	unsigned occupied = safety_fds_occupy();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	safety_fds_release(occupied);
	errno = saved;
	return fd >= 0;
}

static void
path_of(int fd, char path[PEMFILE_PATH_SIZE])
{
	snprintf(path, PEMFILE_PATH_SIZE, "/proc/self/fd/%d", fd);
}

static int
fill(const struct pemfile *file, const char *pem, size_t length, struct snicert_error *err)
{
	char path[PEMFILE_PATH_SIZE];

	if (write_all(file->fd, pem, length) != 0 || fchmod(file->fd, S_IRUSR) != 0 ||
	    fcntl(file->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		return error_system(err, "can't fill a file of memory");
	path_of(file->fd, path);
	if (!reachable(path))
		return error_system(err, "can't open %s", path);
	return 0;
}

/* OpenSSL wipes the intermediate copy when it is freed. */
static int
make(struct pemfile *file, const struct chain *chain, struct snicert_error *err)
{
	BIO *pem = BIO_new(BIO_s_secmem());
	char *text = NULL;
	struct stat st;
	int result = -1;

	if (pem == NULL) {
		error_set(err, SNICERT_EMEMORY, "no memory");
	} else if (chain_write_pem(chain, pem, err) == 0) {
		long length = BIO_get_mem_data(pem, &text);

		file->fd = memory_file();
		if (file->fd < 0 || fstat(file->fd, &st) != 0)
			error_system(err, "can't make a file of memory");
		else
			result = fill(file, text, (size_t)length, err);
		if (result != 0 && file->fd >= 0)
			close(file->fd);
	}
	BIO_free(pem);
	if (result == 0) {
		file->device = st.st_dev;
		file->inode = st.st_ino;
		memcpy(file->identity, chain_identity(chain), sizeof(file->identity));
	}
	return result;
}

/* Whether the descriptor is still ours: a host may have closed unknown ones. */
static bool
in_place(const struct pemfile *file)
{
	struct stat st;

	return file->used != 0 && fstat(file->fd, &st) == 0 && st.st_dev == file->device &&
	    st.st_ino == file->inode;
}

static struct pemfile *
find(struct pemfiles *files, const struct chain *chain)
{
	for (size_t i = 0; i < PEMFILE_MOST; i++)
		if (in_place(&files->file[i]) &&
		    memcmp(files->file[i].identity, chain_identity(chain), STORE_DIGEST_LENGTH) == 0)
			return &files->file[i];
	return NULL;
}

static struct pemfile *
oldest(struct pemfiles *files)
{
	struct pemfile *oldest = &files->file[0];

	for (size_t i = 1; i < PEMFILE_MOST; i++)
		if (files->file[i].used < oldest->used)
			oldest = &files->file[i];
	return oldest;
}

int
pemfile_path(struct pemfiles *files, const struct chain *chain, char path[PEMFILE_PATH_SIZE],
    struct snicert_error *err)
{
	struct pemfile *file = find(files, chain), made = {0};

	if (file == NULL) {
		/* Before closing the oldest, or the new one would get its path. */
		if (make(&made, chain, err) != 0)
			return -1;
		file = oldest(files);
		if (in_place(file))
			close(file->fd);
		*file = made;
	}
	file->used = ++files->uses;
	path_of(file->fd, path);
	return 0;
}
