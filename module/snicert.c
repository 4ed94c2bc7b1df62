/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: open, attach, close.  Wires the rooms together: configuration, log, look-up,
 * callbacks.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <openssl/err.h>

#include "error.h"
#include "instance.h"
#include "library.h"
#include "program.h"

/* During a strict open: the first line that is an error. */
struct strict {
	struct snicert_error *err;
	bool failed;
};

/* The kind of trouble a line reports; 0: none for hosts. */
static enum snicert_trouble
trouble_of(enum log_event event)
{
	switch (event) {
	case LOG_EVENT_CONFIG:
		return SNICERT_TROUBLE_CONFIG;
	case LOG_EVENT_UNAVAILABLE:
	case LOG_EVENT_UNREADABLE:
		return SNICERT_TROUBLE_STORE;
	case LOG_EVENT_KEY:
		return SNICERT_TROUBLE_KEY;
	case LOG_EVENT_CHAIN:
	case LOG_EVENT_REJECTED:
		return SNICERT_TROUBLE_CHAIN;
	case LOG_EVENT_MEMORY:
		return SNICERT_TROUBLE_MEMORY;
	default:
		return 0;
	}
}

/* With no lock held. */
static void
note_line(void *arg, enum log_event event, const char *text)
{
	struct snicert *snicert = arg;
	struct strict *strict = snicert->strict;
	void (*tell)(void *arg, enum snicert_trouble, const char *text) = atomic_load(&snicert->trouble);
	char sentence[sizeof(strict->err->text)];

	if (log_events[event].priority > LOG_ERR)
		return;
	stats_error(snicert->stats, text);
	if (tell == NULL && strict == NULL)
		return;
	log_sentence_of(text, sentence, sizeof(sentence));
	if (strict != NULL && !strict->failed)
		error_set(strict->err, SNICERT_ESTORE, "%s", sentence);
	if (strict != NULL)
		strict->failed = true;
	if (tell != NULL && trouble_of(event) != 0)
		tell(snicert->trouble_arg, trouble_of(event), sentence);
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

/* Fails only for memory, and OpenSSL's own resources.  Takes the configuration. */
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
	log_set_witness(snicert->log, note_line, snicert);
	lookup_set_stats(snicert->lookup, snicert->stats);
	snicert->hook.stats = snicert->stats;
	snicert->hook.config = snicert->config;
	snicert->hook.program = config_program(snicert->config, program == NULL ? program_name() : program);
	snicert->hook.log = snicert->log;
	snicert->hook.lookup = snicert->lookup;
}

/* Opens the store; 0, or -1 if strict and there was an error. */
static int
prepare(struct snicert *snicert, bool is_strict, struct snicert_error *err)
{
	struct snicert_error spare = {0};
	struct strict strict = { .err = err == NULL ? &spare : err };

	snicert->strict = is_strict ? &strict : NULL;
	lookup_prepare(snicert->lookup);
	snicert->strict = NULL;
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
	snicert->trouble_arg = options->trouble_arg;
	atomic_store(&snicert->trouble, options->trouble);
	log_prepare(snicert->log);
	wire(snicert, options->program, aside);
	if (wrong.code != SNICERT_OK)
		log_say(snicert->log, LOG_EVENT_CONFIG, "%s; using the default", wrong.text);
	if (prepare(snicert, is_strict, err) != 0) {
		snicert_close(snicert);
		return -1;
	}
	*out = snicert;
	return 0;
}

/* Asks first of all whether there is one OpenSSL to call. */
static int
open_checked(struct snicert **out, const struct snicert_options *options, bool aside, struct snicert_error *err)
{
	int status;

	if (library_check_calls(err) != 0)
		return -1;
	ERR_set_mark();
	status = open_with(out, options, aside, err);
	ERR_pop_to_mark();
	return status;
}

int
snicert_open_logging(struct snicert **out, const char *config_path, struct snicert_sink sink,
    struct snicert_error *err)
{
	struct snicert_options options = { .config_path = config_path, .sink = sink.write, .sink_arg = sink.arg };

	return open_checked(out, &options, sink.aside, err);
}

int
snicert_open(struct snicert **out, const char *config_path, struct snicert_error *err)
{
	if (out == NULL)
		return error_set(err, SNICERT_EUSAGE, "open: `out` is NULL");
	return snicert_open_logging(out, config_path, (struct snicert_sink){0}, err);
}

int
snicert_open2(struct snicert **out, const struct snicert_options *given, struct snicert_error *err)
{
	struct snicert_options options = {0};

	if (out == NULL || given == NULL || given->size < sizeof(given->size))
		return error_set(err, SNICERT_EUSAGE, "open2: needs `out`, and options with their size set");
	/* A host may know fewer or more of them than we do. */
	memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
	if ((options.flags & ~SNICERT_STRICT) != 0)
		return error_set(err, SNICERT_EUSAGE, "open2: this release (%s) does not know one of the flags",
		    SNICERT_VERSION);
	return open_checked(out, &options, false, err);
}

int
snicert_attach(struct snicert *snicert, SSL_CTX *ctx, struct snicert_error *err)
{
	if (snicert == NULL || ctx == NULL)
		return error_set(err, SNICERT_EUSAGE, "attach: needs an open snicert and an SSL_CTX");
	if (library_check(ctx, err) != 0)
		return -1;
	return hook_attach(&snicert->hook, ctx, err);
}

void
snicert_detach(struct snicert *snicert, SSL_CTX *ctx)
{
	if (snicert != NULL && ctx != NULL && library_made(ctx))
		hook_detach(&snicert->hook, ctx);
}

int
snicert_choose(struct snicert *snicert, SSL *ssl, struct snicert_error *err)
{
	if (snicert == NULL || ssl == NULL)
		return error_set(err, SNICERT_EUSAGE, "choose: needs an open snicert and an SSL");
	if (library_check_ssl(ssl, err) != 0)
		return -1;
	return hook_choose(&snicert->hook, ssl, err);
}

void
snicert_set_log(struct snicert *snicert, void (*sink)(void *arg, int priority, const char *text),
    void *arg)
{
	if (snicert != NULL)
		log_set_sink(snicert->log, sink, arg);
}

/* Attached contexts are still served; the host's sink may go. */
void
snicert_close(struct snicert *snicert)
{
	if (snicert == NULL)
		return;
	log_set_sink(snicert->log, NULL, NULL);
	atomic_store(&snicert->trouble, NULL);
	hook_unref(&snicert->hook);
}
