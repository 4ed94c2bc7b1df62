/* SPDX-License-Identifier: ISC */
/*
 * dialogue.c: lines to and from a server.  Knows a connected socket and a deadline, no protocol,
 * TLS or addresses.  Limits what the peer sends before looking at it, and passes it on only
 * escaped.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "error.h"
#include "look/dialogue_internal.h"

#define TOTAL_MAX_OCTETS (64 * 1024)

long long
dialogue_deadline(int timeout_ms)
{
	return clock_ms() + timeout_ms;
}

int
dialogue_wait(int fd, short events, long long deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		long long left = deadline - clock_ms();
		int n;

		/* Overdue: ignore even what is already there, lest an endless sender keep us reading. */
		if (left <= 0)
			return 0;
		n = poll(&pfd, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

enum dialogue_outcome
dialogue_broken(struct session *s, const char *what)
{
	error_set(s->err, SNICERT_EINPUT, "%s: %s", s->stage, what);
	return DIALOGUE_BROKEN;
}

static enum dialogue_outcome
await(struct session *s, short events)
{
	int n = dialogue_wait(s->fd, events, s->deadline);

	if (n == 0) {
		error_set(s->err, SNICERT_ESYSTEM, "%s: timed out", s->stage);
		return DIALOGUE_TIMEOUT;
	}
	if (n < 0) {
		error_system(s->err, "%s", s->stage);
		return DIALOGUE_BROKEN;
	}
	return DIALOGUE_READY;
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Read more from the peer, after what the buffer has. */
static enum dialogue_outcome
receive(struct session *s)
{
	for (;;) {
		enum dialogue_outcome outcome = await(s, POLLIN);
		ssize_t n;

		if (outcome != DIALOGUE_READY)
			return outcome;
		n = recv(s->fd, s->buffer + s->used, s->line_most - s->used, MSG_DONTWAIT);
		if (n == 0)
			return dialogue_broken(s, "the server closed the connection");
		if (n < 0 && !again()) {
			error_system(s->err, "%s", s->stage);
			return DIALOGUE_BROKEN;
		}
		if (n > 0) {
			s->used += (size_t)n;
			s->total += (size_t)n;
			if (s->total > TOTAL_MAX_OCTETS)
				return dialogue_broken(s, "the server sent more than 64 KiB");
			return DIALOGUE_READY;
		}
	}
}

static enum dialogue_outcome
too_long(struct session *s)
{
	char what[80];

	snprintf(what, sizeof(what), "the server sent a line of more than %zu octets", s->line_most);
	return dialogue_broken(s, what);
}

enum dialogue_outcome
dialogue_read_line(struct session *s, char *line, size_t *length)
{
	const char *end;
	size_t taken;

	while ((end = memchr(s->buffer, '\n', s->used)) == NULL) {
		enum dialogue_outcome outcome;

		if (s->used == s->line_most)
			return too_long(s);
		outcome = receive(s);
		if (outcome != DIALOGUE_READY)
			return outcome;
	}
	taken = (size_t)(end - s->buffer) + 1;
	*length = taken - 1;
	if (*length > 0 && s->buffer[*length - 1] == '\r')
		(*length)--;
	memcpy(line, s->buffer, *length);
	s->used -= taken;
	memmove(s->buffer, s->buffer + taken, s->used);
	return DIALOGUE_READY;
}

void
dialogue_quote(char quoted[DIALOGUE_QUOTE_SIZE], const char *text, size_t length)
{
	size_t used = strlen(quoted), room = DIALOGUE_QUOTE_SIZE - sizeof("...");

	if (used > room)
		return;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (used + (plain ? 1 : 4) > room) {
			/* Always cut: this exceeds `room`. */
			memcpy(quoted + used, "....", room + 1 - used);
			memcpy(quoted + room, "...", sizeof("..."));
			return;
		}
		if (plain)
			quoted[used++] = (char)c;
		else
			used += (size_t)sprintf(quoted + used, "\\x%02x", c);
		quoted[used] = '\0';
	}
}

enum dialogue_outcome
dialogue_send(struct session *s, const char *text)
{
	size_t left = strlen(text);

	/* What is already here doesn't answer our request. */
	if (s->used > 0)
		return dialogue_broken(s, "the server sent an unexpected reply");
	while (left > 0) {
		ssize_t n = send(s->fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			text += n;
			left -= (size_t)n;
		} else if (again()) {
			enum dialogue_outcome outcome = await(s, POLLOUT);

			if (outcome != DIALOGUE_READY)
				return outcome;
		} else {
			error_system(s->err, "%s", s->stage);
			return DIALOGUE_BROKEN;
		}
	}
	return DIALOGUE_READY;
}

enum dialogue_outcome
dialogue_foreign(struct session *s, const char *line, size_t length)
{
	char quoted[DIALOGUE_QUOTE_SIZE] = "";

	dialogue_quote(quoted, line, length);
	error_set(s->err, SNICERT_EINPUT, "%s: the server doesn't speak %s: \"%s\"", s->stage, s->protocol, quoted);
	return DIALOGUE_BROKEN;
}

enum dialogue_outcome
dialogue_refused(struct session *s, const char *what, const char *said)
{
	if (send(s->fd, s->quit, strlen(s->quit), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
	error_set(s->err, SNICERT_EINPUT, "%s: %s", what, said);
	return DIALOGUE_REFUSED;
}

/* Cleartext after the reply: somebody in the middle wants it taken for TLS or for what follows it
 * (CVE-2011-0411 the other way). */
enum dialogue_outcome
dialogue_ready(struct session *s)
{
	return s->used == 0 ? DIALOGUE_READY : dialogue_broken(s, "the server sent more unencrypted data after its reply");
}

bool
dialogue_has_word(const char *line, size_t length, const char *word)
{
	size_t at = 0;

	while (at < length) {
		size_t end = at;

		while (end < length && line[end] != ' ')
			end++;
		if (end - at == strlen(word) && strncasecmp(line + at, word, end - at) == 0)
			return true;
		at = end + 1;
	}
	return false;
}
