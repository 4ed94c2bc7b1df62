/* SPDX-License-Identifier: ISC */
/*
 * status.c: the store on one page: what there is, when it ends, what needs
 * attention.
 *
 * For programs the answer is
 *
 *     {"overview": {…}, "key_types": [{…}, …], "expiry": [{…}, …], "attention": [{…}, …]}
 *
 * with the members that snicert(8) lists.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "error.h"
#include "show/paint.h"
#include "show/report.h"
#include "show/say.h"
#include "show/wrap.h"
#include "stats/read.h"
#include "stats/suggest.h"
#include "stats/use.h"
#include "store/admin_fleet.h"
#include "store/admin_status.h"
#include "store/following.h"
#include "store/open.h"
#include "store/permissions.h"
#include "tool.h"

#define DAY 86400
#define WEEK (7 * DAY)
#define CRITICAL_DAYS 7         /* as in verify */
#define BAR 40                  /* of the chart, in columns */

enum severity { NOTE, WARNING, ERROR };

struct status {
	struct tool *tool;
	struct admin *admin;
	int64_t now;
	int64_t octets;                 /* in the store's files */
	struct status_ends ends;
	struct status_counts counts;
	struct admin_position fleet;
	bool has_statistics;            /* of servers; then: */
	struct use_counts use;
	struct stats_unknown *unknown;  /* most wanted first */
	size_t unknown_count;
	struct report *report;          /* what needs attention; NULL: text */
	int items, errors;
	struct snicert_error err;
};

static void
day_of(int64_t at, char text[16])
{
	date_print(text, 16, "%Y-%m-%d", at);
}

/* "1.5 GB" */
static void
size_text(int64_t octets, char *text, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)octets;
	size_t unit = 0;

	for (; value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1000;
	snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* Of the global fallback. */
static size_t
fallback_types(const struct status *status, const char *types[STATUS_TYPES])
{
	size_t count = 0;

	for (int i = 0; i < STATUS_TYPES; i++)
		if (status->counts.fallback[i])
			types[count++] = status_types[i];
	return count;
}

/* --- for people ----------------------------------------------------------- */

static void
print_overview(const struct status *status)
{
	const struct status_counts *counts = &status->counts;
	const char *types[STATUS_TYPES];
	size_t type_count = fallback_types(status, types);
	char size[32], changed[16];

	size_text(status->octets, size, sizeof(size));
	day_of(counts->changed, changed);
	printf("Store     %s, %s\n", status->tool->config->store_path, size);
	say_on(stdout, "Changed   %s by %s (change %" PRId64 ")\n", changed, counts->changed_by, counts->sequence);
	printf("Chains    %" PRId64 ": %" PRId64 " active, %" PRId64 " staged, %" PRId64 " retired\n",
	    counts->chains, counts->active, counts->staged, counts->retired);
	printf("Names     %" PRId64 "\n", counts->names);
	printf("Fallback  %s", type_count == 0 ? "none" : "");
	for (size_t i = 0; i < type_count; i++)
		printf("%s%s", i > 0 ? ", " : "", types[i]);
	if (counts->addresses > 0)
		printf("; %" PRId64 " local address%s with %s own", counts->addresses,
		    counts->addresses == 1 ? "" : "es", counts->addresses == 1 ? "its" : "their");
	printf("\n");
	if (status->fleet.is_member)
		printf("Fleet     at change %" PRId64 "\n", status->fleet.seq);
}

static void
print_bar(int64_t count, int64_t most)
{
	int64_t length = count == 0 ? 0 : count * BAR / most;

	if (count > 0)
		fputs("  ", stdout);
	for (int64_t i = 0; i < (length == 0 && count > 0 ? 1 : length); i++)
		putchar('#');
	putchar('\n');
}

static void
print_chart(const struct status *status)
{
	const struct status_ends *ends = &status->ends;
	int64_t most = ends->expired, later = ends->active - ends->expired;
	const char *bad = paint_on(stdout, PAINT_BAD), *bad_end = paint_off(stdout, PAINT_BAD);
	char day[16];

	for (int i = 0; i < STATUS_WEEKS; i++) {
		most = ends->weeks[i] > most ? ends->weeks[i] : most;
		later -= ends->weeks[i];
	}
	if (ends->active == 0)
		return;
	printf("\n%sActive chains by expiry%s\n", paint_on(stdout, PAINT_HEAD), paint_off(stdout, PAINT_HEAD));
	if (ends->expired > 0) {
		printf("  %sexpired%s          %9" PRId64, bad, bad_end, ends->expired);
		print_bar(ends->expired, most);
	}
	for (int i = 0; i < STATUS_WEEKS; i++) {
		if (ends->weeks[i] == 0)
			continue;
		day_of(status->now + (int64_t)(i + 1) * WEEK, day);
		printf("  until %s %9" PRId64, day, ends->weeks[i]);
		print_bar(ends->weeks[i], most);
	}
	if (later > 0)
		printf("  later            %9" PRId64 "\n", later);
}

/* --- both ----------------------------------------------------------------- */

/* The existing ones; for programs also the two that every client asks about. */
static int
report_types(const struct status *status)
{
	static const struct report_column columns[] = {
		{ "key_type", "Key type", false }, { "names_with", "Names with", true },
		{ "names_without", "Names without", true }, { "fallback", "In the fallback", false },
	};
	const struct status_counts *counts = &status->counts;
	struct report *report = report_new(stdout, status->tool->json, columns, 4);
	int rows = 0;

	for (int i = 0; i < STATUS_TYPES; i++) {
		if (counts->of_type[i] == 0 && !counts->fallback[i] &&
		    (!status->tool->json || (i != STATUS_RSA && i != STATUS_EC)))
			continue;
		if (!status->tool->json && rows++ == 0)
			putchar('\n');
		report_text(report, status_types[i]);
		report_number(report, counts->of_type[i]);
		report_number(report, counts->names - counts->of_type[i]);
		report_flag(report, counts->fallback[i]);
		report_row_end(report);
	}
	return report_finish(report, NULL);
}

static void
attend(struct status *status, enum severity severity, const char *code, const char *fix,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void
attend(struct status *status, enum severity severity, const char *code, const char *fix,
    const char *format, ...)
{
	static const char *const words[] = { "note", "warning", "error" };
	enum paint paint = paint_of(words[severity]);
	char text[1200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	status->errors += severity == ERROR;
	if (status->report != NULL) {
		report_text(status->report, words[severity]);
		report_text(status->report, code);
		report_text(status->report, text);
		report_text(status->report, fix);
		report_row_end(status->report);
	} else {
		if (status->items == 0)
			printf("\n%sNeeds attention%s\n", paint_on(stdout, PAINT_HEAD), paint_off(stdout, PAINT_HEAD));
		printf("  %s%-7s%s  ", paint_on(stdout, paint), words[severity], paint_off(stdout, paint));
		wrap_put(stdout, text, 11, 11, WRAP_WIDTH);
		if (fix != NULL) {
			printf("           ");
			wrap_put(stdout, fix, 11, 11, WRAP_WIDTH);
		}
	}
	status->items++;
}

static void
attend_file(void *arg, const char *what, struct snicert_error *err)
{
	struct status *status = arg;
	const char *fix = permissions_fix(err);

	(void)what;
	attend(status, ERROR, "permissions", fix, "%s", err->text);
}

static void
attend_files(struct status *status)
{
	struct snicert_error err = {0};

	permissions_files(status->tool->config->store_path, attend_file, status);
	switch (permissions_key(status->tool, &err)) {
	case PERMISSIONS_KEY_WRONG: {
		const char *fix = permissions_fix(&err);

		attend(status, ERROR, "store-key", fix, "%s", err.text);
		break;
	}
	case PERMISSIONS_KEY_UNSEEN:
		attend(status, NOTE, "store-key", "run as root to check it",
		    "this user may not read the store key %s", status->tool->config->key_path);
		break;
	default:
		break;
	}
}

static void
attend_names(struct status *status)
{
	const struct status_counts *counts = &status->counts;
	char examples[STATUS_SHOWN * 260] = "";

	for (int64_t i = 0; i < counts->uncovered && i < STATUS_SHOWN; i++) {
		size_t used = strlen(examples);

		snprintf(examples + used, sizeof(examples) - used, "%s%s", i > 0 ? ", " : "", counts->uncovered_names[i]);
	}
	if (counts->uncovered > 0)
		attend(status, NOTE, "not-covered", "unbind the names that are not bound on purpose",
		    "%" PRId64 " name%s bound to a chain whose certificate lacks %s: %s%s", counts->uncovered,
		    counts->uncovered == 1 ? " is" : "s are", counts->uncovered == 1 ? "it" : "them", examples,
		    counts->uncovered > STATUS_SHOWN ? " …" : "");
}

static void
attend_ends(struct status *status)
{
	const struct status_ends *ends = &status->ends;

	if (ends->expired > 0)
		attend(status, ERROR, "expired", "import renewals; `snicert expiring 0` lists them",
		    "%" PRId64 " active chain%s expired", ends->expired, ends->expired == 1 ? " has" : "s have");
	if (ends->within[0] > 0)
		attend(status, WARNING, "expiring", "import renewals; `snicert expiring 7` lists them",
		    "%" PRId64 " more expire%s within %d days", ends->within[0], ends->within[0] == 1 ? "s" : "", CRITICAL_DAYS);
}

static void
attend_unknown(struct status *status)
{
	char examples[STATUS_SHOWN * 260] = "";

	for (size_t i = 0; i < status->unknown_count && i < STATUS_SHOWN; i++) {
		size_t used = strlen(examples);

		snprintf(examples + used, sizeof(examples) - used, "%s%s", i > 0 ? ", " : "", status->unknown[i].name);
	}
	if (status->unknown_count > 0)
		attend(status, NOTE, "unknown-names", "`snicert unknown` lists what would serve them",
		    "clients asked for %zu name%s that %s not bound: %s%s", status->unknown_count,
		    status->unknown_count == 1 ? "" : "s", status->unknown_count == 1 ? "is" : "are", examples, status->unknown_count > STATUS_SHOWN ? " …" : "");
}

static void
attend_use(struct status *status)
{
	const struct use_counts *use = &status->use;
	char examples[USE_SHOWN * 260] = "", untold[96] = "";

	for (int64_t i = 0; i < use->unused && i < USE_SHOWN; i++) {
		size_t used = strlen(examples);

		snprintf(examples + used, sizeof(examples) - used, "%s%s", i > 0 ? ", " : "", use->names[i]);
	}
	if (use->untold > 0)
		snprintf(untold, sizeof(untold), "; not known for %" PRId64 " more", use->untold);
	if (use->unused > 0)
		attend(status, NOTE, "unused", "`snicert used --not-since 90d` lists them; unbind those of former customers",
		    "nobody asked for %" PRId64 " name%s in %d days: %s%s%s", use->unused,
		    use->unused == 1 ? "" : "s", USE_DAYS, examples, use->unused > USE_SHOWN ? " …" : "", untold);
}

static void
attend_fleet(struct status *status)
{
	char text[600];
	int64_t late = !status->fleet.is_member ? 0
	    : following_judge(status->tool->config->store_path, status->fleet.seq, status->now, text, sizeof(text));

	if (late > 0)
		attend(status, late < FOLLOWING_LOST ? WARNING : ERROR, "fleet", "`snicert fleet` shows all nodes", "%s", text);
}

static void
attend_all(struct status *status)
{
	const struct status_counts *counts = &status->counts;

	attend_files(status);
	attend_fleet(status);
	attend_ends(status);
	if (!counts->has_fallback)
		attend(status, WARNING, "no-fallback", "set one with `snicert fallback CHAIN`",
		    "no fallback: a missing or unknown name gets the server's own certificate");
	attend_names(status);
	if (counts->staged > 0)
		attend(status, NOTE, "staged", "`snicert list --staged` shows them, `activate` or `bind` uses them",
		    "%" PRId64 " staged chain%s not in use", counts->staged, counts->staged == 1 ? " is" : "s are");
	attend_unknown(status);
	attend_use(status);
}

/* --- for programs ---------------------------------------------------------- */

static int
json_overview(const struct status *status)
{
	static const struct report_column columns[] = {
		{ "store", NULL, false }, { "octets", NULL, false }, { "schema", NULL, false },
		{ "sequence", NULL, false }, { "changed", NULL, false }, { "changed_by", NULL, false },
		{ "chains", NULL, false }, { "active", NULL, false }, { "staged", NULL, false },
		{ "retired", NULL, false }, { "names", NULL, false }, { "uncovered", NULL, false },
		{ "fallback", NULL, false }, { "address_fallbacks", NULL, false }, { "expired", NULL, false },
		{ "soonest", NULL, false }, { "unknown_names", NULL, false }, { "unused", NULL, false },
		{ "unused_untold", NULL, false }, { "fleet_change", NULL, false },
	};
	const int64_t of_servers[] = { (int64_t)status->unknown_count, status->use.unused, status->use.untold };
	const struct status_counts *counts = &status->counts;
	const char *types[STATUS_TYPES];
	size_t type_count = fallback_types(status, types);
	struct report *report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));

	report_single(report);
	report_text(report, status->tool->config->store_path);
	report_number(report, status->octets);
	report_number(report, counts->schema);
	report_number(report, counts->sequence);
	report_time(report, counts->changed);
	report_text(report, counts->changed_by);
	report_number(report, counts->chains);
	report_number(report, counts->active);
	report_number(report, counts->staged);
	report_number(report, counts->retired);
	report_number(report, counts->names);
	report_number(report, counts->uncovered);
	report_list(report, types, type_count);
	report_number(report, counts->addresses);
	report_number(report, status->ends.expired);
	if (status->ends.any)
		report_time(report, status->ends.soonest);
	else
		report_text(report, NULL);
	for (size_t i = 0; i < 3; i++) {
		if (status->has_statistics)
			report_number(report, of_servers[i]);
		else
			report_text(report, NULL);
	}
	if (status->fleet.is_member)
		report_number(report, status->fleet.seq);
	else
		report_text(report, NULL);
	report_row_end(report);
	return report_finish(report, NULL);
}

static void
json_end(struct report *report, int64_t from, int64_t to, int64_t chains)
{
	if (from == 0)
		report_text(report, NULL);
	else
		report_time(report, from);
	if (to == 0)
		report_text(report, NULL);
	else
		report_time(report, to);
	report_number(report, chains);
	report_row_end(report);
}

static int
json_ends(const struct status *status)
{
	static const struct report_column columns[] = {
		{ "from", NULL, false }, { "to", NULL, false }, { "chains", NULL, false },
	};
	struct report *report = report_new(stdout, true, columns, 3);
	int64_t from = status->now, later = status->ends.active - status->ends.expired;

	json_end(report, 0, from, status->ends.expired);
	for (int i = 0; i < STATUS_WEEKS; i++, from += WEEK) {
		json_end(report, from, from + WEEK, status->ends.weeks[i]);
		later -= status->ends.weeks[i];
	}
	json_end(report, from, 0, later);
	return report_finish(report, NULL);
}

static int
json_attention(struct status *status)
{
	static const struct report_column columns[] = {
		{ "severity", NULL, false }, { "code", NULL, false }, { "finding", NULL, false }, { "fix", NULL, false },
	};

	status->report = report_new(stdout, true, columns, 4);
	attend_all(status);
	return report_finish(status->report, &status->err);
}

/* The stream remembers: if a part can't be written, the last one fails too. */
static int
print_json(struct status *status)
{
	printf("{\"overview\": ");
	json_overview(status);
	printf(", \"key_types\": ");
	report_types(status);
	printf(", \"expiry\": ");
	json_ends(status);
	printf(", \"attention\": ");
	if (json_attention(status) != 0)
		return -1;
	printf("}\n");
	return 0;
}

static int
print_page(struct status *status)
{
	print_overview(status);
	if (report_types(status) != 0)
		return error_system(&status->err, "can't write the output");
	print_chart(status);
	attend_all(status);
	if (status->items == 0)
		printf("\n%sNothing needs attention.%s\n", paint_on(stdout, PAINT_GOOD), paint_off(stdout, PAINT_GOOD));
	return 0;
}

/* --- */

static void
measure_files(struct status *status)
{
	static const char *const tails[] = { "", "-wal" };
	char path[4200];
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", status->tool->config->store_path, tails[i]);
		if (stat(path, &st) == 0)
			status->octets += st.st_size;
	}
}

/* A name bound since then isn't unknown. */
static int
drop_bound(struct status *status)
{
	size_t kept = 0;
	bool bound;

	for (size_t i = 0; i < status->unknown_count; i++) {
		if (suggest_bound(status->admin, status->unknown[i].name, &bound, &status->err) != 0)
			return -1;
		if (!bound)
			status->unknown[kept++] = status->unknown[i];
	}
	status->unknown_count = kept;
	return 0;
}

/* What servers counted, if they did; missing statistics are no fault. */
static int
gather_statistics(struct status *status)
{
	struct stats_reader *reader = NULL;
	struct snicert_error none = {0};
	int code;

	if (stats_read_open(&reader, status->tool->config->stats_path, &none) != 0)
		return 0;
	status->has_statistics = true;
	code = stats_read_unknown(reader, &status->unknown, &status->unknown_count) != 0
	    ? error_set(&status->err, SNICERT_EMEMORY, "no memory")
	    : use_count(status->admin, reader, status->now, &status->use, &status->err);
	if (code == 0)
		code = drop_bound(status);
	stats_read_close(reader);
	return code;
}

static int
gather(struct status *status)
{
	const struct status_near one = { CRITICAL_DAYS * DAY, STATUS_NEAR_WARNING_PART }, near[2] = { one, one };

	if (open_store(status->tool, ADMIN_READ, &status->admin, &status->err) != 0 ||
	    admin_position(status->admin, &status->fleet, &status->err) != 0 ||
	    admin_ends(status->admin, status->now, near, &status->ends, &status->err) != 0)
		return -1;
	measure_files(status);
	if (!status->tool->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "counting …\r");
	if (admin_counts(status->admin, &status->counts, &status->err) != 0 || gather_statistics(status) != 0)
		return -1;
	if (!status->tool->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "%10s\r", "");
	return 0;
}

static int
cmd_status(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct status status = { .tool = tool, .now = (int64_t)time(NULL) };
	int code;

	if (tool_getopt(tool, argc, argv, options, &code) != -1)
		return code;
	if (optind < argc)
		return tool_usage(tool, "status takes no arguments");
	code = gather(&status);
	if (code == 0)
		code = tool->json ? print_json(&status) : print_page(&status);
	admin_close(status.admin);
	free(status.unknown);
	if (code != 0)
		return tool_fail(&status.err);
	return status.errors > 0 ? TOOL_NO : TOOL_DONE;
}

const struct command command_status = {
	.name = "status",
	.run = cmd_status,
	.arguments = "",
	.summary = "show the store on one page, with what needs attention",
	.traits = COMMAND_PRINTS,
};
