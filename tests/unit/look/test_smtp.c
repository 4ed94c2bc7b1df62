/* SPDX-License-Identifier: ISC */
/* test_smtp.c: SMTP up to STARTTLS against a scripted peer. */
#include <sys/socket.h>

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "look/smtp.h"
#include "peer.h"

/* A turn after the connection, after EHLO, and after STARTTLS: see peer.h. */
static const struct {
	const char *label;
	const char *turn[3];
	enum dialogue_outcome outcome;
	const char *text;       /* part of the error */
} dialogues[] = {
	{ "plain", { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n" }, DIALOGUE_READY, "" },
	{ "many lines", { "220-a\r\n220-\r\n220 b\r\n",
	    "250-mx\r\n250-SIZE\r\n250-starttls\r\n250 HELP\r\n", "220-x\r\n220\r\n" },
	    DIALOGUE_READY, "" },
	{ "bare line feeds", { "220 mx\n", "250-mx\n250 STARTTLS \n", "220\n" }, DIALOGUE_READY, "" },
	{ "no service", { "554-mx\r\n554 no \"mail\"\r\n", "", "" }, DIALOGUE_REFUSED,
	    "refuses the connection: 554 mx no \"mail\"" },
	{ "shutting down", { "421 busy\r\n", "", "" }, DIALOGUE_REFUSED, "421 busy" },
	{ "EHLO refused", { "220 mx\r\n", "502 what?\r\n", "" }, DIALOGUE_REFUSED,
	    "refuses EHLO, which STARTTLS needs: 502 what?" },
	{ "not offered", { "220 mx\r\n", "250-mx\r\n250 SIZE\r\n", "" }, DIALOGUE_REFUSED,
	    "doesn't offer STARTTLS: 250 mx SIZE" },
	{ "a greeting is no keyword", { "220 mx\r\n", "250 STARTTLS\r\n", "" }, DIALOGUE_REFUSED,
	    "doesn't offer" },
	{ "no such keyword", { "220 mx\r\n", "250-mx\r\n250 STARTTLSX\r\n", "" }, DIALOGUE_REFUSED,
	    "doesn't offer" },
	{ "not now", { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 not\x1b[2J\\n ow\r\n" },
	    DIALOGUE_REFUSED, "refuses STARTTLS: 454 not\\x1b[2J\\x5cn ow" },
	{ "closed at once", { NULL, "", "" }, DIALOGUE_BROKEN, "SMTP banner: the server closed" },
	{ "closed at EHLO", { "220 mx\r\n", NULL, "" }, DIALOGUE_BROKEN, "SMTP EHLO: the server" },
	{ "closed at STARTTLS", { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", NULL },
	    DIALOGUE_BROKEN, "SMTP STARTTLS: the server closed" },
	{ "silent", { "", "", "" }, DIALOGUE_TIMEOUT, "SMTP banner: timed out" },
	{ "half a line", { "220 m", "", "" }, DIALOGUE_TIMEOUT, "SMTP banner: timed out" },
	{ "silent after EHLO", { "220 mx\r\n", "", "" }, DIALOGUE_TIMEOUT, "SMTP EHLO: timed out" },
	{ "silent after STARTTLS", { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "" },
	    DIALOGUE_TIMEOUT, "SMTP STARTTLS: timed out" },
	{ "another protocol", { "SSH-2.0-x\r\n", "", "" }, DIALOGUE_BROKEN,
	    "doesn't speak SMTP: \"SSH-2.0-x\"" },
	{ "no code", { "22\r\n", "", "" }, DIALOGUE_BROKEN, "doesn't speak SMTP" },
	{ "code too long", { "2200 mx\r\n", "", "" }, DIALOGUE_BROKEN, "doesn't speak SMTP" },
	{ "codes differ", { "220-a\r\n221 b\r\n", "", "" }, DIALOGUE_BROKEN, "speak SMTP: \"221 b\"" },
	{ "a reply too many", { "220 mx\r\n250 hi\r\n", "", "" }, DIALOGUE_BROKEN,
	    "an unexpected reply" },
	{ "plaintext behind the last reply",
	    { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250 evil\r\n" },
	    DIALOGUE_BROKEN, "more unencrypted data after its reply" },
};

static enum dialogue_outcome
talk(struct peer *peer, const char *ehlo, int timeout_ms, struct snicert_error *err)
{
	enum dialogue_outcome outcome;
	int fd = peer_start(peer);

	outcome = smtp_starttls(fd, ehlo, dialogue_deadline(timeout_ms), err);
	peer_end(peer, fd);
	return outcome;
}

START_TEST(test_dialogue)
{
	struct peer peer = { .turn = dialogues[_i].turn };
	struct snicert_error err = { 0 };
	int timeout = dialogues[_i].outcome == DIALOGUE_TIMEOUT ? 1500 : 10000;
	enum dialogue_outcome got = talk(&peer, "me.example", timeout, &err);

	ck_assert_msg(got == dialogues[_i].outcome, "%s: got %d (%s) want %d",
	    dialogues[_i].label, got, err.text, dialogues[_i].outcome);
	ck_assert_msg(strstr(err.text, dialogues[_i].text) != NULL, "%s: got \"%s\" want \"%s\"",
	    dialogues[_i].label, err.text, dialogues[_i].text);
	ck_assert_int_eq(err.code == SNICERT_OK, got == DIALOGUE_READY);
	if (got == DIALOGUE_READY)
		ck_assert_str_eq(peer.heard, "EHLO me.example\r\nSTARTTLS\r\n");
	if (got == DIALOGUE_REFUSED)
		ck_assert_msg(strstr(peer.heard, "QUIT\r\n") != NULL, "%s: no QUIT in %s",
		    dialogues[_i].label, peer.heard);
}
END_TEST

/* Sizes around each bound: `count` times `line`, then `last`. */
static const struct {
	const char *label;
	size_t octets, lines;   /* of each line with its end; of the banner */
	enum dialogue_outcome outcome;
	const char *text;
} sizes[] = {
	{ "longest line", 1000, 1, DIALOGUE_READY, "" },
	{ "line too long", 1001, 1, DIALOGUE_BROKEN, "more than 1000 octets" },
	{ "most lines", 20, 100, DIALOGUE_READY, "" },
	{ "too many lines", 20, 101, DIALOGUE_BROKEN, "more than 100 lines" },
	{ "too much", 1000, 70, DIALOGUE_BROKEN, "more than 64 KiB" },
};

START_TEST(test_size)
{
	char *banner = malloc(sizes[_i].octets * sizes[_i].lines + 1), *p = banner;
	const char *turn[] = { banner, "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n" };
	struct peer peer = { .turn = turn };
	struct snicert_error err = { 0 };
	enum dialogue_outcome got;

	for (size_t i = 0; i < sizes[_i].lines; i++, p += sizes[_i].octets) {
		memset(p, 'x', sizes[_i].octets);
		memcpy(p, i + 1 == sizes[_i].lines ? "220 " : "220-", 4);
		memcpy(p + sizes[_i].octets - 2, "\r\n", 2);
	}
	*p = '\0';
	got = talk(&peer, "me.example", 10000, &err);
	ck_assert_msg(got == sizes[_i].outcome, "%s: got %d (%s)", sizes[_i].label, got, err.text);
	ck_assert_msg(strstr(err.text, sizes[_i].text) != NULL, "%s: got %s", sizes[_i].label,
	    err.text);
	free(banner);
}
END_TEST

/* What the server says is cut, wherever the cut falls. */
START_TEST(test_long_refusal)
{
	char banner[900];
	const char *turn[] = { banner, "", "" };
	struct peer peer = { .turn = turn };
	struct snicert_error err = { 0 };
	size_t length;

	memset(banner, 'x', sizeof(banner));
	memset(banner + 200 + _i, 7, 100);
	memcpy(banner, "554 ", 4);
	strcpy(banner + sizeof(banner) - 3, "\r\n");
	ck_assert_int_eq(talk(&peer, "me.example", 10000, &err), DIALOGUE_REFUSED);
	length = strlen(err.text);
	ck_assert_msg(length < 300 && strcmp(err.text + length - 3, "...") == 0, "got %s", err.text);
}
END_TEST

static const struct {
	const char *ehlo;
	bool good;
} hellos[] = {
	{ NULL, true }, { "[192.0.2.1]", true }, { "", false }, { "a b", false },
	{ "a\r\nQUIT", false }, { "a\x80", false },
};

START_TEST(test_ehlo)
{
	static const char *const turn[] = { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220\r\n" };
	struct peer peer = { .turn = turn };
	struct snicert_error err = { 0 };
	enum dialogue_outcome got = talk(&peer, hellos[_i].ehlo, 10000, &err);

	ck_assert_msg((got == DIALOGUE_READY) == hellos[_i].good, "%s: %s",
	    hellos[_i].ehlo == NULL ? "NULL" : hellos[_i].ehlo, err.text);
	if (!hellos[_i].good)
		ck_assert_int_eq(err.code, SNICERT_EUSAGE);
	else
		ck_assert_int_eq(strncmp(peer.heard, "EHLO ", 5), 0);
}
END_TEST

static void *
drip(void *argument)
{
	int fd = *(int *)argument;

	while (send(fd, "220-x\r\n", 7, MSG_NOSIGNAL) == 7)
		usleep(20000);
	close(fd);
	return NULL;
}

/* A peer that keeps talking doesn't stretch the deadline: this one would never end. */
START_TEST(test_drip)
{
	struct snicert_error err = { 0 };
	long long start = dialogue_deadline(0), took;
	pthread_t thread;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, drip, &fds[1]), 0);
	ck_assert_int_eq(smtp_starttls(fds[0], NULL, dialogue_deadline(300), &err), DIALOGUE_TIMEOUT);
	took = dialogue_deadline(0) - start;
	ck_assert_msg(took >= 300, "took %lld ms", took);
	close(fds[0]);
	pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp");
	TCase *tc = tcase_create("smtp");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_dialogue, 0,
	    (int)(sizeof(dialogues) / sizeof(dialogues[0])));
	tcase_add_loop_test(tc, test_size, 0, (int)(sizeof(sizes) / sizeof(sizes[0])));
	tcase_add_loop_test(tc, test_long_refusal, 0, 45);
	tcase_add_loop_test(tc, test_ehlo, 0, (int)(sizeof(hellos) / sizeof(hellos[0])));
	tcase_add_test(tc, test_drip);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
