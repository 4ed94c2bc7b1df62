/* SPDX-License-Identifier: ISC */
/* hook_choice.h: which chains a client gets, and whether there are any for it. */
#ifndef SNICERT_HOOK_CHOICE_H
#define SNICERT_HOOK_CHOICE_H

#include <sys/socket.h>

#include "hook.h"

/** Chains of one answer that a client is given. */
struct hook_pick {
	size_t count;
	bool expired;                   /* one or more of them */
	struct chain *chains[STORE_CHAINS_MOST];
};

/** What came of it; holds a reference to each chain. */
struct hook_outcome {
	bool is_chosen;                 /* there was a choice */
	bool expired;
	enum hook_candidate what;       /* HOOK_CANDIDATES: the host's own */
	struct name key;                /* of what is served, if it is not the host's own */
	size_t count;
	struct chain *chains[STORE_CHAINS_MOST];
	size_t tried;                   /* of the candidates, each with its verdict */
	enum hook_verdict verdicts[HOOK_CANDIDATES];
};
void hook_outcome_clear(struct hook_outcome *);

/** Whom a chain is chosen for, and what is done with it.  `arg` goes to the functions. */
struct hook_peer {
	void *arg;
	const char *server_name;        /* as it was sent; NULL: none */
	struct hook_outcome *outcome;   /* cleared, and left for the caller; may be NULL */
	bool again;                     /* served before: counted and logged already */
	bool begun;                     /* asked before: the time is running */
	bool (*address)(void *arg, char *text, socklen_t size);         /* the local one */
	void (*ends)(void *arg, struct log_line *);     /* adds local and peer, if known; may be NULL */
	bool (*usable)(void *arg, const struct chain *);        /* NULL: what it can use is not known */
	bool (*has_own)(void *arg);     /* whether the host has certificates of its own for it; NULL: not known */
	/* Present them.  0 if any was taken, with *err set if one was not; or -1. */
	int (*install)(void *arg, struct chain *const *chains, size_t count, struct snicert_error *err);
};

/**
 * Install the first usable candidate.  The callbacks of hook.h end here, and so do
 * hosts whose handshakes OpenSSL does not do.  Returns whether there was one;
 * if not, the own certificate stays.
 */
bool hook_serve(struct hook *hook, const struct hook_peer *peer);

/** Whether there is one; nothing is installed, counted or logged. */
bool hook_answers(struct hook *hook, const struct hook_peer *peer);

/**
 * What would be served to any client, left in peer->outcome; nothing is installed, counted or logged.
 * Returns false where the store can't be asked for the name.
 */
bool hook_look(struct hook *hook, const struct hook_peer *peer, bool *is_refused);

/** Tell the candidates behind an outcome that was left for such a peer. */
void hook_choice_retrace(struct hook *hook, const struct hook_peer *peer, const struct hook_outcome *,
    hook_tell_fn *tell, void *arg);

/** Whether this program turns clients away, as the configuration has it. */
bool hook_may_refuse(const struct hook *hook);

/** Whether this program turns such a client away, whose name nobody knows; counted and logged if so. */
bool hook_refuses(struct hook *hook, const struct hook_peer *peer);

#endif
