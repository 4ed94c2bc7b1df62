/* SPDX-License-Identifier: ISC */
/* tool.h: what the subcommands of `snicert` share.  Each is in a file of cmd/. */
#ifndef SNICERT_TOOL_H
#define SNICERT_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "config.h"
#include "name.h"
#include "show/report.h"
#include "snicert.h"

/** Exit codes. */
enum tool_exit {
	TOOL_DONE = 0,
	TOOL_NO = 1,            /* the answer is no: nothing found, a check failed */
	TOOL_USAGE = 2,
	TOOL_FAILED = 3         /* the work failed and changed nothing (but see --keep-going) */
};

struct tool {
	const char *config_path;        /* -c, or NULL */
	struct config *config;
	bool json;
	bool quiet;                     /* no answer, no progress: only the exit code */
	unsigned wait;                  /* seconds to wait for another writer of the store */
	const struct command *command;  /* what is running */
};

/** What snicert.c must know of a command. */
enum command_traits {
	COMMAND_PRINTS = 1,             /* changes nothing, no network: `| head` may end it */
	COMMAND_JUDGES = 2,             /* also judges mistakes in the configuration */
	COMMAND_UNCONFIGURED = 4,       /* runs in builds, where nothing is configured */
	COMMAND_PLUGIN = 8,             /* also reports an unreadable configuration on standard output */
	COMMAND_DATA = 16               /* exists for its standard output, so --quiet leaves that alone */
};

/** What else a command does, with its own options: `mta-sts new`. */
struct command_action {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help;               /* a line per option, or NULL */
};

/** A command, as its file in cmd/ describes it. */
struct command {
	const char *name;
	const char *alias;              /* another word for it, or NULL */
	int (*run)(struct tool *, int argc, char **argv);
	const char *arguments;          /* for the usage line */
	const char *summary;
	const char *help;               /* a line per option, or NULL */
	unsigned traits;                /* enum command_traits */
	const struct command_action *actions; /* the last has no name; NULL: none */
};

/** Options of every command; put them last in its struct option list. */
#define TOOL_OPTIONS { "json", no_argument, NULL, 'J' }, { "quiet", no_argument, NULL, 'Q' }, { "wait", required_argument, NULL, 'W' }, { "help", no_argument, NULL, 'H' }, { NULL, 0, NULL, 0 }

/**
 * getopt_long() that handles the options of every command.  Returns an option of the command,
 * -1 at the end of the options, or '?' when the command must return *exit_code at once
 * (--help, or usage).
 */
int tool_getopt(struct tool *, int argc, char **argv, const struct option *options,
    int *exit_code);

/** Print the usage of a command, or of its action `name` (NULL: none), to standard output. */
void tool_help(const struct command *, const char *name);

/** Whether a command line asks for help, then printed. */
bool tool_asks_help(const struct command *, int argc, char **argv);

/** Complain about an unknown word, and name the nearest known one, or `see`; returns TOOL_USAGE. */
int tool_unknown(const char *what, const char *word, const char *meant, const char *see);

/** All commands, in the order of the help. */
const struct command *const *tool_commands(size_t *count);

/** A change is permanent: later failures must say so. */
void tool_changed(void);
bool tool_has_changed(void);

/** --quiet: discard standard output, unless the command exists for it. */
void tool_quiet(struct tool *);

/** --wait SECONDS for another program that writes the store; false if it isn't a number. */
bool tool_wait(struct tool *, const char *text);

/** Complain about the arguments, printf-like, with the usage line; returns TOOL_USAGE. */
int tool_usage(const struct tool *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print an error to stderr; returns TOOL_FAILED, or what its code calls for. */
int tool_fail(const struct snicert_error *err);

/**
 * A report held back until its work is committed: tool_outcome_print writes it,
 * tool_outcome_free drops it.
 */
struct tool_outcome {
	struct report *report;
	FILE *stream;
	char *text;
	size_t length;
};
void tool_outcome_begin(struct tool_outcome *, const struct tool *,
    const struct report_column *columns, size_t count);
int tool_outcome_print(struct tool_outcome *, struct snicert_error *err);
void tool_outcome_free(struct tool_outcome *);

/** Whether this process may (R_OK, W_OK; errno): counts capabilities, which access() ignores. */
bool tool_may(const char *path, int mode);

/** An unsigned whole number from `least` to `most`. */
bool tool_number(const char *text, int64_t least, int64_t most, int64_t *out);

/** "6h", "7d" or "2w" ago, a day "2026-11-24", or a time "2026-11-24T02:00:00", in UTC. */
bool tool_since(const char *text, int64_t *out);

/** Normalise a name (U-labels become A-labels, RFC 5891) or "*.parent". */
int tool_name(const char *text, struct name *out, struct snicert_error *err);

/** The key of a fallback: of `address` in canonical text, or the global one (NULL). */
int tool_fallback_key(const char *address, struct name *out, struct snicert_error *err);

/** name_describe() for a textual key. */
const char *tool_key_text(const char *key, char buffer[NAME_TEXT_SIZE]);

/** A list of names, from the store's space-separated form. */
void tool_report_names(struct report *, const char *names);

/** The first 16 hexadecimal digits of a SHA-256, as in tables; `full`: all 64. */
const char *tool_fingerprint(const unsigned char *digest, bool full, char *buffer, size_t size);

extern const struct command command_activate, command_backup, command_bind, command_check,
    command_completion, command_config, command_fallback, command_expiring, command_explain,
    command_export, command_exporter, command_fleet, command_follow, command_hook, command_import, command_init,
    command_key, command_list, command_log, command_mta_sts, command_owner, command_probe,
    command_rekey, command_remove, command_restore, command_rollback, command_setup,
    command_show, command_stats, command_status, command_tlsa, command_trace,
    command_unbind, command_unknown, command_used, command_verify, command_watch;

#endif
