/* SPDX-License-Identifier: ISC */
/* check_store.c: judges the store, as its users: who reaches it, what the module says of it, what
 * it contains. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "setup/check_internal.h"

/* Returns the number of complaints. */
static unsigned
complain_denied(struct check *c, const struct setup_identity *who, enum verdict verdict, struct setup_findings *findings)
{
	char fix[3 * PATH_MAX], *save = NULL;
	unsigned count = 0;

	for (char *line = strtok_r(findings->text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		setup_fix(who, line, fix, sizeof(fix));
		if (count == 0 && strncmp(fix, "setfacl", strlen("setfacl")) == 0 && !setup_has_program("setfacl"))
			check_result(c, WARN, "permissions", "install the package acl", "setfacl, which lets %s in, is not here", who->user);
		check_result(c, verdict, "permissions", fix, "%s can't %s %.*s%s", who->user,
		    line[strlen(line) - 1] == 'x' ? "search" : "read", (int)strlen(line) - 2, line,
		    verdict == WARN ? "; works now because root opened it; stops if the file is replaced" : "");
		count++;
	}
	return count;
}

/* The first line has the cause, later ones its effects.  Whether there was one. */
static bool
complain_log(struct check *c, enum verdict verdict, struct setup_findings *findings)
{
	const char *fix = "`snicert verify` tells more";
	char *save = NULL, *line = strtok_r(findings->text, "\n", &save);

	/* A configuration mistake has its own row. */
	if (line != NULL && strstr(line, "; using the default") != NULL)
		line = strtok_r(NULL, "\n", &save);
	if (line == NULL)
		return false;
	if (access(c->setup->config->store_path, F_OK) != 0)
		fix = "`snicert init` makes one";
	else if (access(c->setup->config->key_path, F_OK) != 0)
		fix = "restore the key file";
	check_result_of_line(c, verdict, "store", fix, line);
	return true;
}

/* Whether one of them has no problems. */
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
		check_result(c, WARN, "permissions", AS_ROOT, "did not test whether %s can open the store: only root can", who->user);
		return false;
	}
	if (setup_denied(c->setup, who, more, &findings, &err) != 0) {
		check_result(c, WRONG, "permissions", NULL, "as %s: %s", who->user, err.text);
		return false;
	}
	if (complain_denied(c, who, verdict, &findings) > 0)
		return false;
	if (setup_open_as(c->setup, who, &findings, &err) != 0) {
		check_result(c, WRONG, "store", NULL, "as %s: %s", who->user, err.text);
		return false;
	}
	return !complain_log(c, verdict, &findings);
}

/* A store that opens but has nothing to serve. */
static void
check_contents(struct check *c)
{
	struct admin_totals totals;

	if (!setup_contents(c->setup, &totals))
		return;
	if (totals.chains == 0)
		check_result(c, WARN, "chains", "snicert import", "the store is empty");
	else
		check_result(c, OK, "chains", NULL, "the store has chains: %lld", (long long)totals.chains);
	if (totals.fallbacks == 0)
		check_result(c, WARN, "fallback", "snicert fallback CHAIN",
		    "there is no fallback: clients with a missing or unknown name get the server's own certificate");
	else
		check_result(c, OK, "fallback", NULL, "the store has a fallback");
}

void
check_store(struct check *c)
{
	const struct setup_identity *loader = setup_loader(c->host), *run = &c->host->run;
	bool two = loader != run && run->user[0] != '\0' && run->uid != 0;

	if (loader->user[0] == '\0') {
		check_result(c, WARN, "store", "give it with --user", "the user it runs as is not known, so nothing was tested");
		return;
	}
	if (!opens_as(c, loader, WRONG))
		return;
	/* It keeps what it opened as root, unless its processes open it themselves. */
	if (two && !opens_as(c, run, c->host->opens_again ? WRONG : WARN))
		return;
	check_result(c, OK, "store", NULL, "%s and its key open as %s%s%s", c->setup->config->store_path, loader->user,
	    two ? " and as " : "", two ? run->user : "");
	check_contents(c);
}
