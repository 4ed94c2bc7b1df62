/* SPDX-License-Identifier: ISC */
/* log.h: log lines of the sample MTA, on stderr, one write(2) per line. */
#ifndef SAMPLE_LOG_H
#define SAMPLE_LOG_H

#include <stddef.h>

/** Without this call log_line() says nothing (option --log).  Call it before threads start. */
void log_enable(void);

/** One line; `priority` is a syslog(3) level.  Safe to call from any thread. */
void log_line(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A sink for snicert's set_log: module lines among ours.  `arg` is not used. */
void log_module_line(void *arg, int priority, const char *text);

/** Copy what a peer sent so that it can stand in a log line: \xHH for all but printable ASCII. */
const char *log_escape(char *out, size_t size, const char *text);

#endif
