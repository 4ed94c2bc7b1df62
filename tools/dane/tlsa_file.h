/* SPDX-License-Identifier: ISC */
/*
 * tlsa_file.h: reads published TLSA records: a zone file, the answer of dig, kdig, drill, host or
 * unbound-host, commands for nsupdate, or `snicert tlsa`.
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
	char *owner;            /* lower case, no final dot; "" if the record has none */
	struct tlsa tlsa;       /* of a record */
	char *target;           /* of an alias */
	const char *doubt;      /* the resolver's objection: "insecure", "BOGUS"; NULL: none */
	char *where;            /* "FILE:LINE" */
};

/** All zero is an empty one. */
struct tlsa_file {
	struct tlsa_entry *list;
	size_t count;
	size_t records;         /* how many of them are TLSA records */
	char **owners;          /* of records of any type */
	size_t owner_count;
};

/** Read the TLSA records and aliases in a file ("-": standard input); skips other records. */
int tlsa_file_read(const char *path, struct tlsa_file *out, struct snicert_error *err);
void tlsa_file_free(struct tlsa_file *);

/**
 * The name that a record is for, at a TCP port: "_25._tcp.NAME", "*._tcp.NAME" or "*.NAME".  False
 * for another port's, and for a record without an owner.
 */
bool tlsa_entry_name(const struct tlsa_entry *, long port, struct name *out);

/** Whether a client that uses the record accepts the chain (RFC 7671 section 5), names, dates aside. */
bool tlsa_entry_matches(const struct tlsa_entry *, const struct store_chain *);

/** Why SMTP clients ignore a record; NULL: they don't. */
const char *tlsa_entry_useless(const struct tlsa_entry *);

/** What a client finds when it asks for a host's records. */
struct tlsa_found {
	const struct tlsa_entry **list; /* in the file */
	size_t count;
	char *owner;                    /* where the aliases end: the place of the records */
	const char *doubt;              /* on an alias on the way */
};

/**
 * The records of a host at a TCP port.  Follows aliases, those of the record's owner and, if that
 * has no records, those of the host itself (RFC 7672 section 2.2.2); wildcards as in RFC 4592, as
 * far as the file shows which names exist; records without owner are for any host without others.
 */
int tlsa_find(const struct tlsa_file *, const struct name *host, long port, struct tlsa_found *out,
    struct snicert_error *err);
void tlsa_found_clear(struct tlsa_found *);

#endif
