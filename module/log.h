/* SPDX-License-Identifier: ISC */
/* log.h: one line per event, to syslog or the host's sink, limited in rate. */
#ifndef SNICERT_LOG_H
#define SNICERT_LOG_H

#include <stdbool.h>
#include <stddef.h>

/** Kinds of event; each has its own rate limit, so that one can't hide another. */
enum log_event {
	LOG_EVENT_CONFIG,       /* configuration read, or wrong */
	LOG_EVENT_STORE,        /* store opened, replaced, unreadable */
	LOG_EVENT_KEY,          /* store key unreadable or wrong */
	LOG_EVENT_CHAIN,        /* a chain of the store that can't be used */
	LOG_EVENT_EXPIRED,      /* an expired chain served */
	LOG_EVENT_UNUSABLE,     /* a client able to use none of a name's chains */
	LOG_EVENT_UNKNOWN,      /* a name that nobody knows */
	LOG_EVENT_SERVED,       /* what was served (debug) */
	LOG_EVENT_COUNT
};

enum log_target { LOG_TARGET_SYSLOG, LOG_TARGET_STDERR, LOG_TARGET_NONE };

/** Lines of one kind let through per LOG_PERIOD; the rest is counted. */
#define LOG_BURST 10
#define LOG_PERIOD 60 /* seconds */

struct log;

/** `facility` is syslog(3)'s, or 0 for the host's own; lines above `level` are dropped. */
struct log *log_new(enum log_target target, int facility, int level);
void log_free(struct log *);

/** Reach for what a chroot would hide, if lines go to syslog. */
void log_prepare(struct log *);

/** Change where lines go; any thread, any time. */
void log_configure(struct log *, enum log_target target, int facility, int level);

/** The host's own sink, in place of the target; NULL goes back. */
void log_set_sink(struct log *, void (*sink)(void *arg, int priority, const char *text),
    void *arg);

/** Whether a line of this priority would be written, rate limit aside. */
bool log_wants(const struct log *, int priority);

/** Write one line.  Never fails, keeps errno; `log` may be NULL. */
void log_write(struct log *, enum log_event event, int priority, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * Make `length` octets that a peer sent fit for a log line: printable ASCII
 * stays, everything else (and quote, backslash, percent) becomes \xHH.  Ends in
 * "…" (as three dots) where `size` is too small.  Returns `out`.
 */
const char *log_escape(char *out, size_t size, const char *text, size_t length);

#endif
