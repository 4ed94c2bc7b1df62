/* SPDX-License-Identifier: ISC */
/* ring.c: the latest selections, for `snicert trace`. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "ring.h"

#define LAPS 64         /* then a record's writer is presumed dead */

/* Whether this writer may overwrite the record numbered `before`.  A record that another writer is
 * writing stays its own, and ours is dropped. */
static bool
is_free(uint64_t before, uint64_t ticket)
{
	uint64_t ours = 2 * ticket + 1;

	if (before == 0)
		return true;
	if (before >= ours)
		return false;
	return before % 2 == 0 || ours - before > 2 * LAPS * MAPPING_RECORDS;
}

void
ring_write(const struct mapping *mapping, const struct ring_entry *entry)
{
	uint64_t ticket = atomic_fetch_add_explicit(&mapping->header->ring_head, 1, memory_order_relaxed);
	struct mapping_record *record = &mapping->ring[ticket % MAPPING_RECORDS];
	const char *name = entry->server_name == NULL ? "" : entry->server_name;
	size_t length = strlen(name);
	uint64_t before = atomic_load_explicit(&record->ticket, memory_order_relaxed);
	struct timespec now = {0};

	if (!is_free(before, ticket) ||
	    !atomic_compare_exchange_strong_explicit(&record->ticket, &before, 2 * ticket + 1,
	        memory_order_acq_rel, memory_order_relaxed))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	atomic_store_explicit(&record->at, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
	    memory_order_relaxed);
	atomic_store_explicit(&record->ns, entry->ns > UINT32_MAX ? UINT32_MAX : (uint32_t)entry->ns,
	    memory_order_relaxed);
	atomic_store_explicit(&record->pid, getpid(), memory_order_relaxed);
	atomic_store_explicit(&record->outcome, (uint8_t)entry->outcome, memory_order_relaxed);
	atomic_store_explicit(&record->reason, (uint8_t)entry->reason, memory_order_relaxed);
	atomic_store_explicit(&record->keys, (uint8_t)entry->keys, memory_order_relaxed);
	memset(record->leaf, 0, sizeof(record->leaf));
	if (entry->leaf != NULL)
		memcpy(record->leaf, entry->leaf, sizeof(record->leaf));
	log_escape(record->name, sizeof(record->name), name, length);
	atomic_store_explicit(&record->ticket, 2 * ticket + 2, memory_order_release);
}
