/* SPDX-License-Identifier: ISC */
/* gather.c: groups equal findings, errors first.  Knows no store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "verify/gather.h"

#define NAMED 3         /* of a group; we count the others */

const struct report_column gather_columns[GATHER_COLUMNS] = {
	{ "severity", "Severity", false }, { "what", "What", false }, { "finding", "Finding", false },
	{ "fix", "Fix", false },
};

struct group {
	struct group *next;
	bool error;
	char *code, *kind, *fix;       /* fix: "" for none */
	char *text;                     /* of the first */
	char *named[NAMED];
	int64_t chain;                  /* the last: counts one with several such findings once */
	int64_t count;
	bool texts_differ;
};

struct gather {
	struct report *report;
	struct group *groups, **end;
	FILE *later;            /* each: warnings */
	bool each;
	bool shortened;
	int failure;            /* errno */
};

struct gather *
gather_new(struct report *report, bool each)
{
	struct gather *gather = calloc(1, sizeof(*gather));

	if (gather == NULL)
		return NULL;
	gather->report = report;
	gather->end = &gather->groups;
	gather->each = each;
	return gather;
}

static void
put_row(struct report *report, bool error, const char *what, const char *text, const char *fix)
{
	report_text(report, error ? "error" : "warning");
	report_text(report, what);
	report_text(report, text);
	report_text(report, fix == NULL || fix[0] == '\0' ? NULL : fix);
	report_row_end(report);
}

/* --- each ----------------------------------------------------------------- */

static void
put_later(struct gather *gather, const struct gather_finding *f)
{
	const char *const parts[] = { f->what, f->text, f->fix == NULL ? "" : f->fix };

	errno = 0;
	if (gather->later == NULL && (gather->later = tmpfile()) == NULL) {
		gather->failure = errno;
		return;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (fwrite(parts[i], 1, strlen(parts[i]) + 1, gather->later) != strlen(parts[i]) + 1)
			gather->failure = errno != 0 ? errno : EIO;
}

static void
report_later(struct gather *gather)
{
	char *parts[3] = { NULL, NULL, NULL };
	size_t sizes[3] = { 0, 0, 0 }, i = 0;

	if (fflush(gather->later) != 0)
		gather->failure = errno;
	rewind(gather->later);
	while (getdelim(&parts[i], &sizes[i], '\0', gather->later) > 0)
		if (i++ == 2) {
			put_row(gather->report, false, parts[0], parts[1], parts[2]);
			i = 0;
		}
	if (ferror(gather->later) || i != 0)
		gather->failure = errno != 0 ? errno : EIO;
	for (i = 0; i < 3; i++)
		free(parts[i]);
}

/* --- groups --------------------------------------------------------------- */

static bool
belongs(const struct group *group, const struct gather_finding *f)
{
	return group->error == f->error && strcmp(group->code, f->code) == 0 && strcmp(group->kind, f->kind) == 0 &&
	    strcmp(group->fix, f->fix == NULL ? "" : f->fix) == 0;
}

static void
group_free(struct group *group)
{
	for (size_t i = 0; i < NAMED; i++)
		free(group->named[i]);
	free(group->code);
	free(group->kind);
	free(group->fix);
	free(group->text);
	free(group);
}

static struct group *
group_new(const struct gather_finding *f)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	group->error = f->error;
	group->code = strdup(f->code);
	group->kind = strdup(f->kind);
	group->fix = strdup(f->fix == NULL ? "" : f->fix);
	group->text = strdup(f->text);
	if (group->code != NULL && group->kind != NULL && group->fix != NULL && group->text != NULL)
		return group;
	group_free(group);
	return NULL;
}

static struct group *
group_of(struct gather *gather, const struct gather_finding *f)
{
	struct group *group = gather->groups;

	while (group != NULL && !belongs(group, f))
		group = group->next;
	if (group != NULL)
		return group;
	group = group_new(f);
	if (group == NULL)
		return NULL;
	*gather->end = group;
	gather->end = &group->next;
	return group;
}

void
gather_add(struct gather *gather, const struct gather_finding *f)
{
	struct group *group;

	if (gather->each && f->error) {
		put_row(gather->report, true, f->what, f->text, f->fix);
		return;
	}
	if (gather->each) {
		put_later(gather, f);
		return;
	}
	group = group_of(gather, f);
	if (group == NULL) {
		gather->failure = ENOMEM;
		return;
	}
	group->texts_differ = group->texts_differ || strcmp(group->text, f->text) != 0;
	gather->shortened = gather->shortened || group->texts_differ;
	if (group->count > 0 && f->chain != 0 && f->chain == group->chain)
		return;
	group->chain = f->chain;
	if (group->count < NAMED && (group->named[group->count] = strdup(f->what)) == NULL)
		gather->failure = ENOMEM;
	group->count++;
	gather->shortened = gather->shortened || group->count > NAMED;
}

bool
gather_shortened(const struct gather *gather)
{
	return gather->shortened;
}

/* "4 chains: 1 (a.example), 2 (b.example), 3 (c.example) and 1 more", for subjects with that word. */
static void
print_members(FILE *out, const struct group *group)
{
	int word = (int)strcspn(group->named[0], " ");

	if (group->count == 1) {
		fputs(group->named[0], out);
		return;
	}
	fprintf(out, "%" PRId64 " %.*ss:", group->count, word, group->named[0]);
	for (int64_t i = 0; i < group->count && i < NAMED; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", group->named[i] + strcspn(group->named[i], " "));
	if (group->count > NAMED)
		fprintf(out, " and %" PRId64 " more", group->count - NAMED);
}

static int
report_group(struct gather *gather, const struct group *group)
{
	char *what = NULL, *text = NULL;
	size_t size;
	FILE *out = open_memstream(&what, &size);
	bool good = out != NULL;

	if (good) {
		print_members(out, group);
		good = fclose(out) == 0;
	}
	good = good && asprintf(&text, "%s%s", group->texts_differ ? "for one, " : "", group->text) >= 0;
	if (good) {
		put_row(gather->report, group->error, what, text, group->fix);
		free(text);
	}
	free(what);
	return good ? 0 : -1;
}

int
gather_report(struct gather *gather, struct snicert_error *err)
{
	for (int error = 1; error >= 0 && gather->failure == 0; error--)
		for (const struct group *group = gather->groups; group != NULL; group = group->next)
			if (group->error == (error == 1) && report_group(gather, group) != 0)
				gather->failure = ENOMEM;
	if (gather->later != NULL && gather->failure == 0)
		report_later(gather);
	if (gather->failure == 0)
		return 0;
	errno = gather->failure;
	return error_system(err, "can't hold what was found");
}

void
gather_free(struct gather *gather)
{
	if (gather == NULL)
		return;
	while (gather->groups != NULL) {
		struct group *group = gather->groups;

		gather->groups = group->next;
		group_free(group);
	}
	if (gather->later != NULL)
		fclose(gather->later);
	free(gather);
}
