/* SPDX-License-Identifier: ISC */
/*
 * mta_sts.c: whether a domain's MTA-STS policy (RFC 8461) fits the store: checks each name that an
 * mx pattern matches, like senders.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "nearest.h"
#include "show/report.h"
#include "store/open.h"
#include "sts/mx_check.h"
#include "sts/policy.h"
#include "sts/sts.h"
#include "tool.h"

/* The server names that senders use: one bit each. */
enum { SNI_MX = 1, SNI_DOMAIN = 2, SNI_NONE = 4, SNI_ALL = 7 };

struct review {
	struct tool *tool;
	struct admin *admin;
	struct mx_check *check;
	struct report *report;
	struct name domain;
	struct policy policy;
	unsigned sni;
	size_t hosts, checks, failed, near;
	struct snicert_error *err;
};

static const struct report_column columns[] = {
	{ "host", "Host", false }, { "asked", "Asked for", false }, { "served_by", "Served by", false },
	{ "key_type", "Key", false }, { "result", "Result", false }, { "reason", "Reason", false },
	{ "sni", NULL, false }, { "not_after", NULL, false }, { "pattern", NULL, false },
	{ "sha256", NULL, false }, { "expires_soon", NULL, false },
};

static void
report_verdict(struct review *r, const char *host, const char *sni, const char *pattern,
    const struct mx_verdict *verdict)
{
	struct report *report = r->report;
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];

	report_text(report, host);
	report_text(report, verdict->served_by == NULL ? NULL : sni == NULL ? "none" : strcmp(sni, host) == 0 ? "mx" : "domain");
	report_text(report, verdict->served_by);
	report_text(report, verdict->key_type[0] != '\0' ? verdict->key_type : NULL);
	report_text(report, verdict->good ? "pass" : "fail");
	report_text(report, verdict->good ? NULL : verdict->reason);
	report_text(report, sni);
	if (verdict->not_after != 0)
		report_time(report, verdict->not_after);
	else
		report_text(report, NULL);
	report_text(report, pattern);
	report_text(report, verdict->not_after == 0 ? NULL
	    : tool_fingerprint(verdict->leaf, true, fingerprint, sizeof(fingerprint)));
	report_flag(report, verdict->near);
	report_row_end(report);
	r->near += verdict->near;
	r->checks++;
	r->failed += !verdict->good;
}

static int
ask(struct review *r, const char *host, const char *sni, const char *pattern)
{
	struct mx_verdict verdicts[MX_VERDICTS_MOST];
	size_t count;

	if (mx_check_host(r->check, host, sni, verdicts, &count, r->err) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		report_verdict(r, host, sni, pattern, &verdicts[i]);
	return 0;
}

/* One host, asked in each way. */
static int
review_host(void *arg, const char *host, const char *pattern)
{
	struct review *r = arg;
	bool is_domain = strcmp(host, r->domain.text) == 0;

	r->hosts++;
	if (((r->sni & SNI_MX) != 0 && ask(r, host, host, pattern) != 0) ||
	    ((r->sni & SNI_DOMAIN) != 0 && !(is_domain && (r->sni & SNI_MX) != 0) &&
	        ask(r, host, r->domain.text, pattern) != 0) ||
	    ((r->sni & SNI_NONE) != 0 && ask(r, host, NULL, pattern) != 0))
		return -1;
	return 0;
}

/* The policy's own host, if the store serves it: HTTPS clients send its name. */
static int
review_policy_host(struct review *r)
{
	char host[NAME_MAX_LENGTH + 16];
	struct name name;
	bool bound = false;

	snprintf(host, sizeof(host), "mta-sts.%s", r->domain.text);
	if (!name_normalise(&name, host, strlen(host)) || sts_is_served(r->admin, &name, &bound, r->err) != 0)
		return r->err->code == SNICERT_OK ? 0 : -1;
	return bound ? ask(r, name.text, name.text, NULL) : 0;
}

static int
review_pattern(struct review *r, const struct name *pattern)
{
	size_t before = r->hosts;
	struct mx_verdict none = { .served_by = NULL, .reason = "no name in the store matches" };

	if (sts_hosts(r->admin, pattern, review_host, r, r->err) != 0)
		return -1;
	if (r->hosts == before)
		report_verdict(r, pattern->text, NULL, pattern->text, &none);
	return 0;
}

static void
summarise(const struct review *r)
{
	printf("%smode %s, max_age %ld: %zu host%s, %zu check%s, %zu failed", r->checks > 0 ? "\n" : "",
	    policy_mode_text(r->policy.mode), r->policy.max_age, r->hosts, r->hosts == 1 ? "" : "s", r->checks,
	    r->checks == 1 ? "" : "s", r->failed);
	if (r->near > 0)
		printf(", %zu expire%s soon", r->near, r->near == 1 ? "s" : "");
	putchar('\n');
}

static int
review(struct review *r)
{
	int status = 0;

	r->report = report_new(stdout, r->tool->json, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < r->policy.mx_count && status == 0; i++)
		status = review_pattern(r, &r->policy.mx[i]);
	if (status == 0)
		status = review_policy_host(r);
	if (report_finish(r->report, r->err) != 0)
		status = -1;
	if (status == 0 && !r->tool->json)
		summarise(r);
	return status;
}

/* What the options say. */
struct wish {
	const char *policy, *connect, *address, *program;
	bool fetch;
	unsigned sni;
	/* of `new`: */
	const char *mode, *max_age, *out;
	const char **mx;
	size_t mx_count;
};

static const struct option options[] = {
	{ "policy", required_argument, NULL, 'p' }, { "fetch", no_argument, NULL, 'f' },
	{ "connect", required_argument, NULL, 'c' }, { "sni", required_argument, NULL, 's' },
	{ "address", required_argument, NULL, 'a' }, { "program", required_argument, NULL, 'P' },
	{ "mode", required_argument, NULL, 'm' }, { "mx", required_argument, NULL, 'x' },
	{ "max-age", required_argument, NULL, 'g' }, { "out", required_argument, NULL, 'o' }, TOOL_OPTIONS,
};

static int
take_sni(struct wish *wish, const char *text)
{
	static const char *const kinds[] = { "mx", "domain", "none" };

	const char *meant = NULL;

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, kinds[i]) == 0) {
			wish->sni |= 1u << i;
			return TOOL_DONE;
		}
		nearest_offer(text, kinds[i], &meant);
	}
	return tool_unknown("kind of --sni", text, meant, "mx, domain or none");
}

static int
check_mode(const char *text)
{
	static const char *const modes[] = { "testing", "enforce", "none" };
	const char *meant = NULL;

	if (policy_mode_of(text) >= 0)
		return TOOL_DONE;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		nearest_offer(text, modes[i], &meant);
	return tool_unknown("mode", text, meant, "testing, enforce or none");
}

/* Before a domain; a word with a dot is one too many. */
static int
unknown_action(const char *word)
{
	const char *meant = NULL;

	nearest_offer(word, "new", &meant);
	return tool_unknown("action", word, meant, "see `snicert mta-sts --help`");
}

static int
take_option(struct tool *tool, struct wish *wish, int option, const char *text)
{
	switch (option) {
	case 'p':
		wish->policy = text;
		return 0;
	case 'f':
		wish->fetch = true;
		return 0;
	case 'c':
		wish->connect = text;
		return strchr(text, ':') != NULL ? 0 : tool_usage(tool, "--connect wants HOST:PORT");
	case 's':
		return take_sni(wish, text);
	case 'a':
		wish->address = text;
		return 0;
	case 'P':
		wish->program = text;
		return 0;
	case 'm':
		wish->mode = text;
		return check_mode(text);
	case 'g':
		wish->max_age = text;
		return 0;
	case 'o':
		wish->out = text;
		return 0;
	default:
		wish->mx[wish->mx_count++] = text;
		return 0;
	}
}

/* The same for both. */
static int
open_both(struct tool *tool, const struct wish *wish, struct admin **admin, struct mx_check **check,
    struct snicert_error *err)
{
	/* The verdicts report problems with what is served. */
	struct simulator_options how = { .config_path = tool->config_path, .program = wish->program, .quiet = true };
	struct name key;

	/* The address as the module writes it; drop "@". */
	if (wish->address != NULL && tool_fallback_key(wish->address, &key, err) != 0)
		return -1;
	if (open_store(tool, ADMIN_READ, admin, err) != 0)
		return -1;
	how.address = wish->address == NULL ? NULL : key.text + 1;
	return mx_check_open(check, &how, err);
}

static int
run_review(struct tool *tool, const struct wish *wish, const struct name *domain)
{
	struct snicert_error err = {0};
	struct review r = { .tool = tool, .domain = *domain, .err = &err, .sni = wish->sni == 0 ? SNI_ALL : wish->sni };
	int status = wish->fetch ? policy_fetch(domain, wish->connect, &r.policy, &err)
	    : policy_read(wish->policy, &r.policy, &err);

	if (status == 0)
		status = open_both(tool, wish, &r.admin, &r.check, &err);
	if (status == 0)
		status = review(&r);
	mx_check_close(r.check);
	admin_close(r.admin);
	policy_free(&r.policy);
	if (status != 0)
		return tool_fail(&err);
	return r.failed > 0 ? TOOL_NO : TOOL_DONE;
}

static int
run_new(struct tool *tool, const struct wish *wish, const struct name *domain)
{
	struct sts_draft draft = { .domain = *domain, .mode = wish->mode, .max_age = wish->max_age, .out = wish->out,
		.mx = wish->mx, .mx_count = wish->mx_count, .json = tool->json };
	struct snicert_error err = {0};
	int status = open_both(tool, wish, &draft.admin, &draft.check, &err);

	if (status == 0)
		status = sts_draft(&draft, &err);
	mx_check_close(draft.check);
	admin_close(draft.admin);
	return status == 0 ? TOOL_DONE : tool_fail(&err);
}

static int
dispatch(struct tool *tool, const struct wish *wish, int count, char **words)
{
	bool new = count > 0 && strcmp(words[0], "new") == 0;
	struct snicert_error err = {0};
	struct name domain;

	if (!new && count == 2 && strchr(words[0], '.') == NULL)
		return unknown_action(words[0]);
	if (count != (new ? 2 : 1))
		return tool_usage(tool, "give one domain");
	if (new ? wish->policy != NULL || wish->fetch || wish->sni != 0 || wish->connect != NULL
	        : wish->mode != NULL || wish->max_age != NULL || wish->out != NULL || wish->mx_count > 0)
		return tool_usage(tool, new ? "--policy, --fetch, --connect and --sni can't be used with new"
		                            : "--mode, --mx, --max-age and --out are for new only");
	if (new && wish->mode == NULL)
		return tool_usage(tool, "give --mode testing or --mode enforce");
	if (!new && (wish->policy != NULL) == wish->fetch)
		return tool_usage(tool, "give either --policy FILE or --fetch");
	if (wish->connect != NULL && !wish->fetch)
		return tool_usage(tool, "--connect is for --fetch only");
	if (tool_name(words[count - 1], &domain, &err) != 0)
		return tool_fail(&err);
	if (domain.text[0] == '*')
		return tool_usage(tool, "%s is not a domain", words[count - 1]);
	return new ? run_new(tool, wish, &domain) : run_review(tool, wish, &domain);
}

static int
cmd_mta_sts(struct tool *tool, int argc, char **argv)
{
	struct wish wish = { .mx = calloc((size_t)argc, sizeof(*wish.mx)) };
	int option, status = TOOL_DONE;

	while (wish.mx != NULL && (option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option != '?')
			status = take_option(tool, &wish, option, optarg);
		if (option == '?' || status != 0) {
			free(wish.mx);
			return status;
		}
	}
	status = wish.mx == NULL ? TOOL_FAILED : dispatch(tool, &wish, argc - optind, argv + optind);
	free(wish.mx);
	return status;
}

static const struct command_action actions[] = {
	{ .name = "new",
	    .arguments = "[OPTION…] DOMAIN --mode MODE",
	    .summary = "write a policy for what the store serves, and its TXT record",
	    .help =
	        "  --mode MODE     testing or enforce\n"
	        "  --mx NAME       a host of the MX records, or *. and a name (may be repeated)\n"
	        "  --max-age SECONDS  (testing 86400, enforce 1209600)\n"
	        "  --out FILE      the policy to this new file\n"
	        "  --address ADDRESS  the local address that clients connect to\n"
	        "  --program NAME  with the configuration of this program\n" },
	{ .name = NULL },
};

const struct command command_mta_sts = {
	.name = "mta-sts",
	.run = cmd_mta_sts,
	.arguments = "[OPTION…] DOMAIN --policy FILE | --fetch",
	.summary = "check a domain's MTA-STS policy against the store; or write a policy",
	.help =
	    "  --policy FILE   the policy (- for standard input)\n"
	    "  --fetch         fetch the published policy\n"
	    "  --connect HOST:PORT  with --fetch: connect here, whatever DNS says\n"
	    "  --sni KIND      ask for mx, domain, none (may be repeated; default: all three)\n"
	    "  --address ADDRESS  the local address that clients connect to\n"
	    "  --program NAME  with the configuration of this program\n",
	.actions = actions,
};
