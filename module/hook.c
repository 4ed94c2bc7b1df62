/* SPDX-License-Identifier: ISC */
/*
 * hook.c: the corridor, read top to bottom.
 *
 *   ClientHello → has the store an answer? → the certificate callback → which chain → SSL
 *
 * A host has its own callbacks and certificates, and OpenSSL behaves differently where a callback
 * is merely set (it offers TLS 1.3 whatever the certificates).  So we take over nothing in a
 * context: we look on from its security callback, which OpenSSL lets us chain
 * (SSL_CTX_get_security_callback(3)), and leave its verdict alone.  OpenSSL calls it for each
 * ClientHello, before it chooses the version; if the store has an answer for this connection, we
 * replace its certificate callback, for this one handshake.  OpenSSL calls it again after the
 * host's servername callback, which may have set its own certificate callback.
 *
 * Nothing here fails a handshake: on any trouble the next candidate is tried, and the last is the
 * host's own certificate.  The only alert is the one that the configuration asks for
 * (`unknown = refuse`).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/tls1.h>

#include "certsigs.h"
#include "chain.h"
#include "error.h"
#include "hello.h"
#include "hook.h"
#include "hook_choice.h"
#include "hook_given.h"
#include "hook_log.h"

#define STATUS_TYPE_NONE (-1)           /* SSL_get_tlsext_status_type(3) */

typedef int security_callback(const SSL *, const SSL_CTX *, int op, int bits, int nid, void *other, void *ex);

/* What is attached to a context; freed with it.  Earlier attachments stay until then: a handshake
 * may be using them. */
struct attached {
	_Atomic(struct hook *) hook;    /* NULL: detached */
	_Atomic(security_callback *) before, at_first;  /* of the context; NULL: not taken */
	struct holding {
		struct holding *next;
		struct hook *hook;
	} *holdings;
};

/* State of an SSL during its handshake; kept for the next one, if any. */
struct passage {
	unsigned char random[HELLO_RANDOM_LENGTH];      /* of the ClientHello */
	struct hello *hello;            /* NULL: no longer needed */
	int version;                    /* that the store was asked for; 0: none */
	bool is_ours;                   /* the certificate callback */
	bool is_refused;
	bool is_begun;                  /* hook_refuses or hook_answers called */
	bool is_asked;                  /* our callback was called */
	struct chain_own *own;          /* what the SSL presented before; NULL: still does */
	struct hook_outcome outcome;
	struct hook *held;              /* by hook_choose: a context may have none */
	struct hook_given *given;            /* NULL: nothing */
};

/* When we look on: before the version is chosen; after; when the host has finished. */
enum moment { MOMENT_VERSION, MOMENT_SESSION, MOMENT_LAST, MOMENT_NONE };

static int context_index = -1, passage_index = -1;

/* For a context that has our security callback and isn't attached, as its host copied it there from
 * another: what the first one had. */
static _Atomic(security_callback *) first_before;
static atomic_bool befores_differ;      /* from first_before, in some context */

struct hook *
hook_ref(struct hook *hook)
{
	atomic_fetch_add_explicit(&hook->refs, 1, memory_order_relaxed);
	return hook;
}

void
hook_unref(struct hook *hook)
{
	if (atomic_fetch_sub_explicit(&hook->refs, 1, memory_order_acq_rel) == 1)
		hook->free(hook);
}

static void
attached_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct attached *attached = ptr;
	struct holding *next;

	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	for (struct holding *it = attached == NULL ? NULL : attached->holdings; it != NULL; it = next) {
		next = it->next;
		hook_unref(it->hook);
		free(it);
	}
	free(attached);
}

static void
passage_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct passage *passage = ptr;

	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (passage != NULL) {
		chain_own_free(passage->own);
		hello_free(passage->hello);
		hook_outcome_clear(&passage->outcome);
		free(passage->given);
		if (passage->held != NULL)
			hook_unref(passage->held);
	}
	free(passage);
}

/* SSL_dup(3): the copy starts over. */
static int
passage_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **ptr, int idx, long argl, void *argp)
{
	(void)to;
	(void)from;
	(void)idx;
	(void)argl;
	(void)argp;
	*ptr = NULL;
	return 1;
}

static void
make_indices(void)
{
	context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, attached_free);
	passage_index = SSL_get_ex_new_index(0, NULL, NULL, passage_dup, passage_free);
}

/* Returns whether both exist; false if out of memory. */
static bool
have_indices(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_indices);
	return context_index >= 0 && passage_index >= 0;
}

static struct passage *
passage_of(SSL *ssl)
{
	struct passage *passage = SSL_get_ex_data(ssl, passage_index);

	if (passage != NULL || (passage = calloc(1, sizeof(*passage))) == NULL)
		return passage;
	if (SSL_set_ex_data(ssl, passage_index, passage) == 1)
		return passage;
	free(passage);
	return NULL;
}

/* --- what is known of a client ---------------------------------------------- */

struct client {
	SSL *ssl;
	struct passage *passage;
};

/* The local address of the connection. */
static bool
client_address(void *arg, char *text, socklen_t size)
{
	const struct client *client = arg;
	const struct hook_given *given = client->passage->given;
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	int fd;

	if (hook_given_local(given) != NULL)
		return hook_address(hook_given_local(given), text, size);
	fd = SSL_get_rfd(client->ssl);
	return fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	    hook_address(&address, text, size);
}

static void
client_ends(void *arg, struct log_line *line)
{
	const struct client *client = arg;
	const struct hook_given *given = client->passage->given;

	if (hook_given_local(given) != NULL)
		hook_log_ends_at(client->ssl, hook_given_local(given), line);
	else
		hook_log_ends(client->ssl, line);
}

static bool
client_can_use(void *arg, const struct chain *chain)
{
	const struct client *client = arg;

	return chain_usable(chain, client->ssl);
}

static bool
client_may_use(void *arg, const struct chain *chain)
{
	const struct client *client = arg;

	return chain_offered(chain, client->ssl, client->passage->hello);
}

static bool
client_uses_none(void *arg, const struct chain *chain)
{
	(void)arg;
	(void)chain;
	return false;
}

static bool
client_has_own(void *arg)
{
	const struct client *client = arg;

	return SSL_get_certificate(client->ssl) != NULL ||
	    SSL_set_current_cert(client->ssl, SSL_CERT_SET_FIRST) == 1;
}

static int
client_install(void *arg, struct chain *const *chains, size_t count, struct snicert_error *err)
{
	const struct client *client = arg;

	return chain_install(client->ssl, chains, count, &client->passage->own, err);
}

static struct hook_peer
peer_of(struct client *client, const char *server_name, bool (*usable)(void *arg, const struct chain *))
{
	return (struct hook_peer){ .arg = client, .server_name = hook_given_name(client->passage->given, server_name), .again = client->passage->is_asked,
		.begun = client->passage->is_begun, .outcome = &client->passage->outcome,
		.address = client_address, .ends = client_ends, .usable = usable, .has_own = client_has_own,
		.install = client_install };
}

/* By its ClientHello. */
static struct hook_peer
peer_by_hello(struct client *client, bool (*usable)(void *arg, const struct chain *))
{
	const struct hello *hello = client->passage->hello;

	return peer_of(client, hello->has_name ? hello->name : NULL, usable);
}

static void
put_back(struct passage *passage, SSL *ssl)
{
	if (passage->own != NULL)
		chain_put_back(ssl, passage->own);
	passage->own = NULL;
}

static void
done_with_hello(struct passage *passage)
{
	hello_free(passage->hello);
	passage->hello = NULL;
}

/*
 * The host's OCSP response is for its own certificate: no client would accept it with ours, so the
 * host isn't asked for it (RFC 6066 section 8 leaves it to the server).  The library forgets this
 * with the next ClientHello.
 */
static void
leave_unstapled(const struct hook *hook, SSL *ssl)
{
	if (!hook->policy.staples)
		SSL_set_tlsext_status_type(ssl, STATUS_TYPE_NONE);
}

/* A host that shakes hands has its providers; at load, its configuration may be half read. */
static void
look_at_host(struct hook *hook, SSL *ssl)
{
	if (!lookup_pairs(hook->lookup) && chain_own_is_of_default(ssl))
		lookup_pair(hook->lookup);
}

/* Returns whether the store served. */
static bool
serve(struct hook *hook, struct client *client)
{
	struct hook_peer peer;
	bool served;

	put_back(client->passage, client->ssl);
	look_at_host(hook, client->ssl);
	peer = peer_of(client, SSL_get_servername(client->ssl, TLSEXT_NAMETYPE_host_name), client_can_use);
	served = hook_serve(hook, &peer);
	if (served)
		leave_unstapled(hook, client->ssl);
	client->passage->is_asked = true;
	return served;
}

/* --- the certificate callback ------------------------------------------------ */

/*
 * Runs once the client's abilities are known, but not for resumed sessions, which present no
 * certificate.
 *
 *   situation                      returns    the peer sees
 *   a candidate is usable          1          its chain
 *   none is                        1          the host's own certificate
 *   any trouble                    1          the next candidate's chain
 *   after a HelloRetryRequest      1          the same, chosen again, counted once
 *   refused (see is_refused)       0          internal_error
 *
 * Otherwise 0 would be an alert, and -1 a suspended handshake that no mail server handles.
 */
int
hook_certificate(SSL *ssl, void *arg)
{
	struct client client = { .ssl = ssl, .passage = SSL_get_ex_data(ssl, passage_index) };

	if (!SSL_is_server(ssl) || client.passage == NULL)
		return 1;
	if (client.passage->is_refused)
		return 0;
	ERR_set_mark();
	serve(arg, &client);
	ERR_pop_to_mark();
	return 1;
}

/* --- the ClientHello --------------------------------------------------------- */

/* Count and log that the store has nothing for this client. */
static void
pass_by(struct hook *hook, struct client *client)
{
	struct hook_peer peer = peer_by_hello(client, client_uses_none);

	hook_serve(hook, &peer);
	done_with_hello(client->passage);
}

/* Whether the store has an answer for this connection if it gets this version. */
static void
decide(struct hook *hook, struct client *client, int version)
{
	struct passage *passage = client->passage;
	struct hook_peer peer = peer_by_hello(client, client_may_use);

	look_at_host(hook, client->ssl);
	passage->is_begun = true;
	passage->hello->version = passage->version = version;
	passage->is_ours = passage->is_refused ||
	    ((version >= TLS1_3_VERSION || hello_read_ciphers(passage->hello, client->ssl)) && hook_answers(hook, &peer));
	if (passage->is_ours)
		SSL_set_cert_cb(client->ssl, hook_certificate, hook);
}

/* Whether the security callback is ours, so that a last moment comes unless a session is resumed. */
static bool
has_last_moment(const SSL *ssl, const struct hello *hello)
{
	return SSL_get_security_callback(ssl) == hook_security && hello->sigalgs.is_there;
}

/*
 * Whether the version is independent of who owns the certificate callback, so that asking the store
 * can wait: a resumed session needs no certificate and never asks.
 */
static bool
can_wait(const struct client *client)
{
	const struct hello *hello = client->passage->hello;

	return has_last_moment(client->ssl, hello) &&
	    (hello->version < TLS1_3_VERSION || chain_own_does_tls13(client->ssl));
}

/*
 * A host that refuses unknown names does so in its ClientHello callback; if the host has since set
 * its own, the certificate callback refuses.
 */
static bool
is_refused(struct hook *hook, struct client *client)
{
	struct hook_peer peer;

	if (!hook_may_refuse(hook))
		return false;
	peer = peer_by_hello(client, client_may_use);
	client->passage->is_begun = true;
	return hook_refuses(hook, &peer);
}

/*
 * OpenSSL has no getter for the certificate callback that ours replaces on an SSL.  Only the
 * context's can be restored: by switching the SSL to another context and straight back.
 */
static void
give_back_callback(SSL *ssl)
{
	SSL_CTX *own = SSL_get_SSL_CTX(ssl), *other = SSL_CTX_new(TLS_server_method());
	struct chain_own *certs = other == NULL ? NULL : chain_own_save(ssl);

	if (certs != NULL && SSL_CTX_up_ref(own) == 1) {
		if (SSL_set_SSL_CTX(ssl, other) == other)
			SSL_set_SSL_CTX(ssl, own);
		SSL_CTX_free(own);
		chain_put_back(ssl, certs);
	} else {
		chain_own_free(certs);
	}
	SSL_CTX_free(other);
}

static void
reset(struct passage *passage, SSL *ssl)
{
	put_back(passage, ssl);
	done_with_hello(passage);
	hook_outcome_clear(&passage->outcome);
	*passage = (struct passage){ .held = passage->held, .given = passage->given };
}

/* The client's Finished is from the previous handshake on the same connection. */
static bool
is_renegotiation(const SSL *ssl)
{
	char octet;

	return SSL_get_peer_finished(ssl, &octet, sizeof(octet)) > 0;
}

/* A ClientHello of another connection has come: what was said of the previous one no longer holds. */
static void
take_given(struct passage *passage, const SSL *ssl)
{
	if (passage->given != NULL && !is_renegotiation(ssl))
		hook_given_begin(passage->given);
}

/* Whether a handshake is starting, before its ClientHello: the first one, or a renegotiation. */
static bool
starts(const SSL *ssl)
{
	return SSL_in_before(ssl) || (SSL_in_init(ssl) && SSL_get_state(ssl) == TLS_ST_OK);
}

/*
 * A reused SSL (SSL_clear(3), a renegotiation) presents what the host gave it, not what the store
 * had for the previous client.
 */
static void
start_over(SSL *ssl)
{
	struct passage *passage = SSL_get_ex_data(ssl, passage_index);

	if (passage == NULL)
		return;
	if (passage->is_ours)
		give_back_callback(ssl);
	reset(passage, ssl);
}

static void
begin(struct client *client, const unsigned char random[HELLO_RANDOM_LENGTH])
{
	struct passage *passage = client->passage;

	reset(passage, client->ssl);
	take_given(passage, client->ssl);
	memcpy(passage->random, random, sizeof(passage->random));
	passage->hello = hello_is_for_raw_key(client->ssl) ? NULL : hello_read(client->ssl);
	certsigs_note(client->ssl);
}

/*
 * At the first version that the library considers: the highest that both do.  Ignore a higher one
 * that comes later: there the library checks whether to mark a downgrade (RFC 8446 section 4.1.3).
 */
static void
first_look(struct hook *hook, struct client *client, int version)
{
	struct passage *passage = client->passage;

	if (version > hello_highest(client->ssl))
		return;
	passage->hello->version = version;
	if (passage->is_refused || !can_wait(client))
		decide(hook, client, version);
	if (!passage->is_ours && !has_last_moment(client->ssl, passage->hello))
		pass_by(hook, client);
}

/* The host has finished: its servername callback may have installed another context's certificates
 * and callback, and the version is chosen. */
static void
last_look(struct hook *hook, struct client *client)
{
	struct passage *passage = client->passage;

	if (!passage->is_ours && passage->version != SSL_version(client->ssl))
		decide(hook, client, SSL_version(client->ssl));
	if (!passage->is_ours)
		pass_by(hook, client);
	else
		SSL_set_cert_cb(client->ssl, hook_certificate, hook);
	done_with_hello(passage);
}

/* Whether there is nothing left to do at this moment of the ClientHello that the passage is of. */
static bool
is_over(const struct passage *passage, enum moment moment)
{
	if (moment == MOMENT_LAST)
		return passage->hello == NULL && !passage->is_asked;
	return passage->hello == NULL || passage->is_ours || passage->hello->version != 0;
}

/* `version` is a candidate, before one is chosen. */
static void
look_at(struct hook *hook, struct client *client, enum moment moment, int version)
{
	if (is_over(client->passage, moment))
		return;
	if (moment != MOMENT_LAST)
		first_look(hook, client, moment == MOMENT_VERSION ? version : SSL_version(client->ssl));
	else if (client->passage->hello != NULL)
		last_look(hook, client);
	else /* after a HelloRetryRequest */
		SSL_set_cert_cb(client->ssl, hook_certificate, hook);
}

/*
 * Neither DTLS, whose versions count down, nor OpenSSL's own QUIC, which has its own versions.
 * Checked first: QUIC calls its callbacks holding a lock that most functions want (SSL_ctrl(3)).
 */
static bool
is_of_tls(const SSL *ssl)
{
	return SSL_version(ssl) >> 8 == TLS1_VERSION_MAJOR;
}

static void
look_on(struct hook *hook, SSL *ssl, enum moment moment, int version)
{
	unsigned char random[HELLO_RANDOM_LENGTH];
	struct client client = { .ssl = ssl };

	if (!SSL_is_server(ssl) || !is_of_tls(ssl))
		return;
	ERR_set_mark();
	if (!hello_random(ssl, random)) {
		if (moment == MOMENT_VERSION && starts(ssl))
			start_over(ssl);
	} else if ((client.passage = passage_of(ssl)) != NULL) {
		if (memcmp(client.passage->random, random, HELLO_RANDOM_LENGTH) != 0) {
			begin(&client, random);
			client.passage->is_refused = client.passage->hello != NULL && is_refused(hook, &client);
		}
		look_at(hook, &client, moment, version);
	}
	ERR_pop_to_mark();
}

/*
 * Whether look_on() would do nothing: the last moment comes some thirty times, once for each
 * signature algorithm, and the others several.
 */
static bool
has_seen(const SSL *ssl, enum moment moment)
{
	const struct passage *passage = SSL_get_ex_data(ssl, passage_index);
	const unsigned char *random;

	return passage != NULL && SSL_client_hello_get0_random((SSL *)(uintptr_t)ssl, &random) == HELLO_RANDOM_LENGTH &&
	    memcmp(passage->random, random, HELLO_RANDOM_LENGTH) == 0 && is_over(passage, moment);
}

static enum moment
moment_of(int op)
{
	switch (op) {
	case SSL_SECOP_VERSION:
		return MOMENT_VERSION;
	case SSL_SECOP_TICKET:
		return MOMENT_SESSION;
	case SSL_SECOP_SIGALG_SHARED:
		return MOMENT_LAST;
	default:
		return MOMENT_NONE;
	}
}

/*
 * A host may have chained the callback before ours to ours, and attached the context again: what ours is
 * asked from within goes to what there was at first.
 */
static int
verdict_of_chained(struct attached *attached, const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid,
    void *other, void *ex)
{
	static _Thread_local const struct attached *asked;
	const struct attached *outer = asked;
	security_callback *before = atomic_load(asked == attached ? &attached->at_first : &attached->before);
	int verdict;

	if (before == NULL)
		before = atomic_load(&first_before);
	asked = attached;
	verdict = before(ssl, ctx, op, bits, nid, other, ex);
	asked = outer;
	return verdict;
}

/*
 * SSL_CTX_set_security_callback(3): keeps the previous verdict.  `ex` is the host's, which it may set
 * for each connection.  OpenSSL asks some hundred times in a handshake, and nearly always for a verdict
 * that is the library's own: nothing of the context is looked at then.
 */
int
hook_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	enum moment moment = ssl == NULL ? MOMENT_NONE : moment_of(op);
	bool alike = !atomic_load_explicit(&befores_differ, memory_order_acquire);
	struct attached *attached = NULL;
	struct hook *hook;

	if (moment != MOMENT_NONE && has_seen(ssl, moment))
		moment = MOMENT_NONE;
	if (moment != MOMENT_NONE || !alike)
		attached = SSL_CTX_get_ex_data(ssl != NULL ? SSL_get_SSL_CTX(ssl) : ctx, context_index);
	hook = attached == NULL || moment == MOMENT_NONE ? NULL : atomic_load(&attached->hook);
	if (hook != NULL)
		look_on(hook, (SSL *)(uintptr_t)ssl, moment, nid);
	if (alike || attached == NULL)
		return atomic_load(&first_before)(ssl, ctx, op, bits, nid, other, ex);
	return verdict_of_chained(attached, ssl, ctx, op, bits, nid, other, ex);
}

/*
 * The ClientHello callback, for contexts older than we are, which may already have connections; and
 * where the configuration says to refuse.
 *
 *   situation                      returns                   the peer sees
 *   unknown, `unknown = refuse`    SSL_CLIENT_HELLO_ERROR    unrecognized_name
 *   any other                      SSL_CLIENT_HELLO_SUCCESS  nothing
 */
static int
hook_client_hello(SSL *ssl, int *alert, void *arg)
{
	const struct passage *passage;
	struct attached *attached;
	struct hook *hook = arg;

	/* Attached to a context in use, the function shows before its argument. */
	if (arg == NULL || !is_of_tls(ssl) || !have_indices())
		return SSL_CLIENT_HELLO_SUCCESS;
	/* It stays on a context that was detached, or attached to another: we can't tell whether
	 * the callback there is still ours or one that the host has set since. */
	attached = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
	if (attached != NULL && (hook = atomic_load(&attached->hook)) == NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	look_on(hook, ssl, MOMENT_VERSION, hello_likely_version(ssl));
	passage = SSL_get_ex_data(ssl, passage_index);
	if (passage == NULL || !passage->is_refused)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_CLIENT_HELLO_ERROR;
}

/* In a ClientHello or servername callback. */
static bool
choose_by_hello(struct hook *hook, struct client *client, const unsigned char random[HELLO_RANDOM_LENGTH])
{
	struct passage *passage = client->passage;
	int likely = hello_likely_version(client->ssl), version = SSL_version(client->ssl);

	if (memcmp(passage->random, random, HELLO_RANDOM_LENGTH) != 0)
		begin(client, random);
	if (passage->hello != NULL)
		decide(hook, client, version < likely ? version : likely);
	else if (passage->is_ours) /* after a HelloRetryRequest, or called again */
		SSL_set_cert_cb(client->ssl, hook_certificate, hook);
	return passage->is_ours;
}

/* In a certificate callback. */
static bool
choose_now(struct hook *hook, struct client *client)
{
	unsigned char random[HELLO_RANDOM_LENGTH] = {0};

	SSL_get_client_random(client->ssl, random, sizeof(random));
	if (memcmp(client->passage->random, random, sizeof(random)) != 0) {
		reset(client->passage, client->ssl);
		take_given(client->passage, client->ssl);
		memcpy(client->passage->random, random, sizeof(random));
	}
	return !hello_agreed_on_raw_key(client->ssl) && serve(hook, client);
}

struct hook *
hook_of(const SSL_CTX *ctx, struct hook *root)
{
	struct attached *attached = have_indices() ? SSL_CTX_get_ex_data(ctx, context_index) : NULL;
	struct hook *hook = attached == NULL ? NULL : atomic_load(&attached->hook);

	return hook != NULL && hook->root == root ? hook : root;
}

int
hook_choose(struct hook *hook, SSL *ssl, struct snicert_error *err)
{
	unsigned char random[HELLO_RANDOM_LENGTH];
	struct client client = { .ssl = ssl };
	bool served;

	if (!is_of_tls(ssl) || !SSL_is_server(ssl) || !SSL_in_init(ssl) || SSL_in_before(ssl))
		return error_set(err, SNICERT_EUSAGE, "choose is for the callbacks of a server's TLS handshake");
	if (!have_indices() || (client.passage = passage_of(ssl)) == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	/* Its certificate callback may now be the previous hook's, for as long as it lives. */
	if (client.passage->held != NULL && client.passage->held != hook)
		return error_set(err, SNICERT_EUSAGE, "another snicert has chosen for this connection");
	if (client.passage->held == NULL)
		client.passage->held = hook_ref(hook);
	hook = hook_of(SSL_get_SSL_CTX(ssl), hook);
	ERR_set_mark();
	served = hello_random(ssl, random) ? choose_by_hello(hook, &client, random) : choose_now(hook, &client);
	ERR_pop_to_mark();
	return served ? 0 : 1;
}

const struct hook_outcome *
hook_outcome_of(const SSL *ssl, bool *is_refused)
{
	const struct passage *passage = have_indices() ? SSL_get_ex_data(ssl, passage_index) : NULL;

	*is_refused = passage != NULL && passage->is_refused;
	return passage != NULL && passage->outcome.is_chosen ? &passage->outcome : NULL;
}

size_t
hook_retrace(struct hook *hook, SSL *ssl, hook_tell_fn *tell, void *arg)
{
	struct client client = { .ssl = ssl, .passage = have_indices() ? SSL_get_ex_data(ssl, passage_index) : NULL };
	struct hook_peer peer;

	if (client.passage == NULL || !client.passage->outcome.is_chosen)
		return 0;
	peer = peer_of(&client, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), NULL);
	hook_choice_retrace(hook, &peer, &client.passage->outcome, tell, arg);
	return client.passage->outcome.tried;
}

const char *
hook_name_of(const SSL *ssl)
{
	const struct passage *passage = have_indices() ? SSL_get_ex_data(ssl, passage_index) : NULL;
	const char *sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	return passage == NULL ? sent : hook_given_name(passage->given, sent);
}

/* --- what the host says of a connection --------------------------------------- */

/* Where to store it; NULL with *err set once the handshake has begun, or on a client. */
static struct hook_given *
given_for(SSL *ssl, const char *function, struct snicert_error *err)
{
	struct passage *passage;

	if (!SSL_is_server(ssl) || !SSL_in_before(ssl)) {
		error_set(err, SNICERT_EUSAGE, "%s is for a server's connection, before its handshake", function);
		return NULL;
	}
	passage = have_indices() ? passage_of(ssl) : NULL;
	if (passage != NULL && passage->given == NULL)
		passage->given = calloc(1, sizeof(*passage->given));
	if (passage == NULL || passage->given == NULL) {
		error_set(err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	return passage->given;
}

int
hook_set_local(SSL *ssl, const struct sockaddr *address, size_t length, struct snicert_error *err)
{
	struct hook_given *given = given_for(ssl, "set_local", err);

	return given == NULL ? -1 : hook_given_set_local(given, address, length, err);
}

int
hook_set_name(SSL *ssl, const char *name, struct snicert_error *err)
{
	struct hook_given *given = given_for(ssl, "set_name", err);

	return given == NULL ? -1 : hook_given_set_name(given, name, err);
}

/* --- attaching ------------------------------------------------------------------ */

/* Returns what is attached to a context, created if missing; NULL if out of memory. */
static struct attached *
attached_to(SSL_CTX *ctx)
{
	struct attached *attached = SSL_CTX_get_ex_data(ctx, context_index);

	if (attached != NULL || (attached = calloc(1, sizeof(*attached))) == NULL)
		return attached;
	if (SSL_CTX_set_ex_data(ctx, context_index, attached) == 1)
		return attached;
	free(attached);
	return NULL;
}

/* Returns the one held, this or an equal one; NULL if no memory. */
static struct hook *
hold(struct attached *attached, struct hook *hook)
{
	struct holding *it = attached->holdings;

	while (it != NULL && !hook_is_same(it->hook, hook))
		it = it->next;
	if (it != NULL)
		return it->hook;
	it = calloc(1, sizeof(*it));
	if (it == NULL)
		return NULL;
	*it = (struct holding){ .next = attached->holdings, .hook = hook_ref(hook) };
	attached->holdings = it;
	return hook;
}

/* Take the security callback of a context. */
static void
look_on_from(struct attached *attached, SSL_CTX *ctx)
{
	security_callback *before = SSL_CTX_get_security_callback(ctx), *none = NULL, *nothing = NULL;

	if (before == hook_security)
		return;
	atomic_compare_exchange_strong(&first_before, &none, before);
	atomic_compare_exchange_strong(&attached->at_first, &nothing, before);
	atomic_store(&attached->before, before);
	if (before != atomic_load(&first_before))
		atomic_store_explicit(&befores_differ, true, memory_order_release);
	SSL_CTX_set_security_callback(ctx, hook_security);
}

int
hook_attach(struct hook *hook, SSL_CTX *ctx, struct snicert_error *err)
{
	struct attached *attached = have_indices() ? attached_to(ctx) : NULL;

	if (attached == NULL || (hook = hold(attached, hook)) == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	atomic_store(&attached->hook, hook);
	look_on_from(attached, ctx);
	if (hook_may_refuse(hook))
		hook_attach_late(hook, ctx);
	return 0;
}

void
hook_detach(const struct hook *hook, SSL_CTX *ctx)
{
	struct attached *attached = have_indices() ? SSL_CTX_get_ex_data(ctx, context_index) : NULL;

	struct hook *there = attached == NULL ? NULL : atomic_load(&attached->hook);

	if (there != NULL && there->root == hook)
		atomic_store(&attached->hook, NULL);
}

void
hook_attach_late(struct hook *hook, SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, hook_client_hello, hook);
}
