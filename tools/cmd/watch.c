/* SPDX-License-Identifier: ISC */
/* watch.c: the store follows directories.  A service; watch/watch.c does it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "show/say.h"
#include "store/open.h"
#include "tool.h"
#include "watch/announce.h"
#include "watch/watch.h"

static volatile sig_atomic_t stop, again;

static const struct option options[] = {
	{ "no-bind", no_argument, NULL, 'b' },
	{ "stage", no_argument, NULL, 's' },
	{ "owner", required_argument, NULL, 'o' },
	{ "take", no_argument, NULL, 't' },
	{ "once", no_argument, NULL, '1' },
	{ "dry-run", no_argument, NULL, 'r' },
	{ "settle", required_argument, NULL, 'S' },
	{ "interval", required_argument, NULL, 'i' },
	TOOL_OPTIONS,
};

/* Seconds, maybe fractional; out: milliseconds. */
static int
take_seconds(const char *text, double least, double most, int64_t *out, struct snicert_error *err)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(seconds >= least && seconds <= most))
		return error_set(err, SNICERT_EUSAGE, "%s is not a number of seconds from %g to %g", text, least, most);
	*out = (int64_t)(seconds * 1000);
	return 0;
}

static int
take_option(struct watch *watch, int option, int64_t *interval)
{
	switch (option) {
	case '1':
		watch->once = true;
		return 0;
	case 'r':
		watch->dry_run = true;
		return 0;
	case 't':
		watch->batch.take = true;
		return 0;
	case 'S':
		return take_seconds(optarg, 0.1, 3600, &watch->settle, &watch->err);
	case 'i':
		return take_seconds(optarg, 1, 31 * 86400.0, interval, &watch->err);
	default:
		return batch_option(&watch->batch, option, &watch->err);
	}
}

static void
on_signal(int number)
{
	if (number == SIGHUP)
		again = 1;
	else
		stop = 1;
}

static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* A signal between checking its flag and waiting would go unnoticed. */
static bool
sleep_for(int fd, int64_t milliseconds)
{
	struct timespec timeout = { .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000 };
	struct pollfd events = { .fd = fd, .events = POLLIN };
	sigset_t ours, outside;
	bool any = false;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, &outside);
	if (!stop && !again)
		any = ppoll(&events, 1, &timeout, &outside) > 0;
	sigprocmask(SIG_SETMASK, &outside, NULL);
	return any;
}

/* `/a/`, `/a` and `/a/b`, or a repeated directory: events would be ambiguous. */
static int
add_directories(struct watch *watch, int count, char **paths)
{
	for (int i = 0; i < count; i++) {
		size_t length = strlen(paths[i]);

		while (length > 1 && paths[i][length - 1] == '/')
			paths[i][--length] = '\0';
		for (int j = 0; j < i; j++) {
			const char *one = strlen(paths[j]) < length ? paths[j] : paths[i];
			const char *other = one == paths[i] ? paths[j] : paths[i];
			size_t common = strlen(one);

			if (strncmp(one, other, common) == 0 && (other[common] == '/' || other[common] == '\0'))
				return error_set(&watch->err, SNICERT_EUSAGE, "%s is inside %s: give only the outer one", other, one);
		}
		if (follow_add(watch->follow, paths[i], &watch->err) != 0)
			return -1;
	}
	return 0;
}

static void
summarise(struct watch *watch)
{
	char text[200], superseded[40] = "";

	if (watch->superseded > 0)
		snprintf(superseded, sizeof(superseded), ", %zu superseded", watch->superseded);
	snprintf(text, sizeof(text), "%zu director%s, %zu chain%s: %zu %s, %zu unchanged%s; %zu bad",
	    follow_count(watch->follow), follow_count(watch->follow) == 1 ? "y" : "ies", watch->chains,
	    watch->chains == 1 ? "" : "s", watch->taken, watch->dry_run ? "would be imported" : "imported",
	    watch->chains - watch->taken - watch->superseded, superseded, watch->bad);
	batch_say(watch->tool, "ready", NULL, text);
	if (follow_short(watch->follow))
		say("inotify can't follow all directories: raise fs.inotify.max_user_watches; "
		    "until then snicert reads some of them only every --interval\n");
	fflush(stdout);
}

static void
wait_for_events(struct watch *watch, int64_t rescan)
{
	int64_t now = follow_now(), wait = follow_wait(watch->follow, now);

	if (wait < 0 || wait > rescan - now)
		wait = rescan - now;
	if (watch->retry > now + wait)
		wait = watch->retry - now;
	if (wait < 0)
		wait = 0;
	fflush(stdout);
	if (sleep_for(follow_fd(watch->follow), wait) && follow_read(watch->follow))
		batch_say(watch->tool, "lost", NULL, "inotify lost events: reading everything again");
}

static int
follow_on(struct watch *watch, int64_t interval)
{
	int64_t rescan = follow_now() + interval;

	catch_signals();
	watch_pass(watch);
	if (!stop) {
		summarise(watch);
		announce("READY=1");
	}
	while (!stop) {
		wait_for_events(watch, rescan);
		if (again || follow_now() >= rescan) {
			again = 0;
			rescan = follow_now() + interval;
			follow_all(watch->follow);
		}
		if (!stop && follow_now() >= watch->retry)
			watch_pass(watch);
	}
	announce("STOPPING=1");
	return TOOL_DONE;
}

/* Waiting for one would look like a healthy service; other problems may pass. */
static int
store_is_there(struct watch *watch)
{
	struct admin *admin = NULL;

	if (access(watch->tool->config->store_path, F_OK) == 0 || errno != ENOENT)
		return 0;
	/* Reports that, unless it has appeared since. */
	if (open_store(watch->tool, ADMIN_READ, &admin, &watch->err) != 0)
		return -1;
	admin_close(admin);
	return 0;
}

static int
run(struct watch *watch, int count, char **paths, int64_t interval)
{
	if (batch_options_check(&watch->batch, &watch->err) != 0 || store_is_there(watch) != 0 ||
	    (watch->follow = follow_new(watch->settle, &watch->err)) == NULL || add_directories(watch, count, paths) != 0)
		return tool_fail(&watch->err);
	if (!watch->once)
		return follow_on(watch, interval);
	if (watch_pass(watch) != 0)
		return TOOL_FAILED;
	summarise(watch);
	return watch->bad + watch->missing > 0 ? TOOL_FAILED : TOOL_DONE;
}

static int
cmd_watch(struct tool *tool, int argc, char **argv)
{
	struct watch watch = { .tool = tool, .batch = { .tool = tool, .in = { .bind = true } }, .settle = 2000, .stop = &stop };
	int64_t interval = 900 * 1000;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != '?' && take_option(&watch, option, &interval) == 0)
			continue;
		batch_free(&watch.batch);
		return option == '?' ? status : tool_fail(&watch.err);
	}
	if (optind == argc)
		status = tool_usage(tool, "watch what? give directories");
	else
		status = run(&watch, argc - optind, argv + optind, interval);
	watch_free(&watch);
	return status;
}

const struct command command_watch = {
	.name = "watch",
	.run = cmd_watch,
	.arguments = "[OPTION…] DIR…",
	.summary = "follow directories and import what is new in them",
	.help =
	    "  --once          look once, then exit\n"
	    "  --dry-run       print what would be imported; change nothing\n"
	    "  --settle SECONDS  import after a directory is unchanged this long (2)\n"
	    "  --interval SECONDS  look at everything again this often (900)\n"
	    "  --no-bind       bind to no name; see bind and fallback\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --owner LABEL   the chains' owner (default: that of the chains they renew)\n"
	    "  --take          take names from another owner\n",
};
