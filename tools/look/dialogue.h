/* SPDX-License-Identifier: ISC */
/* dialogue.h: outcomes of a cleartext dialogue before TLS, and waiting within its deadline. */
#ifndef SNICERT_DIALOGUE_H
#define SNICERT_DIALOGUE_H

enum dialogue_outcome {
	DIALOGUE_READY,         /* the next octet either side sends is TLS */
	DIALOGUE_REFUSED,       /* the server refused, or doesn't offer STARTTLS */
	DIALOGUE_TIMEOUT,       /* the deadline passed */
	DIALOGUE_BROKEN         /* connection lost, or data isn't of the protocol */
};

/** A deadline `timeout_ms` from now, in milliseconds of the monotonic clock. */
long long dialogue_deadline(int timeout_ms);

/**
 * Wait until `fd` is ready for `events` (as of poll(2)) or in error.
 * Returns 1, 0 at the deadline, -1 with errno set.
 */
int dialogue_wait(int fd, short events, long long deadline);

#endif
