/* SPDX-License-Identifier: ISC */
/*
 * setup.c: how a server that doesn't know the module loads it, and whether it does.  Changes things
 * only with --apply and --undo.  See setup.h for its rooms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "clock.h"
#include "error.h"
#include "nearest.h"
#include "setup/apply.h"
#include "setup/elf.h"
#include "setup/run.h"
#include "setup/setup.h"
#include "show/report.h"
#include "show/say.h"
#include "tool.h"

struct request {
	struct setup setup;
	char **names;                   /* of servers */
	int name_count;                 /* 0: all servers here */
	bool check, apply, undo, yes;
	const char *config_option;      /* -c, as given; NULL: none */
	struct setup_told told;
	struct apply_outcome outcome;
	char done[16][64];              /* the servers found, to check */
	struct report *report;          /* NULL: a page of text */
	unsigned found, wrong;          /* servers; things wrong or impossible */
};

#define KINDS_SIZE 256

static const char *
list_kinds(char out[KINDS_SIZE])
{
	const struct setup_kind *kind;
	size_t used = (size_t)snprintf(out, KINDS_SIZE, "use one of");

	for (size_t i = 0; (kind = setup_kind_at(i)) != NULL && used < KINDS_SIZE; i++)
		used += (size_t)snprintf(out + used, KINDS_SIZE - used, "%s %s", i == 0 ? "" : ",", kind->name);
	if (used < KINDS_SIZE)
		snprintf(out + used, KINDS_SIZE - used, ", or --binary PATH for any other program");
	return out;
}

static int
apply(struct request *request, const struct setup_host *host, struct snicert_error *err)
{
	if (request->outcome.stopped)
		return 0;
	if (host->way == SETUP_NO_WAY) {
		say("%s can't be served: %s", host->kind->title, host->why);
		request->wrong++;
		return 0;
	}
	if (request->found <= sizeof(request->done) / sizeof(request->done[0]))
		snprintf(request->done[request->found - 1], sizeof(request->done[0]), "%s", host->kind->name);
	/* Each must know whether it relies on that file. */
	request->told.cnf[0] = '\0';
	if (apply_server(&request->setup, host, &request->told, request->yes, &request->outcome, err) == 0)
		return 0;
	say("%s: stopped. The changes so far stay. Fix this and run the same command to continue, or restore the files "
	    "with `snicert setup --undo %s`", host->kind->title, host->kind->name);
	return -1;
}

static int
tell(struct request *request, const struct setup_host *host, struct snicert_error *err)
{
	if (request->found++ > 0 && request->report == NULL)
		puts("\n");
	if (request->apply)
		return apply(request, host, err);
	if (request->undo)
		return apply_restart(&request->setup, host, request->yes, &request->outcome, err);
	if (request->check)
		request->wrong += setup_check(&request->setup, host, request->report);
	else {
		setup_page(&request->setup, host, &request->told, request->report);
		request->wrong += host->way == SETUP_NO_WAY;
	}
	return 0;
}

static int
one(struct request *request, const struct setup_kind *kind, struct snicert_error *err)
{
	struct setup_host *host = malloc(sizeof(*host));
	int status;

	if (host == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	status = setup_find(&request->setup, kind, host, err);
	if (status == 0)
		status = tell(request, host, err);
	free(host);
	return status;
}

/* All servers here; one that we can't ask doesn't hide the others. */
static int
all(struct request *request)
{
	const struct setup_kind *kind;
	char kinds[KINDS_SIZE];
	int status = TOOL_DONE;

	for (size_t i = 0; (kind = setup_kind_at(i)) != NULL; i++) {
		struct snicert_error err = {0};

		if (one(request, kind, &err) != 0 && err.code != SNICERT_ENOTFOUND) {
			say("%s: %s", kind->title, err.text);
			status = TOOL_FAILED;
		}
	}
	if (request->found == 0 && status == TOOL_DONE) {
		say("no server was found");
		say("%s", list_kinds(kinds));
		return TOOL_NO;
	}
	return status;
}

/* Which program --binary is, if no name says it. */
static const struct setup_kind *
kind_of_binary(const char *path)
{
	const struct setup_kind *kind;
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; (kind = setup_kind_at(i)) != NULL; i++)
		for (size_t j = 0; kind->binaries[j] != NULL; j++)
			if (strcmp(kind->binaries[j], slash == NULL ? path : slash + 1) == 0)
				return kind;
	return NULL;
}

/* For --binary any name works. */
static int
know(const struct request *request)
{
	const struct setup_kind *kind;
	const char *meant = NULL;
	char kinds[KINDS_SIZE];

	for (int i = 0; i < request->name_count; i++) {
		if (setup_kind_named(request->names[i]) != NULL || request->setup.binary != NULL)
			continue;
		for (size_t j = 0; (kind = setup_kind_at(j)) != NULL; j++)
			nearest_offer(request->names[i], kind->name, &meant);
		return tool_unknown("server", request->names[i], meant, list_kinds(kinds));
	}
	return TOOL_DONE;
}

static int
answer(struct request *request)
{
	const char *binary = request->setup.binary;
	struct snicert_error err = {0};
	int status = know(request);

	if (status != TOOL_DONE)
		return status;
	if (request->name_count == 0 && binary == NULL)
		return all(request);
	if (request->name_count == 0)
		return one(request, kind_of_binary(binary), &err) == 0 ? TOOL_DONE : tool_fail(&err);
	for (int i = 0; i < request->name_count; i++)
		if (one(request, setup_kind_named(request->names[i]), &err) != 0)
			return tool_fail(&err);
	return TOOL_DONE;
}

/* After a restart, a server still has its old processes for a moment. */
static int
settle(const char *const argv[], const char **quiet, struct snicert_error *err)
{
	long long end = clock_ms() + 5000;
	int code, rc;

	*quiet = "--quiet";
	while ((rc = run_words(argv, &code, err)) == 0 && code == TOOL_NO && clock_ms() < end)
		nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
	*quiet = NULL;
	return rc;
}

/* In a separate process, which reads everything again. */
static int
check_applied(struct request *request)
{
	const char *argv[32] = { "snicert" }, *options[][2] = { { "-c", request->config_option }, { "setup", "--check" },
		{ "--binary", request->setup.binary }, { "--module", request->setup.module }, { "--user", request->setup.user } };
	struct snicert_error err = {0};
	size_t count = 1;
	int code;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i][1] != NULL) {
			argv[count++] = options[i][0];
			argv[count++] = options[i][1];
		}
	for (size_t i = 0; i < sizeof(request->done) / sizeof(request->done[0]); i++)
		if (request->done[i][0] != '\0')
			argv[count++] = request->done[i];
	puts("\nWhat is there now:");
	if (request->outcome.changed > 0 && request->outcome.left == 0 && settle(argv, &argv[count], &err) != 0)
		return tool_fail(&err);
	return run_words(argv, &code, &err) == 0 ? code : tool_fail(&err);
}

/* The server may be gone. */
static int
undo_one(struct request *request, const char *name, struct snicert_error *err)
{
	unsigned changed = request->outcome.changed;
	const struct setup_kind *kind = name == NULL ? NULL : setup_kind_named(name);

	if (apply_undo(&request->setup, name, request->yes, &request->outcome, err) != 0)
		return -1;
	if (request->outcome.changed > changed && kind != NULL && one(request, kind, err) != 0 && err->code != SNICERT_ENOTFOUND)
		return -1;
	return 0;
}

static int
undo(struct request *request)
{
	struct snicert_error err = {0};
	const struct setup_kind *kind;
	int status = know(request);

	if (status != TOOL_DONE)
		return status;
	for (int i = 0; i < request->name_count && !request->outcome.stopped; i++)
		if (undo_one(request, request->names[i], &err) != 0)
			return tool_fail(&err);
	for (size_t i = 0; request->name_count == 0 && !request->outcome.stopped && (kind = setup_kind_at(i)) != NULL; i++)
		if (undo_one(request, kind->name, &err) != 0)
			return tool_fail(&err);
	/* Programs without a name here. */
	if (request->name_count == 0 && !request->outcome.stopped && undo_one(request, NULL, &err) != 0)
		return tool_fail(&err);
	puts(request->outcome.found ? "The store, its key and their permissions stay." : "There is nothing to undo.");
	return request->outcome.left > 0 ? TOOL_NO : TOOL_DONE;
}

static int
carry_out(struct request *request)
{
	int status;

	if (request->undo)
		return undo(request);
	status = answer(request);
	if (status != TOOL_DONE || request->found == 0)
		return status;
	if (request->outcome.stopped || request->wrong > 0)
		return TOOL_NO;
	return check_applied(request);
}

/* The current configuration, by absolute path: servers run elsewhere. */
static int
prepare(struct tool *tool, struct setup *setup, char config_path[PATH_MAX], struct snicert_error *err)
{
	const char *path = tool->config_path != NULL ? tool->config_path : config_default_path();
	struct config *strict = NULL;
	char real[PATH_MAX];

	if (realpath(path, config_path) == NULL) {
		char directory[PATH_MAX] = "";

		if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
			return error_system(err, "no working directory");
		if (snprintf(config_path, PATH_MAX, "%s%s%s", directory, directory[0] != '\0' ? "/" : "", path) >= PATH_MAX)
			return error_set(err, SNICERT_EUSAGE, "%s is too long a path", path);
	}
	setup->config = tool->config;
	setup->config_path = config_path;
	config_read(&strict, tool->config_path, CONFIG_STRICT, &setup->config_fault);
	config_free(strict);
	snprintf(setup->system_cnf, sizeof(setup->system_cnf), "%s/openssl.cnf", X509_get_default_cert_area());
	/* Beside the system's: any server may read there. */
	setup_beside(realpath(setup->system_cnf, real) != NULL ? real : setup->system_cnf, "snicert-openssl.cnf", setup->cnf,
	    sizeof(setup->cnf));
	elf_tls_library(setup->module, setup->module_library, sizeof(setup->module_library));
	return 0;
}

/* What goes together. */
static int
judge_options(const struct tool *tool, const struct request *request)
{
	const struct setup *setup = &request->setup;

	if (request->check + request->apply + request->undo > 1)
		return tool_usage(tool, "give one of --check, --apply and --undo");
	if (tool->json && (request->apply || request->undo))
		return tool_usage(tool, "--apply and --undo can't be used with --json");
	if (request->apply && request->name_count == 0 && setup->binary == NULL)
		return tool_usage(tool, "--apply needs the name of a server");
	if (request->name_count > 1 && setup->binary != NULL)
		return tool_usage(tool, "--binary is for one server only");
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the module has a default */
	if ((setup->binary != NULL && setup->binary[0] != '/') || setup->module[0] != '/')
		return tool_usage(tool, "--binary and --module want an absolute path");
	return TOOL_DONE;
}

static int
parse(struct tool *tool, int argc, char **argv, struct request *request, int *status)
{
	static const struct option options[] = {
		{ "apply", no_argument, NULL, 'a' }, { "undo", no_argument, NULL, 'U' }, { "yes", no_argument, NULL, 'y' },
		{ "check", no_argument, NULL, 'c' }, { "binary", required_argument, NULL, 'b' },
		{ "module", required_argument, NULL, 'm' }, { "user", required_argument, NULL, 'u' }, TOOL_OPTIONS,
	};
	int option;

	request->setup.module = SNICERT_MODULEDIR "/snicert.so";
	while ((option = tool_getopt(tool, argc, argv, options, status)) != -1) {
		if (option == 'c')
			request->check = true;
		else if (option == 'a')
			request->apply = true;
		else if (option == 'U')
			request->undo = true;
		else if (option == 'y')
			request->yes = true;
		else if (option == 'b')
			request->setup.binary = optarg;
		else if (option == 'm')
			request->setup.module = optarg;
		else if (option == 'u')
			request->setup.user = optarg;
		else
			return -1;
	}
	request->names = argv + optind;
	request->name_count = argc - optind;
	*status = judge_options(tool, request);
	return *status == TOOL_DONE ? 0 : -1;
}

static int
cmd_setup(struct tool *tool, int argc, char **argv)
{
	struct request request = {0};
	struct snicert_error err = {0};
	char config_path[PATH_MAX];
	int status;

	if (parse(tool, argc, argv, &request, &status) != 0)
		return status;
	if (prepare(tool, &request.setup, config_path, &err) != 0)
		return tool_fail(&err);
	request.config_option = tool->config_path;
	if (request.apply || request.undo)
		return carry_out(&request);
	if (request.check)
		request.report = report_new(stdout, tool->json, setup_check_columns, SETUP_CHECK_COLUMNS);
	else if (tool->json)
		request.report = report_new(stdout, true, setup_guide_columns, SETUP_GUIDE_COLUMNS);
	status = answer(&request);
	if ((request.check || tool->json) && report_finish(request.report, &err) != 0)
		return tool_fail(&err);
	return status == TOOL_DONE && request.wrong > 0 ? TOOL_NO : status;
}

const struct command command_setup = {
	.name = "setup",
	.run = cmd_setup,
	.arguments = "[--check | --apply [--yes] | --undo [--yes]] [--binary PATH] [--module PATH] [--user USER] [SERVER…]",
	.summary = "set up a mail server to load the module, or check that it does",
	.help =
	    "  --check         check what is there\n"
	    "  --apply         carry out the instructions, asking before each step, then check\n"
	    "  --undo          restore the files that --apply changed\n"
	    "  --yes           do not ask\n"
	    "  --binary PATH   the server's program, if it is not found; or any program on OpenSSL\n"
	    "  --module PATH   snicert.so, if it is not in the usual place\n"
	    "  --user USER     the user that the server runs as, if it can't be asked\n"
	    "  SERVER…         postfix, exim, sendmail, opensmtpd, dovecot, nginx, stunnel or aiosmtpd\n"
	    "                  (default: those that are installed)\n",
	.traits = COMMAND_JUDGES,
};
