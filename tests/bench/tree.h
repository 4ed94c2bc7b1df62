/* SPDX-License-Identifier: ISC */
/*
 * tree.h: what a server takes, all its processes together, from outside.  Linux.
 */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_usage {
	/* CPU time of all processes below and including the root, those that
	 * have ended and were waited for included.  Whoever ended between two
	 * readings so counts in the second. */
	uint64_t cpu_ns;
	/* Memory now: proportional (what processes share counts once), and
	 * the sum of what each has resident. */
	uint64_t pss_kib, rss_kib;
	unsigned processes;
};

/**
 * Read what the processes of `root` take; `memory` takes longer, and as root
 * sees those of other users.  Returns 0, or -1 if there is no such process.
 */
int tree_read(pid_t root, bool memory, struct tree_usage *out);

#endif
