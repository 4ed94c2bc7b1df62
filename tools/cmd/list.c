/* SPDX-License-Identifier: ISC */
/* list.c: names and their chains, or chains. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "show/report.h"
#include "store/admin_owner.h"
#include "store/open.h"
#include "tool.h"

struct listing {
	const char *owner;              /* --owner, or NULL */
	struct admin *admin;
	struct report *report;
	const char *pattern;
	const char *key;                /* of the current binding */
	long long rows;
	bool json;
	struct snicert_error err;
};

static bool
matches(const struct listing *listing, const char *text)
{
	return listing->pattern == NULL || fnmatch(listing->pattern, text, FNM_CASEFOLD) == 0;
}

/* Whether the key itself, or any of the space-separated names, matches. */
static bool
any_matches(const struct listing *listing, const char *names)
{
	char *copy = strdup(names), *save = NULL;
	bool found = listing->pattern == NULL;

	for (char *name = copy == NULL ? NULL : strtok_r(copy, " ", &save); name != NULL && !found;
	     name = strtok_r(NULL, " ", &save))
		found = matches(listing, name);
	free(copy);
	return found;
}

/* Repeating the name tells a person nothing, and on a terminal an empty column disappears. */
static const char *
shown_subject(const struct listing *listing, const struct admin_chain *chain, const char *name)
{
	if (chain->subject[0] == '\0' || (!listing->json && strcmp(chain->subject, name) == 0))
		return NULL;
	return chain->subject;
}

static int
binding_chain(void *arg, const struct admin_chain *chain)
{
	struct listing *listing = arg;
	char buffer[NAME_TEXT_SIZE], fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	const char *name = tool_key_text(listing->key, buffer);

	report_text(listing->report, name);
	report_text(listing->report, chain->key_type);
	report_number(listing->report, chain->id);
	report_time(listing->report, chain->not_after);
	report_text(listing->report, shown_subject(listing, chain, name));
	report_text(listing->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)));
	report_text(listing->report, chain->owner);
	report_row_end(listing->report);
	listing->rows++;
	return 0;
}

static int
list_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct listing *listing = arg;
	char buffer[NAME_TEXT_SIZE];

	if (!matches(listing, tool_key_text(key, buffer)))
		return 0;
	listing->key = key;
	(void)key_type;
	return admin_chains(listing->admin, chain, NULL, binding_chain, listing, &listing->err) < 0 ? -1 : 0;
}

static int
list_chain(void *arg, const struct admin_chain *chain)
{
	struct listing *listing = arg;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	if (!any_matches(listing, chain->names) && !matches(listing, chain->subject))
		return 0;
	report_number(listing->report, chain->id);
	report_text(listing->report, chain->state);
	report_text(listing->report, chain->key_type);
	report_number(listing->report, chain->bindings);
	report_time(listing->report, chain->not_after);
	tool_report_names(listing->report, chain->names);
	report_start(listing->report, tool_fingerprint(chain->leaf, true, fingerprint, sizeof(fingerprint)), 16);
	report_text(listing->report, chain->source);
	report_text(listing->report, chain->owner);
	report_row_end(listing->report);
	listing->rows++;
	return 0;
}

/* Which names or chains don't exist. */
static void
say_empty(const struct listing *listing, bool chains, const char *state)
{
	const char *owner = listing->owner, *pattern = listing->pattern;

	report_empty(listing->report, "No %s%s%s%s%s%s%s%s.", state == NULL ? "" : state, state == NULL ? "" : " ",
	    chains ? "chain" : "name", owner == NULL ? "" : " of owner ", owner == NULL ? "" : owner,
	    pattern != NULL ? " matches " : chains ? " is in the store" : " is bound", pattern != NULL ? pattern : "",
	    pattern == NULL && owner == NULL && state == NULL ? ": `snicert import` adds chains" : "");
}

static int
list(struct tool *tool, struct listing *listing, bool chains, const char *state)
{
	static const struct report_column name_columns[] = {
		{ "name", "Name", false }, { "key_type", "Key", false }, { "chain", "Chain", true },
		{ "not_after", "Expires", false }, { "subject", "Subject", false },
		{ "sha256", NULL, false }, { "owner", NULL, false },
	};
	static const struct report_column chain_columns[] = {
		{ "chain", "Chain", true }, { "state", "State", false }, { "key_type", "Key", false },
		{ "bindings", "Bound", true }, { "not_after", "Expires", false }, { "names", "Names", false },
		{ "sha256", "SHA-256", false }, { "source", "Source", false }, { "owner", NULL, false },
	};

	int status;

	if (open_store(tool, ADMIN_READ, &listing->admin, &listing->err) != 0)
		return tool_fail(&listing->err);
	listing->json = tool->json;
	listing->report = report_new(stdout, tool->json, chains ? chain_columns : name_columns,
	    chains ? 9 : 7);
	say_empty(listing, chains, state);
	if (listing->owner != NULL)
		status = chains
		    ? admin_chains_of(listing->admin, listing->owner, state, list_chain, listing, &listing->err)
		    : admin_bindings_of(listing->admin, listing->owner, list_binding, listing, &listing->err);
	else
		status = chains
		    ? admin_chains(listing->admin, 0, state, list_chain, listing, &listing->err)
		    : admin_bindings(listing->admin, NULL, 0, list_binding, listing, &listing->err);
	if (report_finish(listing->report, &listing->err) != 0 || status != 0)
		return tool_fail(&listing->err);
	return listing->rows > 0 ? TOOL_DONE : TOOL_NO;
}

static int
cmd_list(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "chains", no_argument, NULL, 'c' }, { "staged", no_argument, NULL, 's' },
		{ "active", no_argument, NULL, 'a' }, { "retired", no_argument, NULL, 'r' },
		{ "owner", required_argument, NULL, 'o' }, TOOL_OPTIONS,
	};
	struct listing listing = {0};
	const char *state = NULL;
	bool chains = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'o') {
			listing.owner = optarg;
			continue;
		}
		chains = true;
		if (option != 'c')
			state = option == 's' ? "staged" : option == 'a' ? "active" : "retired";
	}
	if (argc - optind > 1)
		return tool_usage(tool, "list takes at most one pattern (quote it)");
	listing.pattern = argv[optind];
	status = list(tool, &listing, chains, state);
	admin_close(listing.admin);
	return status;
}

const struct command command_list = {
	.name = "list",
	.run = cmd_list,
	.arguments = "[--owner LABEL] [--chains] [--staged | --active | --retired] [PATTERN]",
	.summary = "list names and their chains, or all chains",
	.help =
	    "  --chains        list chains instead of names\n"
	    "  --owner LABEL   only those of this owner\n"
	    "  PATTERN         only names that match, such as '*.example'\n",
	.traits = COMMAND_PRINTS,
};
