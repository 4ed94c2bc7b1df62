/* SPDX-License-Identifier: ISC */
/*
 * instructions_chains.c: how chains get into the store, now and at renewals, and the fallback.
 * Users decide which: these are all choices.
 */
#include <string.h>
#include <unistd.h>

#include "setup/instructions_internal.h"

/* The ACME clients whose directories exist. */
static void
put_clients(struct guide *guide, const char *tool)
{
	static const char *const clients[][2] = {
		{ "certbot", "/etc/letsencrypt" }, { "lego", "/var/lib/lego" }, { "dehydrated", "/etc/dehydrated" },
		{ "uacme", "/etc/ssl/uacme" },
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		if (access(clients[i][1], F_OK) != 0)
			continue;
		any = true;
		guide_command(guide, "choice", "%s hook %s --install | sh", tool, clients[i][0]);
	}
	if (!any)
		guide_command(guide, "choice", "%s hook CLIENT --install | sh", tool);
	guide_command(guide, "choice", "systemctl enable --now snicert-watch@PATH.service");
}

void
instructions_chains(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	const char *kind = host->kind->name;
	char buffer[PATH_MAX + 16];
	const char *tool = guide_tool_name(guide, buffer, sizeof(buffer));
	struct admin_totals totals;

	guide_step(guide, "The chains");
	if (setup_contents(guide->setup, &totals) && totals.chains > 0)
		guide_already(guide, "the store has chains");
	else {
		guide_note(guide, "Import the chains with their keys: those that the server has today, or a directory of files.");
		if (strcmp(kind, "postfix") == 0)
			guide_command(guide, "choice", "%s import --from postfix %s", tool, host->file);
		else if (strcmp(kind, "dovecot") == 0)
			guide_command(guide, "choice", "%s import --from dovecot %s", tool, host->file);
		if (access("/etc/letsencrypt/live", F_OK) == 0)
			guide_command(guide, "choice", "%s import /etc/letsencrypt/live", tool);
		guide_command(guide, "choice", "%s import DIRECTORY", tool);
	}
	guide_note(guide, "For renewals use the hook of your ACME client, or a directory that a service watches "
	    "(PATH as systemd-escape -p prints it):");
	put_clients(guide, tool);
}

void
instructions_fallback(struct guide *guide)
{
	char buffer[PATH_MAX + 16];
	const char *tool = guide_tool_name(guide, buffer, sizeof(buffer));
	struct admin_totals totals;

	guide_step(guide, "The fallback, for missing and unknown names");
	if (setup_contents(guide->setup, &totals) && totals.fallbacks > 0) {
		guide_already(guide, "the store has a fallback");
		return;
	}
	guide_note(guide, "Import the chain of the server's own name; give the number that import prints:");
	guide_command(guide, "choice", "%s import --no-bind FILE", tool);
	guide_command(guide, "choice", "%s fallback NUMBER", tool);
}
