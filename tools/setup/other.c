/* SPDX-License-Identifier: ISC */
/* other.c: asking a mail provider's other servers about themselves. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "setup/elf.h"
#include "setup/questions.h"

/* --- Dovecot -------------------------------------------------------------- */

/* `name` as doveconf prints it when asked for `what`: itself, or the enclosing block. */
static bool
dovecot_within(const char *doveconf, const char *what, const char *name, char *out, size_t size)
{
	const char *argv[] = { doveconf, what, NULL };
	struct ask_answer answer;
	bool has;

	if (ask_run(argv, SETUP_SECONDS, &answer, NULL) != 0)
		return false;
	has = setup_setting(answer.out, name, out, size);
	ask_free(&answer);
	return has;
}

static bool
dovecot_setting(const char *doveconf, const char *name, char *out, size_t size)
{
	return dovecot_within(doveconf, name, name, out, size);
}

/* If unreadable, we can't say anything. */
static int
dovecot_readable(const char *doveconf, struct snicert_error *err)
{
	const char *argv[] = { doveconf, "protocols", NULL };
	struct ask_answer answer;
	int rc = 0;

	if (ask_run(argv, SETUP_SECONDS, &answer, err) != 0)
		return -1;
	if (answer.exit_code != 0)
		rc = error_set(err, SNICERT_EINPUT, "%.*s; fix that first",
		    (int)strcspn(answer.err, "\n"), answer.err);
	ask_free(&answer);
	return rc;
}

/* The processes that do TLS with clients, by services. */
static void
dovecot_programs(struct setup_host *host, const char *protocols)
{
	static const char *const logins[][2] = { { "imap", "imap-login" }, { "pop3", "pop3-login" },
		{ "submission", "submission-login" }, { "sieve", "managesieve-login" }, { "lmtp", "lmtp" } };
	char copy[256], *save = NULL;

	PUT(copy, "%s", protocols);
	for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
			if (strcmp(word, logins[i][0]) == 0)
				setup_add_program(host, logins[i][1]);
	if (host->program_count == 0)
		setup_add_program(host, "imap-login");
}

/* The library is in a plug-in, in one of two places. */
static void
dovecot_library(struct setup_host *host, const char *doveconf)
{
	static const char *const directories[] = { "libexec_dir", "mail_plugin_dir" };
	static const char *const tails[] = { "", "/modules", "/.." };
	char directory[PATH_MAX], path[PATH_MAX + 64];

	for (size_t i = 0; i < 2; i++) {
		if (!dovecot_setting(doveconf, directories[i], directory, sizeof(directory)))
			continue;
		if (i == 0)
			PUT(host->server, "%s/%s", directory, host->programs[0]);
		for (size_t j = 0; j < 3 && host->library[0] == '\0'; j++) {
			PUT(path, "%s%s/libssl_iostream_openssl.so", directory, tails[j]);
			if (elf_tls_library(path, host->library, sizeof(host->library)))
				return;
		}
	}
}

/* Up to 2.3 a line, from 2.4 on a block of assignments. */
static void
dovecot_environment(struct setup_host *host, const char *doveconf)
{
	const char *argv[] = { doveconf, "import_environment", NULL };
	struct ask_answer answer;
	char path[PATH_MAX];

	if (ask_run(argv, SETUP_SECONDS, &answer, NULL) != 0)
		return;
	if (!SETTING(answer.out, "import_environment", host->setting) && SETTING(answer.out, "OPENSSL_CONF", path))
		PUT(host->setting, "OPENSSL_CONF=%s", path);
	ask_free(&answer);
}

/* Up to 2.3, "<" says that a file has the value. */
static void
dovecot_certificate(struct setup_host *host, const char *doveconf)
{
	char value[SETUP_TEXT];

	if (dovecot_setting(doveconf, "ssl_cert", value, sizeof(value)))
		PUT(host->certificate, "%s", value + (value[0] == '<'));
	else
		dovecot_within(doveconf, "ssl_server", "cert_file", host->certificate, sizeof(host->certificate));
}

int
setup_ask_dovecot(struct setup_host *host, struct snicert_error *err)
{
	char doveconf[PATH_MAX], text[SETUP_TEXT] = "";
	struct ask_answer answer;

	if (QUESTION(host, &answer, err, "--version") != 0)
		return -1;
	setup_take_word(answer.out, host->version, sizeof(host->version));
	ask_free(&answer);
	if (!isdigit((unsigned char)host->version[0]))
		return error_set(err, SNICERT_EINPUT, "%s --version prints no version", host->binary);
	setup_beside(host->binary, "doveconf", doveconf, sizeof(doveconf));
	if (access(doveconf, X_OK) != 0)
		PUT(doveconf, "/usr/bin/doveconf");
	if (dovecot_readable(doveconf, err) != 0)
		return -1;
	dovecot_setting(doveconf, "protocols", text, sizeof(text));
	dovecot_programs(host, text);
	dovecot_library(host, doveconf);
	PUT(host->master, "%s", host->binary);
	host->root_loads = true;
	host->way = SETUP_ITS_ENVIRONMENT;
	dovecot_environment(host, doveconf);
	host->tls_known = dovecot_setting(doveconf, "ssl", text, sizeof(text));
	host->tls = strcmp(text, "no") != 0;
	dovecot_certificate(host, doveconf);
	if (!dovecot_setting(doveconf, "default_login_user", text, sizeof(text)))
		PUT(text, "dovenull");
	setup_runs_as(host, text, NULL, false);
	if ((dovecot_setting(doveconf, "service/imap-login/chroot", text, sizeof(text)) ||
	        dovecot_within(doveconf, "service/imap-login/chroot", "chroot", text, sizeof(text))) &&
	    text[0] != '\0')
		PUT(host->chroot, "%s", text);
	PUT(host->file, "/etc/dovecot/dovecot.conf");
	return 0;
}

/* --- nginx, stunnel ------------------------------------------------------- */

/* A top-level directive's value in a file: good enough for `user` and `setuid`. */
static bool
directive(const char *path, const char *key, char *out, size_t size)
{
	char *text = setup_file_text(path);
	bool has = text != NULL && setup_line_after(text, key, out, size);

	free(text);
	if (has)
		out[strcspn(out, ";#")] = '\0';
	return has;
}

/* What follows `key` in text, up to a space. */
static bool
argument_of(const char *text, const char *key, char *out, size_t size)
{
	const char *at = strstr(text, key);

	if (at == NULL)
		return false;
	setup_put(out, size, "%.*s", (int)strcspn(at + strlen(key), " \n'"), at + strlen(key));
	return true;
}

int
setup_ask_nginx(struct setup_host *host, struct snicert_error *err)
{
	char user[128] = "nobody", variable[PATH_MAX], *save = NULL, *name, *group;
	struct ask_answer answer;
	const char *text;

	if (QUESTION(host, &answer, err, "-V") != 0)
		return -1;
	text = strstr(answer.err, "nginx/");
	if (text != NULL)
		setup_take_word(text + strlen("nginx/"), host->version, sizeof(host->version));
	if (!argument_of(answer.err, "--conf-path=", host->file, sizeof(host->file)))
		PUT(host->file, "/etc/nginx/nginx.conf");
	argument_of(answer.err, "--user=", user, sizeof(user));
	ask_free(&answer);
	if (text == NULL)
		return error_set(err, SNICERT_EINPUT, "%s -V prints no version", host->binary);
	directive(host->file, "user ", user, sizeof(user));
	name = strtok_r(user, " \t", &save);
	group = strtok_r(NULL, " \t", &save);
	setup_runs_as(host, name == NULL ? "nobody" : name, group, true);
	setup_look_at(host, host->binary);
	setup_add_program(host, "nginx");
	host->root_loads = true;
	host->opens_again = true;
	host->way = SETUP_ENVIRONMENT;
	/* On USR2, as in Debian's package update, it starts its new binary with an empty environment. */
	host->keep = "env OPENSSL_CONF;";
	host->kept = directive(host->file, "env OPENSSL_CONF", variable, sizeof(variable));
	PUT(host->why, "Only for a host of MTA-STS policies: program \"nginx\" { unknown = \"refuse\" }.");
	return 0;
}

int
setup_ask_stunnel(struct setup_host *host, struct snicert_error *err)
{
	struct ask_answer answer;
	const char *text;

	if (QUESTION(host, &answer, err, "-version") != 0)
		return -1;
	text = strstr(answer.err, "stunnel ");
	if (text == NULL)
		text = strstr(answer.out, "stunnel ");
	if (text != NULL)
		setup_take_word(text + strlen("stunnel "), host->version, sizeof(host->version));
	ask_free(&answer);
	if (text == NULL)
		return error_set(err, SNICERT_EINPUT, "%s -version prints no version", host->binary);
	setup_look_at(host, host->binary);
	setup_add_program(host, "stunnel4");
	setup_add_program(host, "stunnel");
	host->any_program = true;
	setup_runs_as(host, "root", NULL, false);
	host->root_loads = true;
	host->way = SETUP_ENVIRONMENT;
	return 0;
}

/* --- aiosmtpd, and any program -------------------------------------------- */

int
setup_ask_aiosmtpd(struct setup_host *host, struct snicert_error *err)
{
	static const char script[] = "import sys, _ssl, aiosmtpd\n"
	    "print('release = ' + aiosmtpd.__version__)\n"
	    "print('ssl = ' + _ssl.__file__)\n"
	    "print('executable = ' + sys.executable)\n";
	char path[PATH_MAX];
	struct ask_answer answer;

	if (QUESTION(host, &answer, err, "-I", "-c", script) != 0)
		return -1;
	if (!SETTING(answer.out, "release", host->version)) {
		ask_free(&answer);
		return error_set(err, SNICERT_ENOTFOUND, "%s has no aiosmtpd; --binary names another Python, such as a "
		    "virtual environment's", host->binary);
	}
	if (SETTING(answer.out, "ssl", path))
		setup_look_at(host, path);
	if (SETTING(answer.out, "executable", path))
		setup_add_program(host, setup_base_name(path));
	ask_free(&answer);
	host->way = SETUP_ENVIRONMENT;
	PUT(host->why, "Every Python program with this OPENSSL_CONF and this name loads it: set it for this service only.");
	return 0;
}

int
setup_ask_any(struct setup_host *host, struct snicert_error *err)
{
	(void)err;
	setup_look_at(host, host->binary);
	setup_add_program(host, setup_base_name(host->binary));
	host->way = setup_is_privileged(host->binary) ? SETUP_BOUND : SETUP_ENVIRONMENT;
	if (!elf_is_native(host->binary)) {
		host->way = SETUP_NO_WAY;
		PUT(host->why, "It is not a binary of this machine. A script is run by another program, which --binary "
		    "should name.");
	}
	return 0;
}
