/* SPDX-License-Identifier: ISC */
/* server.h: the listening socket, a pool of threads, signals. */
#ifndef SAMPLE_SERVER_H
#define SAMPLE_SERVER_H

struct server {
	int listen_fd;
	unsigned threads;               /* sessions at once */
	unsigned long max_connections;  /* stop after so many; 0: go on */
	void (*session)(void *arg, int fd, int stop_fd);
	void (*usr1)(void *arg);        /* in the main thread, not in the handler */
	void *arg;
};

/**
 * Listen on a numeric address.  `port` 0 is the kernel's choice.
 * Returns the socket with *port set, or -1 with the reason on stderr.
 */
int server_listen(const char *address, unsigned *port);

/** Catch SIGTERM, SIGINT and SIGUSR1 and ignore SIGPIPE, before anyone may send one.  0 or -1. */
int server_catch_signals(void);

/**
 * Serve until SIGTERM, SIGINT or max_connections, then let the sessions end.
 * All threads are gone and the listening socket is closed afterwards.
 * Returns 0, or -1 with the reason on stderr.
 */
int server_run(struct server *);

#endif
