/* SPDX-License-Identifier: ISC */
/* smtp.c: the client side of SMTP and LMTP up to STARTTLS. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "error.h"
#include "look/dialogue_internal.h"
#include "look/smtp.h"

/* RFC 5321 section 4.5.3.1.5 allows 512, but some servers don't count. */
#define LINE_MAX_OCTETS 1000
#define REPLY_MAX_LINES 100
/* RFC 5321 section 4.5.3.1.2 */
#define EHLO_MAX_OCTETS 255

struct reply {
	int code;
	bool starttls;          /* a line other than the first says STARTTLS */
	char text[DIALOGUE_QUOTE_SIZE]; /* code and text of all lines, escaped, truncated */
};

static bool
reply_code(const char *line, size_t length, int *code)
{
	if (length < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' ||
	    line[2] < '0' || line[2] > '9')
		return false;
	*code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	return length == 3 || line[3] == ' ' || line[3] == '-';
}

static bool
says_starttls(const char *line, size_t length)
{
	static const char keyword[] = "STARTTLS";
	size_t end = 4 + sizeof(keyword) - 1;

	return length >= end && strncasecmp(line + 4, keyword, end - 4) == 0 &&
	    (length == end || line[end] == ' ');
}

static enum dialogue_outcome
read_reply(struct session *s, struct reply *reply)
{
	char line[DIALOGUE_LINE_OCTETS];
	size_t length = 0;

	memset(reply, 0, sizeof(*reply));
	for (int n = 0; n < REPLY_MAX_LINES; n++) {
		enum dialogue_outcome outcome = dialogue_read_line(s, line, &length);
		int code;

		if (outcome != DIALOGUE_READY)
			return outcome;
		if (!reply_code(line, length, &code) || (n > 0 && code != reply->code))
			return dialogue_foreign(s, line, length);
		if (n == 0)
			dialogue_quote(reply->text, line, 3);
		reply->code = code;
		reply->starttls |= n > 0 && says_starttls(line, length);
		if (length > 4) {
			dialogue_quote(reply->text, " ", 1);
			dialogue_quote(reply->text, line + 4, length - 4);
		}
		if (length == 3 || line[3] == ' ')
			return DIALOGUE_READY;
	}
	return dialogue_broken(s, "the server sent a reply of more than 100 lines");
}

/* Sends `command` (NULL: nothing yet) and expects `code`. */
static enum dialogue_outcome
exchange(struct session *s, const char *command, int code, const char *refusal,
    struct reply *reply)
{
	enum dialogue_outcome outcome = DIALOGUE_READY;

	if (command != NULL)
		outcome = dialogue_send(s, command);
	if (outcome == DIALOGUE_READY)
		outcome = read_reply(s, reply);
	if (outcome == DIALOGUE_READY && reply->code != code)
		outcome = dialogue_refused(s, refusal, reply->text);
	return outcome;
}

/* Returns false if `ehlo` is too long for its line. */
static bool
ehlo_command(char *out, size_t size, const char *verb, const char *ehlo)
{
	char host[EHLO_MAX_OCTETS + 1] = "";

	if (ehlo == NULL) {
		if (gethostname(host, sizeof(host) - 1) != 0 || strchr(host, '.') == NULL)
			strcpy(host, "[127.0.0.1]");
		ehlo = host;
	}
	for (const char *p = ehlo; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~')
			return false;
	}
	if (ehlo[0] == '\0' || strlen(ehlo) > EHLO_MAX_OCTETS)
		return false;
	return (size_t)snprintf(out, size, "%s %s\r\n", verb, ehlo) < size;
}

/* SMTP and LMTP differ in words. */
struct dialect {
	const char *name, *verb, *banner, *hello, *starttls, *refusal;
};

static enum dialogue_outcome
starttls(const struct dialect *dialect, int fd, const char *ehlo, long long deadline, struct snicert_error *err)
{
	struct session s = { .fd = fd, .deadline = deadline, .err = err, .protocol = dialect->name, .quit = "QUIT\r\n",
		.line_most = LINE_MAX_OCTETS };
	char command[EHLO_MAX_OCTETS + sizeof("EHLO \r\n")];
	enum dialogue_outcome outcome;
	struct reply reply;

	if (!ehlo_command(command, sizeof(command), dialect->verb, ehlo)) {
		error_set(err, SNICERT_EUSAGE, "the name for %s is not a host name", dialect->verb);
		return DIALOGUE_BROKEN;
	}
	s.stage = dialect->banner;
	outcome = exchange(&s, NULL, 220, "the server refuses the connection", &reply);
	if (outcome != DIALOGUE_READY)
		return outcome;
	s.stage = dialect->hello;
	outcome = exchange(&s, command, 250, dialect->refusal, &reply);
	if (outcome != DIALOGUE_READY)
		return outcome;
	if (!reply.starttls)
		return dialogue_refused(&s, "the server doesn't offer STARTTLS", reply.text);
	s.stage = dialect->starttls;
	outcome = exchange(&s, "STARTTLS\r\n", 220, "the server refuses STARTTLS", &reply);
	return outcome == DIALOGUE_READY ? dialogue_ready(&s) : outcome;
}

enum dialogue_outcome
smtp_starttls(int fd, const char *ehlo, long long deadline, struct snicert_error *err)
{
	static const struct dialect smtp = { "SMTP", "EHLO", "SMTP banner", "SMTP EHLO", "SMTP STARTTLS",
		"the server refuses EHLO, which STARTTLS needs" };

	return starttls(&smtp, fd, ehlo, deadline, err);
}

enum dialogue_outcome
smtp_lmtp_starttls(int fd, const char *lhlo, long long deadline, struct snicert_error *err)
{
	static const struct dialect lmtp = { "LMTP", "LHLO", "LMTP banner", "LMTP LHLO", "LMTP STARTTLS",
		"the server refuses LHLO" };

	return starttls(&lmtp, fd, lhlo, deadline, err);
}
