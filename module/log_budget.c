/* SPDX-License-Identifier: ISC */
/*
 * log_budget.c: how many lines of each event may be written.
 *
 * A budget is one word, exchanged as a whole, so a child killed half-way leaves nothing behind.
 * One that writes rubbish there can only silence a kind or get more of its lines for a period: a
 * start in the future counts as long past.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "log_budget.h"

#define SUPPRESSED_MOST 0xffffffu

struct log_budget {
	size_t size;                    /* of the words, if shared; else 0 */
	_Atomic uint64_t *words;        /* per kind: start 32 bits, suppressed 24, written 8 */
};

struct tally {
	uint32_t since, suppressed, written;
};

static struct tally
unpack(uint64_t word)
{
	return (struct tally){ .since = (uint32_t)(word >> 32), .suppressed = (uint32_t)(word >> 8) & SUPPRESSED_MOST,
		.written = (uint32_t)word & 0xff };
}

static uint64_t
pack(const struct tally *tally)
{
	return (uint64_t)tally->since << 32 | (uint64_t)tally->suppressed << 8 | tally->written;
}

/* If no memory can be shared, each process has its own budget. */
struct log_budget *
log_budget_new(unsigned count)
{
	struct log_budget *budget = calloc(1, sizeof(*budget));
	void *shared;

	if (budget == NULL)
		return NULL;
	budget->size = count * sizeof(*budget->words);
	shared = mmap(NULL, budget->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared != MAP_FAILED) {
		budget->words = shared;
		return budget;
	}
	budget->size = 0;
	budget->words = calloc(count, sizeof(*budget->words));
	if (budget->words != NULL)
		return budget;
	free(budget);
	return NULL;
}

void
log_budget_free(struct log_budget *budget)
{
	if (budget == NULL)
		return;
	if (budget->size > 0)
		munmap(budget->words, budget->size);
	else
		free(budget->words);
	free(budget);
}

/* One more line, written or suppressed. */
static bool
add(struct tally *tally, uint32_t now, unsigned long *suppressed)
{
	if (tally->written == 0 || now - tally->since >= LOG_PERIOD) {
		tally->since = now;
		tally->written = 0;
	}
	if (tally->written >= LOG_BURST) {
		tally->suppressed += tally->suppressed < SUPPRESSED_MOST;
		return false;
	}
	tally->written++;
	*suppressed = tally->suppressed;
	tally->suppressed = 0;
	return true;
}

bool
log_budget_take(struct log_budget *budget, unsigned kind, uint32_t now, unsigned long *suppressed)
{
	uint64_t before = atomic_load(&budget->words[kind]), after;
	struct tally tally;
	bool granted;

	do {
		tally = unpack(before);
		granted = add(&tally, now, suppressed);
		after = pack(&tally);
	} while (!atomic_compare_exchange_weak(&budget->words[kind], &before, after));
	return granted;
}
