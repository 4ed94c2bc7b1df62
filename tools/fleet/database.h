/* SPDX-License-Identifier: ISC */
/*
 * database.h: the fleet's PostgreSQL.  Only database.c knows libpq.
 *
 * A statement's arguments are $1, $2, … in SQL; `types` lists what follows: i int64_t, t text or NULL,
 * b octets (pointer, size_t; a NULL pointer is NULL).  Answers come in PostgreSQL's binary form, row by
 * row: memory doesn't grow with their number.
 */
#ifndef SNICERT_DATABASE_H
#define SNICERT_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snicert.h"

struct database;
struct database_row;

/** What a connection is for: a standby will do to read. */
enum database_use { DATABASE_READS, DATABASE_WRITES };

/** Why the last statement failed, where it matters to the caller. */
enum database_trouble {
	DATABASE_FINE,
	DATABASE_LOST,          /* the connection: the outcome of a commit is unknown */
	DATABASE_LOCKED,        /* somebody else held what it wanted for too long */
	DATABASE_NO_TABLES,     /* it has no fleet in it */
	DATABASE_FOREIGN,       /* it has tables of those names that are somebody else's */
	DATABASE_FORBIDDEN,     /* this role may not */
	DATABASE_OTHER
};

/** Whether this build can: 0, or -1 with *err set. */
int database_can(struct snicert_error *err);

/**
 * Connect.  `conninfo` is libpq's (its section 34.1.1); `node` names the connection for those who look at
 * the database.  Returns 0 with *out set, or -1 with *err naming host and cause.
 */
int database_open(struct database **out, const char *conninfo, const char *node, enum database_use,
    struct snicert_error *err);
void database_close(struct database *);

/**
 * database_open has failed.  Whether it may do so no more in a moment: no server answers, one starts, or all are
 * standbys; not where a password is wrong or the database isn't there.
 */
bool database_may_come(const char *conninfo, enum database_use);

/** Called for each row; nonzero ends the statement with it. */
typedef int database_row_fn(void *arg, const struct database_row *);

/** Run one statement.  Returns 0, a callback's value, or -1 with *err set. */
int database_run(struct database *, database_row_fn *row, void *arg, struct snicert_error *err, const char *sql,
    const char *types, ...);

/** Statements without arguments and answers, separated by semicolons. */
int database_execute(struct database *, const char *sql, struct snicert_error *err);

enum database_trouble database_trouble(const struct database *);

/** A row's column; NULL is 0, "" and no octets.  Text and octets are the row's. */
int64_t database_int(const struct database_row *, int column);
const char *database_text(const struct database_row *, int column);
const unsigned char *database_octets(const struct database_row *, int column, size_t *length);
bool database_is_null(const struct database_row *, int column);

/** A database_row_fn: the first column into the int64_t that is its argument, which stays where no row is. */
int database_first_int(void *arg, const struct database_row *);

/** A digest in a row, or NULL where it has another length. */
const unsigned char *database_digest(const struct database_row *, int column);

/**
 * The socket, to wait for notifications; whether one has come since database_rang said so, of what was read
 * by now; and that, after reading what there is.
 */
int database_socket(const struct database *);
bool database_has_rung(const struct database *);
bool database_rang(struct database *);

/** "host mx-db.example, port 5432, database snicert": whom we talk to. */
const char *database_describe(const struct database *);

#endif
