/* SPDX-License-Identifier: ISC */
/* pop3.c: the client side of POP3 up to STLS (RFC 1939, RFC 2595 section 4). */
#include <string.h>
#include <strings.h>

#include "look/dialogue_internal.h"
#include "look/starttls.h"

/* RFC 2449 section 4: 512 octets per reply; some servers don't count. */
#define LINE_MOST 1000
#define LINES_MOST 100

/* "+OK" is a yes, "-ERR" a no, in capitals (RFC 1939 section 3). */
static enum dialogue_outcome
read_status(struct session *s, bool *yes, char said[DIALOGUE_QUOTE_SIZE])
{
	char line[DIALOGUE_LINE_OCTETS];
	size_t length = 0;
	enum dialogue_outcome outcome = dialogue_read_line(s, line, &length);

	if (outcome != DIALOGUE_READY)
		return outcome;
	*yes = length >= 3 && memcmp(line, "+OK", 3) == 0 && (length == 3 || line[3] == ' ');
	if (!*yes && (length < 4 || memcmp(line, "-ERR", 4) != 0 || (length > 4 && line[4] != ' ')))
		return dialogue_foreign(s, line, length);
	said[0] = '\0';
	dialogue_quote(said, line, length);
	return DIALOGUE_READY;
}

/* The list after CAPA's +OK, up to the line with a dot (RFC 2449 section 5). */
static enum dialogue_outcome
read_capabilities(struct session *s, bool *offers, char said[DIALOGUE_QUOTE_SIZE])
{
	char line[DIALOGUE_LINE_OCTETS];
	size_t length = 0;

	*offers = false;
	for (int n = 0; n < LINES_MOST; n++) {
		enum dialogue_outcome outcome = dialogue_read_line(s, line, &length);

		if (outcome != DIALOGUE_READY || (length == 1 && line[0] == '.'))
			return outcome;
		*offers = *offers || (length == 4 && strncasecmp(line, "STLS", 4) == 0);
		dialogue_quote(said, " ", 1);
		dialogue_quote(said, line, length);
	}
	return dialogue_broken(s, "the server sent an answer of more than 100 lines");
}

/* CAPA is a separate extension (RFC 2449): a server that refuses it may still have STLS. */
static enum dialogue_outcome
ask_capabilities(struct session *s)
{
	char said[DIALOGUE_QUOTE_SIZE] = "";
	enum dialogue_outcome outcome;
	bool yes = false, offers = true;

	s->stage = "POP3 CAPA";
	outcome = dialogue_send(s, "CAPA\r\n");
	if (outcome == DIALOGUE_READY)
		outcome = read_status(s, &yes, said);
	if (outcome == DIALOGUE_READY && yes)
		outcome = read_capabilities(s, &offers, said);
	if (outcome == DIALOGUE_READY && !offers)
		outcome = dialogue_refused(s, "the server doesn't offer STLS", said);
	return outcome;
}

enum dialogue_outcome
starttls_pop3(int fd, long long deadline, struct snicert_error *err)
{
	struct session s = { .fd = fd, .deadline = deadline, .err = err, .stage = "POP3 greeting", .protocol = "POP3",
		.quit = "QUIT\r\n", .line_most = LINE_MOST };
	char said[DIALOGUE_QUOTE_SIZE];
	bool yes;
	enum dialogue_outcome outcome = read_status(&s, &yes, said);

	if (outcome == DIALOGUE_READY && !yes)
		outcome = dialogue_refused(&s, "the server refuses the connection", said);
	if (outcome == DIALOGUE_READY)
		outcome = ask_capabilities(&s);
	s.stage = "POP3 STLS";
	if (outcome == DIALOGUE_READY)
		outcome = dialogue_send(&s, "STLS\r\n");
	if (outcome == DIALOGUE_READY)
		outcome = read_status(&s, &yes, said);
	if (outcome == DIALOGUE_READY && !yes)
		outcome = dialogue_refused(&s, "the server refuses STLS", said);
	return outcome == DIALOGUE_READY ? dialogue_ready(&s) : outcome;
}
