/* SPDX-License-Identifier: ISC */
/* fallback.c: the fallback, global or of a local address. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "show/report.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"

/* A chain, or all that serve a name. */
static int
bind_given(struct admin *admin, const struct name *key, const char *text, struct snicert_error *err)
{
	struct chain_arg given;

	if (chain_arg_find(admin, text, &given, err) != 0)
		return -1;
	if (given.count == 0)
		return error_set(err, SNICERT_ENOTFOUND, "nothing is bound to %s", given.key.text);
	for (size_t i = 0; i < given.count; i++)
		if (admin_bind(admin, key->text, given.chains[i], err) != 0)
			return -1;
	return 0;
}

/* Replaces the whole fallback: chains of other key types go with it. */
static int
replace(struct admin *admin, const struct name *key, int count, char **given,
    struct snicert_error *err)
{
	if (admin_begin(admin, err) != 0 ||
	    admin_unbind(admin, key->text, NULL, NULL, err) != 0)
		return -1;
	for (int i = 0; i < count; i++)
		if (bind_given(admin, key, given[i], err) != 0)
			return -1;
	return admin_commit(admin, err);
}

static int
report_chain(void *arg, const struct admin_chain *chain)
{
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];
	struct report *report = arg;

	report_number(report, chain->id);
	report_text(report, chain->key_type);
	report_text(report, chain->subject[0] != '\0' ? chain->subject : chain->names);
	report_time(report, chain->not_after);
	report_text(report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_row_end(report);
	return 0;
}

static int
show(struct tool *tool, struct admin *admin, const struct name *key, struct snicert_error *err)
{
	static const struct report_column columns[] = {
		{ "chain", "Chain", true }, { "key_type", "Key", false }, { "subject", "Subject", false },
		{ "not_after", "Expires", false }, { "sha256", NULL, false },
	};
	struct chain_arg target;
	struct report *report;
	char buffer[NAME_TEXT_SIZE];

	if (chain_arg_of_key(admin, key, &target, err) != 0)
		return tool_fail(err);
	report = report_new(stdout, tool->json, columns, 5);
	for (size_t i = 0; i < target.count; i++)
		if (admin_chains(admin, target.chains[i], NULL, report_chain, report, err) != 0)
			break;
	if (report_finish(report, err) != 0)
		return tool_fail(err);
	if (target.count == 0 && !tool->json)
		printf("There is no %s: clients with a missing or unknown name get the server's own certificate.\n",
		    tool_key_text(key->text, buffer));
	return target.count > 0 ? TOOL_DONE : TOOL_NO;
}

static int
cmd_fallback(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "address", required_argument, NULL, 'a' }, TOOL_OPTIONS };
	const char *address = NULL;
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct name key;
	bool none;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != 'a')
			return status;
		address = optarg;
	}
	none = argc - optind == 1 && strcmp(argv[optind], "none") == 0;
	if (tool_fallback_key(address, &key, &err) != 0 ||
	    open_store(tool, optind == argc ? ADMIN_READ : ADMIN_WRITE, &admin, &err) != 0)
		return tool_fail(&err);
	if (optind < argc &&
	    replace(admin, &key, none ? 0 : argc - optind, argv + optind, &err) != 0)
		status = tool_fail(&err);
	else
		status = show(tool, admin, &key, &err);
	/* If none was wanted, having none is success. */
	if (none && status == TOOL_NO)
		status = TOOL_DONE;
	admin_close(admin);
	return status;
}

const struct command command_fallback = {
	.name = "fallback",
	.alias = "default",
	.run = cmd_fallback,
	.arguments = "[--address ADDRESS] [NAME|CHAIN… | none]",
	.summary = "set, show or remove the fallback for missing and unknown names",
	.help =
	    "  --address ADDRESS  the fallback of one local address\n",
};
