/* SPDX-License-Identifier: ISC */
/*
 * log.c: one line per event.  The module is a guest: it never calls openlog(), so its lines carry
 * the host's own ident and appear where the host's admin looks; except for a host in a jail without
 * a log, see devlog.h.  For the same reason it writes to the journal's own socket, where lines have
 * fields, only if the configuration says so: an entry there needs its own ident, and the host's
 * openlog() argument, "postfix/smtpd", can't be queried.
 *
 * A failure that repeats at every handshake must not fill the disk: each event has a budget per
 * minute (log_budget.h), and suppressed lines are counted.
 *
 * All locks are held across fork(), so that a child can log whatever the parent's other threads
 * were doing: the locks of syslog(3) and localtime_r(3) stay taken in the child if another thread
 * of the parent was inside, hence `speaking`.  A fork does not wait for a thread that stays inside,
 * though: its child has no syslog, as the host's own calls of it there would hang.
 *
 * syslog(3) waits while nobody reads /dev/log.  A handshake does not: the line is lost.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "at_fork.h"
#include "devlog.h"
#include "log_journal.h"
#include "lock.h"
#include "log.h"
#include "log_budget.h"
#include "program.h"
#include "safety.h"

#define FORK_WAITS 50000000     /* nanoseconds, for a thread within syslog() */

const struct log_event_facts log_events[LOG_EVENT_COUNT] = {
	[LOG_EVENT_CONFIG] = { "config", LOG_ERR },
	[LOG_EVENT_MEMORY] = { "memory", LOG_ERR },
	[LOG_EVENT_OPENED] = { "store-opened", LOG_INFO },
	[LOG_EVENT_UNAVAILABLE] = { "store-unavailable", LOG_ERR },
	[LOG_EVENT_UNREADABLE] = { "store-unreadable", LOG_ERR },
	[LOG_EVENT_KEY] = { "store-key", LOG_ERR },
	[LOG_EVENT_CHAIN] = { "chain", LOG_ERR },
	[LOG_EVENT_REJECTED] = { "rejected", LOG_ERR },
	[LOG_EVENT_EXPIRED] = { "expired", LOG_WARNING },
	[LOG_EVENT_UNUSABLE] = { "unusable", LOG_INFO },
	[LOG_EVENT_FALLBACK] = { "fallback", LOG_INFO },
	[LOG_EVENT_REFUSED] = { "refused", LOG_NOTICE },
	[LOG_EVENT_SERVED] = { "served", LOG_DEBUG },
	[LOG_EVENT_UNCOUNTED] = { "uncounted", LOG_INFO },
	[LOG_EVENT_STATISTICS] = { "statistics", LOG_WARNING },
};

struct destination {
	enum log_target target;
	int facility;
	void (*sink)(void *arg, int priority, const char *text);
	void *arg;
};

struct log {
	atomic_int level;       /* read without the lock */
	pthread_mutex_t lock;
	struct destination to;
	struct log_error last;
	void (*witness)(void *arg, enum log_event, const char *text);
	void *witness_arg;
	struct log_socket devlog, journal;
	struct log_budget *budget; /* used without the lock */
	struct log *next;       /* of all that are open, for fork */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log *all;
static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER; /* within syslog(), localtime_r() */
static bool mute;               /* under `speaking`: it was taken when this process was forked */
static bool forks_speaking;     /* under `all_lock`, in fork(): we took it */

static bool
take_speaking(void)
{
	struct timespec end = {0};

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += FORK_WAITS;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	return lock_take_until(&speaking, LOCK_SYSLOG, &end);
}

static void
before_fork(void)
{
	lock_take(&all_lock, LOCK_LOGS);
	for (struct log *it = all; it != NULL; it = it->next)
		lock_take(&it->lock, LOCK_LOG);
	forks_speaking = take_speaking();
}

static void
after_fork(bool in_child)
{
	if (forks_speaking) {
		lock_give(&speaking, LOCK_SYSLOG);
	} else if (in_child) {
		pthread_mutex_init(&speaking, NULL);
		mute = true;
	}
	for (struct log *it = all; it != NULL; it = it->next)
		lock_give(&it->lock, LOCK_LOG);
	lock_give(&all_lock, LOCK_LOGS);
}

static const struct at_fork around_forks = { before_fork, after_fork };

struct log *
log_new(enum log_target target, int facility, int level)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->budget = log_budget_new(LOG_EVENT_COUNT);
	if (log->budget == NULL) {
		free(log);
		return NULL;
	}
	pthread_mutex_init(&log->lock, NULL);
	log->to.target = target;
	log->to.facility = facility;
	log->devlog.fd = log->journal.fd = -1;
	atomic_init(&log->level, level);
	at_fork(AT_FORK_LOG, &around_forks);
	lock_take(&all_lock, LOCK_LOGS);
	log->next = all;
	all = log;
	lock_give(&all_lock, LOCK_LOGS);
	return log;
}

void
log_prepare(struct log *log)
{
	if (log->to.sink != NULL || (log->to.target != LOG_TARGET_SYSLOG && log->to.target != LOG_TARGET_JOURNAL))
		return;
	program_keep_ident();
	if (log->devlog.fd < 0)
		devlog_open(&log->devlog);
	if (log->to.target == LOG_TARGET_JOURNAL && log->journal.fd < 0)
		log_journal_open(&log->journal);
}

void
log_free(struct log *log)
{
	struct log **at;

	if (log == NULL)
		return;
	lock_take(&all_lock, LOCK_LOGS);
	for (at = &all; *at != log; at = &(*at)->next)
		;
	*at = log->next;
	lock_give(&all_lock, LOCK_LOGS);
	log_socket_close(&log->devlog);
	log_socket_close(&log->journal);
	log_budget_free(log->budget);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

void
log_set_sink(struct log *log, void (*sink)(void *arg, int priority, const char *text), void *arg)
{
	if (log == NULL)
		return;
	lock_take(&log->lock, LOCK_LOG);
	log->to.sink = sink;
	log->to.arg = arg;
	lock_give(&log->lock, LOCK_LOG);
}

void
log_set_witness(struct log *log, void (*witness)(void *arg, enum log_event, const char *text), void *arg)
{
	log->witness = witness;
	log->witness_arg = arg;
}

void
log_last_error(struct log *log, struct log_error *out)
{
	lock_take(&log->lock, LOCK_LOG);
	*out = log->last;
	lock_give(&log->lock, LOCK_LOG);
}

static bool
may_write(struct log *log, enum log_event event, unsigned long *suppressed)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return log_budget_take(log->budget, event, (uint32_t)now.tv_sec, suppressed);
}

bool
log_wants(const struct log *log, enum log_event event)
{
	return log != NULL &&
	    log_events[event].priority <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* Under `speaking`.  syslog() keeps its socket: not as fd 0-2, if the host has those closed. */
static void
speak(const struct log *log, int priority, const char *text)
{
	unsigned occupied;

	if (mute || (log != NULL && devlog_write(&log->devlog, priority, text)) ||
	    devlog_is_full(log != NULL ? &log->devlog : NULL))
		return;
	occupied = safety_fds_occupy();
	syslog(priority, "%s", text);
	safety_fds_release(occupied);
}

static void
write_syslog(const struct log *log, int priority, const char *line)
{
	char text[1040];

	snprintf(text, sizeof(text), "snicert: %s", line);
	lock_take(&speaking, LOCK_SYSLOG);
	speak(log, priority, text);
	lock_give(&speaking, LOCK_SYSLOG);
}

static void
start_line(struct log_line *line, struct log *log, enum log_event event)
{
	line->log = log;
	line->event = event;
	line->suppressed = 0;
	line->used = (size_t)snprintf(line->text, sizeof(line->text), "event=%s pid=%ld",
	    log_events[event].name, (long)getpid());
}

bool
log_begin(struct log_line *line, struct log *log, enum log_event event)
{
	int saved = errno;
	unsigned long suppressed = 0;
	bool good;

	if (!log_wants(log, event))
		return false;
	good = may_write(log, event, &suppressed);
	if (good) {
		start_line(line, log, event);
		line->suppressed = suppressed;
	}
	errno = saved;
	return good;
}

void
log_end(struct log_line *line)
{
	struct log *log = line->log;
	int saved = errno, priority = log_events[line->event].priority;
	struct destination to;

	if (line->suppressed > 0)
		snprintf(line->text + line->used, sizeof(line->text) - line->used, " suppressed=%lu",
		    line->suppressed);
	lock_take(&log->lock, LOCK_LOG);
	to = log->to;
	if (priority <= LOG_ERR) {
		log_sentence_of(line->text, log->last.text, sizeof(log->last.text));
		log->last.at = (int64_t)time(NULL);
	}
	lock_give(&log->lock, LOCK_LOG);
	lock_none();
	if (log->witness != NULL)
		log->witness(log->witness_arg, line->event, line->text);
	if (to.sink != NULL)
		to.sink(to.arg, priority, line->text);
	else if (to.target == LOG_TARGET_SYSLOG ||
	    (to.target == LOG_TARGET_JOURNAL && !log_journal_write(&log->journal, to.facility | priority, line->text)))
		write_syslog(log, to.facility | priority, line->text);
	else if (to.target == LOG_TARGET_STDERR)
		fprintf(stderr, "snicert: %s\n", line->text);
	errno = saved;
}

void
log_say(struct log *log, enum log_event event, const char *format, ...)
{
	struct log_line line;
	va_list ap;

	if (!log_begin(&line, log, event))
		return;
	va_start(ap, format);
	log_vsentence(&line, format, ap);
	va_end(ap);
	log_end(&line);
}

void
log_say_without(enum log_event event, const char *sentence)
{
	int saved = errno;
	struct log_line line;

	start_line(&line, NULL, event);
	log_sentence(&line, "%s", sentence);
	write_syslog(NULL, LOG_MAIL | log_events[event].priority, line.text);
	errno = saved;
}
