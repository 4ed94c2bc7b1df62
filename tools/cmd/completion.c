/* SPDX-License-Identifier: ISC */
/*
 * completion.c: shell completion, made from the commands' own help: the commands, and the options
 * in the help of each.  Completes paths for commands that take any, but not the store's names:
 * there may be a million.
 */
#include <stdio.h>
#include <string.h>

#include "tool.h"

/* What follows or replaces an option: the words to complete, NULL: anything. */
static const struct {
	const char *command, *words;
} arguments[] = {
	{ "completion", "bash zsh fish" },
	{ "hook", "certbot lego dehydrated acme.sh uacme" },
	{ "setup", "postfix exim sendmail opensmtpd dovecot nginx stunnel aiosmtpd" },
};

struct option_text {
	char name[40];          /* "--owner" */
	char summary[120];
	bool value;             /* a word follows */
};

/* A line of help is "  --name VALUE   what it does"; several options may stand in one. */
static const char *
next_option(const char *help, struct option_text *out)
{
	const char *at = help, *dashes, *end, *line;

	if (at == NULL || (dashes = strstr(at, "--")) == NULL)
		return NULL;
	if (dashes != help && dashes[-1] != ' ')
		return next_option(dashes + 2, out);
	/* Another option's text mentions it; not its own line. */
	for (line = dashes; line != help && line[-1] != '\n'; line--)
		;
	if (strspn(line, " ") != 2 || line[2] != '-')
		return next_option(dashes + 2, out);
	snprintf(out->name, sizeof(out->name), "%.*s", (int)(2 + strspn(dashes + 2, "abcdefghijklmnopqrstuvwxyz-0123456789")),
	    dashes);
	at = dashes + strlen(out->name);
	end = at + strcspn(at, "\n");
	out->value = at[0] == ' ' && at[1] != ' ' && at[1] != '\0' && at[1] != '\n';
	if (out->value)
		at += 1 + strcspn(at + 1, " \n");
	at += strspn(at, " ");
	snprintf(out->summary, sizeof(out->summary), "%.*s", at < end ? (int)(end - at) : 0, at);
	return dashes + strlen(out->name);
}

/* The command's next option after `*at`, or its actions': each has its own help. */
static bool
next_of(const struct command *command, const char **at, const struct command_action **action, struct option_text *out)
{
	while ((*at = next_option(*at, out)) == NULL) {
		*action = *action == NULL ? command->actions : *action + 1;
		if (*action == NULL || (*action)->name == NULL)
			return false;
		*at = (*action)->help;
	}
	return true;
}

static const char *
words_of(const struct command *command)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (strcmp(arguments[i].command, command->name) == 0)
			return arguments[i].words;
	return NULL;
}

/* Whether it takes a file's path, existing or new. */
static bool
takes_paths(const struct command *command)
{
	return strstr(command->arguments, "PATH") != NULL || strstr(command->arguments, "FILE") != NULL ||
	    strstr(command->arguments, "DIR") != NULL;
}

/* Within single quotes: for a shell, or for zsh's _arguments, where brackets and colons are special. */
static void
print_quoted(const char *text, const char *escaped)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr(escaped, *text) != NULL)
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void
print_bash(const struct command *const *commands, size_t count)
{
	struct option_text option;

	printf("# bash completion for snicert; made by `snicert completion bash`\n"
	    "_snicert()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i words= paths=\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tcase ${COMP_WORDS[i]} in\n\t\t-c | --config) i=$((i + 1)) ;;\n\t\t-*) ;;\n"
	    "\t\t*) command=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n"
	    "\tcase $command in\n\t'') case $prev in -c | --config) paths=1 ;; *) words='--config --json --quiet --wait --help --version");
	for (size_t i = 0; i < count; i++)
		printf(" %s", commands[i]->name);
	printf("' ;; esac ;;\n");
	for (size_t i = 0; i < count; i++) {
		const char *at = commands[i]->help, *words = words_of(commands[i]);
		const struct command_action *action = NULL;

		printf("\t%s) words='--json --quiet --wait --help", commands[i]->name);
		while (next_of(commands[i], &at, &action, &option))
			printf(" %s", option.name);
		printf("%s%s'%s ;;\n", words != NULL ? " " : "", words != NULL ? words : "",
		    words == NULL && takes_paths(commands[i]) ? " paths=1" : "");
	}
	printf("\tesac\n\tCOMPREPLY=()\n"
	    "\tif [[ $cur == -* || ( -z $paths && $prev != --* ) ]]; then\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	    "\telse\n\t\tcompopt -o filenames 2>/dev/null\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\tfi\n}\n"
	    "complete -F _snicert snicert\n");
}

static void
print_zsh(const struct command *const *commands, size_t count)
{
	struct option_text option;

	printf("#compdef snicert\n# zsh completion for snicert; made by `snicert completion zsh`\n"
	    "_snicert() {\n\tlocal curcontext=$curcontext state line\n\tlocal -a commands\n\tcommands=(\n");
	for (size_t i = 0; i < count; i++) {
		printf("\t\t'%s:", commands[i]->name);
		print_quoted(commands[i]->summary, ":");
		printf("'\n");
	}
	printf("\t)\n\t_arguments -C '(-c --config)'{-c,--config}'[configuration]:file:_files' '--json[print JSON]' \\\n"
	    "\t\t'--quiet[print nothing but errors]' '--wait[seconds to wait for others that write]:seconds:' '--help[show help]' '--version[show the version]' \\\n"
	    "\t\t'1:command:->command' '*::argument:->argument'\n"
	    "\tcase $state in\n\tcommand) _describe command commands ;;\n\targument)\n\t\tcase $line[1] in\n");
	for (size_t i = 0; i < count; i++) {
		const char *at = commands[i]->help, *words = words_of(commands[i]);
		const struct command_action *action = NULL;

		printf("\t\t%s) _arguments '--json[print JSON]' '--quiet[print nothing but errors]' '--wait[seconds to wait for others that write]:seconds:' '--help[show help]'",
		    commands[i]->name);
		while (next_of(commands[i], &at, &action, &option)) {
			printf(" \\\n\t\t\t'*%s[", option.name);
			print_quoted(option.summary, "[]:");
			printf("]%s'", option.value ? ":value:_files" : "");
		}
		if (words != NULL)
			printf(" \\\n\t\t\t'*:argument:(%s)'", words);
		else if (takes_paths(commands[i]))
			printf(" \\\n\t\t\t'*:path:_files'");
		printf(" ;;\n");
	}
	printf("\t\tesac ;;\n\tesac\n}\n_snicert \"$@\"\n");
}

static void
print_fish(const struct command *const *commands, size_t count)
{
	struct option_text option;

	printf("# fish completion for snicert; made by `snicert completion fish`\n"
	    "complete -c snicert -f\n"
	    "complete -c snicert -s c -l config -r -F -d 'configuration'\n"
	    "complete -c snicert -l json -d 'print JSON'\n"
	    "complete -c snicert -l quiet -d 'print nothing but errors'\n"
	    "complete -c snicert -l wait -r -d 'seconds to wait for others that write'\n"
	    "complete -c snicert -l help -d 'show help'\n");
	for (size_t i = 0; i < count; i++) {
		const char *at = commands[i]->help, *words = words_of(commands[i]), *name = commands[i]->name;
		const struct command_action *action = NULL;

		printf("complete -c snicert -n __fish_use_subcommand -a %s -d '", name);
		print_quoted(commands[i]->summary, "");
		printf("'\n");
		while (next_of(commands[i], &at, &action, &option)) {
			printf("complete -c snicert -n '__fish_seen_subcommand_from %s' -l %s%s -d '", name,
			    option.name + 2, option.value ? " -r" : "");
			print_quoted(option.summary, "");
			printf("'\n");
		}
		if (words != NULL)
			printf("complete -c snicert -n '__fish_seen_subcommand_from %s' -a '%s'\n", name, words);
		else if (takes_paths(commands[i]))
			printf("complete -c snicert -n '__fish_seen_subcommand_from %s' -F\n", name);
	}
}

static int
cmd_completion(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	static const struct {
		const char *shell;
		void (*print)(const struct command *const *, size_t);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
	const struct command *const *commands;
	size_t count;
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (argc - optind != 1)
		return tool_usage(tool, "completion for which shell: bash, zsh or fish?");
	commands = tool_commands(&count);
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, argv[optind]) != 0)
			continue;
		shells[i].print(commands, count);
		return TOOL_DONE;
	}
	return tool_usage(tool, "%s is not a shell: use bash, zsh or fish", argv[optind]);
}

const struct command command_completion = {
	.name = "completion",
	.run = cmd_completion,
	.arguments = "bash|zsh|fish",
	.summary = "print command completion for a shell",
	.traits = COMMAND_PRINTS | COMMAND_UNCONFIGURED | COMMAND_DATA,
};
