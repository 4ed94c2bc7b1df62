/* SPDX-License-Identifier: ISC */
/*
 * log_socket.h: a connected socket to a log of the system's, kept in somebody else's process: a host
 * may close what it did not open, and reuse the number.
 */
#ifndef SNICERT_LOG_SOCKET_H
#define SNICERT_LOG_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

struct log_socket {
	int fd;                         /* -1: none */
	dev_t device;                   /* to recognise it */
	ino_t inode;
	struct sockaddr_un peer;        /* where the path leads */
};

/** Connect to the socket at `path`, if it exists; not as fd 0-2, and not beyond an exec. */
void log_socket_open(struct log_socket *, const char *path);
void log_socket_close(struct log_socket *);

/** Whether the number is still the socket that we opened. */
bool log_socket_is_ours(const struct log_socket *);

/** Send a datagram without waiting.  0, or errno's value: EAGAIN if the reader's queue is full. */
int log_socket_send(const struct log_socket *, const char *text, size_t length);

#endif
