/* SPDX-License-Identifier: ISC */
/*
 * trace.c: what servers choose, handshake by handshake, live.
 *
 * While somebody reads, servers write selections into a ring in the statistics file.  Only this
 * command's answer has no end: each line is written at once, and for programs each is a separate
 * object (JSON Lines), not a member of an array.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "error.h"
#include "hex.h"
#include "show/paint.h"
#include "stats/read.h"
#include "tool.h"

#define IDLE 100000000L         /* ns between looks when idle */
#define BUSY 10000000L          /* … when busy: the ring has 512 records */

struct tracing {
	struct tool *tool;
	char **patterns;                /* of names; none: all */
	int pattern_count;
	bool missing;                   /* only if it wasn't the name's own chain */
	uint64_t shown, most;           /* most 0: no end */
	struct {
		pid_t pid;
		char program[17];
	} programs[64];                 /* by pid, latest used */
};

static volatile sig_atomic_t stopped;

static void
stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* A second one ends it at once, whatever it waits for. */
static void
stop_by_signals(void)
{
	struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* "" after it ended. */
static const char *
program_of(struct tracing *tracing, pid_t pid)
{
	size_t i = (size_t)pid % (sizeof(tracing->programs) / sizeof(tracing->programs[0]));
	char path[64], *text = tracing->programs[i].program;
	FILE *file;

	if (tracing->programs[i].pid == pid && text[0] != '\0')
		return text;
	tracing->programs[i].pid = pid;
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(text, sizeof(tracing->programs[i].program), file) == NULL)
		text[0] = '\0';
	if (file != NULL)
		fclose(file);
	text[strcspn(text, "\n")] = '\0';
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	return text;
}

static bool
wanted(const struct tracing *tracing, const struct stats_event *event)
{
	if (tracing->missing && (event->reason == STATS_NONE || event->reason == STATS_NO_NAME))
		return false;
	for (int i = 0; i < tracing->pattern_count; i++)
		if (fnmatch(tracing->patterns[i], event->name, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
			return true;
	return tracing->pattern_count == 0;
}

static bool
has_leaf(const struct stats_event *event)
{
	for (size_t i = 0; i < sizeof(event->leaf); i++)
		if (event->leaf[i] != 0)
			return true;
	return false;
}

/* As in tables (8 octets), or all there is. */
static void
leaf_text(const struct stats_event *event, size_t octets, char *out)
{
	*(has_leaf(event) ? hex_put(out, event->leaf, octets) : out) = '\0';
}

static void
moment(const struct stats_event *event, const char *format, char *out, size_t size)
{
	size_t length;

	date_print(out, size, format, event->at / 1000000000);
	length = strlen(out);
	snprintf(out + length, size - length, ".%03d", (int)(event->at / 1000000 % 1000));
}

static void
print_json(struct tracing *tracing, const struct stats_event *event)
{
	const char *program = program_of(tracing, event->pid);
	char at[40], leaf[41], keys[32];

	moment(event, "%Y-%m-%dT%H:%M:%S", at, sizeof(at));
	leaf_text(event, sizeof(event->leaf), leaf);
	printf("{\"at\": \"%sZ\", \"name\": ", at);
	if (event->name[0] == '\0') {
		printf("null");
	} else {
		putchar('"');
		for (const char *c = event->name; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				putchar('\\');
			putchar(*c);
		}
		putchar('"');
	}
	printf(", \"outcome\": \"%s\", \"reason\": \"%s\", \"keys\": \"%s\", ", stats_outcome_word(event->outcome),
	    stats_reason_word(event->reason), stats_keys_word(event->keys, keys));
	printf(leaf[0] == '\0' ? "\"sha256\": null, " : "\"sha256\": \"%s\", ", leaf);
	printf("\"microseconds\": %.1f, \"pid\": %ld, ", event->ns / 1000.0, (long)event->pid);
	printf(program[0] == '\0' ? "\"program\": null}\n" : "\"program\": \"%s\"}\n", program);
}

/* In 80 columns, with the name last, because it may be long. */
static void
print_line(struct tracing *tracing, const struct stats_event *event)
{
	bool own = event->outcome == STATS_OWN || event->outcome == STATS_REFUSED;
	enum paint paint = event->reason == STATS_NONE ? PAINT_GOOD : own ? PAINT_BAD
	    : event->reason == STATS_NO_NAME ? PAINT_NONE : PAINT_WARNING;
	const char *program = program_of(tracing, event->pid);
	char at[40], leaf[41], took[24], what[48];

	moment(event, "%H:%M:%S", at, sizeof(at));
	leaf_text(event, 4, leaf);
	if (event->ns < 10000000)
		snprintf(took, sizeof(took), "%.1fus", event->ns / 1000.0);
	else
		snprintf(took, sizeof(took), "%.0fms", event->ns / 1000000.0);
	snprintf(what, sizeof(what), event->reason == STATS_NONE ? "%s" : "%s:%s", stats_outcome_word(event->outcome),
	    stats_reason_word(event->reason));
	printf("%.8s %8s %s%-14s%s %-8s %s[%ld] %s\n", at, took, paint_on(stdout, paint), what, paint_off(stdout, paint),
	    leaf[0] == '\0' ? "-" : leaf, program[0] == '\0' ? "-" : program, (long)event->pid,
	    event->name[0] == '\0' ? "-" : event->name);
}

static void
take(void *arg, const struct stats_event *event)
{
	struct tracing *tracing = arg;

	if (!wanted(tracing, event) || (tracing->most != 0 && tracing->shown >= tracing->most))
		return;
	tracing->shown++;
	if (tracing->tool->json)
		print_json(tracing, event);
	else
		print_line(tracing, event);
}

static void
tell_lost(const struct tracing *tracing, uint64_t lost)
{
	if (lost == 0)
		return;
	if (tracing->tool->json)
		printf("{\"lost\": %" PRIu64 "}\n", lost);
	else
		printf("-- %" PRIu64 " more came too fast and were missed --\n", lost);
}

static int
follow(struct tracing *tracing, struct stats_trace *trace, struct snicert_error *err)
{
	struct timespec idle = { 0, IDLE }, busy = { 0, BUSY };

	while (!stopped && (tracing->most == 0 || tracing->shown < tracing->most)) {
		uint64_t lost = 0;
		int count = stats_trace_next(trace, take, tracing, &lost, err);

		if (count < 0)
			return -1;
		tell_lost(tracing, lost);
		if (fflush(stdout) != 0)
			return error_system(err, "can't write the output");
		nanosleep(count > 0 || lost > 0 ? &busy : &idle, NULL);
	}
	return 0;
}

static bool
parse_count(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out > 0;
}

static int
cmd_trace(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' }, { "missing", no_argument, NULL, 'm' }, TOOL_OPTIONS,
	};
	struct tracing tracing = { .tool = tool };
	struct snicert_error err = {0};
	struct stats_trace *trace = NULL;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'm')
			tracing.missing = true;
		if (option == 'n' && !parse_count(optarg, &tracing.most))
			return tool_usage(tool, "--count %s: want a number from 1 on", optarg);
	}
	tracing.patterns = argv + optind;
	tracing.pattern_count = argc - optind;
	stop_by_signals();
	if (tool->config->stats_path == NULL)
		error_set(&err, SNICERT_ENOTFOUND, "statistics are switched off: stats { path = \"none\" }");
	else
		stats_trace_open(&trace, tool->config->stats_path, &err);
	if (trace == NULL)
		return tool_fail(&err);
	status = follow(&tracing, trace, &err);
	stats_trace_close(trace);
	return status != 0 ? tool_fail(&err) : TOOL_DONE;
}

const struct command command_trace = {
	.name = "trace",
	.run = cmd_trace,
	.arguments = "[--missing] [--count COUNT] [PATTERN…]",
	.summary = "show live what clients ask for and are served, until interrupted",
	.help =
	    "  --missing       only names that did not get a chain of their own\n"
	    "  --count COUNT   print this many, then exit\n"
	    "  PATTERN         only names that match one, such as '*.example'\n",
	.traits = COMMAND_PRINTS,
};
