/* SPDX-License-Identifier: ISC */
/*
 * fleet.h: a program's part in the fleet: its connection, the store key, and the head of the history.
 * snicert-fleet(7) has the idea; tools/fleet/ is the only room that knows PostgreSQL.
 */
#ifndef SNICERT_FLEET_H
#define SNICERT_FLEET_H

#include "fleet/database.h"
#include "fleet/history.h"
#include "tool.h"

struct fleet {
	const struct tool *tool;
	const char *node;               /* this machine's name in it */
	char host_name[64];
	struct seal *seal;
	struct database *database;
	/* As fleet_head has read it. */
	char id[ADMIN_ID_LENGTH + 1];
	struct fleet_head {
		int64_t epoch, seq;
		unsigned char history[ADMIN_MAC_LENGTH];
	} head;
};

/** Whether the configuration names a fleet. */
bool fleet_is_configured(const struct tool *);

/** Read the store key and connect.  -1 with *err set; fleet_close what is left. */
int fleet_open(struct fleet *, const struct tool *, enum database_use, struct snicert_error *err);
void fleet_close(struct fleet *);

/** Read the fleet's id and the head of its history. */
int fleet_head(struct fleet *, struct snicert_error *err);

/** The same, and hold it in a transaction until that ends: nobody else can write.  Waits as long as --wait says. */
int fleet_hold_head(struct fleet *, struct snicert_error *err);

/** Whether a store is of this fleet, as fleet_head has read it: 0, or -1 with *err set. */
int fleet_check_member(const struct fleet *, const struct admin_position *, struct snicert_error *err);

#endif
