/* SPDX-License-Identifier: ISC */
/* test_starttls.c: LMTP, IMAP and POP3 up to TLS against a scripted peer. */
#include <sys/socket.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "look/starttls.h"
#include "peer.h"

#define CAPABILITY "* CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED\r\n"

/* A turn after the connection, and after each command: see peer.h. */
static const struct {
	const char *label;
	enum starttls_protocol protocol;
	const char *turn[3];
	enum dialogue_outcome outcome;
	const char *text;       /* part of the error */
	const char *heard;      /* all that the client said; NULL: whatever */
} dialogues[] = {
	{ "lmtp", STARTTLS_LMTP, { "220 mx LMTP\r\n", "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "220 go\r\n" },
	    DIALOGUE_READY, "", "LHLO me.example\r\nSTARTTLS\r\n" },
	{ "lmtp, not offered", STARTTLS_LMTP, { "220 mx\r\n", "250-mx\r\n250 8BITMIME\r\n", "" }, DIALOGUE_REFUSED,
	    "doesn't offer STARTTLS: 250 mx 8BITMIME", "LHLO me.example\r\nQUIT\r\n" },
	{ "lmtp, an SMTP server", STARTTLS_LMTP, { "220 mx\r\n", "500 what?\r\n", "" }, DIALOGUE_REFUSED,
	    "refuses LHLO: 500 what?", NULL },
	{ "lmtp, silent", STARTTLS_LMTP, { "", "", "" }, DIALOGUE_TIMEOUT, "LMTP banner: timed out", "" },
	{ "lmtp, another protocol", STARTTLS_LMTP, { "* OK IMAP\r\n", "", "" }, DIALOGUE_BROKEN,
	    "doesn't speak LMTP: \"* OK IMAP\"", "" },

	{ "imap", STARTTLS_IMAP, { "* OK ready\r\n", CAPABILITY "a1 OK done\r\n", "a2 OK go\r\n" }, DIALOGUE_READY, "",
	    "a1 CAPABILITY\r\na2 STARTTLS\r\n" },
	{ "imap, in any case, with other responses", STARTTLS_IMAP, { "* ok [CAPABILITY IMAP4rev1] x\r\n",
	    "* NO disk is full\r\n* capability IMAP4rev1 startTLS\r\nA1 ok\r\n", "* BAD hm\r\na2 OK\r\n" },
	    DIALOGUE_READY, "", NULL },
	{ "imap, not offered", STARTTLS_IMAP, { "* OK [CAPABILITY STARTTLS] x\r\n", "* CAPABILITY IMAP4rev1 XSTARTTLS\r\na1 OK\r\n", "" },
	    DIALOGUE_REFUSED, "doesn't offer STARTTLS: * CAPABILITY IMAP4rev1 XSTARTTLS", "a1 CAPABILITY\r\na3 LOGOUT\r\n" },
	{ "imap, a word in another response", STARTTLS_IMAP, { "* OK\r\n", "* NO STARTTLS\r\n* CAPABILITY X\r\na1 OK\r\n", "" },
	    DIALOGUE_REFUSED, "doesn't offer", NULL },
	{ "imap, CAPABILITY refused", STARTTLS_IMAP, { "* OK\r\n", "a1 BAD \033[2J\r\n", "" }, DIALOGUE_REFUSED,
	    "refuses CAPABILITY: a1 BAD \\x1b[2J", NULL },
	{ "imap, STARTTLS refused", STARTTLS_IMAP, { "* OK\r\n", CAPABILITY "a1 OK\r\n", "a2 NO not now\r\n" },
	    DIALOGUE_REFUSED, "refuses STARTTLS: a2 NO not now", "a1 CAPABILITY\r\na2 STARTTLS\r\na3 LOGOUT\r\n" },
	{ "imap, busy", STARTTLS_IMAP, { "* BYE too many\r\n", "", "" }, DIALOGUE_REFUSED,
	    "refuses the connection: * BYE too many", "a3 LOGOUT\r\n" },
	{ "imap, authenticated", STARTTLS_IMAP, { "* PREAUTH root\r\n", "", "" }, DIALOGUE_REFUSED, "rules out STARTTLS: * PREAUTH root",
	    "a3 LOGOUT\r\n" },
	{ "imap, leaves", STARTTLS_IMAP, { "* OK\r\n", "* BYE shutting down\r\n", "" }, DIALOGUE_REFUSED, "* BYE shutting down", NULL },
	{ "imap, another's tag", STARTTLS_IMAP, { "* OK\r\n", "a2 OK\r\n", "" }, DIALOGUE_BROKEN, "doesn't speak IMAP: \"a2 OK\"", NULL },
	{ "imap, a longer tag", STARTTLS_IMAP, { "* OK\r\n", "a11 OK\r\n", "" }, DIALOGUE_BROKEN, "doesn't speak IMAP", NULL },
	{ "imap, another protocol", STARTTLS_IMAP, { "220 mx ESMTP\r\n", "", "" }, DIALOGUE_BROKEN,
	    "IMAP greeting: the server doesn't speak IMAP: \"220 mx ESMTP\"", "" },
	{ "imap, closed at once", STARTTLS_IMAP, { NULL, "", "" }, DIALOGUE_BROKEN, "IMAP greeting: the server closed", "" },
	{ "imap, closed at STARTTLS", STARTTLS_IMAP, { "* OK\r\n", CAPABILITY "a1 OK\r\n", NULL }, DIALOGUE_BROKEN,
	    "IMAP STARTTLS: the server closed", NULL },
	{ "imap, silent", STARTTLS_IMAP, { "* OK\r\n", CAPABILITY, "" }, DIALOGUE_TIMEOUT, "IMAP CAPABILITY: timed out", NULL },
	{ "imap, an answer ahead of its question", STARTTLS_IMAP, { "* OK\r\na1 OK\r\n", "", "" }, DIALOGUE_BROKEN,
	    "an unexpected reply", NULL },
	{ "imap, plaintext behind the last answer", STARTTLS_IMAP, { "* OK\r\n", CAPABILITY "a1 OK\r\n", "a2 OK\r\n* CAPABILITY\r\n" },
	    DIALOGUE_BROKEN, "more unencrypted data after its reply", NULL },

	{ "pop3", STARTTLS_POP3, { "+OK ready <1@x>\r\n", "+OK list\r\nTOP\r\nSTLS\r\nUIDL\r\n.\r\n", "+OK begin\r\n" },
	    DIALOGUE_READY, "", "CAPA\r\nSTLS\r\n" },
	{ "pop3, no CAPA", STARTTLS_POP3, { "+OK\r\n", "-ERR what?\r\n", "+OK\r\n" }, DIALOGUE_READY, "", "CAPA\r\nSTLS\r\n" },
	{ "pop3, neither", STARTTLS_POP3, { "+OK\r\n", "-ERR what?\r\n", "-ERR what?\r\n" }, DIALOGUE_REFUSED,
	    "refuses STLS: -ERR what?", "CAPA\r\nSTLS\r\nQUIT\r\n" },
	{ "pop3, not offered", STARTTLS_POP3, { "+OK\r\n", "+OK\r\nTOP\r\nSTLSX\r\n.\r\n", "" }, DIALOGUE_REFUSED,
	    "doesn't offer STLS: +OK TOP STLSX", "CAPA\r\nQUIT\r\n" },
	{ "pop3, not now", STARTTLS_POP3, { "+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "-ERR not now\r\n" }, DIALOGUE_REFUSED,
	    "refuses STLS: -ERR not now", NULL },
	{ "pop3, busy", STARTTLS_POP3, { "-ERR busy\r\n", "", "" }, DIALOGUE_REFUSED, "refuses the connection: -ERR busy", "QUIT\r\n" },
	{ "pop3, no end of the list", STARTTLS_POP3, { "+OK\r\n", "+OK\r\nSTLS\r\n", "" }, DIALOGUE_TIMEOUT, "POP3 CAPA: timed out", NULL },
	{ "pop3, closed in the list", STARTTLS_POP3, { "+OK\r\n", NULL, "" }, DIALOGUE_BROKEN, "POP3 CAPA: the server closed", NULL },
	{ "pop3, another protocol", STARTTLS_POP3, { "+OKAY\r\n", "", "" }, DIALOGUE_BROKEN, "doesn't speak POP3: \"+OKAY\"", "" },
	{ "pop3, plaintext behind the last reply", STARTTLS_POP3, { "+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n+OK\r\n" },
	    DIALOGUE_BROKEN, "more unencrypted data after its reply", NULL },
};

static enum dialogue_outcome
talk(struct peer *peer, enum starttls_protocol protocol, int timeout_ms, struct snicert_error *err)
{
	enum dialogue_outcome outcome;
	int fd = peer_start(peer);

	outcome = starttls_run(protocol, fd, "me.example", dialogue_deadline(timeout_ms), err);
	peer_end(peer, fd);
	return outcome;
}

START_TEST(test_dialogue)
{
	const char *label = dialogues[_i].label;
	struct peer peer = { .turn = dialogues[_i].turn };
	struct snicert_error err = { 0 };
	int timeout = dialogues[_i].outcome == DIALOGUE_TIMEOUT ? 1500 : 10000;
	enum dialogue_outcome got = talk(&peer, dialogues[_i].protocol, timeout, &err);

	ck_assert_msg(got == dialogues[_i].outcome, "%s: got %d (%s) want %d", label, got, err.text, dialogues[_i].outcome);
	ck_assert_msg(strstr(err.text, dialogues[_i].text) != NULL, "%s: got \"%s\" want \"%s\"", label, err.text, dialogues[_i].text);
	ck_assert_int_eq(err.code == SNICERT_OK, got == DIALOGUE_READY);
	ck_assert_msg(dialogues[_i].heard == NULL || strcmp(peer.heard, dialogues[_i].heard) == 0, "%s: the server heard \"%s\"", label,
	    peer.heard);
}
END_TEST

/* A server that never ends an answer. */
START_TEST(test_endless)
{
	static const struct { enum starttls_protocol protocol; const char *greeting, *begin, *line, *text; size_t octets, lines; } cases[] = {
		{ STARTTLS_IMAP, "* OK\r\n", "", "* ", "more than 100 lines", 20, 101 },
		{ STARTTLS_IMAP, "* OK\r\n", "", "* ", "a line of more than 8192 octets", 8193, 1 },
		{ STARTTLS_IMAP, "* OK\r\n", "", "* ", "more than 64 KiB", 8000, 9 },
		{ STARTTLS_POP3, "+OK\r\n", "+OK\r\n", "X ", "more than 100 lines", 20, 101 },
		{ STARTTLS_POP3, "+OK\r\n", "+OK\r\n", "X ", "a line of more than 1000 octets", 1001, 1 },
	};
	size_t begin = strlen(cases[_i].begin), size = begin + cases[_i].octets * cases[_i].lines;
	char *long_answer = malloc(size + 1), *p = long_answer + begin;
	const char *turn[] = { cases[_i].greeting, long_answer, "" };
	struct peer peer = { .turn = turn };
	struct snicert_error err = { 0 };

	memset(long_answer, 'x', size);
	memcpy(long_answer, cases[_i].begin, begin);
	for (size_t i = 0; i < cases[_i].lines; i++, p += cases[_i].octets) {
		memcpy(p, cases[_i].line, 2);
		memcpy(p + cases[_i].octets - 2, "\r\n", 2);
	}
	*p = '\0';
	ck_assert_int_eq(talk(&peer, cases[_i].protocol, 10000, &err), DIALOGUE_BROKEN);
	ck_assert_msg(strstr(err.text, cases[_i].text) != NULL, "got %s want %s", err.text, cases[_i].text);
	free(long_answer);
}
END_TEST

/* The words of s_client -starttls, and where each is spoken. */
START_TEST(test_names)
{
	ck_assert_int_eq(starttls_of_name("imap"), STARTTLS_IMAP);
	ck_assert_int_eq(starttls_of_name("POP3"), STARTTLS_POP3);
	ck_assert_int_eq(starttls_of_name("lmtp"), STARTTLS_LMTP);
	ck_assert_int_eq(starttls_of_name("smtp"), STARTTLS_SMTP);
	ck_assert_int_eq(starttls_of_name("imaps"), -1);
	ck_assert_int_eq(starttls_of_port("143"), STARTTLS_IMAP);
	ck_assert_int_eq(starttls_of_port("110"), STARTTLS_POP3);
	ck_assert_int_eq(starttls_of_port("24"), STARTTLS_LMTP);
	ck_assert_int_eq(starttls_of_port("587"), STARTTLS_SMTP);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("starttls");
	TCase *tc = tcase_create("starttls");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_dialogue, 0, (int)(sizeof(dialogues) / sizeof(dialogues[0])));
	tcase_add_loop_test(tc, test_endless, 0, 5);
	tcase_add_test(tc, test_names);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
