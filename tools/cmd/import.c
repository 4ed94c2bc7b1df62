/* SPDX-License-Identifier: ISC */
/* import.c: imports chains.  A batch is one transaction. */
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

void
import_progress(const struct import *import)
{
	if (import->groups % 500 != 0 || import->tool->quiet || !isatty(STDERR_FILENO))
		return;
	if (import->total > 0)
		fprintf(stderr, "\r%zu of %zu imported …\r", import->groups, import->total);
	else
		fprintf(stderr, "\r%zu imported …\r", import->groups);
}

void
import_bad(struct import *import, const char *source)
{
	struct snicert_error *err = &import->err;

	import->failed++;
	if (strstr(err->text, source) != NULL)
		say("%s", err->text);
	else
		say("%s: %s", source, err->text);
	error_clear(err);
}

int
import_try(struct import *import, struct bag *bag, bool good)
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
	/* An unwritable store is no file's fault. */
	return err->code == SNICERT_ESTORE ? -1 : 1;
}

int
import_bag(struct import *import, struct bag *bag, const char *source, bool good)
{
	int status;

	import->groups++;
	import_progress(import);
	if (!import->keep_going)
		return good ? intake_bag(&import->in, bag, &import->err) : -1;
	status = import_try(import, bag, good);
	if (status == 1)
		import_bad(import, source);
	return status < 0 ? -1 : 0;
}

/* A configuration instead of certificates: say how to read it. */
static void
hint_source(struct import *import, int count, char **paths)
{
	struct snicert_error plain = import->err;

	for (int i = 0; i < count && import->from == NULL && plain.code == SNICERT_EINPUT; i++) {
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
take_sources(struct import *import)
{
	for (size_t i = 0; i < import->source_count; i++) {
		if (import_source(import, &import->sources[i]) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_ESTORE || import->err.code == SNICERT_EMEMORY)
			return -1;
		import->failed++;
		say("%s", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whatever may take as long as a person or another program likes: nobody else can write to the store
 * once the transaction has begun. */
static int
read_ahead(struct import *import, int count, char **paths)
{
	if (passphrase_begin(&import->passphrase, &import->err) != 0)
		return -1;
	if (import->from != NULL && import_sources_read(import, count, paths) != 0)
		return -1;
	for (int i = 0; i < count && import->from == NULL; i++)
		if (!is_directory(paths[i]) && import_file_read(import, paths[i]) != 0)
			return -1;
	for (int i = 0; i < count && passphrase_asks(&import->passphrase); i++)
		if (import->from == NULL && is_directory(paths[i]) && import_directory_ask(import, paths[i]) != 0)
			return -1;
	if (passphrase_asks(&import->passphrase))
		import_sources_ask(import);
	passphrase_end(&import->passphrase);
	return 0;
}

static int
take_all(struct import *import, int count, char **paths)
{
	if (import->from != NULL)
		return take_sources(import);
	if (import_files(import) != 0)
		return -1;
	for (int i = 0; i < count; i++) {
		if (!is_directory(paths[i]) || import_directory(import, paths[i]) == 0)
			continue;
		if (!import->keep_going || import->err.code == SNICERT_ESTORE)
			return -1;
		import->failed++;
		say("%s", import->err.text);
		error_clear(&import->err);
	}
	return 0;
}

static int
run(struct import *import, int count, char **paths)
{
	struct seal *seal = NULL;
	int status, exit_code = TOOL_DONE;

	if ((import->in.key_uri != NULL && pending_key_at_uri(import->in.key_uri, &import->key, &import->err) != 0) ||
	    open_store(import->tool, ADMIN_WRITE, &import->in.admin, &import->err) != 0)
		return tool_fail(&import->err);
	if (read_ahead(import, count, paths) != 0) {
		hint_source(import, count, paths);
		return tool_fail(&import->err);
	}
	if (open_begin(import->tool, import->in.admin, &seal, &import->err) != 0)
		return tool_fail(&import->err);
	import->in.seal = seal;
	import->in.brief = !import->tool->json;
	admin_take(import->in.admin, import->take);
	status = take_all(import, count, paths);
	if (status != 0)
		hint_source(import, count, paths);
	if (status == 0 && import->dry_run)
		exit_code = import_report(import);
	else if (status == 0)
		status = admin_commit(import->in.admin, &import->err);
	if (status != 0 || import->dry_run)
		admin_rollback(import->in.admin);
	seal_free(seal);
	if (status != 0)
		return tool_fail(&import->err);
	return import->dry_run ? exit_code : import_report(import);
}

static const char *
contradiction(const struct import *import)
{
	if (import->in.name_count > 0 && !import->in.bind)
		return "--name and --no-bind can't be used together";
	if (import->strict && import->keep_going)
		return "--strict and --keep-going can't be used together";
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
	import_files_free(import);
	import_sources_free(import);
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
