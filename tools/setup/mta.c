/* SPDX-License-Identifier: ISC */
/*
 * mta.c: asking mail transfer agents about themselves: release, TLS library, user, chroot, and the
 * settings that matter to the module.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "setup/questions.h"

/* --- Postfix -------------------------------------------------------------- */

static const char *const postfix_settings[] = { "mail_version", "mail_owner", "queue_directory",
	"config_directory", "daemon_directory", "compatibility_level", "tls_config_file", "tls_config_name",
	"import_environment", "smtpd_tls_security_level", "smtpd_use_tls", "smtpd_tls_cert_file",
	"smtpd_tls_eccert_file", "smtpd_tls_chain_files", NULL };

/* One service of `postconf -M`: service type private unpriv chroot wakeup maxproc command … */
static void
postfix_service(struct setup_host *host, char *line, bool chroot_default)
{
	char *field[8] = {0}, *save = NULL;
	size_t used = strlen(host->chroot);

	for (size_t i = 0; i < 8; i++) {
		field[i] = strtok_r(i == 0 ? line : NULL, " \t", &save);
		if (field[i] == NULL)
			return;
	}
	if (strcmp(field[7], "postscreen") == 0)
		setup_add_program(host, "tlsproxy");
	if (strcmp(field[7], "smtpd") != 0 && strcmp(field[7], "tlsproxy") != 0)
		return;
	if (field[4][0] == 'y' || (field[4][0] == '-' && chroot_default))
		setup_put(host->chroot + used, sizeof(host->chroot) - used, "%s%s/%s", used == 0 ? "" : ", ", field[0],
		    field[1]);
	if (strstr(save, "smtpd_tls_security_level=") != NULL || strstr(save, "smtpd_tls_wrappermode=yes") != NULL)
		host->tls = true;
}

static void
postfix_services(struct setup_host *host, const char *level)
{
	struct ask_answer answer;
	char *save = NULL, queue[SETUP_TEXT];

	if (QUESTION(host, &answer, NULL, "-M") != 0)
		return;
	for (char *line = strtok_r(answer.out, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		/* Below level 1, a dash in that column means yes. */
		postfix_service(host, line, level[0] == '0' || level[0] == '\0');
	ask_free(&answer);
	if (host->chroot[0] == '\0')
		return;
	PUT(queue, "%s", host->chroot);
	if (QUESTION(host, &answer, NULL, "-h", "queue_directory") != 0)
		return;
	PUT(host->chroot, "%.*s (%.400s)", (int)strcspn(answer.out, "\n"), answer.out, queue);
	ask_free(&answer);
}

static void
postfix_way(struct setup_host *host, const char *text)
{
	char file[PATH_MAX] = "";

	host->root_loads = true;
	SETTING(text, "tls_config_name", host->application);
	if (SETTING(text, "tls_config_file", file)) {
		host->way = SETUP_TLS_CONFIG_FILE;
		PUT(host->setting, "%s", file);
		/* If it names another file, the section already goes there. */
		host->set = file[0] == '/';
		if (host->set)
			PUT(host->cnf, "%s", file);
		return;
	}
	host->way = SETUP_ITS_ENVIRONMENT;
	SETTING(text, "import_environment", host->setting);
	PUT(host->why, "This release has no tls_config_file; 3.9, 3.8.1, 3.7.6, 3.6.10 and 3.5.20 introduced it: "
	    "OPENSSL_CONF goes through import_environment.");
}

int
setup_ask_postfix(struct setup_host *host, struct snicert_error *err)
{
	char owner[64] = "", directory[PATH_MAX] = "", server[PATH_MAX + 8], level[32] = "", tls[32] = "";
	struct ask_answer answer;

	if (setup_ask(host, postfix_settings, &answer, err) != 0)
		return -1;
	if (!SETTING(answer.out, "mail_version", host->version)) {
		ask_free(&answer);
		return error_set(err, SNICERT_EINPUT, "%s does not print mail_version: it is not Postfix's, or its "
		    "configuration is broken", host->binary);
	}
	SETTING(answer.out, "mail_owner", owner);
	SETTING(answer.out, "daemon_directory", directory);
	SETTING(answer.out, "compatibility_level", level);
	SETTING(answer.out, "config_directory", host->file);
	postfix_way(host, answer.out);
	setup_runs_as(host, owner, NULL, false);
	PUT(server, "%s/smtpd", directory);
	setup_look_at(host, server);
	PUT(host->master, "%s/master", directory);
	setup_add_program(host, "smtpd");
	host->tls_known = true;
	host->tls = (SETTING(answer.out, "smtpd_tls_security_level", tls) && tls[0] != '\0' &&
	    strcmp(tls, "none") != 0) || (SETTING(answer.out, "smtpd_use_tls", tls) && strcmp(tls, "yes") == 0);
	if (!(SETTING(answer.out, "smtpd_tls_chain_files", host->certificate) && host->certificate[0] != '\0') &&
	    !(SETTING(answer.out, "smtpd_tls_cert_file", host->certificate) && host->certificate[0] != '\0'))
		SETTING(answer.out, "smtpd_tls_eccert_file", host->certificate);
	postfix_services(host, level);
	ask_free(&answer);
	return 0;
}

/* --- Exim ----------------------------------------------------------------- */

static int
exim_way(struct setup_host *host, const char *features)
{
	bool dlfunc = strstr(features, "Expand_dlfunc") != NULL;

	host->tls_known = true;
	if (strstr(features, "GnuTLS") != NULL) {
		PUT(host->library, "GnuTLS");
		host->way = SETUP_EXIM_GNUTLS;
	} else if (strstr(features, "OpenSSL") != NULL) {
		/* Libraries' strings are about libraries: only the soname helps. */
		setup_look_at(host, host->binary);
		host->way = SETUP_EXIM_OPENSSL;
	} else {
		PUT(host->why, "It was built without TLS.");
		return 0;
	}
	if (!dlfunc) {
		host->way = SETUP_NO_WAY;
		PUT(host->why, "It was built without ${dlfunc} (EXPAND_DLFUNC=yes); Debian's exim4-daemon-heavy has it, "
		    "exim4-daemon-light hasn't.");
	}
	host->tls = true;
	return 0;
}

/* Exim's own file follows the last bracket of our expression. */
static void
own_file(char *expression)
{
	const char *last = strrchr(expression, '{');
	size_t length = last == NULL ? 0 : strcspn(last + 1, "}");

	if (last != NULL)
		memmove(expression, last + 1, length);
	expression[length] = '\0';
}

int
setup_ask_exim(struct setup_host *host, struct snicert_error *err)
{
	char user[64] = "", group[64] = "", features[SETUP_TEXT] = "";
	struct ask_answer answer;

	if (QUESTION(host, &answer, err, "-bV") != 0)
		return -1;
	if (!setup_line_after(answer.out, "Exim version ", host->version, sizeof(host->version))) {
		error_set(err, SNICERT_EINPUT, "%s -bV prints no version: it is not Exim's, or it fails: %.*s",
		    host->binary, (int)strcspn(answer.err, "\n"), answer.err);
		ask_free(&answer);
		return -1;
	}
	host->version[strcspn(host->version, " ")] = '\0';
	setup_line_after(answer.out, "Support for:", features, sizeof(features));
	setup_line_after(answer.out, "Configuration file is ", host->file, sizeof(host->file));
	ask_free(&answer);
	if (QUESTION(host, &answer, err, "-bP", "exim_user", "exim_group", "tls_certificate", "tls_privatekey",
	    "smtp_active_hostname") != 0)
		return -1;
	if (!SETTING(answer.out, "exim_user", user)) {
		error_set(err, SNICERT_EINPUT, "%s can't print its settings: %.*s", host->binary,
		    (int)strcspn(answer.err, "\n"), answer.err);
		ask_free(&answer);
		return -1;
	}
	SETTING(answer.out, "exim_group", group);
	SETTING(answer.out, "tls_certificate", host->certificate);
	SETTING(answer.out, "tls_privatekey", host->private_key);
	PUT(host->server, "%s", host->binary);
	exim_way(host, features);
	if (host->way == SETUP_EXIM_GNUTLS)
		PUT(host->setting, "%s", host->certificate);
	else
		SETTING(answer.out, "smtp_active_hostname", host->setting);
	/* An ACL can call it too, which isn't among the settings. */
	host->set = strstr(host->setting, "snicert_exim_") != NULL ||
	    (host->way == SETUP_EXIM_OPENSSL && setup_file_has(host->file, "{snicert_exim_attach}"));
	if (host->way == SETUP_EXIM_GNUTLS && host->set)
		own_file(host->certificate);
	if (strstr(host->private_key, "snicert_exim_") != NULL)
		own_file(host->private_key);
	ask_free(&answer);
	if (user[0] != '\0')
		setup_runs_as(host, user, group, true);
	return 0;
}

/* --- sendmail ------------------------------------------------------------- */

static void
sendmail_configuration(struct setup_host *host)
{
	char user[64] = "", *text = setup_file_text("/etc/mail/sendmail.cf"), *group;

	setup_runs_as(host, "root", NULL, false);
	PUT(host->file, "/etc/mail/sendmail.cf");
	if (text == NULL)
		return;
	host->tls_known = true;
	host->tls = setup_line_after(text, "O ServerCertFile=", host->certificate, sizeof(host->certificate)) &&
	    host->certificate[0] != '\0';
	if (setup_line_after(text, "O RunAsUser=", user, sizeof(user)) && user[0] != '\0') {
		group = strchr(user, ':');
		if (group != NULL)
			*group++ = '\0';
		setup_runs_as(host, user, group, false);
		host->root_loads = false; /* it drops privileges before TLS */
	}
	free(text);
}

int
setup_ask_sendmail(struct setup_host *host, struct snicert_error *err)
{
	struct ask_answer answer;

	if (QUESTION(host, &answer, err, "-d0.1", "-bt") != 0)
		return -1;
	if (!setup_line_after(answer.out, "Version ", host->version, sizeof(host->version))) {
		ask_free(&answer);
		return error_set(err, SNICERT_EINPUT, "%s prints no version as sendmail does", host->binary);
	}
	host->root_loads = true;
	setup_look_at(host, host->binary);
	/* Debian's start script calls the daemon so; there, `sendmail` is users' submission. */
	setup_add_program(host, access("/usr/sbin/sendmail-mta", X_OK) == 0 ? "sendmail-mta" : setup_base_name(host->binary));
	if (strstr(answer.out, "STARTTLS") == NULL)
		PUT(host->why, "It was built without STARTTLS.");
	else
		host->way = SETUP_BOUND; /* set-id or not, it clears its environment */
	ask_free(&answer);
	sendmail_configuration(host);
	return 0;
}

/* --- OpenSMTPD ------------------------------------------------------------ */

int
setup_ask_opensmtpd(struct setup_host *host, struct snicert_error *err)
{
	struct ask_answer answer;
	const char *text;

	if (QUESTION(host, &answer, err, "-h") != 0)
		return -1;
	text = strstr(answer.err, "OpenSMTPD ");
	if (text == NULL)
		text = strstr(answer.out, "OpenSMTPD ");
	if (text == NULL) {
		ask_free(&answer);
		return error_set(err, SNICERT_EINPUT, "%s does not identify itself as OpenSMTPD", host->binary);
	}
	setup_take_word(text + strlen("OpenSMTPD "), host->version, sizeof(host->version));
	ask_free(&answer);
	setup_look_at(host, host->binary);
	setup_add_program(host, "smtpd");
	setup_runs_as(host, getpwnam("_smtpd") != NULL ? "_smtpd" : "opensmtpd", NULL, false);
	PUT(host->file, "/etc/smtpd.conf");
	PUT(host->chroot, "all that talk to clients");
	host->root_loads = true;
	host->way = SETUP_ENVIRONMENT;
	if (host->version[0] == '6')
		PUT(host->why, "This release can't use its own private keys with OpenSSL 3, so its own certificate fails "
		    "in every handshake. Chains from the store work: set a fallback, with `snicert fallback`.");
	else
		PUT(host->why, "Only release 6.8 has been tested.");
	return 0;
}
