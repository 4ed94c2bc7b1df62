/* SPDX-License-Identifier: ISC */
/* quiet.c: OpenSSL's locks, given back before a fork; see quiet.h.  They are pthread's
 * rwlocks, of which nobody else here has any. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>

#include "quiet.h"

/* Sanitizers have functions of these names themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHERS_HAVE_THEM
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OTHERS_HAVE_THEM
#endif
#endif

#ifdef OTHERS_HAVE_THEM
void
quiet_start(void)
{
}
#else

#define IN_FRONT __attribute__((visibility("default"))) /* of libc's, for all libraries */

typedef int rwlock_function(pthread_rwlock_t *);

static rwlock_function *real_read, *real_write, *real_unlock;
static pthread_rwlock_t within = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Thread_local unsigned depth;

static rwlock_function *
find(const char *name)
{
	return (rwlock_function *)(uintptr_t)dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void
find_all(void)
{
	real_read = find("pthread_rwlock_rdlock");
	real_write = find("pthread_rwlock_wrlock");
	real_unlock = find("pthread_rwlock_unlock");
}

/* Other libraries' constructors may come before ours. */
static void
enter(void)
{
	if (real_unlock == NULL)
		find_all();
	if (depth++ == 0)
		real_read(&within);
}

IN_FRONT int
pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	enter();
	return real_read(lock);
}

IN_FRONT int
pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	enter();
	return real_write(lock);
}

IN_FRONT int
pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	int rc = real_unlock(lock);

	if (--depth == 0)
		real_unlock(&within);
	return rc;
}

/* As if this thread were within already, should it look into OpenSSL before it has forked. */
static void
before_fork(void)
{
	real_write(&within);
	depth++;
}

static void
after_fork_parent(void)
{
	depth--;
	real_unlock(&within);
}

/* It knows of threads that wait, and that are not here. */
static void
after_fork_child(void)
{
	static const pthread_rwlock_t fresh = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

	depth--;
	within = fresh;
}

void
quiet_start(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
#endif
