/* SPDX-License-Identifier: ISC */
/*
 * confine.c: run a program as a hardened unit of systemd's has it.
 *
 *   confine PROGRAM ARG…   NoNewPrivileges, MemoryDenyWriteExecute and a SystemCallFilter that kills
 *   confine --try          whether they hold here: exit code 0 if memory that is writable and
 *                          executable is refused, and a system call that is not allowed kills
 *   confine --executable   run within it: exit code 0 if there is no such memory
 *
 * The filter allows a part of what @system-service does: what is left out are
 * privileges, other processes, keys, and what servers seldom ask for.  So what runs within it
 * runs within @system-service.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0  /* none that is known here: no filter */
#endif

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))

static const int allowed[] = {
	/* @default, @signal, @timer, @process in part */
	SYS_brk, SYS_clock_gettime, SYS_clock_nanosleep, SYS_clone, SYS_execve, SYS_exit, SYS_exit_group, SYS_futex,
	SYS_getcwd, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getpid, SYS_getppid, SYS_getrandom, SYS_getrlimit,
	SYS_gettid, SYS_gettimeofday, SYS_getuid, SYS_kill, SYS_membarrier, SYS_nanosleep, SYS_prlimit64,
	SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sched_getaffinity,
	SYS_sched_yield, SYS_set_robust_list, SYS_set_tid_address, SYS_sigaltstack, SYS_tgkill, SYS_uname, SYS_wait4,
#ifdef SYS_arch_prctl
	SYS_arch_prctl,
#endif
#ifdef SYS_clone3
	SYS_clone3,
#endif
#ifdef SYS_rseq
	SYS_rseq,
#endif
	/* memory */
	SYS_madvise, SYS_mlock, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munlock, SYS_munmap, SYS_memfd_create,
	/* @basic-io, @file-system */
	SYS_close, SYS_dup, SYS_dup3, SYS_faccessat, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fcntl, SYS_flock,
	SYS_fstat, SYS_ftruncate, SYS_getdents64, SYS_ioctl, SYS_lseek, SYS_mkdirat, SYS_newfstatat, SYS_openat,
	SYS_pread64, SYS_pwrite64, SYS_read, SYS_linkat, SYS_readlinkat, SYS_readv, SYS_renameat, SYS_renameat2, SYS_statfs, SYS_umask,
	SYS_unlinkat, SYS_write, SYS_writev, SYS_fstatfs, SYS_fallocate, SYS_fdatasync, SYS_fsync,
#ifdef SYS_access
	SYS_access, SYS_chmod, SYS_lstat, SYS_mkdir, SYS_open, SYS_readlink, SYS_rename, SYS_stat, SYS_unlink,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
#ifdef SYS_close_range
	SYS_close_range,
#endif
#ifdef SYS_statx
	SYS_statx,
#endif
	/* @network-io, @io-event */
	SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_listen, SYS_pipe2,
	SYS_ppoll, SYS_recvfrom, SYS_recvmsg, SYS_sendmsg, SYS_sendto, SYS_setsockopt, SYS_shutdown, SYS_socket,
#ifdef SYS_poll
	SYS_poll,
#endif
	/* what @system-service has of its own, and the sample server's checks */
	SYS_fadvise64, SYS_getcpu, SYS_getgroups, SYS_getresgid, SYS_getresuid, SYS_getrusage, SYS_sysinfo, SYS_times,
};

static int
complain(const char *what)
{
	fprintf(stderr, "confine: %s: %s\n", what, strerror(errno));
	return -1;
}

static void *
ask_for_executable(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int
install(struct sock_filter *filter, size_t count)
{
	struct sock_fprog program = { .len = (unsigned short)count, .filter = filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : complain("seccomp");
}

/* As systemd does it where the kernel has no PR_SET_MDWE: EPERM for what asks for both. */
static int
deny_by_filter(void)
{
	struct sock_filter filter[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
		LOAD(args[2]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 3, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		ALLOW,
	};

	return install(filter, COUNT(filter));
}

static int
deny_write_execute(void)
{
	void *page;

	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) != 0 && deny_by_filter() != 0)
		return -1;
	page = ask_for_executable();
	if (page == MAP_FAILED)
		return 0;
	munmap(page, 4096);
	errno = 0;
	return complain("memory that is writable and executable is not refused");
}

static int
allow_few(void)
{
	struct sock_filter filter[5 + 2 * COUNT(allowed)];
	size_t n = 0;

	filter[n++] = (struct sock_filter)LOAD(arch);
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	filter[n++] = (struct sock_filter)KILL;
	filter[n++] = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < COUNT(allowed); i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
		filter[n++] = (struct sock_filter)ALLOW;
	}
	filter[n++] = (struct sock_filter)KILL;
	return install(filter, n);
}

static int
confine(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return complain("no new privileges");
	if (deny_write_execute() != 0)
		return -1;
	return allow_few();
}

/* In a child: what is refused, then what kills. */
static int
try_it(void)
{
	const struct rlimit none = {0};
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &none);
		if (confine() != 0)
			_exit(1);
		if (ask_for_executable() != MAP_FAILED)
			_exit(2);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		_exit(3);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return complain("fork");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return 0;
	fprintf(stderr, "confine: ended with %d, signal %d\n", WEXITSTATUS(status), WTERMSIG(status));
	return -1;
}

int
main(int argc, char **argv)
{
	if (argc < 2 || ARCHITECTURE == 0) {
		fputs("usage: confine PROGRAM ARG... | --try; on x86-64 and arm64\n", stderr);
		return 2;
	}
	if (strcmp(argv[1], "--executable") == 0)
		return ask_for_executable() == MAP_FAILED ? 0 : 1;
	if (strcmp(argv[1], "--try") == 0)
		return try_it() == 0 ? 0 : 1;
	if (confine() != 0)
		return 1;
	execv(argv[1], argv + 1);
	complain(argv[1]);
	return 1;
}
