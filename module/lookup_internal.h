/* SPDX-License-Identifier: ISC */
/*
 * lookup_internal.h: a look-up as its own files see it: lookup.c answers handshakes, lookup_load.c
 * decodes, lookup_say.c tells, and lookup_fork.c sees to it that a fork leaves everything whole and
 * that children find what they need.
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
	atomic_bool was_open;           /* the store, when it was looked at last; changed under `load` */
	_Atomic int64_t since;          /* Unix time at which it came to be so */
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

/** CLOCK_MONOTONIC in seconds, as of the kernel's last tick. */
int64_t lookup_monotonic(void);

/** Under `cache_lock`, or with an entry of one's own. */
enum lookup_result lookup_result_of(struct lookup *, const struct cache_entry *, struct answer **out);

/* --- lookup_load.c ---------------------------------------------------------------- */

/* What a look-up found, on its way into the cache. */
struct lookup_found {
	uint64_t generation;            /* of the store */
	size_t rows, count;             /* chains that are bound; of these are here: */
	struct chain *chains[STORE_CHAINS_MOST];
	char *uris[STORE_CHAINS_MOST];  /* where a key is elsewhere: still to be opened, without `load` */
	bool keyless;                   /* there are such */
	bool left;                      /* they were left to the next look-up */
	bool no_memory;                 /* for want of that one or more are not */
};

/** Under `load`: what the rows are of a generation of the store.  Found, or keyless and to be opened. */
enum lookup_result lookup_take_in(struct lookup *, const struct name *key, uint64_t generation,
    struct lookup_found *, struct answer **out);

/** Without a lock: a token takes its time, and its code may fork. */
enum lookup_result lookup_open_keys(struct lookup *, const struct name *key, struct lookup_found *,
    struct answer **out);

/** What is at hand of a key's chains, until a handshake asks for all of them. */
void lookup_leave_keys(struct lookup *, const struct name *key, struct lookup_found *, struct answer **out);

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
