/* SPDX-License-Identifier: ISC */
/*
 * host_openssl.c: loaded by OpenSSL itself, from a section of the openssl.cnf of a program that
 * knows nothing of us:
 *
 *     openssl_conf = init
 *     [init]
 *     snicert = snicert_section
 *     [snicert_section]
 *     path = /usr/lib/snicert/snicert.so
 *     config = /etc/snicert/snicert.conf
 *
 * That file may serve every program of the system, including clients: do nothing unless
 * snicert.conf names the program.  It may be read repeatedly, by several threads, and recursively:
 * the first time counts.  Whatever goes wrong, we report success to OpenSSL: otherwise Postfix
 * switches TLS off.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "contexts.h"
#include "instance.h"
#include "library.h"
#include "program.h"

/* <openssl/crypto.h> declares another function of this name. */
int openssl_module_init(CONF_IMODULE *imodule, const CONF *conf) __asm__("OPENSSL_init");
void openssl_module_finish(CONF_IMODULE *imodule) __asm__("OPENSSL_finish");

/* This process's instance; stays until the process ends, as its contexts may. */
static struct snicert *instance;

/* Not pthread_once(): our own use of OpenSSL makes it read its default configuration, maybe this
 * one, and so calls us recursively. */
static atomic_flag started = ATOMIC_FLAG_INIT;

/*
 * A mistake may have cost this program its section.  Programs that the file names anyway report it,
 * and root's do, since most servers start as root; another that may not read the file says nothing.
 * Otherwise every program of every user that reads this openssl.cnf would report it.
 */
static bool
has_to_tell(const struct config *config, const char *config_path)
{
	const char *path = config_path != NULL ? config_path : config_default_path();

	if (geteuid() == 0)
		return true;
	if (config->path != NULL)
		return config_mentions(path, program_name());
	return eaccess(path, R_OK) == 0 || errno != EACCES;
}

static void
tell(const struct config *config, const char *mistake)
{
	struct log *log = log_new(config->log_target, config->log_facility, config->log_level);

	log_say(log, LOG_EVENT_CONFIG, "%s; using the default", mistake);
	log_free(log);
}

/* Whether the configuration names this program; before touching the store, to which other programs
 * and users have no right. */
static bool
named(const char *config_path)
{
	struct snicert_error wrong = {0};
	struct config *config;
	bool is_named;

	if (config_read(&config, config_path, CONFIG_LENIENT, &wrong) != 0)
		return false;
	is_named = config_program(config, program_name()) != NULL;
	if (!is_named && wrong.code != SNICERT_OK && has_to_tell(config, config_path))
		tell(config, wrong.text);
	config_free(config);
	return is_named;
}

static void
write_maillog(void *arg, int priority, const char *text)
{
	void (*write)(const char *format, ...);

	*(void **)&write = dlsym(RTLD_DEFAULT, priority <= LOG_WARNING ? "msg_warn" : "msg_info");
	(void)arg;
	write("snicert: %s", text);
}

/*
 * A Postfix with maillog_file logs to a file, or to a container's standard output, through its own
 * daemon; nobody looks into syslog there.  The variable of that name, and the functions, are in its
 * shared libraries.
 */
static struct snicert_sink
maillog(void)
{
	struct snicert_sink sink = {0};
	char *const *file = dlsym(RTLD_DEFAULT, "var_maillog_file");

	if (file != NULL && *file != NULL && **file != '\0' && dlsym(RTLD_DEFAULT, "msg_warn") != NULL &&
	    dlsym(RTLD_DEFAULT, "msg_info") != NULL && dlsym(RTLD_DEFAULT, "maillog_client_init") != NULL)
		sink.write = write_maillog;
	return sink;
}

static void
start(const char *config_path)
{
	struct snicert_error err = {0};

	if (!named(config_path))
		return;
	if (snicert_open_logging(&instance, config_path, maillog(), &err) != 0) {
		log_say_without(LOG_EVENT_MEMORY, err.text);
		return;
	}
	if (contexts_watch_new(&instance->hook) != 0)
		log_say(instance->log, LOG_EVENT_MEMORY,
		    "no memory to watch for TLS contexts: the server's own certificates serve");
}

__attribute__((visibility("default"))) int
openssl_module_init(CONF_IMODULE *imodule, const CONF *conf)
{
	struct snicert_error mixed = {0};
	int saved = errno;

	if (atomic_flag_test_and_set(&started))
		return 1;
	/* Another OpenSSL in the program, perhaps bundled, reads the same file: neither its
	 * arguments nor its contexts are for the one that we call. */
	if (library_check_calls(&mixed) != 0) {
		log_say_without(LOG_EVENT_CONFIG, mixed.text);
		errno = saved;
		return 1;
	}
	if (!library_is_ours(__builtin_return_address(0))) {
		log_say_without(LOG_EVENT_CONFIG, "loaded by another OpenSSL than the system's, which snicert "
		    "calls: the program's own certificates serve");
		return 1;
	}
	ERR_set_mark();
	start(NCONF_get_string(conf, CONF_imodule_get_value(imodule), "config"));
	ERR_pop_to_mark();
	errno = saved;
	return 1;
}

__attribute__((visibility("default"))) void
openssl_module_finish(CONF_IMODULE *imodule)
{
	(void)imodule;
}
