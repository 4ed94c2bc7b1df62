/* SPDX-License-Identifier: ISC */
/*
 * log.h: one line per event, to syslog or the host's sink, rate-limited.
 *
 *     event=fallback pid=4711 name=mx.customer.example outcome=global … why=unknown
 *
 * Keys and values, as snicert(7) lists them for each event.  A value is bare, or in double quotes
 * if it may contain spaces; octets that don't fit in are \xHH.
 */
#ifndef SNICERT_LOG_H
#define SNICERT_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Events; each has its own rate limit, so that none can hide another. */
enum log_event {
	LOG_EVENT_CONFIG,       /* a mistake in the configuration */
	LOG_EVENT_MEMORY,       /* too little to serve the store */
	LOG_EVENT_OPENED,       /* the store, at start or later */
	LOG_EVENT_UNAVAILABLE,  /* the store can't be opened */
	LOG_EVENT_UNREADABLE,   /* the store is open, and a look-up failed */
	LOG_EVENT_KEY,          /* the store key is unreadable or wrong */
	LOG_EVENT_CHAIN,        /* a chain of the store that can't be used */
	LOG_EVENT_REJECTED,     /* chains that the host's TLS library refuses */
	LOG_EVENT_EXPIRED,      /* an expired chain served */
	LOG_EVENT_UNUSABLE,     /* a client able to use none of a name's chains */
	LOG_EVENT_FALLBACK,     /* a name that did not get its own chains */
	LOG_EVENT_REFUSED,      /* a client refused for an unknown name */
	LOG_EVENT_SERVED,       /* any other handshake */
	LOG_EVENT_UNCOUNTED,    /* no right or place to keep statistics */
	LOG_EVENT_STATISTICS,   /* trouble with their file */
	LOG_EVENT_COUNT
};

/** LOG_TARGET_JOURNAL is syslog where there is no journal. */
enum log_target { LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL, LOG_TARGET_STDERR, LOG_TARGET_NONE };

struct log;

/** `facility` is syslog(3)'s, or 0 for the host's own; lines above `level` are dropped. */
struct log *log_new(enum log_target target, int facility, int level);
void log_free(struct log *);

/** Open what a chroot or a changed process title would hide, if lines go to syslog or the journal. */
void log_prepare(struct log *);

/** The host's own sink, for the target; NULL goes back. */
void log_set_sink(struct log *, void (*sink)(void *arg, int priority, const char *text),
    void *arg);

/** An event's name in the line, and its syslog(3) level. */
struct log_event_facts {
	const char *name;
	int priority;
};
extern const struct log_event_facts log_events[];

/** Sees each line written, wherever it goes; set before the first line. */
void log_set_witness(struct log *, void (*witness)(void *arg, enum log_event, const char *text), void *arg);

/** The last line at err or worse, and its time; "" and 0 if none. */
struct log_error {
	int64_t at;
	char text[512];
};
void log_last_error(struct log *, struct log_error *out);

/** Whether the event would be written, rate limit aside. */
bool log_wants(const struct log *, enum log_event event);

/** A line being built. */
struct log_line {
	struct log *log;
	enum log_event event;
	unsigned long suppressed;       /* of the event, since the last line */
	size_t used;
	char text[1024];
};

/**
 * Start an event's line: whether it is wanted and within the rate, else do nothing more.  `log` may
 * be NULL.  The functions below never fail, keep errno, and shorten what is too long for a line.
 */
bool log_begin(struct log_line *, struct log *, enum log_event);

/** Add a value without spaces: a peer's input, a path.  NULL adds nothing. */
void log_word(struct log_line *, const char *key, const char *value);

/** Add a time, in seconds since 1970, as 2026-11-25T23:59:59Z. */
void log_time(struct log_line *, const char *key, int64_t value);

/** Add the human-readable "msg", printf-like; it goes last. */
void log_sentence(struct log_line *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_vsentence(struct log_line *, const char *format, va_list)
    __attribute__((format(printf, 2, 0)));

/** Write it. */
void log_end(struct log_line *);

/** begin, sentence and end, for events with no other keys. */
void log_say(struct log *, enum log_event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same straight to syslog, without a struct log. */
void log_say_without(enum log_event, const char *sentence);

/** The sentence in a line as a sink gets it; the whole line if none.  Returns `out`. */
const char *log_sentence_of(const char *line, char *out, size_t size);

/**
 * Make `length` octets from a peer safe for a log line: printable ASCII stays, everything else (and
 * quote, backslash, percent, equals) becomes \xHH.  Ends in "…" (as three dots) if `size` is too
 * small.  Returns `out`.
 */
const char *log_escape(char *out, size_t size, const char *text, size_t length);

#endif
