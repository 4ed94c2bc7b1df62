/* SPDX-License-Identifier: ISC */
/* starttls.h: the mail protocols with a command that starts TLS, and how to get there. */
#ifndef SNICERT_STARTTLS_H
#define SNICERT_STARTTLS_H

#include "look/dialogue.h"
#include "snicert.h"

enum starttls_protocol { STARTTLS_SMTP, STARTTLS_LMTP, STARTTLS_IMAP, STARTTLS_POP3 };
#define STARTTLS_PROTOCOLS 4

struct starttls_words {
	const char *name;               /* as with s_client -starttls */
	const char *port, *implicit;    /* the usual one; with TLS from the first octet */
	const char *quit;               /* how a client leaves */
};
extern const struct starttls_words starttls_words[STARTTLS_PROTOCOLS];

/** -1: unknown. */
int starttls_of_name(const char *name);
/** For a port that another protocol than SMTP uses; else SMTP. */
enum starttls_protocol starttls_of_port(const char *port);

/** Go from a new connection to where TLS starts, as in smtp.h; `ehlo` is for SMTP and LMTP. */
enum dialogue_outcome starttls_run(enum starttls_protocol, int fd, const char *ehlo, long long deadline,
    struct snicert_error *err);

enum dialogue_outcome starttls_imap(int fd, long long deadline, struct snicert_error *err);
enum dialogue_outcome starttls_pop3(int fd, long long deadline, struct snicert_error *err);

#endif
