/* SPDX-License-Identifier: ISC */
/*
 * export_tree.c: `snicert export --to`: the store as another server's configuration.
 *
 * Everything goes into a new directory beside the target, and takes its name when complete: readers
 * see the old one or all of the new one.  `import --from` reads the result.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "migrate/export.h"
#include "migrate/newdirectory.h"
#include "show/report.h"
#include "show/say.h"
#include "store/admin_owner.h"

#define MARK ".snicert-export"          /* in each directory made by export, and no other */
#define LABEL_MOST 200                  /* octets in a file's name; file systems have 255 */
#define NAMES_PER_LINE 200              /* HAProxy limits lines */

struct exported {
	int64_t id;
	char *label;                    /* of its files */
	bool fallback;
};

struct run {
	struct export *export;
	const struct export_tree *what;
	const struct kind *kind;
	struct newdirectory new;
	struct exported *list;          /* by id */
	size_t count;
	FILE *map, *extra[2];
	struct name group;              /* current name, if sorted by name */
	char *files;                    /* its line so far */
	size_t names, fallbacks, wildcards, defaults;
	char **warnings;
	size_t warning_count;
};

struct kind {
	const char *name;
	const char *map;                /* the file that maps names to files */
	const char *extra[2];           /* others, or NULL */
	bool pair;                      /* key and certificates in two files of a directory */
	int (*line)(struct run *, const char *key, const char *files); /* of a key, or: */
	int (*chain)(struct run *, const struct exported *);           /* of a chain */
	const char *next;               /* what to do next */
};

static volatile sig_atomic_t interrupted;

static void
interrupt(int signal)
{
	interrupted = signal;
}

static int __attribute__((format(printf, 2, 3)))
warn(struct run *run, const char *format, ...)
{
	char **list = reallocarray(run->warnings, run->warning_count + 1, sizeof(*list));
	va_list ap;
	int status;

	if (list == NULL)
		return error_set(&run->export->err, SNICERT_EMEMORY, "no memory");
	run->warnings = list;
	va_start(ap, format);
	status = vasprintf(&list[run->warning_count], format, ap);
	va_end(ap);
	if (status < 0)
		return error_set(&run->export->err, SNICERT_EMEMORY, "no memory");
	run->warning_count++;
	return 0;
}

/* --- the formats ----------------------------------------------------------- */

/* Postfix: names to the map, the fallback to main.cf, those of addresses to master.cf. */
static int
postfix_line(struct run *run, const char *key, const char *files)
{
	if (strcmp(key, "@") == 0)
		fprintf(run->extra[0], "smtpd_tls_chain_files = %s\n", files);
	else if (key[0] == '@')
		fprintf(run->extra[1], "%s%s%s:smtp inet n - y - - smtpd\n  -o { smtpd_tls_chain_files = %s }\n",
		    strchr(key, ':') != NULL ? "[" : "", key + 1, strchr(key, ':') != NULL ? "]" : "", files);
	else
		fprintf(run->map, "%s %s\n", key[0] == '*' ? key + 1 : key, files);
	/* Once. */
	if (key[0] == '*' && run->wildcards++ == 0)
		return warn(run, "%s is written as %s, which matches names of any depth in Postfix", key,
		    key + 1);
	return 0;
}

static int
plain_line(struct run *run, const char *key, const char *files)
{
	fprintf(run->map, "%s%s%s %s\n", key[0] != '@' ? key : "fallback", key[0] == '@' && key[1] != '\0' ? "@" : "",
	    key[0] == '@' ? key + 1 : "", files);
	return 0;
}

struct filters {
	struct run *run;
	const struct exported *chain;
	size_t count;
	int status;
};

static int
add_filter(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct filters *filters = arg;
	struct run *run = filters->run;

	(void)key_type;
	(void)chain;
	if (key[0] == '@' && key[1] != '\0') {
		filters->status = warn(run, "the fallback of %s is left out, because a crt-list can't have one: its chain is pem/%s.pem",
		    key + 1, filters->chain->label);
		return filters->status;
	}
	if (filters->count++ % NAMES_PER_LINE == 0)
		fprintf(run->map, "%s%s/pem/%s.pem", filters->count > 1 ? "\n" : "", run->new.final, filters->chain->label);
	fprintf(run->map, " %s", key[0] == '@' ? "*" : key);
	return 0;
}

/* HAProxy: by chain; the first in the list is its default. */
static int
haproxy_chain(struct run *run, const struct exported *chain)
{
	struct filters filters = { .run = run, .chain = chain };

	if (admin_bindings(run->export->admin, NULL, chain->id, add_filter, &filters, &run->export->err) != 0 ||
	    filters.status != 0)
		return -1;
	if (filters.count > 0)
		fputc('\n', run->map);
	return 0;
}

static const struct kind kinds[] = {
	{ "postfix", "sni", { "main.cf", "master.cf" }, false, postfix_line, NULL, "postmap -F hash:%s/sni" },
	{ "haproxy", "crt-list", { NULL, NULL }, false, NULL, haproxy_chain, "bind :25 ssl crt-list %s/crt-list" },
	{ "pem", "map", { NULL, NULL }, true, plain_line, NULL, "snicert import --from map %s/map" },
};

static const struct kind *
kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

bool
export_tree_known(const char *kind)
{
	return kind_of(kind) != NULL;
}

/* --- chains ---------------------------------------------------------------- */

static int
write_file(struct run *run, const char *path, BIO *from)
{
	struct snicert_error *err = &run->export->err;
	char *text = NULL;
	long length = BIO_get_mem_data(from, &text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), status;

	if (fd < 0)
		return error_system(err, "can't create %s", path);
	status = export_send(fd, text, (size_t)length);
	if (status != 0)
		error_system(err, "can't write %s", path);
	if (close(fd) != 0 && status == 0)
		status = error_system(err, "can't write %s", path);
	return status;
}

static int
write_pair(struct run *run, const char *label, BIO *key, BIO *certs)
{
	struct snicert_error *err = &run->export->err;
	char directory[4096], path[4200];

	snprintf(directory, sizeof(directory), "%s/%s", run->new.path, label);
	if (mkdir(directory, 0700) != 0)
		return error_system(err, "can't create %s", directory);
	snprintf(path, sizeof(path), "%s/privkey.pem", directory);
	if (run->export->seal != NULL && write_file(run, path, key) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/fullchain.pem", directory);
	return write_file(run, path, certs);
}

static int
write_chain(struct run *run, const struct exported *chain)
{
	BIO *key = BIO_new(BIO_s_mem()), *certs = run->kind->pair ? BIO_new(BIO_s_mem()) : NULL;
	char path[4200];
	int status = -1;

	if (key == NULL || (run->kind->pair && certs == NULL))
		error_set(&run->export->err, SNICERT_EMEMORY, "no memory");
	else
		status = export_pem(run->export, chain->id, key, certs != NULL ? certs : key);
	if (status == 0 && run->kind->pair) {
		status = write_pair(run, chain->label, key, certs);
	} else if (status == 0) {
		snprintf(path, sizeof(path), "%s/pem/%s.pem", run->new.path, chain->label);
		status = write_file(run, path, key);
	}
	BIO_free(key);
	BIO_free(certs);
	return status;
}

struct first {
	char key[NAME_MAX_LENGTH + 2];
	bool fallback;
};

static int
take_first(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct first *first = arg;

	(void)key_type;
	(void)chain;
	first->fallback = first->fallback || strcmp(key, "@") == 0;
	if (first->key[0] == '\0' || (first->key[0] == '@' && key[0] != '@'))
		snprintf(first->key, sizeof(first->key), "%s", key);
	return 0;
}

/* The first name that it serves, and the key type, which make it unique; `*` is bad in file names. */
static char *
label_of(const struct admin_chain *chain, const struct first *first)
{
	const char *key = first->key;
	char type[16] = "", *label = NULL;

	for (size_t i = 0; i < sizeof(type) - 1 && chain->key_type[i] != '\0'; i++)
		type[i] = (char)(chain->key_type[i] | ('A' <= chain->key_type[i] && chain->key_type[i] <= 'Z' ? 32 : 0));
	if (strlen(key) > LABEL_MOST || key[0] == '\0')
		return asprintf(&label, "%" PRId64 "-%s", chain->id, type) < 0 ? NULL : label;
	if (asprintf(&label, "%s%s%s-%s", key[0] == '*' ? "+" : key[0] == '@' ? "fallback" : "",
	    key[0] == '@' && key[1] != '\0' ? "@" : "", key[0] == '*' || key[0] == '@' ? key + 1 : key, type) < 0)
		return NULL;
	return label;
}

static int
take_chain(void *arg, const struct admin_chain *chain)
{
	struct run *run = arg;
	struct export *export = run->export;
	struct first first = {0};
	struct exported *list;

	if (interrupted != 0)
		return error_set(&export->err, SNICERT_EINPUT, "interrupted: nothing was exported");
	if (export->seal != NULL && chain->key_uri != NULL)
		return warn(run, "chain %" PRId64 " is left out, with what it is bound to: its private key is not in the "
		    "store but at %s", chain->id, chain->key_uri);
	if (admin_bindings(export->admin, NULL, chain->id, take_first, &first, &export->err) != 0)
		return -1;
	if ((run->count & (run->count - 1)) == 0) {
		list = reallocarray(run->list, run->count == 0 ? 1 : 2 * run->count, sizeof(*list));
		if (list == NULL)
			return error_set(&export->err, SNICERT_EMEMORY, "no memory");
		run->list = list;
	}
	list = &run->list[run->count];
	*list = (struct exported){ chain->id, label_of(chain, &first), first.fallback };
	if (list->label == NULL)
		return error_set(&export->err, SNICERT_EMEMORY, "no memory");
	run->count++;
	run->defaults += first.fallback;
	if (run->count % 500 == 0 && !export->tool->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu exported …\r", run->count);
	return write_chain(run, list);
}

static int
by_id(const void *a, const void *b)
{
	const struct exported *one = a, *two = b;

	return (one->id > two->id) - (one->id < two->id);
}

/* --- names ----------------------------------------------------------------- */

static int
end_group(struct run *run)
{
	int status = 0;

	if (run->files != NULL) {
		run->names += run->group.text[0] != '@';
		run->fallbacks += run->group.text[0] == '@';
		if (run->kind->line != NULL)
			status = run->kind->line(run, run->group.text, run->files);
	}
	free(run->files);
	run->files = NULL;
	return status;
}

static int
files_of(struct run *run, const struct exported *chain, char **out)
{
	const char *before = run->files != NULL ? run->files : "", *comma = run->files != NULL ? "," : "";
	int length;

	if (!run->kind->pair)
		length = asprintf(out, "%s%s%s/pem/%s.pem", before, comma, run->new.final, chain->label);
	else if (run->export->seal != NULL)
		length = asprintf(out, "%s%s%s/privkey.pem,%s/fullchain.pem", before, comma, chain->label, chain->label);
	else
		length = asprintf(out, "%s%s%s/fullchain.pem", before, comma, chain->label);
	return length < 0 ? error_set(&run->export->err, SNICERT_EMEMORY, "no memory") : 0;
}

/* Sorted by name. */
static int
take_binding(void *arg, const char *key, const char *key_type, int64_t id)
{
	struct run *run = arg;
	struct exported wanted = { .id = id }, *chain;
	char *files;

	(void)key_type;
	chain = run->count == 0 ? NULL : bsearch(&wanted, run->list, run->count, sizeof(*run->list), by_id);
	if (chain == NULL)
		return 0;
	if (strcmp(run->group.text, key) != 0) {
		if (end_group(run) != 0)
			return -1;
		snprintf(run->group.text, sizeof(run->group.text), "%s", key);
	}
	if (files_of(run, chain, &files) != 0)
		return -1;
	free(run->files);
	run->files = files;
	return 0;
}

static int
write_names(struct run *run)
{
	struct export *export = run->export;
	int status = run->what->owner == NULL
	    ? admin_bindings(export->admin, NULL, 0, take_binding, run, &export->err)
	    : admin_bindings_of(export->admin, run->what->owner, take_binding, run, &export->err);

	if (status != 0 || export->err.code != SNICERT_OK || end_group(run) != 0)
		return -1;
	if (run->kind->chain != NULL && run->count > 0 && run->defaults == 0 &&
	    warn(run, "the store has no fallback, but HAProxy presents the first chain of the list to unknown names: "
	        "bind with strict-sni") != 0)
		return -1;
	/* The fallback's chains first. */
	for (int fallback = 1; run->kind->chain != NULL && fallback >= 0; fallback--)
		for (size_t i = 0; i < run->count; i++)
			if (run->list[i].fallback == (fallback == 1) && run->kind->chain(run, &run->list[i]) != 0)
				return -1;
	return 0;
}

/* --- files ----------------------------------------------------------------- */

static FILE *
create(struct run *run, const char *name)
{
	char path[4200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", run->new.path, name);
	file = fopen(path, "wxe");
	if (file == NULL)
		error_system(&run->export->err, "can't create %s", path);
	return file;
}

static int
finish(struct run *run, FILE **file)
{
	bool bad = *file != NULL && ferror(*file) != 0;

	bad = (*file != NULL && fclose(*file) != 0) || bad;
	*file = NULL;
	return bad ? error_system(&run->export->err, "can't write %s", run->new.path) : 0;
}

static int
open_files(struct run *run)
{
	const struct kind *kind = run->kind;
	char pem[4200];

	if ((run->map = create(run, kind->map)) == NULL)
		return -1;
	for (int i = 0; i < 2; i++)
		if (kind->extra[i] != NULL && (run->extra[i] = create(run, kind->extra[i])) == NULL)
			return -1;
	fprintf(run->map, "# made by snicert export --to %s%s\n", kind->name,
	    run->export->seal != NULL ? "" : ", without private keys (--key)");
	if (run->extra[0] != NULL)
		fprintf(run->extra[0], "# made by snicert export --to %s: for main.cf\ntls_server_sni_maps = hash:%s/%s\n",
		    kind->name, run->new.final, kind->map);
	if (run->extra[1] != NULL)
		fprintf(run->extra[1], "# made by snicert export --to %s: for master.cf, fallbacks of addresses\n", kind->name);
	snprintf(pem, sizeof(pem), "%s/pem", run->new.path);
	return kind->pair || mkdir(pem, 0700) == 0 ? 0 : error_system(&run->export->err, "can't create %s", pem);
}

static int
fill(struct run *run)
{
	struct export *export = run->export;
	int status = open_files(run);

	/* A snapshot of names and chains. */
	if (status == 0)
		status = admin_snapshot(export->admin, &export->err);
	if (status == 0)
		status = run->what->owner == NULL
		    ? admin_chains(export->admin, 0, "active", take_chain, run, &export->err)
		    : admin_chains_of(export->admin, run->what->owner, "active", take_chain, run, &export->err);
	/* A callback's error ends the query, but isn't the query's. */
	if (status == 0 && export->err.code != SNICERT_OK)
		status = -1;
	if (status == 0)
		status = write_names(run);
	admin_rollback(export->admin);
	for (int i = 0; i < 2; i++)
		if (finish(run, &run->extra[i]) != 0)
			status = -1;
	if (finish(run, &run->map) != 0 || (status == 0 && interrupted != 0))
		status = error_set(&export->err, SNICERT_EINPUT, "interrupted: nothing was exported");
	return status;
}

static int
report_run(struct run *run)
{
	static const struct report_column columns[] = {
		{ "to", "Made for", false }, { "directory", "Directory", false }, { "chains", "Chains", true },
		{ "names", "Names", true }, { "fallbacks", "Fallbacks", true }, { "keys", "Private keys", false },
		{ "warnings", NULL, false }, { "next", "To use it", false },
	};
	struct report *report = report_new(stdout, run->export->tool->json, columns, 8);
	char *next;

	report_single(report);
	report_text(report, run->kind->name);
	report_text(report, run->new.final);
	report_number(report, (long long)run->count);
	report_number(report, (long long)run->names);
	report_number(report, (long long)run->fallbacks);
	report_flag(report, run->export->seal != NULL);
	report_list(report, (const char *const *)run->warnings, run->warning_count);
	next = NULL;
	for (const char *at = strstr(run->kind->next, "%s"); at != NULL && next == NULL; at = NULL)
		if (asprintf(&next, "%.*s%s%s", (int)(at - run->kind->next), run->kind->next, run->new.final, at + 2) < 0)
			next = NULL;
	report_text(report, next);
	report_row_end(report);
	free(next);
	if (report_finish(report, &run->export->err) != 0)
		return tool_fail(&run->export->err);
	for (size_t i = 0; !run->export->tool->json && i < run->warning_count; i++)
		say_on(stdout, "warning: %s\n", run->warnings[i]);
	return TOOL_DONE;
}

/* Lists of paths can't quote. */
static int
readable_paths(struct run *run)
{
	if (run->kind->pair || strpbrk(run->new.final, ", \t\n") == NULL)
		return 0;
	return error_set(&run->export->err, SNICERT_EINPUT, "%s: %s can't read paths with white space or commas",
	    run->new.final, run->kind->name);
}

static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = interrupt };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static void
run_clear(struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		free(run->list[i].label);
	for (size_t i = 0; i < run->warning_count; i++)
		free(run->warnings[i]);
	free(run->list);
	free(run->warnings);
	free(run->files);
	newdirectory_clear(&run->new);
}

int
export_tree(struct export *export, const struct export_tree *what)
{
	struct run run = { .export = export, .what = what, .kind = kind_of(what->kind),
		.new = { .mark = MARK, .force = what->force } };
	mode_t former = umask(077);
	int status = -1;

	catch_signals();
	if (newdirectory_locate(&run.new, what->directory, &export->err) == 0 && readable_paths(&run) == 0 &&
	    newdirectory_begin(&run.new, &export->err) == 0 && fill(&run) == 0)
		status = newdirectory_done(&run.new, &export->err);
	umask(former);
	status = status == 0 ? report_run(&run) : tool_fail(&export->err);
	run_clear(&run);
	return status;
}
