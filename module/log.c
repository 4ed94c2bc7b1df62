/* SPDX-License-Identifier: ISC */
/*
 * log.c: one line per event.  The module is a guest: it never calls openlog(),
 * so its lines carry the host's own ident and stand where the host's admin
 * looks; but for a host in a jail without a log, see devlog.h.  A failure that repeats at every handshake must not fill the disk: each
 * kind of event has a budget per minute, and what was held back is counted.
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

#include "devlog.h"
#include "log.h"
#include "safety.h"

struct budget {
	time_t since;           /* CLOCK_MONOTONIC seconds */
	unsigned written;
	unsigned long suppressed;
};

struct destination {
	enum log_target target;
	int facility;
	void (*sink)(void *arg, int priority, const char *text);
	void *arg;
};

struct log {
	atomic_int level;       /* looked at without the lock */
	pthread_mutex_t lock;
	struct destination to;
	struct devlog devlog;
	struct budget budgets[LOG_EVENT_COUNT];
};

struct log *
log_new(enum log_target target, int facility, int level)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	pthread_mutex_init(&log->lock, NULL);
	log->to.target = target;
	log->to.facility = facility;
	log->devlog.fd = -1;
	atomic_init(&log->level, level);
	return log;
}

void
log_prepare(struct log *log)
{
	if (log->to.sink == NULL && log->to.target == LOG_TARGET_SYSLOG && log->devlog.fd < 0)
		devlog_open(&log->devlog);
}

void
log_free(struct log *log)
{
	if (log == NULL)
		return;
	devlog_close(&log->devlog);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

void
log_configure(struct log *log, enum log_target target, int facility, int level)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->to.target = target;
	log->to.facility = facility;
	atomic_store_explicit(&log->level, level, memory_order_relaxed);
	pthread_mutex_unlock(&log->lock);
}

void
log_set_sink(struct log *log, void (*sink)(void *arg, int priority, const char *text), void *arg)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->to.sink = sink;
	log->to.arg = arg;
	pthread_mutex_unlock(&log->lock);
}

/* Whether a line may be written now; *suppressed is what was held back before it. */
static bool
budget_take(struct budget *budget, unsigned long *suppressed)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (budget->written == 0 || now.tv_sec - budget->since >= LOG_PERIOD) {
		budget->since = now.tv_sec;
		budget->written = 0;
	}
	if (budget->written >= LOG_BURST) {
		budget->suppressed++;
		return false;
	}
	budget->written++;
	*suppressed = budget->suppressed;
	budget->suppressed = 0;
	return true;
}

bool
log_wants(const struct log *log, int priority)
{
	return log != NULL &&
	    priority <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* syslog() keeps its socket: not as one of fds 0-2, should the host have those closed. */
static void
write_syslog(const struct log *log, int priority, const char *line)
{
	unsigned occupied;
	char text[1040];

	snprintf(text, sizeof(text), "snicert: %s", line);
	if (devlog_write(&log->devlog, priority, text))
		return;
	occupied = safety_fds_occupy();
	syslog(priority, "%s", text);
	safety_fds_release(occupied);
}

void
log_write(struct log *log, enum log_event event, int priority, const char *format, ...)
{
	int saved = errno;
	unsigned long suppressed = 0;
	char line[1024];
	size_t used;
	struct destination to;
	va_list ap;

	if (!log_wants(log, priority))
		return;
	pthread_mutex_lock(&log->lock);
	if (!budget_take(&log->budgets[event], &suppressed)) {
		pthread_mutex_unlock(&log->lock);
		errno = saved;
		return;
	}
	to = log->to;
	pthread_mutex_unlock(&log->lock);

	va_start(ap, format);
	if (vsnprintf(line, sizeof(line), format, ap) < 0)
		line[0] = '\0';
	va_end(ap);
	used = strlen(line);
	if (suppressed > 0 && used < sizeof(line))
		snprintf(line + used, sizeof(line) - used, " (%lu more like this suppressed)",
		    suppressed);
	if (to.sink != NULL)
		to.sink(to.arg, priority, line);
	else if (to.target == LOG_TARGET_SYSLOG)
		write_syslog(log, to.facility | priority, line);
	else if (to.target == LOG_TARGET_STDERR)
		fprintf(stderr, "snicert: %s\n", line);
	errno = saved;
}

static bool
is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%';
}

const char *
log_escape(char *out, size_t size, const char *text, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0, whole = 0, limit;

	if (size == 0)
		return out;
	for (size_t i = 0; i < length && whole < size; i++)
		whole += is_plain((unsigned char)text[i]) ? 1 : 4;
	/* Where not all of it fits there must be room for the dots. */
	limit = whole < size ? size - 1 : size > 4 ? size - 4 : 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (used + (is_plain(c) ? 1 : 4) > limit)
			break;
		if (is_plain(c)) {
			out[used++] = (char)c;
		} else {
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = hex[c >> 4];
			out[used++] = hex[c & 15];
		}
	}
	for (int dot = 0; whole >= size && dot < 3 && used + 1 < size; dot++)
		out[used++] = '.';
	out[used] = '\0';
	return out;
}
