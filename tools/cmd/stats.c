/* SPDX-License-Identifier: ISC */
/*
 * stats.c: what servers did: handshakes by what they were served and why, how
 * fast, and which processes there are.
 *
 * For programs the answer is
 *
 *     {"overview": {…}, "handshakes": [{…}, …], "keys": [{…}, …], "latency": [{…}, …],
 *      "processes": [{…}, …]}
 *
 * with the members that snicert(8) lists.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "date.h"
#include "error.h"
#include "show/paint.h"
#include "show/report.h"
#include "stats/metrics.h"
#include "stats/read.h"
#include "stats/watch.h"
#include "tool.h"

#define PROCESSES_MOST 1024

static const char *const outcome_texts[STATS_OUTCOMES] = { "the name's own chain", "a wildcard's",
	"fallback of the address", "fallback of the program", "the global fallback", "the server's own certificate",
	"refused" };
static const char *const reason_texts[STATS_REASONS] = { NULL, "no name sent", "not a valid name",
	"unknown name", "client can't use it", "expired", "chain broken", "store unreadable", "no memory" };

#define EVERY_DEFAULT 2         /* seconds between the pages of --watch */

/* What to do besides showing. */
struct ways {
	bool reset, watch, prometheus;
	int64_t every, pages;           /* pages 0: no end */
	const char *out;                /* NULL: standard output */
};

struct guide {
	const struct tool *tool;
	struct stats_reader *reader;
	struct stats_totals totals;
	struct stats_process *processes;
	size_t process_count;
	size_t unknown;                 /* names listed */
};

static double
part(uint64_t some, uint64_t all)
{
	return all == 0 ? 0 : 100 * (double)some / (double)all;
}

static void
moment(int64_t at, char text[32])
{
	date_print(text, 32, "%Y-%m-%d %H:%M:%S", at);
}

/* --- for people ------------------------------------------------------------- */

static void
head(const char *text)
{
	printf("\n%s%s%s\n", paint_on(stdout, PAINT_HEAD), text, paint_off(stdout, PAINT_HEAD));
}

static void
line(const char *text, uint64_t count, uint64_t all)
{
	printf("  %-30s %14" PRIu64 "  %5.1f %%\n", text, count, part(count, all));
}

static void
print_overview(const struct guide *page)
{
	const uint64_t *counters = page->totals.counters;
	uint64_t looks = counters[STATS_CACHE_HITS] + counters[STATS_DECODES];
	char since[32];
	size_t alive = 0;

	for (size_t i = 0; i < page->process_count; i++)
		alive += page->processes[i].alive;
	moment(page->totals.since, since);
	printf("Store       %s\n", stats_read_store(page->reader));
	printf("Since       %s UTC\n", since);
	printf("Handshakes  %" PRIu64 "\n", page->totals.handshakes);
	printf("Servers     %zu running\n", alive);
	printf("Selection   half below %.1f us, 99 %% below %.1f us\n", stats_percentile(&page->totals, 50) / 1e3,
	    stats_percentile(&page->totals, 99) / 1e3);
	printf("Cache       %" PRIu64 " look-ups answered, %" PRIu64 " chains decoded (%.1f %% to 1)\n",
	    counters[STATS_CACHE_HITS], counters[STATS_DECODES], part(counters[STATS_CACHE_HITS], looks));
	printf("Unknown     %zu name%s listed: snicert unknown\n", page->unknown, page->unknown == 1 ? "" : "s");
	if (counters[STATS_TROUBLE] > 0)
		printf("Trouble     %" PRIu64 " times a part of the store could not be used\n",
		    counters[STATS_TROUBLE]);
	if (counters[STATS_SERVED_EXPIRED] > 0)
		printf("Expired     served in %" PRIu64 " handshakes\n", counters[STATS_SERVED_EXPIRED]);
}

static void
print_counts(const struct guide *page)
{
	const struct stats_totals *totals = &page->totals;
	uint64_t others = totals->handshakes - totals->reasons[STATS_NONE], presented = 0;
	char text[32];

	head("Served");
	for (int i = 0; i < STATS_OUTCOMES; i++)
		if (totals->outcomes[i] > 0)
			line(outcome_texts[i], totals->outcomes[i], totals->handshakes);
	if (others > 0)
		head("Why not the name's own chain");
	for (int i = 1; i < STATS_REASONS; i++)
		if (totals->reasons[i] > 0)
			line(reason_texts[i], totals->reasons[i], others);
	for (int i = 1; i < STATS_KEY_SETS; i++)
		presented += totals->keys[i];
	if (presented > 0)
		head("Key types presented");
	for (unsigned i = 1; i < STATS_KEY_SETS; i++)
		if (totals->keys[i] > 0)
			line(stats_keys_word(i, text), totals->keys[i], presented);
}

static void
print_processes(const struct guide *page)
{
	static const struct report_column columns[] = {
		{ "pid", "PID", true }, { "program", "Program", false }, { "module", "Module", false },
		{ "threads", "Threads", true }, { "served", "Last handshake", false }, { "error", "Last error", false },
	};
	struct report *report;
	char text[32];

	head("Processes");
	report = report_new(stdout, false, columns, 6);
	report_empty(report, "No running server has the module loaded.");
	for (size_t i = 0; i < page->process_count; i++) {
		const struct stats_process *process = &page->processes[i];

		if (!process->alive)
			continue;
		moment(process->served, text);
		report_number(report, process->pid);
		report_text(report, process->program);
		report_text(report, process->module);
		report_number(report, process->threads);
		report_text(report, process->served == 0 ? NULL : text);
		report_text(report, process->error_at == 0 ? NULL : process->error);
		report_row_end(report);
	}
	report_finish(report, NULL);
}

/* --- for programs -------------------------------------------------------------- */

static void
json_overview(const struct guide *page)
{
	static const struct report_column columns[] = {
		{ "store", NULL, false }, { "since", NULL, false }, { "files", NULL, false },
		{ "files_skipped", NULL, false }, { "handshakes", NULL, false }, { "cache_hits", NULL, false },
		{ "decodes", NULL, false }, { "served_expired", NULL, false }, { "trouble", NULL, false },
		{ "unknown_names", NULL, false }, { "unknown_missed", NULL, false }, { "names_evicted", NULL, false },
		{ "processes_missed", NULL, false }, { "median_ns", NULL, false }, { "p99_ns", NULL, false },
	};
	const uint64_t *counters = page->totals.counters;
	struct report *report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));

	report_single(report);
	report_text(report, stats_read_store(page->reader));
	report_time(report, page->totals.since);
	report_number(report, (long long)stats_read_files(page->reader));
	report_number(report, (long long)stats_read_skipped(page->reader));
	report_number(report, (long long)page->totals.handshakes);
	report_number(report, (long long)counters[STATS_CACHE_HITS]);
	report_number(report, (long long)counters[STATS_DECODES]);
	report_number(report, (long long)counters[STATS_SERVED_EXPIRED]);
	report_number(report, (long long)counters[STATS_TROUBLE]);
	report_number(report, (long long)page->unknown);
	report_number(report, (long long)counters[STATS_UNKNOWN_MISSED]);
	report_number(report, (long long)counters[STATS_NAMES_EVICTED]);
	report_number(report, (long long)counters[STATS_PROCESSES_MISSED]);
	report_number(report, (long long)stats_percentile(&page->totals, 50));
	report_number(report, (long long)stats_percentile(&page->totals, 99));
	report_row_end(report);
	report_finish(report, NULL);
}

static void
json_handshakes(const struct guide *page)
{
	static const struct report_column columns[] = {
		{ "outcome", NULL, false }, { "reason", NULL, false }, { "handshakes", NULL, false },
	};
	struct report *report = report_new(stdout, true, columns, 3);

	for (int i = 0; i < STATS_OUTCOMES; i++)
		for (int k = 0; k < STATS_REASONS; k++) {
			if (page->totals.both[i][k] == 0)
				continue;
			report_text(report, stats_outcome_word((enum stats_outcome)i));
			report_text(report, stats_reason_word((enum stats_reason)k));
			report_number(report, (long long)page->totals.both[i][k]);
			report_row_end(report);
		}
	report_finish(report, NULL);
}

static void
json_keys(const struct guide *page)
{
	static const struct report_column columns[] = { { "keys", NULL, false }, { "handshakes", NULL, false } };
	struct report *report = report_new(stdout, true, columns, 2);
	char text[32];

	for (unsigned i = 1; i < STATS_KEY_SETS; i++) {
		if (page->totals.keys[i] == 0)
			continue;
		report_text(report, stats_keys_word(i, text));
		report_number(report, (long long)page->totals.keys[i]);
		report_row_end(report);
	}
	report_finish(report, NULL);
}

static void
json_latency(const struct guide *page)
{
	static const struct report_column columns[] = { { "below_ns", NULL, false }, { "selections", NULL, false } };
	struct report *report = report_new(stdout, true, columns, 2);

	for (int i = 0; i < STATS_LATENCIES; i++) {
		if (page->totals.latency[i] == 0)
			continue;
		if (i == STATS_LATENCIES - 1)
			report_text(report, NULL);
		else
			report_number(report, 1LL << i);
		report_number(report, (long long)page->totals.latency[i]);
		report_row_end(report);
	}
	report_finish(report, NULL);
}

static void
json_moment(struct report *report, int64_t at)
{
	if (at == 0)
		report_text(report, NULL);
	else
		report_time(report, at);
}

static int
json_processes(const struct guide *page, struct snicert_error *err)
{
	static const struct report_column columns[] = {
		{ "pid", NULL, false }, { "uid", NULL, false }, { "alive", NULL, false }, { "program", NULL, false },
		{ "module", NULL, false }, { "opened", NULL, false }, { "served", NULL, false },
		{ "threads", NULL, false }, { "commit", NULL, false }, { "commit_seen", NULL, false },
		{ "changes", NULL, false }, { "error", NULL, false }, { "error_at", NULL, false },
	};
	struct report *report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));
	char commit[24];

	for (size_t i = 0; i < page->process_count; i++) {
		const struct stats_process *process = &page->processes[i];

		snprintf(commit, sizeof(commit), "%016" PRIx64, process->commit);
		report_number(report, process->pid);
		report_number(report, (long long)process->uid);
		report_flag(report, process->alive);
		report_text(report, process->program);
		report_text(report, process->module);
		json_moment(report, process->opened);
		json_moment(report, process->served);
		report_number(report, process->threads);
		report_text(report, process->commit == 0 ? NULL : commit);
		json_moment(report, process->commit_seen);
		report_number(report, process->changes);
		report_text(report, process->error_at == 0 ? NULL : process->error);
		json_moment(report, process->error_at);
		report_row_end(report);
	}
	return report_finish(report, err);
}

/* The stream remembers: if a part can't be written, the last one fails too. */
static int
print_json(const struct guide *page, struct snicert_error *err)
{
	printf("{\"overview\": ");
	json_overview(page);
	printf(", \"handshakes\": ");
	json_handshakes(page);
	printf(", \"keys\": ");
	json_keys(page);
	printf(", \"latency\": ");
	json_latency(page);
	printf(", \"processes\": ");
	if (json_processes(page, err) != 0)
		return -1;
	printf("}\n");
	return 0;
}

/* ---------------------------------------------------------------------------------- */

static int
gather(struct guide *page, struct snicert_error *err)
{
	struct stats_unknown *unknown = NULL;

	if (page->tool->config->stats_path == NULL)
		return error_set(err, SNICERT_ENOTFOUND, "snicert.conf says stats.path = none");
	if (stats_read_open(&page->reader, page->tool->config->stats_path, err) != 0)
		return -1;
	stats_read_totals(page->reader, &page->totals);
	page->processes = calloc(PROCESSES_MOST, sizeof(*page->processes));
	if (page->processes == NULL || stats_read_unknown(page->reader, &unknown, &page->unknown) != 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	free(unknown);
	page->process_count = stats_read_processes(page->reader, page->processes, PROCESSES_MOST);
	if (page->process_count > PROCESSES_MOST)
		page->process_count = PROCESSES_MOST;
	return 0;
}

static int
print_text(const struct guide *page, struct snicert_error *err)
{
	print_overview(page);
	print_counts(page);
	print_processes(page);
	if (fflush(stdout) != 0)
		return error_system(err, "can't write");
	return 0;
}

/* -1, or the exit code. */
static int
parse(struct tool *tool, int argc, char **argv, struct ways *ways)
{
	static const struct option options[] = {
		{ "reset", no_argument, NULL, 'r' }, { "watch", no_argument, NULL, 'w' },
		{ "every", required_argument, NULL, 'e' }, { "pages", required_argument, NULL, 'p' },
		{ "prometheus", no_argument, NULL, 'm' }, { "out", required_argument, NULL, 'o' }, TOOL_OPTIONS,
	};
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'r')
			ways->reset = true;
		else if (option == 'w')
			ways->watch = true;
		else if (option == 'm')
			ways->prometheus = true;
		else if (option == 'o')
			ways->out = optarg;
		else if (!tool_number(optarg, 1, 86400, option == 'e' ? &ways->every : &ways->pages))
			return tool_usage(tool, "%s is not a number from 1 to 86400", optarg);
	}
	if (optind != argc)
		return tool_usage(tool, "stats takes no arguments");
	if (ways->watch + ways->prometheus + (ways->reset || tool->json) > 1)
		return tool_usage(tool, "--watch and --prometheus can't be used with each other, --reset or --json");
	if (ways->out != NULL && !ways->prometheus)
		return tool_usage(tool, "--out is for --prometheus only");
	return -1;
}

static int
cmd_stats(struct tool *tool, int argc, char **argv)
{
	struct guide page = { .tool = tool };
	struct ways ways = { .every = EVERY_DEFAULT };
	struct snicert_error err = {0};
	int status = parse(tool, argc, argv, &ways);

	if (status != -1)
		return status;
	if (ways.watch)
		return stats_watch(tool, (unsigned)ways.every, (unsigned)ways.pages);
	if (ways.prometheus)
		return metrics_print(tool->config, ways.out, &err) != 0 ? tool_fail(&err) : TOOL_DONE;
	status = TOOL_DONE;
	if (gather(&page, &err) != 0 || (tool->json ? print_json(&page, &err) : print_text(&page, &err)) != 0 ||
	    (ways.reset && stats_reset(tool->config->stats_path, STATS_RESET_COUNTERS, &err) != 0))
		status = tool_fail(&err);
	free(page.processes);
	stats_read_close(page.reader);
	return status;
}

const struct command command_stats = {
	.name = "stats",
	.run = cmd_stats,
	.arguments = "[--reset | --watch [--every SECONDS] [--pages COUNT] | --prometheus [--out FILE]]",
	.summary = "show what servers did: handshakes, what was served, how fast, processes",
	.help =
	    "  --reset         print, then reset the counters\n"
	    "  --watch         print again and again, with rates, until interrupted\n"
	    "  --every SECONDS how often (2)\n"
	    "  --pages COUNT   print this many times, then exit\n"
	    "  --prometheus    metrics, for node_exporter's textfile collector\n"
	    "  --out FILE      write to this file, replaced in one step\n",
	.traits = COMMAND_PRINTS,
};
