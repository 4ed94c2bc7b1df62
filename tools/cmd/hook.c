/* SPDX-License-Identifier: ISC */
/*
 * hook.c: what an ACME client runs for a new certificate.  clients.c knows the client's
 * conventions; import decides what to import, and how.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/clients.h"
#include "error.h"
#include "intake/batch.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "tool.h"

struct hook {
	struct tool *tool;
	const struct client *client;
	struct batch batch;
	struct renewal renewal;
	const char *directory;             /* --dir */
	bool install;
	bool status_given;
	struct snicert_error err;
};

static const struct option options[] = {
	BATCH_OPTIONS,
	{ "take", no_argument, NULL, 't' },
	{ "install", no_argument, NULL, 'i' },
	{ "dir", required_argument, NULL, 'd' },
	{ "status", required_argument, NULL, 'S' },
	TOOL_OPTIONS,
};

static int
take_status(struct hook *hook)
{
	char *end;
	long status = strtol(optarg, &end, 10);

	if (*optarg == '\0' || *end != '\0' || status < 0 || status > 255)
		return error_set(&hook->err, SNICERT_EUSAGE, "%s is not an exit status", optarg);
	hook->renewal.status = (int)status;
	hook->status_given = true;
	return 0;
}

static int
take_option(struct hook *hook, int option)
{
	switch (option) {
	case 'i':
		hook->install = true;
		return 0;
	case 'd':
		hook->directory = optarg;
		return 0;
	case 't':
		hook->batch.take = true;
		return 0;
	case 'S':
		return take_status(hook);
	default:
		return batch_option(&hook->batch, option, &hook->err);
	}
}

/* Hook lines go through shells, and through lego, which uses none. */
static bool
is_plain(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+:/,*")] == '\0';
}

static int
print_install(struct hook *hook)
{
	const struct batch *batch = &hook->batch;
	const char *conf = hook->tool->config_path;
	char *command = NULL, path[4096];
	size_t length;
	ssize_t got = readlink("/proc/self/exe", path, sizeof(path) - 1);
	FILE *stream = open_memstream(&command, &length);

	path[got < 0 ? 0 : got] = '\0';
	if (stream == NULL)
		return error_set(&hook->err, SNICERT_EMEMORY, "no memory");
	fprintf(stream, "%s%s%s hook %s", got < 0 ? "snicert" : path, conf == NULL ? "" : " -c ",
	    conf == NULL ? "" : conf, hook->client->name);
	for (size_t i = 0; i < batch->in.name_count; i++)
		fprintf(stream, " --name %s", batch->in.names[i].text);
	fprintf(stream, "%s%s%s%s%s", batch->in.owner == NULL ? "" : " --owner ",
	    batch->in.owner == NULL ? "" : batch->in.owner, batch->in.bind ? "" : " --no-bind",
	    batch->in.stage ? " --stage" : "", batch->take ? " --take" : "");
	if (hook->directory != NULL && strcmp(hook->client->name, "uacme") == 0)
		fprintf(stream, " --dir %s", hook->directory);
	fclose(stream);
	if ((conf != NULL && conf[0] != '/') || (hook->directory != NULL && hook->directory[0] != '/')) {
		error_set(&hook->err, SNICERT_EUSAGE, "ACME clients run their hooks in another directory: give full paths");
	} else if (strchr(command, '\n') != NULL || (conf != NULL && !is_plain(conf)) || !is_plain(path) ||
	    (hook->directory != NULL && !is_plain(hook->directory))) {
		error_set(&hook->err, SNICERT_EUSAGE, "the client's hook line can't have blanks or quotes: use other paths");
	} else {
		hook->client->install(stdout, command, hook->directory != NULL ? hook->directory : hook->client->directory);
	}
	free(command);
	return hook->err.code == SNICERT_OK ? 0 : -1;
}

/* Nobody reads the log of a successful hook; this is for a failed one. */
static int
failed(const struct hook *hook)
{
	const struct renewal *renewal = &hook->renewal;
	int status = tool_fail(&hook->err);

	fputs("snicert: nothing that is served has changed; after fixing this, run: snicert import", stderr);
	for (size_t i = 0; i < renewal->count; i++)
		say_on(stderr, " %s", renewal->files[i]);
	fputc('\n', stderr);
	return status == TOOL_DONE ? TOOL_FAILED : status;
}

static int
take_in(struct hook *hook)
{
	struct batch *batch = &hook->batch;
	bool lost;

	/* If the client didn't renew, import it only if an earlier hook failed, not if somebody has
	 * gone back to another chain. */
	batch->in.news_only = !hook->renewal.renewed;
	if (batch_begin(batch, &hook->err) != 0)
		return failed(hook);
	admin_take(batch->in.admin, batch->take);
	if (batch_add(batch, (const char *const *)hook->renewal.files, hook->renewal.count, &lost, &hook->err) != 0) {
		batch_end(batch, false, NULL);
		return failed(hook);
	}
	if (batch_end(batch, true, &hook->err) != 0)
		return failed(hook);
	for (size_t i = 0; i < batch->in.chain_count; i++)
		if (hook->renewal.renewed || batch->in.chains[i].result != INTAKE_UNCHANGED)
			batch_tell(batch, &batch->in.chains[i], NULL);
	return TOOL_DONE;
}

static int
run(struct hook *hook, int argc, char **argv)
{
	int status;

	if (batch_options_check(&hook->batch, &hook->err) != 0)
		return tool_fail(&hook->err);
	if (hook->status_given && strcmp(hook->client->name, "uacme") != 0)
		return tool_usage(hook->tool, "--status is for uacme only");
	if (hook->install)
		return print_install(hook) == 0 ? TOOL_DONE : tool_fail(&hook->err);
	hook->renewal.directory = hook->directory != NULL ? hook->directory : hook->client->directory;
	if (hook->client->read(&hook->renewal, argc, argv, &hook->err) != 0)
		status = tool_fail(&hook->err);
	else
		status = hook->renewal.nothing ? hook->renewal.exit : take_in(hook);
	renewal_free(&hook->renewal);
	return status;
}

/* Options up to the first argument: the rest is the client's. */
static int
parse(struct hook *hook, int argc, char **argv, int *status)
{
	int option;

	optind = 0;
	while ((option = tool_getopt(hook->tool, argc, argv, options, status)) != -1) {
		if (option == '?')
			return -1;
		if (take_option(hook, option) != 0) {
			*status = tool_fail(&hook->err);
			return -1;
		}
	}
	return 0;
}

static int
cmd_hook(struct tool *tool, int argc, char **argv)
{
	struct hook hook = { .tool = tool, .batch = { .tool = tool, .in = { .bind = true } }, .renewal = { .renewed = true } };
	int status = TOOL_DONE;

	setenv("POSIXLY_CORRECT", "1", 1);
	if (parse(&hook, argc, argv, &status) == 0) {
		argc -= optind;
		argv += optind;
		if (argc == 0) {
			status = tool_usage(tool, "whose hook? certbot, lego, dehydrated, acme.sh or uacme");
		} else if ((hook.client = client_find(argv[0])) == NULL) {
			status = tool_unknown("client", argv[0], client_meant(argv[0]), "certbot, lego, dehydrated, acme.sh or uacme");
		} else if (parse(&hook, argc, argv, &status) == 0) {
			status = run(&hook, argc - optind, argv + optind);
		}
	}
	batch_free(&hook.batch);
	return status;
}

const struct command command_hook = {
	.name = "hook",
	.run = cmd_hook,
	.arguments = "certbot|lego|dehydrated|acme.sh|uacme [OPTION…] [ARGUMENT…]",
	.summary = "import what an ACME client has just obtained; the client runs this",
	.help =
	    "  --install       print a shell script that installs the hook, and what else to do\n"
	    "  --dir DIR       the client's directory, where it isn't the usual one\n"
	    "  --status STATUS of uacme, whose hook runs after it\n"
	    "  --name NAME     bind to this name instead of those in the certificate (may be repeated)\n"
	    "  --no-bind       bind to no name; see bind and fallback\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --owner LABEL   the chains' owner (default: that of the chains they renew)\n"
	    "  --take          take names from another owner\n",
};
