/* SPDX-License-Identifier: ISC */
/* policy.c: reads and writes MTA-STS policies. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "sts/policy.h"

static const char *const modes[] = { "none", "testing", "enforce" };

const char *
policy_mode_text(enum policy_mode mode)
{
	return modes[mode];
}

int
policy_mode_of(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(modes[i], text) == 0)
			return i;
	return -1;
}

struct parsing {
	struct policy *out;
	const char *origin;
	unsigned line;
	bool version, mode, max_age;    /* seen: except for mx, the first counts */
	struct snicert_error *err;
};

static int
take_mode(struct parsing *p, const char *value)
{
	int mode = policy_mode_of(value);

	if (p->mode)
		return 0;
	if (mode < 0)
		return error_set(p->err, SNICERT_EINPUT, "%s:%u: %s is not a mode: use enforce, testing or none",
		    p->origin, p->line, value);
	p->out->mode = (enum policy_mode)mode;
	p->mode = true;
	return 0;
}

static int
take_max_age(struct parsing *p, const char *value)
{
	size_t digits = strspn(value, "0123456789");

	if (p->max_age)
		return 0;
	if (digits == 0 || digits > 10 || value[digits] != '\0' || strtoll(value, NULL, 10) > POLICY_AGE_MOST)
		return error_set(p->err, SNICERT_EINPUT, "%s:%u: %s is not a max_age: use 0 to %d seconds",
		    p->origin, p->line, value, POLICY_AGE_MOST);
	p->out->max_age = strtol(value, NULL, 10);
	p->max_age = true;
	return 0;
}

static int
take_mx(struct parsing *p, const char *value)
{
	struct policy *out = p->out;
	struct name *mx = realloc(out->mx, (out->mx_count + 1) * sizeof(*mx));

	if (mx == NULL)
		return error_set(p->err, SNICERT_EMEMORY, "no memory");
	out->mx = mx;
	if (!name_normalise_pattern(&mx[out->mx_count], value, strlen(value)))
		return error_set(p->err, SNICERT_EINPUT,
		    "%s:%u: %s is not an mx pattern: use a host name in ASCII, with or without a leading *.", p->origin, p->line,
		    value);
	out->mx_count++;
	return 0;
}

static int
take_field(struct parsing *p, const char *field, const char *value)
{
	if (strcmp(field, "mode") == 0)
		return take_mode(p, value);
	if (strcmp(field, "max_age") == 0)
		return take_max_age(p, value);
	if (strcmp(field, "mx") == 0)
		return take_mx(p, value);
	if (strcmp(field, "version") != 0 || p->version)
		return 0; /* an extension */
	p->version = true;
	return strcmp(value, "STSv1") == 0 ? 0
	    : error_set(p->err, SNICERT_EINPUT, "%s:%u: version %s is not known: STSv1 is wanted", p->origin, p->line,
	          value);
}

static int
take_line(struct parsing *p, char *line)
{
	char *colon = strchr(line, ':'), *value, *end = line + strlen(line);

	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	if (*line == '\0')
		return 0;
	if (colon == NULL || colon == line || colon >= end)
		return error_set(p->err, SNICERT_EINPUT, "%s:%u: a line of a policy is `field: value`", p->origin, p->line);
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	return take_field(p, line, value);
}

static int
complete(const struct parsing *p)
{
	const char *missing = !p->version ? "version: STSv1" : !p->mode ? "mode: enforce, testing or none"
	    : !p->max_age ? "max_age: SECONDS" : p->out->mx_count == 0 && p->out->mode != POLICY_NONE
	    ? "mx: NAME" : NULL;

	return missing == NULL ? 0
	    : error_set(p->err, SNICERT_EINPUT, "%s is not a complete policy: add the line `%s`", p->origin, missing);
}

int
policy_parse(const char *text, size_t length, const char *origin, struct policy *out,
    struct snicert_error *err)
{
	struct parsing p = { .out = out, .origin = origin, .err = err };
	char *copy = calloc(1, length + 1), *next = copy;
	int status = copy == NULL ? error_set(err, SNICERT_EMEMORY, "no memory") : 0;

	if (copy != NULL)
		memcpy(copy, text, length);
	if (copy != NULL && strlen(copy) != length)
		status = error_set(err, SNICERT_EINPUT, "%s is not text: it has NUL octets", origin);
	while (status == 0 && next != NULL && *next != '\0') {
		char *line = strsep(&next, "\n");

		p.line++;
		status = take_line(&p, line);
	}
	free(copy);
	return status == 0 ? complete(&p) : status;
}

int
policy_read(const char *path, struct policy *out, struct snicert_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	const char *origin = standard ? "standard input" : path;
	FILE *in = standard ? stdin : fopen(path, "re");
	char *text = malloc(POLICY_SIZE_MOST + 1);
	size_t length;
	int status = -1;

	if (in == NULL || text == NULL) {
		if (in != NULL && !standard)
			fclose(in);
		free(text);
		return error_system(err, "can't read %s", origin);
	}
	length = fread(text, 1, POLICY_SIZE_MOST + 1, in);
	if (ferror(in))
		error_system(err, "can't read %s", origin);
	else if (length > POLICY_SIZE_MOST)
		error_set(err, SNICERT_EINPUT, "%s is larger than 64 KiB, where senders stop reading", origin);
	else
		status = policy_parse(text, length, origin, out, err);
	if (!standard)
		fclose(in);
	free(text);
	return status;
}

void
policy_free(struct policy *policy)
{
	free(policy->mx);
	*policy = (struct policy){0};
}

char *
policy_text(const struct policy *policy)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return NULL;
	fprintf(out, "version: STSv1\nmode: %s\n", policy_mode_text(policy->mode));
	for (size_t i = 0; i < policy->mx_count; i++)
		fprintf(out, "mx: %s\n", policy->mx[i].text);
	fprintf(out, "max_age: %ld\n", policy->max_age);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
