/* SPDX-License-Identifier: ISC */
/* follow.c: the store follows its fleet.  A service; fleet/follow.c does it. */
#include <signal.h>

#include "error.h"
#include "fleet/catch_up.h"
#include "fleet/follow.h"
#include "show/say.h"
#include "store/open.h"
#include "tool.h"

static volatile sig_atomic_t stop;

static void
on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int
once(struct tool *tool, struct snicert_error *err)
{
	struct catch_up_done done = { .snapshot = -1 };
	struct admin_position position = {0};
	struct admin *admin = NULL;
	struct fleet fleet;
	int status = -1;

	if (fleet_open(&fleet, tool, DATABASE_READS, err) == 0 && fleet_head(&fleet, err) == 0 &&
	    open_store(tool, ADMIN_WRITE, &admin, err) == 0 && admin_position(admin, &position, err) == 0 &&
	    fleet_check_member(&fleet, &position, err) == 0)
		status = catch_up(&fleet, admin, &position, &done, err);
	admin_close(admin);
	fleet_close(&fleet);
	if (done.copy[0] != '\0')
		say("this store was not of the fleet's history (%s); what it was is in %s", done.why, done.copy);
	return status;
}

static int
cmd_follow(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "once", no_argument, NULL, '1' }, TOOL_OPTIONS };
	struct sigaction action = { .sa_handler = on_signal };
	struct snicert_error err = {0};
	bool is_once = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		is_once = true;
	}
	if (optind != argc)
		return tool_usage(tool, "follow takes no arguments");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	status = is_once ? once(tool, &err) : fleet_follow(tool, &stop, &err);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

const struct command command_follow = {
	.name = "follow",
	.run = cmd_follow,
	.arguments = "[--once]",
	.summary = "keep the store at what the fleet's other nodes have",
	.help =
	    "  --once          catch up once, then exit\n",
};
