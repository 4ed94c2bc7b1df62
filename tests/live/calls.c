/* SPDX-License-Identifier: ISC */
/*
 * calls.c: in front of libc's functions that wait, for the module and its libraries, too, and counts them
 * within calls that are measured.  What waits in the kernel without one of these shows as a voluntary
 * context switch.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"

#define MEASURED_MOST 100000
/* How many times as much processor time as the control's a call may take. */
#define MEDIAN_MOST 1.5
#define HIGH_MOST 3.0

static struct side {
	unsigned long calls, switches, sleeps;
	size_t count;
	uint64_t longest[MEASURED_MOST];
} sides[CALLS_SIDES];
static struct side *within;
static long switches_before;
static struct timespec began;

/* --- what waits -------------------------------------------------------------------- */

static void
note(const char *name)
{
	if (within == NULL)
		return;
	if (within->sleeps++ < 5)
		fprintf(stderr, "crowd: %s within SSL_accept %s\n", name,
		    within == &sides[CALLS_MODULE] ? "with the module" : "of the control");
}

/* The module finds these, so they are public.  Not by an attribute: some of them are defined in the
 * headers already (_FORTIFY_SOURCE), and none may follow a definition. */
#pragma GCC visibility push(default)

#define REAL(name) \
	static __typeof__(name) *real; \
	if (real == NULL) \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

int
nanosleep(const struct timespec *time, struct timespec *left)
{
	REAL(nanosleep);
	note("nanosleep");
	return real(time, left);
}

int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
	REAL(clock_nanosleep);
	note("clock_nanosleep");
	return real(clock, flags, time, left);
}

int
usleep(useconds_t time)
{
	REAL(usleep);
	note("usleep");
	return real(time);
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	REAL(poll);
	if (timeout != 0)
		note("poll");
	return real(fds, count, timeout);
}

int
select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
	REAL(select);
	if (timeout == NULL || timeout->tv_sec != 0 || timeout->tv_usec != 0)
		note("select");
	return real(count, in, out, other, timeout);
}

int
flock(int fd, int operation)
{
	REAL(flock);
	if ((operation & (LOCK_NB | LOCK_UN)) == 0)
		note("flock");
	return real(fd, operation);
}

int
fsync(int fd)
{
	REAL(fsync);
	note("fsync");
	return real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	note("fdatasync");
	return real(fd);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	REAL(connect);
	note("connect");
	return real(fd, address, length);
}

static void
note_lock(int command)
{
	if (command == F_SETLKW || command == F_OFD_SETLKW)
		note("fcntl that waits for a lock");
}

int
fcntl(int fd, int command, ...)
{
	va_list rest;
	void *argument;
	REAL(fcntl);

	va_start(rest, command);
	argument = va_arg(rest, void *);
	va_end(rest);
	note_lock(command);
	return real(fd, command, argument);
}

/* Where offsets have 64 bits anyway, that was it. */
#if !defined(_FILE_OFFSET_BITS) || _FILE_OFFSET_BITS != 64
int
fcntl64(int fd, int command, ...)
{
	va_list rest;
	void *argument;
	REAL(fcntl64);

	va_start(rest, command);
	argument = va_arg(rest, void *);
	va_end(rest);
	note_lock(command);
	return real(fd, command, argument);
}
#endif

#pragma GCC visibility pop

/* --- what it costs ----------------------------------------------------------------- */

static long
switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

void
calls_begin(enum calls_side side)
{
	within = &sides[side];
	switches_before = switches();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
}

uint64_t
calls_end(void)
{
	struct timespec ended;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	within->calls++;
	within->switches += (unsigned long)(switches() - switches_before);
	within = NULL;
	return (uint64_t)((ended.tv_sec - began.tv_sec) * 1000000000L + ended.tv_nsec - began.tv_nsec);
}

void
calls_add(enum calls_side side, uint64_t longest)
{
	struct side *to = &sides[side];

	if (to->count < MEASURED_MOST)
		to->longest[to->count++] = longest;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static double
quantile(struct side *side, double part)
{
	qsort(side->longest, side->count, sizeof(side->longest[0]), compare);
	return side->count == 0 ? 0 : (double)side->longest[(size_t)(part * (double)(side->count - 1))] / 1000;
}

static bool
is_at_most(double part, double most)
{
	double with = quantile(&sides[CALLS_MODULE], part), without = quantile(&sides[CALLS_CONTROL], part);

	printf("at %g %%: %.0f us of processor time with the module, %.0f without it\n", 100 * part, with, without);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true; /* it makes the module slow, and not the library */
#endif
	if (with <= most * without)
		return true;
	fprintf(stderr, "crowd: at %g %% a call takes %.2f times as long as the control's, and may take %.1f\n",
	    100 * part, with / without, most);
	return false;
}

bool
calls_report(void)
{
	const struct side *with = &sides[CALLS_MODULE], *without = &sides[CALLS_CONTROL];
	bool good = is_at_most(0.5, MEDIAN_MOST);

	good = is_at_most(0.99, HIGH_MOST) && good;
	printf("with the module: %zu connections, %lu calls, %lu sleeps, %lu voluntary switches\n", with->count,
	    with->calls, with->sleeps, with->switches);
	printf("without it: %zu connections, %lu calls, %lu sleeps, %lu voluntary switches\n", without->count,
	    without->calls, without->sleeps, without->switches);
	/* Now and then the kernel waits for a lock of its own, with the module or without it. */
	if (with->switches > without->switches + with->calls / 2000) {
		fputs("crowd: calls with the module wait in the kernel\n", stderr);
		good = false;
	}
	return good && with->sleeps == 0;
}
