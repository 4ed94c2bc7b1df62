/* SPDX-License-Identifier: ISC */
/*
 * devlog.h: a way to the system's log for a process that changes its root before
 * it has logged anything: syslog(3) opens its socket with the first line, and
 * finds no /dev/log by then.
 */
#ifndef SNICERT_DEVLOG_H
#define SNICERT_DEVLOG_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

struct devlog {
	int fd;                         /* -1: none */
	dev_t device;                   /* of the socket, to know it again: a host may close */
	ino_t inode;                    /* what it did not open, and use the number */
	struct sockaddr_un peer;        /* what /dev/log leads to */
};

/** Connect to /dev/log, where there is one; not as fd 0-2. */
void devlog_open(struct devlog *);
void devlog_close(struct devlog *);

/**
 * Write a line, with the program's name and process, if syslog(3) could not: if
 * /dev/log is out of reach and the host has no connection to it.
 * `priority` with the facility, 0 for LOG_USER.  Returns whether it was written.
 */
bool devlog_write(const struct devlog *, int priority, const char *text);

/**
 * Whether syslog(3) would wait for whoever reads /dev/log.  Where that is out of reach,
 * `held` (may be NULL) says what it was.
 */
bool devlog_is_full(const struct devlog *held);

#endif
