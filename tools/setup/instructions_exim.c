/* SPDX-License-Identifier: ISC */
/* instructions_exim.c: the settings by which Exim calls the module, and where Debian's takes them from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup/instructions_internal.h"
#include "setup/questions.h"

/* Where Debian's generated configuration takes macros from: of split ones the first file. */
static const char *
exim_macros(void)
{
	char *text = setup_file_text("/etc/exim4/update-exim4.conf.conf"), value[32] = "";
	bool split = text != NULL && setup_line_after(text, "dc_use_split_config=", value, sizeof(value)) &&
	    strstr(value, "true") != NULL;

	free(text);
	return split ? "/etc/exim4/conf.d/main/000_localmacros" : "/etc/exim4/exim4.conf.localmacros";
}

/* Exim takes no setting twice, so the line is for those who have none. */
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

/* Where the module is gone, Exim's own files serve, and no expansion fails. */
void
instructions_exim_gnutls(struct guide *guide)
{
	static const char *const entries[][3] = {
		{ "tls_certificate", "MAIN_TLS_CERTIFICATE", "snicert_exim_certificate" },
		{ "tls_privatekey", "MAIN_TLS_PRIVATEKEY", "snicert_exim_privatekey" },
	};
	const struct setup_host *host = guide->host;
	const char *module = guide->setup->module;
	/* Debian's generated one takes macros. */
	bool debian = strncmp(host->file, "/var/lib/exim4/", strlen("/var/lib/exim4/")) == 0;
	char text[2 * (4 * PATH_MAX + 2 * SETUP_TEXT) + 64] = "";
	size_t used = 0;

	if (debian)
		used = (size_t)snprintf(text, sizeof(text), "MAIN_TLS_ENABLE = yes\n");
	for (size_t i = 0; i < 2; i++) {
		const char *own = i == 1 && host->private_key[0] != '\0' ? host->private_key : host->certificate;

		if (own[0] == '\0' && debian)
			own = i == 0 ? "/etc/exim4/exim.crt" : "/etc/exim4/exim.key";
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s = ${if exists{%s}{${dlfunc{%s}{%s}{%s}"
		    "{$tls_in_sni}{%s}{$received_ip_address}}}{%s}}\n", entries[i][debian], module, module, entries[i][2],
		    guide->setup->config_path, own, own);
	}
	/* Else a client of TLS 1.2 that prefers RSA gets the fallback's RSA chain. */
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

	/* It yields nothing, and that setting is looked at where a connection starts. */
	snprintf(text, sizeof(text), "smtp_active_hostname = ${if exists{%s}{${dlfunc{%s}{snicert_exim_attach}{%s}}}}%s\n",
	    module, module, guide->setup->config_path, host->setting);
	guide_file(guide, host->setting[0] == '\0' ? "Add to the beginning of" : "In place of smtp_active_hostname, add to",
	    host->file, text, false);
}
