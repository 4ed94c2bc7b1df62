/* SPDX-License-Identifier: ISC */
/*
 * config.c: snicert.conf through libconfuse.  Values are read as text and checked by the options'
 * own file, so that a bad one is reported with file and line and, in the module, only it is lost.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <confuse.h>

#include "at_fork.h"
#include "config.h"
#include "config_options.h"
#include "conftext.h"
#include "error.h"
#include "lock.h"
#include "nearest.h"
#include "safety.h"

#ifndef SNICERT_SYSCONFDIR
#define SNICERT_SYSCONFDIR "/etc"
#endif

#define TEXT_MOST (16u << 20)    /* octets in a configuration */
#define PARSE_MEMORY (64u << 10) /* octets that libconfuse may need for what people write */

/* libconfuse's scanner and error callback take no context: one reading at a time, and none during a
 * fork. */
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;
static struct snicert_error *reading_err;
static bool reading_lenient;
static const char *reading_path;

/* For libconfuse's "no such option" error: a similarly spelt one of the section. */
static const char *
option_meant(const cfg_t *cfg, const char *error)
{
	static const char before[] = "no such option '";
	const char *best = NULL;
	char word[64];

	if (strncmp(error, before, sizeof(before) - 1) != 0)
		return NULL;
	snprintf(word, sizeof(word), "%.63s", error + sizeof(before) - 1);
	word[strcspn(word, "'")] = '\0';
	for (const cfg_opt_t *opt = cfg->opts; opt != NULL && opt->name != NULL; opt++)
		nearest_offer(word, opt->name, &best);
	return best;
}

static void __attribute__((format(printf, 2, 0)))
report(cfg_t *cfg, const char *format, va_list ap)
{
	const char *meant;
	char text[256];

	vsnprintf(text, sizeof(text), format, ap);
	meant = cfg != NULL ? option_meant(cfg, text) : NULL;
	error_set(reading_err, SNICERT_ECONFIG, "%s:%d: %s%s%s%s",
	    reading_path, cfg != NULL ? cfg->line : 0, text, meant == NULL ? "" : "; did you mean ",
	    meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

static int
judged(cfg_t *cfg, cfg_opt_t *opt, bool good, const char *wanted)
{
	if (good)
		return 0;
	cfg_error(cfg, "%s = \"%s\": want %s", cfg_opt_name(opt),
	    cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1), wanted);
	return reading_lenient ? 0 : -1;
}

static int
validate_option(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *section = strcmp(cfg_name(cfg), "root") == 0 ? NULL : cfg_name(cfg);
	const struct config_option *o = config_option_find(section, cfg_opt_name(opt));
	struct config scratch = {0};
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	bool good;

	if (o == NULL || value == NULL)
		return 0;
	good = config_option_set(o, &scratch, value);
	free(scratch.store_path);
	free(scratch.key_path);
	free(scratch.stats_path);
	free(scratch.fleet_database);
	free(scratch.fleet_node);
	return judged(cfg, opt, good, o->wanted);
}

static int
validate_unknown(cfg_t *cfg, cfg_opt_t *opt)
{
	int value;

	return judged(cfg, opt, config_word_parse(config_unknown_words, cfg_opt_getnstr(opt, 0), &value),
	    "fallback, own or refuse");
}

static int
validate_fallback(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);
	struct name name;

	return judged(cfg, opt, name_normalise_pattern(&name, value, strlen(value)),
	    "a name of the store");
}

const char *
config_default_path(void)
{
	return SNICERT_SYSCONFDIR "/snicert/snicert.conf";
}

static struct config *
config_defaults(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (config == NULL)
		return NULL;
	for (size_t i = 0; i < config_option_count; i++) {
		if (!config_option_set(&config_options[i], config, config_options[i].standard)) {
			config_free(config);
			return NULL;
		}
	}
	return config;
}

/* Every option exists, with its default: libconfuse finds none only if out of memory. */
static const char *
text_of(cfg_t *section, const char *name, bool *found)
{
	cfg_opt_t *opt = cfg_getopt(section, name);

	*found = *found && opt != NULL;
	return opt == NULL ? NULL : cfg_opt_getnstr(opt, 0);
}

static int
take_program(struct config_program *program, cfg_t *section)
{
	bool found = true;
	const char *fallback = text_of(section, "fallback", &found);
	const char *unknown = text_of(section, "unknown", &found);
	int value;

	program->name = strdup(cfg_title(section));
	if (program->name == NULL || !found)
		return -1;
	if (unknown != NULL && config_word_parse(config_unknown_words, unknown, &value))
		program->unknown = (enum config_unknown)value;
	program->has_fallback = fallback != NULL &&
	    name_normalise_pattern(&program->fallback, fallback, strlen(fallback));
	return 0;
}

static void
programs_free(struct config *config)
{
	for (size_t i = 0; i < config->program_count; i++)
		free(config->programs[i].name);
	free(config->programs);
	config->programs = NULL;
	config->program_count = 0;
}

static int
take_programs(struct config *config, cfg_t *cfg)
{
	cfg_opt_t *programs = cfg_getopt(cfg, "program");
	unsigned count = programs == NULL ? 0 : cfg_opt_size(programs);

	programs_free(config); /* of a reading that failed midway */
	if (count == 0)
		return programs == NULL ? -1 : 0;
	config->programs = calloc(count, sizeof(*config->programs));
	if (config->programs == NULL)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		config->program_count++;
		if (take_program(&config->programs[i], cfg_opt_getnsec(programs, i)) != 0)
			return -1;
	}
	return 0;
}

static int
take_option(struct config *config, cfg_t *cfg, const struct config_option *o)
{
	cfg_t *section = o->section == NULL ? cfg : cfg_getsec(cfg, o->section);
	cfg_opt_t *opt = section == NULL ? NULL : cfg_getopt(section, o->name);
	const char *value = opt == NULL ? NULL : cfg_opt_getnstr(opt, 0);

	if (opt == NULL)
		return -1;
	/* libconfuse keeps CFGF_RESET set until it reads a value. */
	if (value == NULL || (opt->flags & CFGF_RESET) != 0)
		return 0;
	errno = 0;
	if (config_option_set(o, config, value))
		config->from_file |= 1u << (o - config_options);
	else if (errno == ENOMEM)
		return -1;
	return 0;
}

/* The file's values over the defaults; bad values stay at the default. */
static int
take_all(struct config *config, cfg_t *cfg, struct snicert_error *err)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (take_option(config, cfg, &config_options[i]) != 0)
			return error_set(err, SNICERT_EMEMORY, "no memory");
	return take_programs(config, cfg) == 0 ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}

static bool
known_section(const char *name, size_t length)
{
	static const char *const sections[] = { "store", "cache", "log", "program", "stats", "fleet" };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (strlen(sections[i]) == length && memcmp(sections[i], name, length) == 0)
			return true;
	return false;
}

/* `text` ends in a newline. */
static int
parse_once(struct config *config, char *text, const char *path, enum config_mode mode,
    bool ignore_unknown, struct snicert_error *err)
{
	cfg_opt_t store[] = { CFG_STR("path", NULL, CFGF_NONE), CFG_STR("key", NULL, CFGF_NONE),
		CFG_STR("log_days", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t cache[] = { CFG_STR("memory", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t log[] = { CFG_STR("target", NULL, CFGF_NONE), CFG_STR("level", NULL, CFGF_NONE),
		CFG_STR("facility", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t stats[] = { CFG_STR("path", NULL, CFGF_NONE), CFG_STR("unknown", NULL, CFGF_NONE),
		CFG_STR("names", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t fleet[] = { CFG_STR("database", NULL, CFGF_NONE), CFG_STR("node", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t program[] = { CFG_STR("unknown", "fallback", CFGF_NONE),
		CFG_STR("fallback", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t root[] = {
		CFG_SEC("store", store, CFGF_NONE), CFG_SEC("cache", cache, CFGF_NONE),
		CFG_SEC("log", log, CFGF_NONE), CFG_SEC("stats", stats, CFGF_NONE),
		CFG_SEC("fleet", fleet, CFGF_NONE),
		CFG_SEC("program", program, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_STR("wildcard", NULL, CFGF_NONE), CFG_STR("expired", NULL, CFGF_NONE),
		CFG_END(),
	};
	cfg_t *cfg = cfg_init(root, ignore_unknown ? CFGF_IGNORE_UNKNOWN : CFGF_NONE);
	FILE *file = fmemopen(text, strlen(text), "r");
	int status = -1;

	if (cfg == NULL || file == NULL) {
		cfg_free(cfg);
		if (file != NULL)
			fclose(file);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	reading_err = err;
	reading_lenient = mode == CONFIG_LENIENT;
	reading_path = path;
	cfg_set_error_function(cfg, report);
	for (size_t i = 0; i < config_option_count; i++) {
		char dotted[64];

		snprintf(dotted, sizeof(dotted), "%s%s%s",
		    config_options[i].section == NULL ? "" : config_options[i].section,
		    config_options[i].section == NULL ? "" : "|", config_options[i].name);
		cfg_set_validate_func(cfg, dotted, validate_option);
	}
	cfg_set_validate_func(cfg, "program|unknown", validate_unknown);
	cfg_set_validate_func(cfg, "program|fallback", validate_fallback);
	cfg->filename = strdup(path);
	if (cfg->filename == NULL) {
		error_set(err, SNICERT_EMEMORY, "no memory");
	} else {
		status = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? 0 : -1;
		/* Everything before a grammar mistake is good. */
		if ((status == 0 || ignore_unknown) && take_all(config, cfg, err) != 0)
			status = -1;
		if (status != 0)
			error_set(err, SNICERT_ECONFIG, "%s: can't be read", path);
	}
	fclose(file);
	cfg_free(cfg);
	return status;
}

/* The whole file; NULL with err->code clear: no such file, and none was asked for by name. */
static char *
read_text(const char *path, bool may_be_missing, size_t *length, struct snicert_error *err)
{
	struct snicert_error trouble = {0};
	struct stat st;
	char *text = NULL;
	ssize_t got = -1;
	int fd = safety_open(path, &st, &trouble);

	if (fd < 0) {
		if (!(may_be_missing && errno == ENOENT))
			error_set(err, (enum snicert_code)trouble.code, "%s", trouble.text);
		return NULL;
	}
	if (safety_check(path, &st, SAFETY_PUBLIC, (uid_t)-1, err) == 0 && safety_directories(path, NULL, err) == 0) {
		if (st.st_size > (off_t)TEXT_MOST)
			error_set(err, SNICERT_ECONFIG, "%s: larger than any configuration", path);
		else if ((text = malloc((size_t)st.st_size + 2)) == NULL)
			error_set(err, SNICERT_EMEMORY, "no memory");
		else if ((got = pread(fd, text, (size_t)st.st_size, 0)) < 0)
			error_system(err, "can't read %s", path);
	}
	close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	/* libconfuse's scanner needs a final newline. */
	if (got == 0 || text[got - 1] != '\n')
		text[got++] = '\n';
	text[got] = '\0';
	*length = (size_t)got;
	return text;
}

/* libconfuse 3.3 frees twice what it had no memory to copy: don't call it when short. */
static bool
memory_to_spare(void)
{
	void *volatile spare = malloc(PARSE_MEMORY); /* volatile: or compilers drop it */

	free(spare);
	return spare != NULL;
}

static void
before_fork(void)
{
	lock_take(&reading, LOCK_CONFIG);
}

static void
after_fork(bool in_child)
{
	(void)in_child;
	lock_give(&reading, LOCK_CONFIG);
}

static const struct at_fork around_forks = { before_fork, after_fork };

static int
parse(struct config *config, char *text, size_t length, const char *path, enum config_mode mode,
    struct snicert_error *err)
{
	int clean = conftext_clean(text, length, path, err), status;

	if (clean != 0 && mode == CONFIG_STRICT)
		return -1;
	if (!memory_to_spare())
		return error_set(err, SNICERT_EMEMORY, "no memory");
	at_fork(AT_FORK_CONFIG, &around_forks);
	lock_take(&reading, LOCK_CONFIG);
	status = parse_once(config, text, path, mode, false, err);
	if (status != 0 && mode == CONFIG_LENIENT) {
		/* Again, skipping what is unknown: the rest of the file counts. */
		conftext_drop_unknown(text, length, known_section);
		status = parse_once(config, text, path, mode, true, err);
	}
	lock_give(&reading, LOCK_CONFIG);
	return clean != 0 ? -1 : status;
}

int
config_read(struct config **out, const char *path, enum config_mode mode, struct snicert_error *err)
{
	struct snicert_error trouble = {0};
	const char *from = path != NULL ? path : config_default_path();
	struct config *config = config_defaults();
	size_t length = 0;
	char *text;

	if (config == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	text = read_text(from, path == NULL, &length, &trouble);
	if (text != NULL) {
		parse(config, text, length, from, mode, &trouble);
		config->path = strdup(from);
		free(text);
	}
	if (trouble.code != SNICERT_OK)
		error_set(err, (enum snicert_code)trouble.code, "%s", trouble.text);
	if (trouble.code == SNICERT_EMEMORY ||
	    (mode == CONFIG_STRICT && trouble.code != SNICERT_OK)) {
		config_free(config);
		return -1;
	}
	*out = config;
	return 0;
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	programs_free(config);
	free(config->path);
	free(config->store_path);
	free(config->key_path);
	free(config->stats_path);
	free(config->fleet_database);
	free(config->fleet_node);
	free(config);
}

const struct config_program *
config_program(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->program_count; i++)
		if (strcmp(config->programs[i].name, name) == 0)
			return &config->programs[i];
	return NULL;
}

bool
config_mentions(const char *path, const char *name)
{
	size_t length = 0;
	char *text = read_text(path != NULL ? path : config_default_path(), true, &length, NULL);
	bool found = text != NULL && conftext_mentions(text, name);

	free(text);
	return found;
}
