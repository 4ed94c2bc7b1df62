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
	TOOL_FAILED = 3         /* the work failed, and nothing was changed (but see --keep-going) */
};

struct tool {
	const char *config_path;        /* -c, or NULL */
	struct config *config;
	bool json;
	bool quiet;                     /* no answer, no progress: the exit code tells */
	unsigned wait;                  /* seconds, for another program that writes the store */
	const struct command *command;  /* the one that runs */
};

/** What snicert.c has to know of a command. */
enum command_traits {
	COMMAND_PRINTS = 1,             /* changes nothing and talks to nobody: `| head` ends it like any other program */
	COMMAND_JUDGES = 2,             /* a mistake in the configuration is among what it judges */
	COMMAND_UNCONFIGURED = 4,       /* runs in a build, where nothing is configured */
	COMMAND_PLUGIN = 8,             /* answers on standard output, also that the configuration can't be read */
	COMMAND_DATA = 16               /* is there for its standard output, which --quiet so leaves alone */
};

/** What a command does besides, with options of its own: `mta-sts new`. */
struct command_action {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help;               /* a line per option, or NULL */
};

/** A command, which its file in cmd/ describes. */
struct command {
	const char *name;
	const char *alias;              /* another word for it, or NULL */
	int (*run)(struct tool *, int argc, char **argv);
	const char *arguments;          /* for the usage line */
	const char *summary;
	const char *help;               /* a line per option, or NULL */
	unsigned traits;                /* enum command_traits */
	const struct command_action *actions; /* ended by one without a name; NULL: none */
};

/** Options that every command takes; put last in its struct option list. */
#define TOOL_OPTIONS { "json", no_argument, NULL, 'J' }, { "quiet", no_argument, NULL, 'Q' }, { "wait", required_argument, NULL, 'W' }, { "help", no_argument, NULL, 'H' }, { NULL, 0, NULL, 0 }

/**
 * getopt_long() that handles the options every command takes.
 * Returns an option of the command, -1 at the end of the options, or '?' when
 * the command shall return *exit_code at once (--help, or usage).
 */
int tool_getopt(struct tool *, int argc, char **argv, const struct option *options,
    int *exit_code);

/** How a command is used, or (NULL: none) one of its actions, to standard output. */
void tool_help(const struct command *, const char *action);

/** Whether a command line asks for help: that was printed. */
bool tool_asks_help(const struct command *, int argc, char **argv);

/** Complain about a word that is none of those known: with the nearest of them, or `see`; returns TOOL_USAGE. */
int tool_unknown(const char *what, const char *word, const char *meant, const char *see);

/** All commands, in the order of the help. */
const struct command *const *tool_commands(size_t *count);

/** Something was changed for good: what fails from now on has to say so. */
void tool_changed(void);
bool tool_has_changed(void);

/** --quiet: what goes to standard output goes nowhere, unless it is what the command is for. */
void tool_quiet(struct tool *);

/** --wait SECONDS: for another program that writes the store; false where it is no number of them. */
bool tool_wait(struct tool *, const char *text);

/** Complain about the arguments, printf-like, with the usage line; returns TOOL_USAGE. */
int tool_usage(const struct tool *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print an error to stderr; returns TOOL_FAILED, or what its code calls for. */
int tool_fail(const struct snicert_error *err);

/**
 * A report that is held back until the work it tells of is committed: written
 * by tool_outcome_print, dropped by tool_outcome_free.
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

/** Whether this process may (R_OK, W_OK; errno): with its capabilities, which access() leaves out. */
bool tool_may(const char *path, int mode);

/** A whole number without a sign, from `least` to `most`. */
bool tool_number(const char *text, int64_t least, int64_t most, int64_t *out);

/** "6h", "7d" or "2w" before now, or a day "2026-11-24", or a moment "2026-11-24T02:00:00", in UTC. */
bool tool_since(const char *text, int64_t *out);

/** Normalise a name (U-labels become A-labels, RFC 5891) or "*.parent". */
int tool_name(const char *text, struct name *out, struct snicert_error *err);

/** The key of the fallback: of `address` in its canonical text, or the global one (NULL). */
int tool_fallback_key(const char *address, struct name *out, struct snicert_error *err);

/** name_describe() for a key that is text. */
const char *tool_key_text(const char *key, char buffer[NAME_TEXT_SIZE]);

/** A list of names, from the store's space-separated form. */
void tool_report_names(struct report *, const char *names);

/** The first 16 hexadecimal digits of a SHA-256, as tables show it; `full`: all 64. */
const char *tool_fingerprint(const unsigned char *digest, bool full, char *buffer, size_t size);

extern const struct command command_activate, command_backup, command_bind, command_check,
    command_completion, command_config, command_fallback, command_expiring, command_explain,
    command_export, command_exporter, command_hook, command_import, command_init,
    command_key, command_list, command_log, command_mta_sts, command_owner, command_probe,
    command_rekey, command_remove, command_restore, command_rollback, command_setup,
    command_show, command_stats, command_status, command_tlsa, command_trace,
    command_unbind, command_unknown, command_verify, command_watch;

#endif
