/* SPDX-License-Identifier: ISC */
/*
 * stream.c: buffered lines over a socket, then over TLS on the same socket.
 *
 * The socket is non-blocking and all waiting is done in stream_wait(), with a
 * deadline for the whole of a line, a flush or a handshake: a peer that sends
 * one byte a minute gains nothing.  stream_wait() also watches the server's
 * stop pipe, so that SIGTERM ends idle sessions at once and busy ones soon.
 *
 * Plaintext and TLS never share buffered bytes: stream_start_tls() drops what
 * is buffered, and the caller refuses to get there if there was any.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "stream.h"

/* How long a session may go on in the middle of something when the server stops. */
#define STOP_GRACE_MS 2000

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
stream_open(struct stream *st, int fd, int stop_fd, int timeout_ms)
{
	memset(st, 0, sizeof(*st));
	st->fd = fd;
	st->stop_fd = stop_fd;
	st->timeout_ms = timeout_ms;
}

/*
 * Wait for `events` on the socket: STREAM_LINE stands for "go on".  With `idle`
 * the news that the server stops comes before anything that the peer sent.
 */
static enum stream_result
stream_wait(struct stream *st, short events, int64_t deadline, bool idle)
{
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = st->fd, .events = events },
			{ .fd = st->stopping ? -1 : st->stop_fd, .events = POLLIN },
		};
		int64_t left;

		if (st->stopping && idle)
			return STREAM_STOP;
		if (st->stopping && st->stop_deadline < deadline)
			deadline = st->stop_deadline;
		left = deadline - now_ms();
		if (left <= 0)
			return STREAM_TIMEOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return STREAM_CLOSED;
		if (fds[1].revents != 0) {
			st->stopping = true;
			st->stop_deadline = now_ms() + STOP_GRACE_MS;
			continue;
		}
		if (fds[0].revents != 0)
			return STREAM_LINE;
	}
}

/* What SSL wants before it goes on; 0 where it never will. */
static short
tls_wants(struct stream *st, int result)
{
	switch (SSL_get_error(st->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	case SSL_ERROR_ZERO_RETURN:
		st->said_goodbye = true;
		return 0;
	default:
		return 0;
	}
}

/* Read or write some bytes.  *wants is what to poll for if none went through, or 0. */
static size_t
transfer(struct stream *st, bool writing, char *data, size_t length, short *wants)
{
	ssize_t n;

	*wants = 0;
	if (st->ssl != NULL) {
		ERR_clear_error();	/* SSL_get_error() looks at the queue */
		n = writing ? SSL_write(st->ssl, data, (int)length) :
		    SSL_read(st->ssl, data, (int)length);
		if (n <= 0)
			*wants = tls_wants(st, (int)n);
	} else {
		n = writing ? send(st->fd, data, length, MSG_NOSIGNAL) :
		    recv(st->fd, data, length, 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			*wants = writing ? POLLOUT : POLLIN;
	}
	return n > 0 ? (size_t)n : 0;
}

int
stream_flush(struct stream *st)
{
	int64_t deadline = now_ms() + st->timeout_ms;
	size_t sent = 0;
	short wants;

	while (!st->broken && sent < st->out_length) {
		size_t n = transfer(st, true, st->out + sent, st->out_length - sent, &wants);

		sent += n;
		if (n == 0 && (wants == 0 ||
		    stream_wait(st, wants, deadline, false) != STREAM_LINE))
			st->broken = true;
	}
	st->out_length = 0;
	return st->broken ? -1 : 0;
}

void
stream_printf(struct stream *st, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n;
	size_t length;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0)
		return;
	length = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	if (st->out_length + length > sizeof(st->out))
		stream_flush(st);
	memcpy(st->out + st->out_length, text, length);
	st->out_length += length;
}

/* Make room and read more; waits first, so that a stop is seen even with a peer that never pauses. */
static enum stream_result
stream_fill(struct stream *st, int64_t deadline, bool idle)
{
	short wants = POLLIN;
	enum stream_result result;

	if (st->in_start > 0) {
		memmove(st->in, st->in + st->in_start, st->in_end - st->in_start);
		st->in_end -= st->in_start;
		st->in_start = 0;
	}
	if (stream_flush(st) != 0)
		return STREAM_CLOSED;
	for (;;) {
		size_t n;

		if (st->ssl == NULL || SSL_pending(st->ssl) == 0) {
			result = stream_wait(st, wants, deadline, idle);
			if (result != STREAM_LINE)
				return result;
		}
		n = transfer(st, false, st->in + st->in_end, sizeof(st->in) - st->in_end, &wants);
		if (n > 0) {
			st->in_end += n;
			return STREAM_LINE;
		}
		if (wants == 0) {
			st->broken = true;
			return STREAM_CLOSED;
		}
	}
}

/* Cut the line that ends at `lf` out of the buffer. */
static void
take_line(struct stream *st, const char *lf, struct stream_line *line)
{
	line->text = st->in + st->in_start;
	line->length = (size_t)(lf - line->text);
	line->crlf = line->length > 0 && lf[-1] == '\r';
	if (line->crlf)
		line->length--;
	line->text[line->length] = '\0';
	st->in_start = (size_t)(lf + 1 - st->in);
}

enum stream_result
stream_read_line(struct stream *st, struct stream_line *line, size_t max, bool idle)
{
	int64_t deadline = now_ms() + st->timeout_ms;
	enum stream_result result;
	bool too_long = false, forgot_cr = false;

	if (max > sizeof(st->in))
		max = sizeof(st->in);
	while (!st->broken) {
		char *start = st->in + st->in_start;
		char *lf = memchr(start, '\n', st->in_end - st->in_start);

		if (lf != NULL) {
			too_long = too_long || (size_t)(lf + 1 - start) > max;
			take_line(st, lf, line);
			line->crlf = line->crlf || (forgot_cr && line->length == 0);
			return too_long ? STREAM_TOO_LONG : STREAM_LINE;
		}
		if (st->in_end - st->in_start >= max) {
			too_long = true;	/* forget it, up to its line end */
			forgot_cr = st->in[st->in_end - 1] == '\r';
			st->in_start = st->in_end;
		}
		result = stream_fill(st, deadline, idle);
		if (result != STREAM_LINE)
			return result;
	}
	return STREAM_CLOSED;
}

bool
stream_plaintext_waiting(struct stream *st)
{
	char byte;

	return st->ssl == NULL && (st->in_end > st->in_start ||
	    recv(st->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0);
}

int
stream_start_tls(struct stream *st, SSL_CTX *ctx)
{
	int64_t deadline = now_ms() + st->timeout_ms;
	int result;
	short wants;

	st->in_start = st->in_end = 0;
	ERR_clear_error();
	st->ssl = SSL_new(ctx);
	if (st->ssl == NULL || SSL_set_fd(st->ssl, st->fd) != 1) {
		st->broken = true;
		return -1;
	}
	while ((result = SSL_accept(st->ssl)) != 1) {
		wants = tls_wants(st, result);
		if (wants == 0 || stream_wait(st, wants, deadline, false) != STREAM_LINE) {
			st->broken = true;
			return -1;
		}
		ERR_clear_error();
	}
	return 0;
}

void
stream_close(struct stream *st)
{
	char rest[STREAM_BUFFER];

	if (st->ssl != NULL) {
		/* Not allowed after a fatal error; left out without one, it
		 * would cost the session its place in the cache. */
		if (!st->broken || st->said_goodbye)
			SSL_shutdown(st->ssl);
		SSL_free(st->ssl);
		ERR_clear_error();
	}
	/* Closing with unread bytes resets the connection, which may take our
	 * last reply away from the peer: read what has come so far. */
	shutdown(st->fd, SHUT_WR);
	for (int i = 0; i < 16 && recv(st->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
		;
	close(st->fd);
}
