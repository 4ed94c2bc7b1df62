/* SPDX-License-Identifier: ISC */
/*
 * status.c: what a host may ask an open module: what was served, what would be, how things are.
 * Nothing here is in a handshake's path.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "chain.h"
#include "error.h"
#include "hook_choice.h"
#include "hook_log.h"
#include "instance.h"
#include "library.h"

static void
describe(const struct hook_outcome *outcome, struct snicert_served *out)
{
	static const enum snicert_outcome outcomes[] = { [HOOK_EXACT] = SNICERT_SERVED_EXACT,
		[HOOK_WILDCARD] = SNICERT_SERVED_WILDCARD, [HOOK_ADDRESS] = SNICERT_SERVED_ADDRESS_FALLBACK,
		[HOOK_PROGRAM] = SNICERT_SERVED_PROGRAM_FALLBACK, [HOOK_GLOBAL] = SNICERT_SERVED_FALLBACK,
		[HOOK_CANDIDATES] = SNICERT_SERVED_OWN };
	_Static_assert(sizeof(out->chains) / sizeof(out->chains[0]) == STORE_CHAINS_MOST, "as many as a name has");

	out->outcome = outcomes[outcome->what];
	out->expired = outcome->expired;
	if (outcome->what != HOOK_CANDIDATES)
		snprintf(out->bound, sizeof(out->bound), "%s", outcome->key.text);
	for (; out->chain_count < outcome->count; out->chain_count++) {
		const struct chain *chain = outcome->chains[out->chain_count];

		snprintf(out->chains[out->chain_count].key_type, sizeof(out->chains[0].key_type), "%s",
		    chain_key_type(chain));
		memcpy(out->chains[out->chain_count].leaf_sha256, chain_digest(chain), sizeof(out->chains[0].leaf_sha256));
		out->chains[out->chain_count].not_after = chain_not_after(chain);
		out->chain_numbers[out->chain_count] = chain_number(chain);
	}
}

static void
hand_over(struct snicert_served *out, struct snicert_served *served)
{
	served->size = out->size < sizeof(*served) ? out->size : sizeof(*served);
	memcpy(out, served, served->size);
}

static void
take_name(struct snicert_served *served, const char *asked)
{
	struct name name;

	if (asked != NULL && name_normalise(&name, asked, strlen(asked)))
		snprintf(served->name, sizeof(served->name), "%s", name.text);
}

int
snicert_read_served(struct snicert *snicert, const SSL *ssl, struct snicert_served *out, struct snicert_error *err)
{
	struct snicert_served served = {0};
	const struct hook_outcome *outcome;
	bool is_refused;

	if (snicert == NULL || ssl == NULL || out == NULL || out->size < sizeof(out->size))
		return error_set(err, SNICERT_EUSAGE, "served: needs an open snicert, an SSL, and a struct with its size set");
	if (!library_made_ssl(ssl))
		return error_set(err, SNICERT_EUSAGE, "served: the SSL was made by another TLS library than snicert calls");
	outcome = hook_outcome_of(ssl, &is_refused);
	take_name(&served, hook_name_of(ssl));
	if (is_refused)
		served.outcome = SNICERT_SERVED_REFUSED;
	else if (outcome != NULL)
		describe(outcome, &served);
	hand_over(out, &served);
	return 0;
}

/* --- a look-up without a handshake ----------------------------------------------- */

/* The requested one, as the store spells it. */
static bool
given_address(void *arg, char *text, socklen_t size)
{
	const struct snicert_request *request = arg;
	struct sockaddr_storage address = {0};

	if (request->local == NULL)
		return false;
	address.ss_family = strchr(request->local, ':') == NULL ? AF_INET : AF_INET6;
	if (inet_pton(address.ss_family, request->local, address.ss_family == AF_INET
	        ? (void *)&((struct sockaddr_in *)&address)->sin_addr
	        : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr) != 1)
		return false;
	return hook_address(&address, text, size);
}

static bool
context_has_own(void *arg)
{
	const struct snicert_request *request = arg;

	return request->ctx != NULL && SSL_CTX_get0_certificate(request->ctx) != NULL;
}

static int
check_request(const struct snicert_request *request, struct snicert_error *err)
{
	char text[INET6_ADDRSTRLEN];

	if (request->ctx != NULL && library_check(request->ctx, err) != 0)
		return -1;
	if (request->local != NULL && !given_address((void *)(uintptr_t)request, text, sizeof(text)))
		return error_set(err, SNICERT_EUSAGE, "lookup: the local address is not in the form 192.0.2.1 or 2001:db8::1");
	return 0;
}

int
snicert_lookup(struct snicert *snicert, const struct snicert_request *given, struct snicert_served *out,
    struct snicert_error *err)
{
	struct snicert_request request = {0};
	struct snicert_served served = {0};
	struct hook_outcome outcome = {0};
	struct hook_peer peer = { .arg = &request, .outcome = &outcome, .address = given_address,
		.has_own = context_has_own };
	bool is_refused, is_known;

	if (snicert == NULL || given == NULL || given->size < sizeof(given->size) || out == NULL ||
	    out->size < sizeof(out->size))
		return error_set(err, SNICERT_EUSAGE, "lookup: needs an open snicert, and structs with their size set");
	memcpy(&request, given, given->size < sizeof(request) ? given->size : sizeof(request));
	if (check_request(&request, err) != 0)
		return -1;
	peer.server_name = request.name;
	is_known = hook_look(request.ctx == NULL ? &snicert->hook : hook_of(request.ctx, &snicert->hook), &peer,
	    &is_refused);
	take_name(&served, request.name);
	if (is_refused)
		served.outcome = SNICERT_SERVED_REFUSED;
	else
		describe(&outcome, &served);
	hook_outcome_clear(&outcome);
	if (!is_known)
		return error_set(err, SNICERT_ESTORE, "store %s can't be asked for %s: the log says why",
		    snicert->config->store_path, served.name);
	hand_over(out, &served);
	return 0;
}

/* --- ahead of handshakes --------------------------------------------------------- */

static enum lookup_result
load(struct snicert *snicert, const struct name *key)
{
	struct answer *answer = NULL;
	enum lookup_result result = lookup_find(snicert->lookup, key, &answer);

	answer_unref(answer);
	return result;
}

int
snicert_warm(struct snicert *snicert, const char *const *names, size_t count, struct snicert_error *err)
{
	struct name key, wildcard;

	if (snicert == NULL || (names == NULL && count > 0))
		return error_set(err, SNICERT_EUSAGE, "warm: needs an open snicert and names");
	lookup_refresh(snicert->lookup);
	for (size_t i = 0; i < count; i++) {
		enum lookup_result result;

		if (names[i] == NULL)
			return error_set(err, SNICERT_EUSAGE, "warm: name %zu is NULL", i);
		if (!name_normalise(&key, names[i], strlen(names[i])))
			continue; /* unknown */
		result = load(snicert, &key);
		if (result == LOOKUP_NONE && snicert->config->wildcard && name_wildcard(&wildcard, &key))
			result = load(snicert, &wildcard);
		if (result == LOOKUP_ERROR)
			return error_set(err, SNICERT_ESTORE, "store %s can't be asked for %s: the log says why",
			    snicert->config->store_path, key.text);
	}
	return 0;
}

/* --- how things are -------------------------------------------------------------- */

int
snicert_read_health(struct snicert *snicert, struct snicert_health *out, struct snicert_error *err)
{
	struct snicert_health health = {0};
	struct lookup_health lookup;
	struct log_error last;

	if (snicert == NULL || out == NULL || out->size < sizeof(out->size))
		return error_set(err, SNICERT_EUSAGE, "health: needs an open snicert, and a struct with its size set");
	lookup_health(snicert->lookup, &lookup);
	log_last_error(snicert->log, &last);
	health.size = out->size < sizeof(health) ? out->size : sizeof(health);
	health.is_open = lookup.is_open;
	health.since = lookup.since;
	health.sequence = lookup.sequence;
	health.cached = lookup.cached;
	health.last_error_at = last.at;
	snprintf(health.last_error, sizeof(health.last_error), "%s", last.text);
	memcpy(out, &health, health.size);
	return 0;
}

static uint64_t
read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
snicert_read_counters(struct snicert *snicert, struct snicert_counters *out)
{
	const struct hook_counters *from;

	if (out != NULL)
		memset(out, 0, sizeof(*out));
	if (snicert == NULL || out == NULL)
		return;
	from = &snicert->hook.counters;
	out->exact = read_counter(&from->served[HOOK_EXACT]);
	out->wildcard = read_counter(&from->served[HOOK_WILDCARD]);
	out->fallback = read_counter(&from->served[HOOK_ADDRESS]) +
	    read_counter(&from->served[HOOK_PROGRAM]) + read_counter(&from->served[HOOK_GLOBAL]);
	out->own = read_counter(&from->own);
	out->refused = read_counter(&from->refused);
	out->trouble = read_counter(&from->trouble);
	out->unusable = read_counter(&from->unusable);
	lookup_counts(snicert->lookup, &out->cache_hits, &out->decodes);
}

int
snicert_read_counters2(struct snicert *snicert, struct snicert_counters2 *out, size_t size, struct snicert_error *err)
{
	struct snicert_counters2 all = {0};
	const struct hook_counters *from;

	if (snicert == NULL || out == NULL)
		return error_set(err, SNICERT_EUSAGE, "counters2: needs an open snicert and a struct to fill");
	from = &snicert->hook.counters;
	all.exact = read_counter(&from->served[HOOK_EXACT]);
	all.wildcard = read_counter(&from->served[HOOK_WILDCARD]);
	all.address = read_counter(&from->served[HOOK_ADDRESS]);
	all.program = read_counter(&from->served[HOOK_PROGRAM]);
	all.global = read_counter(&from->served[HOOK_GLOBAL]);
	all.own = read_counter(&from->own);
	all.refused = read_counter(&from->refused);
	all.trouble = read_counter(&from->trouble);
	all.unusable = read_counter(&from->unusable);
	all.expired = read_counter(&from->expired);
	lookup_counts(snicert->lookup, &all.cache_hits, &all.decodes);
	all.why_no_name = read_counter(&from->reasons[STATS_NO_NAME]);
	all.why_malformed = read_counter(&from->reasons[STATS_MALFORMED]);
	all.why_unknown = read_counter(&from->reasons[STATS_UNKNOWN]);
	all.why_unusable = read_counter(&from->reasons[STATS_UNUSABLE]);
	all.why_expired = read_counter(&from->reasons[STATS_EXPIRED]);
	all.why_broken = read_counter(&from->reasons[STATS_BROKEN]);
	all.why_unreadable = read_counter(&from->reasons[STATS_UNREADABLE]);
	all.why_memory = read_counter(&from->reasons[STATS_MEMORY]);
	memset(out, 0, size);
	memcpy(out, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}
