/* SPDX-License-Identifier: ISC */
/*
 * hook_log.c: the corridor's log messages, one line for each kind of event; a line that nobody
 * wants costs a comparison.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "hook_log.h"

bool
hook_address(const struct sockaddr_storage *address, char *text, socklen_t size)
{
	if (address->ss_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, size) != NULL;
	if (address->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(in6))
			return inet_ntop(AF_INET, &in6->s6_addr[12], text, size) != NULL;
		return inet_ntop(AF_INET6, in6, text, size) != NULL;
	}
	return false;
}

/* Address and port of one end of a connection, "[2001:db8::1]:25". */
static void
add_end(struct log_line *line, const char *key, const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN], both[INET6_ADDRSTRLEN + 16];
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	if (!hook_address(address, text, sizeof(text)))
		return;
	/* The port is at the same offset in both. */
	snprintf(both, sizeof(both), strchr(text, ':') == NULL ? "%s:%u" : "[%s]:%u", text,
	    (unsigned)ntohs(in6->sin6_port));
	log_word(line, key, both);
}

void
hook_log_ends(void *ssl, struct log_line *line)
{
	struct sockaddr_storage local = {0};
	socklen_t length = sizeof(local);
	int saved = errno, fd = SSL_get_rfd(ssl);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&local, &length) != 0)
		local.ss_family = AF_UNSPEC;
	hook_log_ends_at(ssl, &local, line);
	errno = saved;
}

void
hook_log_ends_at(SSL *ssl, const struct sockaddr_storage *local, struct log_line *line)
{
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof(peer);
	int saved = errno, fd = SSL_get_rfd(ssl);

	add_end(line, "local", local);
	if (fd >= 0 && getpeername(fd, (struct sockaddr *)&peer, &length) == 0)
		add_end(line, "peer", &peer);
	errno = saved;
}

static void
add_name(struct log_line *line, const struct hook_peer *peer)
{
	log_word(line, "name", peer->server_name == NULL ? "" : peer->server_name);
}

static void
add_ends(struct log_line *line, const struct hook_peer *peer)
{
	if (peer->ends != NULL)
		peer->ends(peer->arg, line);
}

/* What is served: its key in the store, and the leaves (the tool's names for chains), each with its
 * key type. */
static void
add_chains(struct log_line *line, const struct name *key, const struct hook_pick *pick)
{
	char chains[STORE_CHAINS_MOST * (CHAIN_LABEL_SIZE + 1)] = "", types[STORE_CHAINS_MOST * 17] = "";
	char text[NAME_TEXT_SIZE];
	size_t used = 0, type_used = 0;

	log_word(line, "bound", name_word(key, text));
	for (size_t i = 0; i < pick->count; i++) {
		used += (size_t)snprintf(chains + used, sizeof(chains) - used, "%s%s", i == 0 ? "" : ",",
		    chain_label(pick->chains[i]));
		type_used += (size_t)snprintf(types + type_used, sizeof(types) - type_used, "%s%s",
		    i == 0 ? "" : ",", chain_key_type(pick->chains[i]));
	}
	log_word(line, "chain", chains);
	log_word(line, "key", types);
}

/* When the first of the chains expires. */
static int64_t
not_after(const struct hook_pick *pick)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < pick->count; i++)
		if (chain_not_after(pick->chains[i]) < first)
			first = chain_not_after(pick->chains[i]);
	return first;
}

void
hook_log_rejected(const struct hook *hook, const struct hook_peer *peer, const struct name *key,
    const struct hook_pick *pick, const char *why)
{
	char text[NAME_TEXT_SIZE];
	struct log_line line;

	if (!log_begin(&line, hook->log, LOG_EVENT_REJECTED))
		return;
	add_name(&line, peer);
	add_chains(&line, key, pick);
	add_ends(&line, peer);
	log_sentence(&line, "chains of %s skipped: %s", name_describe(key, text), why);
	log_end(&line);
}

void
hook_log_expired(const struct hook *hook, const struct hook_peer *peer, const struct name *key,
    const struct hook_pick *pick)
{
	char text[NAME_TEXT_SIZE];
	struct log_line line;

	if (!log_begin(&line, hook->log, LOG_EVENT_EXPIRED))
		return;
	add_name(&line, peer);
	add_chains(&line, key, pick);
	log_time(&line, "not_after", not_after(pick));
	add_ends(&line, peer);
	log_sentence(&line, "%s is served with an expired certificate: renew it", name_describe(key, text));
	log_end(&line);
}

void
hook_log_left_out(const struct hook *hook, const struct hook_peer *peer, const struct name *key, const char *why)
{
	char text[NAME_TEXT_SIZE];
	struct log_line line;

	if (!log_begin(&line, hook->log, LOG_EVENT_REJECTED))
		return;
	add_name(&line, peer);
	log_word(&line, "bound", name_word(key, text));
	add_ends(&line, peer);
	log_sentence(&line, "one of several chains of %s skipped: %s", name_describe(key, text), why);
	log_end(&line);
}

void
hook_log_unusable(const struct hook *hook, const struct hook_peer *peer, const struct name *key)
{
	char text[NAME_TEXT_SIZE];
	struct log_line line;

	if (!log_begin(&line, hook->log, LOG_EVENT_UNUSABLE))
		return;
	add_name(&line, peer);
	log_word(&line, "bound", name_word(key, text));
	add_ends(&line, peer);
	log_sentence(&line, "%s: this client can use none of its chains%s", name_describe(key, text),
	    hook->policy.key_types == 0 ? "" : " of the key types that its context may serve");
	log_end(&line);
}

void
hook_log_choice(const struct hook *hook, const struct hook_peer *peer, enum hook_candidate what,
    const struct name *key, const struct hook_pick *pick, const char *why)
{
	static const char *const outcomes[] = { [HOOK_EXACT] = "exact", [HOOK_WILDCARD] = "wildcard",
		[HOOK_ADDRESS] = "address", [HOOK_PROGRAM] = "program", [HOOK_GLOBAL] = "global",
		[HOOK_CANDIDATES] = "own" };
	bool missing = peer->server_name != NULL && what >= HOOK_ADDRESS;
	struct log_line line;

	if (!log_begin(&line, hook->log, missing ? LOG_EVENT_FALLBACK : LOG_EVENT_SERVED))
		return;
	add_name(&line, peer);
	log_word(&line, "outcome", outcomes[what]);
	if (key != NULL && pick != NULL)
		add_chains(&line, key, pick);
	if (missing)
		log_word(&line, "why", why);
	add_ends(&line, peer);
	log_end(&line);
}

void
hook_log_refused(const struct hook *hook, const struct hook_peer *peer)
{
	struct log_line line;

	if (!log_begin(&line, hook->log, LOG_EVENT_REFUSED))
		return;
	add_name(&line, peer);
	add_ends(&line, peer);
	log_end(&line);
}
