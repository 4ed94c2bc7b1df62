/* SPDX-License-Identifier: ISC */
/* hook_choice.h: which chains a client gets, and whether it gets any. */
#ifndef SNICERT_HOOK_CHOICE_H
#define SNICERT_HOOK_CHOICE_H

#include <sys/socket.h>

#include "hook.h"

/** The chains of one answer that a client gets. */
struct hook_pick {
	size_t count;
	bool expired;                   /* one or more of them */
	struct chain *chains[STORE_CHAINS_MOST];
};

/** The result; holds a reference to each chain. */
struct hook_outcome {
	bool is_chosen;                 /* a choice was made */
	bool expired;
	enum hook_candidate what;       /* HOOK_CANDIDATES: the host's own */
	struct name key;                /* of what is served, unless it is the host's own */
	size_t count;
	struct chain *chains[STORE_CHAINS_MOST];
	size_t tried;                   /* candidates, each with its verdict */
	enum hook_verdict verdicts[HOOK_CANDIDATES];
};
void hook_outcome_clear(struct hook_outcome *);

/** For whom to choose a chain, and what to do with it.  `arg` is for the functions. */
struct hook_peer {
	void *arg;
	const char *server_name;        /* as it was sent; NULL: none */
	struct hook_outcome *outcome;   /* cleared, left for the caller; may be NULL */
	bool again;                     /* served before: counted and logged already */
	bool begun;                     /* asked before: time is running */
	bool (*address)(void *arg, char *text, socklen_t size);         /* the local one */
	void (*ends)(void *arg, struct log_line *);     /* adds local and peer, if known; may be NULL */
	bool (*usable)(void *arg, const struct chain *);        /* NULL: its abilities are unknown */
	bool (*has_own)(void *arg);     /* whether the host has its own certificates for it; NULL: unknown */
	/* Present them.  0 if any was used, with *err set if one was not; or -1. */
	int (*install)(void *arg, struct chain *const *chains, size_t count, struct snicert_error *err);
};

/**
 * Install the first usable candidate.  The callbacks of hook.h end here, and so do hosts whose
 * handshakes OpenSSL does not do.  Returns whether there was one; if not, the host's own stays.
 */
bool hook_serve(struct hook *hook, const struct hook_peer *peer);

/** Whether there is one; installs, counts and logs nothing. */
bool hook_answers(struct hook *hook, const struct hook_peer *peer);

/**
 * What any client would get, left in peer->outcome; installs, counts and logs nothing.  Returns
 * false if the store can't be asked for the name.
 */
bool hook_look(struct hook *hook, const struct hook_peer *peer, bool *is_refused);

/** Report the candidates behind an outcome that such a peer got. */
void hook_choice_retrace(struct hook *hook, const struct hook_peer *peer, const struct hook_outcome *,
    hook_tell_fn *tell, void *arg);

/** Whether the configuration lets this program refuse clients. */
bool hook_may_refuse(const struct hook *hook);

/** Whether this program refuses such a client because its name is unknown; counts and logs it. */
bool hook_refuses(struct hook *hook, const struct hook_peer *peer);

#endif
