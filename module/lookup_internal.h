/* SPDX-License-Identifier: ISC */
/*
 * lookup_internal.h: a look-up as its own files see it: lookup.c answers handshakes, lookup_load.c
 * decodes, lookup_say.c logs, and lookup_fork.c keeps data consistent across a fork and gives
 * children what they need.
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
	uint64_t generation;            /* they belong to; 0: not asked yet */
	bool address_fallback, wildcard;
};

struct said;

struct lookup {
	pthread_mutex_t load;
	pthread_mutex_t cache_lock;

	/* Under `cache_lock`: */
	struct cache *cache;
	struct store_version version;
	uint64_t generation;            /* grows with each change of the store */
	struct facts facts;

	/* Under `load`: */
	struct store *store;            /* except what store.h lets any thread ask */
	struct chain_codec *codec;
	struct seal *seal;
	struct store_rows rows;
	struct said *said;              /* log lines, to be written after unlocking */

	const struct config *config;
	struct log *log;
	struct stats *stats;
	struct children *children;
	struct shelf *shelf;            /* for children; NULL if no child ever asked */
	struct sweep {
		bool active;            /* all keys are being put there */
		uint64_t generation;    /* of the store when it began; 0: must restart */
		struct name last;
	} sweep;
	atomic_bool pairs;              /* chains as they are decoded */
	atomic_bool is_child;           /* forked since it was opened here */
	_Atomic int64_t looked;         /* the tick of the last check of the store */
	atomic_bool was_open;           /* the store, at the last check; changed under `load` */
	_Atomic int64_t since;          /* Unix time at which that changed */
	_Atomic uint64_t cache_hits;
	_Atomic uint64_t decodes;
	struct lookup *next;            /* of all that are open, for fork */
};

/* --- lookup.c --------------------------------------------------------------------- */

/** Check whether the store has changed, even within a tick of the clock. */
void lookup_look_again(struct lookup *);

/** The state of the store known here, and its generation. */
struct store_version lookup_known_version(struct lookup *, uint64_t *generation);

/** Octets for chains: an eighth of the cache's memory is for the intermediates that chains share. */
size_t lookup_memory_of_chains(const struct config *);

/** Whether a chain was decoded before a pair could be made of it, as the fallback is. */
bool lookup_wants_pair(const struct lookup *, const struct chain *);

/** CLOCK_MONOTONIC in seconds, as of the kernel's last tick. */
int64_t lookup_monotonic(void);

/** Under `cache_lock`, or with a private entry. */
enum lookup_result lookup_result_of(struct lookup *, const struct cache_entry *, struct answer **out);

/* --- lookup_load.c ---------------------------------------------------------------- */

/* What a look-up found, on its way into the cache. */
struct lookup_found {
	uint64_t generation;            /* of the store */
	size_t rows, count;             /* chains bound; of these are here: */
	struct chain *chains[STORE_CHAINS_MOST];
	char *uris[STORE_CHAINS_MOST];  /* where a key is elsewhere: to be opened later, without `load` */
	bool keyless;                   /* some have none */
	bool left;                      /* left to the next look-up */
	bool no_memory;                 /* so one or more are missing */
};

/** Under `load`: decode the rows of one generation.  Found, or keyless and to be opened. */
enum lookup_result lookup_take_in(struct lookup *, const struct name *key, uint64_t generation,
    struct lookup_found *, struct answer **out);

/** Without a lock: a token takes its time, and its code may fork. */
enum lookup_result lookup_open_keys(struct lookup *, const struct name *key, struct lookup_found *,
    struct answer **out);

/** Those of a key's chains that are ready, until a handshake asks for all. */
void lookup_leave_keys(struct lookup *, const struct name *key, struct lookup_found *, struct answer **out);

/* --- lookup_say.c ----------------------------------------------------------------- */

/** Take `load`, and release it: then the queued lines are written. */
void lookup_load_begin(struct lookup *);
void lookup_load_end(struct lookup *);

/** Queue lines, under `load`, or in a private list. */
void lookup_tell_store(struct lookup *, enum log_event, const char *what, const char *then);
void lookup_tell_key(struct lookup *, const struct snicert_error *err);
void lookup_tell_chain(struct lookup *, struct said **, const struct name *key, const char *label,
    const char *key_type, const struct snicert_error *err);

/** Write them; hold no lock: the log may be the host's own code. */
void lookup_say(struct said *);

/* --- lookup_fork.c ---------------------------------------------------------------- */

/** Add or remove one that must survive forks. */
void lookup_fork_enlist(struct lookup *);
void lookup_fork_strike_off(struct lookup *);

/** Whether this thread is within the host's fork(), where nothing is logged: children log it. */
bool lookup_fork_is_on(void);

/** In a child that reads a store for the first time: see store_drop_inherited. */
void lookup_fork_drop_inherited(void);

#endif
