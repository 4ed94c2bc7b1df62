/* SPDX-License-Identifier: ISC */
/* smtp.h: the client side of SMTP (RFC 5321) and LMTP (RFC 2033) as far as STARTTLS (RFC 3207). */
#ifndef SNICERT_SMTP_H
#define SNICERT_SMTP_H

#include "look/dialogue.h"
#include "snicert.h"

/**
 * Go from a fresh connection to the point where TLS starts.
 *
 * Takes the banner, says EHLO as `ehlo` (NULL: this host's name if that is
 * qualified, else an address literal) and STARTTLS.  The peer may be hostile:
 * a line has at most 1000 octets, a reply 100 lines, all of it 64 KiB, and
 * nothing may follow the last reply in the clear.  A server that refused gets
 * a QUIT.  `fd` is a socket, blocking or not; it stays open, and SIGPIPE is not
 * raised.  Anything but DIALOGUE_READY sets *err, where what the server said is
 * escaped and bounded.
 */
enum dialogue_outcome smtp_starttls(int fd, const char *ehlo, long long deadline,
    struct snicert_error *err);

/** The same with LHLO, which is all that differs so far (RFC 2033 section 4.1). */
enum dialogue_outcome smtp_lmtp_starttls(int fd, const char *lhlo, long long deadline,
    struct snicert_error *err);

#endif
