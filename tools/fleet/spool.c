/* SPDX-License-Identifier: ISC */
/* spool.c */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fleet/spool.h"

#define MEMORY_MOST (8u << 20)  /* octets; then to a file */

static int
to_memory(struct spool *spool, const void *octets, size_t length, struct snicert_error *err)
{
	size_t end = (size_t)spool->length + length;

	if (end > spool->size) {
		size_t size = end > 2 * spool->size ? end : 2 * spool->size;
		unsigned char *more = realloc(spool->octets, size);

		if (more == NULL)
			return error_set(err, SNICERT_EMEMORY, "no memory");
		spool->octets = more;
		spool->size = size;
	}
	memcpy(spool->octets + spool->length, octets, length);
	return 0;
}

static int
to_file(struct spool *spool, const void *octets, size_t length, struct snicert_error *err)
{
	for (size_t done = 0; done < length;) {
		ssize_t put = pwrite(spool->fd, (const unsigned char *)octets + done, length - done, (off_t)(spool->length + (int64_t)done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return error_system(err, "can't write to a file in %s", spool->directory);
		done += (size_t)put;
	}
	return 0;
}

static int
make_file(struct spool *spool, struct snicert_error *err)
{
	int64_t length = spool->length;

	spool->fd = open(spool->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		return error_system(err, "can't make a file in %s", spool->directory);
	spool->length = 0;
	if (to_file(spool, spool->octets, (size_t)length, err) != 0)
		return -1;
	spool->length = length;
	return 0;
}

int
spool_add(struct spool *spool, const void *octets, size_t length, struct snicert_error *err)
{
	int status = 0;

	if (spool->fd < 0 && spool->length + (int64_t)length > (int64_t)MEMORY_MOST)
		status = make_file(spool, err);
	if (status == 0)
		status = (spool->fd < 0 ? to_memory : to_file)(spool, octets, length, err);
	if (status == 0)
		spool->length += (int64_t)length;
	return status;
}

int
spool_get(void *arg, int64_t at, void *octets, size_t *length)
{
	const struct spool *spool = arg;
	int64_t left = spool->length - at;
	ssize_t got;

	if ((int64_t)*length > left)
		*length = (size_t)left;
	if (spool->fd < 0) {
		if (*length > 0)
			memcpy(octets, spool->octets + at, *length);
		got = (ssize_t)*length;
	} else {
		got = pread(spool->fd, octets, *length, (off_t)at);
	}
	if (got < 0 || (got == 0 && left > 0))
		return -1;
	*length = (size_t)got;
	return 0;
}

void
spool_reset(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
	spool->length = 0;
}

void
spool_free(struct spool *spool)
{
	spool_reset(spool);
	free(spool->octets);
	spool->octets = NULL;
	spool->size = 0;
}
