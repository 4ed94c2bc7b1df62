/* SPDX-License-Identifier: ISC */
/*
 * devlog.c: a line for the system's log, bypassing syslog(3).  Not openlog(): it would change the
 * host's options, and leave syslog(3) a descriptor that the host may close and reuse.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "devlog.h"
#include "program.h"

#define HOST_FDS 1024   /* searched for a connection of the host's */

static const char path[] = "/dev/log";

void
devlog_open(struct log_socket *devlog)
{
	log_socket_open(devlog, path);
}

/* The host's own connection to the same peer; -1: none. */
static int
host_connection(const struct log_socket *devlog)
{
	for (int fd = 0; fd < HOST_FDS; fd++) {
		struct sockaddr_un peer = {0};
		socklen_t length = sizeof(peer);

		if (fd != devlog->fd && getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
		    peer.sun_family == AF_UNIX &&
		    strncmp(peer.sun_path, devlog->peer.sun_path, sizeof(peer.sun_path)) == 0)
			return fd;
	}
	return -1;
}

bool
devlog_write(const struct log_socket *devlog, int priority, const char *text)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm = {0};
	char line[1200];
	int length;

	if (access(path, W_OK) == 0 || !log_socket_is_ours(devlog) || host_connection(devlog) >= 0)
		return false;
	if ((LOG_MASK(LOG_PRI(priority)) & setlogmask(0)) == 0)
		return true; /* as the host wants it */
	localtime_r(&now, &tm);
	if ((priority & LOG_FACMASK) == 0)
		priority |= LOG_USER;
	/* RFC 3164 section 4.1, as syslog(3) writes it to a local socket. */
	length = snprintf(line, sizeof(line), "<%d>%s %2d %02d:%02d:%02d %s[%ld]: %s", priority,
	    months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    program_name(), (long)getpid(), text);
	if (length < 0)
		return false;
	if ((size_t)length >= sizeof(line))
		length = sizeof(line) - 1;
	return log_socket_send(devlog, line, (size_t)length) == 0;
}

static bool
takes_more(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };

	return poll(&one, 1, 0) != 0; /* don't wait for a reader that is gone */
}

/* Opens its own connection: the host may have closed ours, and the reader may have changed.  That
 * one shows the reader's queue; the host's, what it may itself have in transit. */
bool
devlog_is_full(const struct log_socket *held)
{
	const struct log_socket *way;
	struct log_socket fresh;
	bool full = false;

	devlog_open(&fresh);
	way = fresh.fd >= 0 ? &fresh : held;
	if (way != NULL && log_socket_is_ours(way)) {
		int host = host_connection(way);

		full = !takes_more(way->fd) || (host >= 0 && !takes_more(host));
	}
	log_socket_close(&fresh);
	return full;
}
