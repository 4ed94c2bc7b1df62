/* SPDX-License-Identifier: ISC */
/*
 * key.c: keys made before their certificates: `snicert tlsa` has the records before a CA sees the
 * request, and `snicert import` finds the key when the certificate comes.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "nearest.h"
#include "intake/pending_key.h"
#include "show/report.h"
#include "store/open.h"
#include "tool.h"

struct key_run {
	struct tool *tool;
	struct admin *admin;
	struct seal *seal;
	struct report *report;
	const char *type, *uri, *out;   /* --type, --key-uri, --out */
	EVP_PKEY *key;
	int64_t id;
	char *request;
	size_t rows;
	struct snicert_error err;
};

static const struct option options[] = {
	{ "type", required_argument, NULL, 't' }, { "key-uri", required_argument, NULL, 'u' },
	{ "out", required_argument, NULL, 'o' }, TOOL_OPTIONS,
};

static const struct report_column columns[] = {
	{ "key", "Key", true }, { "key_type", "Type", false }, { "names", "Names", false },
	{ "created", "Made", false }, { "spki_sha256", "Public key SHA-256", false },
	{ "private_key", NULL, false }, { "csr", NULL, false },
};

static int
report_key(void *arg, const struct admin_pending_key *key)
{
	struct key_run *run = arg;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_number(run->report, key->id);
	report_text(run->report, key->key_type);
	tool_report_names(run->report, key->names);
	report_time(run->report, key->created);
	report_text(run->report, tool_fingerprint(key->spki, run->tool->json || run->request != NULL, fingerprint,
	    sizeof(fingerprint)));
	report_text(run->report, key->key_uri != NULL ? key->key_uri : "sealed");
	report_text(run->report, run->request);
	report_row_end(run->report);
	run->rows++;
	return 0;
}

/* To a new file, whatever it is; its record then goes to standard output. */
static int
write_request(struct key_run *run)
{
	size_t length = strlen(run->request);
	int fd = open(run->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return error_system(&run->err, "can't make %s", run->out);
	if (write(fd, run->request, length) == (ssize_t)length && close(fd) == 0)
		return 0;
	unlink(run->out);
	return error_system(&run->err, "can't write %s", run->out);
}

/* Only the request, for a CA's client; or the record, with the request in a file or in JSON. */
static int
answer(struct key_run *run)
{
	if (run->out == NULL && !run->tool->json) {
		fputs(run->request, stdout);
		return fflush(stdout) == 0 ? 0 : error_system(&run->err, "standard output");
	}
	run->report = report_new(stdout, run->tool->json, columns, sizeof(columns) / sizeof(columns[0]));
	report_single(run->report);
	if (admin_pending_keys(run->admin, run->id, report_key, run, &run->err) != 0)
		return -1;
	return report_finish(run->report, &run->err);
}

static char *
join(const struct name *names, size_t count)
{
	char *text = calloc(count + 1, NAME_MAX_LENGTH + 2);

	for (size_t i = 0, used = 0; text != NULL && i < count; i++)
		used += (size_t)sprintf(text + used, "%s%s", i == 0 ? "" : " ", names[i].text);
	return text;
}

static int
take_names(struct key_run *run, char **texts, size_t count, struct name *out)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += strlen(texts[i]) + 8;
	/* What fits in a request that any CA accepts. */
	if (count > 100 || used > 20000)
		return error_set(&run->err, SNICERT_EUSAGE, "a certificate has at most 100 names");
	for (size_t i = 0; i < count; i++)
		if (tool_name(texts[i], &out[i], &run->err) != 0)
			return -1;
	return 0;
}

/* In one transaction with the request's file: no key stays without a request. */
static int
make(struct key_run *run, const struct name *names, size_t count)
{
	char *joined = join(names, count);
	int status = -1;

	if (joined == NULL)
		return error_set(&run->err, SNICERT_EMEMORY, "no memory");
	if ((run->uri != NULL ? pending_key_at_uri(run->uri, &run->key, &run->err)
	        : pending_key_make(run->type, &run->key, &run->err)) == 0 &&
	    (run->request = pending_key_request(run->key, joined, &run->err)) != NULL &&
	    open_begin(run->tool, run->admin, &run->seal, &run->err) == 0 &&
	    pending_key_add(run->admin, run->seal, run->key, run->uri, joined, &run->id, &run->err) == 0 &&
	    admin_log(run->admin, "key new", names[0].text, 0, joined, &run->err) == 0 &&
	    (run->out == NULL || write_request(run) == 0)) {
		status = admin_commit(run->admin, &run->err);
		if (status != 0 && run->out != NULL)
			unlink(run->out);
	}
	free(joined);
	return status;
}

static int
key_new(struct key_run *run, int count, char **texts)
{
	struct name *names;
	int status = -1;

	if (count == 0)
		return tool_usage(run->tool, "key new for which names?");
	if (run->uri != NULL && run->type != NULL)
		return tool_usage(run->tool, "--type and --key-uri can't be used together: that key exists already");
	if (run->type == NULL)
		run->type = "ec";
	names = calloc((size_t)count, sizeof(*names));
	if (names == NULL)
		error_set(&run->err, SNICERT_EMEMORY, "no memory");
	else if (take_names(run, texts, (size_t)count, names) == 0 &&
	    open_store(run->tool, ADMIN_WRITE, &run->admin, &run->err) == 0 &&
	    make(run, names, (size_t)count) == 0)
		status = answer(run);
	free(names);
	return status == 0 ? TOOL_DONE : tool_fail(&run->err);
}

static int
key_list(struct key_run *run, int count, char **texts)
{
	(void)texts;
	if (count != 0)
		return tool_usage(run->tool, "key list takes no arguments");
	if (open_store(run->tool, ADMIN_READ, &run->admin, &run->err) != 0)
		return tool_fail(&run->err);
	run->report = report_new(stdout, run->tool->json, columns, sizeof(columns) / sizeof(columns[0]));
	report_empty(run->report, "No key is waiting for a certificate: `snicert key new NAME` makes one.");
	if (admin_pending_keys(run->admin, 0, report_key, run, &run->err) != 0 ||
	    report_finish(run->report, &run->err) != 0)
		return tool_fail(&run->err);
	return run->rows > 0 ? TOOL_DONE : TOOL_NO;
}

static int
take_id(struct key_run *run, const char *text)
{
	char *end;

	run->id = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || run->id == 0)
		return error_set(&run->err, SNICERT_EUSAGE, "%s is not the number of a key: see `snicert key list`", text);
	return 0;
}

static int
no_such_key(struct key_run *run)
{
	return error_set(&run->err, SNICERT_ENOTFOUND, "no key %" PRId64 " is waiting for a certificate: see `snicert key list`",
	    run->id);
}

static int
request_again(void *arg, const struct admin_pending_key *key)
{
	struct key_run *run = arg;

	run->rows++;
	if (pending_key_open(key, run->seal, &run->key, &run->err) == 0)
		run->request = pending_key_request(run->key, key->names, &run->err);
	return run->request != NULL ? 0 : 1;
}

static int
key_csr(struct key_run *run, int count, char **texts)
{
	if (count != 1)
		return tool_usage(run->tool, "key csr wants the number of one key");
	if (take_id(run, texts[0]) != 0 || open_store(run->tool, ADMIN_READ, &run->admin, &run->err) != 0 ||
	    open_key(run->tool, &run->seal, &run->err) != 0 ||
	    admin_pending_keys(run->admin, run->id, request_again, run, &run->err) != 0 ||
	    (run->rows == 0 && no_such_key(run) != 0) || (run->out != NULL && write_request(run) != 0) ||
	    answer(run) != 0)
		return tool_fail(&run->err);
	return TOOL_DONE;
}

static int
remove_one(struct key_run *run, const char *text)
{
	bool found = false;

	if (take_id(run, text) != 0 || admin_remove_pending_key(run->admin, run->id, &found, &run->err) != 0)
		return -1;
	return found ? admin_log(run->admin, "key remove", NULL, 0, text, &run->err) : no_such_key(run);
}

static int
key_remove(struct key_run *run, int count, char **texts)
{
	int status;

	if (count == 0)
		return tool_usage(run->tool, "key remove which? see `snicert key list`");
	status = open_store(run->tool, ADMIN_WRITE, &run->admin, &run->err) == 0
	    ? admin_begin(run->admin, &run->err) : -1;
	for (int i = 0; i < count && status == 0; i++)
		status = remove_one(run, texts[i]);
	if (status == 0)
		status = admin_commit(run->admin, &run->err);
	if (status != 0)
		return tool_fail(&run->err);
	if (!run->tool->json)
		printf("Removed %d key%s.\n", count, count == 1 ? "" : "s");
	return TOOL_DONE;
}

static const struct action {
	const char *name;
	int (*run)(struct key_run *, int count, char **texts);
	const char *allowed;            /* options */
} actions[] = {
	{ "new", key_new, "tuo" }, { "list", key_list, "" }, { "csr", key_csr, "o" }, { "remove", key_remove, "" },
};

static int
dispatch(struct key_run *run, const char *given, int count, char **texts)
{
	const char *meant = NULL;

	for (size_t i = 0; count > 0 && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, texts[0]) != 0)
			continue;
		if (given[strspn(given, actions[i].allowed)] != '\0')
			return tool_usage(run->tool, "key %s has no such option", texts[0]);
		return actions[i].run(run, count - 1, texts + 1);
	}
	if (count == 0)
		return tool_usage(run->tool, "key new, list, csr or remove?");
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		nearest_offer(texts[0], actions[i].name, &meant);
	return tool_unknown("action", texts[0], meant, "key new, list, csr or remove?");
}

static int
cmd_key(struct tool *tool, int argc, char **argv)
{
	struct key_run run = { .tool = tool };
	char given[8] = "";
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (strchr(given, option) == NULL)
			given[strlen(given)] = (char)option;
		if (option == 't')
			run.type = optarg;
		else if (option == 'u')
			run.uri = optarg;
		else
			run.out = optarg;
	}
	status = dispatch(&run, given, argc - optind, argv + optind);
	EVP_PKEY_free(run.key);
	free(run.request);
	seal_free(run.seal);
	admin_close(run.admin);
	return status;
}

static const struct command_action uses[] = {
	{ .name = "new",
	    .arguments = "[OPTION…] NAME…",
	    .summary = "make a key and print the request for a CA",
	    .help =
	        "  --type TYPE     ec (P-256, the default), ec:P-384, ec:P-521, rsa (2048),\n"
	        "                  rsa:BITS, ed25519\n"
	        "  --key-uri URI   the private key is there (file:, pkcs11: …) and stays there\n"
	        "  --out FILE      the request to this new file, and the key's record to\n"
	        "                  standard output\n" },
	{ .name = "list", .arguments = "", .summary = "list keys that have no certificate yet" },
	{ .name = "csr",
	    .arguments = "[--out FILE] KEY",
	    .summary = "print the request again",
	    .help = "  --out FILE      to this new file\n" },
	{ .name = "remove", .arguments = "KEY…", .summary = "remove keys that have no certificate yet" },
	{ .name = NULL },
};

const struct command command_key = {
	.name = "key",
	.run = cmd_key,
	.arguments = "new | list | csr | remove …",
	.summary = "make keys ahead: get a request for a CA now, import its certificate later",
	.actions = uses,
};
