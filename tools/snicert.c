/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: the store's admin tool: dispatch.  Each command describes itself (struct
 * command) in its file of cmd/; usage and completion come from that.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fleet/carry.h"
#include "nearest.h"
#include "show/say.h"
#include "show/wrap.h"
#include "tool.h"

/* In the order of the help. */
static const struct command *const commands[] = {
	&command_init, &command_config, &command_completion, &command_setup,
	&command_import, &command_hook, &command_watch, &command_bind, &command_unbind, &command_fallback,
	&command_owner, &command_activate, &command_rollback, &command_remove,
	&command_list, &command_show, &command_export, &command_explain, &command_probe, &command_verify,
	&command_expiring, &command_log, &command_status, &command_stats, &command_check,
	&command_key, &command_tlsa,
	&command_mta_sts,
	&command_unknown, &command_used, &command_trace, &command_exporter,
	&command_rekey, &command_backup, &command_restore,
	&command_fleet, &command_follow,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* As in snicert(8): each begins with a command. */
static const struct {
	const char *title;
	const struct command *first;
} groups[] = {
	{ "Setting up", &command_init }, { "Importing and binding", &command_import }, { "Looking", &command_list },
	{ "DANE", &command_key }, { "MTA-STS", &command_mta_sts }, { "What clients ask for", &command_unknown },
	{ "Care of the store", &command_rekey },
	{ "A fleet of servers", &command_fleet },
};

static void
print_help(FILE *to)
{
	size_t group = 0;

	fputs("usage: snicert [-c CONF] [--json] [--quiet] [--wait SECONDS] COMMAND …\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (group < sizeof(groups) / sizeof(groups[0]) && groups[group].first == commands[i])
			fprintf(to, "\n%s\n", groups[group++].title);
		fprintf(to, "  %-10s ", commands[i]->name);
		wrap_put(to, commands[i]->summary, 13, 13, WRAP_WIDTH);
	}
	fputs("\n`snicert help COMMAND` tells more; so does snicert(8).\n"
	      "Exit codes: 0 done, 1 the answer is no, 2 usage, 3 the work failed.\n", to);
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0 ||
		    (commands[i]->alias != NULL && strcmp(commands[i]->alias, name) == 0))
			return commands[i];
	return NULL;
}

static int
unknown_command(const char *word)
{
	const char *meant = NULL;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		nearest_offer(word, commands[i]->name, &meant);
	nearest_offer(word, "help", &meant);
	return tool_unknown("command", word, meant, "see `snicert help`");
}

/* `snicert help`, `snicert help import`, `snicert help mta-sts new` */
static int
help(int count, char **words)
{
	const struct command *command = count == 0 ? NULL : find_command(words[0]);

	if (count == 0)
		print_help(stdout);
	else if (command == NULL)
		return unknown_command(words[0]);
	else
		tool_help(command, count > 1 ? words[1] : NULL);
	return TOOL_DONE;
}

/* Before the command. */
static int
bad_option(char **argv)
{
	static const char *const known[] = { "config", "version", "commands", "json", "quiet", "wait", "help" };
	const char *at = argv[optind - 1], *best = NULL;
	char meant[20];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		nearest_offer(at + strspn(at, "-"), known[i], &best);
	snprintf(meant, sizeof(meant), "--%s", best == NULL ? "" : best);
	return tool_unknown("option", at, best == NULL ? NULL : meant, "see `snicert help`");
}

/* For shells: the commands' names, one per line. */
static void
print_commands(void)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		puts(commands[i]->name);
}

const struct command *const *
tool_commands(size_t *count)
{
	*count = COMMAND_COUNT;
	return commands;
}

static int
run(struct tool *tool, int argc, char **argv)
{
	unsigned traits = tool->command->traits;
	enum config_mode mode = traits & COMMAND_JUDGES ? CONFIG_LENIENT : CONFIG_STRICT;
	struct snicert_error err = {0};
	int status;

	if (!(traits & COMMAND_UNCONFIGURED) &&
	    config_read(&tool->config, tool->config_path, mode, &err) != 0) {
		if (tool_asks_help(tool->command, argc, argv))
			return TOOL_DONE;
		/* A plugin reports on standard output; TOOL_FAILED is its UNKNOWN. */
		if (traits & COMMAND_PLUGIN)
			say_on(stdout, "SNICERT UNKNOWN - %s\n", err.text);
		return tool_fail(&err);
	}
	if (tool->quiet)
		tool_quiet(tool);
	if (traits & COMMAND_PRINTS)
		signal(SIGPIPE, SIG_DFL);
	if (tool->config != NULL)
		carry_to_fleet(tool);
	optind = 0; /* start over: getopt has read the global options */
	status = tool->command->run(tool, argc, argv);
	config_free(tool->config);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("snicert: standard output");
		if (tool_has_changed())
			say("the store was changed all the same: see `snicert log`");
		return TOOL_FAILED;
	}
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "version", no_argument, NULL, 'V' },
		{ "commands", no_argument, NULL, 'C' }, TOOL_OPTIONS,
	};
	struct tool tool = { .wait = 30 };
	int option;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "+:c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			tool.config_path = optarg;
			break;
		case 'J':
			tool.json = true;
			break;
		case 'Q':
			tool.quiet = true;
			break;
		case 'W':
			if (!tool_wait(&tool, optarg))
				return TOOL_USAGE;
			break;
		case 'V':
			puts("snicert " SNICERT_VERSION);
			return TOOL_DONE;
		case 'C':
			print_commands();
			return TOOL_DONE;
		case 'H':
		case 'h':
			print_help(stdout);
			return TOOL_DONE;
		case ':':
			say("%s wants a value: see `snicert help`", argv[optind - 1]);
			return TOOL_USAGE;
		default:
			return bad_option(argv);
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(argv[optind], "help") == 0)
		return help(argc - optind - 1, argv + optind + 1);
	tool.command = find_command(argv[optind]);
	if (tool.command == NULL)
		return unknown_command(argv[optind]);
	return run(&tool, argc - optind, argv + optind);
}
