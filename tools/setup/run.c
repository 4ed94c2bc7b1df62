/* SPDX-License-Identifier: ISC */
/* run.c: runs the guide's commands without a shell. */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "setup/run.h"

#define WORDS_MOST 64

int
run_words(const char *const argv[], int *code, struct snicert_error *err)
{
	bool self = strcmp(argv[0], "snicert") == 0;
	int status;
	pid_t pid;

	fflush(stdout);
	status = posix_spawnp(&pid, self ? "/proc/self/exe" : argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (status != 0) {
		errno = status;
		return error_system(err, "can't run %s", argv[0]);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_system(err, "%s", argv[0]);
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static int
run_one(const char *const argv[], struct snicert_error *err)
{
	int code = 0;

	if (run_words(argv, &code, err) != 0)
		return -1;
	return code == 0 ? 0 : error_set(err, SNICERT_EINPUT, "%s ended with exit code %d", argv[0], code);
}

/* Copy the word at *at to *out; whether it separates two commands. */
static bool
next_word(const char **at, char **out)
{
	bool quoted = false, separates = strncmp(*at, "&&", 2) == 0;

	for (; **at != '\0'; (*at)++) {
		if (**at == '\'')
			quoted = !quoted;
		else if (!quoted && (**at == ' ' || **at == '\t' || **at == '\n'))
			break;
		else if (!quoted && **at == ';') {
			separates = true;
			(*at)++;
			break;
		} else
			*(*out)++ = **at;
	}
	*(*out)++ = '\0';
	return separates;
}

int
run_commands(const char *line, struct snicert_error *err)
{
	const char *argv[WORDS_MOST + 1];
	char *words = malloc(2 * strlen(line) + 2), *out = words;
	size_t count = 0;
	int rc = 0;

	if (words == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	while (rc == 0 && *(line += strspn(line, " \t\n")) != '\0') {
		char *word = out;
		bool ends = next_word(&line, &out);

		if (*word != '\0' && strcmp(word, "&&") != 0 && count < WORDS_MOST)
			argv[count++] = word;
		if (!ends)
			continue;
		argv[count] = NULL;
		rc = count > 0 ? run_one(argv, err) : 0;
		count = 0;
	}
	argv[count] = NULL;
	if (rc == 0 && count > 0)
		rc = run_one(argv, err);
	free(words);
	return rc;
}
