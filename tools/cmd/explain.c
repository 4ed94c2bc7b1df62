/* SPDX-License-Identifier: ISC */
/* explain.c: what a client is served, and why (simulator.h), candidate by candidate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "error.h"
#include "look/simulator.h"
#include "show/report.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"

static const struct report_column columns[] = {
	{ "candidate", "Candidate", false }, { "key", "Looked up", false },
	{ "verdict", "Verdict", false }, { "key_types", "Key types", false },
	{ "not_after", "Expires", false }, { "sha256", "SHA-256", false },
};

struct explanation {
	struct tool *tool;
	struct report *report;
	const char *server_name;
	const struct simulator_profile *profile;
	int steps;
};

static void
report_chains(struct explanation *to, const struct answer *answer)
{
	const char *types[STORE_CHAINS_MOST] = {0};
	char leaves[STORE_CHAINS_MOST][2 * STORE_DIGEST_LENGTH + 1];
	const char *leaf_list[STORE_CHAINS_MOST] = {0};
	size_t count = answer == NULL ? 0 : answer_count(answer);
	int64_t first = 0;

	for (size_t i = 0; i < count; i++) {
		const struct chain *chain = answer_chains(answer)[i];
		unsigned char digest[STORE_DIGEST_LENGTH] = {0};

		types[i] = chain_key_type(chain);
		X509_digest(chain_leaf(chain), EVP_sha256(), digest, NULL);
		leaf_list[i] = tool_fingerprint(digest, to->tool->json, leaves[i], sizeof(leaves[i]));
		if (first == 0 || chain_not_after(chain) < first)
			first = chain_not_after(chain);
	}
	report_list(to->report, types, count);
	if (count > 0)
		report_time(to->report, first);
	else
		report_text(to->report, NULL);
	report_list(to->report, leaf_list, count);
}

static void
take_step(void *arg, enum hook_candidate what, const struct name *key, enum hook_verdict verdict,
    const struct answer *answer)
{
	static const char *const whats[] = { "exact name", "wildcard", "fallback of the address",
		"fallback of the program", "global fallback" };
	static const char *const verdicts[] = { "served", "not in the store", "in trouble, see below",
		"client can't use it", "expired", "refused by the library" };
	struct explanation *to = arg;
	char buffer[NAME_TEXT_SIZE];

	to->steps++;
	report_text(to->report, whats[what]);
	report_text(to->report, name_describe(key, buffer));
	report_text(to->report, verdicts[verdict]);
	report_chains(to, answer);
	report_row_end(to->report);
}

/* Non-candidates. */
static void
report_end(struct explanation *to, enum simulator_result result)
{
	report_text(to->report, result == SIMULATOR_OWN ? "own certificate" : "none");
	report_text(to->report, result == SIMULATOR_OWN ? NULL : to->server_name);
	report_text(to->report, result == SIMULATOR_OWN ? "served" : "refused: unrecognized_name");
	report_chains(to, NULL);
	report_row_end(to->report);
}

static int
run(struct explanation *to, const char *address, const char *program)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct simulator *served = NULL;
	enum simulator_result result = SIMULATOR_OWN;
	struct simulator_options options = { .config_path = to->tool->config_path, .program = program };
	struct name key;
	int status;

	/* The address as the module writes it; drop "@". */
	if (address != NULL && tool_fallback_key(address, &key, &err) != 0)
		return tool_fail(&err);
	/* For a clear error: the module itself would go on without a store. */
	if (open_store(to->tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	admin_close(admin);
	to->report = report_new(stdout, to->tool->json, columns, 6);
	options.address = address == NULL ? NULL : key.text + 1;
	status = simulator_open(&served, &options, &err);
	if (status == 0)
		status = simulator_ask(served, to->server_name, to->profile, take_step, to, &result, NULL, &err);
	if (status == 0 && (result == SIMULATOR_REFUSED || (result == SIMULATOR_OWN && to->steps > 0)))
		report_end(to, result);
	simulator_close(served);
	if (report_finish(to->report, &err) != 0 || status != 0)
		return tool_fail(&err);
	return result == SIMULATOR_STORE ? TOOL_DONE : TOOL_NO;
}

struct bound {
	const char *types[STORE_CHAINS_MOST];
	char words[STORE_CHAINS_MOST][16], leaves[STORE_CHAINS_MOST][2 * STORE_DIGEST_LENGTH + 1];
	const char *leaf_list[STORE_CHAINS_MOST];
	size_t count;
	int64_t first;
	bool full;
};

static int
take_bound(void *arg, const struct admin_chain *chain)
{
	struct bound *bound = arg;
	size_t i = bound->count++;

	snprintf(bound->words[i], sizeof(bound->words[i]), "%s", chain->key_type);
	bound->types[i] = bound->words[i];
	bound->leaf_list[i] = tool_fingerprint(chain->leaf, bound->full, bound->leaves[i], sizeof(bound->leaves[i]));
	if (bound->first == 0 || chain->not_after < bound->first)
		bound->first = chain->not_after;
	return 0;
}

static void
report_bound(struct explanation *to, const struct name *name, const struct bound *bound)
{
	report_text(to->report, "wildcard");
	report_text(to->report, name->text);
	report_text(to->report, bound->count > 0 ? "bound" : "not in the store");
	report_list(to->report, (const char *const *)bound->types, bound->count);
	if (bound->count > 0)
		report_time(to->report, bound->first);
	else
		report_text(to->report, NULL);
	report_list(to->report, (const char *const *)bound->leaf_list, bound->count);
	report_row_end(to->report);
}

/* Clients can't ask for a wildcard: show what is bound to it, for the names it covers. */
static int
run_wildcard(struct explanation *to)
{
	struct bound bound = { .full = to->tool->json };
	struct snicert_error err = {0};
	struct chain_arg target;
	struct admin *admin = NULL;
	struct name name;
	int status = -1;

	if (tool_name(to->server_name, &name, &err) != 0 || open_store(to->tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	to->report = report_new(stdout, to->tool->json, columns, 6);
	if (chain_arg_of_key(admin, &name, &target, &err) == 0)
		status = 0;
	for (size_t i = 0; status == 0 && i < target.count; i++)
		status = admin_chains(admin, target.chains[i], NULL, take_bound, &bound, &err) < 0 ? -1 : 0;
	if (status == 0)
		report_bound(to, &name, &bound);
	admin_close(admin);
	if (report_finish(to->report, &err) != 0 || status != 0)
		return tool_fail(&err);
	return bound.count > 0 ? TOOL_DONE : TOOL_NO;
}

static bool
has_high_octet(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text != '\0';
}

static int
cmd_explain(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' }, { "client", required_argument, NULL, 'c' },
		{ "program", required_argument, NULL, 'p' }, TOOL_OPTIONS,
	};
	struct explanation to = { .tool = tool, .profile = simulator_profile("any") };
	const char *address = NULL, *program = NULL;
	struct name ascii;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		switch (option) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			program = optarg;
			break;
		case 'c':
			to.profile = simulator_profile(optarg);
			if (to.profile == NULL)
				return tool_unknown("client profile", optarg, simulator_meant(optarg), "see `snicert explain --help`");
			break;
		default:
			return status;
		}
	}
	if (argc - optind > 1)
		return tool_usage(tool, "explain takes one name");
	to.server_name = argv[optind];
	if (to.server_name != NULL && strncmp(to.server_name, "*.", 2) == 0)
		return run_wildcard(&to);
	/* For a U-label, what clients send; anything else is sent as given. */
	if (to.server_name != NULL && has_high_octet(to.server_name)) {
		struct snicert_error err = {0};

		if (tool_name(to.server_name, &ascii, &err) != 0)
			return tool_fail(&err);
		to.server_name = ascii.text;
	}
	return run(&to, address, program);
}

const struct command command_explain = {
	.name = "explain",
	.run = cmd_explain,
	.arguments = "[--address ADDRESS] [--client PROFILE] [--program NAME] [NAME]",
	.summary = "explain what a client is served, and why",
	.help =
	    "  --address ADDRESS  the local address the client connects to\n"
	    "  --client PROFILE   any, rsa, rsa-pss, ecdsa, ecdsa-p256, ecdsa-p384,\n"
	    "                  ecdsa-p521, ed25519, tls12, tls12-rsa, tls12-ecdsa\n"
	    "  --program NAME     with the configuration of this program\n",
	.traits = COMMAND_PRINTS,
};
