/* SPDX-License-Identifier: ISC */
/* import.c: take in chains.  A batch is one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/import.h"
#include "error.h"
#include "intake/ahead.h"
#include "intake/directory.h"
#include "intake/intake.h"
#include "intake/passphrase.h"
#include "intake/pending_key.h"
#include "migrate/source.h"
#include "show/report.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "store/open.h"
#include "tool.h"

static const struct option options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "no-bind", no_argument, NULL, 'b' },
	{ "stage", no_argument, NULL, 's' },
	{ "force", no_argument, NULL, 'f' },
	{ "owner", required_argument, NULL, 'o' },
	{ "take", no_argument, NULL, 't' },
	{ "keep-going", no_argument, NULL, 'k' },
	{ "strict", no_argument, NULL, 'S' },
	{ "lineage", required_argument, NULL, 'l' },
	{ "from", required_argument, NULL, 'm' },
	{ "dry-run", no_argument, NULL, 'r' },
	{ "keep-root", no_argument, NULL, 'R' },
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
		return admin_owner_check(optarg, &import->err);
	case 't':
		import->take = true;
		return 0;
	case 'k':
		import->keep_going = true;
		return 0;
	case 'S':
		import->strict = true;
		return 0;
	case 'l':
		import->in.lineage = optarg;
		return *optarg != '\0' ? 0 : error_set(&import->err, SNICERT_EUSAGE, "a lineage can't be empty");
	case 'm':
		import->from = optarg;
		import->in.as_told = true;
		return source_known(optarg) ? 0 : error_set(&import->err, SNICERT_EUSAGE,
		    "%s is not a kind of source: use %s", optarg, source_kinds());
	case 'r':
		import->dry_run = true;
		return 0;
	case 'R':
		import->in.keep_root = true;
		return 0;
	case 'u':
		import->in.key_uri = optarg;
		return 0;
	case 'p':
		import->passphrase.file = optarg;
		return tool_may(optarg, R_OK) ? 0
		    : error_system(&import->err, "passphrase file %s", optarg);
	default:
		return parse_fd(import, optarg);
	}
}

static void
progress(const struct import *import)
{
	if (import->groups % 500 != 0 || import->tool->quiet || !isatty(STDERR_FILENO))
		return;
	if (import->total > 0)
		fprintf(stderr, "\r%zu of %zu imported …\r", import->groups, import->total);
	else
		fprintf(stderr, "\r%zu imported …\r", import->groups);
}

static void
report_bad(struct import *import, const char *source)
{
	struct snicert_error *err = &import->err;

	import->failed++;
	if (strstr(err->text, source) != NULL)
		say("%s", err->text);
	else
		say("%s: %s", source, err->text);
	error_clear(err);
}

/* A bag that is undone by itself where it fails: 0, 1 if it did, -1 if all has to end. */
static int
try_bag(struct import *import, struct bag *bag, bool good)
{
	struct snicert_error *err = &import->err, fatal = {0};

	if (good) {
		if (admin_savepoint(import->in.admin, err) != 0)
			return -1;
		good = intake_bag(&import->in, bag, err) == 0;
		if (admin_release(import->in.admin, good, &fatal) != 0) {
			*err = fatal;
			return -1;
		}
	}
	if (good)
		return 0;
	/* A store that can't be written is no one file's fault. */
	return err->code == SNICERT_ESTORE ? -1 : 1;
}

int
import_bag(struct import *import, struct bag *bag, const char *source, bool good)
{
	int status;

	import->groups++;
	progress(import);
	if (!import->keep_going)
		return good ? intake_bag(&import->in, bag, &import->err) : -1;
	status = try_bag(import, bag, good);
	if (status == 1)
		report_bad(import, source);
	return status < 0 ? -1 : 0;
}

/* What has expired may be superseded by a group that comes later, and what is in the way be renewed by one. */
static int
keep_late(struct import *import, const char *group)
{
	char **list = reallocarray(import->late, import->late_count + 1, sizeof(*list));

	if (list == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->late = list;
	if ((list[import->late_count] = strdup(group)) == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->late_count++;
	error_clear(&import->err);
	return 0;
}

static bool
is_late(struct import *import, const char *group)
{
	for (size_t i = 0; i < import->late_count; i++)
		if (import->late[i] != NULL && strcmp(import->late[i], group) == 0)
			return true;
	return false;
}

static void
forget_late(struct import *import, const char *group)
{
	for (size_t i = 0; i < import->late_count; i++)
		if (import->late[i] != NULL && (group == NULL || strcmp(import->late[i], group) == 0)) {
			free(import->late[i]);
			import->late[i] = NULL;
		}
}

/* An account's key, another's certificate: worth a note, unless there is nothing else. */
static int
keep_alone(struct import *import, const char *group)
{
	char **list = reallocarray(import->alone, import->alone_count + 2, sizeof(*list));

	if (list == NULL)
		return error_set(&import->err, SNICERT_EMEMORY, "no memory");
	import->alone = list;
	list[import->alone_count] = strdup(group);
	list[import->alone_count + 1] = strdup(import->err.text);
	import->alone_count += 2;
	error_clear(&import->err);
	return list[import->alone_count - 2] != NULL && list[import->alone_count - 1] != NULL ? 0
	    : error_set(&import->err, SNICERT_EMEMORY, "no memory");
}

/* Of a directory what is good is taken in, and all that is bad is told of, unless with --strict. */
static int
take_group(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct import *import = arg;
	bool good = why->code == SNICERT_OK;
	int status;

	import->groups++;
	progress(import);
	if (!good)
		import->err = *why;
	import->in.may_come_later = false;
	status = try_bag(import, bag, good);
	if (status == 1 && alone && import->err.code == SNICERT_EMEMORY)
		return -1;
	if (status == 1 && alone)
		return keep_alone(import, group);
	import->whole++;
	if (status == 1 && import->in.may_come_later && import->may_be_late)
		return is_late(import, group) ? (error_clear(&import->err), 0) : keep_late(import, group);
	if (status == 0 && is_late(import, group))
		import->more = true;
	forget_late(import, group);
	if (status == 1 && !import->strict)
		report_bad(import, group);
	return status < 0 || (status == 1 && import->strict) ? -1 : 0;
}

static int
take_late(void *arg, const char *group, struct bag *bag, bool alone, const struct snicert_error *why)
{
	struct import *import = arg;

	return alone || !is_late(import, group) ? 0 : take_group(import, group, bag, alone, why);
}

#define ALONE_NAMED 3

/* One line for all of them. */
static int
note_alone(struct import *import, const char *path)
{
	char text[2048];
	size_t count = import->alone_count / 2, used;

	used = (size_t)snprintf(text, sizeof(text), "%s: left out, for nothing there has the key or certificate that"
	    " belongs to it: ", path);
	for (size_t i = 0; i < count && i < ALONE_NAMED && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i == 0 ? "" : ", ", import->alone[2 * i]);
	if (count > ALONE_NAMED && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, " and %zu more", count - ALONE_NAMED);
	return import_note(import, text);
}

static int
end_alone(struct import *import, const char *path)
{
	int status = 0;

	if (import->alone_count > 0 && import->whole > 0)
		status = note_alone(import, path);
	for (size_t i = 0; status == 0 && import->whole == 0 && i < import->alone_count; i += 2) {
		error_set(&import->err, SNICERT_EINPUT, "%s", import->alone[i + 1]);
		if (import->strict)
			status = -1;
		else
			report_bad(import, import->alone[i]);
	}
	for (size_t i = 0; i < import->alone_count; i++)
		free(import->alone[i]);
	free(import->alone);
	import->alone = NULL;
	import->alone_count = 0;
	return status;
}

static int
take_directory(struct import *import, const char *path)
{
	int status;

	import->in.yield = import->may_be_late = true;
	import->whole = 0;
	status = ahead_walk(path, &import->source, take_group, import, &import->err);
	/* As long as there are some that come in now; then those that don't are told of. */
	for (import->more = import->late_count > 0; status == 0 && import->more;) {
		import->more = false;
		status = ahead_walk(path, &import->source, take_late, import, &import->err);
	}
	import->may_be_late = false;
	if (status == 0)
		status = end_alone(import, path);
	if (status == 0 && import->late_count > 0)
		status = ahead_walk(path, &import->source, take_late, import, &import->err);
	forget_late(import, NULL);
	import->late_count = 0;
	import->in.yield = false;
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
				status = import_bag(import, alone, paths[i], import->err.code == SNICERT_OK);
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
		status = import_bag(import, common, source, good);
	bag_free(common);
	return status;
}

/* A configuration in place of certificates: say how it is read. */
static void
hint_source(struct import *import, int count, char **paths)
{
	struct snicert_error plain = import->err;

	for (int i = 0; i < count && plain.code == SNICERT_EINPUT; i++) {
		const char *kind = strstr(plain.text, paths[i]) != NULL ? source_guess(paths[i]) : NULL;

		if (kind == NULL)
			continue;
		error_clear(&import->err);
		error_set(&import->err, SNICERT_EINPUT, "%s; if it says which names have which files: import --from %s",
		    plain.text, kind);
		return;
	}
}

static int
take_sources(struct import *import, int count, char **paths)
{
	for (int i = 0; i < count; i++) {
		if (import_source(import, paths[i]) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_ESTORE || import->err.code == SNICERT_EMEMORY)
			return -1;
		import->failed++;
		say("%s", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

static int
take_all(struct import *import, int count, char **paths)
{
	if (import->from != NULL)
		return take_sources(import, count, paths);
	if (take_files(import, count, paths) != 0) {
		hint_source(import, count, paths);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		struct stat st;

		if (strcmp(paths[i], "-") == 0 || stat(paths[i], &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		if (take_directory(import, paths[i]) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_ESTORE)
			return -1;
		import->failed++;
		say("%s", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

struct row {
	struct import *import;
	struct report *report;
	const struct intake_chain *chain;
};

struct keys {
	char **list;
	size_t count;
};

static int
take_key(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct keys *keys = arg;
	char **list = reallocarray(keys->list, keys->count + 1, sizeof(*list));
	char text[NAME_TEXT_SIZE];

	(void)key_type;
	(void)chain;
	if (list != NULL) {
		keys->list = list;
		list[keys->count] = strdup(tool_key_text(key, text));
		keys->count += list[keys->count] != NULL;
	}
	return 0;
}

/* What it is bound to, or will be. */
static void
report_bound(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	struct intake *in = &row->import->in;
	struct keys keys = {0};

	if (chain->result == INTAKE_STAGED)
		admin_staged(in->admin, chain->id, take_key, &keys, &row->import->err);
	else if (chain->id != 0)
		admin_bindings(in->admin, NULL, chain->id, take_key, &keys, &row->import->err);
	report_list(row->report, (const char *const *)keys.list, keys.count);
	for (size_t i = 0; i < keys.count; i++)
		free(keys.list[i]);
	free(keys.list);
}

/* What is said of the whole stands with the first chain. */
static void
report_warnings(const struct row *row)
{
	const struct import *import = row->import;
	size_t whole = row->chain == import->in.chains ? import->note_count : 0, count = row->chain->warning_count;
	const char **list = calloc(whole + count + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < whole + count; i++)
		list[i] = i < whole ? import->notes[i] : row->chain->warnings[i - whole];
	report_list(row->report, list, list == NULL ? 0 : whole + count);
	free(list);
}

static void
report_id(struct report *report, int64_t id)
{
	if (id != 0)
		report_number(report, id);
	else
		report_text(report, NULL);
}

static void
report_result(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	char text[64];

	if (chain->superseded_by != 0 && !row->import->tool->json) {
		snprintf(text, sizeof(text), "superseded by chain %" PRId64, chain->superseded_by);
		report_text(row->report, text);
	} else {
		report_text(row->report, intake_result_text(chain->result));
	}
}

static void
report_chain(const struct row *row)
{
	const struct intake_chain *chain = row->chain;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_id(row->report, chain->id);
	report_result(row);
	report_text(row->report, chain->key_type);
	report_time(row->report, chain->not_after);
	tool_report_names(row->report, chain->names);
	report_text(row->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_text(row->report, chain->source);
	report_warnings(row);
	report_id(row->report, chain->same_key_as);
	report_bound(row);
	report_text(row->report, chain->lineage);
	report_list(row->report, (const char *const *)chain->renews, chain->renews_count);
	report_id(row->report, chain->superseded_by);
	report_row_end(row->report);
}

/* A staged chain is one whose TLSA records somebody is about to publish. */
static void
note_same_keys(const struct intake *in)
{
	for (size_t i = 0; i < in->chain_count; i++)
		if (in->chains[i].result == INTAKE_STAGED && in->chains[i].same_key_as != 0)
			printf("note: chain %" PRId64 " has the key of chain %" PRId64 ": its TLSA records stay as they "
			    "are, you can activate it now\n", in->chains[i].id, in->chains[i].same_key_as);
}

/* What somebody asks who only looks. */
static void
print_renews(const struct intake *in)
{
	for (size_t i = 0; i < in->chain_count; i++)
		for (size_t j = 0; j < in->chains[i].renews_count; j++)
			printf("chain %" PRId64 " renews %s\n", in->chains[i].id, in->chains[i].renews[j]);
}

#define ROWS_MOST 100           /* that a table has, and warnings beneath it */

static void
print_warnings(const struct import *import)
{
	const struct intake *in = &import->in;
	size_t count = import->note_count;

	for (size_t i = 0; i < count && i < ROWS_MOST; i++)
		say_on(stdout, "warning: %s\n", import->notes[i]);
	for (size_t i = 0; i < in->chain_count; i++)
		for (size_t j = 0; j < in->chains[i].warning_count; j++)
			if (count++ < ROWS_MOST)
				say_on(stdout, "warning: %s\n", in->chains[i].warnings[j]);
	if (count > ROWS_MOST)
		printf("and %zu more warnings, which --json has\n", count - ROWS_MOST);
}

static size_t
count_superseded(const struct intake *in)
{
	size_t count = 0;

	for (size_t i = 0; i < in->chain_count; i++)
		count += in->chains[i].id == 0;
	return count;
}

static void
print_summary(const struct import *import)
{
	const struct intake *in = &import->in;
	size_t superseded = count_superseded(in), taken = in->chain_count + in->unlisted - superseded;

	printf("%zu chain%s %simported: %d name%s bound, %d renewed, %d unchanged", taken,
	    taken == 1 ? "" : "s", import->dry_run ? "would be " : "", in->added,
	    in->added == 1 ? "" : "s", in->renewed, in->unchanged);
	if (superseded > 0)
		printf("; %zu superseded", superseded);
	if (import->failed > 0)
		printf("; %zu failed", import->failed);
	if (import->dry_run)
		printf("; nothing was changed");
	putchar('\n');
}

/* After the commit: what there is now; or before nothing comes of it: what there would be. */
static int
report_all(struct import *import)
{
	/* A certificate's names; of another server's configuration, what matters is what it is bound to. */
	const char *names = import->from == NULL ? "Names" : NULL, *bound = import->from == NULL ? NULL : "Bound to";
	const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "result", "Result", false }, { "key_type", "Key", false },
		{ "not_after", "Expires", false }, { "names", names, false }, { "sha256", NULL, false },
		{ "source", "Source", false }, { "warnings", NULL, false }, { "same_key_as", NULL, true },
		{ "bound", bound, false }, { "lineage", NULL, false }, { "renews", NULL, false }, { "superseded_by", NULL, true },
	};
	const struct intake *in = &import->in;
	bool json = import->tool->json;
	struct report *report = report_new(stdout, json, columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < in->chain_count && (json || in->chain_count + in->unlisted <= ROWS_MOST); i++) {
		struct row row = { import, report, &in->chains[i] };

		report_chain(&row);
	}
	if (report_finish(report, &import->err) != 0)
		return tool_fail(&import->err);
	if (json)
		return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
	print_warnings(import);
	if (import->dry_run)
		print_renews(in);
	note_same_keys(in);
	print_summary(import);
	return import->failed > 0 ? TOOL_FAILED : TOOL_DONE;
}

static int
run(struct import *import, int count, char **paths)
{
	struct seal *seal = NULL;
	int status, exit_code = TOOL_DONE;

	if ((import->in.key_uri != NULL && pending_key_at_uri(import->in.key_uri, &import->key, &import->err) != 0) ||
	    open_store(import->tool, ADMIN_WRITE, &import->in.admin, &import->err) != 0)
		return tool_fail(&import->err);
	if (open_begin(import->tool, import->in.admin, &seal, &import->err) != 0)
		return tool_fail(&import->err);
	import->in.seal = seal;
	import->in.brief = !import->tool->json;
	admin_take(import->in.admin, import->take);
	status = take_all(import, count, paths);
	if (status == 0)
		status = admin_prune(import->in.admin, &import->err);
	if (status == 0 && import->dry_run)
		exit_code = report_all(import);
	else if (status == 0)
		status = admin_commit(import->in.admin, &import->err);
	if (status != 0 || import->dry_run)
		admin_rollback(import->in.admin);
	seal_free(seal);
	if (status != 0)
		return tool_fail(&import->err);
	return import->dry_run ? exit_code : report_all(import);
}

static const char *
contradiction(const struct import *import)
{
	if (import->in.name_count > 0 && !import->in.bind)
		return "--name and --no-bind contradict each other";
	if (import->strict && import->keep_going)
		return "--strict and --keep-going contradict each other";
	if (import->from != NULL && (import->in.name_count > 0 || !import->in.bind || import->in.key_uri != NULL))
		return "--from reads the names from the paths, so --name, --no-bind and --key-uri can't be used with it";
	return NULL;
}

static void
import_clear(struct import *import)
{
	for (size_t i = 0; i < import->note_count; i++)
		free(import->notes[i]);
	free(import->notes);
	free(import->late);
	for (size_t i = 0; i < import->alone_count; i++)
		free(import->alone[i]);
	free(import->alone);
	admin_close(import->in.admin);
	intake_free(&import->in);
	passphrase_clear(&import->passphrase);
	EVP_PKEY_free(import->key);
	free(import->names);
}

static int
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
	else if (contradiction(&import) != NULL)
		status = tool_usage(tool, "%s", contradiction(&import));
	else
		status = run(&import, argc - optind, argv + optind);
	import_clear(&import);
	return status;
}

const struct command command_import = {
	.name = "import",
	.run = cmd_import,
	.arguments = "[OPTION…] PATH…",
	.summary = "import chains: PEM, PKCS#12, directories, - for standard input",
	.help =
	    "  --from KIND     the paths are another server's configuration, which names certificates:\n"
	    "                  postfix, dovecot, haproxy, exim, haraka, mailcow, virtualmin;\n"
	    "                  or map: lines of NAME FILE…\n"
	    "  --dry-run       print what would happen; change nothing\n"
	    "  --name NAME     bind to this name instead of those in the certificate (may be repeated)\n"
	    "  --no-bind       bind to no name; see bind and fallback\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --key-uri URI   leave the private key there (file:, pkcs11: …); the paths hold certificates\n"
	    "  --passphrase-file FILE, --passphrase-fd FD\n"
	    "                  where the passphrase of encrypted keys is; asked for on a terminal otherwise\n"
	    "  --keep-root     send the root certificate too, if the input has it; for a TLSA record of it\n"
	    "  --force         import even if expired, not yet valid, lacking a name, or taking another chain's names\n"
	    "  --owner LABEL   the chains' owner (default: that of the chains they renew)\n"
	    "  --take          take names from another owner\n"
	    "  --lineage LABEL renew what was imported with this label before, wherever the files are now\n"
	    "  --keep-going    import the good files and report the bad ones, as for a directory\n"
	    "  --strict        import nothing from a directory if any file is refused\n",
};
