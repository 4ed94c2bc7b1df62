/* SPDX-License-Identifier: ISC */
/*
 * follow.c: the service.  A notification is only a bell: what counts is what the database has.  It looks every
 * second until the bell has told it of some changes in a row, and where none rings (a standby, a pooler) it goes
 * on so.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "fleet/asked.h"
#include "fleet/catch_up.h"
#include "fleet/change.h"
#include "fleet/follow.h"
#include "fleet/node.h"
#include "fleet/snapshot.h"
#include "show/say.h"
#include "store/following.h"
#include "store/open.h"
#include "watch/announce.h"

/* Milliseconds. */
#define LOOKS 1000              /* where no bell rings; else as often as it says where it is: */
#define SAYS 10000              /* to the table of nodes */
#define RETRY_LEAST 1000
#define RETRY_MOST 30000
#define TENDS 600000            /* to snapshots */
#define COUNTS 60000            /* what its servers count */
#define HEARD_ENOUGH 3

struct follower {
	const struct tool *tool;
	const volatile sig_atomic_t *stop;
	struct fleet fleet;
	bool is_connected;
	bool is_standby;                /* nothing can be said there */
	bool rang;                      /* since the last look */
	int heard;                      /* looks in a row that found what the bell had told of */
	struct admin_position position;
	int64_t looked, said, tended, counted;  /* when, by clock_ms(); 0: not yet */
	int64_t counted_at;             /* the same, Unix time */
	char token[ADMIN_ID_LENGTH + 1];/* of this run */
	bool has_spoken;
	char trouble[512];              /* the last that was said; "": none */
	int64_t retry;                  /* how long to wait after the next failure */
	struct following state;         /* for those who ask */
};

/* Once for each: it may stay for days. */
static void
tell_trouble(struct follower *f, const struct snicert_error *err)
{
	if (strcmp(f->trouble, err->text) == 0)
		return;
	snprintf(f->trouble, sizeof(f->trouble), "%s", err->text);
	say("%s; serving goes on, and this is tried again", err->text);
}

static void
tell_end_of_trouble(struct follower *f)
{
	if (f->trouble[0] != '\0')
		say("all is well again: at change %lld", (long long)f->position.seq);
	f->trouble[0] = '\0';
	f->retry = RETRY_LEAST;
}

static void
disconnect(struct follower *f)
{
	fleet_close(&f->fleet);
	f->is_connected = false;
}

static int
take_flag(void *arg, const struct database_row *row)
{
	*(bool *)arg = database_int(row, 0) != 0;
	return 0;
}

static int
connect_again(struct follower *f, struct snicert_error *err)
{
	if (f->is_connected)
		return 0;
	if (fleet_open(&f->fleet, f->tool, DATABASE_READS, err) != 0) {
		disconnect(f);
		return -1;
	}
	f->is_connected = true;
	f->looked = f->said = f->counted = f->counted_at = 0;
	if (database_run(f->fleet.database, take_flag, &f->is_standby, err, "SELECT pg_is_in_recovery()", "") != 0)
		return -1;
	/* A standby refuses; a pooler takes it and never rings. */
	database_execute(f->fleet.database, "LISTEN " CHANGE_BELL, NULL);
	f->heard = 0;
	return 0;
}

static void
tell_done(const struct follower *f, const struct catch_up_done *done)
{
	if (done->copy[0] != '\0')
		say("this store was not of the fleet's history (%s): it starts from snapshot %lld, and what it was is in %s", done->why,
		    (long long)done->snapshot, done->copy);
	else if (done->snapshot >= 0)
		say("took snapshot %lld", (long long)done->snapshot);
	if (!f->tool->quiet && (done->changes > 0 || done->snapshot >= 0))
		say("at change %lld: %lld applied", (long long)f->position.seq, (long long)done->changes);
}

/* What was there before the first look rings for nobody. */
static void
judge_bell(struct follower *f, bool found_more)
{
	if (!found_more || f->looked == 0)
		return;
	if (!f->rang && !database_has_rung(f->fleet.database))
		f->heard = 0;
	else if (f->heard < HEARD_ENOUGH)
		f->heard++;
}

/* The store is opened only where the head is not where it was. */
static int
look(struct follower *f, struct snicert_error *err)
{
	const struct fleet_head *head = &f->fleet.head;
	struct catch_up_done done;
	struct admin *admin = NULL;
	bool found_more;
	int status;

	if (fleet_head(&f->fleet, err) != 0)
		return -1;
	if (f->position.is_member && head->seq == f->position.seq && head->epoch == f->position.epoch &&
	    memcmp(head->history, f->position.history, sizeof(head->history)) == 0)
		return 0;
	if (open_store(f->tool, ADMIN_WRITE, &admin, err) != 0)
		return -1;
	status = catch_up(&f->fleet, admin, &f->position, &done, err);
	admin_close(admin);
	found_more = done.changes > 0;
	judge_bell(f, found_more);
	tell_done(f, &done);
	if (found_more || done.snapshot >= 0)
		f->said = 0;
	return status;
}

/* A key may have been added. */
static int
open_key_again(struct follower *f, struct snicert_error *err)
{
	struct seal *seal = NULL;

	if (open_key(f->tool, &seal, err) != 0)
		return -1;
	seal_free(f->fleet.seal);
	f->fleet.seal = seal;
	return 0;
}

static void
leave_state(struct follower *f)
{
	following_write(f->tool->config->store_path, &f->state);
}

static int
tell_counts(struct follower *f, struct fleet *to, struct snicert_error *err)
{
	int64_t now = (int64_t)time(NULL);

	if (f->counted != 0 && clock_ms() - f->counted < COUNTS)
		return 0;
	/* Each name once more than it must: clocks are of seconds. */
	if (asked_tell(to, f->counted_at - 2, err) != 0)
		return -1;
	f->counted = clock_ms();
	f->counted_at = now;
	return 0;
}

static int
tell_to(struct follower *f, struct fleet *to, const char *trouble, struct snicert_error *err)
{
	int doubled;

	if (node_say(to, &f->position, trouble, err) != 0)
		return -1;
	doubled = node_is_doubled(to, f->token, f->has_spoken, err);
	f->has_spoken = true;
	return doubled == 0 ? tell_counts(f, to, err) : -1;
}

static int
tell(struct follower *f, const char *trouble, struct snicert_error *err)
{
	return tell_to(f, &f->fleet, trouble, err);
}

/* Who follows a standby goes on following it while there is no primary. */
static int
tell_primary(struct follower *f, const char *trouble, struct snicert_error *err)
{
	struct fleet primary;
	int status = 0;

	if (fleet_open(&primary, f->tool, DATABASE_WRITES, NULL) == 0)
		status = tell_to(f, &primary, trouble, err);
	fleet_close(&primary);
	return status;
}

static int
take_place(struct follower *f, struct snicert_error *err)
{
	struct admin *admin = NULL;
	int status = open_store(f->tool, ADMIN_WRITE, &admin, err);

	if (status == 0)
		status = admin_position(admin, &f->position, err);
	admin_close(admin);
	if (status != 0)
		return -1;
	return f->position.is_member ? 0 : error_set(err, SNICERT_ESTORE, "store %s is of no fleet: `snicert fleet join` makes it "
	    "one of it", f->tool->config->store_path);
}

static int
say_position(struct follower *f, const char *trouble, struct snicert_error *err)
{
	if (!f->position.is_member || (f->said != 0 && clock_ms() - f->said < SAYS && trouble[0] == '\0'))
		return 0;
	/* Somebody may have taken it out of the fleet. */
	if (trouble[0] == '\0' && take_place(f, err) != 0)
		return -1;
	if (open_key_again(f, err) != 0 || (f->is_standby ? tell_primary : tell)(f, trouble, err) != 0)
		return -1;
	f->said = clock_ms();
	return 0;
}

/* A role that may only follow leaves it to others; what can't be done now is done the next time. */
static void
tend(struct follower *f)
{
	struct history_snapshot snapshot;
	struct snicert_error why = {0};
	struct admin *admin = NULL;

	if (f->tended != 0 && clock_ms() - f->tended < TENDS)
		return;
	f->tended = clock_ms();
	if (!snapshot_is_due(&f->fleet, &why) || open_store(f->tool, ADMIN_READ, &admin, &why) != 0)
		return;
	if (snapshot_make(&f->fleet, admin, SNAPSHOT_UNLESS_ANOTHER, &snapshot, &why) == 0 &&
	    snapshot_drop_old(&f->fleet, &why) == 0 && !f->tool->quiet)
		say("put a snapshot of change %lld into the database", (long long)snapshot.seq);
	else if (why.code != SNICERT_OK && database_trouble(f->fleet.database) != DATABASE_FORBIDDEN)
		say("no snapshot was made: %s", why.text);
	admin_close(admin);
}

/* One round: everything is where it should be, or *err says what isn't. */
static int
round_of(struct follower *f, struct snicert_error *err)
{
	if (connect_again(f, err) != 0)
		return -1;
	f->rang = database_rang(f->fleet.database) || f->rang;
	if (look(f, err) != 0 || say_position(f, "", err) != 0)
		return -1;
	f->looked = clock_ms();
	f->rang = false;
	f->state = (struct following){ .at = (int64_t)time(NULL), .head = f->fleet.head.seq };
	leave_state(f);
	tend(f);
	return 0;
}

/* Until the bell rings, or it is time. */
static void
wait_for_more(const struct follower *f, int64_t milliseconds)
{
	struct pollfd events = { .fd = f->is_connected ? database_socket(f->fleet.database) : -1, .events = POLLIN };
	int64_t until = clock_ms() + milliseconds, left;

	/* One that came with an answer is not in the socket any more. */
	if (f->is_connected && database_has_rung(f->fleet.database))
		return;
	while (!*f->stop && (left = until - clock_ms()) > 0) {
		/* A signal may come between the look at its flag and the wait. */
		int got = poll(&events, 1, left < 1000 ? (int)left : 1000);

		if (got > 0 || (got < 0 && errno != EINTR))
			return;
	}
}

static int64_t
next_look(const struct follower *f)
{
	return f->heard == HEARD_ENOUGH ? SAYS : LOOKS;
}

static void
on_failure(struct follower *f, const struct snicert_error *err)
{
	struct snicert_error unsaid = {0};

	tell_trouble(f, err);
	snprintf(f->state.trouble, sizeof(f->state.trouble), "%s", err->text);
	if (f->is_connected && f->fleet.head.seq > f->state.head)
		f->state.head = f->fleet.head.seq;
	leave_state(f);
	/* So that `snicert fleet` shows it. */
	if (f->is_connected && say_position(f, err->text, &unsaid) != 0)
		disconnect(f);
	if (f->is_connected && database_trouble(f->fleet.database) == DATABASE_LOST)
		disconnect(f);
	wait_for_more(f, f->retry);
	f->retry = f->retry * 2 < RETRY_MOST ? f->retry * 2 : RETRY_MOST;
}

int
fleet_follow(const struct tool *tool, const volatile sig_atomic_t *stop, struct snicert_error *err)
{
	struct follower f = { .tool = tool, .stop = stop, .retry = RETRY_LEAST };

	if (take_place(&f, err) != 0 || history_new_id(f.token, err) != 0)
		return -1;
	following_read(tool->config->store_path, &f.state);
	announce("READY=1");
	if (!tool->quiet)
		say("following from change %lld", (long long)f.position.seq);
	while (!*stop) {
		struct snicert_error why = {0};

		announce("WATCHDOG=1");
		if (round_of(&f, &why) == 0) {
			tell_end_of_trouble(&f);
			wait_for_more(&f, next_look(&f));
		} else {
			on_failure(&f, &why);
		}
	}
	announce("STOPPING=1");
	disconnect(&f);
	return 0;
}
