/* SPDX-License-Identifier: ISC */
/*
 * bench-usage PID: what a process and all below it take, in one line:
 *     processes N cpu_us N pss_kib N rss_kib N
 *
 * bench-usage -- COMMAND…: runs it, and says on stderr what it took, its children
 * included; `rss_kib` is the most that one process had at once.  The exit code
 * is the command's.
 *     wall_us N cpu_us N rss_kib N
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t
us(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static int
run(char **command)
{
	int64_t start = now_us();
	struct rusage used;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(command[0], command);
		fprintf(stderr, "bench-usage: %s: %s\n", command[0], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || getrusage(RUSAGE_CHILDREN, &used) != 0) {
		perror("bench-usage");
		return 1;
	}
	fprintf(stderr, "wall_us %" PRId64 " cpu_us %" PRId64 " rss_kib %ld\n", now_us() - start,
	    us(used.ru_utime) + us(used.ru_stime), used.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int
main(int argc, char **argv)
{
	struct tree_usage usage;

	if (argc > 2 && strcmp(argv[1], "--") == 0)
		return run(argv + 2);
	if (argc != 2 || atol(argv[1]) <= 0) {
		fputs("usage: bench-usage PID | -- COMMAND...\n", stderr);
		return 2;
	}
	if (tree_read((pid_t)atol(argv[1]), true, &usage) != 0) {
		fprintf(stderr, "bench-usage: there is no process %s\n", argv[1]);
		return 1;
	}
	printf("processes %u cpu_us %" PRIu64 " pss_kib %" PRIu64 " rss_kib %" PRIu64 "\n",
	    usage.processes, usage.cpu_ns / 1000, usage.pss_kib, usage.rss_kib);
	return 0;
}
