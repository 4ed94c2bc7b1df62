/* SPDX-License-Identifier: ISC */
/*
 * tlsa_file.h: reading TLSA records that are published: a zone file, the answer
 * of dig, kdig, drill, host or unbound-host, commands for nsupdate, or `snicert tlsa`.
 */
#ifndef SNICERT_TLSA_FILE_H
#define SNICERT_TLSA_FILE_H

#include "dane/tlsa.h"
#include "name.h"
#include "snicert.h"

enum tlsa_entry_type {
	TLSA_ENTRY_RECORD,
	TLSA_ENTRY_ALIAS,               /* CNAME */
	TLSA_ENTRY_ALIAS_BELOW          /* DNAME */
};

struct tlsa_entry {
	enum tlsa_entry_type type;
	char *owner;            /* lower case, no dot at the end; "" where the record stands alone */
	struct tlsa tlsa;       /* of a record */
	char *target;           /* of an alias */
	const char *doubt;      /* what the resolver said against it: "insecure", "BOGUS"; NULL: nothing */
	char *where;            /* "FILE:LINE" */
};

/** All zero is an empty one. */
struct tlsa_file {
	struct tlsa_entry *list;
	size_t count;
	size_t records;         /* of them, how many are TLSA records */
	char **owners;          /* of records of whatever type */
	size_t owner_count;
};

/** Read the TLSA records and aliases in a file ("-": the standard input); other records are passed over. */
int tlsa_file_read(const char *path, struct tlsa_file *out, struct snicert_error *err);
void tlsa_file_free(struct tlsa_file *);

/**
 * The name whose record an entry is, at a port of TCP: "_25._tcp.NAME", "*._tcp.NAME"
 * or "*.NAME".  False for another port's, and for one that stands alone.
 */
bool tlsa_entry_name(const struct tlsa_entry *, long port, struct name *out);

/** Whether a client that goes by the record takes the chain (RFC 7671 section 5), names and dates apart. */
bool tlsa_entry_matches(const struct tlsa_entry *, const struct store_chain *);

/** Why SMTP clients don't go by a record at all; NULL: they do. */
const char *tlsa_entry_useless(const struct tlsa_entry *);

/** What a client finds that asks for the records of a host. */
struct tlsa_found {
	const struct tlsa_entry **list; /* of the file */
	size_t count;
	char *owner;                    /* where the aliases end: where the records are, or would be */
	const char *doubt;              /* of an alias on the way */
};

/**
 * The records of a host at a port of TCP.  Aliases are followed, those of the record's owner and, where that
 * has no records, those of the host itself (RFC 7672 section 2.2.2); wildcards as RFC 4592 has them, as far as the
 * file tells which names there are; what stands alone is any host's that has no other.
 */
int tlsa_find(const struct tlsa_file *, const struct name *host, long port, struct tlsa_found *out,
    struct snicert_error *err);
void tlsa_found_clear(struct tlsa_found *);

#endif
