/* SPDX-License-Identifier: ISC */
/* tool.c: what the subcommands of `snicert` share. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <idn2.h>

#include "date.h"
#include "error.h"
#include "hex.h"
#include "nearest.h"
#include "show/say.h"
#include "show/wrap.h"
#include "store.h"
#include "tool.h"

static void
put_usage(FILE *to, const char *lead, const char *command, const char *action, const char *arguments)
{
	int begin = fprintf(to, "%s snicert %s%s%s%s", lead, command, action == NULL ? "" : " ",
	    action == NULL ? "" : action, arguments[0] == '\0' ? "" : " ");

	wrap_put(to, arguments, (size_t)begin, 12, WRAP_WIDTH);
}

static void
print_usage(FILE *to, const struct command *command)
{
	const struct command_action *action = command->actions;

	put_usage(to, "usage:", command->name, NULL, command->arguments);
	for (; action != NULL && action->name != NULL; action++)
		put_usage(to, "      ", command->name, action->name, action->arguments);
}

static const struct command_action *
find_action(const struct command *command, const char *name)
{
	const struct command_action *action = command->actions;

	while (action != NULL && action->name != NULL && (name == NULL || strcmp(action->name, name) != 0))
		action++;
	return action == NULL || action->name == NULL ? NULL : action;
}

void
tool_help(const struct command *command, const char *name)
{
	const struct command_action *action = name == NULL ? NULL : find_action(command, name);
	const char *help = action != NULL ? action->help : command->help;

	if (action != NULL)
		put_usage(stdout, "usage:", command->name, action->name, action->arguments);
	else
		print_usage(stdout, command);
	wrap_put(stdout, action != NULL ? action->summary : command->summary, 0, 0, WRAP_WIDTH);
	if (help != NULL)
		putchar('\n');
	wrap_help(stdout, help != NULL ? help : "");
	if (action != NULL || command->actions == NULL)
		return;
	putchar('\n');
	for (action = command->actions; action->name != NULL; action++) {
		int begin = printf("snicert help %s %s: ", command->name, action->name);

		wrap_put(stdout, action->summary, (size_t)begin, 4, WRAP_WIDTH);
	}
}

/* `mta-sts new --help`: the help of new. */
static void
help_of_line(const struct command *command, int argc, char **argv)
{
	const char *name = NULL;

	for (int i = 1; i < argc && name == NULL; i++)
		if (argv[i][0] != '-' && find_action(command, argv[i]) != NULL)
			name = argv[i];
	tool_help(command, name);
}

bool
tool_asks_help(const struct command *command, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0) {
			help_of_line(command, argc, argv);
			return true;
		}
	return false;
}

int
tool_unknown(const char *what, const char *word, const char *meant, const char *see)
{
	if (meant != NULL)
		say("unknown %s \"%s\"; did you mean %s?", what, word, meant);
	else
		say("unknown %s \"%s\": %s", what, word, see);
	return TOOL_USAGE;
}

/* The option at which getopt_long() stopped, or its letter. */
static int
bad_option(const struct command *command, const char *at, const struct option *options, bool no_value)
{
	const struct option *known = options;
	char word[80], see[80], meant[80];
	const char *best = NULL;

	while (known->name != NULL && (optopt == 0 || known->val != optopt))
		known++;
	if (known->name != NULL) {
		say(no_value ? "--%s wants a value: see `snicert %s --help`" : "--%s takes no value: see `snicert %s --help`",
		    known->name, command->name);
		return TOOL_USAGE;
	}
	if (optopt != 0)
		snprintf(word, sizeof(word), "-%c", optopt);
	else
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, "="), at);
	for (known = options; optopt == 0 && known->name != NULL; known++)
		nearest_offer(word + strspn(word, "-"), known->name, &best);
	snprintf(see, sizeof(see), "see `snicert %s --help`", command->name);
	snprintf(meant, sizeof(meant), "--%s", best == NULL ? "" : best);
	return tool_unknown("option", word, best == NULL ? NULL : meant, see);
}

void
tool_quiet(struct tool *tool)
{
	tool->quiet = true;
	if (!(tool->command->traits & COMMAND_DATA) && freopen("/dev/null", "w", stdout) == NULL)
		perror("snicert: /dev/null");
}

bool
tool_wait(struct tool *tool, const char *text)
{
	int64_t seconds;

	if (!tool_number(text, 0, 86400, &seconds)) {
		say("--wait %s: seconds are wanted, up to 86400", text);
		return false;
	}
	tool->wait = (unsigned)seconds;
	return true;
}

int
tool_getopt(struct tool *tool, int argc, char **argv, const struct option *options, int *exit_code)
{
	int option;

	/* ":": we report errors ourselves, and can tell a missing value from others. */
	while ((option = getopt_long(argc, argv, ":", options, NULL)) == 'J' || option == 'Q' || option == 'W') {
		if (option == 'J')
			tool->json = true;
		else if (option == 'Q')
			tool_quiet(tool);
		else if (!tool_wait(tool, optarg))
			option = '?';
		if (option == '?') {
			*exit_code = TOOL_USAGE;
			return '?';
		}
	}
	if (option == 'H') {
		help_of_line(tool->command, argc, argv);
		*exit_code = TOOL_DONE;
		return '?';
	}
	if (option == '?' || option == ':') {
		*exit_code = bad_option(tool->command, argv[optind - 1], options, option == ':');
		return '?';
	}
	return option;
}

int
tool_usage(const struct tool *tool, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_list(format, ap);
	va_end(ap);
	print_usage(stderr, tool->command);
	return TOOL_USAGE;
}

int
tool_fail(const struct snicert_error *err)
{
	say("%s", err->text);
	switch (err->code) {
	case SNICERT_EUSAGE:
		return TOOL_USAGE;
	case SNICERT_ENOTFOUND:
		return TOOL_NO;
	default:
		return TOOL_FAILED;
	}
}

void
tool_outcome_begin(struct tool_outcome *outcome, const struct tool *tool,
    const struct report_column *columns, size_t count)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->stream = open_memstream(&outcome->text, &outcome->length);
	outcome->report = outcome->stream == NULL ? NULL
	    : report_new(outcome->stream, tool->json, columns, count);
}

int
tool_outcome_print(struct tool_outcome *outcome, struct snicert_error *err)
{
	struct report *report = outcome->report;

	outcome->report = NULL;
	if (report_finish(report, err) != 0)
		return -1;
	fwrite(outcome->text, 1, outcome->length, stdout);
	return fflush(stdout) == 0 ? 0 : error_system(err, "standard output");
}

void
tool_outcome_free(struct tool_outcome *outcome)
{
	report_finish(outcome->report, NULL);
	if (outcome->stream != NULL)
		fclose(outcome->stream);
	free(outcome->text);
}

bool
tool_may(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

bool
tool_number(const char *text, int64_t least, int64_t most, int64_t *out)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most)
		return false;
	*out = number;
	return true;
}

bool
tool_since(const char *text, int64_t *out)
{
	static const int64_t hour = 3600;
	struct tm tm = {0};
	char *end;
	long count = strtol(text, &end, 10);
	const char *rest;

	if (end != text && count >= 0 && count <= 876000 && *end != '\0' && strchr("hdw", *end) != NULL &&
	    end[1] == '\0') {
		*out = (int64_t)time(NULL) - count * hour * (*end == 'w' ? 7 * 24 : *end == 'd' ? 24 : 1);
		return true;
	}
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest != NULL && (*rest == 'T' || *rest == ' '))
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (rest == NULL || (*rest != '\0' && strcmp(rest, "Z") != 0))
		return false;
	*out = date_join(&tm);
	return true;
}

int
tool_name(const char *text, struct name *out, struct snicert_error *err)
{
	bool wildcard = strncmp(text, "*.", 2) == 0;
	char *ascii = NULL;
	char pattern[512];
	int rc;

	if (name_normalise_pattern(out, text, strlen(text)))
		return 0;
	rc = idn2_to_ascii_8z(wildcard ? text + 2 : text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc == IDN2_OK) {
		snprintf(pattern, sizeof(pattern), "%s%s", wildcard ? "*." : "", ascii);
		idn2_free(ascii);
		if (name_normalise_pattern(out, pattern, strlen(pattern)))
			return 0;
	}
	return error_set(err, SNICERT_EUSAGE,
	    "%s is not a name that clients can ask for: a DNS name, or *. and a DNS name, is wanted",
	    text);
}

int
tool_fallback_key(const char *address, struct name *out, struct snicert_error *err)
{
	unsigned char octets[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (address == NULL) {
		name_fallback(out, NULL);
		return 0;
	}
	if (inet_pton(AF_INET, address, octets) != 1) {
		family = AF_INET6;
		if (inet_pton(AF_INET6, address, octets) != 1)
			return error_set(err, SNICERT_EUSAGE, "%s is not an IPv4 or IPv6 address", address);
		if (IN6_IS_ADDR_V4MAPPED((struct in6_addr *)octets)) {
			family = AF_INET;
			memmove(octets, octets + 12, 4);
		}
	}
	inet_ntop(family, octets, text, sizeof(text));
	name_fallback(out, text);
	return 0;
}

const char *
tool_key_text(const char *key, char buffer[NAME_TEXT_SIZE])
{
	struct name name;

	if (key[0] != '@')
		return key;
	name_fallback(&name, key[1] == '\0' ? NULL : key + 1);
	return name_describe(&name, buffer);
}

const char *
tool_fingerprint(const unsigned char *digest, bool full, char *buffer, size_t size)
{
	size_t octets = full ? STORE_DIGEST_LENGTH : 8;

	*hex_put(buffer, digest, 2 * octets < size ? octets : (size - 1) / 2) = '\0';
	return buffer;
}

void
tool_report_names(struct report *report, const char *names)
{
	size_t length = strlen(names), count = 0;
	char *copy = strdup(names), *save = NULL;
	/* A name has at least one octet, and a space after it. */
	const char **list = calloc(length / 2 + 1, sizeof(*list));

	for (char *name = copy == NULL || list == NULL ? NULL : strtok_r(copy, " ", &save); name != NULL;
	     name = strtok_r(NULL, " ", &save))
		list[count++] = name;
	report_list(report, list, count);
	free(list);
	free(copy);
}

static bool changed;

void
tool_changed(void)
{
	changed = true;
}

bool
tool_has_changed(void)
{
	return changed;
}
