/* SPDX-License-Identifier: ISC */
/*
 * state.c: what is already set up: the OpenSSL configuration, as read by OpenSSL, and
 * snicert.conf.  Also the missing text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/err.h>

#include "error.h"
#include "setup/questions.h"
#include "tool.h"

/* The same file, or the same text if one doesn't exist. */
static bool
same_path(const char *a, const char *b)
{
	char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
	bool same = real_a != NULL && real_b != NULL ? strcmp(real_a, real_b) == 0 : strcmp(a, b) == 0;

	free(real_a);
	free(real_b);
	return same;
}

static CONF *
load(const char *path, char *why)
{
	struct snicert_error err = {0};
	CONF *conf = NCONF_new(NULL);
	long line = 0;

	if (conf != NULL && NCONF_load(conf, path, &line) == 1)
		return conf;
	error_openssl(&err, SNICERT_EINPUT, line > 0 ? "%s:%ld" : "%s", path, line);
	snprintf(why, SETUP_TEXT, "%s", err.text);
	ERR_clear_error();
	NCONF_free(conf);
	return NULL;
}

/* The section where OpenSSL starts, or NULL. */
static const char *
start_section(CONF *conf, const char *application)
{
	const char *section = application[0] == '\0' ? NULL : NCONF_get_string(conf, NULL, application);

	if (section == NULL)
		section = NCONF_get_string(conf, NULL, "openssl_conf");
	ERR_clear_error(); /* drop "no value" */
	return section;
}

static const char *
value_of(CONF *conf, const char *section, const char *name)
{
	const char *value = NCONF_get_string(conf, section, name);

	ERR_clear_error();
	return value;
}

/* Ours is known by its file's name, whatever its section. */
static bool
is_ours(const char *path)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	return slash != NULL && strcmp(slash, "/snicert.so") == 0;
}

static enum setup_cnf
judge_section(const struct setup *setup, CONF *conf, const char *section, char *why)
{
	const char *path = value_of(conf, section, "path"), *config = value_of(conf, section, "config");
	const char *read = config != NULL ? config : config_default_path();

	if (!same_path(path, setup->module)) {
		snprintf(why, SETUP_TEXT, "[%.60s] has path = %.200s, but the module is %.200s", section, path, setup->module);
		return SETUP_CNF_OTHER;
	}
	if (!same_path(read, setup->config_path)) {
		snprintf(why, SETUP_TEXT, "[%.60s] has %s%.200s, but the configuration in use is %.200s", section,
		    config != NULL ? "config = " : "no config, which means ", read, setup->config_path);
		return SETUP_CNF_OTHER;
	}
	return SETUP_CNF_GOOD;
}

static enum setup_cnf
judge(const struct setup *setup, const struct setup_host *host, CONF *conf, char *why)
{
	const char *start = start_section(conf, host->application);
	STACK_OF(CONF_VALUE) *values = start == NULL ? NULL : NCONF_get_section(conf, start);

	ERR_clear_error();
	if (start == NULL) {
		snprintf(why, SETUP_TEXT, "it has no openssl_conf");
		return SETUP_CNF_NO_SECTION;
	}
	for (int i = 0; i < sk_CONF_VALUE_num(values); i++) {
		const CONF_VALUE *value = sk_CONF_VALUE_value(values, i);

		if (is_ours(value_of(conf, value->value, "path")))
			return judge_section(setup, conf, value->value, why);
	}
	snprintf(why, SETUP_TEXT, "nothing in its section [%.100s] loads snicert.so", start);
	return SETUP_CNF_NO_SECTION;
}

enum setup_cnf
setup_cnf_state(const struct setup *setup, const struct setup_host *host, char *why)
{
	enum setup_cnf state;
	CONF *conf;

	why[0] = '\0';
	if (access(host->cnf, F_OK) != 0) {
		snprintf(why, SETUP_TEXT, "it is not there");
		return SETUP_CNF_NO_FILE;
	}
	conf = load(host->cnf, why);
	if (conf == NULL)
		return SETUP_CNF_BROKEN;
	state = judge(setup, host, conf, why);
	NCONF_free(conf);
	return state;
}

/* The sections installed with the module are for this module and configuration. */
static bool
share_serves(const struct setup *setup)
{
	char why[SETUP_TEXT];
	CONF *conf = tool_may(SETUP_SHARE_CNF, R_OK) ? load(SETUP_SHARE_CNF, why) : NULL;
	const char *section = conf == NULL ? NULL : value_of(conf, "default", "snicert");
	bool serves = section != NULL && is_ours(value_of(conf, section, "path")) &&
	    judge_section(setup, conf, section, why) == SETUP_CNF_GOOD;

	NCONF_free(conf);
	return serves;
}

bool
setup_cnf_outlives(const struct setup *setup, const struct setup_host *host)
{
	return !share_serves(setup) || !setup_file_has(host->cnf, setup->module);
}

/*
 * OpenSSL ignores an .include of a missing file, but not a missing module: so what the package
 * brings must go with it.
 */
static void
put_section(const struct setup *setup, FILE *out)
{
	if (share_serves(setup)) {
		fprintf(out, ".include %s\n", SETUP_SHARE_CNF);
		return;
	}
	fprintf(out, "snicert = snicert_section\n[snicert_section]\npath = %s\nconfig = %s\n", setup->module,
	    setup->config_path);
}

/*
 * Settings of the system, for example a crypto policy, also apply in our own file, except in one
 * that covers the system's and would include itself.  Not its diagnostics: a missing module must
 * not cost anybody TLS.
 */
static void
put_new_file(const struct setup *setup, const struct setup_host *host, FILE *out)
{
	char why[SETUP_TEXT];
	CONF *conf = tool_may(setup->system_cnf, R_OK) ? load(setup->system_cnf, why) : NULL;
	const char *start = conf == NULL ? NULL : start_section(conf, "");
	STACK_OF(CONF_VALUE) *values = start == NULL ? NULL : NCONF_get_section(conf, start);

	ERR_clear_error();
	if (sk_CONF_VALUE_num(values) > 0 && host->way != SETUP_BOUND)
		fprintf(out, ".include %s\n[default]\nconfig_diagnostics = 0\n[%s]\n", setup->system_cnf, start);
	else
		fprintf(out, "openssl_conf = init\n[init]\n");
	put_section(setup, out);
	NCONF_free(conf);
}

void
setup_cnf_text(const struct setup *setup, const struct setup_host *host, enum setup_cnf state, FILE *out)
{
	char why[SETUP_TEXT];
	const char *start;
	CONF *conf;

	if (state == SETUP_CNF_NO_FILE) {
		put_new_file(setup, host, out);
		return;
	}
	/* Repeated sections count as one, and the nameless one at the top is called default. */
	conf = load(host->cnf, why);
	start = conf == NULL ? NULL : start_section(conf, host->application);
	if (start != NULL)
		fprintf(out, "[%s]\n", start);
	else
		fprintf(out, "[default]\nopenssl_conf = snicert_init\n[snicert_init]\n");
	put_section(setup, out);
	NCONF_free(conf);
}

bool
setup_program_named(const struct setup *setup, const char *program)
{
	return config_program(setup->config, program) != NULL;
}
