/* SPDX-License-Identifier: ISC */
/*
 * bench-usage PID: what a process and all below it take, in one line:
 *     processes N cpu_us N pss_kib N rss_kib N
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tree.h"

int
main(int argc, char **argv)
{
	struct tree_usage usage;

	if (argc != 2 || atol(argv[1]) <= 0) {
		fputs("usage: bench-usage PID\n", stderr);
		return 2;
	}
	if (tree_read((pid_t)atol(argv[1]), true, &usage) != 0) {
		fprintf(stderr, "bench-usage: there is no process %s\n", argv[1]);
		return 1;
	}
	printf("processes %u cpu_us %" PRIu64 " pss_kib %" PRIu64 " rss_kib %" PRIu64 "\n",
	    usage.processes, usage.cpu_ns / 1000, usage.pss_kib, usage.rss_kib);
	return 0;
}
