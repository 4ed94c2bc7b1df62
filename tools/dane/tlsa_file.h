/* SPDX-License-Identifier: ISC */
/*
 * tlsa_file.h: reading TLSA records that are published: a zone file, the answer
 * of dig or host, commands for nsupdate, or `snicert tlsa`.
 */
#ifndef SNICERT_TLSA_FILE_H
#define SNICERT_TLSA_FILE_H

#include "dane/tlsa.h"
#include "name.h"
#include "snicert.h"

struct tlsa_entry {
	char *owner;            /* lower case, no dot at the end; "" where the record stands alone */
	struct tlsa tlsa;
};

/** All zero is an empty one. */
struct tlsa_file {
	struct tlsa_entry *list;
	size_t count;
};

/** Read the TLSA records in a file ("-": the standard input); other records are passed over. */
int tlsa_file_read(const char *path, struct tlsa_file *out, struct snicert_error *err);
void tlsa_file_free(struct tlsa_file *);

/**
 * The name whose record an entry is, at a port of TCP: "_25._tcp.NAME", "*._tcp.NAME"
 * or "*.NAME".  False for another port's, and for one that stands alone.
 */
bool tlsa_entry_name(const struct tlsa_entry *, long port, struct name *out);

/** Whether a client that goes by the record takes the chain (RFC 7671 section 5). */
bool tlsa_entry_matches(const struct tlsa_entry *, const struct store_chain *);

#endif
