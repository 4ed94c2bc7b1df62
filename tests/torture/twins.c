/* SPDX-License-Identifier: ISC */
/*
 * twins: the same spoilt ClientHello to two servers, which have to answer alike.
 *
 *   twins [--smtp] [--count N] [--seconds S] PORT PORT WHAT
 *
 * Two ports on 127.0.0.1 (with --smtp: behind STARTTLS), of servers of which the second
 * has the module.  What is compared is all that a server says until it closes the
 * connection: of each record its type, of handshake messages that are not encrypted
 * theirs, and each alert.  A row WHAT goes where trial.h says.  Exit status: 0, 1 where they
 * differed or nothing was done, 2 for usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "hellos.h"
#include "trial.h"

#define PATIENCE 30             /* seconds for a server that says nothing */
#define ANSWER_SIZE 32768
#define COMPLAINTS_MOST 5

static int
connect_to(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		fprintf(stderr, "twins: port %u: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

/* A reply, the last line of which has a space behind its code. */
static bool
smtp_reply(int fd)
{
	char line[512];
	size_t used = 0;

	while (used < sizeof(line) && read(fd, line + used, 1) == 1) {
		if (line[used++] != '\n')
			continue;
		if (used > 3 && line[3] == ' ')
			return line[0] == '2';
		used = 0;
	}
	return false;
}

static bool
smtp_start(int fd)
{
	static const char hello[] = "EHLO twins.example\r\n", start[] = "STARTTLS\r\n";

	return smtp_reply(fd) && write(fd, hello, sizeof(hello) - 1) > 0 && smtp_reply(fd) &&
	    write(fd, start, sizeof(start) - 1) > 0 && smtp_reply(fd);
}

/* All until the server closes the connection, which it does as nothing more comes. */
static size_t
converse(unsigned port, bool smtp, const unsigned char *hello, size_t length, unsigned char answer[ANSWER_SIZE])
{
	int fd = connect_to(port);
	size_t used = 0;
	ssize_t n;

	if (smtp && !smtp_start(fd)) {
		fprintf(stderr, "twins: port %u: no STARTTLS\n", port);
		exit(1);
	}
	if (write(fd, hello, length) != (ssize_t)length)
		fprintf(stderr, "twins: port %u: %s\n", port, strerror(errno));
	shutdown(fd, SHUT_WR);
	while (used < ANSWER_SIZE && (n = read(fd, answer + used, ANSWER_SIZE - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET) {
			fprintf(stderr, "twins: port %u: nothing for %d s\n", port, PATIENCE);
			exit(1);
		}
		if (n < 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	return used;
}

/* The answer in words. */
static void
describe(const unsigned char *at, size_t length, char *out, size_t size)
{
	bool encrypted = false;
	size_t used = 0;

	out[0] = '\0';
	while (length > 0 && used + 32 < size) {
		size_t body = length >= 5 ? (size_t)(at[3] << 8 | at[4]) : 0;

		if (length < 5 + body || at[0] < SSL3_RT_CHANGE_CIPHER_SPEC || at[0] > SSL3_RT_APPLICATION_DATA) {
			snprintf(out + used, size - used, "%zu octets that are no record", length);
			return;
		}
		if (at[0] == SSL3_RT_ALERT && body == 2)
			used += (size_t)snprintf(out + used, size - used, "alert %d %d, ", at[5], at[6]);
		else if (at[0] == SSL3_RT_HANDSHAKE && !encrypted && body >= 4)
			for (size_t i = 5; i + 4 <= 5 + body && used + 32 < size; i += 4 + (size_t)(at[i + 1] << 16 | at[i + 2] << 8 | at[i + 3]))
				used += (size_t)snprintf(out + used, size - used, "message %d, ", at[i]);
		else
			used += (size_t)snprintf(out + used, size - used, "record %d, ", at[0]);
		encrypted = encrypted || at[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
		at += 5 + body;
		length -= 5 + body;
	}
}

static void
dump(const unsigned char *hello, size_t length)
{
	for (size_t i = 0; i < length; i++)
		fprintf(stderr, "%02x", hello[i]);
	fputc('\n', stderr);
}

struct sums {
	unsigned long tried, refused, ignored, differed;
};

static void
try_both(const unsigned ports[2], bool smtp, const unsigned char *hello, size_t length, struct sums *sums)
{
	static unsigned char answer[ANSWER_SIZE];
	char words[2][2048];

	for (int i = 0; i < 2; i++)
		describe(answer, converse(ports[i], smtp, hello, length, answer), words[i], sizeof(words[i]));
	sums->tried++;
	sums->refused += strncmp(words[0], "alert", 5) == 0;
	sums->ignored += words[0][0] == '\0';
	if (strcmp(words[0], words[1]) == 0)
		return;
	if (++sums->differed <= COMPLAINTS_MOST) {
		fprintf(stderr, "twins: ClientHello %lu: without the module %s; with it %s\n", sums->tried - 1, words[0],
		    words[1]);
		dump(hello, length);
	}
}

static int
usage(void)
{
	fputs("usage: twins [--smtp] [--count N] [--seconds S] PORT PORT WHAT\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "smtp", no_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 't' }, { 0 } };
	unsigned long count = 1000;
	double until = trial_now() + 1e9;
	SSL_CTX *clients[2] = { hello_client(TLS1_2_VERSION), hello_client(TLS1_3_VERSION) };
	static unsigned char hello[HELLO_SIZE];
	unsigned ports[2];
	struct sums sums = {0};
	bool smtp = false;
	char often[40];
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 's': smtp = true; break;
		case 'c': count = strtoul(optarg, NULL, 10); break;
		case 't': until = trial_now() + (double)strtoul(optarg, NULL, 10); break;
		default: return usage();
		}
	if (argc - optind != 3)
		return usage();
	for (int i = 0; i < 2; i++)
		ports[i] = (unsigned)strtoul(argv[optind + i], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	trial_seed();
	for (unsigned long i = 0; i < count && trial_now() < until; i++)
		try_both(ports, smtp, hello, hello_draw(clients, i, hello), &sums);
	SSL_CTX_free(clients[0]);
	SSL_CTX_free(clients[1]);
	snprintf(often, sizeof(often), "%lu ClientHellos", sums.tried);
	trial_row("peers", argv[optind + 2], often, "%lu answered as without the module, %lu otherwise; %lu got an alert, "
	    "%lu no answer", sums.tried - sums.differed, sums.differed, sums.refused, sums.ignored);
	return sums.differed > 0 || sums.tried == 0 || sums.refused == 0 || sums.refused == sums.tried;
}
