/* SPDX-License-Identifier: ISC */
/* schema.h: the fleet's tables and roles in PostgreSQL. */
#ifndef SNICERT_FLEET_SCHEMA_H
#define SNICERT_FLEET_SCHEMA_H

#define SCHEMA_VERSION 1        /* of the tables */

/**
 * SQL that makes them, for one who may create roles and schemas in the database.  Does nothing to those
 * that are there.
 */
extern const char schema_sql[];

#endif
