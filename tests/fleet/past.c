/* SPDX-License-Identifier: ISC */
/*
 * past: a history of many changes, made fast, as of nodes that work for a week.
 *
 *   past CONF CHANGES      each a renewal: another chain, bound to one of a thousand names
 *   past CONF 1 KIND       only that change is made, of a kind that this release may not know
 *
 * What is in a change is what a command would have put there; only that nobody waits for disks and clocks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "fleet/change.h"
#include "fleet/fleet.h"
#include "store/admin_sql.h"

#define NAMES 1000
#define AT_ONCE 1000    /* changes in one transaction of PostgreSQL's */

static struct snicert_error err;

static void
good(int status)
{
	if (status == 0)
		return;
	fprintf(stderr, "past: %s\n", err.text);
	exit(1);
}

/* As large as one of P-256; what is in it nobody could decode. */
static int64_t
add_chain(struct admin *admin, const char *name)
{
	static unsigned char leaf[700], sealed[175], issuer[900];
	struct admin_new_chain row = { .key_type = "EC", .not_before = time(NULL), .not_after = time(NULL) + 90 * 86400,
		.lifetime = 90 * 86400, .names = name, .subject = name, .source = "past", .sealed_key = sealed,
		.sealed_length = sizeof(sealed), .cert_count = 2 };
	bool existed;
	int64_t id;

	RAND_bytes(row.identity, sizeof(row.identity));
	RAND_bytes(row.spki, sizeof(row.spki));
	RAND_bytes(row.certs[0].digest, sizeof(row.certs[0].digest));
	RAND_bytes(leaf, sizeof(leaf));
	RAND_bytes(sealed, sizeof(sealed));
	row.certs[0].der = leaf;
	row.certs[0].length = sizeof(leaf);
	row.certs[1].digest[0] = 0xca;
	row.certs[1].der = issuer;
	row.certs[1].length = sizeof(issuer);
	row.certs[1].issuer = true;
	row.certs[1].subject_hash = 0xca;
	good(admin_add(admin, &row, &id, &existed, &err));
	return id;
}

struct octets {
	unsigned char *at;
	size_t length, size;
};

static int
keep(void *arg, const void *octets, size_t length)
{
	struct octets *out = arg;

	while (out->length + length > out->size) {
		out->size = out->size == 0 ? 65536 : 2 * out->size;
		out->at = realloc(out->at, out->size);
	}
	memcpy(out->at + out->length, octets, length);
	out->length += length;
	return 0;
}

static void
of_kind(struct fleet *fleet, enum history_kind kind)
{
	struct history_change change = change_next(fleet, kind, 0);

	history_digest_end(history_digest_new(), change.digest);
	good(change_add(fleet, &change, &err));
}

static void
one(struct fleet *fleet, struct admin *admin, struct admin_position *position, int number, struct octets *octets)
{
	struct history_change change = change_next(fleet, HISTORY_ROWS, admin_schema(admin));
	struct history_digest *digest = history_digest_new();
	char name[32];
	bool empty;
	int64_t id;

	snprintf(name, sizeof(name), "host%d.example", number % NAMES);
	octets->length = 0;
	good(admin_begin_here(admin, &err));
	good(admin_record_begin(admin, &err));
	id = add_chain(admin, name);
	good(admin_bind(admin, name, id, &err));
	good(admin_log(admin, "renew", name, id, NULL, &err));
	good(admin_prune(admin, &err));
	good(admin_changes_so_far(admin, keep, octets, &empty, &err));
	admin_record_end(admin);
	history_digest_add(digest, octets->at, octets->length);
	history_digest_end(digest, change.digest);
	change.size = (int64_t)octets->length;
	good(database_run(fleet->database, NULL, NULL, &err,
	    "INSERT INTO snicert.change_part (seq, part, octets) VALUES ($1, 0, $2)", "ib", change.seq, octets->at,
	    octets->length));
	good(change_add(fleet, &change, &err));
	position->seq = fleet->head.seq = change.seq;
	memcpy(position->history, change.mac, sizeof(change.mac));
	memcpy(fleet->head.history, change.mac, sizeof(change.mac));
	good(admin_set_position(admin, position, &err));
	good(admin_execute(admin, "COMMIT", &err));
}

int
main(int argc, char **argv)
{
	struct tool tool = { .wait = 30, .quiet = true };
	struct admin_position position;
	struct octets octets = {0};
	struct admin *admin = NULL;
	struct fleet fleet;
	int count = argc >= 3 ? atoi(argv[2]) : 0;

	if (count <= 0)
		return 2;
	good(config_read(&tool.config, argv[1], CONFIG_STRICT, &err));
	good(admin_open(&admin, tool.config->store_path, ADMIN_WRITE, &err));
	good(admin_execute(admin, "PRAGMA synchronous = OFF", &err));
	good(admin_position(admin, &position, &err));
	good(fleet_open(&fleet, &tool, DATABASE_WRITES, &err));
	for (int i = 0; i < count; i++) {
		if (i % AT_ONCE == 0)
			good(fleet_hold_head(&fleet, &err));
		if (argc > 3)
			of_kind(&fleet, (enum history_kind)atoi(argv[3]));
		else
			one(&fleet, admin, &position, i, &octets);
		if (i % AT_ONCE == AT_ONCE - 1 || i == count - 1)
			good(database_execute(fleet.database, "COMMIT", &err));
	}
	fleet_close(&fleet);
	admin_close(admin);
	config_free(tool.config);
	free(octets.at);
	return 0;
}
