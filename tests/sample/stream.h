/* SPDX-License-Identifier: ISC */
/*
 * stream.h: lines over a connection that starts in plaintext and may turn to
 * TLS.  Every call comes back: by a deadline, or sooner where the server stops.
 */
#ifndef SAMPLE_STREAM_H
#define SAMPLE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define STREAM_BUFFER 4096

struct stream {
	int fd;                 /* a non-blocking socket, owned */
	int stop_fd;            /* readable, or hung up, once the server stops; borrowed */
	int timeout_ms;         /* for a line, a flush or a handshake as a whole */
	SSL *ssl;               /* NULL in plaintext */
	bool broken;            /* nothing can be read or written any more */
	bool said_goodbye;      /* the peer ended TLS in good order */
	bool stopping;          /* the server stops: deadlines are short from now on */
	int64_t stop_deadline;
	size_t in_start, in_end;
	size_t out_length;
	char in[STREAM_BUFFER];
	char out[STREAM_BUFFER];
};

enum stream_result {
	STREAM_LINE,            /* a line was read */
	STREAM_TOO_LONG,        /* a line was read and thrown away */
	STREAM_STOP,            /* the server stops (only while waiting for a command) */
	STREAM_TIMEOUT,
	STREAM_CLOSED           /* by the peer, or broken */
};

struct stream_line {
	char *text;             /* NUL-terminated, no line end; lent until the next read */
	size_t length;          /* more than strlen(text) where the peer sent a NUL */
	bool crlf;              /* ended in CRLF, not in a bare LF */
};

/** Takes `fd`, which must be non-blocking; `stop_fd` is borrowed. */
void stream_open(struct stream *, int fd, int stop_fd, int timeout_ms);

/**
 * Read a line of at most `max` bytes with its line end; flushes replies before
 * it waits.  `idle` says that the server may stop here: between two commands.
 */
enum stream_result stream_read_line(struct stream *, struct stream_line *, size_t max, bool idle);

/** Queue text for the peer; stream_flush() or a read that waits sends it. */
void stream_printf(struct stream *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Returns 0, or -1 where the connection is broken. */
int stream_flush(struct stream *);

/** Has the peer sent plaintext that nobody has read yet? */
bool stream_plaintext_waiting(struct stream *);

/** Server side of the handshake.  Returns 0, or -1 with the stream broken. */
int stream_start_tls(struct stream *, SSL_CTX *);

/** Says goodbye in TLS and TCP, as far as that needs no waiting, and closes the socket. */
void stream_close(struct stream *);

#endif
