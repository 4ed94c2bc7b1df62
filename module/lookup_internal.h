/* SPDX-License-Identifier: ISC */
/*
 * lookup_internal.h: what lookup.c and lookup_fork.c share: the one answers handshakes, the other
 * sees to it that a fork leaves everything whole, and that children find what they need.
 */
#ifndef SNICERT_LOOKUP_INTERNAL_H
#define SNICERT_LOOKUP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cache.h"
#include "chain.h"
#include "children.h"
#include "lock.h"
#include "lookup.h"
#include "seal.h"
#include "shelf.h"
#include "store.h"

/* What is asked of the whole store once for each state of it. */
struct facts {
	uint64_t generation;            /* of which they are; 0: not asked yet */
	bool address_fallback, wildcard;
};

struct said;

struct lookup {
	pthread_mutex_t load;
	pthread_mutex_t cache_lock;

	/* Under `cache_lock`: */
	struct cache *cache;
	struct store_version version;
	uint64_t generation;            /* grows whenever the store has moved on */
	struct facts facts;

	/* Under `load`: */
	struct store *store;            /* but for what store.h lets any thread ask */
	struct chain_codec *codec;
	struct seal *seal;
	struct store_rows rows;
	struct said *said;              /* log lines, to be written once it is not held */

	const struct config *config;
	struct log *log;
	struct stats *stats;
	struct children *children;
	struct shelf *shelf;            /* for children; NULL in a process that none of them asked */
	struct sweep {
		bool active;            /* all keys are being put there, by and by */
		uint64_t generation;    /* of the store, in which it was begun; 0: to be begun again */
		struct name last;
	} sweep;
	atomic_bool is_child;           /* forked since it was opened here */
	_Atomic int64_t looked;         /* the tick at which the store was looked at */
	_Atomic uint64_t cache_hits;
	_Atomic uint64_t decodes;
	struct lookup *next;            /* of all that are open, for fork */
};

/* --- lookup.c --------------------------------------------------------------------- */

/** Look whether the store has moved on, be it within a tick of the clock. */
void lookup_look_again(struct lookup *);

/** The state of the store that is known here, and its generation. */
struct store_version lookup_known_version(struct lookup *, uint64_t *generation);

/** Octets for chains: an eighth of the cache's memory is for the intermediates that chains share. */
size_t lookup_memory_of_chains(const struct config *);

/* --- lookup_say.c ----------------------------------------------------------------- */

/** Take `load`, and give it back: then what was told meanwhile is written. */
void lookup_load_begin(struct lookup *);
void lookup_load_end(struct lookup *);

/** Lines to be written, under `load`, or in a list of one's own. */
void lookup_tell_store(struct lookup *, enum log_event, const char *what, const char *then);
void lookup_tell_key(struct lookup *, const struct snicert_error *err);
void lookup_tell_chain(struct lookup *, struct said **, const struct name *key, const char *label,
    const char *key_type, const struct snicert_error *err);

/** Write them; no lock is held, for the log may be the host's own code. */
void lookup_say(struct said *);

/* --- lookup_fork.c ---------------------------------------------------------------- */

/** One more that is to survive forks; one less. */
void lookup_fork_enlist(struct lookup *);
void lookup_fork_strike_off(struct lookup *);

/** Whether this thread is within the host's fork(), where nothing is logged: children say it. */
bool lookup_fork_is_on(void);

/** In a child that looks into a store for the first time: see store_drop_inherited. */
void lookup_fork_drop_inherited(void);

#endif
