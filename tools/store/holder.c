/* SPDX-License-Identifier: ISC */
/*
 * holder.c: which process is writing a store.  A writer in SQLite's WAL mode locks byte 120
 * of the file -shm (its "WAL-mode file format").  We read /proc/locks instead of asking for
 * the lock: opening and closing that file would drop this process's own locks on it (POSIX).
 * One that opens the store, recovers it, or checkpoints it locks others of the bytes up to 128.
 */
#include <ctype.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/holder.h"

#define WRITE_LOCK 120
#define LAST_LOCK 128

static long
find_writer(uintmax_t inode)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	long found = 0, other = 0;

	while (locks != NULL && found == 0 && fgets(line, sizeof(line), locks) != NULL) {
		uintmax_t at_inode, from, to;
		long pid;

		/* 1: POSIX  ADVISORY  WRITE 1234 08:01:131090 120 120 */
		if (sscanf(line, "%*d: %*s %*s WRITE %ld %*x:%*x:%ju %ju %ju", &pid, &at_inode, &from, &to) != 4 ||
		    at_inode != inode || pid == getpid())
			continue;
		if (from <= WRITE_LOCK && to >= WRITE_LOCK)
			found = pid;
		else if (from <= LAST_LOCK && to >= WRITE_LOCK)
			other = pid;
	}
	if (locks != NULL)
		fclose(locks);
	return found != 0 ? found : other;
}

/* Its command line; its contents are untrusted. */
static void
command_of(long pid, char *out, size_t size)
{
	char path[64];
	FILE *file;
	size_t got = 0;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		got = fread(out, 1, size - 1, file);
		fclose(file);
	}
	while (got > 0 && out[got - 1] == '\0')
		got--;
	for (size_t i = 0; i < got; i++)
		if (out[i] == '\0')
			out[i] = ' ';
		else if (!isprint((unsigned char)out[i]))
			out[i] = '?';
	out[got] = '\0';
}

/* How many seconds it has been running, or -1; the start is word 22 of /proc/PID/stat. */
static long
age_of(long pid)
{
	char path[64], line[1024] = "";
	unsigned long long ticks = 0;
	long per_second = sysconf(_SC_CLK_TCK);
	const char *at;
	FILE *file;
	double up = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		line[fread(line, 1, sizeof(line) - 1, file)] = '\0';
		fclose(file);
	}
	/* The second, the program's name in brackets, may contain anything. */
	at = strrchr(line, ')');
	if (at == NULL || per_second <= 0 || sscanf(at + 1, " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
	        " %*s %*s %*s %*s %llu", &ticks) != 1)
		return -1;
	file = fopen("/proc/uptime", "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%lf", &up) != 1)
		up = -1;
	fclose(file);
	return up < 0 ? -1 : (long)(up - (double)ticks / (double)per_second);
}

const char *
holder_describe(const char *store, char *buffer, size_t size)
{
	char path[4200], command[160];
	const struct passwd *user;
	struct stat st;
	char running[48] = "";
	long pid, age;

	snprintf(path, sizeof(path), "%s-shm", store);
	if (stat(path, &st) != 0 || (pid = find_writer(st.st_ino)) <= 0) {
		snprintf(buffer, size, "another process");
		return buffer;
	}
	snprintf(path, sizeof(path), "/proc/%ld", pid);
	user = stat(path, &st) == 0 ? getpwuid(st.st_uid) : NULL;
	command_of(pid, command, sizeof(command));
	age = age_of(pid);
	if (age >= 0)
		snprintf(running, sizeof(running), " (running for %ld s)", age);
	snprintf(buffer, size, "process %ld%s%s%s%s%s", pid, user == NULL ? "" : " of ", user == NULL ? "" : user->pw_name,
	    command[0] == '\0' ? "" : ": ", command, running);
	return buffer;
}
