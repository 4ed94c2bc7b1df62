/* SPDX-License-Identifier: ISC */
/* smtp.h: the client side of SMTP as far as STARTTLS (RFC 5321, RFC 3207). */
#ifndef SNICERT_SMTP_H
#define SNICERT_SMTP_H

#include "snicert.h"

enum smtp_outcome {
	SMTP_READY,             /* the next octet either side sends is TLS */
	SMTP_REFUSED,           /* the server said no, or doesn't offer STARTTLS */
	SMTP_TIMEOUT,           /* the deadline passed */
	SMTP_BROKEN             /* connection lost, or what came isn't SMTP */
};

/** A deadline `timeout_ms` from now, in milliseconds of the monotonic clock. */
long long smtp_deadline(int timeout_ms);

/**
 * Wait until `fd` is ready for `events` (as of poll(2)) or in error.
 * Returns 1, 0 at the deadline, -1 with errno set.
 */
int smtp_wait(int fd, short events, long long deadline);

/**
 * Go from a fresh connection to the point where TLS starts.
 *
 * Takes the banner, says EHLO as `ehlo` (NULL: this host's name if that is
 * qualified, else an address literal) and STARTTLS.  The peer may be hostile:
 * a line has at most 1000 octets, a reply 100 lines, all of it 64 KiB, and
 * nothing may follow the last reply in the clear.  A server that refused gets
 * a QUIT.  `fd` is a socket, blocking or not; it stays open, and SIGPIPE is not
 * raised.  Anything but SMTP_READY sets *err, where what the server said is
 * escaped and bounded.
 */
enum smtp_outcome smtp_starttls(int fd, const char *ehlo, long long deadline,
    struct snicert_error *err);

#endif
