/* SPDX-License-Identifier: ISC */
/* trial.c: chance, time, memory and rows of the trials. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "trial.h"

static uint64_t chance = 1;

uint64_t
trial_draw_from(uint64_t *state, uint64_t below)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

uint64_t
trial_draw(uint64_t below)
{
	return trial_draw_from(&chance, below);
}

void
trial_seed(void)
{
	chance = trial_number("TORTURE_SEED", 1);
}

unsigned long
trial_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ? otherwise : strtoul(text, NULL, 10);
}

bool
trial_is_quick(void)
{
	return trial_number("TORTURE_QUICK", 0) != 0;
}

double
trial_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

size_t
trial_heap(void)
{
	return mallinfo2().uordblks;
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
trial_percentile(double *took, size_t count, double part)
{
	qsort(took, count, sizeof(*took), by_size);
	return took[(size_t)((double)(count - 1) * part)];
}

void
trial_row(const char *trial, const char *what, const char *often, const char *format, ...)
{
	const char *path = getenv("TORTURE_RESULTS");
	FILE *file = path == NULL ? NULL : fopen(path, "a");
	char text[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	printf("%s: %s: %s\n", what, often, text);
	fflush(stdout);
	if (file != NULL) {
		fprintf(file, "%s\t%s\t%s\t%s\n", trial, what, often, text);
		fclose(file);
	}
}
