/* SPDX-License-Identifier: ISC */
/* starttls.c: which protocol, and where. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "look/smtp.h"
#include "look/starttls.h"

/* RFC 8314 section 3 has the ports with implicit TLS.  RFC 2033 says only that LMTP's isn't 25:
 * servers use 24. */
const struct starttls_words starttls_words[STARTTLS_PROTOCOLS] = {
	[STARTTLS_SMTP] = { "smtp", "25", "465", "QUIT\r\n" },
	[STARTTLS_LMTP] = { "lmtp", "24", "24", "QUIT\r\n" },
	[STARTTLS_IMAP] = { "imap", "143", "993", "a3 LOGOUT\r\n" },
	[STARTTLS_POP3] = { "pop3", "110", "995", "QUIT\r\n" },
};

int
starttls_of_name(const char *name)
{
	for (int i = 0; i < STARTTLS_PROTOCOLS; i++)
		if (strcasecmp(starttls_words[i].name, name) == 0)
			return i;
	return -1;
}

enum starttls_protocol
starttls_of_port(const char *port)
{
	for (int i = 0; i < STARTTLS_PROTOCOLS; i++)
		if (strcmp(starttls_words[i].port, port) == 0 || strcmp(starttls_words[i].implicit, port) == 0)
			return (enum starttls_protocol)i;
	return STARTTLS_SMTP;
}

enum dialogue_outcome
starttls_run(enum starttls_protocol protocol, int fd, const char *ehlo, long long deadline, struct snicert_error *err)
{
	switch (protocol) {
	case STARTTLS_LMTP:
		return smtp_lmtp_starttls(fd, ehlo, deadline, err);
	case STARTTLS_IMAP:
		return starttls_imap(fd, deadline, err);
	case STARTTLS_POP3:
		return starttls_pop3(fd, deadline, err);
	case STARTTLS_SMTP:
		break;
	}
	return smtp_starttls(fd, ehlo, deadline, err);
}
