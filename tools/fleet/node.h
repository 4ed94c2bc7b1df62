/* SPDX-License-Identifier: ISC */
/* node.h: what each node says of itself. */
#ifndef SNICERT_NODE_H
#define SNICERT_NODE_H

#include "fleet/fleet.h"

/** A node that was not seen for so long (seconds) is no longer waited for. */
#define NODE_LATELY 86400

/** A node.  Lent to a callback. */
struct node {
	const char *name, *release;
	int64_t schema, epoch, seq;
	int64_t unseen;                 /* seconds */
	const char *keys;               /* ids of its store keys, separated by commas; it seals under the last */
	const char *trouble;            /* "": none */
	int64_t handshakes, by_name, unknown;   /* as its servers counted; -1: not known */
};

typedef int node_fn(void *arg, const struct node *);

/** Say where this node's store stands; `trouble` "" if all is well. */
int node_say(struct fleet *, const struct admin_position *, const char *trouble, struct snicert_error *err);

/**
 * Whether another run of `snicert follow` has spoken for this node since ours (`token`) did: 1, with *err
 * set; 0, or -1.  Then it is ours that does.
 */
int node_is_doubled(struct fleet *, const char *token, bool has_spoken, struct snicert_error *err);

/** The error where another machine has this node's name; returns -1. */
int node_taken(const struct fleet *, struct snicert_error *err);

/** All nodes, by name. */
int node_each(struct fleet *, node_fn *, void *arg, struct snicert_error *err);

/** Names of nodes that were seen lately and don't know this schema: 1, or 0 if there are none. */
int node_older(struct fleet *, int64_t schema, char *names, size_t size, struct snicert_error *err);

/** Strike a node off; *found: it was there. */
int node_forget(struct fleet *, const char *name, bool *found, struct snicert_error *err);

/**
 * Wait until all nodes that were seen lately serve change `seq`, at most `timeout` milliseconds.  1: some
 * don't, and *err names them.
 */
int node_wait(struct fleet *, int64_t seq, int64_t timeout, struct snicert_error *err);

/** --wait-fleet[=SECONDS] of a command: the same for the head of the history. */
struct node_wish {
	bool wanted;
	int64_t seconds;
};
#define NODE_WISH_SECONDS 60
#define NODE_WISH_HELP "  --wait-fleet[=SECONDS]  in a fleet: wait until all nodes serve it (60); exit 1 if some don't\n"
int node_wish_parse(struct node_wish *, const char *text, struct snicert_error *err);
/** 0 if it holds, or nobody wishes it; 1 if not, and -1, with *err set. */
int node_wish_wait(const struct node_wish *, const struct tool *, struct snicert_error *err);

#endif
