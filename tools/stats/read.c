/* SPDX-License-Identifier: ISC */
/* read.c: reads and sums the statistics of all servers of a store. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "roster.h"
#include "sketch.h"
#include "stats/file.h"
#include "stats/read.h"

struct stats_reader {
	size_t count, skipped;
	struct stats_copy {
		char *octets;
		struct mapping_process *again;  /* the same rows, a moment later */
		struct mapping_parts parts;
		uid_t uid;
	} copies[STATS_FILES_MOST];
};

static const struct mapping_header *
header_of(const struct stats_copy *copy)
{
	return (const struct mapping_header *)copy->octets;
}

static int
take_copy(void *arg, int fd, const struct stats_file *file, struct snicert_error *err)
{
	struct stats_reader *reader = arg;
	struct stats_copy *copy = &reader->copies[reader->count];
	size_t rows = MAPPING_PROCESSES * sizeof(struct mapping_process);

	copy->octets = malloc(file->parts.size);
	copy->again = malloc(rows);
	copy->parts = file->parts;
	copy->uid = file->uid;
	if (copy->octets == NULL || copy->again == NULL)
		error_set(err, SNICERT_EMEMORY, "no memory");
	else if (stats_file_read(fd, copy->octets, file->parts.size, 0) == 0 &&
	    stats_file_read(fd, copy->again, rows, file->parts.processes) == 0) {
		reader->count++;
		return 0;
	} else {
		error_system(err, "can't read %s", file->path);
	}
	free(copy->octets);
	free(copy->again);
	return -1;
}

int
stats_read_open(struct stats_reader **out, const char *path, struct snicert_error *err)
{
	struct stats_reader *reader = path == NULL ? NULL : calloc(1, sizeof(*reader));
	struct snicert_error trouble = {0};

	if (path == NULL)
		return error_set(err, SNICERT_ENOTFOUND, "statistics are switched off: stats { path = \"none\" }");
	if (reader == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	stats_file_each(path, false, take_copy, reader, &reader->skipped, &trouble);
	if (reader->count > 0) {
		*out = reader;
		return 0;
	}
	stats_read_close(reader);
	if (trouble.code != SNICERT_OK)
		return error_set(err, (enum snicert_code)trouble.code, "%s", trouble.text);
	return error_set(err, SNICERT_ENOTFOUND,
	    "no statistics at %s: no server has loaded the module, or none can write there", path);
}

void
stats_read_close(struct stats_reader *reader)
{
	if (reader == NULL)
		return;
	for (size_t i = 0; i < reader->count; i++) {
		free(reader->copies[i].octets);
		free(reader->copies[i].again);
	}
	free(reader);
}

size_t
stats_read_files(const struct stats_reader *reader)
{
	return reader->count;
}

size_t
stats_read_skipped(const struct stats_reader *reader)
{
	return reader->skipped;
}

const char *
stats_read_store(const struct stats_reader *reader)
{
	return header_of(&reader->copies[0])->store;
}

/* --- words ---------------------------------------------------------------------- */

const char *
stats_outcome_word(enum stats_outcome outcome)
{
	static const char *const words[STATS_OUTCOMES] = { "exact", "wildcard", "address", "program", "global",
		"own", "refused" };

	return (unsigned)outcome < STATS_OUTCOMES ? words[outcome] : "?";
}

const char *
stats_reason_word(enum stats_reason reason)
{
	static const char *const words[STATS_REASONS] = { "none", "no_name", "malformed", "unknown", "unusable",
		"expired", "broken", "unreadable", "memory" };

	return (unsigned)reason < STATS_REASONS ? words[reason] : "?";
}

const char *
stats_keys_word(unsigned keys, char text[32])
{
	static const char *const words[] = { "RSA", "EC", "ED25519", "ED448" };

	text[0] = '\0';
	for (unsigned i = 0; i < 4; i++)
		if ((keys & 1u << i) != 0) {
			if (text[0] != '\0')
				strcat(text, "+");
			strcat(text, words[i]);
		}
	return text[0] == '\0' ? strcpy(text, "none") : text;
}

/* --- sums ------------------------------------------------------------------------- */

static uint64_t
value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
add_shard(struct stats_totals *out, const struct mapping_shard *shard)
{
	for (int i = 0; i < STATS_OUTCOMES; i++)
		for (int k = 0; k < STATS_REASONS; k++) {
			uint64_t count = value(&shard->handshakes[i][k]);

			out->both[i][k] += count;
			out->outcomes[i] += count;
			out->reasons[k] += count;
			out->handshakes += count;
		}
	out->both[STATS_EXACT][STATS_NONE] += value(&shard->exact);
	out->outcomes[STATS_EXACT] += value(&shard->exact);
	out->reasons[STATS_NONE] += value(&shard->exact);
	out->handshakes += value(&shard->exact);
	out->counters[STATS_CACHE_HITS] += value(&shard->cache_hits);
	for (int i = 0; i < STATS_KEY_SETS; i++)
		out->keys[i] += value(&shard->keys[i]);
	for (int i = 0; i < STATS_COUNTERS; i++)
		out->counters[i] += value(&shard->counters[i]);
	for (int i = 0; i < STATS_LATENCIES; i++) {
		out->latency[i] += value(&shard->latency[i]);
		out->latencies += value(&shard->latency[i]);
	}
	out->latency_ns += value(&shard->latency_ns);
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void
stats_read_totals(const struct stats_reader *reader, struct stats_totals *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < reader->count; i++) {
		const struct stats_copy *copy = &reader->copies[i];
		const struct mapping_shard *shards = (const struct mapping_shard *)(copy->octets + copy->parts.shards);

		out->since = later(out->since, later(header_of(copy)->created, header_of(copy)->reset));
		for (unsigned k = 0; k < MAPPING_SHARDS; k++)
			add_shard(out, &shards[k]);
	}
}

double
stats_percentile(const struct stats_totals *totals, double percent)
{
	double wanted = (double)totals->latencies * percent / 100, below = 0;

	for (int i = 0; i < STATS_LATENCIES; i++) {
		double here = (double)totals->latency[i], from = i == 0 ? 0 : (double)((uint64_t)1 << (i - 1));

		if (here > 0 && below + here >= wanted)
			return from + ((double)((uint64_t)1 << i) - from) * (wanted - below) / here;
		below += here;
	}
	return 0;
}

/* --- processes ----------------------------------------------------------------------- */

static bool
is_alive(pid_t pid, uint64_t start)
{
	uint64_t now = roster_start_of(pid);

	if (now != 0 && start != 0)
		return now == start;
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* Whether it is in use, and wasn't being written. */
static bool
copy_process(struct stats_process *out, const struct mapping_process *row, const struct mapping_process *again)
{
	uint32_t version = atomic_load(&row->version);
	int32_t pid = atomic_load(&row->pid);

	memset(out, 0, sizeof(*out));
	if (pid <= 0 || (version & 1) != 0 || version != atomic_load(&again->version))
		return false;
	out->pid = pid;
	out->uid = atomic_load(&row->uid);
	out->alive = is_alive(pid, atomic_load(&row->start));
	out->opened = atomic_load(&row->opened);
	out->served = atomic_load(&row->served);
	out->commit = atomic_load(&row->commit);
	out->commit_seen = atomic_load(&row->commit_seen);
	out->changes = atomic_load(&row->changes);
	out->threads = atomic_load(&row->threads);
	out->error_at = atomic_load(&row->error_at);
	stats_file_text(out->program, row->program, sizeof(out->program));
	stats_file_text(out->module, row->module, sizeof(out->module));
	stats_file_text(out->error, row->error, sizeof(out->error));
	return true;
}

static int
by_life(const void *a, const void *b)
{
	const struct stats_process *left = a, *right = b;

	if (left->alive != right->alive)
		return left->alive ? -1 : 1;
	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

size_t
stats_read_processes(const struct stats_reader *reader, struct stats_process *out, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < reader->count; i++) {
		const struct stats_copy *copy = &reader->copies[i];
		const struct mapping_process *rows =
		    (const struct mapping_process *)(copy->octets + copy->parts.processes);

		for (unsigned k = 0; k < MAPPING_PROCESSES; k++) {
			struct stats_process one;

			if (!copy_process(&one, &rows[k], &copy->again[k]))
				continue;
			if (out != NULL && count < room)
				out[count] = one;
			count++;
		}
	}
	if (out != NULL)
		qsort(out, count < room ? count : room, sizeof(*out), by_life);
	return count;
}

/* --- names ------------------------------------------------------------------------------ */

/* A place being given to another name holds one that doesn't fit its tag. */
static bool
copy_unknown(struct stats_unknown *out, const struct mapping_unknown *place, const struct mapping_header *header)
{
	uint64_t tag = value(&place->tag), score = value(&place->score);
	size_t length = strnlen(place->name, sizeof(place->name));

	if (tag == 0 || length == 0 || length >= sizeof(place->name) ||
	    sketch_hash(header->key, place->name, length) != tag)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, place->name, length);
	stats_file_text(out->address, place->address, sizeof(out->address));
	out->count = value(&place->count);
	out->missed = value(&place->missed);
	out->first = atomic_load(&place->first);
	out->last = atomic_load(&place->last);
	out->windows = (uint32_t)(score >> 32);
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct stats_unknown *)a)->name, ((const struct stats_unknown *)b)->name);
}

static int
by_count(const void *a, const void *b)
{
	const struct stats_unknown *left = a, *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void
merge(struct stats_unknown *into, const struct stats_unknown *other)
{
	if (other->first < into->first) {
		into->first = other->first;
		memcpy(into->address, other->address, sizeof(into->address));
	}
	into->last = later(into->last, other->last);
	into->count += other->count;
	into->missed += other->missed;
	into->windows = into->windows > other->windows ? into->windows : other->windows;
}

/* Those of several users, or that two threads gave a place at once. */
static size_t
merge_all(struct stats_unknown *list, size_t count)
{
	size_t kept = 0;

	qsort(list, count, sizeof(*list), by_name);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && strcmp(list[kept - 1].name, list[i].name) == 0)
			merge(&list[kept - 1], &list[i]);
		else
			list[kept++] = list[i];
	}
	qsort(list, kept, sizeof(*list), by_count);
	return kept;
}

int
stats_read_unknown(const struct stats_reader *reader, struct stats_unknown **out, size_t *count)
{
	struct stats_unknown *list;
	size_t room = 0, found = 0;

	for (size_t i = 0; i < reader->count; i++)
		room += header_of(&reader->copies[i])->unknown;
	list = calloc(room, sizeof(*list));
	if (list == NULL)
		return -1;
	for (size_t i = 0; i < reader->count; i++) {
		const struct stats_copy *copy = &reader->copies[i];
		const struct mapping_unknown *places =
		    (const struct mapping_unknown *)(copy->octets + copy->parts.unknown);

		for (uint32_t k = 0; k < header_of(copy)->unknown; k++)
			found += copy_unknown(&list[found], &places[k], header_of(copy));
	}
	*count = merge_all(list, found);
	*out = list;
	return 0;
}

static void
use_in(const struct stats_copy *copy, const char *name, struct stats_use *out)
{
	const struct mapping_header *header = header_of(copy);
	uint64_t tag = sketch_hash(header->key, name, strlen(name)), earliest = UINT64_MAX;
	const struct mapping_use *bucket = (const struct mapping_use *)(copy->octets + copy->parts.use) +
	    sketch_use_bucket(tag, header->names);
	bool full = true;

	out->since = later(out->since, header->created);
	for (unsigned i = 0; i < MAPPING_USE_WAYS; i++) {
		uint64_t use = value(&bucket[i].use);

		if (value(&bucket[i].tag) == tag) {
			out->day = out->used == STATS_USED ? later(out->day, (int64_t)(use >> MAPPING_USE_BITS))
			                                   : (int64_t)(use >> MAPPING_USE_BITS);
			out->count += use & (((uint64_t)1 << MAPPING_USE_BITS) - 1);
			out->used = STATS_USED;
			return;
		}
		full = full && value(&bucket[i].tag) != 0;
		earliest = use < earliest ? use : earliest;
	}
	if (full && out->used != STATS_USED) {
		out->used = STATS_USED_BEFORE;
		out->day = later(out->day, (int64_t)(earliest >> MAPPING_USE_BITS));
	}
}

void
stats_read_use(const struct stats_reader *reader, const char *name, struct stats_use *out)
{
	memset(out, 0, sizeof(*out));
	out->used = STATS_NOT_USED;
	for (size_t i = 0; i < reader->count; i++)
		use_in(&reader->copies[i], name, out);
	out->day *= 86400;
}
