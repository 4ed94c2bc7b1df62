/* SPDX-License-Identifier: ISC */
/* smtp.h: one SMTP session on one connection. */
#ifndef SAMPLE_SMTP_H
#define SAMPLE_SMTP_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "certs.h"

struct smtp_config {
	SSL_CTX *ctx;
	const struct certs *certs;
	const char *hostname;   /* what the server calls itself */
	bool implicit_tls;      /* handshake first, then SMTP (RFC 8314) */
	int timeout_ms;
	int mail_dir_fd;        /* -1: accepted messages are thrown away */
};

/** Talk until the session ends.  Takes `fd`; ends soon once `stop_fd` becomes readable. */
void smtp_session(const struct smtp_config *, int fd, int stop_fd);

#endif
