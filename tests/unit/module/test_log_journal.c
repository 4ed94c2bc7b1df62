/* SPDX-License-Identifier: ISC */
/* test_log_journal.c: entries of the journal, in a /run and a /dev of its own. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "../harness.h"
#include "log.h"
#include "log_journal.h"

#define SOCKET "/run/systemd/journal/socket"

static char jail[] = "/tmp/snicert-test-XXXXXX";
static int root = -1;
static struct log_socket journal;

static int
listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		_exit(1);
	return fd;
}

/* To be called in a child.  Returns the journal's end. */
static int
journal_at_run(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) != 0 || mount("none", "/run", "tmpfs", 0, NULL) != 0 ||
	    mkdir("/run/systemd", 0755) != 0 || mkdir("/run/systemd/journal", 0755) != 0)
		_exit(77);
	return listen_at(SOCKET);
}

static const char *
received(int fd)
{
	static char text[8192];
	ssize_t length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

static int
differs(const char *got, const char *format)
{
	char want[4096];

	snprintf(want, sizeof(want), format, (long)getpid());
	if (strcmp(got, want) == 0)
		return 0;
	fprintf(stderr, "got:\n%swant:\n%s", got, want);
	return 1;
}

static void
go_to_jail(void)
{
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chroot(jail) != 0 || chdir("/") != 0)
		_exit(77);
}

static int
fields(int fd)
{
	struct log *log = log_new(LOG_TARGET_JOURNAL, LOG_MAIL, LOG_DEBUG);
	struct log_line line;

	log_prepare(log);
	if (!log_begin(&line, log, LOG_EVENT_FALLBACK))
		return 1;
	log_word(&line, "name", "mx.customer.example");
	log_word(&line, "bound", "");
	log_word(&line, "why", "a\nSNICERT_NAME=forged \"\\=%");
	log_word(&line, "not_after", "2026-11-25T23:59:59Z");
	log_sentence(&line, "said \"so\\\"\nNAME=forged name=forged");
	log_end(&line);
	log_free(log);
	return differs(received(fd), "MESSAGE=event=fallback pid=%1$ld name=mx.customer.example bound=\"\" "
	    "why=a\\x0aSNICERT_NAME\\x3dforged\\x20\\x22\\x5c\\x3d\\x25 not_after=2026-11-25T23:59:59Z "
	    "msg=\"said \\\"so\\\\\\\"\\x0aNAME=forged name=forged\"\nPRIORITY=6\nSYSLOG_IDENTIFIER=snicert\nSYSLOG_PID=%1$ld\n"
	    "SNICERT_PROGRAM=test_log_journal\nSYSLOG_FACILITY=2\nSNICERT_EVENT=fallback\nSNICERT_PID=%1$ld\n"
	    "SNICERT_NAME=mx.customer.example\nSNICERT_BOUND=\nSNICERT_WHY=a\\x0aSNICERT_NAME\\x3dforged\\x20\\x22\\x5c\\x3d\\x25\n"
	    "SNICERT_NOT_AFTER=2026-11-25T23:59:59Z\n");
}

/* Whatever a line is like, the entry ends with a whole field, and has room for all of it. */
static int
odd_lines(int fd)
{
	static const char *const after_message[][2] = {
		{ "event=x msg=\"unended", "SNICERT_EVENT=x\n" }, { "event=x msg=\"\\", "SNICERT_EVENT=x\n" },
		{ "no key", "" }, { "", "" }, { "event=x msg=\"a b=c\" suppressed=7", "SNICERT_EVENT=x\nSNICERT_SUPPRESSED=7\n" },
	};
	char longest[1024] = "", want[64];
	const char *got;

	log_journal_open(&journal);
	for (size_t i = 0; i < COUNT(after_message); i++) {
		if (!log_journal_write(&journal, LOG_ERR, after_message[i][0]))
			return 1;
		got = strstr(received(fd), "SNICERT_PROGRAM=test_log_journal\n");
		if (got == NULL || strcmp(strchr(got, '\n') + 1, after_message[i][1]) != 0)
			return 2 + (int)i;
	}
	for (size_t i = 0; strlen(longest) + 4 < sizeof(longest); i++)
		strcat(longest, "k=v ");
	if (!log_journal_write(&journal, LOG_ERR, longest))
		return 20;
	got = received(fd);
	for (size_t i = 0; (got = strstr(got, "SNICERT_K=v\n")) != NULL; i++, got++)
		snprintf(want, sizeof(want), "%zu", i + 1);
	return strcmp(want, "255") != 0;
}

static int
jailed(int fd)
{
	log_journal_open(&journal);
	go_to_jail();
	return !log_journal_write(&journal, LOG_LOCAL7 | LOG_WARNING, "event=x") ||
	    differs(received(fd), "MESSAGE=event=x\nPRIORITY=4\nSYSLOG_IDENTIFIER=snicert\nSYSLOG_PID=%1$ld\n"
	        "SNICERT_PROGRAM=test_log_journal\nSYSLOG_FACILITY=23\nSNICERT_EVENT=x\n");
}

/* Nobody waits, and what is lost is not written elsewhere. */
static int
full(int fd)
{
	struct log *log = log_new(LOG_TARGET_JOURNAL, LOG_MAIL, LOG_DEBUG);
	int devlog = listen_at("/dev/log");

	log_prepare(log);
	log_journal_open(&journal);
	while (log_socket_send(&journal, "x", 1) == 0)
		;
	alarm(20);
	log_say(log, LOG_EVENT_KEY, "not waited for");
	if (received(devlog)[0] != '\0')
		return 1;
	while (received(fd)[0] == 'x')
		;
	log_say(log, LOG_EVENT_KEY, "read again");
	log_free(log);
	return strstr(received(fd), "read again") == NULL;
}

/* Another one listens at its place, as after a restart without systemd's socket unit; or the host has
 * closed our number, and uses it. */
static int
another_journal(int fd)
{
	int pair[2], later, ours;
	char text[64];

	log_journal_open(&journal);
	close(fd);
	later = listen_at(SOCKET);
	if (!log_journal_write(&journal, LOG_ERR, "event=x") || strstr(received(later), "EVENT=x") == NULL)
		return 1;
	ours = journal.fd;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 || dup2(pair[0], ours) != ours)
		return 2;
	if (!log_journal_write(&journal, LOG_ERR, "event=y") || strstr(received(later), "EVENT=y") == NULL ||
	    recv(pair[1], text, sizeof(text), MSG_DONTWAIT) >= 0)
		return 3;
	log_socket_close(&journal);
	return fcntl(ours, F_GETFD) < 0; /* theirs, and left open */
}

static int
no_journal(int fd)
{
	struct log *log = log_new(LOG_TARGET_JOURNAL, LOG_MAIL, LOG_DEBUG);
	int devlog = listen_at("/dev/log");
	const char *got;

	close(fd);
	unlink(SOCKET);
	log_prepare(log);
	log_say(log, LOG_EVENT_KEY, "to syslog");
	got = received(devlog);
	if (strstr(got, "snicert: event=store-key") == NULL || strstr(got, "msg=\"to syslog\"") == NULL)
		return 1;
	/* It comes later. */
	fd = listen_at(SOCKET);
	log_say(log, LOG_EVENT_KEY, "to the journal");
	if (strstr(received(fd), "to the journal") == NULL || received(devlog)[0] != '\0')
		return 2;
	log_free(log);
	return 0;
}

/* A host with a sink of its own has the lines there. */
static void
count_line(void *arg, int priority, const char *text)
{
	(void)priority;
	*(int *)arg += strncmp(text, "event=store-key", 15) == 0;
}

static int
sink(int fd)
{
	struct log *log = log_new(LOG_TARGET_JOURNAL, LOG_MAIL, LOG_DEBUG);
	int count = 0;

	log_set_sink(log, count_line, &count);
	log_prepare(log);
	log_say(log, LOG_EVENT_KEY, "to the host");
	log_free(log);
	return count != 1 || received(fd)[0] != '\0';
}

static const struct {
	const char *what;
	int (*run)(int fd);
} cases[] = {
	{ "fields", fields }, { "odd lines", odd_lines }, { "a jail", jailed }, { "a full journal", full },
	{ "another journal", another_journal }, { "no journal", no_journal }, { "a sink", sink },
};

START_TEST(test_case)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int result = cases[_i].run(journal_at_run());

		/* What a build for coverage writes at the end belongs outside. */
		_exit(root < 0 || (fchdir(root) == 0 && chroot(".") == 0) ? result : 98);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		fprintf(stderr, "SKIPPED: test_case, %s: needs root and a mount namespace\n", cases[_i].what);
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %d", cases[_i].what, status >> 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log_journal");
	TCase *tc = tcase_create("log_journal");
	int result;

	if (mkdtemp(jail) == NULL)
		return 99;
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_case, 0, COUNT(cases));
	suite_add_tcase(suite, tc);
	result = harness_run(suite);
	rmdir(jail);
	return result;
}
