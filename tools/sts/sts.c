/* SPDX-License-Identifier: ISC */
/* sts.c: which names of the store a policy covers, and making policies of them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "error.h"
#include "show/report.h"
#include "sts/sts.h"
#include "tool.h"

#define ANY_LABEL "any-host"    /* stands for names under a wildcard */
#define TESTING_AGE 86400
#define ENFORCE_AGE 1209600             /* two weeks: RFC 8461 section 3.2 wants weeks or more */

/* Names in the store's order, each once, whatever its key types. */
struct names {
	const struct name *pattern;     /* they must match this; or: */
	const struct name *domain;      /* they must be under this */
	struct name *list;
	size_t count;
	bool no_memory;
};

static bool
is_under(const struct name *domain, const struct name *name)
{
	size_t more = name->length - domain->length;

	return name->length >= domain->length && strcmp(name->text + more, domain->text) == 0 &&
	    (more == 0 || name->text[more - 1] == '.');
}

static int
take_name(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct names *names = arg;
	struct name name, *list;

	(void)key_type;
	(void)chain;
	if (!name_normalise_pattern(&name, key, strlen(key)) ||
	    (names->count > 0 && name_equal(&names->list[names->count - 1], &name)) ||
	    (names->pattern != NULL ? !name_equal(names->pattern, &name) && !name_covers(names->pattern, &name)
	                            : !is_under(names->domain, &name)))
		return 0;
	list = realloc(names->list, (names->count + 1) * sizeof(*list));
	if (list == NULL) {
		names->no_memory = true;
		return 1;
	}
	names->list = list;
	list[names->count++] = name;
	return 0;
}

static int
gather(struct admin *admin, struct names *names, struct snicert_error *err)
{
	if (admin_bindings(admin, NULL, 0, take_name, names, err) < 0)
		return -1;
	return names->no_memory ? error_set(err, SNICERT_EMEMORY, "no memory") : 0;
}

/* A wildcard isn't a host; one it covers. */
static const char *
host_of(const struct name *name, char host[NAME_MAX_LENGTH + 32])
{
	snprintf(host, NAME_MAX_LENGTH + 32, "%s%s", name->text[0] == '*' ? ANY_LABEL : "",
	    name->text + (name->text[0] == '*'));
	return host;
}

int
sts_hosts(struct admin *admin, const struct name *pattern, sts_host_fn *each, void *arg,
    struct snicert_error *err)
{
	struct names names = { .pattern = pattern };
	char host[NAME_MAX_LENGTH + 32];
	int status;

	if (pattern->text[0] != '*')
		return each(arg, pattern->text, pattern->text);
	status = gather(admin, &names, err);
	for (size_t i = 0; i < names.count && status == 0; i++)
		status = each(arg, host_of(&names.list[i], host), pattern->text);
	free(names.list);
	return status;
}

static int
note_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	(void)key;
	(void)key_type;
	(void)chain;
	*(bool *)arg = true;
	return 0;
}

int
sts_is_served(struct admin *admin, const struct name *name, bool *is, struct snicert_error *err)
{
	struct name wildcard;

	*is = false;
	if (admin_bindings(admin, name->text, 0, note_binding, is, err) != 0)
		return -1;
	return *is || !name_wildcard(&wildcard, name) ? 0
	    : admin_bindings(admin, wildcard.text, 0, note_binding, is, err);
}

static bool
is_fallback(const struct mx_verdict *verdict)
{
	return strstr(verdict->served_by, "fallback") != NULL;
}

struct passing {
	struct sts_draft *draft;
	bool good, any;
	char *reason;
	size_t size;
	struct snicert_error *err;
};

static int
pass_host(void *arg, const char *host, const char *pattern)
{
	struct passing *p = arg;
	struct mx_verdict verdicts[MX_VERDICTS_MOST];
	char *reason = p->reason;
	size_t count, size = p->size;

	(void)pattern;
	p->any = true;
	if (!p->good)
		return 0;
	if (mx_check_host(p->draft->check, host, host, verdicts, &count, p->err) != 0)
		return -1;
	for (size_t i = 0; i < count && p->good; i++) {
		p->good = verdicts[i].good;
		if (verdicts[i].key_type[0] == '\0')
			snprintf(reason, size, "%s", verdicts[i].reason);
		else
			snprintf(reason, size, "%s chain%s%s: %s", verdicts[i].key_type, is_fallback(&verdicts[i]) ? " of the " : "",
			    is_fallback(&verdicts[i]) ? verdicts[i].served_by : "", verdicts[i].reason);
	}
	return 0;
}

/* Whether a sender accepts everything it may get from a host: each host that the check of a pattern tests. */
static int
passes(struct sts_draft *draft, const struct name *mx, bool *good, char *reason, size_t size,
    struct snicert_error *err)
{
	struct passing passing = { .draft = draft, .good = true, .reason = reason, .size = size, .err = err };
	int status = sts_hosts(draft->admin, mx, pass_host, &passing, err);

	if (status == 0 && !passing.any) {
		snprintf(reason, size, "no name in the store matches");
		passing.good = false;
	}
	*good = passing.good;
	return status;
}

static int
keep_mx(struct policy *policy, const struct name *mx, struct snicert_error *err)
{
	struct name *list = realloc(policy->mx, (policy->mx_count + 1) * sizeof(*list));

	if (list == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	policy->mx = list;
	list[policy->mx_count++] = *mx;
	return 0;
}

/* A policy with a failing host loses mail, or would. */
static int
take_given(struct sts_draft *draft, struct policy *policy, struct snicert_error *err)
{
	char reason[400];
	struct name mx;
	bool good;

	for (size_t i = 0; i < draft->mx_count; i++) {
		if (tool_name(draft->mx[i], &mx, err) != 0 || passes(draft, &mx, &good, reason, sizeof(reason), err) != 0)
			return -1;
		if (!good)
			return error_set(err, SNICERT_EINPUT, "senders would refuse %s (%s); import a chain for it first",
			    mx.text, reason);
		if (keep_mx(policy, &mx, err) != 0)
			return -1;
	}
	return 0;
}

/* The policy's own host is no MX. */
static int
take_found(struct sts_draft *draft, struct policy *policy, struct snicert_error *err)
{
	struct names names = { .domain = &draft->domain };
	int status = gather(draft->admin, &names, err);
	char reason[400] = "";
	bool good;

	for (size_t i = 0; i < names.count && status == 0; i++) {
		if (strncmp(names.list[i].text, "mta-sts.", 8) == 0)
			continue;
		status = passes(draft, &names.list[i], &good, reason, sizeof(reason), err);
		if (status == 0 && good)
			status = keep_mx(policy, &names.list[i], err);
	}
	if (status == 0 && policy->mx_count == 0)
		status = error_set(err, SNICERT_ENOTFOUND, names.count == 0
		    ? "the store has no name under %s: give the hosts of its MX records with --mx"
		    : "no name under %s passes (the last: %s): give the hosts of its MX records with --mx",
		    draft->domain.text, reason);
	free(names.list);
	return status;
}

static int
set_terms(const struct sts_draft *draft, struct policy *policy, struct snicert_error *err)
{
	int mode = policy_mode_of(draft->mode);
	char *end = NULL;

	if (mode < 0)
		return error_set(err, SNICERT_EUSAGE, "%s is not a mode: use testing, enforce or none", draft->mode);
	policy->mode = (enum policy_mode)mode;
	policy->max_age = mode == POLICY_ENFORCE ? ENFORCE_AGE : TESTING_AGE;
	if (draft->max_age == NULL)
		return 0;
	policy->max_age = strtol(draft->max_age, &end, 10);
	return draft->max_age[0] >= '0' && draft->max_age[0] <= '9' && *end == '\0' && policy->max_age <= POLICY_AGE_MOST
	    ? 0 : error_set(err, SNICERT_EUSAGE, "%s is not a max_age: use 0 to %d seconds", draft->max_age,
	              POLICY_AGE_MOST);
}

static int
write_out(const char *path, const char *text, struct snicert_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	size_t length = strlen(text); /* NOLINT(clang-analyzer-core.NonNullParamChecker): status tells */

	if (fd < 0)
		return error_system(err, "can't make %s", path);
	if (write(fd, text, length) == (ssize_t)length && close(fd) == 0)
		return 0;
	unlink(path);
	return error_system(err, "can't write %s", path);
}

static int
print(const struct sts_draft *draft, const struct policy *policy, const char *text,
    struct snicert_error *err)
{
	static const struct report_column columns[] = {
		{ "domain", "Domain", false }, { "policy", "Policy", false }, { "mx", "MX", false }, { "id", "Id", false },
		{ "txt_owner", "Owner", false }, { "txt", "TXT", false },
	};
	char id[32], owner[NAME_MAX_LENGTH + 16], txt[80];
	const char **mx = calloc(policy->mx_count + 1, sizeof(*mx));
	struct report *report;

	/* 1 to 32 letters and digits that differ from the previous policy's. */
	if (mx == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	date_print(id, sizeof(id), "%Y%m%dT%H%M%SZ", (int64_t)time(NULL));
	snprintf(owner, sizeof(owner), "_mta-sts.%s.", draft->domain.text);
	snprintf(txt, sizeof(txt), "v=STSv1; id=%s;", id);
	if (!draft->json) {
		free(mx);
		printf("%s%s%s 3600 IN TXT \"%s\"\n", draft->out == NULL ? text : "", draft->out == NULL ? "\n" : "", owner, txt);
		return fflush(stdout) == 0 ? 0 : error_system(err, "standard output");
	}
	for (size_t i = 0; i < policy->mx_count; i++)
		mx[i] = policy->mx[i].text;
	report = report_new(stdout, true, columns, 6);
	report_single(report);
	report_text(report, draft->domain.text);
	report_text(report, text);
	report_list(report, mx, policy->mx_count);
	report_text(report, id);
	report_text(report, owner);
	report_text(report, txt);
	report_row_end(report);
	free(mx);
	return report_finish(report, err);
}

int
sts_draft(struct sts_draft *draft, struct snicert_error *err)
{
	struct policy policy = {0};
	char *text = NULL;
	int status = set_terms(draft, &policy, err);

	if (status == 0)
		status = draft->mx_count > 0 ? take_given(draft, &policy, err) : take_found(draft, &policy, err);
	if (status == 0 && (text = policy_text(&policy)) == NULL)
		status = error_set(err, SNICERT_EMEMORY, "no memory");
	if (status == 0 && draft->out != NULL)
		status = write_out(draft->out, text, err);
	if (status == 0)
		status = print(draft, &policy, text, err);
	free(text);
	policy_free(&policy);
	return status;
}
