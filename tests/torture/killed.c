/* SPDX-License-Identifier: ISC */
/*
 * killed.c: runs a command and kills it with SIGKILL, after a time, or as it enters
 * its Nth call that writes, syncs, names, removes or locks a file (ptrace), which
 * hits the short moments of a commit that a time seldom does.
 *
 *   killed --after MICROSECONDS COMMAND…
 *   killed [--signal KILL|INT|TERM] --at N COMMAND…
 *   killed --meanwhile SHELL-COMMAND --at N COMMAND…
 *
 * With --meanwhile it is not killed: it stands still there until the other has ended.
 *
 * Prints "killed" (by that signal; who has a handler has "ended") or "ended", how many
 * such calls there were (0 with --after), and the microseconds it took; with --meanwhile
 * a second line has the exit codes of the other (-1: it never came to that) and of the
 * command.  What the command says goes nowhere.
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

static bool
changes_files(const struct __ptrace_syscall_info *info)
{
	static const long calls[] = {
		SYS_write, SYS_writev, SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_fallocate,
		SYS_fchmod, SYS_fchown, SYS_linkat, SYS_unlinkat, SYS_renameat2, SYS_mkdirat,
#ifdef SYS_renameat
		SYS_renameat,
#endif
#ifdef SYS_rename
		SYS_rename, SYS_link, SYS_unlink, SYS_mkdir, SYS_rmdir,
#endif
	};
	long call = (long)info->entry.nr;

	if (call == SYS_fcntl)
		return is_lock(info->entry.args[1]);
	if (call == SYS_openat)
		return (info->entry.args[2] & O_CREAT) != 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (call == calls[i])
			return true;
	return false;
}

/* A thread has stopped: what it goes on with. */
static int
signal_of(int status)
{
	int signal = WSTOPSIG(status);

	return signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

/* What comes of it at its Nth call: a signal, or that it stands still while another runs. */
struct event {
	int signal;
	const char *meanwhile;
	int other, own;                 /* exit codes */
};

static int
code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool
at_call(pid_t pid, long n, struct event *event, long *calls)
{
	struct __ptrace_syscall_info info;
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
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_files(&info) && ++*calls == n) {
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
	long calls = 0;
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
		    "--at N COMMAND…\n");
		return 2;
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	from = now();
	pid = start(argv + 3, by_call);
	killed = by_call ? at_call(pid, atol(argv[2]), &event, &calls) : after(pid, atoll(argv[2]));
	printf("%s %ld %lld\n", killed ? "killed" : "ended", calls, (long long)(now() - from));
	if (event.meanwhile != NULL)
		printf("%d %d\n", event.other, event.own);
	return 0;
}
