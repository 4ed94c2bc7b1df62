/* SPDX-License-Identifier: ISC */
/*
 * stats.h: what a server did, written where the tool reads it (mapping.h has the file).  Some 50
 * nanoseconds for a handshake whose chain is in the cache; no lock, and no system call except for
 * an unknown name.
 *
 * All functions accept NULL, which stats_new returns if there can be no statistics: the server goes
 * on without.
 */
#ifndef SNICERT_STATS_H
#define SNICERT_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config.h"
#include "log.h"
#include "mapping.h"
#include "name.h"

struct stats;

/** What became of a handshake.  Borrowed. */
struct stats_selection {
	enum stats_outcome outcome;
	enum stats_reason reason;
	const char *server_name;                /* as sent; NULL: none */
	const struct name *key;                 /* of the name's chain, else the name asked for */
	unsigned uses;                          /* of the key, to record now; including recent ones */
	unsigned keys;                          /* a set of enum stats_key: chains presented */
	const unsigned char *leaf;              /* SHA-256 of a leaf presented, or NULL */
	bool expired;                           /* but served anyway */
	unsigned trouble;                       /* candidates skipped because of an error */
	bool (*address)(void *arg, char *text, socklen_t size); /* the local one; may be NULL */
	void *arg;
};

/** Map the file, and take a row among the processes.  Logs trouble. */
struct stats *stats_new(const struct config *, struct log *);
void stats_free(struct stats *);

/** A selection begins, in this thread; it needs the store; it is done. */
void stats_begin(struct stats *);
void stats_reach(struct stats *);
void stats_record(struct stats *, const struct stats_selection *);

/**
 * This hour in this process.  A name's use is recorded far from everything else that a handshake
 * touches, so only now and then: at the first in a period, and in batches.
 */
uint64_t stats_period(void);

/** Count one more. */
void stats_count(struct stats *, enum stats_counter);

/** The store has changed, to the state in these words. */
void stats_moved(struct stats *, const uint32_t *words, size_t count);

/** A line logged at err or worse. */
void stats_error(struct stats *, const char *text);

#endif
