/* SPDX-License-Identifier: ISC */
/*
 * fuzz_smtp.c: an SMTP server's replies into `snicert probe`.  A NUL ends what is sent
 * at once: each part comes as a packet of its own, as if it had been waited for.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "look/smtp.h"

static void
one(const uint8_t *data, size_t size)
{
	struct snicert_error err = {0};
	enum dialogue_outcome outcome;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		fuzz_die("no sockets");
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\0', size - at);
		size_t length = end == NULL ? size - at : (size_t)(end - (data + at));

		/* An empty packet would be the end of the connection. */
		if (length > 0 && send(fds[1], data + at, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		at += length + 1;
	}
	shutdown(fds[1], SHUT_WR);
	outcome = smtp_starttls(fds[0], "probe.example", dialogue_deadline(30000), &err);
	if ((outcome == DIALOGUE_READY) != (err.code == SNICERT_OK))
		fuzz_die("outcome %d, error \"%s\"", (int)outcome, err.text);
	if (outcome == DIALOGUE_TIMEOUT)
		fuzz_die("waits for a peer that has closed");
	for (size_t i = 0; err.text[i] != '\0'; i++)
		if ((unsigned char)err.text[i] < ' ' || err.text[i] == 0x7f)
			fuzz_die("octet %#x in an error", (unsigned)(unsigned char)err.text[i]);
	close(fds[0]);
	close(fds[1]);
}

const struct fuzz_target fuzz_smtp = { .name = "smtp", .one = one, .most = 4096 };
