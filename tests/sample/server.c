/* SPDX-License-Identifier: ISC */
/*
 * server.c: the main thread accepts connections and hands them to a pool of
 * threads, each of which holds one session at a time.
 *
 * Ends: after SIGTERM or SIGINT the socket is closed and the stop pipe hangs up,
 * which every session watches; an idle session then says 421, a busy one has
 * two seconds.  After max_connections the sessions end as their peers like.
 * Signal handlers only note and write a byte to a pipe (the self-pipe); the
 * last thread that leaves writes to it as well.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"
#include "server.h"

/* Connections that were accepted and have no thread yet; beyond that, 421. */
#define QUEUE_SIZE 256

/* How many to accept before looking at signals again. */
#define ACCEPT_BATCH 64

static int wake_pipe[2] = { -1, -1 };
static volatile sig_atomic_t got_stop, got_usr1;

struct pool {
	const struct server *server;
	int stop_pipe[2];
	pthread_mutex_t lock;
	pthread_cond_t work;
	int queue[QUEUE_SIZE];
	unsigned head, queued;
	unsigned running;       /* threads */
	bool closed;            /* nothing more will be queued */
};

static void
wake_main(void)
{
	/* A full pipe wakes the reader just as well. */
	ssize_t ignored = write(wake_pipe[1], "", 1);

	(void)ignored;
}

static void
on_signal(int number)
{
	int saved = errno;

	if (number == SIGUSR1)
		got_usr1 = 1;
	else
		got_stop = 1;
	wake_main();
	errno = saved;
}

int
server_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		fprintf(stderr, "sample-mta: pipe: %s\n", strerror(errno));
		return -1;
	}
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	return 0;
}

int
server_listen(const char *address, unsigned *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found = NULL;
	struct sockaddr_storage bound = {0};
	socklen_t length = sizeof(bound);
	char service[16];
	int fd = -1, on = 1, problem;

	snprintf(service, sizeof(service), "%u", *port);
	problem = getaddrinfo(address, service, &hints, &found);
	if (problem != 0) {
		fprintf(stderr, "sample-mta: %s: %s\n", address, gai_strerror(problem));
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &length) != 0) {
		fprintf(stderr, "sample-mta: listen on %s port %u: %s\n", address, *port,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	} else {
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getsockname() has set it */
		*port = ntohs(bound.ss_family == AF_INET6 ?
		    ((struct sockaddr_in6 *)&bound)->sin6_port :
		    ((struct sockaddr_in *)&bound)->sin_port);
	}
	freeaddrinfo(found);
	return fd;
}

static void *
worker(void *arg)
{
	struct pool *pool = arg;
	const struct server *server = pool->server;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		int fd;

		while (pool->queued == 0 && !pool->closed)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->queued == 0)
			break;
		fd = pool->queue[pool->head];
		pool->head = (pool->head + 1) % QUEUE_SIZE;
		pool->queued--;
		pthread_mutex_unlock(&pool->lock);
		server->session(server->arg, fd, pool->stop_pipe[0]);
		pthread_mutex_lock(&pool->lock);
	}
	if (--pool->running == 0)
		wake_main();
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Close a connection that never had a session; 421 is a greeting, too.  Never waits. */
static void
turn_away(int fd)
{
	static const char busy[] = "421 4.3.2 No service at the moment\r\n";

	send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
enqueue(struct pool *pool, int fd)
{
	bool full;

	pthread_mutex_lock(&pool->lock);
	full = pool->queued == QUEUE_SIZE;
	if (!full) {
		pool->queue[(pool->head + pool->queued++) % QUEUE_SIZE] = fd;
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
	if (full) {
		log_line(LOG_WARNING, "too many connections");
		turn_away(fd);
	}
}

/* Accept what is there, `limit` at most (0: no limit); returns how many. */
static unsigned long
accept_all(struct pool *pool, unsigned long limit)
{
	unsigned long count = 0;
	int fd, on = 1;

	while (count < ACCEPT_BATCH && (limit == 0 || count < limit)) {
		fd = accept4(pool->server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM) {
				log_line(LOG_ERR, "accept: %s", strerror(errno));
				poll(NULL, 0, 100);	/* until some session has ended */
			}
			break;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		enqueue(pool, fd);
		count++;
	}
	return count;
}

static void
pool_close(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

static void
pool_turn_away_queued(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	for (; pool->queued > 0; pool->queued--) {
		turn_away(pool->queue[pool->head]);
		pool->head = (pool->head + 1) % QUEUE_SIZE;
	}
	pthread_mutex_unlock(&pool->lock);
}

static bool
pool_gone(struct pool *pool)
{
	bool gone;

	pthread_mutex_lock(&pool->lock);
	gone = pool->running == 0;
	pthread_mutex_unlock(&pool->lock);
	return gone;
}

static void
stop_accepting(struct server *server)
{
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	server->listen_fd = -1;
}

static void
pool_serve(struct pool *pool, struct server *server)
{
	unsigned long accepted = 0, limit = server->max_connections;

	while (!pool_gone(pool)) {
		char bytes[64];
		struct pollfd fds[2] = {
			{ .fd = wake_pipe[0], .events = POLLIN },
			{ .fd = server->listen_fd, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		while (read(wake_pipe[0], bytes, sizeof(bytes)) > 0)
			;
		if (got_usr1) {
			got_usr1 = 0;
			server->usr1(server->arg);
		}
		if (got_stop && pool->stop_pipe[1] >= 0) {
			close(pool->stop_pipe[1]);
			pool->stop_pipe[1] = -1;
			stop_accepting(server);
			pool_turn_away_queued(pool);
			pool_close(pool);
		} else if (fds[1].revents != 0 && server->listen_fd >= 0) {
			accepted += accept_all(pool, limit > 0 ? limit - accepted : 0);
			if (limit > 0 && accepted >= limit) {
				stop_accepting(server);
				pool_close(pool);
			}
		}
	}
}

/* Threads leave signals to the main thread.  Returns how many were started. */
static unsigned
pool_start(struct pool *pool, pthread_t *threads)
{
	sigset_t all, before;
	unsigned started = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pool->running = pool->server->threads;
	while (started < pool->server->threads &&
	    (errno = pthread_create(&threads[started], NULL, worker, pool)) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);	/* returns errors, leaves errno */
	return started;
}

int
server_run(struct server *server)
{
	struct pool pool = { .server = server, .stop_pipe = { -1, -1 },
		.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };
	pthread_t *threads = calloc(server->threads, sizeof(*threads));
	unsigned started = 0;
	int result = -1;

	if (threads != NULL && pipe2(pool.stop_pipe, O_CLOEXEC) == 0) {
		started = pool_start(&pool, threads);
		if (started == server->threads) {
			pool_serve(&pool, server);
			result = 0;
		}
	}
	if (result != 0)
		fprintf(stderr, "sample-mta: threads: %s\n", strerror(errno));
	stop_accepting(server);
	pool_close(&pool);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	for (int i = 0; i < 2; i++)
		if (pool.stop_pipe[i] >= 0)
			close(pool.stop_pipe[i]);
	free(threads);
	return result;
}
