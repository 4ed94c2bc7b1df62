/* SPDX-License-Identifier: ISC */
/* imap.c: the client side of IMAP up to STARTTLS (RFC 9051 sections 6.1.1 and 6.2.1). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "look/dialogue_internal.h"
#include "look/starttls.h"

#define LINES_MOST 100

struct answer {
	bool offers;            /* a CAPABILITY response has STARTTLS */
	char text[DIALOGUE_QUOTE_SIZE];
};

static bool
begins(const char *line, size_t length, const char *with)
{
	size_t end = strlen(with);

	return length >= end && strncasecmp(line, with, end) == 0 && (length == end || line[end] == ' ');
}

/* Up to the reply with the tag; untagged ones (RFC 9051 section 7) may come first. */
static enum dialogue_outcome
read_answer(struct session *s, const char *tag, const char *refusal, struct answer *answer)
{
	char line[DIALOGUE_LINE_OCTETS], good[16];
	size_t length = 0;

	snprintf(good, sizeof(good), "%s OK", tag);
	memset(answer, 0, sizeof(*answer));
	for (int n = 0; n < LINES_MOST; n++) {
		enum dialogue_outcome outcome = dialogue_read_line(s, line, &length);

		if (outcome != DIALOGUE_READY)
			return outcome;
		if (begins(line, length, good))
			return DIALOGUE_READY;
		dialogue_quote(answer->text, n > 0 ? " " : "", n > 0 ? 1 : 0);
		dialogue_quote(answer->text, line, length);
		if (begins(line, length, tag) || begins(line, length, "* BYE")) {
			answer->text[0] = '\0';
			dialogue_quote(answer->text, line, length);
			return dialogue_refused(s, refusal, answer->text);
		}
		if (length < 2 || memcmp(line, "* ", 2) != 0)
			return dialogue_foreign(s, line, length);
		if (begins(line, length, "* CAPABILITY"))
			answer->offers = answer->offers || dialogue_has_word(line, length, "STARTTLS");
	}
	return dialogue_broken(s, "the server sent an answer of more than 100 lines");
}

/* OK; BYE is a no.  PREAUTH rules out STARTTLS: it needs the not authenticated state. */
static enum dialogue_outcome
read_greeting(struct session *s)
{
	char line[DIALOGUE_LINE_OCTETS], said[DIALOGUE_QUOTE_SIZE] = "";
	enum dialogue_outcome outcome;
	size_t length = 0;

	s->stage = "IMAP greeting";
	outcome = dialogue_read_line(s, line, &length);
	if (outcome != DIALOGUE_READY || begins(line, length, "* OK"))
		return outcome;
	dialogue_quote(said, line, length);
	if (begins(line, length, "* BYE"))
		return dialogue_refused(s, "the server refuses the connection", said);
	if (begins(line, length, "* PREAUTH"))
		return dialogue_refused(s, "the server treats the client as authenticated, which rules out STARTTLS", said);
	return dialogue_foreign(s, line, length);
}

enum dialogue_outcome
starttls_imap(int fd, long long deadline, struct snicert_error *err)
{
	struct session s = { .fd = fd, .deadline = deadline, .err = err, .protocol = "IMAP", .quit = "a3 LOGOUT\r\n",
		.line_most = DIALOGUE_LINE_OCTETS };
	enum dialogue_outcome outcome = read_greeting(&s);
	struct answer answer;

	s.stage = "IMAP CAPABILITY";
	if (outcome == DIALOGUE_READY)
		outcome = dialogue_send(&s, "a1 CAPABILITY\r\n");
	if (outcome == DIALOGUE_READY)
		outcome = read_answer(&s, "a1", "the server refuses CAPABILITY", &answer);
	if (outcome != DIALOGUE_READY)
		return outcome;
	if (!answer.offers)
		return dialogue_refused(&s, "the server doesn't offer STARTTLS", answer.text);
	s.stage = "IMAP STARTTLS";
	outcome = dialogue_send(&s, "a2 STARTTLS\r\n");
	if (outcome == DIALOGUE_READY)
		outcome = read_answer(&s, "a2", "the server refuses STARTTLS", &answer);
	return outcome == DIALOGUE_READY ? dialogue_ready(&s) : outcome;
}
