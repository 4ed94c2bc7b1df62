/* SPDX-License-Identifier: ISC */
/* findings.c: a list of what is wrong, or worth knowing. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/findings.h"

void
findings_add(struct findings *f, enum finding_level level, bool forcible, const char *code,
    const char *format, ...)
{
	struct finding made = { .level = level, .forcible = forcible, .code = code };
	struct finding *list;
	va_list ap;

	if (f == NULL)
		return;
	va_start(ap, format);
	vsnprintf(made.text, sizeof(made.text), format, ap);
	va_end(ap);
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->list[i].code, code) == 0 && strcmp(f->list[i].text, made.text) == 0)
			return;
	if ((list = reallocarray(f->list, f->count + 1, sizeof(*list))) == NULL)
		return;
	list[f->count++] = made;
	f->list = list;
}

void
findings_free(struct findings *f)
{
	free(f->list);
	f->list = NULL;
	f->count = 0;
}
