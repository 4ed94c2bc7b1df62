/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: the admin tool of the store: dispatch.  Each command describes itself
 * (struct command) in its file of cmd/; usage and completion come from that.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "show/say.h"
#include "tool.h"

/* In the order of the help. */
static const struct command *const commands[] = {
	&command_init, &command_import, &command_hook, &command_watch, &command_bind,
	&command_unbind, &command_default, &command_list, &command_show, &command_export,
	&command_remove, &command_activate, &command_rollback, &command_explain,
	&command_probe, &command_verify, &command_expiring, &command_tlsa, &command_key,
	&command_status, &command_check, &command_owner, &command_log, &command_mta_sts,
	&command_stats, &command_unknown, &command_trace, &command_exporter, &command_rekey,
	&command_backup, &command_restore, &command_config, &command_completion,
	&command_setup,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	fputs("usage: snicert [-c CONF] [--json] [--quiet] [--wait SECONDS] COMMAND …\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nsnicert COMMAND --help tells more; so does snicert(8).\n"
	      "Exit codes: 0 done, 1 the answer is no, 2 usage, 3 the work failed.\n", to);
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* For shells: the names of the commands, one a line. */
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
		/* A plugin answers on standard output; TOOL_FAILED is its UNKNOWN. */
		if (traits & COMMAND_PLUGIN)
			say_on(stdout, "SNICERT UNKNOWN - %s\n", err.text);
		return tool_fail(&err);
	}
	if (tool->quiet)
		tool_quiet(tool);
	if (traits & COMMAND_PRINTS)
		signal(SIGPIPE, SIG_DFL);
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
	while ((option = getopt_long(argc, argv, "+c:Vh", options, NULL)) != -1) {
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
		default:
			print_help(stderr);
			return TOOL_USAGE;
		}
	}
	if (optind == argc || strcmp(argv[optind], "help") == 0) {
		print_help(optind == argc ? stderr : stdout);
		return optind == argc ? TOOL_USAGE : TOOL_DONE;
	}
	tool.command = find_command(argv[optind]);
	if (tool.command == NULL) {
		say("there is no command %s", argv[optind]);
		print_help(stderr);
		return TOOL_USAGE;
	}
	return run(&tool, argc - optind, argv + optind);
}
