/* SPDX-License-Identifier: ISC */
/*
 * fuzz_config.c: snicert.conf, as the tool reads it and as the module does.
 *
 * Lenient reading never fails.  Where strict reading has nothing to say, neither
 * has lenient reading, and both understand the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"

static char path[200];

static void
start(void)
{
	fuzz_path(path, "snicert.conf");
	/* What libconfuse puts in the place of ${…}. */
	setenv("HOME", "/home", 1);
}

struct values {
	char text[16384];
	size_t used;
};

static void
note(void *arg, const char *option, const char *value, bool from_file)
{
	struct values *values = arg;
	size_t room = sizeof(values->text) - values->used;
	int length = snprintf(values->text + values->used, room, "%s=%s %d\n", option, value, from_file);

	values->used += (size_t)length < room ? (size_t)length : room - 1;
}

static void
check(const struct config *config)
{
	for (size_t i = 0; i < config->program_count; i++) {
		if (config_program(config, config->programs[i].name) == NULL)
			fuzz_die("program \"%s\" is not found", config->programs[i].name);
		if (config->programs[i].has_fallback && config->programs[i].fallback.length == 0)
			fuzz_die("a fallback without a name");
	}
	if (config->store_path[0] != '/' || config->key_path[0] != '/' ||
	    config->cache_memory < 1 << 20 || config->log_level < 3 || config->log_level > 7)
		fuzz_die("a value out of bounds");
}

static void
one(const uint8_t *data, size_t size)
{
	static struct values wanted, got;
	struct snicert_error err = {0}, lenient = {0};
	struct config *config = NULL;
	int status;

	fuzz_write(path, data, size);
	wanted.used = got.used = 0;
	status = config_read(&config, path, CONFIG_STRICT, &err);
	if ((status == 0) != (err.code == SNICERT_OK))
		fuzz_die("strict: %d, and the error is \"%s\"", status, err.text);
	if (status == 0) {
		check(config);
		config_each(config, note, &wanted);
		config_free(config);
	}
	if (config_read(&config, path, CONFIG_LENIENT, &lenient) != 0)
		fuzz_die("lenient reading fails: %s", lenient.text);
	check(config);
	config_each(config, note, &got);
	config_free(config);
	if (status == 0 && lenient.code != SNICERT_OK)
		fuzz_die("only lenient reading complains: %s", lenient.text);
	if (status != 0 && lenient.code == SNICERT_OK)
		fuzz_die("only strict reading complains: %s", err.text);
	if (status == 0 && (wanted.used != got.used || memcmp(wanted.text, got.text, got.used) != 0))
		fuzz_die("strict reading: %s, lenient reading: %s", wanted.text, got.text);
}

const struct fuzz_target fuzz_config = { .name = "config", .start = start, .one = one, .most = 1024 };
