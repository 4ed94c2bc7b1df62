/* SPDX-License-Identifier: ISC */
/* held.c: a descriptor held across the host's code, which may have closed it. */
#include <errno.h>
#include <unistd.h>

#include "held.h"

struct held
held_take(int fd, const struct stat *st)
{
	return (struct held){ .fd = fd, .device = st->st_dev, .inode = st->st_ino };
}

bool
held_is_ours(const struct held *held)
{
	int saved = errno;
	struct stat st;
	bool ours = held->fd >= 0 && fstat(held->fd, &st) == 0 && st.st_dev == held->device &&
	    st.st_ino == held->inode;

	errno = saved;
	return ours;
}

void
held_close(struct held *held)
{
	if (held_is_ours(held))
		close(held->fd);
	held->fd = -1;
}
