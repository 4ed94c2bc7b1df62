/* SPDX-License-Identifier: ISC */
/* smtp.h: the client side of SMTP (RFC 5321) and LMTP (RFC 2033) up to STARTTLS (RFC 3207). */
#ifndef SNICERT_SMTP_H
#define SNICERT_SMTP_H

#include "look/dialogue.h"
#include "snicert.h"

/**
 * Go from a new connection to where TLS starts.
 *
 * Reads the banner, sends EHLO with `ehlo` (NULL: this host's name if it is qualified, else an
 * address literal) and STARTTLS.  The peer may be hostile: a line has at most 1000 octets, a reply
 * 100 lines, everything 64 KiB, and nothing may follow the last reply in the clear.  Sends QUIT to
 * a server that refused.  `fd` is a socket, blocking or not; it stays open; raises no SIGPIPE.
 * Anything but DIALOGUE_READY sets *err, with the server's text escaped and bounded.
 */
enum dialogue_outcome smtp_starttls(int fd, const char *ehlo, long long deadline,
    struct snicert_error *err);

/** The same with LHLO, the only difference so far (RFC 2033 section 4.1). */
enum dialogue_outcome smtp_lmtp_starttls(int fd, const char *lhlo, long long deadline,
    struct snicert_error *err);

#endif
