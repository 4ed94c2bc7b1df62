/* SPDX-License-Identifier: ISC */
/*
 * setup.h: what `snicert setup` knows of the servers that load the module.
 *
 *     host.c    the servers known, and finding one here
 *     mta.c     asking it about itself: mail transfer agents
 *     other.c   … and others; both on top of questions.c
 *     state.c   what of the set-up is there already, read from files
 *     contents.c        what the store holds
 *     access.c  what a user can reach, and what the module finds there, tried as that user
 *     instructions*.c   tell what to add and to run; guide.c writes it
 *     check.c   judges what is there
 *
 * All of these only look.  Only on request, and asking for each step:
 *
 *     apply.c   carries out what instructions.c tells; undo.c takes it back
 *     edit.c    changes files; run.c runs commands; journal.c keeps what was changed
 */
#ifndef SNICERT_SETUP_H
#define SNICERT_SETUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "show/report.h"
#include "snicert.h"
#include "store/admin.h"

#define SETUP_PROGRAMS_MOST 8
#define SETUP_TEXT 1024

/** How a server loads the module. */
enum setup_way {
	SETUP_NO_WAY,           /* it can't: host->why */
	SETUP_TLS_CONFIG_FILE,  /* Postfix's setting names the OpenSSL configuration */
	SETUP_ITS_ENVIRONMENT,  /* OPENSSL_CONF, in a setting of the server */
	SETUP_ENVIRONMENT,      /* OPENSSL_CONF, in the environment it starts with */
	SETUP_BOUND,            /* unit mounts a file over the system's openssl.cnf: ignores OPENSSL_CONF */
	SETUP_EXIM_OPENSSL,     /* ${dlfunc}, once per connection */
	SETUP_EXIM_GNUTLS       /* ${dlfunc}, per name */
};

/** The identity of a process.  user[0] is NUL if unknown. */
struct setup_identity {
	char user[64], group[64];
	uid_t uid;
	gid_t gid;
	bool exists;            /* the system has this user */
	bool other_groups;      /* it also takes the user's other groups */
};

struct setup_host;

/** A server known by name. */
struct setup_kind {
	const char *name;               /* as on the command line */
	const char *title;
	const char *const *binaries;    /* what to ask: names, or absolute paths; NULL at the end */
	const char *marker;             /* in the right one's file, if several share a name; or NULL */
	/** Ask it; -1 if it isn't what its name says. */
	int (*ask)(struct setup_host *host, struct snicert_error *err);
	const char *unit;               /* its systemd unit */
	const char *restart;            /* makes it load the module, if not `systemctl restart UNIT` */
	const char *probe;              /* arguments of `snicert probe` */
	const char *s_client;           /* options of `openssl s_client` */
};

/** What we found out about one. */
struct setup_host {
	const struct setup_kind *kind;
	char name[64];
	char binary[PATH_MAX];          /* that we asked */
	char server[PATH_MAX];          /* that does TLS */
	char master[PATH_MAX];          /* that starts those, and does none itself; or empty */
	char version[64];
	char library[64];               /* its TLS library's soname, or name; empty: none seen */
	enum setup_way way;
	char why[SETUP_TEXT];           /* why it can't, or what to know about it; or empty */

	char programs[SETUP_PROGRAMS_MOST][64]; /* by argv[0], for snicert.conf */
	size_t program_count;
	bool any_program;               /* one of these names is enough */
	bool root_loads;                /* root loads the module, whoever it runs as later */
	bool opens_again;               /* each process opens it again, as that user */
	struct setup_identity run;
	char chroot[SETUP_TEXT];        /* what is in a chroot, as text; or empty */

	char cnf[PATH_MAX];             /* the OpenSSL configuration it reads, or will read */
	char application[64];           /* the name it looks for there before openssl_conf; or empty */
	char defaults[PATH_MAX];        /* the file that its init script reads, if that starts it; or empty */
	char setting[2048];             /* the current value of the setting that leads to it; or empty */
	bool set;                       /* that value is right */
	const char *keep;               /* the line that gives a new binary OPENSSL_CONF; NULL: needs none */
	bool kept;                      /* that line is there */
	char file[PATH_MAX];            /* the server's configuration, for adding lines by hand */

	bool tls_known, tls;            /* whether it offers TLS at all */
	char certificate[SETUP_TEXT];   /* its own; empty: none, or unknown */
	char private_key[SETUP_TEXT];   /* its key; only Exim's */
};

/** The same for all servers. */
struct setup {
	const char *module;             /* path of snicert.so */
	char module_library[64];        /* the soname of the OpenSSL it is linked with */
	const struct config *config;    /* as far as readable */
	const char *config_path;        /* absolute */
	struct snicert_error config_fault;      /* its first mistake */
	char cnf[PATH_MAX];             /* for servers with a configurable file */
	char system_cnf[PATH_MAX];      /* OpenSSL's own */
	const char *binary;             /* --binary, or NULL */
	const char *user;               /* --user, or NULL */
};

/* host.c */

/** The known servers, in order; NULL after the last, and for an unknown name. */
const struct setup_kind *setup_kind_at(size_t i);
const struct setup_kind *setup_kind_named(const char *name);

/**
 * Find one and ask it; `kind` NULL is any program on OpenSSL, --binary.  Returns 0 with *host
 * filled, or -1 with *err set: SNICERT_ENOTFOUND if there is none.
 */
int setup_find(const struct setup *, const struct setup_kind *kind, struct setup_host *host,
    struct snicert_error *err);

/** Whether a command exists, in $PATH or its usual place. */
bool setup_has_program(const char *name);

/** Whether systemd runs here. */
bool setup_under_systemd(void);

/** `name` in the directory of `path`. */
void setup_beside(const char *path, const char *name, char *out, size_t size);

/* state.c */

enum setup_cnf {
	SETUP_CNF_NO_FILE,
	SETUP_CNF_BROKEN,       /* OpenSSL can't read it */
	SETUP_CNF_NO_SECTION,   /* doesn't mention the module */
	SETUP_CNF_OTHER,        /* does, with another path or configuration */
	SETUP_CNF_GOOD
};

/** What an OpenSSL configuration says of the module; `why` (SETUP_TEXT) tells what is wrong. */
enum setup_cnf setup_cnf_state(const struct setup *, const struct setup_host *, char *why);

/** The sections installed with the module, for .include. */
#define SETUP_SHARE_CNF SNICERT_DATADIR "/openssl.cnf"

/** Whether a server that reads it keeps TLS after the package is removed, if that is possible. */
bool setup_cnf_outlives(const struct setup *, const struct setup_host *);

/** The text that corrects it: the whole file, or what to add at its end. */
void setup_cnf_text(const struct setup *, const struct setup_host *, enum setup_cnf state, FILE *out);

/** Whether snicert.conf has a section for it. */
bool setup_program_named(const struct setup *, const char *program);

/* contents.c */

/** What the store contains; false if unreadable. */
bool setup_contents(const struct setup *, struct admin_totals *);

/* access.c */

/** What we found as some user. */
struct setup_findings {
	char text[4096];        /* lines */
	size_t length;
};

/** Root, for servers with `root_loads`. */
const struct setup_identity *setup_loader(const struct setup_host *);

/** Whether this process can be that identity: root, or already it. */
bool setup_can_be(const struct setup_identity *);

/**
 * What it can't reach of the store, its key, the configuration and (NULL: none) `more`: a line for
 * each closed file and directory on the way, "PATH MODE", with r or x for what it needs.  Returns
 * 0, or -1 with *err set if we couldn't test that.
 */
int setup_denied(const struct setup *, const struct setup_identity *, const char *more,
    struct setup_findings *, struct snicert_error *err);

/** Open everything with the module's own code, as that user: the lines it would log. */
int setup_open_as(const struct setup *, const struct setup_identity *, struct setup_findings *,
    struct snicert_error *err);

/** Load the module in a separate process: empty, or a line that says what is wrong. */
int setup_load_module(const struct setup *, const struct setup_host *, struct setup_findings *,
    struct snicert_error *err);

/** Don't give keys to a group that many share. */
bool setup_shared_group(const struct setup_identity *);

#define SETUP_ACL_PACKAGE "setfacl is not here: install the package acl first"

/** The command that lets it in, for a line of setup_denied. */
void setup_fix(const struct setup_identity *, const char *line, char *out, size_t size);

/* instructions.c, check.c */

/** Columns of setup_page's report. */
#define SETUP_GUIDE_COLUMNS 6
extern const struct report_column setup_guide_columns[SETUP_GUIDE_COLUMNS];

/** What an earlier server's page said, so isn't repeated.  Starts as zeros. */
struct setup_told {
	bool common;            /* the package, the chains, the fallback */
	char cnf[PATH_MAX];     /* the OpenSSL configuration; empty: none yet */
};

/** Print what to do: on standard output, or as rows of `report` (JSON). */
void setup_page(const struct setup *, const struct setup_host *, struct setup_told *, struct report *report);

#define SETUP_CHECK_COLUMNS 5
extern const struct report_column setup_check_columns[SETUP_CHECK_COLUMNS];

/** Judge what is there; returns the number of faults. */
unsigned setup_check(const struct setup *, const struct setup_host *, struct report *report);

#endif
