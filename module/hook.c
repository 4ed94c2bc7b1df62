/* SPDX-License-Identifier: ISC */
/*
 * hook.c: the corridor, read top to bottom.
 *
 *   ClientHello → server name → candidates → look-up → chains → SSL
 *
 * Nothing in here fails a handshake: every trouble ends in the next candidate,
 * and at last in the host's own certificate.  The one alert there is, is the
 * one that the configuration asks for (`unknown = refuse`).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/tls1.h>

#include "certsigs.h"
#include "chain.h"
#include "hook.h"
#include "hook_log.h"
#include "hook_stats.h"

/* The keys to look under, in order of choice. */
struct candidates {
	size_t count;
	struct {
		enum hook_candidate what;
		struct name key;
	} each[HOOK_CANDIDATES];
};

static int ssl_index_value = -1;

static void
ssl_index_get(void)
{
	ssl_index_value = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static void
count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Where an SSL keeps what is_retry compares; -1 without memory. */
static int
ssl_index(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, ssl_index_get);
	return ssl_index_value;
}

static struct name *
add(struct candidates *list, enum hook_candidate what)
{
	list->each[list->count].what = what;
	return &list->each[list->count++].key;
}

/* 1 and 2: the exact name, and the wildcard of one label. */
static void
add_names(struct candidates *list, const struct hook *hook, const char *server_name)
{
	struct name name, wildcard;

	if (server_name == NULL || !name_normalise(&name, server_name, strlen(server_name)))
		return;
	*add(list, HOOK_EXACT) = name;
	if (hook->config->wildcard && name_wildcard(&wildcard, &name))
		*add(list, HOOK_WILDCARD) = wildcard;
}

/* The local address of the connection. */
static bool
ssl_address(void *ssl, char *text, socklen_t size)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	int fd = SSL_get_rfd(ssl);

	return fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	    hook_address(&address, text, size);
}

/* 3 and 4: the fallbacks, the more specific first. */
static void
add_fallbacks(struct candidates *list, const struct hook *hook, const struct hook_peer *peer)
{
	char address[INET6_ADDRSTRLEN];

	if (lookup_has_address_fallback(hook->lookup)) {
		if (hook->address != NULL)
			name_fallback(add(list, HOOK_ADDRESS), hook->address);
		else if (peer->address(peer->arg, address, sizeof(address)))
			name_fallback(add(list, HOOK_ADDRESS), address);
	}
	if (hook->program != NULL && hook->program->has_fallback)
		*add(list, HOOK_PROGRAM) = hook->program->fallback;
	name_fallback(add(list, HOOK_GLOBAL), NULL);
}

static bool
expired(const struct answer *answer)
{
	return answer_not_after(answer) < (int64_t)time(NULL);
}

static bool
ssl_usable(void *ssl, const struct answer *answer)
{
	for (size_t i = 0; i < answer_count(answer); i++)
		if (chain_usable(answer_chains(answer)[i], ssl))
			return true;
	return false;
}

/* Those that this client can use, lest the library choose a cipher for the sake of another. */
static int
ssl_install(void *ssl, const struct answer *answer, struct snicert_error *err)
{
	struct chain *usable[STORE_CHAINS_MOST];
	size_t count = 0;

	for (size_t i = 0; i < answer_count(answer); i++)
		if (answer_count(answer) == 1 || chain_usable(answer_chains(answer)[i], ssl))
			usable[count++] = answer_chains(answer)[i];
	return chain_install(ssl, usable, count, err);
}

/* Present what was found under a key, if this client can use it. */
static enum hook_verdict
present(const struct hook *hook, const struct hook_peer *peer, const struct name *key,
    const struct answer *answer)
{
	bool is_expired = expired(answer);
	struct snicert_error err = {0};

	if (is_expired && hook->config->expired == CONFIG_EXPIRED_FALLBACK)
		return HOOK_EXPIRED;
	if (!peer->usable(peer->arg, answer))
		return HOOK_UNUSABLE;
	if (peer->install(peer->arg, answer, &err) != 0) {
		hook_log_rejected(hook, peer, key, answer, err.text);
		return HOOK_REJECTED;
	}
	if (is_expired)
		hook_log_expired(hook, peer, key, answer);
	return HOOK_SERVED;
}

/* What is served is left in *out, for the caller to give back. */
static enum hook_verdict
try_candidate(const struct hook *hook, const struct hook_peer *peer, enum hook_candidate what,
    const struct name *key, struct answer **out, struct hook_course *course)
{
	enum hook_verdict verdict = HOOK_UNREADABLE;
	struct answer *answer = NULL;
	enum lookup_result found = lookup_find(hook->lookup, key, &answer);

	if (found == LOOKUP_FOUND)
		verdict = present(hook, peer, key, answer);
	else if (found == LOOKUP_NONE)
		verdict = HOOK_NOT_BOUND;
	hook_stats_tried(course, found, verdict);
	if (hook->trace != NULL)
		hook->trace(hook->trace_arg, what, key, verdict, answer);
	if (verdict == HOOK_SERVED)
		*out = answer;
	else
		answer_unref(answer);
	return verdict;
}

static void
note(struct hook *hook, const struct hook_peer *peer, const struct name *key,
    enum hook_verdict verdict)
{
	switch (verdict) {
	case HOOK_UNUSABLE:
		count(&hook->counters.unusable);
		hook_log_unusable(hook, peer, key);
		break;
	case HOOK_UNREADABLE:
	case HOOK_REJECTED:
		count(&hook->counters.trouble);
		break;
	default:
		break;
	}
}

/*
 * Whether this is the second ClientHello of a handshake, after a
 * HelloRetryRequest: the choice is made again, but counted once.  It bears the
 * same random (RFC 8446 section 4.1.2); that of a renegotiation is a new one.
 */
static bool
is_retry(SSL *ssl)
{
	uintptr_t random = 0;
	bool same;

	if (SSL_get_client_random(ssl, (unsigned char *)&random, sizeof(random)) != sizeof(random) ||
	    ssl_index() < 0)
		return false;
	same = (uintptr_t)SSL_get_ex_data(ssl, ssl_index()) == random;
	SSL_set_ex_data(ssl, ssl_index(), (void *)random);
	return same;
}

/* Why a name did not get chains of its own: of the candidates that are names, the first that
 * there was. */
static const char *
why(const struct candidates *list, const enum hook_verdict *verdicts)
{
	static const char *const words[] = { [HOOK_UNREADABLE] = "trouble", [HOOK_UNUSABLE] = "unusable",
		[HOOK_EXPIRED] = "expired", [HOOK_REJECTED] = "rejected" };

	if (list->count == 0 || list->each[0].what >= HOOK_ADDRESS)
		return "malformed";
	for (size_t i = 0; i < list->count && list->each[i].what < HOOK_ADDRESS; i++)
		if (verdicts[i] != HOOK_NOT_BOUND)
			return words[verdicts[i]];
	return "unknown";
}

bool
hook_serve(struct hook *hook, const struct hook_peer *peer)
{
	struct candidates list = {0};
	enum hook_verdict verdicts[HOOK_CANDIDATES];
	struct answer *answer = NULL;
	struct hook_course course;
	size_t served = HOOK_CANDIDATES, fallbacks;

	hook_stats_begin(&course, hook, peer);
	lookup_refresh(hook->lookup);
	add_names(&list, hook, peer->server_name);
	fallbacks = list.count;
	for (size_t i = 0;; i++) {
		if (i == fallbacks) {
			hook_stats_names_tried(&course, fallbacks);
			add_fallbacks(&list, hook, peer);
		}
		if (i == list.count)
			break;
		verdicts[i] = try_candidate(hook, peer, list.each[i].what, &list.each[i].key, &answer,
		    &course);
		if (verdicts[i] == HOOK_SERVED) {
			served = i;
			break;
		}
		if (!peer->again)
			note(hook, peer, &list.each[i].key, verdicts[i]);
	}
	if (!peer->again) {
		enum hook_candidate what = served < list.count ? list.each[served].what : HOOK_CANDIDATES;
		const struct name *key = served < list.count ? &list.each[served].key : NULL;

		count(served < list.count ? &hook->counters.served[what] : &hook->counters.own);
		hook_stats_end(&course, hook, (enum stats_outcome)what,
		    served < fallbacks ? key : fallbacks > 0 ? &list.each[0].key : NULL, answer);
		hook_log_choice(hook, peer, what, key, answer, served < fallbacks ? NULL : why(&list, verdicts));
	}
	answer_unref(answer);
	return served < list.count;
}

/* Whether nobody knows the name for certain: trouble of our own is no reason to refuse. */
static bool
unknown(struct hook *hook, const struct candidates *list)
{
	lookup_refresh(hook->lookup);
	for (size_t i = 0; i < list->count; i++) {
		struct answer *answer = NULL;
		enum lookup_result result = lookup_find(hook->lookup, &list->each[i].key, &answer);

		answer_unref(answer);
		if (result != LOOKUP_NONE)
			return false;
	}
	return true;
}

/* Whether this program turns clients away that ask for such a name; counted and logged if so. */
static bool
refuses(struct hook *hook, SSL *ssl, const char *server_name)
{
	struct hook_peer peer = { .arg = ssl, .server_name = server_name, .address = ssl_address,
		.ends = hook_log_ends };
	struct candidates list = {0};
	struct hook_course course;

	if (hook->program == NULL || hook->program->unknown != CONFIG_UNKNOWN_REFUSE)
		return false;
	hook_stats_begin(&course, hook, &peer);
	add_names(&list, hook, server_name);
	if (!unknown(hook, &list))
		return false;
	count(&hook->counters.refused);
	hook_stats_names_tried(&course, list.count);
	hook_stats_end(&course, hook, STATS_REFUSED, list.count > 0 ? &list.each[0].key : NULL, NULL);
	hook_log_refused(hook, &peer);
	return true;
}

/*
 * The servername callback (RFC 6066 section 3).
 *
 *   situation                      returns                  the peer sees
 *   no server name                 SSL_TLSEXT_ERR_NOACK     nothing
 *   we are the client              SSL_TLSEXT_ERR_NOACK     nothing
 *   a name                         SSL_TLSEXT_ERR_OK        an empty server_name extension
 *   unknown, `unknown = refuse`    SSL_TLSEXT_ERR_ALERT_FATAL  unrecognized_name
 *
 * OK for unknown names as well: it is what keeps the name in the session, and
 * so in the host's log lines about resumed sessions.
 */
int
hook_servername(SSL *ssl, int *alert, void *arg)
{
	struct hook *hook = arg;
	const char *server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	int answer = SSL_TLSEXT_ERR_OK;

	/* OpenSSL asks the client's side of a context, too. */
	if (!SSL_is_server(ssl))
		return SSL_TLSEXT_ERR_NOACK;
	ERR_set_mark();
	certsigs_note(ssl);
	if (server_name == NULL) {
		answer = SSL_TLSEXT_ERR_NOACK;
	} else if (refuses(hook, ssl, server_name)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		answer = SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	ERR_pop_to_mark();
	return answer;
}

/*
 * The certificate callback: runs once the client's abilities are known, and not
 * for resumed sessions, which present no certificate.
 *
 *   situation                      returns    the peer sees
 *   a candidate is usable          1          its chain
 *   none is                        1          the host's own certificate
 *   trouble of whatever kind       1          the next candidate's chain
 *
 * 0 would be an alert, and -1 a suspended handshake that no mail server handles.
 */
int
hook_certificate(SSL *ssl, void *arg)
{
	struct hook_peer peer = {
		.arg = ssl,
		.address = ssl_address,
		.ends = hook_log_ends,
		.usable = ssl_usable,
		.install = ssl_install,
	};

	if (!SSL_is_server(ssl))
		return 1;
	ERR_set_mark();
	peer.server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	peer.again = is_retry(ssl);
	hook_serve(arg, &peer);
	ERR_pop_to_mark();
	return 1;
}

/* The host_name of a ClientHello (RFC 6066 section 3): the library looks at it later. */
static bool
hello_name(SSL *ssl, char *out, size_t size)
{
	const unsigned char *ext;
	size_t length;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &length) || length < 5 ||
	    (size_t)(ext[0] << 8 | ext[1]) != length - 2 || ext[2] != TLSEXT_NAMETYPE_host_name ||
	    (size_t)(ext[3] << 8 | ext[4]) != length - 5 || length - 5 >= size ||
	    memchr(ext + 5, '\0', length - 5) != NULL)
		return false; /* none, or one that the library refuses */
	memcpy(out, ext + 5, length - 5);
	out[length - 5] = '\0';
	return true;
}

/*
 * The ClientHello callback, for hosts that set callbacks of their own later: a
 * certificate callback on each connection, whose place ours takes here, or a
 * servername callback on the context, so that a refusal has to be said here.
 *
 *   situation                      returns                   the peer sees
 *   unknown, `unknown = refuse`    SSL_CLIENT_HELLO_ERROR    unrecognized_name
 *   any other                      SSL_CLIENT_HELLO_SUCCESS  nothing
 */
static int
hook_client_hello(SSL *ssl, int *alert, void *arg)
{
	char server_name[TLSEXT_MAXLEN_host_name + 1];
	int answer = SSL_CLIENT_HELLO_SUCCESS;

	/* Attached to a context in use, the function is seen before its argument. */
	if (arg == NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	ERR_set_mark();
	if (hello_name(ssl, server_name, sizeof(server_name)) && refuses(arg, ssl, server_name)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		answer = SSL_CLIENT_HELLO_ERROR;
	} else {
		certsigs_note(ssl);
		SSL_set_cert_cb(ssl, hook_certificate, arg);
	}
	ERR_pop_to_mark();
	return answer;
}

/* The ClientHello callback where the others are certain to be ours: it reads what they can't. */
static int
read_client_hello(SSL *ssl, int *alert, void *arg) /* NOLINT(readability-non-const-parameter): OpenSSL's type */
{
	(void)alert;
	(void)arg;
	ERR_set_mark();
	certsigs_note(ssl);
	ERR_pop_to_mark();
	return SSL_CLIENT_HELLO_SUCCESS;
}

void
hook_attach(struct hook *hook, SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_servername_callback(ctx, hook_servername);
	SSL_CTX_set_tlsext_servername_arg(ctx, hook);
	SSL_CTX_set_cert_cb(ctx, hook_certificate, hook);
	SSL_CTX_set_client_hello_cb(ctx, read_client_hello, NULL);
}

void
hook_attach_unasked(struct hook *hook, SSL_CTX *ctx)
{
	hook_attach(hook, ctx);
	hook_attach_late(hook, ctx);
}

void
hook_attach_late(struct hook *hook, SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, hook_client_hello, hook);
}
