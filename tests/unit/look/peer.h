/* SPDX-License-Identifier: ISC */
/*
 * peer.h: a scripted server for tests of what is said before TLS.  Its turns are what it sends first, and
 * after each line of the client.  NULL closes the connection; "" says nothing and waits for the client to leave.
 */
#ifndef SNICERT_TEST_PEER_H
#define SNICERT_TEST_PEER_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
	pthread_t thread;
	int fd;
	const char *const *turn;
	char heard[1024];
};

/* A line from the client, kept in peer->heard. */
static bool
peer_hear(struct peer *peer)
{
	size_t used = strlen(peer->heard);

	while (used < sizeof(peer->heard) - 1 && read(peer->fd, peer->heard + used, 1) == 1) {
		peer->heard[++used] = '\0';
		if (peer->heard[used - 1] == '\n')
			return true;
	}
	return false;
}

static void *
peer_play(void *argument)
{
	struct peer *peer = argument;

	for (int i = 0; i < 3; i++) {
		const char *text = peer->turn[i];

		if (i > 0 && !peer_hear(peer))
			break;
		if (text == NULL)
			break;
		if (send(peer->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
			break;
	}
	if (peer->turn[0] != NULL && peer->turn[1] != NULL && peer->turn[2] != NULL) {
		while (peer_hear(peer))
			;
	}
	close(peer->fd);
	return NULL;
}

/* The client's end of a connection to it. */
static inline int
peer_start(struct peer *peer)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer->fd = fds[1];
	ck_assert_int_eq(pthread_create(&peer->thread, NULL, peer_play, peer), 0);
	return fds[0];
}

static inline void
peer_end(struct peer *peer, int fd)
{
	close(fd);
	pthread_join(peer->thread, NULL);
}

#endif
