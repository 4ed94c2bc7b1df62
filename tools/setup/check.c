/* SPDX-License-Identifier: ISC */
/*
 * check.c: judges what one server has, one row each: ok, warn or wrong, and the fix.  We try what
 * root reads as root, and what the server's user reads as that user.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "safety.h"
#include "setup/ask.h"
#include "setup/elf.h"
#include "setup/check_internal.h"

const struct report_column setup_check_columns[SETUP_CHECK_COLUMNS] = {
	{ "server", "Server", false }, { "result", "Result", false }, { "check", "Check", false },
	{ "finding", "Finding", false }, { "fix", "Fix", false },
};

void
check_result(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *format, ...)
{
	static const char *const words[] = { "ok", "warn", "wrong" };
	char text[2 * PATH_MAX + SETUP_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c->wrong += verdict == WRONG;
	report_text(c->report, c->host->name);
	report_text(c->report, words[verdict]);
	report_text(c->report, what);
	report_text(c->report, text);
	report_text(c->report, fix);
	report_row_end(c->report);
}

void
check_result_of_line(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *line)
{
	const char *told = strstr(line, ": chmod "), *owner = strstr(line, ": chown ");

	if (told == NULL)
		told = owner;
	if (told != NULL)
		check_result(c, verdict, what, told + 2, "%.*s", (int)(told - line), line);
	else
		check_result(c, verdict, what, fix, "%s", line);
}

/* --- the server and the module -------------------------------------------- */

static bool
check_server(struct check *c)
{
	const struct setup_host *host = c->host;

	if (host->way == SETUP_NO_WAY) {
		check_result(c, WRONG, "server", NULL, "%s", host->why);
		return false;
	}
	if (host->run.user[0] != '\0' && !host->run.exists)
		check_result(c, WRONG, "server", "see its configuration", "its user %s does not exist", host->run.user);
	else
		check_result(c, OK, "server", NULL, "%s%s%s, %s", host->kind->title, host->version[0] == '\0' ? "" : " ",
		    host->version, host->library);
	return true;
}

/* The loader gives the module the library already loaded: the program's own. */
static void
check_library(struct check *c)
{
	char own[PATH_MAX], real[PATH_MAX], ours[PATH_MAX];
	void *function = dlsym(RTLD_DEFAULT, "SSL_CTX_new");
	Dl_info info;

	if (!elf_own_library(c->host->server, c->host->library, own, sizeof(own)) || realpath(own, real) == NULL ||
	    function == NULL || dladdr(function, &info) == 0 || realpath(info.dli_fname, ours) == NULL ||
	    strcmp(real, ours) == 0)
		return;
	check_result(c, WARN, "library", "make sure that it is not older than the system's, now and after updates",
	    "it comes with its own OpenSSL, %s, which the module has to use", real);
}

/* Whoever can replace the file can run code in the server. */
static bool
path_is_safe(const char *path, struct snicert_error *err)
{
	char directory[PATH_MAX];
	struct stat st;

	if (stat(path, &st) != 0)
		return error_system(err, "%s", path) == 0;
	if (safety_check(path, &st, SAFETY_PUBLIC, (uid_t)-1, err) != 0)
		return false;
	snprintf(directory, sizeof(directory), "%s", path);
	for (char *slash = strrchr(directory, '/'); slash != NULL && slash != directory; slash = strrchr(directory, '/')) {
		*slash = '\0';
		if (stat(directory, &st) == 0 && (st.st_mode & S_ISVTX) == 0 &&
		    safety_check(directory, &st, SAFETY_PUBLIC, (uid_t)-1, err) != 0)
			return false;
	}
	return true;
}

static bool
check_module(struct check *c)
{
	const char *path = c->setup->module;
	struct setup_findings findings;
	struct snicert_error err = {0};

	if (access(path, F_OK) != 0)
		check_result(c, WRONG, "module", "install it there, or give its path with --module", "%s is not there", path);
	else if (!path_is_safe(path, &err))
		check_result_of_line(c, WRONG, "module", NULL, err.text);
	else if (setup_load_module(c->setup, c->host, &findings, &err) != 0)
		check_result(c, WRONG, "module", "install it again", "%s: %s", path, err.text);
	else if (findings.length > 0)
		check_result(c, WRONG, "module", "install it again", "%.*s", (int)strcspn(findings.text, "\n"), findings.text);
	else {
		check_result(c, OK, "module", NULL, "%s loads", path);
		return true;
	}
	return false;
}

/* --- configurations ------------------------------------------------------- */

/* The page that shows what is missing. */
static void
put_page(const struct setup_host *host, char *out, size_t size)
{
	if (host->kind->name[0] != '\0')
		snprintf(out, size, "run `snicert setup %s` for the lines to add", host->kind->name);
	else
		snprintf(out, size, "run `snicert setup --binary %s` for the lines to add", host->binary);
}

static void
check_cnf(struct check *c)
{
	const char *path = c->host->cnf;
	char why[SETUP_TEXT], fix[PATH_MAX + 64];
	enum setup_cnf state = setup_cnf_state(c->setup, c->host, why);
	struct snicert_error err = {0};

	put_page(c->host, fix, sizeof(fix));
	if (state != SETUP_CNF_GOOD)
		check_result(c, WRONG, "openssl.cnf", state == SETUP_CNF_BROKEN ? "fix it there" : fix, "%s%s%s",
		    state == SETUP_CNF_BROKEN ? "" : path, state == SETUP_CNF_BROKEN ? "" : ": ", why);
	else if (!path_is_safe(path, &err))
		check_result_of_line(c, WRONG, "openssl.cnf", NULL, err.text);
	else if (!setup_cnf_outlives(c->setup, c->host))
		check_result(c, WARN, "openssl.cnf", "replace these sections with: .include " SETUP_SHARE_CNF,
		    "%s names the module directly: removing the package stops TLS", path);
	else
		check_result(c, OK, "openssl.cnf", NULL, "%s loads the module", path);
}

/* What systemd would start; NULL: we can't ask. */
static char *
unit_property(const char *unit, const char *property)
{
	char option[64];
	const char *argv[] = { "/usr/bin/systemctl", "show", option, unit, NULL };
	struct ask_answer answer;
	char *text = NULL;

	snprintf(option, sizeof(option), "--property=%s", property);
	/* A unit whose name the page can't know has an @ or a dash. */
	if (!setup_under_systemd() || strpbrk(unit, "@-") != NULL ||
	    ask_run(argv, 5, &answer, NULL) != 0)
		return NULL;
	if (answer.exit_code == 0)
		text = strdup(answer.out);
	ask_free(&answer);
	return text;
}

static void
check_unit(struct check *c, const char *fix)
{
	const struct setup_host *host = c->host;
	bool bound = host->way == SETUP_BOUND;
	char *text = unit_property(host->kind->unit, bound ? "BindReadOnlyPaths" : "Environment");
	char wanted[PATH_MAX + 32];

	snprintf(wanted, sizeof(wanted), bound ? "%s:" : "OPENSSL_CONF=%s", host->cnf);
	if (text != NULL && strstr(text, wanted) == NULL)
		check_result(c, WRONG, "setting", fix, "%s.service has no %s", host->kind->unit, wanted);
	else if (text != NULL)
		check_result(c, OK, "setting", NULL, "%s.service has %s", host->kind->unit, wanted);
	else
		check_result(c, WARN, "setting", "look at the script that starts it", "can't see whether it is started with %s", wanted);
	free(text);
}

/* Without systemd. */
static void
check_defaults(struct check *c, const char *fix)
{
	const struct setup_host *host = c->host;

	if (host->set)
		check_result(c, OK, "setting", NULL, "%s exports OPENSSL_CONF=%s", host->defaults, host->cnf);
	else
		check_result(c, WRONG, "setting", fix, "%s does not export OPENSSL_CONF=%s", host->defaults, host->cnf);
}

static void
check_setting(struct check *c)
{
	const struct setup_host *host = c->host;
	const char *name = host->way == SETUP_TLS_CONFIG_FILE ? "tls_config_file" : "import_environment";
	bool exim = host->way == SETUP_EXIM_OPENSSL || host->way == SETUP_EXIM_GNUTLS;
	char fix[PATH_MAX + 64];

	put_page(host, fix, sizeof(fix));
	if (host->defaults[0] != '\0') {
		check_defaults(c, fix);
		return;
	}
	if (host->way == SETUP_ENVIRONMENT || host->way == SETUP_BOUND) {
		check_unit(c, fix);
		return;
	}
	if (exim)
		name = host->way == SETUP_EXIM_OPENSSL ? "smtp_active_hostname" : "tls_certificate";
	if (exim && host->set && strstr(host->setting, "snicert_exim_") != NULL &&
	    strstr(host->setting, c->setup->module) == NULL)
		check_result(c, WRONG, "setting", fix, "%s calls a module other than %s", name, c->setup->module);
	else if (host->set)
		check_result(c, OK, "setting", NULL, "%s %s", name, exim ? "calls the module" : "leads to that file");
	else
		check_result(c, WRONG, "setting", fix, "%s = %s: %s", name, host->setting,
		    exim ? "it does not call the module" : "it does not lead to an OpenSSL configuration with the module");
}

/* Silent until the server's next update: then it loads no module, without a word. */
static void
check_kept(struct check *c)
{
	const struct setup_host *host = c->host;

	if (host->keep == NULL)
		return;
	if (host->kept)
		check_result(c, OK, "setting", NULL, "%s passes OPENSSL_CONF on to a new binary", host->file);
	else
		check_result(c, WRONG, "setting", host->keep, "%s has no %s an update of the server unloads the module", host->file,
		    host->keep);
}

static void
check_programs(struct check *c)
{
	const struct setup_host *host = c->host;
	size_t named = 0;

	for (size_t i = 0; i < host->program_count; i++)
		named += setup_program_named(c->setup, host->programs[i]);
	for (size_t i = 0; i < host->program_count; i++) {
		char fix[128];

		if (setup_program_named(c->setup, host->programs[i]) || (host->any_program && named > 0))
			continue;
		snprintf(fix, sizeof(fix), "add: program \"%s\" { }", host->programs[i]);
		check_result(c, WRONG, "programs", fix, "%s names no program \"%s\": the module does nothing there",
		    c->setup->config_path, host->programs[i]);
	}
	if (named == host->program_count || (host->any_program && named > 0))
		check_result(c, OK, "programs", NULL, "%s names %s%s", c->setup->config_path, host->programs[0],
		    host->program_count > 1 && !host->any_program ? " and its kin" : "");
}

static void
check_configuration(struct check *c)
{
	const struct snicert_error *fault = &c->setup->config_fault;

	if (fault->code != SNICERT_OK)
		check_result_of_line(c, WRONG, "snicert.conf", "fix it there; the module ignores it", fault->text);
	else
		check_result(c, OK, "snicert.conf", NULL, "%s%s", c->setup->config_path,
		    c->setup->config->path == NULL ? " does not exist, so all options have their defaults" : " has no mistake");
	if (c->host->way != SETUP_EXIM_OPENSSL && c->host->way != SETUP_EXIM_GNUTLS)
		check_programs(c);
}

/* Exim opens it in each connection, as its user: without it, no TLS if the store has nothing. */
static bool
own_file_opens(struct check *c, const char *path)
{
	static const char make[] = "`snicert setup exim` has the commands that make one";
	const struct setup_identity *run = &c->host->run;
	struct setup_findings findings = { .length = 0 };
	char fix[3 * PATH_MAX], *save = NULL;

	/* We can't test one that each connection expands. */
	if (path[0] != '/' || strchr(path, '$') != NULL)
		return true;
	if (access(path, F_OK) != 0) {
		check_result(c, WRONG, "tls", make, "%s does not exist: no client gets TLS when the store can't serve", path);
		return false;
	}
	if (!setup_can_be(run) || setup_denied(c->setup, run, path, &findings, NULL) != 0)
		return true;
	for (char *line = strtok_r(findings.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, path, strlen(path)) != 0 || line[strlen(path)] != ' ')
			continue;
		setup_fix(run, line, fix, sizeof(fix));
		check_result(c, WRONG, "tls", fix, "%s can't read its own %s", run->user, path);
		return false;
	}
	return true;
}

static bool
own_files_open(struct check *c)
{
	const struct setup_host *host = c->host;
	bool good;

	if (host->way != SETUP_EXIM_OPENSSL && host->way != SETUP_EXIM_GNUTLS)
		return true;
	good = own_file_opens(c, host->certificate);
	return own_file_opens(c, host->private_key) && good;
}

static void
check_tls(struct check *c)
{
	const struct setup_host *host = c->host;

	if (!host->tls_known)
		return;
	if (!host->tls)
		check_result(c, WRONG, "tls", "see its manual", "it offers no TLS, so there is nothing to serve");
	else if (host->certificate[0] == '\0')
		check_result(c, WARN, "tls", "give it one", "it has no certificate of its own as the last resort");
	else if (own_files_open(c))
		check_result(c, OK, "tls", NULL, "it offers TLS with a certificate of its own: %.400s", host->certificate);
}

unsigned
setup_check(const struct setup *setup, const struct setup_host *host, struct report *report)
{
	struct check c = { .setup = setup, .host = host, .report = report };
	bool loads;

	if (!check_server(&c))
		return c.wrong;
	check_library(&c);
	loads = check_module(&c);
	if (host->way != SETUP_EXIM_OPENSSL && host->way != SETUP_EXIM_GNUTLS)
		check_cnf(&c);
	check_setting(&c);
	check_kept(&c);
	check_configuration(&c);
	check_store(&c);
	check_tls(&c);
	if (loads)
		check_running(&c);
	return c.wrong;
}
