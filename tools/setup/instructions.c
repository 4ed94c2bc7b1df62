/* SPDX-License-Identifier: ISC */
/*
 * instructions.c: tells what to add and to run for one server, step by step, and
 * what of it is there already.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "setup/page.h"

static bool
under_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* --- what it is ----------------------------------------------------------- */

static void
put_facts(struct page *page)
{
	const struct setup_host *host = page->host;
	const struct setup_identity *run = &host->run;

	page_title(page);
	page_fact(page, "program", "%s", host->binary);
	if (strcmp(host->library, "GnuTLS") == 0 || host->library[0] == '\0')
		page_fact(page, "TLS library", "%s", host->library[0] == '\0' ? "none seen" : "GnuTLS");
	else
		page_fact(page, "TLS library", "%s, used by %s", host->library, host->server);
	if (run->user[0] == '\0')
		page_fact(page, "runs as", "not known; --user tells");
	else if (!run->exists)
		page_fact(page, "runs as", "%s, a user that does not exist", run->user);
	else
		page_fact(page, "runs as", "%s, group %s%s", run->user, run->group,
		    host->root_loads && run->uid != 0 ? "; loads the module as root" : "");
	if (host->chroot[0] != '\0')
		page_fact(page, "chroot", "%s", host->chroot);
	if (host->tls_known)
		page_fact(page, "TLS", "%s", host->tls ? "offered" : "not offered");
	if (host->certificate[0] != '\0')
		page_fact(page, "certificate", "%s", host->certificate);
}

/* --- the steps ------------------------------------------------------------ */

/* `snicert`, with the configuration at hand. */
static const char *
tool_name(const struct page *page, char *out, size_t size)
{
	if (strcmp(page->setup->config_path, config_default_path()) == 0)
		return "snicert";
	snprintf(out, size, "snicert -c %s", page->setup->config_path);
	return out;
}

static void
put_mends(struct page *page)
{
	const struct setup_identity *run = &page->host->run;
	const char *store = page->setup->config->store_path;
	char mend[3 * PATH_MAX], *save = NULL, folder[PATH_MAX];
	struct setup_findings findings;
	bool lists = false;

	if (!setup_can_be(run)) {
		page_note(page, "Only root can try whether %s reaches it: `snicert setup --check` as root does.", run->user);
		return;
	}
	if (setup_denied(page->setup, run, NULL, &findings, NULL) != 0 || findings.length == 0) {
		page_already(page, "the store and its key are there, and the server's user reaches them");
		return;
	}
	page_note(page, page->host->root_loads && !page->host->opens_again
	    ? "There is a store, and %s can't reach all of it. It is opened as root, so it is served all the same; this lets "
	      "the server open it anew, too, should it be replaced:"
	    : "There is a store, and %s can't reach all of it:", run->user);
	for (char *line = strtok_r(findings.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		setup_mend(run, line, mend, sizeof(mend));
		page_command(page, "command", "%s", mend);
		lists = lists || strncmp(mend, "setfacl", strlen("setfacl")) == 0;
	}
	setup_beside(store, "", folder, sizeof(folder));
	if (lists) /* for the files that SQLite makes anew */
		page_command(page, "command", "setfacl -d -m u:%s:r %s", run->user, folder);
}

static void
put_store(struct page *page)
{
	const struct setup_identity *run = &page->host->run;
	char name[PATH_MAX + 16];

	page_step(page, "The store");
	if (access(page->setup->config->store_path, F_OK) == 0) {
		if (run->exists && run->uid != 0)
			put_mends(page);
		else
			page_already(page, "the store is there");
		return;
	}
	if (run->exists && run->uid != 0 && !setup_shared_group(run))
		page_command(page, "command", "%s init --group %s", tool_name(page, name, sizeof(name)), run->group);
	else if (run->exists)
		page_command(page, "command", "%s init", tool_name(page, name, sizeof(name)));
	else
		page_note(page, "%s init --group GROUP, with the group that the server runs in.", tool_name(page, name, sizeof(name)));
	if (run->exists && setup_shared_group(run))
		page_note(page, "The group %s is many programs', so %s is let in by access lists: this page says how once the store "
		    "is there.", run->group, run->user);
}

static const char *
program_section(const struct setup_host *host)
{
	/* The one kind that has to turn unknown names away. */
	return strcmp(host->kind->name, "nginx") == 0 ? "{ unknown = \"refuse\" }" : "{ }";
}

static void
put_programs(struct page *page)
{
	const struct setup_host *host = page->host;
	char text[SETUP_PROGRAMS_MOST * 120] = "", there[sizeof(text)] = "";

	page_step(page, "The programs that the module is to serve");
	if (page->setup->config_fault.code != SNICERT_OK)
		page_note(page, "Mend this first: %s", page->setup->config_fault.text);
	for (size_t i = 0; i < host->program_count; i++) {
		char *list = setup_program_named(page->setup, host->programs[i]) ? there : text;
		size_t used = strlen(list);

		snprintf(list + used, sizeof(text) - used, "program \"%s\" %s\n", host->programs[i], program_section(host));
	}
	if (there[0] != '\0')
		page_file(page, "", page->setup->config_path, there, true);
	if (text[0] != '\0')
		page_file(page, "Add to", page->setup->config_path, text, false);
}

static void
put_cnf(struct page *page)
{
	const struct setup_host *host = page->host;
	char why[SETUP_TEXT], *text = NULL;
	size_t length = 0;
	enum setup_cnf state = setup_cnf_state(page->setup, host, why);
	FILE *out = open_memstream(&text, &length);

	page_step(page, "What OpenSSL is to load");
	if (out == NULL)
		return;
	setup_cnf_text(page->setup, host, state, out);
	fclose(out);
	switch (state) {
	case SETUP_CNF_GOOD:
		page_file(page, "", host->cnf, text, true);
		break;
	case SETUP_CNF_NO_FILE:
		page_file(page, "New file", host->cnf, text, false);
		break;
	case SETUP_CNF_NO_SECTION:
		page_file(page, "Add at the end of", host->cnf, text, false);
		break;
	case SETUP_CNF_OTHER:
		page_note(page, "In %s, %s: set that right.", host->cnf, why);
		break;
	case SETUP_CNF_BROKEN:
		page_note(page, "OpenSSL can't read %s: mend that first.", why);
		break;
	}
	free(text);
}

static void
put_its_environment(struct page *page)
{
	const struct setup_host *host = page->host;
	char text[PATH_MAX + 128];

	snprintf(text, sizeof(text), "import_environment = $import_environment OPENSSL_CONF=%s\n", host->cnf);
	if (strcmp(host->kind->name, "postfix") == 0) {
		if (host->set)
			page_already(page, "import_environment has OPENSSL_CONF");
		else
			page_command(page, "command", "postconf -e 'import_environment = %s OPENSSL_CONF=%s'", host->setting, host->cnf);
		return;
	}
	if (host->version[0] == '2' && strncmp(host->version, "2.4", 3) >= 0)
		snprintf(text, sizeof(text), "import_environment {\n  OPENSSL_CONF = %s\n}\n", host->cnf);
	page_file(page, "Add to", host->file, text, host->set);
}

static void
put_unit(struct page *page)
{
	const struct setup_host *host = page->host;
	char path[PATH_MAX], text[2 * PATH_MAX + 64], system[PATH_MAX];

	snprintf(path, sizeof(path), "/etc/systemd/system/%s.service.d/snicert.conf", host->kind->unit);
	snprintf(text, sizeof(text), "[Service]\nEnvironment=OPENSSL_CONF=%s\n", host->cnf);
	if (host->way == SETUP_BOUND) {
		page_note(page, "It takes no OPENSSL_CONF (set-id, or it empties its environment), so it gets a file of its own "
		    "in place of the system's; no other program sees that.");
		/* Without the file it starts all the same: the dash. */
		snprintf(text, sizeof(text), "[Service]\nBindReadOnlyPaths=-%s:%s\n", host->cnf,
		    realpath(page->setup->system_cnf, system) != NULL ? system : page->setup->system_cnf);
	}
	page_file(page, "New file", path, text, access(path, F_OK) == 0);
	if (under_systemd())
		page_command(page, "command", "systemctl daemon-reload");
	if (host->way == SETUP_ENVIRONMENT)
		page_note(page, "Without systemd: OPENSSL_CONF=%s, exported by what starts it.", host->cnf);
}

/* Where the module is gone, Exim's own files serve, and no expansion fails. */
static void
put_exim_gnutls(struct page *page)
{
	static const char *const entries[][3] = {
		{ "tls_certificate", "MAIN_TLS_CERTIFICATE", "snicert_exim_certificate" },
		{ "tls_privatekey", "MAIN_TLS_PRIVATEKEY", "snicert_exim_privatekey" },
	};
	const struct setup_host *host = page->host;
	const char *module = page->setup->module;
	/* Debian's generated one takes macros. */
	bool debian = strncmp(host->file, "/var/lib/exim4/", strlen("/var/lib/exim4/")) == 0;
	char text[2 * (4 * PATH_MAX + 2 * SETUP_TEXT)] = "";
	size_t used = 0;

	if (debian)
		used = (size_t)snprintf(text, sizeof(text), "MAIN_TLS_ENABLE = yes\n");
	for (size_t i = 0; i < 2; i++) {
		const char *own = i == 1 && host->private_key[0] != '\0' ? host->private_key : host->certificate;

		if (own[0] == '\0' && debian)
			own = i == 0 ? "/etc/exim4/exim.crt" : "/etc/exim4/exim.key";
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s = ${if exists{%s}{${dlfunc{%s}{%s}{%s}"
		    "{$tls_in_sni}{%s}{$received_ip_address}}}{%s}}\n", entries[i][debian], module, module, entries[i][2],
		    page->setup->config_path, own, own);
	}
	if (debian)
		page_file(page, "Add to", "/etc/exim4/exim4.conf.localmacros", text, false);
	else
		page_file(page, "In place of tls_certificate and tls_privatekey, add to", host->file, text, false);
}

static void
put_exim_openssl(struct page *page)
{
	const struct setup_host *host = page->host;
	const char *module = page->setup->module;
	char text[4 * PATH_MAX];

	/* It yields nothing, and that setting is looked at where a connection starts. */
	snprintf(text, sizeof(text), "smtp_active_hostname = ${if exists{%s}{${dlfunc{%s}{snicert_exim_attach}{%s}}}}%s\n",
	    module, module, page->setup->config_path, host->setting);
	page_file(page, host->setting[0] == '\0' ? "Add to the beginning of" : "In place of smtp_active_hostname, add to",
	    host->file, text, false);
}

static void
put_setting(struct page *page)
{
	const struct setup_host *host = page->host;

	page_step(page, "What makes the server read it");
	switch (host->way) {
	case SETUP_TLS_CONFIG_FILE:
		if (host->set)
			page_already(page, "tls_config_file names that file");
		else
			page_command(page, "command", "postconf -e 'tls_config_file = %s'", host->cnf);
		break;
	case SETUP_ITS_ENVIRONMENT:
		put_its_environment(page);
		break;
	case SETUP_ENVIRONMENT:
	case SETUP_BOUND:
		put_unit(page);
		break;
	case SETUP_EXIM_OPENSSL:
	case SETUP_EXIM_GNUTLS:
		if (host->set)
			page_already(page, "its configuration calls the module");
		else if (host->way == SETUP_EXIM_OPENSSL)
			put_exim_openssl(page);
		else
			put_exim_gnutls(page);
		break;
	case SETUP_NO_WAY:
		break;
	}
}

static void
put_restart(struct page *page)
{
	const struct setup_host *host = page->host;
	bool postfix = strcmp(host->kind->name, "postfix") == 0;

	page_step(page, "Start it again");
	if (postfix && host->way == SETUP_TLS_CONFIG_FILE)
		page_command(page, "command", "postfix reload");
	else if (postfix)
		page_command(page, "command", "postfix stop; postfix start");
	else if (under_systemd())
		page_command(page, "command", strchr(host->kind->unit, '@') != NULL ? "systemctl restart '%s*'" : "systemctl restart %s",
		    host->kind->unit);
	else if (host->kind->restart != NULL)
		page_command(page, "command", "%s", host->kind->restart);
	else
		page_command(page, "command", "service %s restart", host->kind->unit);
	if (host->chroot[0] != '\0' && host->root_loads)
		page_note(page, "What is in a chroot opens the store at its start, from outside, and follows it from then on; "
		    "one that was not there then is found at the next start only.");
	if (host->tls_known && !host->tls)
		page_note(page, "It offers no TLS at present: that comes first.");
	else if (host->tls_known && host->certificate[0] == '\0')
		page_note(page, "It has no certificate of its own, which is what it serves where the store has nothing.");
}

static void
put_look(struct page *page)
{
	const struct setup_host *host = page->host;
	char name[PATH_MAX + 16];

	page_step(page, "See it work, for a NAME in the store");
	if (host->kind->name[0] != '\0')
		page_command(page, "look", "%s setup --check %s", tool_name(page, name, sizeof(name)), host->kind->name);
	else
		page_command(page, "look", "%s setup --check --binary %s", tool_name(page, name, sizeof(name)), host->binary);
	page_command(page, "look", "%s probe %s NAME", tool_name(page, name, sizeof(name)), host->kind->probe);
	page_command(page, "look", "openssl s_client %s -servername NAME </dev/null", host->kind->s_client);
	page_note(page, "What it has to say is in syslog, with \"snicert:\" in front.");
}

static void
put_undo(struct page *page)
{
	const struct setup_host *host = page->host;

	page_step(page, "To take it out again");
	if (host->way == SETUP_TLS_CONFIG_FILE)
		page_command(page, "undo", "postconf -X tls_config_file && postfix reload");
	else if (host->way == SETUP_ENVIRONMENT || host->way == SETUP_BOUND)
		page_command(page, "undo", "rm /etc/systemd/system/%s.service.d/snicert.conf", host->kind->unit);
	else
		page_note(page, "Take the lines of step %u out.", page->steps - 3);
	if (host->way != SETUP_TLS_CONFIG_FILE)
		page_note(page, "Then start it again.");
}

void
setup_page(const struct setup *setup, const struct setup_host *host, struct report *report)
{
	struct page page = { .setup = setup, .host = host, .report = report };
	bool exim = host->way == SETUP_EXIM_OPENSSL || host->way == SETUP_EXIM_GNUTLS;

	put_facts(&page);
	if (report == NULL && (host->why[0] != '\0' || access(setup->module, F_OK) != 0))
		putchar('\n');
	if (host->why[0] != '\0')
		page_note(&page, "%s%s", host->way == SETUP_NO_WAY ? "It can't be served: " : "", host->why);
	if (host->way == SETUP_NO_WAY)
		return;
	if (access(setup->module, F_OK) != 0)
		page_note(&page, "The module is not at %s: install it there, or tell where with --module.", setup->module);
	put_store(&page);
	if (!exim) {
		put_programs(&page);
		put_cnf(&page);
	}
	put_setting(&page);
	put_restart(&page);
	put_look(&page);
	put_undo(&page);
}
