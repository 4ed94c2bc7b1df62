/* SPDX-License-Identifier: ISC */
/*
 * sample-mta: a small but honest SMTP server with STARTTLS, which loads
 * snicert.so as any mail server of your own would.  It serves snicert's demo,
 * tests and benchmarks.  The files:
 *
 *     certs.c    what a mail server has to do to use snicert: start here
 *     main.c     options, and the order in which things start and end
 *     server.c   listening socket, threads, signals
 *     smtp.c     the dialogue; address.c takes addresses apart
 *     stream.c   lines over plaintext and TLS, with deadlines
 *     tls.c      the SSL_CTX and the server's own certificate
 *     spool.c    accepted messages as files; log.c log lines
 *
 * Not for real mail: it accepts everything from everybody and delivers nothing.
 * That's why it listens on 127.0.0.1 unless told otherwise.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certs.h"
#include "log.h"
#include "server.h"
#include "smtp.h"
#include "tls.h"

#define CERTIFICATES_MAX 8

struct options {
	const char *listen, *port_file, *module, *config, *user, *chroot, *mail_dir;
	const char *cert[CERTIFICATES_MAX], *key[CERTIFICATES_MAX];
	unsigned certs, keys;
	unsigned long port, threads, timeout, max_connections;
	const char *program;
	bool no_own_certificate, log, smtps, strict;
};

/* All that the server is made of; the callbacks of server.c get it. */
struct mta {
	struct smtp_config smtp;
	struct certs certs;
	char hostname[256];
};

static const char usage_text[] =
"usage: sample-mta [--listen ADDRESS] [--port PORT] --cert FILE --key FILE [OPTION...]\n"
"  --listen ADDRESS       numeric address to listen on (127.0.0.1)\n"
"  --port PORT            port to listen on; 0: the kernel's choice (0)\n"
"  --port-file FILE       write the port there, once listening\n"
"  --cert FILE --key FILE own certificate: PEM chain and key, once per key type\n"
"  --no-own-certificate   have none\n"
"  --module PATH          serve certificates by name with this snicert.so\n"
"  --config PATH          configuration of snicert (its own default)\n"
"  --program NAME         the section of it to go by (sample-mta)\n"
"  --strict               don't start unless configuration, store and store key can be read\n"
"  --threads N            sessions at once (8)\n"
"  --timeout SECONDS      for a line, a reply or a handshake (300)\n"
"  --smtps                TLS from the first byte, no STARTTLS\n"
"  --user NAME|UID        run as this user once started\n"
"  --chroot DIR           run in this directory once started\n"
"  --mail-dir DIR         keep accepted messages there, not throw them away\n"
"  --max-connections N    serve N connections, then end\n"
"  --log                  log to stderr, snicert's lines included\n"
"SIGTERM and SIGINT end it, SIGUSR1 prints snicert's counters on stderr.\n";

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "port", required_argument, NULL, 'p' },
	{ "port-file", required_argument, NULL, 'P' },
	{ "cert", required_argument, NULL, 'c' },
	{ "key", required_argument, NULL, 'k' },
	{ "no-own-certificate", no_argument, NULL, 'n' },
	{ "module", required_argument, NULL, 'm' },
	{ "config", required_argument, NULL, 'C' },
	{ "program", required_argument, NULL, 'g' },
	{ "strict", no_argument, NULL, 'S' },
	{ "threads", required_argument, NULL, 't' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "smtps", no_argument, NULL, 's' },
	{ "user", required_argument, NULL, 'u' },
	{ "chroot", required_argument, NULL, 'r' },
	{ "mail-dir", required_argument, NULL, 'd' },
	{ "max-connections", required_argument, NULL, 'N' },
	{ "log", no_argument, NULL, 'L' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int
complain(const char *what)
{
	fprintf(stderr, "sample-mta: %s: %s\n", what, strerror(errno));
	return -1;
}

static void
usage_error(const char *text)
{
	fprintf(stderr, "sample-mta: %s\n%s", text, usage_text);
	exit(2);
}

static unsigned long
number(const char *text, unsigned long low, unsigned long high)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < low || value > high)
		usage_error("not a number that makes sense here");
	return value;
}

static const char **
certificate_slot(const char **paths, unsigned *count)
{
	if (*count == CERTIFICATES_MAX)
		usage_error("too many certificates");
	return &paths[(*count)++];
}

static void
options_read(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .listen = "127.0.0.1", .threads = 8, .timeout = 300 };
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'l': o->listen = optarg; break;
		case 'p': o->port = number(optarg, 0, 65535); break;
		case 'P': o->port_file = optarg; break;
		case 'c': *certificate_slot(o->cert, &o->certs) = optarg; break;
		case 'k': *certificate_slot(o->key, &o->keys) = optarg; break;
		case 'n': o->no_own_certificate = true; break;
		case 'm': o->module = optarg; break;
		case 'C': o->config = optarg; break;
		case 'g': o->program = optarg; break;
		case 'S': o->strict = true; break;
		case 't': o->threads = number(optarg, 1, 1024); break;
		case 'T': o->timeout = number(optarg, 1, 86400); break;
		case 's': o->smtps = true; break;
		case 'u': o->user = optarg; break;
		case 'r': o->chroot = optarg; break;
		case 'd': o->mail_dir = optarg; break;
		case 'N': o->max_connections = number(optarg, 1, ULONG_MAX); break;
		case 'L': o->log = true; break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: usage_error("see above");
		}
	}
	if (optind < argc)
		usage_error("options only, please");
	if (o->certs != o->keys)
		usage_error("each --cert wants its --key");
	if (o->no_own_certificate == (o->certs > 0))
		usage_error("either --cert and --key, or --no-own-certificate");
	if ((o->config != NULL || o->program != NULL || o->strict) && o->module == NULL)
		usage_error("--config, --program and --strict are for --module");
}

/* A file that is there is complete. */
static int
write_port_file(const char *path, unsigned port)
{
	char temporary[PATH_MAX];
	FILE *file;
	int bad;

	if (snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid()) >=
	    (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return complain(path);
	}
	file = fopen(temporary, "we");
	if (file == NULL)
		return complain(temporary);
	bad = fprintf(file, "%u\n", port) < 0;
	bad = fclose(file) != 0 || bad;
	if (bad || rename(temporary, path) != 0) {
		complain(path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

/* Look the user up, then chroot, groups, gid and uid, in this order and for good. */
static int
drop_privileges(const struct options *o)
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (o->user != NULL) {
		const struct passwd *user = getpwnam(o->user);
		char *end;

		if (user == NULL) {
			uid = (uid_t)strtoul(o->user, &end, 10);
			if (*o->user < '0' || *o->user > '9' || *end != '\0') {
				errno = ENOENT;
				return complain(o->user);
			}
			user = getpwuid(uid);
		}
		if (user != NULL)
			uid = user->pw_uid;
		gid = user != NULL ? user->pw_gid : (gid_t)uid;
		if (user != NULL ? initgroups(user->pw_name, gid) != 0 : setgroups(0, NULL) != 0)
			return complain("groups");
	}
	if (o->chroot != NULL && (chroot(o->chroot) != 0 || chdir("/") != 0))
		return complain(o->chroot);
	if (o->user != NULL) {
		if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
			return complain(o->user);
		if (uid != 0 && setuid(0) == 0) {
			errno = EPERM;
			return complain("privileges came back");
		}
	}
	return 0;
}

static void
mta_session(void *arg, int fd, int stop_fd)
{
	const struct mta *mta = arg;

	smtp_session(&mta->smtp, fd, stop_fd);
}

static void
mta_print_counters(void *arg)
{
	const struct certs *certs = &((struct mta *)arg)->certs;
	struct snicert_counters n = {0};

	if (certs->module != NULL)
		certs->module->counters(certs->store, &n);
	fprintf(stderr, "counters exact=%" PRIu64 " wildcard=%" PRIu64 " fallback=%" PRIu64
	    " own=%" PRIu64 " refused=%" PRIu64 " trouble=%" PRIu64 " unusable=%" PRIu64
	    " cache_hits=%" PRIu64 " decodes=%" PRIu64 "%s\n", n.exact, n.wildcard, n.fallback,
	    n.own, n.refused, n.trouble, n.unusable, n.cache_hits, n.decodes,
	    certs->module == NULL ? " (no module)" : "");
}

/* The context with its own certificates, then the module on top. */
static int
mta_open_tls(struct mta *mta, const struct options *o)
{
	struct certs_options certs = { .config = o->config, .program = o->program, .strict = o->strict,
		.to_stderr = o->log };
	struct snicert_error err = {0};

	mta->smtp.ctx = tls_context_new();
	if (mta->smtp.ctx == NULL)
		return -1;
	for (unsigned i = 0; i < o->certs; i++)
		if (tls_add_certificate(mta->smtp.ctx, o->cert[i], o->key[i]) != 0)
			return -1;
	if (o->module == NULL)
		return 0;
	if (certs_open(&mta->certs, o->module, &certs, mta->smtp.ctx, &err) != 0) {
		/* A server in production may warn and go on with its own
		 * certificate; a test wants to know. */
		fprintf(stderr, "sample-mta: %s: %s\n", o->module, err.text);
		return -1;
	}
	return 0;
}

static int
mta_open_mail_dir(struct mta *mta, const char *path)
{
	if (path == NULL)
		return 0;
	mta->smtp.mail_dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return mta->smtp.mail_dir_fd < 0 ? complain(path) : 0;
}

/* Everything that may need root or a path comes before drop_privileges(). */
static int
mta_run(struct mta *mta, const struct options *o)
{
	struct server server = { .listen_fd = -1, .threads = (unsigned)o->threads,
		.max_connections = o->max_connections, .session = mta_session,
		.usr1 = mta_print_counters, .arg = mta };
	unsigned port = (unsigned)o->port;

	if (server_catch_signals() != 0 || mta_open_tls(mta, o) != 0 ||
	    mta_open_mail_dir(mta, o->mail_dir) != 0)
		return -1;
	server.listen_fd = server_listen(o->listen, &port);
	if (server.listen_fd < 0)
		return -1;
	if ((o->port_file != NULL && write_port_file(o->port_file, port) != 0) ||
	    drop_privileges(o) != 0) {
		close(server.listen_fd);
		return -1;
	}
	printf(strchr(o->listen, ':') != NULL ? "listening on [%s]:%u\n" : "listening on %s:%u\n",
	    o->listen, port);
	fflush(stdout);
	return server_run(&server);
}

int
main(int argc, char **argv)
{
	struct options options;
	struct mta mta = { .smtp = { .mail_dir_fd = -1 } };
	int result;

	options_read(&options, argc, argv);
	if (options.log)
		log_enable();
	if (gethostname(mta.hostname, sizeof(mta.hostname) - 1) != 0 || mta.hostname[0] == '\0')
		strcpy(mta.hostname, "localhost");
	mta.smtp.hostname = mta.hostname;
	mta.smtp.certs = &mta.certs;
	mta.smtp.implicit_tls = options.smtps;
	mta.smtp.timeout_ms = (int)(options.timeout * 1000);

	result = mta_run(&mta, &options);

	/* The connections are gone; now the context, then the module. */
	SSL_CTX_free(mta.smtp.ctx);
	certs_close(&mta.certs);
	if (mta.smtp.mail_dir_fd >= 0)
		close(mta.smtp.mail_dir_fd);
	return result == 0 ? 0 : 1;
}
