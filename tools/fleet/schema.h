/* SPDX-License-Identifier: ISC */
/* schema.h: the fleet's tables and roles in PostgreSQL. */
#ifndef SNICERT_FLEET_SCHEMA_H
#define SNICERT_FLEET_SCHEMA_H

#define SCHEMA_VERSION 1        /* of the tables */

/**
 * SQL that makes them, or brings those that are there to this version, for one who may create roles and schemas
 * in the database.  It may be run again.
 */
extern const char schema_sql[];

#endif
