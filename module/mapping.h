/* SPDX-License-Identifier: ISC */
/*
 * mapping.h: the statistics file: how it is laid out, and how a server gets hold of it.
 *
 * All processes of a user that serve a store have one file mapped, and count in
 * it with atomic operations: nobody holds a lock, so nobody who dies leaves one.
 * Root's is the configured path, that of another user the path with "." and the uid
 * behind it.  `snicert stats` adds them up (tools/stats/read.h).
 *
 * Why one for each user: who can write a file can truncate it, and a
 * process that touches what was cut off dies of SIGBUS.  So a process maps only
 * what its own user, alone, may write; a server that is started by root maps
 * root's and keeps it when it has dropped its privileges, without a descriptor to
 * truncate it by.  Nobody can do that to a server then who could not kill it anyway.
 * All pages are allocated when the file is made, as a full file
 * system would be a SIGBUS, too; file systems on which that is no promise are refused.
 *
 * What is in there is a hint: other processes, taken over maybe, have written it.
 * Every index is checked, and geometry is read once, before the mapping is used.
 */
#ifndef SNICERT_MAPPING_H
#define SNICERT_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "snicert.h"

#define MAPPING_MAGIC "snicertS"        /* the first eight octets */
#define MAPPING_LAYOUT 1u               /* another one is another file: made anew */
#define MAPPING_SHARDS 32u
#define MAPPING_PROCESSES 256u
#define MAPPING_RECORDS 512u            /* of the ring */
#define MAPPING_ROWS 4u                 /* of the sketch */
#define MAPPING_WAYS 8u                 /* unknown names in a bucket */
#define MAPPING_USE_WAYS 4u             /* names in a bucket: a cache line */
#define MAPPING_NAME 256u               /* octets of a name with its NUL */
#define MAPPING_ADDRESS 48u
#define MAPPING_ERROR 192u
#define MAPPING_WINDOW 600              /* seconds in which being asked for counts once, towards staying */

/** What a handshake was served; the first five as enum hook_candidate. */
enum stats_outcome {
	STATS_EXACT,
	STATS_WILDCARD,
	STATS_ADDRESS,          /* fallback of the local address */
	STATS_PROGRAM,          /* fallback of the program */
	STATS_GLOBAL,           /* global fallback */
	STATS_OWN,              /* the server's own certificate */
	STATS_REFUSED,          /* alert unrecognized_name */
	STATS_OUTCOMES
};

/** Why it was not the name's own chain: the first thing that stood in the way. */
enum stats_reason {
	STATS_NONE,             /* it was */
	STATS_NO_NAME,          /* the client sent no server name */
	STATS_MALFORMED,        /* what it sent is no name */
	STATS_UNKNOWN,          /* nobody has bound the name */
	STATS_UNUSABLE,         /* this client can use none of its chains */
	STATS_EXPIRED,          /* expired, and `expired = fallback` */
	STATS_BROKEN,           /* its rows don't decode, or the library did not take them */
	STATS_UNREADABLE,       /* the store can't be read */
	STATS_MEMORY,           /* no memory */
	STATS_REASONS
};

/** Key types of the chains that were presented; a set, for OpenSSL picks one that suits the client. */
enum stats_key {
	STATS_RSA = 1,          /* RSA-PSS, too */
	STATS_EC = 2,
	STATS_ED25519 = 4,
	STATS_ED448 = 8,
	STATS_KEY_SETS = 16
};

enum stats_counter {
	STATS_CACHE_HITS,       /* look-ups answered without the store */
	STATS_DECODES,          /* chains decoded */
	STATS_SERVED_EXPIRED,   /* handshakes that were served an expired chain */
	STATS_TROUBLE,          /* candidates passed over because of an error */
	STATS_UNKNOWN_MISSED,   /* requests for unknown names that are counted but not listed */
	STATS_NAMES_EVICTED,    /* names whose use was forgotten for want of room */
	STATS_PROCESSES_MISSED, /* processes that found no row */
	STATS_TRACED,           /* records written to the ring */
	STATS_COUNTERS
};

/* GCC notes that i386 has aligned such fields since GCC 11 only; mapping.c asserts where they are. */
#if defined(__i386__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define STATS_LATENCIES 32      /* bucket i: below 2^i ns, the last one whatever is more */

/**
 * A part of the counters; a thread takes that of the processor it runs on.  Their sum
 * counts.  What a handshake touches whose chain is in the cache is one line of the
 * processor's cache.
 */
struct mapping_shard {
	_Alignas(128) _Atomic int64_t trace_until;      /* Unix time; readers of the ring push it on, in all shards */
	_Atomic uint64_t exact;         /* handshakes[STATS_EXACT][STATS_NONE], which is 0 there */
	_Atomic uint64_t cache_hits;    /* counters[STATS_CACHE_HITS], likewise */
	_Atomic uint64_t reserved;
	_Atomic uint64_t keys[STATS_KEY_SETS];
	_Atomic uint64_t handshakes[STATS_OUTCOMES][STATS_REASONS];
	_Atomic uint64_t counters[STATS_COUNTERS];
	/* Of a handshake answered from the cache every 16th is measured, and counts 16 times. */
	_Atomic uint64_t latency[STATS_LATENCIES];
	_Atomic uint64_t latency_ns;    /* their sum */
};

/**
 * A server, and the children it forks for a connection each.  Rows are free
 * with pid 0.  A reader takes a row whose `version` is even and the same before and after.
 */
struct mapping_process {
	_Alignas(64) _Atomic uint32_t version;
	_Atomic int32_t pid;
	_Atomic uint64_t start;         /* clock ticks after boot, field 22 of /proc/PID/stat; 0: not known */
	_Atomic int64_t opened;         /* Unix time */
	_Atomic int64_t served;         /* of the last handshake, Unix time; 0: none yet */
	_Atomic uint64_t commit;        /* which state of the store it saw: mapping_commit() */
	_Atomic int64_t commit_seen;    /* Unix time */
	_Atomic uint32_t threads;       /* that handshake, or did */
	_Atomic uint32_t changes;       /* of the store, that it saw */
	_Atomic uint32_t uid;
	uint32_t reserved;
	char program[32];
	char module[24];                /* its version */
	_Atomic int64_t error_at;       /* Unix time; 0: none */
	char error[MAPPING_ERROR];      /* last line at err or worse */
};

/**
 * An unknown name.  `lock` is 0, or the Unix time at which a writer began to give
 * the place to another name: one that takes longer than a moment has died.  A
 * reader takes those whose `tag` is the hash of `name`, and not 0.
 */
struct mapping_unknown {
	_Alignas(64) _Atomic uint64_t tag;
	_Atomic uint64_t lock;
	_Atomic uint64_t count;         /* since it has this place */
	_Atomic uint64_t missed;        /* asked for before that, at the most */
	_Atomic int64_t first, last;    /* Unix time; first: since it has this place */
	_Atomic uint64_t score;         /* windows in which it was asked for << 32 | the last one */
	uint64_t reserved;
	char name[MAPPING_NAME];
	char address[MAPPING_ADDRESS];  /* the local one, "" where not known */
};

/** A cell of the sketch that counts what has no place: see sketch.h. */
struct mapping_cell {
	_Atomic uint32_t count;
	_Atomic uint32_t score;         /* windows << 16 | the last one */
};

/** Use of a name of the store.  `use` is the day (Unix time / 86400) << 44 | the count. */
struct mapping_use {
	_Atomic uint64_t tag, use;
};

#define MAPPING_USE_BITS 44

/** A selection, for `snicert trace`.  `ticket` is 2n + 1 while record n is written, 2n + 2 when it is there. */
struct mapping_record {
	_Alignas(64) _Atomic uint64_t ticket;
	_Atomic int64_t at;             /* ns of Unix time */
	_Atomic uint32_t ns;            /* that the selection took, UINT32_MAX: more */
	_Atomic int32_t pid;
	_Atomic uint8_t outcome, reason, keys, reserved_too;
	uint8_t leaf[20];               /* start of the leaf's SHA-256, zero without */
	uint64_t reserved;
	char name[MAPPING_NAME];        /* as sent, escaped for a log; "" without */
};

struct mapping_header {
	char magic[8];
	uint32_t layout;
	uint32_t unknown, names;        /* places: powers of two */
	uint32_t shards, processes, records;
	uint64_t size;                  /* of the whole file */
	uint64_t key[2];                /* of the hashes; random, so that peers can't aim */
	int64_t created;                /* Unix time */
	char store[512];                /* path of the store; cut off where longer */
	_Atomic int64_t reset;          /* when counters were set to zero; 0: never */
	_Atomic int64_t unknown_reset;
	_Alignas(64) _Atomic uint64_t ring_head;        /* number of the next record */
};

/** Offsets in the file. */
struct mapping_parts {
	size_t shards, processes, sketch, unknown, use, ring, size;
	size_t sketch_width;            /* cells in a row */
};

/** How much it holds, as configured; rounded up to powers of two. */
struct mapping_geometry {
	uint32_t unknown, names;
};

#define MAPPING_UNKNOWN_LEAST 64u
#define MAPPING_UNKNOWN_MOST (1u << 20)
#define MAPPING_NAMES_LEAST 1024u
#define MAPPING_NAMES_MOST (1u << 26)

void mapping_parts(struct mapping_parts *out, const struct mapping_geometry *);

/** Whether a header read from a file of `size` octets is one of ours and makes sense; if so its parts. */
bool mapping_check(const struct mapping_header *, uint64_t size, struct mapping_parts *out);

/** Name of the file of a user: the path itself for root. */
void mapping_path(char *out, size_t size, const char *path, uid_t uid);

/** A mapped file. */
struct mapping {
	struct mapping_header *header;
	struct mapping_shard *shards;           /* MAPPING_SHARDS */
	struct mapping_process *processes;      /* MAPPING_PROCESSES */
	struct mapping_cell *sketch;            /* MAPPING_ROWS rows of sketch_width */
	struct mapping_unknown *unknown;
	struct mapping_use *use;
	struct mapping_record *ring;            /* MAPPING_RECORDS */
	struct mapping_parts parts;
	size_t unknown_count, use_count;
	uint64_t key[2];
};

/**
 * Map the file of this user, made where it is missing or of another layout.
 * Returns 0, or -1 with *err set; SNICERT_ENOTFOUND where there is no directory to
 * make it in, or no right to: nothing to be alarmed at.
 */
int mapping_open(struct mapping *, const char *path, const struct mapping_geometry *,
    const char *store, struct snicert_error *err);
void mapping_close(struct mapping *);

/** What stands for a state of the store: equal for equal ones.  `words` as in struct store_version. */
uint64_t mapping_commit(const uint32_t *words, size_t count);

#endif
