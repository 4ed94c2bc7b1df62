/* SPDX-License-Identifier: ISC */
/*
 * host.c: the table of known servers, and finding one on this machine.  Judges by its answers
 * whether and how it can load the module.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "safety.h"
#include "setup/questions.h"

/* --- the table ------------------------------------------------------------ */

static const char *const postfix_binaries[] = { "postconf", NULL };
static const char *const exim_binaries[] = { "exim4", "exim", NULL };
static const char *const sendmail_binaries[] = { "/usr/libexec/sendmail/sendmail", "/usr/lib/sm.bin/sendmail",
	"sendmail", NULL };
static const char *const opensmtpd_binaries[] = { "smtpd", NULL };
static const char *const dovecot_binaries[] = { "dovecot", NULL };
static const char *const nginx_binaries[] = { "nginx", NULL };
static const char *const stunnel_binaries[] = { "stunnel4", "stunnel", NULL };
static const char *const python_binaries[] = { "python3", NULL };

static const struct setup_kind kinds[] = {
	{ "postfix", "Postfix", postfix_binaries, NULL, setup_ask_postfix, "postfix", "postfix reload",
	    "localhost:25", "-starttls smtp -connect localhost:25" },
	{ "exim", "Exim", exim_binaries, NULL, setup_ask_exim, "exim4", NULL,
	    "localhost:25", "-starttls smtp -connect localhost:25" },
	{ "sendmail", "sendmail", sendmail_binaries, "/sendmail.cf", setup_ask_sendmail, "sendmail", NULL,
	    "localhost:25", "-starttls smtp -connect localhost:25" },
	{ "opensmtpd", "OpenSMTPD", opensmtpd_binaries, NULL, setup_ask_opensmtpd, "opensmtpd", NULL,
	    "localhost:25", "-starttls smtp -connect localhost:25" },
	{ "dovecot", "Dovecot", dovecot_binaries, NULL, setup_ask_dovecot, "dovecot", "doveadm stop; dovecot",
	    "--implicit localhost:993", "-starttls imap -connect localhost:143" },
	{ "nginx", "nginx", nginx_binaries, NULL, setup_ask_nginx, "nginx", NULL,
	    "--implicit localhost:443", "-connect localhost:443" },
	{ "stunnel", "stunnel", stunnel_binaries, NULL, setup_ask_stunnel, "stunnel@", "service stunnel4 restart",
	    "--implicit localhost:465", "-connect localhost:465" },
	{ "aiosmtpd", "aiosmtpd (Python)", python_binaries, NULL, setup_ask_aiosmtpd, "YOUR-SERVICE", NULL,
	    "localhost:25", "-starttls smtp -connect localhost:25" },
};

static const struct setup_kind any = { "", "a program on OpenSSL", NULL, NULL, setup_ask_any, "YOUR-SERVICE", NULL,
	"localhost:25", "-starttls smtp -connect localhost:25" };

const struct setup_kind *
setup_kind_at(size_t i)
{
	return i < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[i] : NULL;
}

const struct setup_kind *
setup_kind_named(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* --- finding it ----------------------------------------------------------- */

static bool
is_it(const struct setup_kind *kind, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 &&
	    (kind == NULL || kind->marker == NULL || setup_file_has(path, kind->marker));
}

static bool
find_in(const struct setup_kind *kind, const char *directories, const char *name, char *out, size_t size)
{
	for (; *directories != '\0'; directories += *directories == ':') {
		size_t length = strcspn(directories, ":");

		setup_put(out, size, "%.*s/%s", (int)length, directories, name);
		/* Root must not run anything from a relative directory. */
		if (directories[0] == '/' && is_it(kind, out))
			return true;
		directories += length;
	}
	return false;
}

#define USUAL_DIRECTORYS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool
setup_has_program(const char *name)
{
	const char *path = getenv("PATH");
	char found[PATH_MAX];

	return (path != NULL && find_in(NULL, path, name, found, sizeof(found))) ||
	    find_in(NULL, USUAL_DIRECTORYS, name, found, sizeof(found));
}

/* $PATH first, as the user would run it. */
static bool
find_binary(const struct setup_kind *kind, char *out, size_t size)
{
	const char *path = getenv("PATH");

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): each kind that is looked for has some */
	for (size_t i = 0; kind->binaries[i] != NULL; i++) {
		const char *name = kind->binaries[i];

		if (name[0] == '/') {
			setup_put(out, size, "%s", name);
			if (is_it(kind, out))
				return true;
		} else if ((path != NULL && find_in(kind, path, name, out, size)) ||
		    find_in(kind, USUAL_DIRECTORYS, name, out, size)) {
			return true;
		}
	}
	return false;
}

/* Don't run what others could have changed, least of all as root. */
static int
judge_binary(const char *path, struct snicert_error *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return error_system(err, "%s", path);
	if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
		return error_set(err, SNICERT_EINPUT, "%s is not a program", path);
	return safety_check(path, &st, SAFETY_PUBLIC, (uid_t)-1, err);
}

static int
choose_binary(const struct setup *setup, const struct setup_kind *kind, struct setup_host *host,
    struct snicert_error *err)
{
	if (setup->binary != NULL)
		PUT(host->binary, "%s", setup->binary);
	else if (!find_binary(kind, host->binary, sizeof(host->binary)))
		return error_set(err, SNICERT_ENOTFOUND, "%s is not installed: no %s in $PATH or the usual directories; "
		    "give its path with --binary", kind->title, setup_base_name(kind->binaries[0]));
	return judge_binary(host->binary, err);
}

/* The module and the server must mean the same library by SSL_CTX. */
static void
compare_libraries(const struct setup *setup, struct setup_host *host)
{
	if (host->way == SETUP_NO_WAY || host->way == SETUP_EXIM_GNUTLS)
		return;
	if (strncmp(host->library, "libssl-", strlen("libssl-")) == 0) {
		host->way = SETUP_NO_WAY;
		PUT(host->why, "It comes with its own OpenSSL, %s; with the module there would be two in one process. "
		    "Build it with the system's OpenSSL, or give it files (snicert export).", host->library);
	} else if (strncmp(host->library, "libssl.so.", strlen("libssl.so.")) != 0) {
		host->way = SETUP_NO_WAY;
		PUT(host->why, "%s is not linked with a shared OpenSSL (%s), so it can't load "
		    "the module. Build it with the shared library, or give it files (snicert export).", host->server[0] != '\0' ? host->server : host->binary,
		    host->library[0] != '\0' ? host->library : "no TLS library is seen");
	} else if (setup->module_library[0] != '\0' && strcmp(host->library, setup->module_library) != 0) {
		host->way = SETUP_NO_WAY;
		PUT(host->why, "It is linked with %s and the module with %s: build the module with the same OpenSSL.",
		    host->library, setup->module_library);
	}
}

/* Its setting may assign OPENSSL_CONF among others; the file named there already gets the section. */
static void
take_assignment(struct setup_host *host)
{
	static const char name[] = "OPENSSL_CONF=";
	const char *at = strstr(host->setting, name);

	if (at == NULL || (at != host->setting && at[-1] != ' ') || at[sizeof(name) - 1] != '/')
		return;
	setup_take_word(at + sizeof(name) - 1, host->cnf, sizeof(host->cnf));
	host->set = true;
}

bool
setup_under_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* Debian's init scripts read their variables from a file of the server's name. */
static void
find_defaults(struct setup_host *host)
{
	char script[PATH_MAX], path[PATH_MAX];

	if (host->way != SETUP_ENVIRONMENT || setup_under_systemd())
		return;
	PUT(script, "/etc/init.d/%s", host->kind->unit);
	PUT(path, "/etc/default/%s", host->kind->unit);
	if (setup_file_has(script, path) || setup_file_has(script, "/etc/default/$NAME"))
		PUT(host->defaults, "%s", path);
}

int
setup_find(const struct setup *setup, const struct setup_kind *kind, struct setup_host *host,
    struct snicert_error *err)
{
	memset(host, 0, sizeof(*host));
	host->kind = kind == NULL ? &any : kind;
	if (choose_binary(setup, host->kind, host, err) != 0)
		return -1;
	PUT(host->name, "%s", kind == NULL ? setup_base_name(host->binary) : kind->name);
	PUT(host->cnf, "%s", setup->cnf);
	if (host->kind->ask(host, err) != 0)
		return -1;
	if (host->way == SETUP_ITS_ENVIRONMENT)
		take_assignment(host);
	if (setup->user != NULL)
		setup_runs_as(host, setup->user, NULL, true);
	compare_libraries(setup, host);
	find_defaults(host);
	if (host->defaults[0] != '\0') {
		PUT(host->setting, "export OPENSSL_CONF=%s", host->cnf);
		host->set = setup_file_has(host->defaults, host->setting);
	}
	return 0;
}
