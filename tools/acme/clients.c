/* SPDX-License-Identifier: ISC */
/*
 * clients.c: the conventions of ACME clients, from their documentation and source: certbot 2.1,
 * lego 4.9 and 5, dehydrated 0.7, acme.sh 3, uacme 1.7.  It opens no file and knows no store.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/clients.h"
#include "error.h"
#include "nearest.h"

static int add_file(struct renewal *, struct snicert_error *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
add_file(struct renewal *renewal, struct snicert_error *err, const char *format, ...)
{
	va_list ap;
	int length;

	va_start(ap, format);
	length = vasprintf(&renewal->files[renewal->count], format, ap);
	va_end(ap);
	if (length < 0) {
		renewal->files[renewal->count] = NULL;
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	renewal->count++;
	return 0;
}

/* `path` may lack a part: a chain contained in another file. */
static int
add_if_there(struct renewal *renewal, const char *path, struct snicert_error *err)
{
	return path == NULL || access(path, F_OK) != 0 ? 0 : add_file(renewal, err, "%s", path);
}

/* The first of these variables that is set and not empty. */
static const char *
variable(const char *name, const char *other)
{
	const char *value = getenv(name);

	if ((value == NULL || *value == '\0') && other != NULL)
		value = getenv(other);
	return value == NULL || *value == '\0' ? NULL : value;
}

void
renewal_free(struct renewal *renewal)
{
	for (size_t i = 0; i < renewal->count; i++)
		free(renewal->files[i]);
	renewal->count = 0;
}

/*
 * The scripts of install_* are piped into a shell: what is left to do, they print, or nobody sees it.
 */

/* --- certbot: RENEWED_LINEAGE is its live/NAME ------------------------------ */

static int
read_certbot(struct renewal *renewal, int argc, char **argv, struct snicert_error *err)
{
	const char *lineage = argc == 1 ? argv[0] : argc == 0 ? variable("RENEWED_LINEAGE", NULL) : NULL;

	if (lineage == NULL)
		return error_set(err, SNICERT_EUSAGE, "certbot says in RENEWED_LINEAGE what it has renewed, "
		    "which is not set: run this as its deploy hook (`snicert hook certbot --install`), "
		    "or give the directory live/NAME");
	if (add_file(renewal, err, "%s/privkey.pem", lineage) != 0)
		return -1;
	return add_file(renewal, err, "%s/fullchain.pem", lineage);
}

static void
install_certbot(FILE *out, const char *command, const char *directory)
{
	fprintf(out,
	    "# For every certificate that certbot renews:\n"
	    "mkdir -p %s/renewal-hooks/deploy &&\n"
	    "cat >%s/renewal-hooks/deploy/snicert <<'END' &&\n"
	    "#!/bin/sh\n"
	    "exec %s\n"
	    "END\n"
	    "chmod +x %s/renewal-hooks/deploy/snicert\n"
	    "cat <<'END'\n"
	    "# A first one, which certbot runs no hooks of that directory for:\n"
	    "#   certbot certonly --deploy-hook '%s' -d NAME …\n"
	    "END\n", directory, directory, command, directory, command);
}

/* --- lego: variables for files; 5 has renamed them --------------------------- */

static int
read_lego(struct renewal *renewal, int argc, char **argv, struct snicert_error *err)
{
	const char *cert = variable("LEGO_HOOK_CERT_PATH", "LEGO_CERT_PATH");
	const char *key = variable("LEGO_HOOK_CERT_KEY_PATH", "LEGO_CERT_KEY_PATH");
	size_t stem;
	char *issuer;
	int status;

	(void)argv;
	if (argc > 0 || cert == NULL)
		return error_set(err, SNICERT_EUSAGE, "lego says in LEGO_CERT_PATH and LEGO_CERT_KEY_PATH what it "
		    "has renewed, %s: run this as its hook (`snicert hook lego --install`)",
		    argc > 0 ? "and gives no arguments" : "which are not set");
	stem = strlen(cert);
	if (stem > 4 && strcmp(cert + stem - 4, ".crt") == 0)
		stem -= 4;
	if ((key == NULL ? add_file(renewal, err, "%.*s.key", (int)stem, cert) : add_file(renewal, err, "%s", key)) != 0 ||
	    add_file(renewal, err, "%s", cert) != 0)
		return -1;
	/* With --no-bundle, the intermediates are in a separate file. */
	if (asprintf(&issuer, "%.*s.issuer.crt", (int)stem, cert) < 0)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	status = add_if_there(renewal, issuer, err);
	free(issuer);
	return status;
}

static void
install_lego(FILE *out, const char *command, const char *directory)
{
	(void)directory;
	fprintf(out,
	    "cat <<'END'\n"
	    "# lego takes its hook as an option, and runs it with no shell:\n"
	    "#   lego … run --run-hook '%s'\n"
	    "#   lego … renew --renew-hook '%s'\n"
	    "END\n", command, command);
}

/* --- dehydrated: an operation and its arguments ------------------------------- */

static int
read_dehydrated(struct renewal *renewal, int argc, char **argv, struct snicert_error *err)
{
	bool unchanged = argc > 0 && strcmp(argv[0], "unchanged_cert") == 0;

	if (argc == 0)
		return error_set(err, SNICERT_EUSAGE, "dehydrated says as arguments what it has renewed, and there are none: "
		    "run this as its hook (`snicert hook dehydrated --install`)");
	/* It tests whether a hook silently ignores unknown operations: some use what it prints
	 * (generate_csr). */
	if (strcmp(argv[0], "deploy_cert") != 0 && !unchanged) {
		renewal->nothing = true;
		return 0;
	}
	if (argc < 6)
		return error_set(err, SNICERT_EUSAGE, "%s of dehydrated has DOMAIN KEYFILE CERTFILE FULLCHAINFILE CHAINFILE "
		    "with it, here are %d arguments", argv[0], argc - 1);
	renewal->renewed = !unchanged;
	return add_file(renewal, err, "%s", argv[2]) != 0 || add_file(renewal, err, "%s", argv[4]) != 0 ? -1 : 0;
}

static void
install_dehydrated(FILE *out, const char *command, const char *directory)
{
	fprintf(out,
	    "# Where HOOK is a script of yours already, put in its deploy_cert() instead:\n"
	    "#   %s deploy_cert \"$@\" || exit\n"
	    "mkdir -p %s/conf.d &&\n"
	    "cat >%s/snicert-hook <<'END' &&\n"
	    "#!/bin/sh\n"
	    "exec %s \"$@\"\n"
	    "END\n"
	    "chmod +x %s/snicert-hook &&\n"
	    "echo HOOK=%s/snicert-hook >%s/conf.d/snicert.sh\n", command, directory, directory, command, directory, directory, directory);
}

/* --- acme.sh: a function NAME_deploy, or variables for --reloadcmd ------------ */

static int
read_acme_sh(struct renewal *renewal, int argc, char **argv, struct snicert_error *err)
{
	/* DOMAIN KEY CERT CA FULLCHAIN, as for its deploy hooks */
	const char *key = argc >= 5 ? argv[1] : argc == 0 ? variable("CERT_KEY_PATH", NULL) : NULL;
	const char *chain = argc >= 5 ? argv[4] : argc == 0 ? variable("CERT_FULLCHAIN_PATH", NULL) : NULL;
	const char *cert = argc >= 5 ? argv[2] : variable("CERT_PATH", NULL);
	const char *issuers = argc >= 5 ? argv[3] : variable("CA_CERT_PATH", NULL);

	if (key == NULL || (chain == NULL && cert == NULL))
		return error_set(err, SNICERT_EUSAGE, "acme.sh says in CERT_KEY_PATH and CERT_FULLCHAIN_PATH, or as arguments "
		    "DOMAIN KEY CERT CA FULLCHAIN, what it has renewed, and here is neither: run this as its "
		    "deploy hook or --reloadcmd (`snicert hook acme.sh --install`)");
	if (add_file(renewal, err, "%s", key) != 0)
		return -1;
	if (chain != NULL && (cert == NULL || access(chain, F_OK) == 0))
		return add_file(renewal, err, "%s", chain);
	return add_file(renewal, err, "%s", cert) != 0 ? -1 : add_if_there(renewal, issuers, err);
}

static void
install_acme_sh(FILE *out, const char *command, const char *directory)
{
	fprintf(out,
	    "mkdir -p %s/deploy &&\n"
	    "cat >%s/deploy/snicert.sh <<'END'\n"
	    "#!/usr/bin/env sh\n"
	    "# domain keyfile certfile cafile fullchain\n"
	    "snicert_deploy() {\n"
	    "  %s \"$@\"\n"
	    "}\n"
	    "END\n"
	    "cat <<'END'\n"
	    "# Then, once for each certificate; acme.sh remembers it for renewals:\n"
	    "#   acme.sh --deploy -d NAME --deploy-hook snicert\n"
	    "# Or: acme.sh --install-cert -d NAME --reloadcmd '%s'\n"
	    "END\n", directory, directory, command, command);
}

/* --- uacme: no hook but for challenges; its exit status tells ----------------- */

static int
read_uacme(struct renewal *renewal, int argc, char **argv, struct snicert_error *err)
{
	if (argc == 5 && (strcmp(argv[0], "begin") == 0 || strcmp(argv[0], "done") == 0 || strcmp(argv[0], "failed") == 0))
		return error_set(err, SNICERT_EUSAGE, "uacme's -h is for challenges only: run this after it "
		    "(`snicert hook uacme --install`)");
	if (argc != 1)
		return error_set(err, SNICERT_EUSAGE, "which certificate? give the first name it was issued for, "
		    "after uacme has run (`snicert hook uacme --install`)");
	if (renewal->status > 1) {
		renewal->nothing = true;
		renewal->exit = renewal->status;
		return 0;
	}
	renewal->renewed = renewal->status == 0;
	/* It omits the wildcard from directory names. */
	if (strncmp(argv[0], "*.", 2) == 0)
		argv[0] += 2;
	if (add_file(renewal, err, "%s/private/%s/key.pem", renewal->directory, argv[0]) != 0)
		return -1;
	return add_file(renewal, err, "%s/%s/cert.pem", renewal->directory, argv[0]);
}

static void
install_uacme(FILE *out, const char *command, const char *directory)
{
	fprintf(out,
	    "cat <<'END'\n"
	    "# uacme tells by its exit status what it did; where cron or a timer runs it, after it:\n"
	    "#   uacme -c %s -h /usr/share/uacme/uacme.sh issue NAME; %s --status $? NAME\n"
	    "END\n", directory, command);
}

static const struct client clients[] = {
	{ "certbot", "/etc/letsencrypt", read_certbot, install_certbot },
	{ "lego", "", read_lego, install_lego },
	{ "dehydrated", "/etc/dehydrated", read_dehydrated, install_dehydrated },
	{ "acme.sh", "${LE_WORKING_DIR:-$HOME/.acme.sh}", read_acme_sh, install_acme_sh },
	{ "uacme", "/etc/ssl/uacme", read_uacme, install_uacme },
};

const char *
client_meant(const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		nearest_offer(name, clients[i].name, &best);
	return best;
}

const struct client *
client_find(const char *name)
{
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (strcmp(clients[i].name, name) == 0)
			return &clients[i];
	return NULL;
}
