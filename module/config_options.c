/* SPDX-License-Identifier: ISC */
/* config_options.c: every option of snicert.conf in one table; values from text, and back. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "config_options.h"
#include "mapping.h"

#ifndef SNICERT_SYSCONFDIR
#define SNICERT_SYSCONFDIR "/etc"
#endif
#ifndef SNICERT_LOCALSTATEDIR
#define SNICERT_LOCALSTATEDIR "/var"
#endif

#define CACHE_MEMORY_LEAST (1ull << 20)
#if SIZE_MAX > UINT32_MAX
#define CACHE_MEMORY_MOST (1ull << 40)
#define CACHE_MEMORY_TEXT "1024G"
#else
#define CACHE_MEMORY_MOST (1ull << 31) /* at most half of a 32-bit address space */
#define CACHE_MEMORY_TEXT "2G"
#endif

const struct config_word config_unknown_words[] = {
	{ "fallback", CONFIG_UNKNOWN_FALLBACK }, { "own", CONFIG_UNKNOWN_OWN },
	{ "refuse", CONFIG_UNKNOWN_REFUSE }, { NULL, 0 },
};
static const struct config_word expired_words[] = {
	{ "serve", CONFIG_EXPIRED_SERVE }, { "fallback", CONFIG_EXPIRED_FALLBACK }, { NULL, 0 },
};
static const struct config_word switch_words[] = {
	{ "on", 1 }, { "yes", 1 }, { "true", 1 }, { "off", 0 }, { "no", 0 }, { "false", 0 },
	{ NULL, 0 },
};
static const struct config_word target_words[] = {
	{ "syslog", LOG_TARGET_SYSLOG }, { "journal", LOG_TARGET_JOURNAL }, { "none", LOG_TARGET_NONE }, { NULL, 0 },
};
static const struct config_word level_words[] = {
	{ "err", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG }, { NULL, 0 },
};
static const struct config_word facility_words[] = {
	{ "host", 0 }, { "mail", LOG_MAIL }, { "daemon", LOG_DAEMON }, { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 }, { NULL, 0 },
};

/* Whoever may read the configuration would read it: libpq has files for passwords. */
static bool
has_no_password(const char *conninfo)
{
	const char *authority = strstr(conninfo, "://"), *at = authority == NULL ? NULL : strchr(authority, '@');
	const char *colon = at == NULL ? NULL : memchr(authority + 3, ':', (size_t)(at - authority - 3));

	if (colon != NULL && colon + 1 < at)
		return false;
	for (const char *p = conninfo; (p = strstr(p, "password")) != NULL; p += strlen("password"))
		if (p == conninfo || strchr(" &?\t\n", p[-1]) != NULL)
			return false;
	return conninfo[0] != '\0';
}

/* It stands in tables and in the names of connections. */
static bool
is_node_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	return length > 0 && length <= 63 && text[length] == '\0';
}

#define AT(member) .offset = offsetof(struct config, member)
static_assert(sizeof(enum config_expired) == sizeof(int) && sizeof(enum log_target) == sizeof(int),
    "CONFIG_WORD");

const struct config_option config_options[] = {
	{ "store", "path", SNICERT_LOCALSTATEDIR "/lib/snicert/store.db", "an absolute path",
	    CONFIG_PATH, AT(store_path) },
	{ "store", "key", SNICERT_SYSCONFDIR "/snicert/store.key", "an absolute path",
	    CONFIG_PATH, AT(key_path) },
	/* For the tool alone; a century is forever. */
	{ "store", "log_days", "365", "a number of days from 1 to 36500",
	    CONFIG_COUNT, AT(store_log_days), .least = 1, .most = 36500 },
	{ "cache", "memory", "32M", "a size from 1M to " CACHE_MEMORY_TEXT " such as 32M",
	    CONFIG_MEMORY, AT(cache_memory) },
	{ "log", "target", "syslog", "syslog, journal or none", CONFIG_WORD, AT(log_target), .words = target_words },
	{ "log", "level", "notice", "err, warning, notice, info or debug",
	    CONFIG_WORD, AT(log_level), .words = level_words },
	{ "log", "facility", "mail", "host, mail, daemon or local0 to local7",
	    CONFIG_WORD, AT(log_facility), .words = facility_words },
	{ "stats", "path", "/run/snicert/stats", "an absolute path, or none",
	    CONFIG_PATH_OR_NONE, AT(stats_path) },
	{ "stats", "unknown", "1024", "a number from 64 to 1048576",
	    CONFIG_COUNT, AT(stats_unknown), .least = MAPPING_UNKNOWN_LEAST, .most = MAPPING_UNKNOWN_MOST },
	{ "stats", "names", "65536", "a number from 1024 to 67108864",
	    CONFIG_COUNT, AT(stats_names), .least = MAPPING_NAMES_LEAST, .most = MAPPING_NAMES_MOST },
	/* For the tool alone. */
	{ "fleet", "database", "none", "a connection string of libpq without a password (which it has `passfile` for), or none",
	    CONFIG_TEXT_OR_NONE, AT(fleet_database), .good = has_no_password },
	{ "fleet", "node", "none", "up to 63 letters, digits, dots, hyphens and underscores; or none, for the host name",
	    CONFIG_TEXT_OR_NONE, AT(fleet_node), .good = is_node_name },
	{ NULL, "wildcard", "on", "on or off", CONFIG_SWITCH, AT(wildcard), .words = switch_words },
	{ NULL, "expired", "serve", "serve or fallback", CONFIG_WORD, AT(expired), .words = expired_words },
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

const struct config_option *
config_option_find(const char *section, const char *name)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];

		if (strcmp(o->name, name) == 0 &&
		    (o->section == NULL ? section == NULL
		                        : section != NULL && strcmp(o->section, section) == 0))
			return o;
	}
	return NULL;
}

/* --- from text ------------------------------------------------------------- */

bool
config_word_parse(const struct config_word *words, const char *text, int *out)
{
	for (; words->word != NULL; words++) {
		if (strcasecmp(words->word, text) == 0) {
			*out = words->value;
			return true;
		}
	}
	return false;
}

static bool
parse_path(const char *text, bool may_be_none, char **out)
{
	bool none = may_be_none && strcasecmp(text, "none") == 0;
	char *copy = NULL;

	if (!none && (text[0] != '/' || strlen(text) >= PATH_MAX || (copy = strdup(text)) == NULL))
		return false;
	free(*out);
	*out = copy;
	return true;
}

static bool
parse_text(const struct config_option *o, const char *text, char **out)
{
	bool none = strcasecmp(text, "none") == 0;
	char *copy = NULL;

	if (!none && (!o->good(text) || (copy = strdup(text)) == NULL))
		return false;
	free(*out);
	*out = copy;
	return true;
}

static bool
parse_memory(const char *text, size_t *out)
{
	char *end;
	unsigned long long number;
	int shift = 0;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0)
		return false;
	switch (*end) {
	case 'k': case 'K': shift = 10; end++; break;
	case 'm': case 'M': shift = 20; end++; break;
	case 'g': case 'G': shift = 30; end++; break;
	default: break;
	}
	if (*end != '\0' || number > (CACHE_MEMORY_MOST >> shift))
		return false;
	number <<= shift;
	if (number < CACHE_MEMORY_LEAST)
		return false;
	*out = (size_t)number;
	return true;
}

static bool
parse_count(const char *text, unsigned long least, unsigned long most, unsigned *out)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most)
		return false;
	*out = (unsigned)number;
	return true;
}

bool
config_option_set(const struct config_option *o, struct config *config, const char *text)
{
	void *at = (char *)config + o->offset;
	int value;

	switch (o->kind) {
	case CONFIG_PATH:
	case CONFIG_PATH_OR_NONE:
		return parse_path(text, o->kind == CONFIG_PATH_OR_NONE, at);
	case CONFIG_TEXT_OR_NONE:
		return parse_text(o, text, at);
	case CONFIG_MEMORY:
		return parse_memory(text, at);
	case CONFIG_COUNT:
		return parse_count(text, o->least, o->most, at);
	case CONFIG_WORD:
	case CONFIG_SWITCH:
		if (!config_word_parse(o->words, text, &value))
			return false;
		if (o->kind == CONFIG_SWITCH)
			*(bool *)at = value != 0;
		else
			memcpy(at, &value, sizeof(value));
		return true;
	}
	return false;
}

/* --- and back -------------------------------------------------------------- */

static const char *
word_of(const struct config_word *words, int value)
{
	for (; words->word != NULL; words++)
		if (words->value == value)
			return words->word;
	return "?";
}

static const char *
memory_text(size_t memory, char *buffer, size_t size)
{
	if (memory % (1u << 20) == 0)
		snprintf(buffer, size, "%zuM", memory >> 20);
	else
		snprintf(buffer, size, "%zu", memory);
	return buffer;
}

/* The value in force, as written in a file. */
static const char *
option_text(const struct config_option *o, const struct config *config, char *buffer, size_t size)
{
	const void *at = (const char *)config + o->offset;
	const char *path;
	int value;

	switch (o->kind) {
	case CONFIG_PATH:
	case CONFIG_PATH_OR_NONE:
	case CONFIG_TEXT_OR_NONE:
		path = *(char *const *)at;
		return path == NULL ? "none" : path;
	case CONFIG_MEMORY:
		return memory_text(*(const size_t *)at, buffer, size);
	case CONFIG_COUNT:
		snprintf(buffer, size, "%u", *(const unsigned *)at);
		return buffer;
	case CONFIG_WORD:
		memcpy(&value, at, sizeof(value));
		return word_of(o->words, value);
	case CONFIG_SWITCH:
		return word_of(o->words, *(const bool *)at);
	}
	return "?";
}

void
config_each(const struct config *config,
    void (*each)(void *arg, const char *option, const char *value, bool from_file), void *arg)
{
	char name[128], buffer[64];

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];

		snprintf(name, sizeof(name), "%s%s%s", o->section == NULL ? "" : o->section,
		    o->section == NULL ? "" : ".", o->name);
		each(arg, name, option_text(o, config, buffer, sizeof(buffer)),
		    (config->from_file & (1u << i)) != 0);
	}
	for (size_t i = 0; i < config->program_count; i++) {
		const struct config_program *program = &config->programs[i];

		snprintf(name, sizeof(name), "program.%s.unknown", program->name);
		each(arg, name, word_of(config_unknown_words, (int)program->unknown), true);
		if (program->has_fallback) {
			snprintf(name, sizeof(name), "program.%s.fallback", program->name);
			each(arg, name, program->fallback.text, true);
		}
	}
}
