/* SPDX-License-Identifier: ISC */
/* starttls.h: the protocols of mail that start TLS on a command, and the way there in each. */
#ifndef SNICERT_STARTTLS_H
#define SNICERT_STARTTLS_H

#include "look/dialogue.h"
#include "snicert.h"

enum starttls_protocol { STARTTLS_SMTP, STARTTLS_LMTP, STARTTLS_IMAP, STARTTLS_POP3 };
#define STARTTLS_PROTOCOLS 4

struct starttls_words {
	const char *name;               /* as with s_client -starttls */
	const char *port, *implicit;    /* where it is spoken; with TLS from the first octet on */
	const char *quit;               /* how a client leaves */
};
extern const struct starttls_words starttls_words[STARTTLS_PROTOCOLS];

/** -1: there is no such protocol. */
int starttls_of_name(const char *name);
/** Of a port that another protocol than SMTP is known by; else SMTP. */
enum starttls_protocol starttls_of_port(const char *port);

/** Go from a fresh connection to the point where TLS starts, as smtp.h says; `ehlo` is for SMTP and LMTP. */
enum dialogue_outcome starttls_run(enum starttls_protocol, int fd, const char *ehlo, long long deadline,
    struct snicert_error *err);

enum dialogue_outcome starttls_imap(int fd, long long deadline, struct snicert_error *err);
enum dialogue_outcome starttls_pop3(int fd, long long deadline, struct snicert_error *err);

#endif
