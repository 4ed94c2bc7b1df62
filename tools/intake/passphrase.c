/* SPDX-License-Identifier: ISC */
/* passphrase.c: passphrases by file, descriptor or prompt; never an argument. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "error.h"
#include "intake/passphrase.h"

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

static void
forget(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static bool
has_terminal(void)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (tty >= 0)
		close(tty);
	return tty >= 0;
}

static char *
prompt(const char *what)
{
	char line[BAG_PASSPHRASE_MAX + 1], text[300];
	char *copy = NULL;

	snprintf(text, sizeof(text), "Passphrase for %s: ", what);
	if (EVP_read_pw_string(line, sizeof(line), text, 0) == 0)
		copy = strdup(line);
	OPENSSL_cleanse(line, sizeof(line));
	return copy;
}

static char *
copy_of(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

/* A file with two passphrases is asked for twice, and so each time that it is read again. */
static char *
repeat(struct passphrase *where, const char *what)
{
	struct passphrase_answer *first = NULL;

	for (size_t i = 0; i < where->answer_count; i++) {
		struct passphrase_answer *answer = &where->answers[i];

		if (strcmp(answer->what, what) != 0)
			continue;
		if (!answer->used) {
			answer->used = true;
			return copy_of(answer->text);
		}
		if (first == NULL)
			first = answer;
	}
	for (size_t i = 0; i < where->answer_count; i++)
		if (strcmp(where->answers[i].what, what) == 0)
			where->answers[i].used = &where->answers[i] == first;
	return first == NULL ? NULL : copy_of(first->text);
}

static char *
ask(void *arg, const char *what)
{
	struct passphrase *where = arg;
	struct passphrase_answer *list;

	if (where->file != NULL || where->fd >= 0)
		return copy_of(where->kept);
	if (!where->prompts)
		return repeat(where, what);
	list = reallocarray(where->answers, where->answer_count + 1, sizeof(*list));
	if (list == NULL)
		return NULL;
	where->answers = list;
	list[where->answer_count] = (struct passphrase_answer){ .what = strdup(what), .text = prompt(what) };
	if (list[where->answer_count].what == NULL) {
		forget(list[where->answer_count].text);
		return NULL;
	}
	return copy_of(list[where->answer_count++].text);
}

struct passphrase_source
passphrase_from(struct passphrase *where)
{
	return (struct passphrase_source){ ask, where };
}

int
passphrase_begin(struct passphrase *where, struct snicert_error *err)
{
	int fd = where->fd;

	if (where->file != NULL && (fd = open(where->file, O_RDONLY | O_CLOEXEC)) < 0)
		return error_system(err, "passphrase file %s", where->file);
	if (fd >= 0)
		where->kept = first_line(fd);
	if (where->file != NULL)
		close(fd);
	where->prompts = fd < 0 && has_terminal();
	return 0;
}

bool
passphrase_asks(const struct passphrase *where)
{
	return where->prompts;
}

void
passphrase_end(struct passphrase *where)
{
	where->prompts = false;
}

void
passphrase_clear(struct passphrase *where)
{
	forget(where->kept);
	where->kept = NULL;
	for (size_t i = 0; i < where->answer_count; i++) {
		free(where->answers[i].what);
		forget(where->answers[i].text);
	}
	free(where->answers);
	where->answers = NULL;
	where->answer_count = 0;
}
