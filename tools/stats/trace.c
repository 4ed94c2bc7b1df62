/* SPDX-License-Identifier: ISC */
/* trace.c: following selections live, and resetting: what readers write to the statistics. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "stats/file.h"
#include "stats/read.h"

#define ASK_FOR 5               /* seconds: how long servers go on after a reader left */

struct stats_trace {
	char path[PATH_MAX];
	int64_t looked;                 /* last search for new files */
	struct snicert_error trouble;
	size_t count;
	struct followed {
		int fd;
		ino_t inode;
		struct mapping_parts parts;
		uint64_t next;          /* number of the next record */
	} files[STATS_FILES_MOST];
	struct mapping_record ring[MAPPING_RECORDS];
	struct stats_event events[MAPPING_RECORDS];
};

static int
head_of(const struct followed *file, uint64_t *head)
{
	return stats_file_read(file->fd, head, sizeof(*head), offsetof(struct mapping_header, ring_head));
}

static int
ask(const struct followed *file)
{
	int64_t until = (int64_t)time(NULL) + ASK_FOR;

	for (size_t i = 0; i < MAPPING_SHARDS; i++)
		if (stats_file_write(file->fd, &until, sizeof(until), file->parts.shards +
		        i * sizeof(struct mapping_shard) + offsetof(struct mapping_shard, trace_until)) != 0)
			return -1;
	return 0;
}

static int
follow(void *arg, int fd, const struct stats_file *file, struct snicert_error *err)
{
	struct stats_trace *trace = arg;
	struct followed *one = &trace->files[trace->count];

	for (size_t i = 0; i < trace->count; i++)
		if (trace->files[i].inode == file->inode)
			return 0;
	if (trace->count == STATS_FILES_MOST)
		return error_set(err, SNICERT_ESYSTEM, "too many statistics files to follow");
	one->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	one->inode = file->inode;
	one->parts = file->parts;
	if (one->fd < 0)
		return error_system(err, "can't follow %s", file->path);
	if (head_of(one, &one->next) != 0 || ask(one) != 0) {
		close(one->fd);
		return error_system(err, "can't follow %s", file->path);
	}
	trace->count++;
	return 0;
}

static void
look(struct stats_trace *trace)
{
	size_t skipped;

	trace->looked = (int64_t)time(NULL);
	stats_file_each(trace->path, true, follow, trace, &skipped, &trace->trouble);
}

int
stats_trace_open(struct stats_trace **out, const char *path, struct snicert_error *err)
{
	struct stats_trace *trace = calloc(1, sizeof(*trace));

	if (trace == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	snprintf(trace->path, sizeof(trace->path), "%s", path);
	look(trace);
	if (trace->count == 0) {
		if (trace->trouble.code != SNICERT_OK)
			error_set(err, (enum snicert_code)trace->trouble.code, "%s", trace->trouble.text);
		else
			error_set(err, SNICERT_ENOTFOUND,
			    "no statistics at %s: no server has loaded the module, or none can write there", path);
		stats_trace_close(trace);
		return -1;
	}
	*out = trace;
	return 0;
}

static void
copy_event(struct stats_event *out, const struct mapping_record *record)
{
	out->at = atomic_load(&record->at);
	out->ns = atomic_load(&record->ns);
	out->pid = atomic_load(&record->pid);
	out->outcome = (enum stats_outcome)atomic_load(&record->outcome);
	out->reason = (enum stats_reason)atomic_load(&record->reason);
	out->keys = atomic_load(&record->keys);
	memcpy(out->leaf, record->leaf, sizeof(out->leaf));
	stats_file_text(out->name, record->name, sizeof(out->name));
}

/* A record with its number both before and after reading is whole. */
static int
take(struct stats_trace *trace, struct followed *file, size_t *count, uint64_t *lost)
{
	uint64_t head, first, ticket;

	if (head_of(file, &head) != 0)
		return -1;
	first = head - file->next > MAPPING_RECORDS ? head - MAPPING_RECORDS : file->next;
	*lost += first - file->next;
	if (first != head && stats_file_read(file->fd, trace->ring, sizeof(trace->ring), file->parts.ring) != 0)
		return -1;
	for (file->next = first; file->next != head; file->next++) {
		const struct mapping_record *record = &trace->ring[file->next % MAPPING_RECORDS];
		size_t at = file->parts.ring + (size_t)(file->next % MAPPING_RECORDS) * sizeof(*record);

		if (atomic_load(&record->ticket) < 2 * file->next + 2 && file->next + 8 > head)
			break; /* probably still being written: next time */
		if (atomic_load(&record->ticket) != 2 * file->next + 2 || *count == MAPPING_RECORDS ||
		    stats_file_read(file->fd, &ticket, sizeof(ticket), at) != 0 || ticket != 2 * file->next + 2)
			(*lost)++;
		else
			copy_event(&trace->events[(*count)++], record);
	}
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct stats_event *left = a, *right = b;

	return left->at < right->at ? -1 : left->at > right->at;
}

int
stats_trace_next(struct stats_trace *trace, void (*each)(void *arg, const struct stats_event *), void *arg,
    uint64_t *lost, struct snicert_error *err)
{
	size_t count = 0;

	*lost = 0;
	if (trace->looked != (int64_t)time(NULL))
		look(trace);
	for (size_t i = 0; i < trace->count; i++)
		if (ask(&trace->files[i]) != 0 || take(trace, &trace->files[i], &count, lost) != 0)
			return error_system(err, "can't follow %s", trace->path);
	qsort(trace->events, count, sizeof(trace->events[0]), by_time);
	for (size_t i = 0; i < count; i++)
		each(arg, &trace->events[i]);
	return (int)count;
}

void
stats_trace_close(struct stats_trace *trace)
{
	if (trace == NULL)
		return;
	for (size_t i = 0; i < trace->count; i++)
		close(trace->files[i].fd);
	free(trace);
}

/* --- setting to zero ------------------------------------------------------------------ */

static int
zero(int fd, size_t from, size_t to)
{
	static const char zeros[4096];

	for (; from < to; from += sizeof(zeros))
		if (stats_file_write(fd, zeros, to - from < sizeof(zeros) ? to - from : sizeof(zeros), from) != 0)
			return -1;
	return 0;
}

static int
reset_one(void *arg, int fd, const struct stats_file *file, struct snicert_error *err)
{
	unsigned what = *(const unsigned *)arg;
	int64_t now = (int64_t)time(NULL);

	if (((what & STATS_RESET_COUNTERS) != 0 &&
	    (zero(fd, file->parts.shards, file->parts.processes) != 0 ||
	        stats_file_write(fd, &now, sizeof(now), offsetof(struct mapping_header, reset)) != 0)) ||
	    ((what & STATS_RESET_UNKNOWN) != 0 &&
	    (zero(fd, file->parts.sketch, file->parts.use) != 0 ||
	        stats_file_write(fd, &now, sizeof(now), offsetof(struct mapping_header, unknown_reset)) != 0)))
		return error_system(err, "can't write %s", file->path);
	return 0;
}

int
stats_reset(const char *path, unsigned what, struct snicert_error *err)
{
	struct snicert_error trouble = {0};
	size_t skipped;

	stats_file_each(path, true, reset_one, &what, &skipped, &trouble);
	return skipped == 0 ? 0 : error_set(err, (enum snicert_code)trouble.code, "%s", trouble.text);
}
