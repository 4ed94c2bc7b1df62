/* SPDX-License-Identifier: ISC */
/* config.h: snicert.conf.  Only config.c knows libconfuse. */
#ifndef SNICERT_CONFIG_H
#define SNICERT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "name.h"
#include "snicert.h"

/** What an unknown name gets. */
enum config_unknown {
	CONFIG_UNKNOWN_FALLBACK,        /* the fallback (RFC 7672 section 8.1) */
	CONFIG_UNKNOWN_OWN,             /* the host's own */
	CONFIG_UNKNOWN_REFUSE           /* alert unrecognized_name: for web hosts only */
};

/** What to do with a name's expired chain. */
enum config_expired {
	CONFIG_EXPIRED_SERVE,           /* serve it, loudly (RFC 7671 section 5.1) */
	CONFIG_EXPIRED_FALLBACK         /* try the next candidate */
};

/** One `program "NAME" { … }` section. */
struct config_program {
	char *name;
	enum config_unknown unknown;
	bool has_fallback;
	struct name fallback;           /* a name of the store, served before the global fallback */
};

struct config {
	char *path;                     /* the file read; NULL if missing */
	char *store_path;
	char *key_path;
	unsigned store_log_days;        /* how long the tool keeps lines of the change log */
	size_t cache_memory;            /* octets */
	char *stats_path;               /* NULL: off */
	unsigned stats_unknown, stats_names;    /* remembered */
	char *fleet_database;           /* for the tool: PostgreSQL's, a conninfo; NULL: no fleet */
	char *fleet_node;               /* this machine's name in it; NULL: its host name */
	bool wildcard;
	enum config_expired expired;
	enum log_target log_target;
	int log_facility;               /* syslog(3)'s; 0: the host's own */
	int log_level;
	unsigned from_file;             /* bit i: option i of config_options.c's table is set there */
	struct config_program *programs;
	size_t program_count;
};

/** How config_read treats mistakes. */
enum config_mode {
	CONFIG_STRICT,          /* an error with file and line: for the tool */
	CONFIG_LENIENT          /* the default applies, and *err has the first mistake: for the module */
};

/**
 * Read the configuration.
 *
 * `path` NULL is the compiled-in default, where a missing file means all defaults.  Lenient reading
 * fails only if out of memory; it returns 0 with err->code set if the file had mistakes.
 * Thread-safe.  Returns 0 with *out set (free with config_free), or -1 with *err set.
 */
int config_read(struct config **out, const char *path, enum config_mode mode,
    struct snicert_error *err);
void config_free(struct config *);

/** The section of a program (argv[0] without its directories), or NULL. */
const struct config_program *config_program(const struct config *, const char *name);

/**
 * Whether the file names the program, in a section or elsewhere: for a file whose mistakes may have
 * cost it its section.
 */
bool config_mentions(const char *path, const char *name);

/**
 * Call `each` for every option: its dotted name, its value as written in a file, and whether the
 * file sets it (else it is the default).
 */
void config_each(const struct config *,
    void (*each)(void *arg, const char *option, const char *value, bool from_file), void *arg);

/** The compiled-in path of the configuration. */
const char *config_default_path(void);

#endif
