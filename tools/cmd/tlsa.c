/* SPDX-License-Identifier: ISC */
/*
 * tlsa.c: TLSA records (RFC 6698, 7671, 7672) of all keys that clients may get for a name, as zone
 * file lines or as a dynamic update (RFC 2136).
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dane/tlsa.h"
#include "dane/tlsa_plan.h"
#include "date.h"
#include "error.h"
#include "fleet/node.h"
#include "show/report.h"
#include "show/say.h"
#include "store/open.h"
#include "tool.h"

/* What the options say. */
struct wish {
	struct tool *tool;
	struct admin *admin;
	struct report *report;          /* JSON; NULL: text */
	struct tlsa_kind kind;
	long port, ttl;
	const char *protocol;
	bool update, add;               /* --nsupdate, --add */
	struct node_wish wait;
};

/* The records of a name.  Chains with the same key share one. */
struct records {
	const struct name *name;
	struct tlsa_plan plan;
	char owner[NAME_MAX_LENGTH + 32];
	struct tlsa *list;
	size_t count;
	size_t *of;                     /* the record of each item of the plan */
};

static const struct report_column columns[] = {
	{ "name", "Name", false }, { "owner", "Owner", false }, { "ttl", "TTL", true },
	{ "usage", "Usage", true }, { "selector", "Selector", true }, { "matching", "Matching", true },
	{ "data", "Data", false }, { "key_type", "Key", false }, { "state", "State", false },
	{ "chains", "Chains", false }, { "waiting_keys", "Waiting keys", false },
	{ "served_by", "Served by", false }, { "not_after", "Expires", false },
};

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' }, { "protocol", required_argument, NULL, 'P' },
	{ "usage", required_argument, NULL, 'u' }, { "selector", required_argument, NULL, 's' },
	{ "matching", required_argument, NULL, 'm' }, { "ttl", required_argument, NULL, 't' },
	{ "nsupdate", no_argument, NULL, 'n' }, { "add", no_argument, NULL, 'a' },
	{ "wait-fleet", optional_argument, NULL, 'w' }, TOOL_OPTIONS,
};

static int
take_number(const char *text, long least, long most, const char *what, long *out,
    struct snicert_error *err)
{
	int64_t number;

	if (!tool_number(text, least, most, &number))
		return error_set(err, SNICERT_EUSAGE, "%s is not a %s: use %ld to %ld", text, what,
		    least, most);
	*out = (long)number;
	return 0;
}

static int
take_usage(struct wish *wish, const char *text, struct snicert_error *err)
{
	long number = 0;

	if (take_number(text, 0, 3, "usage", &number, err) != 0)
		return -1;
	if (number < 2)
		return error_set(err, SNICERT_EUSAGE,
		    "SMTP clients ignore usage %ld; use 2 or 3 (RFC 7672 section "
		    "3.1.3): use 3", number);
	wish->kind.usage = (int)number;
	return 0;
}

static int
take_option(struct wish *wish, int option, const char *text, struct snicert_error *err)
{
	long number = 0;
	int status = 0;

	switch (option) {
	case 'p':
		return take_number(text, 1, 65535, "port", &wish->port, err);
	case 't':
		return take_number(text, 0, INT_MAX, "TTL in seconds", &wish->ttl, err);
	case 'P':
		wish->protocol = text;
		return strcmp(text, "tcp") == 0 || strcmp(text, "udp") == 0 || strcmp(text, "sctp") == 0 ? 0
		    : error_set(err, SNICERT_EUSAGE, "%s is not a protocol: use tcp, udp or sctp", text);
	case 'u':
		return take_usage(wish, text, err);
	case 's':
		status = take_number(text, 0, 1, "selector", &number, err);
		wish->kind.selector = (int)number;
		return status;
	case 'm':
		status = take_number(text, 0, 2, "matching type", &number, err);
		wish->kind.matching = (int)number;
		return status;
	case 'n':
		wish->update = true;
		return 0;
	case 'w':
		return node_wish_parse(&wish->wait, text, err);
	default:
		wish->add = true;
		return 0;
	}
}

/* Returns 1 if an item has no such record (yet), with *err set. */
static int
make_record(struct wish *wish, const struct tlsa_plan_item *item, struct tlsa *out,
    struct snicert_error *err)
{
	struct store_rows rows = {0};
	struct snicert_error own = {0};
	int status;

	if (item->state == TLSA_PLAN_WAITING && (wish->kind.usage != 3 || wish->kind.selector != 1)) {
		error_set(err, SNICERT_EINPUT, "key %" PRId64 " has no certificate yet, and such a record "
		    "needs it: use --usage 3 --selector 1", item->id);
		return 1;
	}
	if (item->state == TLSA_PLAN_WAITING)
		return tlsa_of_octets(wish->kind, item->public_key, item->public_length, out, err);
	status = admin_load(wish->admin, item->id, &rows, err);
	if (status == 0 && tlsa_of_chain(wish->kind, &rows.chains[0], out, &own) != 0) {
		error_set(err, (enum snicert_code)own.code, "chain %" PRId64 " %s", item->id, own.text);
		status = 1;
	}
	store_rows_free(&rows);
	return status;
}

static int
collect(struct wish *wish, struct records *records, struct snicert_error *err)
{
	const struct tlsa_plan *plan = &records->plan;

	records->list = calloc(plan->count + 1, sizeof(*records->list));
	records->of = calloc(plan->count + 1, sizeof(*records->of));
	if (records->list == NULL || records->of == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	for (size_t i = 0; i < plan->count; i++) {
		struct tlsa tlsa = {0};
		size_t at = 0;

		if (make_record(wish, &plan->items[i], &tlsa, err) != 0)
			return -1;
		while (at < records->count && !tlsa_equal(&records->list[at], &tlsa))
			at++;
		if (at < records->count)
			tlsa_clear(&tlsa);
		else
			records->list[records->count++] = tlsa;
		records->of[i] = at;
	}
	return 0;
}

/* The next item of a record, from `at` on; NULL: no more. */
static const struct tlsa_plan_item *
next_item(const struct records *records, size_t record, size_t *at)
{
	while (*at < records->plan.count) {
		size_t i = (*at)++;

		if (records->of[i] == record)
			return &records->plan.items[i];
	}
	return NULL;
}

static void
report_ids(struct report *report, const struct records *records, size_t record, bool waiting)
{
	const struct tlsa_plan_item *item;
	const char *list[32];
	char texts[32][24];
	size_t count = 0, at = 0;

	while (count < 32 && (item = next_item(records, record, &at)) != NULL) {
		if ((item->state == TLSA_PLAN_WAITING) != waiting)
			continue;
		snprintf(texts[count], sizeof(texts[0]), "%" PRId64, item->id);
		list[count] = texts[count];
		count++;
	}
	report_list(report, list, count);
}

static void
print_json(const struct wish *wish, const struct records *records, size_t record, const char *hex)
{
	struct report *report = wish->report;
	char buffer[NAME_TEXT_SIZE];
	size_t at = 0;
	const struct tlsa_plan_item *first = next_item(records, record, &at);

	report_text(report, records->name->text);
	report_text(report, records->owner);
	report_number(report, wish->ttl);
	report_number(report, wish->kind.usage);
	report_number(report, wish->kind.selector);
	report_number(report, wish->kind.matching);
	report_text(report, hex);
	report_text(report, first->key_type);
	report_text(report, tlsa_plan_state_text(first->state));
	report_ids(report, records, record, false);
	report_ids(report, records, record, true);
	report_text(report, first->state == TLSA_PLAN_ACTIVE
	    ? tool_key_text(first->served_by.text, buffer) : NULL);
	if (first->not_after != 0)
		report_time(report, first->not_after);
	else
		report_text(report, NULL);
	report_row_end(report);
}

static void
print_day(int64_t at)
{
	char text[32];

	date_print(text, sizeof(text), "%Y-%m-%d", at);
	printf(", expires %s", text);
}

/* "; RSA, chain 3 active, expires 2026-12-01; chain 7 staged …": zone files and nsupdate skip it. */
static void
print_comment(const struct records *records, size_t record)
{
	const struct tlsa_plan_item *item;
	char buffer[NAME_TEXT_SIZE];
	size_t at = 0, count = 0;

	while ((item = next_item(records, record, &at)) != NULL) {
		if (count++ == 0)
			printf("; %s,", item->key_type);
		else
			putchar(';');
		printf(" %s %" PRId64 " %s", item->state == TLSA_PLAN_WAITING ? "key" : "chain", item->id,
		    tlsa_plan_state_text(item->state));
		if (item->not_after != 0)
			print_day(item->not_after);
		if (item->state == TLSA_PLAN_ACTIVE && !name_equal(&item->served_by, &records->plan.served_by))
			printf(", by %s", tool_key_text(item->served_by.text, buffer));
	}
	puts(count > 1 ? " (the same record: no roll-over)" : "");
}

static int
print_record(struct wish *wish, const struct records *records, size_t record,
    struct snicert_error *err)
{
	const struct tlsa *tlsa = &records->list[record];
	char *hex = tlsa_hex(tlsa);

	if (hex == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	if (wish->report != NULL) {
		print_json(wish, records, record, hex);
	} else {
		print_comment(records, record);
		printf("%s%s %ld IN TLSA %d %d %d %s\n", wish->update ? "update add " : "", records->owner,
		    wish->ttl, tlsa->kind.usage, tlsa->kind.selector, tlsa->kind.matching, hex);
	}
	free(hex);
	return 0;
}

static int
print_all(struct wish *wish, const struct records *records, struct snicert_error *err)
{
	const struct name *served_by = &records->plan.served_by;
	char buffer[NAME_TEXT_SIZE];
	int status = 0;

	if (wish->report == NULL && !name_equal(served_by, records->name))
		printf("; %s itself is not bound: clients get what is bound to %s\n", records->name->text,
		    tool_key_text(served_by->text, buffer));
	/* One message: old records go as new ones come. */
	if (wish->update && !wish->add && wish->report == NULL)
		printf("update delete %s TLSA\n", records->owner);
	for (size_t i = 0; i < records->count && status == 0; i++)
		status = print_record(wish, records, i, err);
	if (wish->update && wish->report == NULL)
		puts("send");
	return status;
}

static int
print_name(struct wish *wish, const struct name *name, struct snicert_error *err)
{
	struct records records = { .name = name };
	int status = tlsa_plan_of(wish->admin, wish->tool->config, name, &records.plan, err);

	snprintf(records.owner, sizeof(records.owner), "_%ld._%s.%s.", wish->port, wish->protocol, name->text);
	if (status == 0)
		status = collect(wish, &records, err);
	if (status == 0 && records.count == 0)
		status = error_set(err, SNICERT_ENOTFOUND,
		    "%s has neither a chain nor a key made for it, and there is no fallback: import a chain, "
		    "or make a key with `snicert key new %s`", name->text, name->text);
	if (status == 0)
		status = print_all(wish, &records, err);
	for (size_t i = 0; i < records.count; i++)
		tlsa_clear(&records.list[i]);
	free(records.list);
	free(records.of);
	tlsa_plan_clear(&records.plan);
	return status;
}

static int
take_name(const char *text, struct name *out, struct snicert_error *err)
{
	if (tool_name(text, out, err) != 0)
		return -1;
	if (strncmp(out->text, "*.", 2) == 0)
		return error_set(err, SNICERT_EUSAGE,
		    "%s: TLSA records belong to host names: give each name that clients ask for", text);
	return 0;
}

/* Print the known names, whatever happens to the others. */
static int
run(struct wish *wish, int count, char **names)
{
	struct snicert_error err = {0};
	struct name name;
	int worst = TOOL_DONE;

	for (int i = 0; i < count; i++)
		if (take_name(names[i], &name, &err) != 0)
			return tool_fail(&err);
	if (open_store(wish->tool, ADMIN_READ, &wish->admin, &err) != 0)
		return tool_fail(&err);
	if (wish->tool->json)
		wish->report = report_new(stdout, true, columns, sizeof(columns) / sizeof(columns[0]));
	for (int i = 0; i < count; i++) {
		int code = TOOL_DONE;

		if (take_name(names[i], &name, &err) != 0 || print_name(wish, &name, &err) != 0)
			code = tool_fail(&err);
		if (code > worst)
			worst = code;
		error_clear(&err);
	}
	if (wish->report != NULL && report_finish(wish->report, &err) != 0)
		worst = tool_fail(&err);
	admin_close(wish->admin);
	return worst;
}

static int
cmd_tlsa(struct tool *tool, int argc, char **argv)
{
	struct wish wish = { .tool = tool, .kind = { 3, 1, 1 }, .port = 25, .ttl = 3600, .protocol = "tcp" };
	struct snicert_error err = {0};
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (take_option(&wish, option, optarg, &err) != 0)
			return tool_usage(tool, "%s", err.text);
	}
	if (optind == argc)
		return tool_usage(tool, "tlsa of which name?");
	if (wish.add && !wish.update)
		return tool_usage(tool, "--add is for --nsupdate only");
	status = node_wish_wait(&wish.wait, tool, &err);
	if (status == 1)
		say("no records: what a node still serves needs those there are; %s", err.text);
	return status == 0 ? run(&wish, argc - optind, argv + optind) : status == 1 ? TOOL_NO : tool_fail(&err);
}

const struct command command_tlsa = {
	.name = "tlsa",
	.run = cmd_tlsa,
	.arguments = "[OPTION…] NAME…",
	.summary = "print the TLSA records (DANE) to publish for a name",
	.help =
	    "  --port PORT     the service's port (25)\n"
	    "  --protocol NAME tcp, udp or sctp (tcp)\n"
	    "  --usage 2|3     3: the leaf (the default); 2: the last certificate that is sent\n"
	    "  --selector 0|1  1: the public key (the default); 0: the certificate\n"
	    "  --matching 0|1|2  1: SHA-256 (the default); 2: SHA-512; 0: all of it\n"
	    "  --ttl SECONDS   the records' TTL (3600)\n"
	    "  --nsupdate      print commands for nsupdate that replace the name's records\n"
	    "  --add           with --nsupdate: keep the name's other records\n"
	    NODE_WISH_HELP,
};
