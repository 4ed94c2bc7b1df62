/* SPDX-License-Identifier: ISC */
/* cmd_import.c: take in chains.  A batch is one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_owner.h"
#include "directory.h"
#include "error.h"
#include "intake.h"
#include "passphrase.h"
#include "report.h"
#include "tool.h"
#include "waiting.h"

struct import {
	struct tool *tool;
	struct intake in;
	struct passphrase passphrase;
	struct passphrase_source source;
	struct name *names;             /* --name; in.names */
	EVP_PKEY *key;                  /* of --key-uri, to check that it fits */
	bool keep_going;
	bool take;
	size_t failed;
	size_t groups;
	struct snicert_error err;
};

static const struct option options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "no-bind", no_argument, NULL, 'b' },
	{ "stage", no_argument, NULL, 's' },
	{ "force", no_argument, NULL, 'f' },
	{ "owner", required_argument, NULL, 'o' },
	{ "take", no_argument, NULL, 't' },
	{ "keep-going", no_argument, NULL, 'k' },
	{ "key-uri", required_argument, NULL, 'u' },
	{ "passphrase-file", required_argument, NULL, 'p' },
	{ "passphrase-fd", required_argument, NULL, 'd' },
	TOOL_OPTIONS,
};

static int
add_name(struct import *import, const char *text)
{
	struct name *names = realloc(import->names, (import->in.name_count + 1) * sizeof(*names));

	if (names == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->names = names;
	import->in.names = names;
	return tool_name(text, &names[import->in.name_count++], &import->err);
}

static int
parse_fd(struct import *import, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || fd < 0 || fd > 65535)
		return error_set(&import->err, SNICERT_EUSAGE, "%s is not a file descriptor", text);
	import->passphrase.fd = (int)fd;
	return 0;
}

static int
take_option(struct import *import, int option)
{
	switch (option) {
	case 'n':
		return add_name(import, optarg);
	case 'b':
		import->in.bind = false;
		return 0;
	case 's':
		import->in.stage = true;
		return 0;
	case 'f':
		import->in.force = true;
		return 0;
	case 'o':
		import->in.owner = optarg;
		return tool_owner(optarg, &import->err);
	case 't':
		import->take = true;
		return 0;
	case 'k':
		import->keep_going = true;
		return 0;
	case 'u':
		import->in.key_uri = optarg;
		return 0;
	case 'p':
		import->passphrase.file = optarg;
		return access(optarg, R_OK) == 0 ? 0
		    : error_system(&import->err, "passphrase file %s", optarg);
	default:
		return parse_fd(import, optarg);
	}
}

static void
progress(const struct import *import)
{
	if (import->groups % 500 == 0 && !import->tool->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu taken in …\r", import->groups);
}

/* One bag into the store; with --keep-going a bad one is undone alone. */
static int
take_bag(struct import *import, struct bag *bag, const char *source, bool good)
{
	struct snicert_error *err = &import->err;

	import->groups++;
	progress(import);
	if (!import->keep_going)
		return good ? intake_bag(&import->in, bag, err) : -1;
	if (good) {
		struct snicert_error fatal = {0};

		if (admin_savepoint(import->in.admin, err) != 0)
			return -1;
		good = intake_bag(&import->in, bag, err) == 0;
		if (admin_release(import->in.admin, good, &fatal) != 0) {
			*err = fatal;
			return -1;
		}
	}
	/* A store that can't be written is no one file's fault. */
	if (!good && err->code == SNICERT_ESTORE)
		return -1;
	if (!good) {
		import->failed++;
		if (strstr(err->text, source) != NULL)
			fprintf(stderr, "snicert: %s\n", err->text);
		else
			fprintf(stderr, "snicert: %s: %s\n", source, err->text);
		error_clear(err);
	}
	return 0;
}

static int
take_group(void *arg, const char *group, const char *const *files, size_t count)
{
	struct import *import = arg;
	struct bag *bag = bag_new();
	bool good = bag != NULL;
	int status;

	for (size_t i = 0; good && i < count; i++)
		good = bag_add_file(bag, files[i], &import->source, &import->err) == 0;
	status = take_bag(import, bag, group, good);
	bag_free(bag);
	return status;
}

/* The plain files of the command line: together in one bag, so that key and
 * chain may come in any order and number of files.  With --keep-going those
 * that are whole by themselves stand for themselves. */
static int
take_files(struct import *import, int count, char **paths)
{
	struct bag *common = bag_new();
	char source[512] = "";
	int status = 0;
	bool good = common != NULL, any = false;

	if (import->key != NULL && good)
		good = bag_add_key(common, import->key, import->in.key_uri, &import->err) == 0;
	for (int i = 0; i < count && status == 0; i++) {
		struct bag *alone = NULL;
		struct stat st;

		if (strcmp(paths[i], "-") != 0 && stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		if (import->keep_going && strcmp(paths[i], "-") != 0) {
			alone = bag_new();
			if (alone == NULL || bag_add_file(alone, paths[i], &import->source, &import->err) != 0 ||
			    (bag_keys(alone) > 0 && bag_certs(alone) > 0)) {
				status = take_bag(import, alone, paths[i], import->err.code == SNICERT_OK);
				bag_free(alone);
				continue;
			}
			bag_free(alone);
		}
		any = true;
		if (source[0] == '\0')
			snprintf(source, sizeof(source), "%s",
			    strcmp(paths[i], "-") == 0 ? "standard input" : paths[i]);
		good = good && bag_add_file(common, paths[i], &import->source, &import->err) == 0;
	}
	if (status == 0 && any)
		status = take_bag(import, common, source, good);
	bag_free(common);
	return status;
}

static int
take_all(struct import *import, int count, char **paths)
{
	if (take_files(import, count, paths) != 0)
		return -1;
	for (int i = 0; i < count; i++) {
		struct stat st;

		if (strcmp(paths[i], "-") == 0 || stat(paths[i], &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		if (directory_walk(paths[i], take_group, import, &import->err) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_ESTORE)
			return -1;
		import->failed++;
		fprintf(stderr, "snicert: %s\n", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

struct row {
	struct report *report;
	const struct intake_chain *chain;
};

static int
report_chain(void *arg, const struct admin_chain *chain)
{
	const struct row *row = arg;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_number(row->report, chain->id);
	report_text(row->report, intake_result_text(row->chain->result));
	report_text(row->report, chain->key_type);
	report_time(row->report, chain->not_after);
	tool_report_names(row->report, chain->names);
	report_text(row->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_text(row->report, row->chain->source);
	report_list(row->report, (const char *const *)row->chain->warnings, row->chain->warning_count);
	if (row->chain->same_key_as != 0)
		report_number(row->report, row->chain->same_key_as);
	else
		report_text(row->report, NULL);
	report_row_end(row->report);
	return 0;
}

/* A staged chain is one whose TLSA records somebody is about to publish. */
static void
note_same_keys(const struct intake *in)
{
	for (size_t i = 0; i < in->chain_count; i++)
		if (in->chains[i].result == INTAKE_STAGED && in->chains[i].same_key_as != 0)
			printf("note: chain %" PRId64 " has the key of chain %" PRId64 ": its TLSA records stay as they "
			    "are, it can be activated at once\n", in->chains[i].id, in->chains[i].same_key_as);
}

/* After the commit: what there is now. */
static int
report_all(struct import *import)
{
	static const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "result", "Result", false }, { "key_type", "Key", false },
		{ "not_after", "Expires", false }, { "names", "Names", false }, { "leaf_sha256", NULL, false },
		{ "source", "Source", false }, { "warnings", NULL, false }, { "same_key_as", NULL, true },
	};
	const struct intake *in = &import->in;
	bool json = import->tool->json;
	struct report *report = report_new(stdout, json, columns, 9);

	for (size_t i = 0; i < in->chain_count && (json || in->chain_count <= 100); i++) {
		struct row row = { report, &in->chains[i] };

		if (admin_chains(in->admin, in->chains[i].id, NULL, report_chain, &row, &import->err) != 0)
			break;
	}
	if (report_finish(report, &import->err) != 0)
		return tool_fail(&import->err);
	if (json)
		return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
	for (size_t i = 0; i < in->chain_count; i++)
		for (size_t j = 0; j < in->chains[i].warning_count; j++)
			printf("warning: %s\n", in->chains[i].warnings[j]);
	note_same_keys(in);
	printf("%zu chain%s taken in: %d name%s bound, %d renewed, %d as before", in->chain_count,
	    in->chain_count == 1 ? "" : "s", in->added, in->added == 1 ? "" : "s", in->renewed,
	    in->unchanged);
	if (import->failed > 0)
		printf("; %zu failed", import->failed);
	putchar('\n');
	return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
}

static int
run(struct import *import, int count, char **paths)
{
	struct seal *seal = NULL;
	int status;

	if ((import->in.key_uri != NULL && waiting_at_uri(import->in.key_uri, &import->key, &import->err) != 0) ||
	    tool_store(import->tool, ADMIN_WRITE, &import->in.admin, &import->err) != 0)
		return tool_fail(&import->err);
	if (tool_key(import->tool, &seal, &import->err) != 0 ||
	    admin_begin(import->in.admin, &import->err) != 0) {
		seal_free(seal);
		return tool_fail(&import->err);
	}
	import->in.seal = seal;
	admin_take(import->in.admin, import->take);
	status = take_all(import, count, paths);
	if (status == 0)
		status = admin_prune(import->in.admin, &import->err);
	if (status == 0)
		status = admin_commit(import->in.admin, &import->err);
	else
		admin_rollback(import->in.admin);
	seal_free(seal);
	return status == 0 ? report_all(import) : tool_fail(&import->err);
}

int
cmd_import(struct tool *tool, int argc, char **argv)
{
	struct import import = { .tool = tool, .in = { .bind = true }, .passphrase = { .fd = -1 } };
	int option, status;

	import.source = passphrase_from(&import.passphrase);
	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != '?' && take_option(&import, option) == 0)
			continue;
		free(import.names);
		return option == '?' ? status : tool_fail(&import.err);
	}
	if (optind == argc)
		status = tool_usage(tool, "import what? give files, directories or -");
	else if (import.in.name_count > 0 && !import.in.bind)
		status = tool_usage(tool, "--name and --no-bind contradict each other");
	else
		status = run(&import, argc - optind, argv + optind);
	admin_close(import.in.admin);
	intake_free(&import.in);
	passphrase_clear(&import.passphrase);
	EVP_PKEY_free(import.key);
	free(import.names);
	return status;
}
