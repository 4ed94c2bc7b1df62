/* SPDX-License-Identifier: ISC */
/*
 * fuzz_stats.c: a statistics file that somebody has damaged, as a server writes it and
 * as the tool reads it.  The input says which octets change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "stats.h"
#include "stats/read.h"

#define OCTETS_MOST (1u << 20)

static char path[200];
static uint8_t base[OCTETS_MOST], changed[OCTETS_MOST];
static size_t length;
static struct config config = { .stats_unknown = 64, .stats_names = 1024 };

static void
ask(struct stats *stats, const char *text, enum stats_outcome outcome, enum stats_reason reason)
{
	struct name key = { .length = strlen(text) };
	struct stats_selection selection = { .outcome = outcome, .reason = reason, .server_name = text,
		.key = &key, .keys = STATS_RSA | STATS_EC, .trouble = 1 };

	memcpy(key.text, text, key.length + 1);
	stats_begin(stats);
	stats_reach(stats);
	stats_record(stats, &selection);
}

static void
serve(struct stats *stats)
{
	static const uint32_t words[12] = { 1, 2, 3 };

	ask(stats, "a.example", STATS_EXACT, STATS_NONE);
	ask(stats, "*.b.example", STATS_WILDCARD, STATS_NONE);
	for (int i = 0; i < 8; i++) {
		char name[32];

		snprintf(name, sizeof(name), "unknown-%d.example", i);
		ask(stats, name, STATS_GLOBAL, STATS_UNKNOWN);
	}
	stats_count(stats, STATS_DECODES);
	stats_moved(stats, words, 12);
	stats_error(stats, "an error");
}

static void
start(void)
{
	struct stats *stats;
	FILE *file;

	fuzz_path(path, "stats");
	config.stats_path = config.store_path = path;
	stats = stats_new(&config, NULL);
	if (stats == NULL)
		fuzz_die("no statistics at %s", path);
	serve(stats);
	stats_free(stats);
	file = fopen(path, "r");
	length = file == NULL ? 0 : fread(base, 1, sizeof(base), file);
	if (length == 0 || length == sizeof(base))
		fuzz_die("%zu octets of statistics", length);
	fclose(file);
}

static void
see_event(void *arg, const struct stats_event *event)
{
	if (event->outcome >= STATS_OUTCOMES || event->reason >= STATS_REASONS ||
	    memchr(event->name, '\0', sizeof(event->name)) == NULL)
		fuzz_die("an event of outcome %d, reason %d", (int)event->outcome, (int)event->reason);
	++*(int *)arg;
}

static void
follow(void)
{
	struct snicert_error err = {0};
	struct stats_trace *trace = NULL;
	uint64_t lost = 0;
	int count = 0;

	if (stats_trace_open(&trace, path, &err) != 0)
		return;
	stats_trace_next(trace, see_event, &count, &lost, &err);
	stats_trace_close(trace);
}

static void
read_all(void)
{
	static struct stats_process processes[300];
	struct snicert_error err = {0};
	struct stats_reader *reader = NULL;
	struct stats_unknown *unknown = NULL;
	struct stats_totals totals;
	struct stats_use use;
	size_t count = 0;

	if (stats_read_open(&reader, path, &err) != 0) {
		if (err.code == SNICERT_OK)
			fuzz_die("refused without a reason");
		return;
	}
	stats_read_totals(reader, &totals);
	stats_percentile(&totals, 99);
	count = stats_read_processes(reader, processes, 300);
	for (size_t i = 0; i < count && i < 300; i++)
		if (memchr(processes[i].program, '\0', sizeof(processes[i].program)) == NULL ||
		    memchr(processes[i].error, '\0', sizeof(processes[i].error)) == NULL)
			fuzz_die("a text without end");
	if (stats_read_unknown(reader, &unknown, &count) == 0)
		for (size_t i = 0; i < count; i++)
			if (memchr(unknown[i].name, '\0', sizeof(unknown[i].name)) == NULL ||
			    memchr(unknown[i].address, '\0', sizeof(unknown[i].address)) == NULL)
				fuzz_die("a name without end");
	free(unknown);
	stats_read_use(reader, "a.example", &use);
	if (memchr(stats_read_store(reader), '\0', 512) == NULL)
		fuzz_die("a path without end");
	stats_read_close(reader);
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned how = fuzz_octet(&in);
	struct snicert_error err = {0};
	struct stats *stats;
	size_t part = length;

	memcpy(changed, base, length);
	if ((how & 1) != 0)
		part = length / 256 * fuzz_octet(&in);
	while (in.size > 0)
		fuzz_edit(&in, changed, length);
	fuzz_write(path, changed, part);
	if ((how & 2) != 0)
		read_all();
	if ((how & 4) != 0)
		follow();
	if ((how & 8) != 0) {
		stats = stats_new(&config, NULL);
		serve(stats);
		stats_free(stats);
	}
	if ((how & 16) != 0)
		stats_reset(path, STATS_RESET_COUNTERS | STATS_RESET_UNKNOWN, &err);
	read_all();
}

static void
seed(void)
{
	fuzz_seed("whole", "\36", 1);
	fuzz_seed("cut", "\37\200", 2);
	fuzz_seed("header", "\36\0\0\10\4\0\0\0\2", 9);
	fuzz_seed("process", "\36\0\240\4\4\377\377\377\177", 9);
	fuzz_seed("names", "\36\2\200\0\10aaaaaaaa", 13);
	fuzz_seed("ring", "\36\5\0\0\10\377\377\377\377\377\377\377\377", 13);
}

const struct fuzz_target fuzz_stats = { .name = "stats", .start = start, .one = one, .seed = seed,
	.most = 200 };
