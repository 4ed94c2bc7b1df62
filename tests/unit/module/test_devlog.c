/* SPDX-License-Identifier: ISC */
/* test_devlog.c: the log of a process whose root has changed, in a /dev of its own. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "devlog.h"
#include "log.h"

static char jail[] = "/tmp/snicert-test-XXXXXX";
static int listener, root = -1;
static ssize_t received_length;
static struct log_socket devlog;

/* A log of our own at /dev/log; to be called in a child. */
static void
log_at_dev(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) != 0 ||
	    mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) != 0)
		_exit(77);
	listener = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0)
		_exit(1);
}

static const char *
received(void)
{
	static char text[2048];

	received_length = recv(listener, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[received_length < 0 ? 0 : received_length] = '\0';
	return text;
}

static void
go_to_jail(void)
{
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chroot(jail) != 0 || chdir("/") != 0)
		_exit(77);
}

/* What a build for coverage writes at the end belongs outside. */
static int
leave_jail(int result)
{
	return root < 0 || (fchdir(root) == 0 && chroot(".") == 0) ? result : 98;
}

static int
jailed(void)
{
	char want[64];
	const char *got;

	memset(program_invocation_short_name, 'x', strlen(program_invocation_short_name)); /* a title */
	devlog_open(&devlog);
	go_to_jail();
	snprintf(want, sizeof(want), " test_devlog[%ld]: snicert: hello", (long)getpid());
	if (!devlog_write(&devlog, LOG_MAIL | LOG_ERR, "snicert: hello"))
		return 1;
	got = received();
	if (strncmp(got, "<19>", 4) != 0 || strstr(got, want) == NULL ||
	    strlen(got) != 4 + strlen("Jan  1 00:00:00") + strlen(want))
		return 2;
	/* no facility; and what the host does not want is not written */
	if (!devlog_write(&devlog, LOG_ERR, "x") || strncmp(received(), "<11>", 4) != 0)
		return 3;
	setlogmask(LOG_UPTO(LOG_WARNING));
	if (!devlog_write(&devlog, LOG_MAIL | LOG_INFO, "x") || received()[0] != '\0')
		return 4;
	return 0;
}

static int
not_jailed(void)
{
	devlog_open(&devlog);
	return devlog.fd < 0 || devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x") || received()[0] != '\0';
}

static int
host_logs(void)
{
	devlog_open(&devlog);
	openlog("host", LOG_NDELAY, LOG_DAEMON);
	go_to_jail();
	if (devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x"))
		return 1;
	syslog(LOG_ERR, "y"); /* its own way is still there */
	return strstr(received(), "host: y") == NULL;
}

/* The host closes all there is, and has the number for another purpose. */
static int
number_reused(void)
{
	int pair[2], fd;
	char text[64];

	devlog_open(&devlog);
	go_to_jail();
	fd = devlog.fd;
	close(fd);
	if (devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x") ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 || dup2(pair[0], fd) != fd)
		return 1;
	if (devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x") || recv(pair[1], text, sizeof(text), MSG_DONTWAIT) >= 0)
		return 2;
	log_socket_close(&devlog);
	return fcntl(fd, F_GETFD) < 0; /* theirs, and left open */
}

/* fds 0-2 that the host has closed stay closed, and it does not live on after exec. */
static int
number_chosen(void)
{
	close(0);
	devlog_open(&devlog);
	return devlog.fd < 3 || fcntl(0, F_GETFD) >= 0 || (fcntl(devlog.fd, F_GETFD) & FD_CLOEXEC) == 0;
}

/* What a line has no room for is cut off. */
static int
long_line(void)
{
	char text[2000];
	const char *got;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	devlog_open(&devlog);
	go_to_jail();
	if (!devlog_write(&devlog, LOG_MAIL | LOG_ERR, text))
		return 1;
	got = received();
	return strlen(got) != 1199 || received_length != 1199 || strncmp(got, "<19>", 4) != 0 || strcmp(got + 1190, "xxxxxxxxx") != 0;
}

static int
no_fd(void)
{
	struct rlimit limit, none;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1;
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	devlog_open(&devlog);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (devlog.fd >= 0 || devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x"))
		return 2;
	log_socket_close(&devlog);
	return devlog.fd != -1;
}

static int
no_log(void)
{
	unlink("/dev/log");
	devlog_open(&devlog);
	go_to_jail();
	return devlog.fd != -1 || devlog_write(&devlog, LOG_MAIL | LOG_ERR, "x");
}

/* As it is while nobody reads it. */
static void
fill_log(void)
{
	struct log_socket writer;

	devlog_open(&writer);
	while (send(writer.fd, "x", 1, MSG_DONTWAIT) == 1)
		;
	log_socket_close(&writer);
}

/* By whomever it was filled, before the host has a connection and after. */
static int
full(void)
{
	struct log *log = log_new(LOG_TARGET_SYSLOG, LOG_MAIL, LOG_DEBUG);
	const char *got;

	log_prepare(log);
	if (devlog_is_full(NULL))
		return 1;
	fill_log();
	if (!devlog_is_full(NULL))
		return 2;
	alarm(20);
	log_say(log, LOG_EVENT_KEY, "not waited for");
	openlog("host", LOG_NDELAY, LOG_DAEMON);
	log_say(log, LOG_EVENT_KEY, "not waited for");
	log_say_without(LOG_EVENT_KEY, "not waited for");
	while ((got = received())[0] != '\0')
		if (strstr(got, "not waited") != NULL)
			return 3;
	log_say(log, LOG_EVENT_KEY, "read again");
	log_free(log);
	return strstr(received(), "read again") == NULL;
}

/* Out of reach, what was opened before tells. */
static int
full_in_jail(void)
{
	struct log *log = log_new(LOG_TARGET_SYSLOG, LOG_MAIL, LOG_DEBUG);

	devlog_open(&devlog);
	log_prepare(log);
	fill_log();
	go_to_jail();
	if (devlog_is_full(NULL) || !devlog_is_full(&devlog))
		return 1;
	alarm(20);
	log_say(log, LOG_EVENT_KEY, "not waited for");
	log_free(log);
	return 0;
}

static void *
wait_for_ever(void *tid)
{
	*(_Atomic pid_t *)tid = (pid_t)syscall(SYS_gettid);
	log_say_without(LOG_EVENT_KEY, "waited for"); /* /dev/log can't be looked at */
	return NULL;
}

/* Until a thread of ours waits in send(2). */
static void
see_waiting(_Atomic pid_t *tid)
{
	char path[64], text[64] = "", want[16];

	snprintf(want, sizeof(want), "%d ", SYS_sendto);
	while (*tid == 0)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)*tid);
	while (strncmp(text, want, strlen(want)) != 0) {
		FILE *file = fopen(path, "r");

		if (file == NULL || fgets(text, sizeof(text), file) == NULL)
			_exit(77);
		fclose(file);
		sched_yield();
	}
}

/* A child's own syslog(3) would wait for ever for the C library's lock. */
static int
fork_meanwhile(void)
{
	static _Atomic pid_t tid;
	struct log *log = log_new(LOG_TARGET_SYSLOG, LOG_MAIL, LOG_DEBUG);
	int status = -1;
	pthread_t thread;
	pid_t child;

	openlog("host", LOG_NDELAY, LOG_DAEMON);
	fill_log();
	unlink("/dev/log");
	if (pthread_create(&thread, NULL, wait_for_ever, (void *)&tid) != 0)
		return 1;
	see_waiting(&tid);
	alarm(20);
	child = fork();
	if (child == 0) {
		alarm(20);
		log_say(log, LOG_EVENT_KEY, "by a child");
		_exit(7);
	}
	if (waitpid(child, &status, 0) != child || status != 7 << 8)
		return 2;
	while (received()[0] != '\0')
		;
	pthread_join(thread, NULL);
	return 0;
}

static const struct {
	const char *what;
	int (*run)(void);
} cases[] = {
	{ "a jail", jailed }, { "no jail", not_jailed }, { "a host with a connection", host_logs },
	{ "a number that is another's", number_reused }, { "the number", number_chosen }, { "no log", no_log },
	{ "a long line", long_line }, { "no descriptor", no_fd },
	{ "a full log", full }, { "a full log out of a jail", full_in_jail },
	{ "a fork while a thread waits for it", fork_meanwhile },
};

START_TEST(test_case)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		log_at_dev();
		_exit(leave_jail(cases[_i].run()));
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
	Suite *suite = suite_create("devlog");
	TCase *tc = tcase_create("devlog");
	SRunner *runner;
	int failed;

	if (mkdtemp(jail) == NULL)
		return 99;
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_case, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	rmdir(jail);
	return failed == 0 ? 0 : 1;
}
