/* SPDX-License-Identifier: ISC */
/*
 * smtp.c: the client side of SMTP as far as STARTTLS.  Knows a connected
 * socket and a deadline, no TLS and no addresses.  Whatever the peer sends is
 * bounded before it is looked at, and leaves here only escaped.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "look/smtp.h"

/* RFC 5321 section 4.5.3.1.5 allows 512, and servers that don't count exist. */
#define LINE_MAX_OCTETS 1000
#define REPLY_MAX_LINES 100
#define TOTAL_MAX_OCTETS (64 * 1024)
/* RFC 5321 section 4.5.3.1.2 */
#define EHLO_MAX_OCTETS 255

struct session {
	int fd;
	long long deadline;
	struct snicert_error *err;
	const char *stage;      /* what is awaited, for errors */
	size_t used;            /* octets in `buffer`, not yet taken */
	size_t total;           /* octets received */
	char buffer[LINE_MAX_OCTETS];
};

struct reply {
	int code;
	bool starttls;          /* a line other than the first says STARTTLS */
	char text[240];         /* code and text of all lines, escaped, cut to fit */
};

long long
smtp_deadline(int timeout_ms)
{
	return clock_ms() + timeout_ms;
}

int
smtp_wait(int fd, short events, long long deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		long long left = deadline - clock_ms();
		int n;

		/* Overdue: not even what is there already, lest a peer that never stops
		 * sending is read from for ever. */
		if (left <= 0)
			return 0;
		n = poll(&pfd, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

static enum smtp_outcome
broken(struct session *s, const char *what)
{
	error_set(s->err, SNICERT_EINPUT, "%s: %s", s->stage, what);
	return SMTP_BROKEN;
}

static enum smtp_outcome
await(struct session *s, short events)
{
	int n = smtp_wait(s->fd, events, s->deadline);

	if (n == 0) {
		error_set(s->err, SNICERT_ESYSTEM, "%s: timed out", s->stage);
		return SMTP_TIMEOUT;
	}
	if (n < 0) {
		error_system(s->err, "%s", s->stage);
		return SMTP_BROKEN;
	}
	return SMTP_READY;
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Something more from the peer, behind what the buffer holds. */
static enum smtp_outcome
receive(struct session *s)
{
	for (;;) {
		enum smtp_outcome outcome = await(s, POLLIN);
		ssize_t n;

		if (outcome != SMTP_READY)
			return outcome;
		n = recv(s->fd, s->buffer + s->used, sizeof(s->buffer) - s->used, MSG_DONTWAIT);
		if (n == 0)
			return broken(s, "the server closed the connection");
		if (n < 0 && !again()) {
			error_system(s->err, "%s", s->stage);
			return SMTP_BROKEN;
		}
		if (n > 0) {
			s->used += (size_t)n;
			s->total += (size_t)n;
			if (s->total > TOTAL_MAX_OCTETS)
				return broken(s, "the server sends more than 64 KiB");
			return SMTP_READY;
		}
	}
}

/* A line without its end; `line` holds LINE_MAX_OCTETS. */
static enum smtp_outcome
read_line(struct session *s, char *line, size_t *length)
{
	const char *end;
	size_t taken;

	while ((end = memchr(s->buffer, '\n', s->used)) == NULL) {
		enum smtp_outcome outcome;

		if (s->used == sizeof(s->buffer))
			return broken(s, "the server sent a line of more than 1000 octets");
		outcome = receive(s);
		if (outcome != SMTP_READY)
			return outcome;
	}
	taken = (size_t)(end - s->buffer) + 1;
	*length = taken - 1;
	if (*length > 0 && s->buffer[*length - 1] == '\r')
		(*length)--;
	memcpy(line, s->buffer, *length);
	s->used -= taken;
	memmove(s->buffer, s->buffer + taken, s->used);
	return SMTP_READY;
}

/* Append to reply->text as much as fits, in printable ASCII. */
static void
quote(struct reply *reply, const char *text, size_t length)
{
	size_t used = strlen(reply->text), room = sizeof(reply->text) - sizeof("...");

	if (used > room)
		return;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (used + (plain ? 1 : 4) > room) {
			/* Cut for good: this is beyond `room`. */
			memcpy(reply->text + used, "....", room + 1 - used);
			memcpy(reply->text + room, "...", sizeof("..."));
			return;
		}
		if (plain)
			reply->text[used++] = (char)c;
		else
			used += (size_t)sprintf(reply->text + used, "\\x%02x", c);
		reply->text[used] = '\0';
	}
}

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

static enum smtp_outcome
read_reply(struct session *s, struct reply *reply)
{
	char line[LINE_MAX_OCTETS];
	size_t length = 0;

	memset(reply, 0, sizeof(*reply));
	for (int n = 0; n < REPLY_MAX_LINES; n++) {
		enum smtp_outcome outcome = read_line(s, line, &length);
		int code;

		if (outcome != SMTP_READY)
			return outcome;
		if (!reply_code(line, length, &code) || (n > 0 && code != reply->code)) {
			reply->text[0] = '\0';
			quote(reply, line, length);
			error_set(s->err, SNICERT_EINPUT, "%s: the server doesn't speak SMTP: "
			    "\"%s\"", s->stage, reply->text);
			return SMTP_BROKEN;
		}
		if (n == 0)
			quote(reply, line, 3);
		reply->code = code;
		reply->starttls |= n > 0 && says_starttls(line, length);
		if (length > 4) {
			quote(reply, " ", 1);
			quote(reply, line + 4, length - 4);
		}
		if (length == 3 || line[3] == ' ')
			return SMTP_READY;
	}
	return broken(s, "the server sent a reply of more than 100 lines");
}

static enum smtp_outcome
send_command(struct session *s, const char *text)
{
	size_t left = strlen(text);

	/* What is here now answers nothing that was asked. */
	if (s->used > 0)
		return broken(s, "the server sent a reply that nobody asked for");
	while (left > 0) {
		ssize_t n = send(s->fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			text += n;
			left -= (size_t)n;
		} else if (again()) {
			enum smtp_outcome outcome = await(s, POLLOUT);

			if (outcome != SMTP_READY)
				return outcome;
		} else {
			error_system(s->err, "%s", s->stage);
			return SMTP_BROKEN;
		}
	}
	return SMTP_READY;
}

/* Leave as RFC 5321 wants it; whether that works is all one. */
static enum smtp_outcome
refused(struct session *s, const char *what, const struct reply *reply)
{
	static const char quit[] = "QUIT\r\n";

	if (send(s->fd, quit, sizeof(quit) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
	error_set(s->err, SNICERT_EINPUT, "%s: %s", what, reply->text);
	return SMTP_REFUSED;
}

/* Says `command` (NULL: nothing yet) and wants `code` as the answer. */
static enum smtp_outcome
exchange(struct session *s, const char *command, int code, const char *refusal,
    struct reply *reply)
{
	enum smtp_outcome outcome = SMTP_READY;

	if (command != NULL)
		outcome = send_command(s, command);
	if (outcome == SMTP_READY)
		outcome = read_reply(s, reply);
	if (outcome == SMTP_READY && reply->code != code)
		outcome = refused(s, refusal, reply);
	return outcome;
}

/* Returns false where `ehlo` would not stay within its line. */
static bool
ehlo_command(char *out, size_t size, const char *ehlo)
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
	return (size_t)snprintf(out, size, "EHLO %s\r\n", ehlo) < size;
}

enum smtp_outcome
smtp_starttls(int fd, const char *ehlo, long long deadline, struct snicert_error *err)
{
	struct session s = { .fd = fd, .deadline = deadline, .err = err };
	char command[EHLO_MAX_OCTETS + sizeof("EHLO \r\n")];
	enum smtp_outcome outcome;
	struct reply reply;

	if (!ehlo_command(command, sizeof(command), ehlo)) {
		error_set(err, SNICERT_EUSAGE, "the name for EHLO is no host name");
		return SMTP_BROKEN;
	}
	s.stage = "SMTP banner";
	outcome = exchange(&s, NULL, 220, "the server refuses the connection", &reply);
	if (outcome != SMTP_READY)
		return outcome;
	s.stage = "SMTP EHLO";
	outcome = exchange(&s, command, 250,
	    "the server refuses EHLO, without which there is no STARTTLS", &reply);
	if (outcome != SMTP_READY)
		return outcome;
	if (!reply.starttls)
		return refused(&s, "the server doesn't offer STARTTLS", &reply);
	s.stage = "SMTP STARTTLS";
	outcome = exchange(&s, "STARTTLS\r\n", 220, "the server refuses STARTTLS", &reply);
	/* Octets in the clear behind the reply: somebody in the middle wants them
	 * taken for TLS or for what comes after it (CVE-2011-0411 the other way). */
	if (outcome == SMTP_READY && s.used > 0)
		return broken(&s, "the server goes on in the clear after its reply");
	return outcome;
}
