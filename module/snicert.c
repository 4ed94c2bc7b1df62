/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: open, attach, close.  Wires the rooms together: configuration, log,
 * look-up, callbacks.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <openssl/err.h>

#include "chain.h"
#include "error.h"
#include "hook_choice.h"
#include "instance.h"
#include "library.h"
#include "program.h"

static void
note_error(void *stats, int priority, const char *text)
{
	if (priority <= LOG_ERR)
		stats_error(stats, text);
}

/* While an open that is to be strict is under way: the first line that is an error. */
struct strict {
	struct snicert_error *err;
	bool failed;
};

static void
take_error(void *arg, int priority, const char *text)
{
	struct strict *strict = arg;
	char sentence[sizeof(strict->err->text)];

	if (priority > LOG_ERR || strict->failed)
		return;
	strict->failed = true;
	error_set(strict->err, SNICERT_ESTORE, "%s", log_sentence_of(text, sentence, sizeof(sentence)));
}

static void
free_instance(struct hook *hook)
{
	struct snicert *snicert = (struct snicert *)((char *)hook - offsetof(struct snicert, hook));

	lookup_free(snicert->lookup);
	stats_free(snicert->stats);
	log_free(snicert->log);
	config_free(snicert->config);
	free(snicert);
}

/* Only memory, and what OpenSSL has of its own, can be wanting here.  Takes the configuration. */
static struct snicert *
make(struct config *config, bool is_strict)
{
	struct snicert *snicert = calloc(1, sizeof(*snicert));

	if (snicert == NULL) {
		config_free(config);
		return NULL;
	}
	atomic_init(&snicert->hook.refs, 1);
	snicert->hook.free = free_instance;
	snicert->hook.root = &snicert->hook;
	snicert->config = config;
	snicert->is_strict = is_strict;
	snicert->log = log_new(config->log_target, config->log_facility, config->log_level);
	snicert->lookup = snicert->log == NULL ? NULL : lookup_new(config, snicert->log);
	if (snicert->lookup != NULL)
		return snicert;
	free_instance(&snicert->hook);
	return NULL;
}

static void
wire(struct snicert *snicert, const char *program, bool aside)
{
	if (!aside)
		snicert->stats = stats_new(snicert->config, snicert->log);
	log_set_witness(snicert->log, note_error, snicert->stats);
	lookup_set_stats(snicert->lookup, snicert->stats);
	snicert->hook.stats = snicert->stats;
	snicert->hook.config = snicert->config;
	snicert->hook.program = config_program(snicert->config, program == NULL ? program_name() : program);
	snicert->hook.log = snicert->log;
	snicert->hook.lookup = snicert->lookup;
}

/* What opens the store; 0, or -1 where it is to be strict and there was an error. */
static int
prepare(struct snicert *snicert, bool is_strict, struct snicert_error *err)
{
	struct snicert_error spare = {0};
	struct strict strict = { .err = err == NULL ? &spare : err };

	if (is_strict)
		log_set_witness(snicert->log, take_error, &strict);
	lookup_prepare(snicert->lookup);
	log_set_witness(snicert->log, note_error, snicert->stats);
	return strict.failed ? -1 : 0;
}

static int
open_with(struct snicert **out, const struct snicert_options *options, bool aside, struct snicert_error *err)
{
	bool is_strict = (options->flags & SNICERT_STRICT) != 0;
	struct snicert_error wrong = {0};
	struct config *config = NULL;
	struct snicert *snicert;

	if (is_strict && config_read(&config, options->config_path, CONFIG_STRICT, err) != 0)
		return -1;
	if (!is_strict && config_read(&config, options->config_path, CONFIG_LENIENT, &wrong) != 0)
		return error_set(err, SNICERT_EMEMORY, "cannot open snicert: no memory");
	if ((snicert = make(config, is_strict)) == NULL)
		return error_set(err, SNICERT_EMEMORY,
		    "cannot open snicert: no memory, or no random bytes and ciphers from OpenSSL");
	log_set_sink(snicert->log, options->sink, options->sink_arg);
	log_prepare(snicert->log);
	if (wrong.code != SNICERT_OK)
		log_say(snicert->log, LOG_EVENT_CONFIG, "%s; the default stands", wrong.text);
	wire(snicert, options->program, aside);
	if (prepare(snicert, is_strict, err) != 0) {
		snicert_close(snicert);
		return -1;
	}
	*out = snicert;
	return 0;
}

int
snicert_open_logging(struct snicert **out, const char *config_path, struct snicert_sink sink,
    struct snicert_error *err)
{
	struct snicert_options options = { .config_path = config_path, .sink = sink.write, .sink_arg = sink.arg };
	int status;

	ERR_set_mark();
	status = open_with(out, &options, sink.aside, err);
	ERR_pop_to_mark();
	return status;
}

int
snicert_open(struct snicert **out, const char *config_path, struct snicert_error *err)
{
	if (out == NULL)
		return error_set(err, SNICERT_EUSAGE, "open wants somewhere to put what it opens");
	return snicert_open_logging(out, config_path, (struct snicert_sink){0}, err);
}

int
snicert_open2(struct snicert **out, const struct snicert_options *given, struct snicert_error *err)
{
	struct snicert_options options = {0};
	int status;

	if (out == NULL || given == NULL || given->size < sizeof(given->size))
		return error_set(err, SNICERT_EUSAGE, "open2 wants options that begin with their size");
	/* A host that knows fewer or more of them than we do. */
	memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
	if ((options.flags & ~SNICERT_STRICT) != 0)
		return error_set(err, SNICERT_EUSAGE, "open2 has a flag that this release (%s) does not know",
		    SNICERT_VERSION);
	ERR_set_mark();
	status = open_with(out, &options, false, err);
	ERR_pop_to_mark();
	return status;
}

int
snicert_attach(struct snicert *snicert, SSL_CTX *ctx, struct snicert_error *err)
{
	if (snicert == NULL || ctx == NULL)
		return error_set(err, SNICERT_EUSAGE, "attach wants an open snicert and an SSL_CTX");
	if (library_check(ctx, err) != 0)
		return -1;
	return hook_attach(&snicert->hook, ctx, err);
}

void
snicert_detach(struct snicert *snicert, SSL_CTX *ctx)
{
	if (snicert != NULL && ctx != NULL)
		hook_detach(&snicert->hook, ctx);
}

int
snicert_choose(struct snicert *snicert, SSL *ssl, struct snicert_error *err)
{
	if (snicert == NULL || ssl == NULL)
		return error_set(err, SNICERT_EUSAGE, "choose wants an open snicert and an SSL");
	if (library_check(SSL_get_SSL_CTX(ssl), err) != 0)
		return -1;
	return hook_choose(&snicert->hook, ssl, err);
}

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
	}
}

int
snicert_read_served(struct snicert *snicert, const SSL *ssl, struct snicert_served *out, struct snicert_error *err)
{
	struct snicert_served served = {0};
	const struct hook_outcome *outcome;
	const char *asked;
	struct name name;
	bool is_refused;

	if (snicert == NULL || ssl == NULL || out == NULL || out->size < sizeof(out->size))
		return error_set(err, SNICERT_EUSAGE, "served wants an SSL, and a struct that begins with its size");
	outcome = hook_outcome_of(ssl, &is_refused);
	asked = hook_name_of(ssl);
	if (asked != NULL && name_normalise(&name, asked, strlen(asked)))
		snprintf(served.name, sizeof(served.name), "%s", name.text);
	if (is_refused)
		served.outcome = SNICERT_SERVED_REFUSED;
	else if (outcome != NULL)
		describe(outcome, &served);
	served.size = out->size < sizeof(served) ? out->size : sizeof(served);
	memcpy(out, &served, served.size);
	return 0;
}

void
snicert_set_log(struct snicert *snicert, void (*sink)(void *arg, int priority, const char *text),
    void *arg)
{
	if (snicert != NULL)
		log_set_sink(snicert->log, sink, arg);
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

/* Contexts that are attached go on being served; the host's sink may go. */
void
snicert_close(struct snicert *snicert)
{
	if (snicert == NULL)
		return;
	log_set_sink(snicert->log, NULL, NULL);
	hook_unref(&snicert->hook);
}
