/* SPDX-License-Identifier: ISC */
/*
 * instructions.c: what to add and to run, step by step, from the package to a test that it works,
 * and what is already done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "setup/guide.h"
#include "setup/instructions_internal.h"

/* --- what it is ----------------------------------------------------------- */

static void
put_facts(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	const struct setup_identity *run = &host->run;

	guide_title(guide);
	guide_fact(guide, "program", "%s", host->binary);
	if (strcmp(host->library, "GnuTLS") == 0 || host->library[0] == '\0')
		guide_fact(guide, "TLS library", "%s", host->library[0] == '\0' ? "none seen" : "GnuTLS");
	else
		guide_fact(guide, "TLS library", "%s, used by %s", host->library, host->server);
	if (run->user[0] == '\0')
		guide_fact(guide, "runs as", "not known; --user tells");
	else if (!run->exists)
		guide_fact(guide, "runs as", "%s, a user that doesn't exist", run->user);
	else
		guide_fact(guide, "runs as", "%s, group %s%s", run->user, run->group,
		    host->root_loads && run->uid != 0 ? "; loads the module as root" : "");
	if (host->chroot[0] != '\0')
		guide_fact(guide, "chroot", "%s", host->chroot);
	if (host->tls_known)
		guide_fact(guide, "TLS", "%s", host->tls ? "offered" : "not offered");
	if (host->certificate[0] != '\0')
		guide_fact(guide, "certificate", "%s", host->certificate);
}

/* --- the steps ------------------------------------------------------------ */

static void
put_package(struct guide *guide)
{
	const char *module = guide->setup->module;

	guide_step(guide, "The package");
	if (access(module, F_OK) == 0)
		guide_already(guide, "the module is installed");
	else
		guide_note(guide, "The module is not at %s: install it there, or give its path with --module.", module);
}

/*
 * For new files, made by us or by SQLite.  The list starts with the group's rights in the
 * directory's mode, which may be only to search it: so the group gets an entry too.
 */
static void
put_default_lists(struct guide *guide)
{
	const struct config *config = guide->setup->config;
	char store[PATH_MAX], key[PATH_MAX];

	setup_beside(config->store_path, "", store, sizeof(store));
	setup_beside(config->key_path, "", key, sizeof(key));
	guide_command(guide, "command", "setfacl -d -m u:%s:r,g::rx %s", guide->host->run.user, store);
	if (strcmp(store, key) != 0)
		guide_command(guide, "command", "setfacl -d -m u:%s:r,g::rx %s", guide->host->run.user, key);
}

static bool
is_list(const char *fix)
{
	return strncmp(fix, "setfacl", strlen("setfacl")) == 0;
}

static void
put_fixes(struct guide *guide)
{
	const struct setup_identity *run = &guide->host->run;
	char fix[3 * PATH_MAX], *save = NULL;
	struct setup_findings findings;
	bool lists = false, told = setup_has_program("setfacl");

	if (!setup_can_be(run)) {
		guide_note(guide, "Only root can test whether %s can read it: run `snicert setup --check` as root.", run->user);
		return;
	}
	if (setup_denied(guide->setup, run, NULL, &findings, NULL) != 0 || findings.length == 0) {
		guide_already(guide, "the store and its key exist, and the server's user can read them");
		return;
	}
	guide_note(guide, guide->host->root_loads && !guide->host->opens_again
	    ? "The store exists, but %s can't read all of it. It works now because root opens it; these commands let "
	      "the server also reopen it after the file is replaced:"
	    : "The store exists, but %s can't read all of it:", run->user);
	for (char *line = strtok_r(findings.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		setup_fix(run, line, fix, sizeof(fix));
		lists = lists || is_list(fix);
		if (lists && !told)
			guide_note(guide, SETUP_ACL_PACKAGE ".");
		told = told || lists;
		guide_command(guide, "command", "%s", fix);
	}
	if (lists)
		put_default_lists(guide);
}

static void
put_store(struct guide *guide)
{
	const struct setup_identity *run = &guide->host->run;
	char name[PATH_MAX + 16];

	guide_step(guide, "The store");
	if (access(guide->setup->config->store_path, F_OK) == 0) {
		if (run->exists && run->uid != 0)
			put_fixes(guide);
		else
			guide_already(guide, "the store exists");
		return;
	}
	if (run->exists && run->uid != 0 && !setup_shared_group(run))
		guide_command(guide, "command", "%s init --group %s", guide_tool_name(guide, name, sizeof(name)), run->group);
	else if (run->exists)
		guide_command(guide, "command", "%s init", guide_tool_name(guide, name, sizeof(name)));
	else
		guide_note(guide, "%s init --group GROUP; GROUP is the group that the server runs in.", guide_tool_name(guide, name, sizeof(name)));
	if (run->exists && setup_shared_group(run))
		guide_note(guide, "Many programs run in the group %s, so access lists let %s in: run this command again once the store "
		    "exists.", run->group, run->user);
}

static const char *
program_section(const struct setup_host *host)
{
	/* The only kind that must refuse unknown names. */
	return strcmp(host->kind->name, "nginx") == 0 ? "{ unknown = \"refuse\" }" : "{ }";
}

static void
put_programs(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char text[SETUP_PROGRAMS_MOST * 120] = "", there[sizeof(text)] = "";

	guide_step(guide, "The programs that the module serves");
	if (guide->setup->config_fault.code != SNICERT_OK)
		guide_note(guide, "Fix this first: %s", guide->setup->config_fault.text);
	for (size_t i = 0; i < host->program_count; i++) {
		char *list = setup_program_named(guide->setup, host->programs[i]) ? there : text;
		size_t used = strlen(list);

		snprintf(list + used, sizeof(text) - used, "program \"%s\" %s\n", host->programs[i], program_section(host));
	}
	if (there[0] != '\0')
		guide_file(guide, "", guide->setup->config_path, there, true);
	if (text[0] != '\0')
		guide_file(guide, "Add to", guide->setup->config_path, text, false);
}

static void
put_cnf(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char why[SETUP_TEXT], *text = NULL;
	size_t length = 0;
	enum setup_cnf state = setup_cnf_state(guide->setup, host, why);
	FILE *out;

	guide_step(guide, "What OpenSSL is to load");
	if (strcmp(guide->told->cnf, host->cnf) == 0) {
		guide_note(guide, "%s, as told above.", host->cnf);
		return;
	}
	snprintf(guide->told->cnf, sizeof(guide->told->cnf), "%s", host->cnf);
	out = open_memstream(&text, &length);
	if (out == NULL)
		return;
	setup_cnf_text(guide->setup, host, state, out);
	fclose(out);
	switch (state) {
	case SETUP_CNF_GOOD:
		guide_file(guide, "", host->cnf, text, true);
		break;
	case SETUP_CNF_NO_FILE:
		guide_file(guide, "New file", host->cnf, text, false);
		break;
	case SETUP_CNF_NO_SECTION:
		guide_file(guide, "Add at the end of", host->cnf, text, false);
		break;
	case SETUP_CNF_OTHER:
		guide_note(guide, "In %s, %s: set that right.", host->cnf, why);
		break;
	case SETUP_CNF_BROKEN:
		guide_note(guide, "OpenSSL can't read %s: fix that first.", why);
		break;
	}
	free(text);
}

static void
put_its_environment(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char text[PATH_MAX + 128];

	snprintf(text, sizeof(text), "import_environment = $import_environment OPENSSL_CONF=%s\n", host->cnf);
	if (strcmp(host->kind->name, "postfix") == 0) {
		if (host->set)
			guide_already(guide, "import_environment has OPENSSL_CONF");
		else
			guide_command(guide, "command", "postconf -e 'import_environment = %s OPENSSL_CONF=%s'", host->setting, host->cnf);
		return;
	}
	if (host->version[0] == '2' && strncmp(host->version, "2.4", 3) >= 0)
		snprintf(text, sizeof(text), "import_environment {\n  OPENSSL_CONF = %s\n}\n", host->cnf);
	guide_file(guide, "Add to", host->file, text, host->set);
}

/* nginx alone: so that a new binary has the variable, too. */
static void
put_keep(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char text[128];

	if (host->keep == NULL)
		return;
	snprintf(text, sizeof(text), "%s\n", host->keep);
	guide_file(guide, "Add at the end of", host->file, text, host->kept);
}

static void
put_defaults(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char text[sizeof(host->setting) + 2];

	snprintf(text, sizeof(text), "%s\n", host->setting);
	guide_file(guide, "Add to", host->defaults, text, host->set);
}

static void
put_unit(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char path[PATH_MAX], text[2 * PATH_MAX + 64], system[PATH_MAX];

	snprintf(path, sizeof(path), "/etc/systemd/system/%s.service.d/snicert.conf", host->kind->unit);
	snprintf(text, sizeof(text), "[Service]\nEnvironment=OPENSSL_CONF=%s\n", host->cnf);
	if (host->way == SETUP_BOUND) {
		guide_note(guide, "It ignores OPENSSL_CONF (set-id, or it clears its environment), so systemd gives it a file of its own "
		    "in place of the system's; no other program sees that file.");
		/* The dash: start even without the file. */
		snprintf(text, sizeof(text), "[Service]\nBindReadOnlyPaths=-%s:%s\n", host->cnf,
		    realpath(guide->setup->system_cnf, system) != NULL ? system : guide->setup->system_cnf);
	}
	guide_file(guide, "New file", path, text, access(path, F_OK) == 0);
	guide->activating = true;
	if (setup_under_systemd())
		guide_command(guide, "command", "systemctl daemon-reload");
	guide->activating = false;
	if (host->way == SETUP_ENVIRONMENT)
		guide_note(guide, "Without systemd: export OPENSSL_CONF=%s in the script that starts it.", host->cnf);
}

static void
put_setting(struct guide *guide)
{
	const struct setup_host *host = guide->host;

	guide_step(guide, "Make the server read it");
	guide->setting_step = guide->steps;
	switch (host->way) {
	case SETUP_TLS_CONFIG_FILE:
		if (host->set)
			guide_already(guide, "tls_config_file names that file");
		else
			guide_command(guide, "command", "postconf -e 'tls_config_file = %s'", host->cnf);
		break;
	case SETUP_ITS_ENVIRONMENT:
		put_its_environment(guide);
		break;
	case SETUP_ENVIRONMENT:
	case SETUP_BOUND:
		if (host->defaults[0] != '\0')
			put_defaults(guide);
		else
			put_unit(guide);
		put_keep(guide);
		break;
	case SETUP_EXIM_OPENSSL:
	case SETUP_EXIM_GNUTLS:
		if (host->set)
			guide_already(guide, "its configuration calls the module");
		else if (host->way == SETUP_EXIM_OPENSSL)
			instructions_exim_openssl(guide);
		else
			instructions_exim_gnutls(guide);
		break;
	case SETUP_NO_WAY:
		break;
	}
}

static void
put_restart(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	bool postfix = strcmp(host->kind->name, "postfix") == 0;

	guide_step(guide, "Start it again");
	guide->activating = true;
	if (strncmp(host->file, "/var/lib/exim4/", strlen("/var/lib/exim4/")) == 0)
		guide_command(guide, "command", "update-exim4.conf");
	if (postfix && host->way == SETUP_TLS_CONFIG_FILE)
		guide_command(guide, "command", "postfix reload");
	else if (postfix)
		guide_command(guide, "command", "postfix stop; postfix start");
	else if (setup_under_systemd())
		guide_command(guide, "command", strchr(host->kind->unit, '@') != NULL ? "systemctl restart '%s*'" : "systemctl restart %s",
		    host->kind->unit);
	else if (host->kind->restart != NULL)
		guide_command(guide, "command", "%s", host->kind->restart);
	else
		guide_command(guide, "command", "service %s restart", host->kind->unit);
	guide->activating = false;
	if (host->chroot[0] != '\0' && host->root_loads)
		guide_note(guide, "Chrooted services open the store before they enter the chroot. "
		    "If you create the store later, restart once.");
	if (host->tls_known && !host->tls)
		guide_note(guide, "It offers no TLS yet: set that up first.");
	else if (host->tls_known && host->certificate[0] == '\0' && !instructions_exim_names_own(host))
		guide_note(guide, "It has no certificate of its own, which it serves when the store has none.");
}

static void
put_look(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	char name[PATH_MAX + 16];

	guide_step(guide, "See it work, for a NAME in the store");
	if (host->kind->name[0] != '\0')
		guide_command(guide, "look", "%s setup --check %s", guide_tool_name(guide, name, sizeof(name)), host->kind->name);
	else
		guide_command(guide, "look", "%s setup --check --binary %s", guide_tool_name(guide, name, sizeof(name)), host->binary);
	guide_command(guide, "look", "%s probe %s NAME", guide_tool_name(guide, name, sizeof(name)), host->kind->probe);
	guide_command(guide, "look", "openssl s_client %s -servername NAME </dev/null", host->kind->s_client);
	guide_note(guide, "Messages are in %s and begin with \"snicert:\".",
	    host->way == SETUP_EXIM_OPENSSL || host->way == SETUP_EXIM_GNUTLS ? "Exim's main log" : "syslog");
}

static void
put_undo(struct guide *guide)
{
	const struct setup_host *host = guide->host;

	guide_step(guide, "To undo this");
	if (host->way == SETUP_TLS_CONFIG_FILE)
		guide_command(guide, "undo", "postconf -X tls_config_file && postfix reload");
	else if ((host->way == SETUP_ENVIRONMENT && host->defaults[0] == '\0') || host->way == SETUP_BOUND)
		guide_command(guide, "undo", "rm /etc/systemd/system/%s.service.d/snicert.conf", host->kind->unit);
	else
		guide_note(guide, "Remove the lines of step %u.", guide->setting_step);
	if (host->way != SETUP_TLS_CONFIG_FILE)
		guide_note(guide, "Then restart it.");
}

/* The first server's page has what all share. */
static void
put_steps(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	bool first = !guide->told->common;

	guide->told->common = true;
	if (first)
		put_package(guide);
	put_store(guide);
	if (first) {
		instructions_chains(guide);
		instructions_fallback(guide);
	}
	if (host->way != SETUP_EXIM_OPENSSL && host->way != SETUP_EXIM_GNUTLS) {
		put_programs(guide);
		put_cnf(guide);
	}
	if (host->way == SETUP_EXIM_GNUTLS)
		instructions_exim_own(guide);
	put_setting(guide);
	put_restart(guide);
}

void
setup_page(const struct setup *setup, const struct setup_host *host, struct setup_told *told, struct report *report)
{
	struct guide guide = { .setup = setup, .host = host, .told = told, .report = report };

	put_facts(&guide);
	if (report == NULL && host->why[0] != '\0')
		putchar('\n');
	if (host->why[0] != '\0')
		guide_note(&guide, "%s%s", host->way == SETUP_NO_WAY ? "It can't be served: " : "", host->why);
	if (host->way == SETUP_NO_WAY)
		return;
	put_steps(&guide);
	put_look(&guide);
	put_undo(&guide);
}

bool
guide_plan(const struct setup *setup, const struct setup_host *host, struct setup_told *told, struct guide_plan *plan)
{
	struct guide guide = { .setup = setup, .host = host, .told = told, .plan = plan };

	put_steps(&guide);
	return plan->count > 0;
}
