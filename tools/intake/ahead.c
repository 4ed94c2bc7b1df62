/* SPDX-License-Identifier: ISC */
/*
 * ahead.c: a thread reads a directory's bags while its caller works on earlier ones.
 *
 * Reading and decoding is about as much work as checking and storing, so with two cores importing a
 * directory takes little more than half the time.  Only the caller touches the store and reports to
 * the user.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "intake/ahead.h"
#include "intake/halves.h"

#define GROUPS_MOST 32          /* read but not yet taken */

struct group {
	char *name;
	struct bag *bag;
	bool alone;
	struct snicert_error why;
};

struct ahead {
	const char *path;
	const struct passphrase_source *source;
	struct halves *halves;          /* the thread's only, like: */
	size_t number;                  /* of the current group in the walk */
	size_t sent;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct group groups[GROUPS_MOST]; /* a ring */
	size_t read, taken;             /* counted */
	bool stop;                      /* nobody wants more */
	bool done;                      /* there are no more: */
	int status;
	struct snicert_error err;
};

static void
group_free(struct group *group)
{
	bag_free(group->bag);
	free(group->name);
}

static struct group
group_read(const char *name, const char *const *files, size_t count,
    const struct passphrase_source *source)
{
	struct group group = { .name = strdup(name), .bag = bag_new() };

	if (group.name == NULL || group.bag == NULL)
		error_set(&group.why, SNICERT_EMEMORY, "no memory");
	else
		bag_add_group(group.bag, files, count, source, &group.why);
	return group;
}

/* Whether it was wanted; if not, frees it. */
static int
send_group(struct ahead *ahead, struct group group)
{
	bool stop;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->stop && ahead->read - ahead->taken == GROUPS_MOST)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	stop = ahead->stop;
	if (!stop)
		ahead->groups[ahead->read++ % GROUPS_MOST] = group;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	ahead->sent++;
	if (stop)
		group_free(&group);
	return stop ? 1 : 0;
}

static int
no_memory(struct group *group)
{
	group_free(group);
	return -1;
}

/* A complete group is sent on; the others wait for the rest. */
static int
sort_group(struct ahead *ahead, struct group group)
{
	int status;

	if (!halves_whole(group.bag)) {
		status = halves_keep(ahead->halves, group.name, group.bag);
		group.bag = NULL;
		group_free(&group);
		return status;
	}
	return halves_seen(ahead->halves, group.bag, ahead->number) == 0 ? send_group(ahead, group) : no_memory(&group);
}

/* In the thread. */
static int
put(void *arg, const char *name, const char *const *files, size_t count)
{
	struct ahead *ahead = arg;
	struct group group = group_read(name, files, count, ahead->source);

	ahead->number++;
	return group.why.code == SNICERT_OK ? sort_group(ahead, group) : send_group(ahead, group);
}

/* The name tells nothing: if unreadable, it is something else. */
static int
put_other(void *arg, const char *name, const char *const *files, size_t count)
{
	struct ahead *ahead = arg;
	struct group group = group_read(name, files, count, ahead->source);

	ahead->number++;
	if (group.why.code == SNICERT_OK)
		return sort_group(ahead, group);
	group_free(&group);
	return 0;
}

static int
put_unread(void *arg, const char *path, const struct snicert_error *why)
{
	struct group group = { .name = strdup(path), .why = *why };

	return group.name == NULL ? -1 : send_group(arg, group);
}

static int
put_pair(void *arg, const struct halves_found *found)
{
	struct group group = { .name = strdup(found->group), .bag = bag_new(), .alone = found->alone };
	int status = group.name != NULL && group.bag != NULL ? bag_copy(group.bag, found->bag) : -1;

	return status == 0 ? send_group(arg, group) : no_memory(&group);
}

/* The second walk, for keys that the first one dropped; reports nothing twice. */
static int
put_again(void *arg, const char *name, const char *const *files, size_t count)
{
	struct ahead *ahead = arg;
	struct group group;
	int status = 0;

	if (!halves_wants(ahead->halves, ++ahead->number))
		return 0;
	group = group_read(name, files, count, ahead->source);
	if (group.why.code == SNICERT_OK) {
		status = halves_bring(ahead->halves, name, group.bag);
		group.bag = NULL;
	}
	group_free(&group);
	return status;
}

static int
unread_again(void *arg, const char *path, const struct snicert_error *why)
{
	(void)arg;
	(void)path;
	(void)why;
	return 0;
}

static int
walk_again(struct ahead *ahead, struct snicert_error *err)
{
	const struct directory_calls calls = { .each = put_again, .others = put_again, .unread = unread_again, .arg = ahead };
	int status = halves_want(ahead->halves);

	ahead->number = 0;
	return status > 0 ? directory_walk_all(ahead->path, &calls, err) : status;
}

static int
walk_all(struct ahead *ahead, struct snicert_error *err)
{
	const struct directory_calls calls = { .each = put, .others = put_other, .unread = put_unread, .arg = ahead };
	int status = directory_walk_all(ahead->path, &calls, err);

	if (status == 0)
		status = walk_again(ahead, err);
	if (status == 0)
		status = halves_pair(ahead->halves, put_pair, ahead);
	if (status < 0 && err->code == SNICERT_OK)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (status == 0 && ahead->sent == 0)
		return error_set(err, SNICERT_EINPUT, "no certificate and no private key in %s", ahead->path);
	return status;
}

static void *
walk(void *arg)
{
	struct ahead *ahead = arg;
	struct snicert_error err = {0};
	int status = walk_all(ahead, &err);

	pthread_mutex_lock(&ahead->lock);
	ahead->status = status;
	ahead->err = err;
	ahead->done = true;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

/* The next group, or false after the last. */
static bool
get(struct ahead *ahead, struct group *out)
{
	bool any;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->done && ahead->read == ahead->taken)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	any = ahead->read != ahead->taken;
	if (any)
		*out = ahead->groups[ahead->taken++ % GROUPS_MOST];
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	return any;
}

static void
stop(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->stop = true;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

int
ahead_walk(const char *path, const struct passphrase_source *source, ahead_take *take, void *arg,
    struct snicert_error *err)
{
	struct ahead ahead = { .path = path, .source = source, .halves = halves_new() };
	struct group group;
	pthread_t thread;
	int status = 0;

	if (ahead.halves == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	pthread_mutex_init(&ahead.lock, NULL);
	pthread_cond_init(&ahead.changed, NULL);
	if (pthread_create(&thread, NULL, walk, &ahead) != 0) {
		status = error_set(err, SNICERT_EMEMORY, "no thread can be made to read %s", path);
		goto out;
	}
	while (get(&ahead, &group)) {
		if (status == 0 && (status = take(arg, group.name, group.bag, group.alone, &group.why)) != 0)
			stop(&ahead);
		group_free(&group);
	}
	pthread_join(thread, NULL);
	if (status == 0 && (status = ahead.status) != 0)
		error_set(err, (enum snicert_code)ahead.err.code, "%s", ahead.err.text);
out:
	halves_free(ahead.halves);
	pthread_cond_destroy(&ahead.changed);
	pthread_mutex_destroy(&ahead.lock);
	return status;
}
