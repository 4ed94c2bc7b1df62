/* SPDX-License-Identifier: ISC */
/*
 * killed.c: runs a command and kills it with SIGKILL, after a time, or as it enters
 * its Nth call that writes, syncs, names, removes or locks a file, or sends (ptrace),
 * which hits the short moments of a commit that a time seldom does.
 *
 *   killed --after MICROSECONDS COMMAND…
 *   killed [--signal KILL|INT|TERM] --at N COMMAND…
 *   killed --meanwhile SHELL-COMMAND --at N COMMAND…
 *
 * With --meanwhile it is not killed: it stands still there until the other has ended.
 * Instead of N, a text: the first such call that is of that name and begins so, as
 * "sendto COMMIT" or "pwrite64 store.db-wal".
 *
 * Prints "killed" (by that signal; who has a handler has "ended") or "ended", how many
 * such calls there were (0 with --after), the microseconds it took, and what the call
 * was; with --meanwhile a second line has the exit codes of the other (-1: it never
 * came to that) and of the command.  What the command says goes nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
fail(const char *what)
{
	perror(what);
	exit(99);
}

static pid_t
start(char **command, bool traced)
{
	pid_t pid = fork();
	sigset_t none;
	int fd;

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL); /* which a shell's background ignores */
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(99);
	if (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(98);
	execvp(command[0], command);
	_exit(99);
}

/* --- after a time ----------------------------------------------------------------- */

static bool
after(pid_t pid, int64_t micros)
{
	struct timespec left = { .tv_sec = micros / 1000000, .tv_nsec = micros % 1000000 * 1000 };
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	/* Blocked since before it was started.  Whoever has ended already is not killed. */
	if (sigtimedwait(&child, NULL, &left) < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* --- at a call -------------------------------------------------------------------- */

/* The WAL index is written through a mapping: what is around its locks stands for that. */
static bool
is_lock(uint64_t command)
{
	return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

/* What the call works on: the file of its first argument, the path that is its first or second, or what it sends. */
enum object { OF_FILE, OF_PATH, OF_PATH_AT, OF_TEXT };

static const struct call {
	long number;
	const char *name;
	enum object object;
} calls[] = {
#define CALL(name, object) { SYS_##name, #name, object }
	CALL(write, OF_FILE), CALL(writev, OF_FILE), CALL(pwrite64, OF_FILE), CALL(fsync, OF_FILE), CALL(fdatasync, OF_FILE),
	CALL(ftruncate, OF_FILE), CALL(fallocate, OF_FILE), CALL(fchmod, OF_FILE), CALL(fchown, OF_FILE),
	CALL(fcntl, OF_FILE), CALL(openat, OF_PATH_AT), CALL(linkat, OF_PATH_AT), CALL(unlinkat, OF_PATH_AT),
	CALL(renameat2, OF_PATH_AT), CALL(mkdirat, OF_PATH_AT), CALL(sendto, OF_TEXT),
#ifdef SYS_renameat
	CALL(renameat, OF_PATH_AT),
#endif
#ifdef SYS_rename
	CALL(rename, OF_PATH), CALL(link, OF_PATH), CALL(unlink, OF_PATH), CALL(mkdir, OF_PATH), CALL(rmdir, OF_PATH),
#endif
};

static const struct call *
call_of(const struct __ptrace_syscall_info *info)
{
	long number = (long)info->entry.nr;

	if (number == SYS_fcntl && !is_lock(info->entry.args[1]))
		return NULL;
	if (number == SYS_openat && (info->entry.args[2] & O_CREAT) == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (number == calls[i].number)
			return &calls[i];
	return NULL;
}

static size_t
peek(pid_t pid, uint64_t at, char *out, size_t size)
{
	struct iovec here = { out, size }, there = { (void *)(uintptr_t)at, size };
	ssize_t got;

	/* Across the end of what is mapped nothing is read. */
	while ((got = process_vm_readv(pid, &here, 1, &there, 1, 0)) < 0 && here.iov_len > 16)
		here.iov_len = there.iov_len = here.iov_len / 2;
	return got < 0 ? 0 : (size_t)got;
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* "pwrite64 store.db-wal"; of what it sends the first words, without what a protocol has before them. */
static void
describe(pid_t pid, const struct call *call, const struct __ptrace_syscall_info *info, char *out, size_t size)
{
	char link[64], object[200] = "";
	const char *from = object;
	size_t length, at = 0;
	ssize_t got;

	switch (call->object) {
	case OF_FILE:
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)info->entry.args[0]);
		got = readlink(link, object, sizeof(object) - 1);
		object[got < 0 ? 0 : got] = '\0';
		from = last_part(object);
		break;
	case OF_PATH:
	case OF_PATH_AT:
		peek(pid, info->entry.args[call->object == OF_PATH ? 0 : 1], object, sizeof(object) - 1);
		from = last_part(object);
		break;
	case OF_TEXT:
		length = info->entry.args[2] < sizeof(object) - 1 ? (size_t)info->entry.args[2] : sizeof(object) - 1;
		length = peek(pid, info->entry.args[1], object, length);
		while (at < length && strspn(object + at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < 4)
			at++;
		object[length] = '\0';
		object[at + strcspn(object + at, "\n")] = '\0';
		from = object + at;
		break;
	}
	snprintf(out, size, "%s %.60s", call->name, from);
}

/* A thread has stopped: what it goes on with. */
static int
signal_of(int status)
{
	int signal = WSTOPSIG(status);

	return signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

/* What comes of it at its Nth call, or the first that begins so: a signal, or that it stands still while another runs. */
struct event {
	long number;
	const char *text;               /* NULL: by number */
	int signal;
	const char *meanwhile;
	bool came;
	char what[100];                 /* that call */
	int other, own;                 /* exit codes */
};

static bool
is_the_moment(pid_t thread, const struct call *call, const struct __ptrace_syscall_info *info, long count, struct event *event)
{
	if (event->came || (event->text == NULL && count != event->number))
		return false;
	describe(thread, call, info, event->what, sizeof(event->what));
	event->came = event->text == NULL || strncmp(event->what, event->text, strlen(event->text)) == 0;
	return event->came;
}

static int
code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool
at_call(pid_t pid, struct event *event, long *count)
{
	struct __ptrace_syscall_info info;
	const struct call *call;
	bool killed = false;
	pid_t thread;
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
	        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0)
		fail("ptrace");
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	while ((thread = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (thread == pid) {
				killed = WIFSIGNALED(status) && WTERMSIG(status) == event->signal;
				event->own = code_of(status);
			}
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && (call = call_of(&info)) != NULL &&
		    is_the_moment(thread, call, &info, ++*count, event)) {
			if (event->meanwhile != NULL)
				event->other = code_of(system(event->meanwhile));
			else
				kill(pid, event->signal);
			if (event->signal == SIGKILL)
				continue;
		}
		ptrace(PTRACE_SYSCALL, thread, NULL, signal_of(status));
	}
	return killed;
}

static int
signal_named(const char *name)
{
	return strcmp(name, "KILL") == 0 ? SIGKILL : strcmp(name, "INT") == 0 ? SIGINT : strcmp(name, "TERM") == 0 ? SIGTERM : 0;
}

int
main(int argc, char **argv)
{
	struct event event = { .signal = SIGKILL, .other = -1 };
	bool by_call, killed, told = true;
	char *end;
	long count = 0;
	int64_t from;
	sigset_t child;
	pid_t pid;

	if (argc > 4 && strcmp(argv[1], "--signal") == 0)
		event.signal = signal_named(argv[2]);
	else if (argc > 4 && strcmp(argv[1], "--meanwhile") == 0)
		event = (struct event){ .meanwhile = argv[2], .other = -1 };
	else
		told = false;
	if (told) {
		argc -= 2;
		argv += 2;
	}
	by_call = argc > 3 && strcmp(argv[1], "--at") == 0;
	if (argc < 4 || (!by_call && (told || strcmp(argv[1], "--after") != 0))) {
		fprintf(stderr, "usage: killed --after MICROSECONDS | [--signal KILL|INT|TERM | --meanwhile SHELL-COMMAND] "
		    "--at N|CALL COMMAND…\n");
		return 2;
	}
	event.number = strtol(argv[2], &end, 10);
	if (*end != '\0')
		event.text = argv[2];
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	from = now();
	pid = start(argv + 3, by_call);
	killed = by_call ? at_call(pid, &event, &count) : after(pid, atoll(argv[2]));
	printf("%s %ld %lld %s\n", killed ? "killed" : "ended", count, (long long)(now() - from), event.came ? event.what : "");
	if (event.meanwhile != NULL)
		printf("%d %d\n", event.other, event.own);
	return 0;
}
