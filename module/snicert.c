/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: open, attach, close.  Wires the rooms together: configuration, log,
 * look-up, callbacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include <openssl/err.h>

#include "error.h"
#include "instance.h"
#include "program.h"

static void
note_error(void *stats, int priority, const char *text)
{
	if (priority <= LOG_ERR)
		stats_error(stats, text);
}

int
snicert_open_logging(struct snicert **out, const char *config_path, struct snicert_sink sink,
    struct snicert_error *err)
{
	struct snicert_error wrong = {0};
	struct snicert *snicert = calloc(1, sizeof(*snicert));

	ERR_set_mark();
	if (snicert == NULL ||
	    config_read(&snicert->config, config_path, CONFIG_LENIENT, &wrong) != 0 ||
	    (snicert->log = log_new(snicert->config->log_target, snicert->config->log_facility,
	        snicert->config->log_level)) == NULL ||
	    (snicert->lookup = lookup_new(snicert->config, snicert->log)) == NULL) {
		snicert_close(snicert);
		ERR_pop_to_mark();
		return error_set(err, SNICERT_EMEMORY,
		    "cannot open snicert: no memory, or no random bytes and ciphers from OpenSSL");
	}
	log_set_sink(snicert->log, sink.write, sink.arg);
	log_prepare(snicert->log);
	if (wrong.code != SNICERT_OK)
		log_say(snicert->log, LOG_EVENT_CONFIG, "%s; the default stands", wrong.text);
	if (!sink.aside)
		snicert->stats = stats_new(snicert->config, snicert->log);
	log_set_witness(snicert->log, note_error, snicert->stats);
	lookup_set_stats(snicert->lookup, snicert->stats);
	snicert->hook.stats = snicert->stats;
	snicert->hook.config = snicert->config;
	snicert->hook.program = config_program(snicert->config, program_name());
	snicert->hook.log = snicert->log;
	snicert->hook.lookup = snicert->lookup;
	lookup_prepare(snicert->lookup);
	ERR_pop_to_mark();
	*out = snicert;
	return 0;
}

int
snicert_open(struct snicert **out, const char *config_path, struct snicert_error *err)
{
	return snicert_open_logging(out, config_path, (struct snicert_sink){0}, err);
}

int
snicert_attach(struct snicert *snicert, SSL_CTX *ctx, struct snicert_error *err)
{
	if (snicert == NULL || ctx == NULL)
		return error_set(err, SNICERT_EUSAGE, "attach wants an open snicert and an SSL_CTX");
	return hook_attach(&snicert->hook, ctx, err);
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
	const struct hook_counters *from = &snicert->hook.counters;

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

void
snicert_close(struct snicert *snicert)
{
	if (snicert == NULL)
		return;
	lookup_free(snicert->lookup);
	stats_free(snicert->stats);
	log_free(snicert->log);
	config_free(snicert->config);
	free(snicert);
}
