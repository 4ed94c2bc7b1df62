/* SPDX-License-Identifier: ISC */
/* passphrase.c: passphrases by file, descriptor or prompt; never an argument. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "intake/passphrase.h"
#include "show/say.h"

/* The first line from a descriptor, in malloc'ed memory. */
static char *
first_line(int fd)
{
	char line[BAG_PASSPHRASE_MAX + 2];
	size_t used = 0;
	char *copy;

	while (used < sizeof(line) - 1) {
		ssize_t got = read(fd, line + used, 1);

		if (got <= 0 || line[used] == '\n')
			break;
		used++;
	}
	if (used > 0 && line[used - 1] == '\r')
		used--;
	line[used] = '\0';
	copy = used > BAG_PASSPHRASE_MAX ? NULL : strdup(line);
	OPENSSL_cleanse(line, sizeof(line));
	return copy;
}

static char *
prompt(const char *what)
{
	char line[BAG_PASSPHRASE_MAX + 1], text[300];
	char *copy = NULL;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (tty < 0)
		return NULL;
	close(tty);
	snprintf(text, sizeof(text), "Passphrase for %s: ", what);
	if (EVP_read_pw_string(line, sizeof(line), text, 0) == 0)
		copy = strdup(line);
	OPENSSL_cleanse(line, sizeof(line));
	return copy;
}

static char *
ask(void *arg, const char *what)
{
	struct passphrase *where = arg;

	if (where->file == NULL && where->fd < 0)
		return prompt(what);
	if (!where->asked) {
		int fd = where->file != NULL ? open(where->file, O_RDONLY | O_CLOEXEC) : where->fd;

		where->asked = true;
		if (fd >= 0)
			where->kept = first_line(fd);
		else
			say("can't open the passphrase file %s: %m", where->file);
		if (where->file != NULL && fd >= 0)
			close(fd);
	}
	return where->kept == NULL ? NULL : strdup(where->kept);
}

struct passphrase_source
passphrase_from(struct passphrase *where)
{
	return (struct passphrase_source){ ask, where };
}

void
passphrase_clear(struct passphrase *where)
{
	if (where->kept != NULL)
		OPENSSL_cleanse(where->kept, strlen(where->kept));
	free(where->kept);
	where->kept = NULL;
}
