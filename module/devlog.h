/* SPDX-License-Identifier: ISC */
/*
 * devlog.h: a way to the system's log for a process that changes its root before it has logged:
 * syslog(3) opens its socket with the first line, and then finds no /dev/log.
 */
#ifndef SNICERT_DEVLOG_H
#define SNICERT_DEVLOG_H

#include <stdbool.h>

#include "log_socket.h"

/** Connect to /dev/log, if it exists. */
void devlog_open(struct log_socket *);

/**
 * Write a line, with the program's name and process, if syslog(3) could not: if /dev/log is out of
 * reach and the host has no connection to it.  `priority` with the facility, 0 for LOG_USER.
 * Returns whether it was written.
 */
bool devlog_write(const struct log_socket *, int priority, const char *text);

/**
 * Whether syslog(3) would wait for the reader of /dev/log.  If that is out of reach, `held` (may be
 * NULL) remembers it.
 */
bool devlog_is_full(const struct log_socket *held);

#endif
