/* SPDX-License-Identifier: ISC */
/* log_socket.c: a connected socket to a log of the system's; see log_socket.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log_socket.h"
#include "safety.h"

void
log_socket_open(struct log_socket *log, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(log->peer);
	unsigned occupied = safety_fds_occupy();
	struct stat st;

	memset(log, 0, sizeof(*log));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	log->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	safety_fds_release(occupied);
	if (log->fd < 0)
		return;
	if (connect(log->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getpeername(log->fd, (struct sockaddr *)&log->peer, &length) != 0 || fstat(log->fd, &st) != 0) {
		close(log->fd);
		log->fd = -1;
		return;
	}
	log->device = st.st_dev;
	log->inode = st.st_ino;
}

bool
log_socket_is_ours(const struct log_socket *log)
{
	struct stat st;

	return log->fd >= 0 && fstat(log->fd, &st) == 0 && st.st_dev == log->device && st.st_ino == log->inode;
}

void
log_socket_close(struct log_socket *log)
{
	if (log_socket_is_ours(log))
		close(log->fd);
	log->fd = -1;
}

int
log_socket_send(const struct log_socket *log, const char *text, size_t length)
{
	if (!log_socket_is_ours(log))
		return EBADF;
	return send(log->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}
