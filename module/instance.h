/* SPDX-License-Identifier: ISC */
/* instance.h: the parts of one open module; for host_*.c and the tool. */
#ifndef SNICERT_INSTANCE_H
#define SNICERT_INSTANCE_H

#include "hook.h"
#include "snicert.h"

struct strict;

struct snicert {
	struct config *config;
	struct log *log;
	struct lookup *lookup;
	struct stats *stats;            /* NULL: none */
	bool is_strict;                 /* strictly */
	struct strict *strict;          /* during a strict open */
	void (*_Atomic trouble)(void *arg, enum snicert_trouble, const char *text);  /* NULL: none */
	void *trouble_arg;
	struct hook hook;
};

/** Where log lines go instead of the configured target; all zero: there. */
struct snicert_sink {
	void (*write)(void *arg, int priority, const char *text);
	void *arg;
	bool aside;             /* the tool only simulates: no statistics */
};

/** Open, with the sink set before the first line. */
int snicert_open_logging(struct snicert **out, const char *config_path, struct snicert_sink sink,
    struct snicert_error *err);

/** The functions of struct snicert_module: see snicert.h. */
int snicert_open(struct snicert **out, const char *config_path, struct snicert_error *err);
int snicert_open2(struct snicert **out, const struct snicert_options *, struct snicert_error *err);
int snicert_choose(struct snicert *, SSL *ssl, struct snicert_error *err);
int snicert_read_served(struct snicert *, const SSL *ssl, struct snicert_served *out, struct snicert_error *err);
int snicert_lookup(struct snicert *, const struct snicert_request *, struct snicert_served *out, struct snicert_error *err);
int snicert_warm(struct snicert *, const char *const *names, size_t count, struct snicert_error *err);
int snicert_read_health(struct snicert *, struct snicert_health *out, struct snicert_error *err);
int snicert_read_counters2(struct snicert *, struct snicert_counters2 *out, size_t size, struct snicert_error *err);
int snicert_attach2(struct snicert *, SSL_CTX *ctx, const struct snicert_policy *, struct snicert_error *err);
int snicert_set_local(struct snicert *, SSL *ssl, const struct sockaddr *, size_t length, struct snicert_error *err);
int snicert_set_name(struct snicert *, SSL *ssl, const char *name, struct snicert_error *err);
void snicert_detach(struct snicert *, SSL_CTX *ctx);
int snicert_attach(struct snicert *, SSL_CTX *ctx, struct snicert_error *err);
void snicert_set_log(struct snicert *, void (*sink)(void *arg, int priority, const char *text),
    void *arg);
void snicert_read_counters(struct snicert *, struct snicert_counters *out);
void snicert_close(struct snicert *);

#endif
