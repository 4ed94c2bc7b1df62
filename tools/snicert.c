/* SPDX-License-Identifier: ISC */
/*
 * snicert.c: the admin tool of the store.  One table of subcommands: dispatch,
 * usage and completion come from it.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct command commands[] = {
	{ "init", cmd_init, "[--group GROUP]",
	    "create the store and its key",
	    "  --group GROUP   let this group (the mail server's) read both\n" },
	{ "import", cmd_import, "[OPTION…] PATH…",
	    "take in chains: PEM, PKCS#12, directories, - for standard input",
	    "  --from KIND     the paths say what is bound to what, as another server is told: postfix,\n"
	    "                  dovecot, haproxy, exim, haraka, mailcow, virtualmin; or map: lines of NAME FILE…\n"
	    "  --dry-run       say what would happen, and change nothing\n"
	    "  --name NAME     bind to this name instead of the certificate's own (may be repeated)\n"
	    "  --no-bind       bind to no name; see bind and default\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --key-uri URI   the private key stays there (file:, pkcs11: …); the paths hold certificates\n"
	    "  --passphrase-file FILE, --passphrase-fd FD\n"
	    "                  where the passphrase of encrypted keys is; asked for on a terminal otherwise\n"
	    "  --force         even if expired, not yet valid, not covering a name, or in another's place\n"
	    "  --owner LABEL   whose the chains are (else: that of the chains they renew)\n"
	    "  --take          names of another owner too\n"
	    "  --keep-going    commit the good ones, report the bad by file\n" },
	{ "hook", cmd_hook, "certbot|lego|dehydrated|acme.sh|uacme [OPTION…] [ARGUMENT…]",
	    "take in what an ACME client has just got; run by the client",
	    "  --install       print a shell script that puts the hook in, and what else to do\n"
	    "  --dir DIR       the client's folder, where it isn't the usual one\n"
	    "  --status STATUS of uacme, whose hook runs after it\n"
	    "  --name NAME     bind to this name instead of the certificate's own (may be repeated)\n"
	    "  --no-bind       bind to no name; see bind and default\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --owner LABEL   whose the chains are (else: that of the chains they renew)\n"
	    "  --take          names of another owner too\n" },
	{ "watch", cmd_watch, "[OPTION…] DIR…",
	    "follow folders: what is new in them is taken in",
	    "  --once          look once, and end\n"
	    "  --dry-run       say what would be taken in\n"
	    "  --settle SECONDS  how long a folder must have been quiet (2)\n"
	    "  --interval SECONDS  look at all of it again (900)\n"
	    "  --no-bind       bind to no name; see bind and default\n"
	    "  --stage         keep them staged until `snicert activate`\n"
	    "  --owner LABEL   whose the chains are (else: that of the chains they renew)\n"
	    "  --take          names of another owner too\n" },
	{ "bind", cmd_bind, "[--take] NAME CHAIN",
	    "serve a name with a chain, also one whose certificate lacks the name",
	    "  --take          even if the name is another owner's\n" },
	{ "unbind", cmd_unbind, "NAME…", "serve a name no more", NULL },
	{ "default", cmd_default, "[--address ADDRESS] [CHAIN… | none]",
	    "set, show or drop the fallback for missing and unknown names",
	    "  --address ADDRESS  the fallback of one local address\n" },
	{ "list", cmd_list, "[--owner LABEL] [--chains] [--staged | --active | --retired] [PATTERN]",
	    "list names and what they are bound to, or chains",
	    "  --chains        list chains instead of names\n"
	    "  --owner LABEL   only those of this owner\n"
	    "  PATTERN         only names that match, such as '*.example'\n" },
	{ "show", cmd_show, "NAME|CHAIN…", "show a chain in full", NULL },
	{ "export", cmd_export, "[--key] [--out FILE] NAME|CHAIN | --owner LABEL | --to KIND [--force] DIR",
	    "write a chain as PEM, or all of them as another server wants them",
	    "  --to KIND       all active chains into a new folder: postfix, haproxy, or pem\n"
	    "  --force         in place of a folder that export made\n"
	    "  --owner LABEL   all active chains of this owner\n"
	    "  --key           with its private key, in the clear\n"
	    "  --out FILE      to a new file of mode 0600 instead of standard output\n" },
	{ "remove", cmd_remove, "[--force] NAME|CHAIN…",
	    "unbind names, or delete chains",
	    "  --force         a chain even if names are bound to it\n" },
	{ "activate", cmd_activate, "[OPTION…] CHAIN… | --all", "bind staged chains to their names",
	    "  --all           all that are staged for names; what can't be is reported\n"
	    "  --after TIME    only those staged for this long (3600, 90m, 36h, 2d)\n"
	    "  --require-tlsa FILE  only if the TLSA records in FILE (- for standard input) have the new key\n"
	    "  --port PORT     whose TLSA records (25)\n"
	    "  --force         names from chains that are not renewed, too\n"
	    "  --take          names of another owner, too\n" },
	{ "rollback", cmd_rollback, "[--take] NAME | --default [--address ADDRESS]",
	    "go back to the former chain of a name, with all that moved with it",
	    "  --take          even if that was another owner's\n" },
	{ "explain", cmd_explain, "[--address ADDRESS] [--client PROFILE] [--program NAME] [NAME]",
	    "what a client is served, and why, candidate by candidate",
	    "  --address ADDRESS  the local address the client connects to\n"
	    "  --client PROFILE   any, rsa, ecdsa, ed25519, tls12, tls12-rsa, tls12-ecdsa\n"
	    "  --program NAME     as configured for this program\n" },
	{ "probe", cmd_probe, "[--implicit] [--timeout SECONDS] [--key-type TYPE…] HOST[:PORT] [NAME…]",
	    "a real handshake per name (-: with no name), compared with the store",
	    "  --implicit      TLS from the first octet on (ports 465, 993, 995, 443 by themselves)\n"
	    "  --timeout SECONDS  for each handshake (30)\n"
	    "  --key-type TYPE rsa, ecdsa, ed25519 or any (may be repeated; default: those of the store)\n" },
	{ "verify", cmd_verify, "", "check the whole store", NULL },
	{ "expiring", cmd_expiring, "[DAYS]", "chains that end within DAYS (30)", NULL },
	{ "tlsa", cmd_tlsa, "[OPTION…] NAME…",
	    "the TLSA records (DANE) of all keys that clients of a name meet now or soon",
	    "  --port PORT     of the service (25)\n"
	    "  --protocol NAME tcp, udp or sctp (tcp)\n"
	    "  --usage 2|3     3: the leaf (the default); 2: the last intermediate\n"
	    "  --selector 0|1  1: the public key (the default); 0: the certificate\n"
	    "  --matching 0|1|2  1: SHA-256 (the default); 2: SHA-512; 0: all of it\n"
	    "  --ttl SECONDS   of the records (3600)\n"
	    "  --nsupdate      commands for nsupdate, which put these in place of all others\n"
	    "  --add           with --nsupdate: leave other records of the name\n" },
	{ "key", cmd_key, "new [OPTION…] NAME… | list | csr [--out FILE] KEY | remove KEY…",
	    "keys made ahead: the request for a CA now, the certificate by import",
	    "  --type TYPE     ec (P-256, the default), ec:P-384, ec:P-521, rsa (2048), rsa:BITS, ed25519\n"
	    "  --key-uri URI   the private key is there (file:, pkcs11: …) and stays there\n"
	    "  --out FILE      the request to this new file, and the key's record to standard output\n" },
	{ "status", cmd_status, "", "the store on one page, and what needs attention", NULL },
	{ "check", cmd_check, "[--warning DAYS] [--critical DAYS]",
	    "the same for Nagios and Icinga: one line, and their exit codes",
	    "  --warning DAYS  active chains that end within so many days are a warning (21)\n"
	    "  --critical DAYS the same, critical (7)\n" },
	{ "owner", cmd_owner, "[--take] [LABEL|none NAME|CHAIN…]", "whose chains are; owners with their chains and names",
	    "  --take          even if they are another owner's\n" },
	{ "log", cmd_log, "[--last COUNT] [--since TIME] [--after CHANGE] [NAME|CHAIN]",
	    "who changed what, the latest first",
	    "  --last COUNT    so many changes (50; 0: all)\n"
	    "  --since TIME    from a day on (2026-11-24), or a time ago (7d, 2w)\n"
	    "  --after CHANGE  those with a greater number\n" },
	{ "mta-sts", cmd_mta_sts,
	    "[OPTION…] DOMAIN --policy FILE | --fetch; mta-sts new DOMAIN --mode MODE",
	    "whether a domain's MTA-STS policy and the store fit; make such a policy",
	    "  --policy FILE   the policy (- for standard input)\n"
	    "  --fetch         the policy as it is published\n"
	    "  --connect HOST:PORT  with --fetch: there, whatever DNS says\n"
	    "  --sni KIND      ask for mx, domain, none (may be repeated; default: all three)\n"
	    "  --address ADDRESS  the local address that clients connect to\n"
	    "  --program NAME  as configured for this program\n"
	    "  --mode MODE     testing or enforce\n"
	    "  --mx NAME       a host of the MX records, or *. and a name (may be repeated)\n"
	    "  --max-age SECONDS  (testing 86400, enforce 1209600)\n"
	    "  --out FILE      the policy to this new file\n" },
	{ "stats", cmd_stats, "[--reset | --watch [--every SECONDS] [--pages COUNT] | --prometheus [--out FILE]]",
	    "what servers did: handshakes by what they were served, how fast, which processes",
	    "  --reset         print, and begin to count anew\n"
	    "  --watch         again and again, with rates, until interrupted\n"
	    "  --every SECONDS (2)\n"
	    "  --pages COUNT   so many, and end\n"
	    "  --prometheus    metrics, for node_exporter's textfile collector\n"
	    "  --out FILE      to this file, in one step\n" },
	{ "unknown", cmd_unknown, "[--since TIME] [--least COUNT] [--last COUNT] [--all] [--reset]",
	    "names that clients asked for and nobody has bound, and what would serve them",
	    "  --since TIME    asked for since a day (2026-11-24), or a time ago (6h, 7d, 2w)\n"
	    "  --least COUNT   asked for so often\n"
	    "  --last COUNT    so many names (50; 0: all)\n"
	    "  --all           those that are served by now, too\n"
	    "  --reset         forget them all\n" },
	{ "trace", cmd_trace, "[--missing] [--count COUNT] [PATTERN…]",
	    "follow live what clients ask for and are served, until interrupted",
	    "  --missing       only names that did not get chains of their own\n"
	    "  --count COUNT   so many, and end\n"
	    "  PATTERN         only names that match one, such as '*.example'\n" },
	{ "exporter", cmd_exporter, "[--listen unix:PATH|ADDRESS:PORT] [--remote]",
	    "serve metrics to Prometheus, at /metrics",
	    "  --listen WHERE  (127.0.0.1:9811)\n"
	    "  --remote        also at an address of others; there is neither TLS nor a password\n" },
	{ "rekey", cmd_rekey, "", "seal all keys under a new store key", NULL },
	{ "backup", cmd_backup, "FILE", "copy the store to a new file (the store key is not in it)", NULL },
	{ "restore", cmd_restore, "FILE", "put a backup's content into the store", NULL },
	{ "config", cmd_config, "", "what is in force, and from where", NULL },
	{ "completion", cmd_completion, "bash|zsh|fish", "completion of commands and options, for a shell to read", NULL },
	{ "setup", cmd_setup, "[--check] [--binary PATH] [--module PATH] [--user USER] [SERVER]",
	    "how a server comes to load the module, and whether all is in place",
	    "  --check         judge what is there instead of telling what to do\n"
	    "  --binary PATH   the server's program, where it is not found, or any program on OpenSSL\n"
	    "  --module PATH   snicert.so, where it is not where it was to be installed\n"
	    "  --user USER     whom the server runs as, where it doesn't tell\n"
	    "  SERVER          postfix, exim, sendmail, opensmtpd, dovecot, nginx, stunnel or aiosmtpd\n"
	    "                  (default: those that are here)\n" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	fputs("usage: snicert [-c CONF] [--json] [--quiet] [--wait SECONDS] COMMAND …\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\nsnicert COMMAND --help tells more; so does snicert(8).\n"
	      "Exit codes: 0 done, 1 the answer is no, 2 usage, 3 the work failed.\n", to);
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* For shells: the names of the commands, one a line. */
static void
print_commands(void)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		puts(commands[i].name);
}

const struct command *
tool_commands(size_t *count)
{
	*count = COMMAND_COUNT;
	return commands;
}

/* Where nothing is changed and nobody is talked to, `| head` ends it like any other program. */
static bool
only_prints(const struct command *command)
{
	static int (*const list[])(struct tool *, int, char **) = { cmd_completion, cmd_config, cmd_expiring,
		cmd_explain, cmd_list, cmd_log, cmd_show, cmd_stats, cmd_status,
		cmd_trace, cmd_unknown, cmd_verify };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (command->run == list[i])
			return true;
	return false;
}

static int
run(struct tool *tool, int argc, char **argv)
{
	/* A mistake in the configuration is among what setup judges. */
	enum config_mode mode = tool->command->run == cmd_setup ? CONFIG_LENIENT : CONFIG_STRICT;
	struct snicert_error err = {0};
	int status;

	/* Completion is made in a build, where nothing is configured. */
	if (tool->command->run != cmd_completion &&
	    config_read(&tool->config, tool->config_path, mode, &err) != 0) {
		/* A plugin answers on standard output; TOOL_FAILED is its UNKNOWN. */
		if (tool->command->run == cmd_check)
			printf("SNICERT UNKNOWN - %s\n", err.text);
		return tool_fail(&err);
	}
	if (tool->quiet)
		tool_quiet(tool);
	if (only_prints(tool->command))
		signal(SIGPIPE, SIG_DFL);
	optind = 0; /* start over: getopt has read the global options */
	status = tool->command->run(tool, argc, argv);
	config_free(tool->config);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("snicert: standard output");
		return TOOL_FAILED;
	}
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "version", no_argument, NULL, 'V' },
		{ "commands", no_argument, NULL, 'C' }, TOOL_OPTIONS,
	};
	struct tool tool = {0};
	int option;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "+c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			tool.config_path = optarg;
			break;
		case 'J':
			tool.json = true;
			break;
		case 'Q':
			tool.quiet = true;
			break;
		case 'W':
			if (!tool_wait(optarg))
				return TOOL_USAGE;
			break;
		case 'V':
			puts("snicert " SNICERT_VERSION);
			return TOOL_DONE;
		case 'C':
			print_commands();
			return TOOL_DONE;
		case 'H':
		case 'h':
			print_help(stdout);
			return TOOL_DONE;
		default:
			print_help(stderr);
			return TOOL_USAGE;
		}
	}
	if (optind == argc || strcmp(argv[optind], "help") == 0) {
		print_help(optind == argc ? stderr : stdout);
		return optind == argc ? TOOL_USAGE : TOOL_DONE;
	}
	tool.command = find_command(argv[optind]);
	if (tool.command == NULL) {
		fprintf(stderr, "snicert: there is no command %s\n", argv[optind]);
		print_help(stderr);
		return TOOL_USAGE;
	}
	return run(&tool, argc - optind, argv + optind);
}
