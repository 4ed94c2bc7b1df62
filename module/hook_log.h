/* SPDX-License-Identifier: ISC */
/* hook_log.h: hook_choice.c's log lines about a handshake. */
#ifndef SNICERT_HOOK_LOG_H
#define SNICERT_HOOK_LOG_H

#include "hook_choice.h"

/** An address as the store keys it: IPv4 even if it came in through an IPv6 socket. */
bool hook_address(const struct sockaddr_storage *address, char *text, socklen_t size);

/** For struct hook_peer; its argument is the SSL. */
void hook_log_ends(void *ssl, struct log_line *);

/** The same with a local address from the host, not the socket. */
void hook_log_ends_at(SSL *ssl, const struct sockaddr_storage *local, struct log_line *);

/** What became of a candidate. */
void hook_log_rejected(const struct hook *, const struct hook_peer *, const struct name *key,
    const struct hook_pick *, const char *why);
void hook_log_expired(const struct hook *, const struct hook_peer *, const struct name *key,
    const struct hook_pick *);
void hook_log_left_out(const struct hook *, const struct hook_peer *, const struct name *key, const char *why);
void hook_log_unusable(const struct hook *, const struct hook_peer *, const struct name *key);

/**
 * What was served: `what` with its key and chains, or HOOK_CANDIDATES and NULL for the own
 * certificate.  `why`: why not the name's chains.
 */
void hook_log_choice(const struct hook *, const struct hook_peer *, enum hook_candidate what,
    const struct name *key, const struct hook_pick *, const char *why);
void hook_log_refused(const struct hook *, const struct hook_peer *);

#endif
