/* SPDX-License-Identifier: ISC */
/* instructions_exim.c: the settings by which Exim calls the module, and where Debian's go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "setup/instructions_internal.h"
#include "setup/questions.h"

/* Where Debian's generated configuration takes macros: the first file if split. */
static const char *
exim_macros(void)
{
	char *text = setup_file_text("/etc/exim4/update-exim4.conf.conf"), value[32] = "";
	bool split = text != NULL && setup_line_after(text, "dc_use_split_config=", value, sizeof(value)) &&
	    strstr(value, "true") != NULL;

	free(text);
	return split ? "/etc/exim4/conf.d/main/000_localmacros" : "/etc/exim4/exim4.conf.localmacros";
}

/* Exim rejects repeated settings, so the line is for those without. */
static bool
has_no_ciphers(const struct setup_host *host)
{
	char value[SETUP_TEXT] = "";
	struct ask_answer answer;
	bool none;

	if (QUESTION(host, &answer, NULL, "-bP", "tls_require_ciphers") != 0)
		return false;
	none = SETTING(answer.out, "tls_require_ciphers", value) && value[0] == '\0';
	ask_free(&answer);
	return none;
}

/* Debian's generated one reads macros. */
static bool
is_debians(const struct setup_host *host)
{
	return strncmp(host->file, "/var/lib/exim4/", strlen("/var/lib/exim4/")) == 0;
}

/* Exim's own certificate or key; "" for none.  Debian's macros default to these files. */
static const char *
own_file(const struct setup_host *host, bool key)
{
	if (host->certificate[0] == '\0' && is_debians(host))
		return key ? "/etc/exim4/exim.key" : "/etc/exim4/exim.crt";
	return key && host->private_key[0] != '\0' ? host->private_key : host->certificate;
}

static bool
is_missing(const char *path)
{
	return path[0] == '/' && strchr(path, '$') == NULL && access(path, F_OK) != 0 && errno == ENOENT;
}

bool
instructions_exim_names_own(const struct setup_host *host)
{
	return host->way == SETUP_EXIM_GNUTLS && own_file(host, false)[0] != '\0';
}

/*
 * Stock Exim makes itself one if none is configured.  The lines below name files; without them no
 * client gets TLS if the store can't serve.
 */
void
instructions_exim_own(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	const char *certificate = own_file(host, false), *key = own_file(host, true);
	char name[256] = "";

	if (!is_missing(certificate))
		return;
	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		snprintf(name, sizeof(name), "localhost");
	guide_step(guide, "A certificate of its own, for when the store can't serve");
	/* One file for both, or an existing key: that is somebody's, so our commands don't overwrite it. */
	if (strcmp(certificate, key) == 0 || !is_missing(key)) {
		guide_note(guide, "%s does not exist: put Exim's own certificate there.", certificate);
		return;
	}
	guide_command(guide, "command", "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out '%s'", key);
	guide_command(guide, "command", "openssl req -x509 -new -key '%s' -days 3650 -subj '/CN=%s' -out '%s'", key, name, certificate);
	guide_command(guide, "command", "chgrp '%s' '%s' && chmod 0640 '%s'", host->run.group, key, key);
	guide_command(guide, "command", "chmod 0644 '%s'", certificate);
}

/* If the module is gone, Exim's own files serve, and expansions don't fail. */
void
instructions_exim_gnutls(struct guide *guide)
{
	static const char *const entries[][3] = {
		{ "tls_certificate", "MAIN_TLS_CERTIFICATE", "snicert_exim_certificate" },
		{ "tls_privatekey", "MAIN_TLS_PRIVATEKEY", "snicert_exim_privatekey" },
	};
	const struct setup_host *host = guide->host;
	const char *module = guide->setup->module;
	bool debian = is_debians(host);
	char text[2 * (4 * PATH_MAX + 2 * SETUP_TEXT) + 64] = "";
	size_t used = 0;

	if (debian)
		used = (size_t)snprintf(text, sizeof(text), "MAIN_TLS_ENABLE = yes\n");
	for (size_t i = 0; i < 2; i++) {
		const char *own = own_file(host, i == 1);

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s = ${if exists{%s}{${dlfunc{%s}{%s}{%s}"
		    "{$tls_in_sni}{%s}{$received_ip_address}}}{%s}}\n", entries[i][debian], module, module, entries[i][2],
		    guide->setup->config_path, own, own);
	}
	/* Else a TLS 1.2 client that prefers RSA gets the fallback's RSA chain. */
	if (has_no_ciphers(host))
		snprintf(text + used, sizeof(text) - used, "tls_require_ciphers = NORMAL:%%SERVER_PRECEDENCE\n");
	if (debian)
		guide_file(guide, "Add to", exim_macros(), text, setup_file_has(exim_macros(), text));
	else
		guide_file(guide, "In place of tls_certificate and tls_privatekey, add to", host->file, text, false);
}

void
instructions_exim_openssl(struct guide *guide)
{
	const struct setup_host *host = guide->host;
	const char *module = guide->setup->module;
	char text[4 * PATH_MAX];

	/* It expands to nothing, and Exim reads it when a connection starts. */
	snprintf(text, sizeof(text), "smtp_active_hostname = ${if exists{%s}{${dlfunc{%s}{snicert_exim_attach}{%s}}}}%s\n",
	    module, module, guide->setup->config_path, host->setting);
	/* Its contents come first in the generated file, both macros and settings. */
	if (is_debians(host) && host->setting[0] == '\0')
		guide_file(guide, "Add to", exim_macros(), text, setup_file_has(exim_macros(), text));
	else
		guide_file(guide, host->setting[0] == '\0' ? "Add to the beginning of" : "In place of smtp_active_hostname, add to",
		    host->file, text, false);
}
