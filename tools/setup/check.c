/* SPDX-License-Identifier: ISC */
/*
 * check.c: judges what is there for one server, each thing in a row: ok,
 * warn or wrong, and the fix.  What is read as root and what as the server's
 * user is tried as these.
 */
#include <ctype.h>
#include <dirent.h>
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
#include "setup/setup.h"

const struct report_column setup_check_columns[SETUP_CHECK_COLUMNS] = {
	{ "server", "Server", false }, { "result", "Result", false }, { "check", "Check", false },
	{ "finding", "Finding", false }, { "fix", "Fix", false },
};

#define AS_ROOT "run it as root"

enum verdict { OK, WARN, WRONG };

struct check {
	const struct setup *setup;
	const struct setup_host *host;
	struct report *report;
	unsigned wrong;
};

static void
result(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void
result(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *format, ...)
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

/* The module's own words; those on owners and modes end in the fix. */
static void
result_of_line(struct check *c, enum verdict verdict, const char *what, const char *fix, const char *line)
{
	const char *told = strstr(line, ": chmod "), *owner = strstr(line, ": chown ");

	if (told == NULL)
		told = owner;
	if (told != NULL)
		result(c, verdict, what, told + 2, "%.*s", (int)(told - line), line);
	else
		result(c, verdict, what, fix, "%s", line);
}

/* --- the server and the module -------------------------------------------- */

static bool
check_server(struct check *c)
{
	const struct setup_host *host = c->host;

	if (host->way == SETUP_NO_WAY) {
		result(c, WRONG, "server", NULL, "%s", host->why);
		return false;
	}
	if (host->run.user[0] != '\0' && !host->run.exists)
		result(c, WRONG, "server", "see its configuration", "its user %s does not exist", host->run.user);
	else
		result(c, OK, "server", NULL, "%s %s, %s", host->kind->title, host->version, host->library);
	return true;
}

/* The loader gives the module the library that is there already: the program's own. */
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
	result(c, WARN, "library", "make sure that it is not older than the system's, now and after updates",
	    "it comes with its own OpenSSL, %s, which the module has to use", real);
}

/* Who can put another file in its place can run code in the server. */
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
		result(c, WRONG, "module", "install it there, or give its path with --module", "%s is not there", path);
	else if (!path_is_safe(path, &err))
		result_of_line(c, WRONG, "module", NULL, err.text);
	else if (setup_load_module(c->setup, c->host, &findings, &err) != 0)
		result(c, WRONG, "module", "install it again", "%s: %s", path, err.text);
	else if (findings.length > 0)
		result(c, WRONG, "module", "install it again", "%.*s", (int)strcspn(findings.text, "\n"), findings.text);
	else {
		result(c, OK, "module", NULL, "%s loads", path);
		return true;
	}
	return false;
}

/* --- configurations ------------------------------------------------------- */

static void
check_cnf(struct check *c)
{
	const char *path = c->host->cnf;
	char why[SETUP_TEXT], fix[128];
	enum setup_cnf state = setup_cnf_state(c->setup, c->host, why);
	struct snicert_error err = {0};

	snprintf(fix, sizeof(fix), "`snicert setup %s` has the lines", c->host->kind->name);
	if (state != SETUP_CNF_GOOD)
		result(c, WRONG, "openssl.cnf", state == SETUP_CNF_BROKEN ? "fix it there" : fix, "%s%s%s",
		    state == SETUP_CNF_BROKEN ? "" : path, state == SETUP_CNF_BROKEN ? "" : ": ", why);
	else if (!path_is_safe(path, &err))
		result_of_line(c, WRONG, "openssl.cnf", NULL, err.text);
	else if (!setup_cnf_outlives(c->setup, c->host))
		result(c, WARN, "openssl.cnf", "replace these sections with: .include " SETUP_SHARE_CNF,
		    "%s names the module directly: removing the package stops TLS", path);
	else
		result(c, OK, "openssl.cnf", NULL, "%s loads the module", path);
}

/* What systemd would start it with; NULL: it can't be asked. */
static char *
unit_property(const char *unit, const char *property)
{
	char option[64];
	const char *argv[] = { "/usr/bin/systemctl", "show", option, unit, NULL };
	struct ask_answer answer;
	char *text = NULL;

	snprintf(option, sizeof(option), "--property=%s", property);
	/* A unit that the page can't know by name has an @ or a dash. */
	if (access("/run/systemd/system", F_OK) != 0 || strpbrk(unit, "@-") != NULL ||
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
		result(c, WRONG, "setting", fix, "%s.service has no %s", host->kind->unit, wanted);
	else if (text != NULL)
		result(c, OK, "setting", NULL, "%s.service has %s", host->kind->unit, wanted);
	else
		result(c, WARN, "setting", "look at the script that starts it", "can't see whether it is started with %s", wanted);
	free(text);
}

static void
check_setting(struct check *c)
{
	const struct setup_host *host = c->host;
	const char *name = host->way == SETUP_TLS_CONFIG_FILE ? "tls_config_file" : "import_environment";
	bool exim = host->way == SETUP_EXIM_OPENSSL || host->way == SETUP_EXIM_GNUTLS;
	char fix[128];

	snprintf(fix, sizeof(fix), "`snicert setup %s` has the lines", host->kind->name);
	if (host->way == SETUP_ENVIRONMENT || host->way == SETUP_BOUND) {
		check_unit(c, fix);
		return;
	}
	if (exim)
		name = host->way == SETUP_EXIM_OPENSSL ? "smtp_active_hostname" : "tls_certificate";
	if (exim && host->set && strstr(host->setting, "snicert_exim_") != NULL &&
	    strstr(host->setting, c->setup->module) == NULL)
		result(c, WRONG, "setting", fix, "%s calls a module other than %s", name, c->setup->module);
	else if (host->set)
		result(c, OK, "setting", NULL, "%s %s", name, exim ? "calls the module" : "leads to that file");
	else
		result(c, WRONG, "setting", fix, "%s = %s: %s", name, host->setting,
		    exim ? "it does not call the module" : "it does not lead to an OpenSSL configuration with the module");
}

/* Silent until the next update of the server: then it loads no module, and says nothing. */
static void
check_kept(struct check *c)
{
	const struct setup_host *host = c->host;

	if (host->keep == NULL)
		return;
	if (host->kept)
		result(c, OK, "setting", NULL, "%s passes OPENSSL_CONF on to a new binary", host->file);
	else
		result(c, WRONG, "setting", host->keep, "%s has no %s an update of the server unloads the module", host->file,
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
		result(c, WRONG, "programs", fix, "%s names no program \"%s\": the module does nothing there",
		    c->setup->config_path, host->programs[i]);
	}
	if (named == host->program_count || (host->any_program && named > 0))
		result(c, OK, "programs", NULL, "%s names %s%s", c->setup->config_path, host->programs[0],
		    host->program_count > 1 && !host->any_program ? " and its kin" : "");
}

static void
check_configuration(struct check *c)
{
	const struct snicert_error *fault = &c->setup->config_fault;

	if (fault->code != SNICERT_OK)
		result_of_line(c, WRONG, "snicert.conf", "fix it there; the module ignores it", fault->text);
	else
		result(c, OK, "snicert.conf", NULL, "%s%s", c->setup->config_path,
		    c->setup->config->path == NULL ? " does not exist, so all options have their defaults" : " has no mistake");
	if (c->host->way != SETUP_EXIM_OPENSSL && c->host->way != SETUP_EXIM_GNUTLS)
		check_programs(c);
}

/* --- the store, as those who open it -------------------------------------- */

/* Returns how many complaints there were. */
static unsigned
complain_denied(struct check *c, const struct setup_identity *who, enum verdict verdict, struct setup_findings *findings)
{
	char fix[3 * PATH_MAX], *save = NULL;
	unsigned count = 0;

	for (char *line = strtok_r(findings->text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		setup_fix(who, line, fix, sizeof(fix));
		if (count == 0 && strncmp(fix, "setfacl", strlen("setfacl")) == 0 && !setup_has_program("setfacl"))
			result(c, WARN, "permissions", "install the package acl", "setfacl, which lets %s in, is not here", who->user);
		result(c, verdict, "permissions", fix, "%s can't %s %.*s%s", who->user,
		    line[strlen(line) - 1] == 'x' ? "search" : "read", (int)strlen(line) - 2, line,
		    verdict == WARN ? "; works now because root opened it; stops if the file is replaced" : "");
		count++;
	}
	return count;
}

/* The first line has the cause, those behind it what comes of that.  Whether there was one. */
static bool
complain_log(struct check *c, enum verdict verdict, struct setup_findings *findings)
{
	const char *fix = "`snicert verify` tells more";
	char *save = NULL, *line = strtok_r(findings->text, "\n", &save);

	/* The configuration's mistake has a row of its own. */
	if (line != NULL && strstr(line, "; using the default") != NULL)
		line = strtok_r(NULL, "\n", &save);
	if (line == NULL)
		return false;
	if (access(c->setup->config->store_path, F_OK) != 0)
		fix = "`snicert init` makes one";
	else if (access(c->setup->config->key_path, F_OK) != 0)
		fix = "restore the key file";
	result_of_line(c, verdict, "store", fix, line);
	return true;
}

/* Whether all is well for one of them. */
static bool
opens_as(struct check *c, const struct setup_identity *who, enum verdict verdict)
{
	const char *more = c->host->way == SETUP_EXIM_OPENSSL || c->host->way == SETUP_EXIM_GNUTLS ? c->setup->module
	    : who == setup_loader(c->host) ? c->host->cnf : NULL;
	struct setup_findings findings;
	struct snicert_error err = {0};

	if (!who->exists)
		return false;
	if (!setup_can_be(who)) {
		result(c, WARN, "permissions", AS_ROOT, "did not test whether %s can open the store: only root can", who->user);
		return false;
	}
	if (setup_denied(c->setup, who, more, &findings, &err) != 0) {
		result(c, WRONG, "permissions", NULL, "as %s: %s", who->user, err.text);
		return false;
	}
	if (complain_denied(c, who, verdict, &findings) > 0)
		return false;
	if (setup_open_as(c->setup, who, &findings, &err) != 0) {
		result(c, WRONG, "store", NULL, "as %s: %s", who->user, err.text);
		return false;
	}
	return !complain_log(c, verdict, &findings);
}

/* A store that opens and has nothing to serve. */
static void
check_contents(struct check *c)
{
	struct admin_totals totals;

	if (!setup_contents(c->setup, &totals))
		return;
	if (totals.chains == 0)
		result(c, WARN, "chains", "snicert import", "the store is empty");
	else
		result(c, OK, "chains", NULL, "the store has chains: %lld", (long long)totals.chains);
	if (totals.fallbacks == 0)
		result(c, WARN, "fallback", "snicert fallback CHAIN",
		    "there is no fallback: clients with a missing or unknown name get the server's own certificate");
	else
		result(c, OK, "fallback", NULL, "the store has a fallback");
}

static void
check_store(struct check *c)
{
	const struct setup_identity *loader = setup_loader(c->host), *run = &c->host->run;
	bool two = loader != run && run->user[0] != '\0' && run->uid != 0;

	if (loader->user[0] == '\0') {
		result(c, WARN, "store", "tell with --user", "the user it runs as is not known, so nothing was tested");
		return;
	}
	if (!opens_as(c, loader, WRONG))
		return;
	/* What it has opened as root it keeps, unless its processes open it for themselves. */
	if (two && !opens_as(c, run, c->host->opens_again ? WRONG : WARN))
		return;
	result(c, OK, "store", NULL, "%s and its key open as %s%s%s", c->setup->config->store_path, loader->user,
	    two ? " and as " : "", two ? run->user : "");
	check_contents(c);
}

/* Exim opens it anew in each connection, as its user: without it there is no TLS where the store has nothing. */
static bool
own_file_opens(struct check *c, const char *path)
{
	static const char make[] = "/usr/share/doc/exim4-base/examples/exim-gencert makes one; or import one and set a fallback";
	const struct setup_identity *run = &c->host->run;
	struct setup_findings findings = { .length = 0 };
	char fix[3 * PATH_MAX], *save = NULL;

	/* One that is expanded for each connection can't be tried here. */
	if (path[0] != '/' || strchr(path, '$') != NULL)
		return true;
	if (access(path, F_OK) != 0) {
		result(c, WRONG, "tls", make, "%s does not exist: no client gets TLS when the store can't serve", path);
		return false;
	}
	if (!setup_can_be(run) || setup_denied(c->setup, run, path, &findings, NULL) != 0)
		return true;
	for (char *line = strtok_r(findings.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, path, strlen(path)) != 0 || line[strlen(path)] != ' ')
			continue;
		setup_fix(run, line, fix, sizeof(fix));
		result(c, WRONG, "tls", fix, "%s can't read its own %s", run->user, path);
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
		result(c, WRONG, "tls", "see its manual", "it offers no TLS, so there is nothing to serve");
	else if (host->certificate[0] == '\0')
		result(c, WARN, "tls", "give it one", "it has no certificate of its own as the last resort");
	else if (own_files_open(c))
		result(c, OK, "tls", NULL, "it offers TLS with a certificate of its own: %.400s", host->certificate);
}

/* --- what runs ------------------------------------------------------------ */

struct census {
	unsigned running, loaded, former, hidden;
	unsigned doubled;                       /* have two libssl or two libcrypto */
	char twins[2 * PATH_MAX + 16];          /* of one of these, "FILE and FILE" */
};

/* The library's file that was seen first; another one beside it is told. */
static bool
is_another(char *first, size_t size, const char *path, const char *prefix, struct census *census)
{
	const char *base = strrchr(path, '/') + 1;

	if (strncmp(base, prefix, strlen(prefix)) != 0 || strcmp(first, path) == 0)
		return false;
	if (first[0] == '\0') {
		snprintf(first, size, "%s", path);
		return false;
	}
	snprintf(census->twins, sizeof(census->twins), "%s and %s", first, path);
	return true;
}

/* Whether a process has the module in its memory, and not one that was there before. */
static void
count_maps(struct census *census, const char *pid, const char *module)
{
	char path[64], line[PATH_MAX + 256], ssl[PATH_MAX] = "", crypto[PATH_MAX] = "", *at;
	bool loaded = false, former = false, doubled = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL) {
		census->hidden++;
		return;
	}
	while (fgets(line, sizeof(line), maps) != NULL) {
		at = strchr(line, '/');
		if (at == NULL)
			continue;
		at[strcspn(at, "\n")] = '\0';
		/* One that was replaced on disk since is the one that is there for those who started before. */
		if (strstr(at, " (deleted)") == NULL)
			doubled = is_another(ssl, sizeof(ssl), at, "libssl.so", census) ||
			    is_another(crypto, sizeof(crypto), at, "libcrypto.so", census) || doubled;
		if (strncmp(at, module, strlen(module)) != 0)
			continue;
		loaded = loaded || at[strlen(module)] == '\0';
		former = former || strcmp(at + strlen(module), " (deleted)") == 0;
	}
	fclose(maps);
	census->doubled += doubled;
	census->loaded += loaded;
	census->former += former && !loaded;
}

/* The server's program, or one of its siblings in the same directory. */
static bool
is_of_server(const struct setup_host *host, const char *exe)
{
	char sibling[PATH_MAX], real[PATH_MAX];

	if (realpath(host->server, real) != NULL && strcmp(real, exe) == 0)
		return true;
	for (size_t i = 0; i < host->program_count; i++) {
		setup_beside(host->server, host->programs[i], sibling, sizeof(sibling));
		if (realpath(sibling, real) != NULL && strcmp(real, exe) == 0)
			return true;
	}
	return false;
}

static void
take_census(const struct check *c, const char *module, struct census *census)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes != NULL && (entry = readdir(processes)) != NULL) {
		char link[64], exe[PATH_MAX];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/%.20s/exe", entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		length = readlink(link, exe, sizeof(exe) - 1);
		if (length <= 0)
			continue;
		exe[length] = '\0';
		if (!is_of_server(c->host, exe))
			continue;
		census->running++;
		count_maps(census, entry->d_name, module);
	}
	if (processes != NULL)
		closedir(processes);
}

static void
check_running(struct check *c)
{
	static const char again[] = "start it again";
	struct census census = {0};
	char module[PATH_MAX];

	/* Exim loads it once a connection; a Python is not to be told from another. */
	if (c->host->way == SETUP_EXIM_OPENSSL || c->host->way == SETUP_EXIM_GNUTLS ||
	    strstr(c->host->server, ".so") != NULL || realpath(c->setup->module, module) == NULL)
		return;
	take_census(c, module, &census);
	if (census.doubled > 0)
		result(c, WRONG, "library", "build the server, or its plug-ins, so that all use one OpenSSL",
		    "%u of %u processes have two OpenSSL libraries, and the module serves none of their contexts: %s",
		    census.doubled, census.running, census.twins);
	if (geteuid() != 0 && (census.hidden > 0 || census.running == 0))
		result(c, WARN, "running", AS_ROOT, "only root can see whether running processes have the module loaded");
	else if (census.running == 0)
		result(c, OK, "running", NULL, "no process of it is running");
	else if (census.loaded == census.running)
		result(c, OK, "running", NULL, "all %u processes have the module loaded", census.running);
	else if (census.former > 0)
		result(c, WARN, "running", again, "%u of %u processes have an older copy of the module loaded", census.former, census.running);
	else
		result(c, census.loaded == 0 ? WRONG : WARN, "running", again, "%u of %u processes have the module loaded",
		    census.loaded, census.running);
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
