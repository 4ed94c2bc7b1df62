/* SPDX-License-Identifier: ISC */
/*
 * watch.c: live statistics: total counts, and current rates.  80 columns; on a terminal each page
 * replaces the last one, elsewhere it follows below.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "date.h"
#include "error.h"
#include "show/paint.h"
#include "stats/read.h"
#include "stats/watch.h"

#define BAR 24                  /* of a rate, in columns */
#define UNKNOWN_SHOWN 5
#define PROCESSES_MOST 1024
#define PROGRAMS_SHOWN 6

struct watching {
	struct tool *tool;
	unsigned seconds;
	bool redraw;
	struct stats_totals before, now;
	double passed;                  /* seconds between them; 0: first page */
};

static volatile sig_atomic_t stopped;

static void
stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* A reset in between gives 0, not an impossible number. */
static double
rate(const struct watching *w, uint64_t now, uint64_t before)
{
	return w->passed > 0 && now >= before ? (double)(now - before) / w->passed : 0;
}

static void
heading(const char *text, const char *columns)
{
	printf("\n%s%-20s%s%s\n", paint_on(stdout, PAINT_HEAD), text, columns, paint_off(stdout, PAINT_HEAD));
}

static void
line(const struct watching *w, const char *label, enum paint paint, uint64_t now, uint64_t before, double most)
{
	double speed = rate(w, now, before);
	int length = most > 0 ? (int)(speed / most * BAR + 0.5) : 0;

	printf("  %s%-18s%s %12" PRIu64 "  ", speed > 0 ? paint_on(stdout, paint) : "", label,
	    speed > 0 ? paint_off(stdout, paint) : "", now);
	if (w->passed > 0)
		printf("%12.1f  ", speed);
	for (int i = 0; i < length; i++)
		putchar('#');
	putchar('\n');
}

static void
print_outcomes(const struct watching *w)
{
	static const char *const labels[STATS_OUTCOMES] = { "exact name", "wildcard", "address fallback",
		"program fallback", "global fallback", "own certificate", "refused" };
	double most = 0;

	for (int i = 0; i < STATS_OUTCOMES; i++)
		if (rate(w, w->now.outcomes[i], w->before.outcomes[i]) > most)
			most = rate(w, w->now.outcomes[i], w->before.outcomes[i]);
	heading("Served", w->passed > 0 ? "         total    per second" : "         total");
	for (int i = 0; i < STATS_OUTCOMES; i++)
		line(w, labels[i], i <= STATS_WILDCARD ? PAINT_GOOD : i < STATS_OWN ? PAINT_WARNING : PAINT_BAD,
		    w->now.outcomes[i], w->before.outcomes[i], most);
}

static void
print_reasons(const struct watching *w)
{
	static const char *const labels[STATS_REASONS] = { "", "no name sent", "no valid name", "unknown name",
		"unusable by client", "expired", "broken chain", "store unreadable", "no memory" };
	bool any = false;

	for (int i = STATS_NO_NAME; i < STATS_REASONS; i++) {
		if (w->now.reasons[i] == 0)
			continue;
		if (!any)
			heading("Not the name's own", "");
		any = true;
		line(w, labels[i], i >= STATS_BROKEN ? PAINT_BAD : i == STATS_NO_NAME ? PAINT_NONE : PAINT_WARNING,
		    w->now.reasons[i], w->before.reasons[i], 0);
	}
}

/* "1.2 us", "34 ms" */
static const char *
duration(double ns, char text[16])
{
	if (ns < 1e6)
		snprintf(text, 16, "%.1f us", ns / 1e3);
	else
		snprintf(text, 16, "%.1f ms", ns / 1e6);
	return text;
}

/* Of what was counted in between; if nothing, of everything. */
static void
print_speed(const struct watching *w)
{
	struct stats_totals span = w->now;
	uint64_t hits = span.counters[STATS_CACHE_HITS], decodes = span.counters[STATS_DECODES];
	char half[16], most[16], nearly[16];

	if (w->passed > 0 && w->now.latencies > w->before.latencies) {
		span.latencies -= w->before.latencies;
		for (int i = 0; i < STATS_LATENCIES; i++)
			span.latency[i] -= w->before.latency[i] < span.latency[i] ? w->before.latency[i] : span.latency[i];
	}
	printf("\n%sTime to choose%s      half within %s, 95 %% %s, 99 %% %s\n", paint_on(stdout, PAINT_HEAD),
	    paint_off(stdout, PAINT_HEAD), duration(stats_percentile(&span, 50), half),
	    duration(stats_percentile(&span, 95), most), duration(stats_percentile(&span, 99), nearly));
	printf("%sFrom memory%s         %" PRIu64 " look-ups; %" PRIu64 " chains decoded, %.1f/s; %" PRIu64 " errors\n",
	    paint_on(stdout, PAINT_HEAD), paint_off(stdout, PAINT_HEAD), hits, decodes,
	    rate(w, decodes, w->before.counters[STATS_DECODES]), span.counters[STATS_TROUBLE]);
}

static int
by_program(const void *a, const void *b)
{
	return strcmp(((const struct stats_process *)a)->program, ((const struct stats_process *)b)->program);
}

static void
print_servers(const struct stats_reader *reader)
{
	struct stats_process *list = calloc(PROCESSES_MOST, sizeof(*list));
	size_t count = list == NULL ? 0 : stats_read_processes(reader, list, PROCESSES_MOST), shown = 0, kept = 0;

	count = count < PROCESSES_MOST ? count : PROCESSES_MOST;
	for (size_t i = 0; i < count; i++)
		if (list[i].alive)
			list[kept++] = list[i];
	if (kept > 0)
		qsort(list, kept, sizeof(*list), by_program);
	heading("Servers", "     processes       threads");
	for (size_t i = 0; i < kept && shown < PROGRAMS_SHOWN; shown++) {
		const char *program = list[i].program;
		unsigned processes = 0, threads = 0;

		for (; i < kept && strcmp(list[i].program, program) == 0; i++, processes++)
			threads += list[i].threads;
		printf("  %-18.18s %12u  %12u\n", program, processes, threads);
	}
	if (kept == 0)
		puts("  none");
	free(list);
}

static void
print_unknown(const struct stats_reader *reader)
{
	struct stats_unknown *list = NULL;
	size_t count = 0;

	if (stats_read_unknown(reader, &list, &count) == 0 && count > 0) {
		heading("Unknown names", "         asked  most wanted of all");
		for (size_t i = 0; i < count && i < UNKNOWN_SHOWN; i++)
			printf("  %31" PRIu64 "  %.44s%s\n", list[i].count, list[i].name,
			    strlen(list[i].name) > 44 ? "~" : "");
	}
	free(list);
}

static void
print_page(const struct watching *w, const struct stats_reader *reader)
{
	char text[32], from[32];

	date_print(text, sizeof(text), "%Y-%m-%d %H:%M:%S", (int64_t)time(NULL));
	date_print(from, sizeof(from), "%Y-%m-%d %H:%M", w->now.since);
	if (w->redraw)
		fputs("\033[H\033[2J", stdout);
	printf("%.79s\n", stats_read_store(reader));
	printf("%s UTC", text);
	if (w->seconds > 0)
		printf(", every %u s", w->seconds);
	printf("; counted since %s UTC\n", from);
	print_outcomes(w);
	print_reasons(w);
	print_speed(w);
	print_servers(reader);
	print_unknown(reader);
	if (!w->redraw && w->seconds > 0)
		putchar('\n');
}

static int
page(struct watching *w, double *last, struct snicert_error *err)
{
	struct stats_reader *reader = NULL;
	double now = (double)clock_us() / 1e6;

	if (stats_read_open(&reader, w->tool->config->stats_path, err) != 0)
		return -1;
	w->before = w->now;
	stats_read_totals(reader, &w->now);
	w->passed = *last > 0 ? now - *last : 0;
	*last = now;
	print_page(w, reader);
	stats_read_close(reader);
	return fflush(stdout) == 0 ? 0 : error_system(err, "can't write the output");
}

static bool
is_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

int
stats_watch(struct tool *tool, unsigned seconds, unsigned pages)
{
	const struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND };
	struct watching w = { .tool = tool, .seconds = seconds, .redraw = seconds > 0 && is_screen() };
	struct snicert_error err = {0};
	double last = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (unsigned i = 0; !stopped && (pages == 0 || i < pages); i++) {
		if (i > 0)
			sleep(seconds);
		if (!stopped && page(&w, &last, &err) != 0)
			return tool_fail(&err);
	}
	return TOOL_DONE;
}
