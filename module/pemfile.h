/* SPDX-License-Identifier: ISC */
/*
 * pemfile.h: chains with their keys as PEM in memory files, for hosts that read certificates from a
 * path.  Never on disk, immutable, and gone with the process.
 */
#ifndef SNICERT_PEMFILE_H
#define SNICERT_PEMFILE_H

#include <stdint.h>
#include <sys/types.h>

#include "chain.h"

/** How many are kept: those of two answers, so that the host's last one stays. */
#define PEMFILE_MOST (2 * STORE_CHAINS_MOST)

/** Room for a path. */
#define PEMFILE_PATH_SIZE 32

/** The files of a process; initially all zero.  For one thread at a time. */
struct pemfiles {
	uint64_t uses;
	struct pemfile {
		uint64_t used;          /* the greatest is the latest; 0: no file */
		int fd;
		dev_t device;
		ino_t inode;
		unsigned char identity[STORE_DIGEST_LENGTH];
	} file[PEMFILE_MOST];
};

/**
 * The path of a file with this chain: unchanged while it is among the latest PEMFILE_MOST, else one
 * that none of those has.  Returns 0, or -1 with *err set.
 */
int pemfile_path(struct pemfiles *, const struct chain *, char path[PEMFILE_PATH_SIZE],
    struct snicert_error *err);

#endif
