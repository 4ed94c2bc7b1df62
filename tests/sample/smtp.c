/* SPDX-License-Identifier: ISC */
/*
 * smtp.c: the dialogue of an SMTP server (RFC 5321) with STARTTLS (RFC 3207),
 * SIZE, 8BITMIME, PIPELINING and enhanced status codes.  It accepts mail for
 * anybody and delivers none.
 *
 * STARTTLS injection: text that arrives behind STARTTLS, before the handshake,
 * may come from somebody between client and server who wants it taken for the
 * client's once TLS protects the session (CVE-2011-0411).  No client may send
 * any, so where there is some the answer to STARTTLS is 501, what was injected
 * gets 421, and the connection is closed: there's no TLS, and none of it is
 * carried out, before or after.  A session that went on would hide the attack
 * from the client.  Text that comes later still is read by the handshake, which
 * fails on it.  After the handshake all that was said in plaintext is forgotten.
 *
 * A message ends with CRLF "." CRLF and nothing else; bare CRs and LFs get the
 * message refused, for other servers may see the end of a message in them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include <openssl/err.h>

#include "address.h"
#include "log.h"
#include "smtp.h"
#include "spool.h"
#include "stream.h"

/* RFC 5321 section 4.5.3.1: a command line, with room for what SIZE (RFC 1870)
 * and 8BITMIME (RFC 6152) add to MAIL; a text line, with a doubled dot. */
#define COMMAND_LINE_MAX (512 + 26 + 17)
#define TEXT_LINE_MAX    (1000 + 1)
#define RECIPIENTS_MAX   100
#define MESSAGE_MAX      (10ul * 1024 * 1024)
#define ERRORS_MAX       20
#define HELO_MAX         255

struct session {
	const struct smtp_config *config;
	struct stream stream;
	char peer[80];
	const char *end;        /* why the session ends; NULL: it goes on */
	unsigned errors, messages;
	/* From here on, what STARTTLS makes us forget. */
	bool esmtp;
	char helo[HELO_MAX + 1];        /* empty: neither HELO nor EHLO came */
	bool has_sender;
	char sender[ADDRESS_MAX + 1];
	unsigned recipients;
	char recipient[RECIPIENTS_MAX][ADDRESS_MAX + 1];
};

static void
reply(struct session *s, const char *text)
{
	stream_printf(&s->stream, "%s\r\n", text);
}

/* A reply to something the client should not have done; patience is limited. */
static void
refuse(struct session *s, const char *text)
{
	reply(s, text);
	if (++s->errors >= ERRORS_MAX && s->end == NULL) {
		reply(s, "421 4.7.0 Too many errors");
		s->end = "errors";
	}
}

/* End the session for no fault of the client's commands. */
static void
give_up(struct session *s, bool stopping)
{
	reply(s, stopping ? "421 4.3.2 Shutting down" : "421 4.4.2 Timeout");
	s->end = stopping ? "shutdown" : "timeout";
}

static void
transaction_reset(struct session *s)
{
	s->has_sender = false;
	s->recipients = 0;
}

static void
hello(struct session *s, const char *arg, bool esmtp)
{
	size_t length = strlen(arg);

	for (size_t i = 0; i < length; i++)
		if (arg[i] <= 0x20 || arg[i] > 0x7e)
			length = 0;
	if (length == 0 || length > HELO_MAX) {
		refuse(s, "501 5.5.4 Say who you are: a domain or an address literal");
		return;
	}
	transaction_reset(s);
	memcpy(s->helo, arg, length + 1);
	s->esmtp = esmtp;
	if (!esmtp) {
		stream_printf(&s->stream, "250 %s\r\n", s->config->hostname);
		return;
	}
	stream_printf(&s->stream, "250-%s\r\n250-PIPELINING\r\n250-SIZE %lu\r\n%s"
	    "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n", s->config->hostname, MESSAGE_MAX,
	    s->stream.ssl == NULL ? "250-STARTTLS\r\n" : "");
}

static void
do_ehlo(struct session *s, const char *arg)
{
	hello(s, arg, true);
}

static void
do_helo(struct session *s, const char *arg)
{
	hello(s, arg, false);
}

static int
start_tls(struct session *s)
{
	const char *reason;

	if (stream_start_tls(&s->stream, s->config->ctx) == 0)
		return 0;
	reason = ERR_reason_error_string(ERR_peek_error());
	log_line(LOG_INFO, "handshake with %s failed: %s", s->peer,
	    reason != NULL ? reason : "closed or timed out");
	ERR_clear_error();
	s->end = "handshake";
	return -1;
}

static void
do_starttls(struct session *s, const char *arg)
{
	if (s->stream.ssl != NULL)
		refuse(s, "503 5.5.1 TLS is active already");
	else if (*arg != '\0')
		refuse(s, "501 5.5.4 STARTTLS takes no argument");
	else if (!s->esmtp)
		refuse(s, "503 5.5.1 EHLO first");
	else if (s->has_sender)
		refuse(s, "503 5.5.1 Not within a mail transaction");
	else if (stream_plaintext_waiting(&s->stream)) {
		reply(s, "501 5.5.1 Nothing may follow STARTTLS before the handshake");
		reply(s, "421 4.7.0 Closing the connection");
		s->end = "injection";
	} else {
		reply(s, "220 2.0.0 Go ahead");
		if (stream_flush(&s->stream) != 0 || start_tls(s) != 0)
			return;
		transaction_reset(s);
		s->esmtp = false;
		s->helo[0] = '\0';
	}
}

/* The parameters of MAIL: SIZE and BODY.  Returns a refusal, or NULL where they're fine. */
static const char *
mail_parameters(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (strncasecmp(text, "SIZE=", 5) == 0) {
			size_t digits = strspn(text + 5, "0123456789");

			if (digits == 0 || digits > 20 || digits + 5 != length)
				return "501 5.5.4 SIZE wants a number";
			if (strtoull(text + 5, NULL, 10) > MESSAGE_MAX)
				return "552 5.3.4 Message too big";
		} else if (!(length == 9 && strncasecmp(text, "BODY=7BIT", 9) == 0) &&
		    !(length == 13 && strncasecmp(text, "BODY=8BITMIME", 13) == 0)) {
			return "555 5.5.4 Unknown parameter";
		}
		text += length;
		text += strspn(text, " ");
	}
	return NULL;
}

static void
do_mail(struct session *s, const char *arg)
{
	const char *rest, *problem;

	if (s->helo[0] == '\0') {
		refuse(s, "503 5.5.1 EHLO or HELO first");
		return;
	}
	if (s->has_sender) {
		refuse(s, "503 5.5.1 There is a sender already");
		return;
	}
	rest = address_parse(arg, "FROM:", s->sender);
	if (rest == NULL || (s->sender[0] != '\0' && !address_complete(s->sender))) {
		refuse(s, "501 5.1.7 Syntax: MAIL FROM:<address>");
		return;
	}
	problem = mail_parameters(rest);
	if (problem != NULL) {
		refuse(s, problem);
		return;
	}
	s->has_sender = true;
	reply(s, "250 2.1.0 Sender ok");
}

static void
do_rcpt(struct session *s, const char *arg)
{
	char address[ADDRESS_MAX + 1];
	const char *rest;

	if (!s->has_sender) {
		refuse(s, "503 5.5.1 MAIL first");
		return;
	}
	rest = address_parse(arg, "TO:", address);
	if (rest == NULL || (!address_complete(address) && strcasecmp(address, "postmaster") != 0))
		refuse(s, "501 5.1.3 Syntax: RCPT TO:<address>");
	else if (*rest != '\0')
		refuse(s, "555 5.5.4 Unknown parameter");
	else if (s->recipients == RECIPIENTS_MAX)
		reply(s, "452 4.5.3 Too many recipients");
	else {
		memcpy(s->recipient[s->recipients++], address, strlen(address) + 1);
		reply(s, "250 2.1.5 Recipient ok");
	}
}

static void
spool_text(struct spool *spool, const char *text)
{
	spool_line(spool, text, strlen(text));
}

/* Return path, recipients and trace (RFC 5321 section 4.4). */
static void
write_trace(struct session *s, struct spool *spool)
{
	char line[1024], date[64], served[300];
	SSL *ssl = s->stream.ssl;
	time_t now = time(NULL);
	struct tm tm;

	snprintf(line, sizeof(line), "Return-Path: <%s>", s->sender);
	spool_text(spool, line);
	for (unsigned i = 0; i < s->recipients; i++) {
		snprintf(line, sizeof(line), "X-Envelope-To: <%s>", s->recipient[i]);
		spool_text(spool, line);
	}
	snprintf(line, sizeof(line), "Received: from %s (%s)", s->helo, s->peer);
	spool_text(spool, line);
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	snprintf(line, sizeof(line), "\tby %s with %s%s (%s %s%s%s); %s", s->config->hostname,
	    s->esmtp ? "ESMTP" : "SMTP", ssl != NULL && s->esmtp ? "S" : "",
	    ssl != NULL ? SSL_get_version(ssl) : "no", ssl != NULL ? SSL_get_cipher(ssl) : "TLS",
	    ssl != NULL ? " certificate=" : "", ssl != NULL ? certs_served(s->config->certs, ssl, served, sizeof(served)) : "",
	    date);
	spool_text(spool, line);
}

/*
 * Read the message up to its end.  *problem becomes the refusal, should there
 * be one; the rest of the message is read all the same.
 * Returns 0, or -1 where the connection came to its end first.
 */
static int
read_message(struct session *s, struct spool *spool, const char **problem)
{
	size_t total = 0;
	bool after_crlf = true;

	for (;;) {
		struct stream_line line;
		enum stream_result result =
		    stream_read_line(&s->stream, &line, TEXT_LINE_MAX, false);

		if (result == STREAM_TOO_LONG) {
			*problem = "500 5.6.0 Line too long";
			after_crlf = line.crlf;
			continue;
		}
		if (result != STREAM_LINE) {
			s->end = "closed";
			if (result == STREAM_TIMEOUT)
				give_up(s, s->stream.stopping);
			return -1;
		}
		if (after_crlf && line.crlf && line.length == 1 && line.text[0] == '.')
			return 0;
		if (!line.crlf || memchr(line.text, '\r', line.length) != NULL ||
		    memchr(line.text, '\0', line.length) != NULL)
			*problem = "554 5.6.0 Bare CR, bare LF or NUL in the message";
		after_crlf = line.crlf;
		if (line.length > 0 && line.text[0] == '.') {
			line.text++;
			line.length--;
		}
		total += line.length + 2;
		if (total > MESSAGE_MAX && *problem == NULL)
			*problem = "552 5.3.4 Message too big";
		if (*problem == NULL)
			spool_line(spool, line.text, line.length);
	}
}

static void
do_data(struct session *s, const char *arg)
{
	struct spool spool;
	const char *problem = NULL;

	if (*arg != '\0') {
		refuse(s, "501 5.5.4 DATA takes no argument");
		return;
	}
	if (s->recipients == 0) {
		refuse(s, s->has_sender ? "503 5.5.1 RCPT first" : "503 5.5.1 MAIL first");
		return;
	}
	if (spool_begin(&spool, s->config->mail_dir_fd) != 0) {
		reply(s, "451 4.3.0 No place to put a message");
		return;
	}
	reply(s, "354 End with a line that holds a dot alone");
	write_trace(s, &spool);
	if (read_message(s, &spool, &problem) != 0) {
		spool_abort(&spool);
		return;
	}
	transaction_reset(s);
	if (problem != NULL) {
		spool_abort(&spool);
		refuse(s, problem);
	} else if (spool_commit(&spool) != 0) {
		reply(s, "452 4.3.1 The message can't be stored");
	} else {
		s->messages++;
		reply(s, "250 2.0.0 Accepted");
	}
}

static void
do_rset(struct session *s, const char *arg)
{
	if (*arg != '\0') {
		refuse(s, "501 5.5.4 RSET takes no argument");
		return;
	}
	transaction_reset(s);
	reply(s, "250 2.0.0 Forgotten");
}

static void
do_noop(struct session *s, const char *arg)
{
	(void)arg;
	reply(s, "250 2.0.0 Ok");
}

static void
do_vrfy(struct session *s, const char *arg)
{
	(void)arg;
	reply(s, "252 2.5.0 Send mail and see");
}

static void
do_quit(struct session *s, const char *arg)
{
	if (*arg != '\0') {
		refuse(s, "501 5.5.4 QUIT takes no argument");
		return;
	}
	reply(s, "221 2.0.0 Bye");
	s->end = "quit";
}

static const struct command {
	const char *verb;
	void (*run)(struct session *, const char *arg);
} commands[] = {
	{ "EHLO", do_ehlo }, { "HELO", do_helo }, { "STARTTLS", do_starttls },
	{ "MAIL", do_mail }, { "RCPT", do_rcpt }, { "DATA", do_data }, { "RSET", do_rset },
	{ "NOOP", do_noop }, { "VRFY", do_vrfy }, { "QUIT", do_quit },
};

static void
run_command(struct session *s, struct stream_line *line)
{
	size_t verb, length = line->length;
	const char *arg;

	if (strlen(line->text) != length) {
		refuse(s, "500 5.5.2 NUL in a command");
		return;
	}
	while (length > 0 && (line->text[length - 1] == ' ' || line->text[length - 1] == '\t'))
		line->text[--length] = '\0';
	verb = strcspn(line->text, " ");
	arg = line->text + verb;
	arg += strspn(arg, " ");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(commands[i].verb) == verb &&
		    strncasecmp(line->text, commands[i].verb, verb) == 0) {
			commands[i].run(s, arg);
			return;
		}
	}
	refuse(s, "500 5.5.2 Unknown command");
}

static void
dialogue(struct session *s)
{
	stream_printf(&s->stream, "220 %s ESMTP sample-mta\r\n", s->config->hostname);
	while (s->end == NULL) {
		struct stream_line line;

		switch (stream_read_line(&s->stream, &line, COMMAND_LINE_MAX, true)) {
		case STREAM_LINE:
			run_command(s, &line);
			break;
		case STREAM_TOO_LONG:
			refuse(s, "500 5.5.2 Line too long");
			break;
		case STREAM_STOP:
			give_up(s, true);
			break;
		case STREAM_TIMEOUT:
			give_up(s, false);
			break;
		case STREAM_CLOSED:
			s->end = "closed";
			break;
		}
	}
	stream_flush(&s->stream);
}

static void
log_session(const struct session *s)
{
	SSL *ssl = s->end != NULL && strcmp(s->end, "handshake") != 0 ? s->stream.ssl : NULL;
	const char *sni = ssl != NULL ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
	char escaped[300], served[300];

	log_line(LOG_INFO, "session peer=%s tls=%s cipher=%s sni=%s served=%s resumed=%s messages=%u end=%s",
	    s->peer, ssl != NULL ? SSL_get_version(ssl) : "-",
	    ssl != NULL ? SSL_get_cipher(ssl) : "-",
	    sni != NULL ? log_escape(escaped, sizeof(escaped), sni) : "-",
	    ssl != NULL ? certs_served(s->config->certs, ssl, served, sizeof(served)) : "-",
	    ssl == NULL ? "-" : SSL_session_reused(ssl) ? "yes" : "no", s->messages, s->end);
}

static void
peer_name(int fd, char *out, size_t size)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	char host[64] = "?", port[8] = "?";

	if (getpeername(fd, (struct sockaddr *)&address, &length) == 0)
		getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void
smtp_session(const struct smtp_config *config, int fd, int stop_fd)
{
	struct session s;

	s.config = config;
	s.end = NULL;
	s.errors = s.messages = 0;
	s.esmtp = false;
	s.helo[0] = '\0';
	transaction_reset(&s);
	peer_name(fd, s.peer, sizeof(s.peer));
	stream_open(&s.stream, fd, stop_fd, config->timeout_ms);
	if (!config->implicit_tls || start_tls(&s) == 0)
		dialogue(&s);
	log_session(&s);
	stream_close(&s.stream);
}
