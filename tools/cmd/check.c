/* SPDX-License-Identifier: ISC */
/*
 * check.c: a check of the store for Nagios, Icinga and the like
 * (https://www.monitoring-plugins.org/doc/guidelines.html): one line on
 * standard output with performance data after a bar, and an exit code.
 *
 * | situation                                           | says     | exits |
 * | ---                                                 | ---      | ---   |
 * | all is well                                         | OK       | 0     |
 * | the fleet is 5 minutes ahead, or an hour            | WARNING, CRITICAL | 1, 2 |
 * | chains expire soon, no fallback; --source has newer | WARNING  | 1     |
 * | ones, or can't be read                              |          |       |
 * | chains expired or expire very soon; no store, or    | CRITICAL | 2     |
 * | files that the module would refuse                  |          |       |
 * | this user can't see it, wrong options               | UNKNOWN  | 3     |
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "error.h"
#include "intake/unserved.h"
#include "show/age.h"
#include "store/admin_fleet.h"
#include "store/admin_status.h"
#include "store/following.h"
#include "store/open.h"
#include "store/permissions.h"
#include "tool.h"

#define DAY 86400
#define CRITICAL_DAYS 7
#define DAYS_MOST 36500
#define SOURCES_MOST 16
#define UNSERVED_TOLD 3         /* by name: the line is for a pager */

enum level { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const level_names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

struct check {
	struct tool *tool;
	struct admin *admin;
	long warning, critical;         /* days */
	int64_t now;
	struct status_ends ends;
	const char *sources[SOURCES_MOST];
	size_t source_count;
	uint64_t unserved, unread;      /* in all sources */
	bool fallback;
	enum level level;
	char text[1600];                /* what is wrong, joined by "; " */
};

static void
add(struct check *check, enum level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
add(struct check *check, enum level level, const char *format, ...)
{
	size_t used = strlen(check->text);
	va_list ap;

	if (level > check->level)
		check->level = level;
	if (used > 0 && used + 2 < sizeof(check->text))
		used += (size_t)snprintf(check->text + used, sizeof(check->text) - used, "; ");
	va_start(ap, format);
	vsnprintf(check->text + used, sizeof(check->text) - used, format, ap);
	va_end(ap);
}

/* "|" starts the performance data, a line end ends the text. */
static void
print_plain(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text == '|' || (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static int
finish(const struct check *check)
{
	int64_t days = age_days(check->ends.soonest - check->now);

	printf("SNICERT %s - ", level_names[check->level]);
	print_plain(check->text);
	if (check->admin != NULL) {
		printf(" | chains=%" PRId64 ";;;0 expired=%" PRId64 ";;0;0 critical=%" PRId64 ";;0;0 warning=%" PRId64
		    ";0;;0", check->ends.active, check->ends.expired, check->ends.within[0],
		    check->ends.within[1] - check->ends.within[0]);
		/* A value below 21 leaves the range "21:". */
		if (check->ends.any)
			printf(" soonest=%" PRId64 ";%ld:;%ld:;", days, check->warning, check->critical);
		if (check->source_count > 0)
			printf(" unserved=%" PRIu64 ";0;;0", check->unserved);
	}
	putchar('\n');
	return (int)check->level;
}

static int
take_fallback(void *arg, const char *key, const char *key_type, int64_t chain)
{
	(void)key;
	(void)key_type;
	(void)chain;
	*(bool *)arg = true;
	return 0;
}

static void
unsafe_file(void *arg, const char *what, struct snicert_error *err)
{
	(void)what;
	add(arg, CRITICAL, "%s", err->text);
}

static void
judge_files(struct check *check)
{
	struct snicert_error err = {0};

	permissions_files(check->tool->config->store_path, unsafe_file, check);
	/* Monitoring needn't read the key: unseen is no fault. */
	if (permissions_key(check->tool, &err) == PERMISSIONS_KEY_WRONG)
		add(check, CRITICAL, "%s", err.text);
}

static void
judge_ends(struct check *check)
{
	const struct status_ends *ends = &check->ends;
	int64_t more = ends->within[1] - ends->within[0];
	char day[16] = "", soonest[300] = "";

	if (ends->any) {
		date_print(day, sizeof(day), "%Y-%m-%d", ends->soonest);
		snprintf(soonest, sizeof(soonest), ", %s on %s%s", ends->soonest_name, day,
		    ends->within[1] > 1 ? " first" : "");
	}
	if (ends->expired > 0)
		add(check, CRITICAL, "%" PRId64 " chain%s expired", ends->expired, ends->expired == 1 ? " has" : "s have");
	if (ends->within[0] > 0)
		add(check, CRITICAL, "%" PRId64 " expire%s within %ld days%s", ends->within[0],
		    ends->within[0] == 1 ? "s" : "", check->critical, soonest);
	if (more > 0)
		add(check, WARNING, "%" PRId64 " expire%s within %ld days%s", more, more == 1 ? "s" : "", check->warning,
		    ends->within[0] == 0 ? soonest : "");
	if (check->level == OK)
		add(check, OK, "%" PRId64 " chain%s, none expires soon", ends->active, ends->active == 1 ? "" : "s");
}

static void
take_unserved(void *arg, const struct unserved *found)
{
	char issued[16], served[16], key[NAME_TEXT_SIZE];
	struct check *check = arg;

	if (check->unserved++ >= UNSERVED_TOLD)
		return;
	date_print(issued, sizeof(issued), "%Y-%m-%d", found->issued);
	date_print(served, sizeof(served), "%Y-%m-%d", found->served);
	add(check, WARNING, "%s was issued on %s and is not imported: %s is served one of %s", found->group, issued,
	    tool_key_text(found->name, key), served);
}

static void
take_unread(void *arg, const char *group, const struct snicert_error *why)
{
	struct check *check = arg;

	if (check->unread++ >= UNSERVED_TOLD)
		return;
	if (strstr(why->text, group) != NULL)
		add(check, WARNING, "%s", why->text);
	else
		add(check, WARNING, "%s: %s", group, why->text);
}

/* A deploy hook failed last night: the client has what the store lacks. */
static void
judge_sources(struct check *check)
{
	const struct unserved_calls calls = { take_unserved, take_unread, check };

	for (size_t i = 0; i < check->source_count; i++) {
		struct snicert_error err = {0};

		if (unserved_walk(check->admin, check->sources[i], check->now, &calls, &err) != 0)
			add(check, WARNING, "%s", err.text);
	}
	if (check->unserved > UNSERVED_TOLD)
		add(check, WARNING, "%" PRIu64 " more are not imported", check->unserved - UNSERVED_TOLD);
	if (check->unread > UNSERVED_TOLD)
		add(check, WARNING, "%" PRIu64 " more can't be read", check->unread - UNSERVED_TOLD);
}

/* Of a fleet: whether it is where the others are. */
static void
judge_fleet(struct check *check)
{
	struct admin_position position;
	int64_t late;
	char text[600];

	if (admin_position(check->admin, &position, NULL) != 0 || !position.is_member)
		return;
	late = following_judge(check->tool->config->store_path, position.seq, check->now, text, sizeof(text));
	if (late > 0)
		add(check, late < FOLLOWING_LOST ? WARNING : CRITICAL, "%s", text);
}

static int
unreadable(struct check *check, const struct snicert_error *err)
{
	/* Missing, damaged or unsafe: servers can't use it either.  Unreadable for us: unknown. */
	bool unseen = err->code == SNICERT_ESYSTEM ||
	    (faccessat(AT_FDCWD, check->tool->config->store_path, R_OK, AT_EACCESS) != 0 && errno == EACCES);

	add(check, unseen ? UNKNOWN : CRITICAL, "%s", err->text);
	admin_close(check->admin);
	check->admin = NULL;
	return finish(check);
}

static int
run(struct check *check)
{
	const struct status_near near[2] = {
		{ (int64_t)check->critical * DAY, STATUS_NEAR_CRITICAL_PART },
		{ (int64_t)check->warning * DAY, STATUS_NEAR_WARNING_PART },
	};
	struct snicert_error err = {0};
	int status;

	if (open_store(check->tool, ADMIN_READ, &check->admin, &err) != 0 ||
	    admin_ends(check->admin, check->now, near, &check->ends, &err) != 0 ||
	    admin_bindings(check->admin, "@", 0, take_fallback, &check->fallback, &err) != 0)
		return unreadable(check, &err);
	judge_files(check);
	if (!check->fallback)
		add(check, WARNING, "there is no fallback");
	judge_fleet(check);
	judge_sources(check);
	judge_ends(check);
	status = finish(check);
	admin_close(check->admin);
	return status;
}

static bool
parse_days(const char *text, long *days)
{
	char *end;

	errno = 0;
	*days = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *days >= 0 && *days <= DAYS_MOST;
}

static void
add_source(struct check *check, const char *path)
{
	if (check->source_count == SOURCES_MOST)
		add(check, UNKNOWN, "more than %d sources", SOURCES_MOST);
	else
		check->sources[check->source_count++] = path;
}

static int
cmd_check(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "warning", required_argument, NULL, 'w' }, { "critical", required_argument, NULL, 'c' },
		{ "source", required_argument, NULL, 's' }, TOOL_OPTIONS,
	};
	struct check check = {
		.tool = tool, .warning = STATUS_NEAR_WARNING_DAYS, .critical = CRITICAL_DAYS, .now = (int64_t)time(NULL),
	};
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?' && status == TOOL_USAGE)
			add(&check, UNKNOWN, "wrong options: see snicert check --help");
		else if (option == '?')
			return status;
		else if (option == 's')
			add_source(&check, optarg);
		else if (!parse_days(optarg, option == 'w' ? &check.warning : &check.critical))
			add(&check, UNKNOWN, "%s is not a number of days", optarg);
		if (check.level == UNKNOWN)
			return finish(&check);
	}
	if (optind < argc)
		add(&check, UNKNOWN, "check takes no arguments, but %s was given", argv[optind]);
	else if (check.critical > check.warning)
		add(&check, UNKNOWN, "--critical %ld is more than --warning %ld", check.critical, check.warning);
	return check.level == UNKNOWN ? finish(&check) : run(&check);
}

const struct command command_check = {
	.name = "check",
	.run = cmd_check,
	.arguments = "[--warning DAYS] [--critical DAYS] [--source DIR]…",
	.summary = "check the store as a plugin of Nagios or Icinga: one line, exit codes",
	.help =
	    "  --warning DAYS  warn of active chains that expire within this many days (21)\n"
	    "  --critical DAYS critical, the same way (7)\n"
	    "  --source DIR    an ACME client's directory: a certificate there that is newer than what the\n"
	    "                  store has for its names is a warning (may be repeated)\n",
	.traits = COMMAND_PLUGIN,
};
