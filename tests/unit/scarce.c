/* SPDX-License-Identifier: ISC */
/* scarce.c: allocations that fail to order. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scarce.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZER 1
#endif
#ifdef __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER 1
#endif

#if defined(__GLIBC__) && !defined(THREAD_SANITIZER)
#define SCARCE 1
#ifdef ADDRESS_SANITIZER
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t);
void *REAL(calloc)(size_t, size_t);
void *REAL(realloc)(void *, size_t);
#endif

static _Thread_local struct {
	bool counting, on;
	long fails, count;
	const void *victim;
} plan;

bool
scarce_works(void)
{
#ifdef SCARCE
	return true;
#else
	return false;
#endif
}

void
scarce_plan(long n, bool on)
{
	plan.counting = false;
	plan.on = on;
	plan.fails = n;
	plan.count = 0;
	plan.victim = NULL;
}

void
scarce_begin(void)
{
	plan.counting = true;
}

void
scarce_end(void)
{
	plan.counting = false;
}

bool
scarce_pause(void)
{
	bool counting = plan.counting;

	plan.counting = false;
	return counting;
}

void
scarce_resume(bool was_counting)
{
	plan.counting = was_counting;
}

long
scarce_count(void)
{
	return plan.count;
}

const char *
scarce_victim(void)
{
	Dl_info info;
	const char *slash;

	if (plan.victim == NULL || dladdr(plan.victim, &info) == 0)
		return "";
	slash = strrchr(info.dli_fname, '/');
	return slash == NULL ? info.dli_fname : slash + 1;
}

#ifdef SCARCE

/* Seen by the libraries, too. */
#define EXPORTED __attribute__((visibility("default")))

static bool
denied(const void *caller)
{
	if (!plan.counting)
		return false;
	plan.count++;
	if (plan.fails == 0 || plan.count < plan.fails || (plan.count > plan.fails && !plan.on))
		return false;
	if (plan.victim == NULL)
		plan.victim = caller;
	errno = ENOMEM;
	return true;
}

EXPORTED void *
malloc(size_t size)
{
	return denied(__builtin_return_address(0)) ? NULL : REAL(malloc)(size);
}

EXPORTED void *
calloc(size_t count, size_t size)
{
	return denied(__builtin_return_address(0)) ? NULL : REAL(calloc)(count, size);
}

EXPORTED void *
realloc(void *old, size_t size)
{
	return denied(__builtin_return_address(0)) ? NULL : REAL(realloc)(old, size);
}

#endif
