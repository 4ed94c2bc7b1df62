/* SPDX-License-Identifier: ISC */
/*
 * mapping.h: the statistics file: its layout, and how a server opens it.
 *
 * All processes of a user that serve a store map one file, and count in it with atomic operations:
 * nobody holds a lock, so nobody who dies leaves one.  Root's is at the configured path, another
 * user's has "." and the uid appended.  `snicert stats` adds them up (tools/stats/read.h).
 *
 * Why one for each user: whoever can write a file can truncate it, and a process that touches the
 * missing part dies of SIGBUS.  So a process maps only what its own user, alone, may write; a
 * server started by root maps root's and keeps it after dropping privileges, without a descriptor
 * to truncate it with.  Then only somebody who could kill a server anyway can do that to it.  All
 * pages are allocated when the file is made, because a full file system would be a SIGBUS, too;
 * file systems that don't guarantee this are refused.
 *
 * The contents are hints: other processes, perhaps compromised, have written them.  Every index is
 * checked, and geometry is read once, before the mapping is used.
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
#define MAPPING_LAYOUT 1u               /* a change replaces the file */
#define MAPPING_SHARDS 32u
#define MAPPING_PROCESSES 256u
#define MAPPING_RECORDS 512u            /* of the ring */
#define MAPPING_ROWS 4u                 /* of the sketch */
#define MAPPING_WAYS 8u                 /* unknown names in a bucket */
#define MAPPING_USE_WAYS 4u             /* names in a bucket: a cache line */
#define MAPPING_NAME 256u               /* octets of a name with its NUL */
#define MAPPING_ADDRESS 48u
#define MAPPING_ERROR 192u
#define MAPPING_WINDOW 600              /* seconds in which requests count once, towards staying */

/** What a handshake was served; first five as enum hook_candidate. */
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

/** Why it was not the name's own chain: the first obstacle. */
enum stats_reason {
	STATS_NONE,             /* it was */
	STATS_NO_NAME,          /* the client sent no server name */
	STATS_MALFORMED,        /* what it sent is invalid */
	STATS_UNKNOWN,          /* the name is not bound */
	STATS_UNUSABLE,         /* this client can use none of its chains */
	STATS_EXPIRED,          /* expired, and `expired = fallback` */
	STATS_BROKEN,           /* its rows don't decode, or the library refused them */
	STATS_UNREADABLE,       /* the store is unreadable */
	STATS_MEMORY,           /* no memory */
	STATS_REASONS
};

/** Key types of the presented chains; a set, because OpenSSL picks one that suits the client. */
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
	STATS_SERVED_EXPIRED,   /* handshakes that got an expired chain */
	STATS_TROUBLE,          /* candidates skipped because of an error */
	STATS_UNKNOWN_MISSED,   /* requests for unknown names counted but not listed */
	STATS_NAMES_EVICTED,    /* names whose use was forgotten for lack of room */
	STATS_PROCESSES_MISSED, /* processes that found no row */
	STATS_TRACED,           /* records written to the ring */
	STATS_COUNTERS
};

/* GCC notes that i386 aligns such fields only since GCC 11; mapping.c asserts their offsets. */
#if defined(__i386__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define STATS_LATENCIES 32      /* bucket i: below 2^i ns, the last one anything more */

/**
 * Part of the counters; a thread uses that of its processor.  Their sum counts.  A handshake whose
 * chain is in the cache touches one line of the processor's cache.
 */
struct mapping_shard {
	_Alignas(128) _Atomic int64_t trace_until;      /* Unix time; ring readers extend it in all shards */
	_Atomic uint64_t exact;         /* handshakes[STATS_EXACT][STATS_NONE], which is 0 there */
	_Atomic uint64_t cache_hits;    /* counters[STATS_CACHE_HITS], likewise */
	_Atomic uint64_t reserved;
	_Atomic uint64_t keys[STATS_KEY_SETS];
	_Atomic uint64_t handshakes[STATS_OUTCOMES][STATS_REASONS];
	_Atomic uint64_t counters[STATS_COUNTERS];
	/* Every 16th handshake answered from the cache is measured, and counts 16 times. */
	_Atomic uint64_t latency[STATS_LATENCIES];
	_Atomic uint64_t latency_ns;    /* their sum */
};

/**
 * A server, and the children it forks for each connection.  Free rows have pid 0.  A reader accepts
 * a row whose `version` is even and the same before and after.
 */
struct mapping_process {
	_Alignas(64) _Atomic uint32_t version;
	_Atomic int32_t pid;
	_Atomic uint64_t start;         /* clock ticks after boot, field 22 of /proc/PID/stat; 0: unknown */
	_Atomic int64_t opened;         /* Unix time */
	_Atomic int64_t served;         /* the last handshake, Unix time; 0: none yet */
	_Atomic uint64_t commit;        /* which state of the store it saw: mapping_commit() */
	_Atomic int64_t commit_seen;    /* Unix time */
	_Atomic uint32_t threads;       /* that do handshakes */
	_Atomic uint32_t changes;       /* of the store, seen by it */
	_Atomic uint32_t uid;
	uint32_t reserved;
	char program[32];
	char module[24];                /* version */
	_Atomic int64_t error_at;       /* Unix time; 0: none */
	char error[MAPPING_ERROR];      /* last line at err or worse */
};

/**
 * An unknown name.  `lock` is 0, or the Unix time at which a writer began to give the place to
 * another name: one that takes longer than a moment died.  A reader takes those whose `tag` is the
 * hash of `name`, and not 0.
 */
struct mapping_unknown {
	_Alignas(64) _Atomic uint64_t tag;
	_Atomic uint64_t lock;
	_Atomic uint64_t count;         /* since it has this place */
	_Atomic uint64_t missed;        /* requests before that, at most */
	_Atomic int64_t first, last;    /* Unix time; first: since it has this place */
	_Atomic uint64_t score;         /* windows with requests << 32 | the last one */
	uint64_t reserved;
	char name[MAPPING_NAME];
	char address[MAPPING_ADDRESS];  /* the local one, "" if unknown */
};

/** A cell of the sketch that counts names with no place: sketch.h. */
struct mapping_cell {
	_Atomic uint32_t count;
	_Atomic uint32_t score;         /* windows << 16 | the last one */
};

/** Use of a name of the store.  `use` is the day (Unix time / 86400) << 44 | the count. */
struct mapping_use {
	_Atomic uint64_t tag, use;
};

#define MAPPING_USE_BITS 44

/** A selection, for `snicert trace`.  `ticket` is 2n + 1 while record n is written, then 2n + 2. */
struct mapping_record {
	_Alignas(64) _Atomic uint64_t ticket;
	_Atomic int64_t at;             /* ns of Unix time */
	_Atomic uint32_t ns;            /* time taken, UINT32_MAX: more */
	_Atomic int32_t pid;
	_Atomic uint8_t outcome, reason, keys, reserved_too;
	uint8_t leaf[20];               /* start of the leaf's SHA-256, zero if none */
	uint64_t reserved;
	char name[MAPPING_NAME];        /* as sent, escaped for a log; "" if none */
};

struct mapping_header {
	char magic[8];
	uint32_t layout;
	uint32_t unknown, names;        /* places: powers of two */
	uint32_t shards, processes, records;
	uint64_t size;                  /* of the whole file */
	uint64_t key[2];                /* of the hashes; random, so that peers can't aim */
	int64_t created;                /* Unix time */
	char store[512];                /* path of the store; cut off if longer */
	_Atomic int64_t reset;          /* when counters were last zeroed; 0: never */
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

/** Whether a header from a file of `size` octets is ours and consistent; if so its parts. */
bool mapping_check(const struct mapping_header *, uint64_t size, struct mapping_parts *out);

/** A user's file name: for root, the path itself. */
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
 * Map this user's file, creating it if missing or of another layout.  Returns 0, or -1 with *err
 * set; SNICERT_ENOTFOUND if there is no directory to make it in, or no right to: no cause for
 * alarm.
 */
int mapping_open(struct mapping *, const char *path, const struct mapping_geometry *,
    const char *store, struct snicert_error *err);
void mapping_close(struct mapping *);

/** Identifies a state of the store: equal for equal ones.  `words` as in struct store_version. */
uint64_t mapping_commit(const uint32_t *words, size_t count);

#endif
