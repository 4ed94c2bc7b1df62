/* SPDX-License-Identifier: ISC */
/*
 * ask.c: asking a program something.  Knows processes and pipes, not questions.  Answers reach a
 * terminal sooner or later, and nobody here needs more than printable ASCII.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "setup/ask.h"

struct stream {
	int fd;
	char *text;
	size_t length;
};

/* Read some, without octets that act on a terminal.  0 at the end. */
static ssize_t
stream_read(struct stream *stream)
{
	char octets[4096];
	ssize_t got = read(stream->fd, octets, sizeof(octets));

	for (ssize_t i = 0; i < got && stream->length < ASK_TEXT_MOST; i++) {
		bool plain = (octets[i] >= ' ' && octets[i] <= '~') || octets[i] == '\n' || octets[i] == '\t';

		stream->text[stream->length++] = plain ? octets[i] : '?'; /* NOLINT(bugprone-narrowing-conversions): a char */
	}
	return got < 0 && (errno == EINTR || errno == EAGAIN) ? 1 : got;
}

/* Until both end; false on timeout. */
static bool
read_both(struct stream streams[2], unsigned seconds)
{
	long long end = clock_ms() + 1000LL * seconds;
	int open = 2;

	while (open > 0) {
		struct pollfd fds[2] = { { streams[0].fd, POLLIN, 0 }, { streams[1].fd, POLLIN, 0 } };
		long long left = end - clock_ms();

		if (left <= 0)
			return false;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return false;
		for (int i = 0; i < 2; i++) {
			if (streams[i].fd < 0 || fds[i].revents == 0 || stream_read(&streams[i]) > 0)
				continue;
			close(streams[i].fd);
			streams[i].fd = -1;
			open--;
		}
	}
	return true;
}

/* It may close its streams and go on: this needs a limit, too. */
static bool
wait_for(pid_t pid, unsigned seconds, int *status)
{
	long long end = clock_ms() + 1000LL * seconds;
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (clock_ms() >= end)
			return false;
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	}
	return true;
}

/* The write ends become its standard output and error. */
static int
start(const char *const argv[], const int ends[2], pid_t *pid)
{
	static char *const environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigaddset(&signals, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	/* Its own process group, so that we can kill all of it. */
	posix_spawnattr_setflags(&attributes,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	for (int i = 0; i < 2 && status == 0; i++)
		status = posix_spawn_file_actions_adddup2(&actions, ends[i], i + 1);
	if (status == 0)
		status = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

static int
converse(const char *const argv[], unsigned seconds, struct stream streams[2], int *exit_code,
    struct snicert_error *err)
{
	int out[2], failed[2], status = 0;
	bool done;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return error_system(err, "no pipe");
	if (pipe2(failed, O_CLOEXEC) != 0) {
		close(out[0]);
		close(out[1]);
		return error_system(err, "no pipe");
	}
	streams[0].fd = out[0];
	streams[1].fd = failed[0];
	status = start(argv, (const int[]){ out[1], failed[1] }, &pid);
	close(out[1]);
	close(failed[1]);
	if (status != 0) {
		errno = status;
		return error_system(err, "can't run %s", argv[0]);
	}
	done = read_both(streams, seconds) && wait_for(pid, seconds, &status);
	kill(-pid, SIGKILL);
	if (!done) {
		waitpid(pid, &status, 0);
		return error_set(err, SNICERT_EINPUT, "%s did not answer within %u seconds", argv[0], seconds);
	}
	*exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int
ask_run(const char *const argv[], unsigned seconds, struct ask_answer *answer,
    struct snicert_error *err)
{
	struct stream streams[2] = { { .fd = -1 }, { .fd = -1 } };
	int status = -1;

	memset(answer, 0, sizeof(*answer));
	for (int i = 0; i < 2; i++)
		streams[i].text = calloc(1, ASK_TEXT_MOST + 1);
	if (streams[0].text == NULL || streams[1].text == NULL)
		error_set(err, SNICERT_EMEMORY, "no memory");
	else
		status = converse(argv, seconds, streams, &answer->exit_code, err);
	for (int i = 0; i < 2; i++)
		if (streams[i].fd >= 0)
			close(streams[i].fd);
	answer->out = streams[0].text;
	answer->err = streams[1].text;
	if (status != 0)
		ask_free(answer);
	return status;
}

void
ask_free(struct ask_answer *answer)
{
	free(answer->out);
	free(answer->err);
	memset(answer, 0, sizeof(*answer));
}
