/* SPDX-License-Identifier: ISC */
/* fuzz_name.c: what a client sent as its server name, up to a key of the store and a log line. */
#include <string.h>

#include "fuzz.h"
#include "log.h"
#include "name.h"

static size_t
labels(const struct name *name)
{
	size_t count = 1;

	for (size_t i = 0; i < name->length; i++)
		count += name->text[i] == '.';
	return count;
}

/* A key that a peer can choose: no fallback's, no pattern's, nothing to escape. */
static void
check_key(const struct name *key, bool pattern)
{
	size_t from = pattern && key->text[0] == '*' ? 1 : 0;

	if (key->length == 0 || key->length > NAME_MAX_LENGTH || strlen(key->text) != key->length)
		fuzz_die("a key of %zu octets", key->length);
	for (size_t i = from; i < key->length; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", key->text[i]) == NULL)
			fuzz_die("octet %#x in a key", (unsigned)(unsigned char)key->text[i]);
}

static void
check_wildcard(const struct name *name)
{
	struct name wildcard, more;

	if (!name_wildcard(&wildcard, name)) {
		if (labels(name) > 1)
			fuzz_die("%s has no wildcard", name->text);
		return;
	}
	check_key(&wildcard, true);
	if (labels(&wildcard) != labels(name) || strncmp(wildcard.text, "*.", 2) != 0 ||
	    strcmp(wildcard.text + 1, strchr(name->text, '.')) != 0)
		fuzz_die("%s is no wildcard of %s", wildcard.text, name->text);
	if (!name_covers(&wildcard, name))
		fuzz_die("%s doesn't cover %s", wildcard.text, name->text);
	if (name_covers(name, &wildcard) || name_wildcard(&more, &wildcard))
		fuzz_die("%s goes further", wildcard.text);
	/* Never the apex. */
	if (name_normalise(&more, wildcard.text + 2, wildcard.length - 2) && name_covers(&wildcard, &more))
		fuzz_die("%s covers its apex", wildcard.text);
}

static void
check_name(const char *text, size_t length)
{
	struct name name, again;

	if (!name_normalise(&name, text, length))
		return;
	check_key(&name, false);
	if (!name_normalise(&again, name.text, name.length) || !name_equal(&name, &again))
		fuzz_die("%s is normalised to something else the second time", name.text);
	if (!name_normalise_pattern(&again, text, length) || !name_equal(&name, &again))
		fuzz_die("%s is another as a pattern", name.text);
	check_wildcard(&name);
}

static void
check_pattern(const char *text, size_t length)
{
	struct name name, again;

	if (!name_normalise_pattern(&name, text, length))
		return;
	check_key(&name, true);
	if (!name_normalise_pattern(&again, name.text, name.length) || !name_equal(&name, &again))
		fuzz_die("the pattern %s is normalised to something else the second time", name.text);
	if (!name_covers(&name, &name))
		fuzz_die("%s doesn't cover itself", name.text);
}

static void
check_escape(const char *text, size_t length)
{
	char escaped[256];

	log_escape(escaped, sizeof(escaped), text, length);
	for (size_t i = 0; escaped[i] != '\0'; i++)
		if (escaped[i] <= ' ' || escaped[i] > '~' || escaped[i] == '"' || escaped[i] == '%')
			fuzz_die("octet %#x in a log line", (unsigned)(unsigned char)escaped[i]);
	for (size_t size = 0; size < 12; size++) {
		char small[12];

		memset(small, '#', sizeof(small));
		log_escape(small, size, text, length);
		if (size > 0 && memchr(small, '\0', size) == NULL)
			fuzz_die("an escaped text without end");
	}
}

static void
one(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char described[NAME_TEXT_SIZE], address[256];
	struct name key;

	check_name(text, size);
	check_pattern(text, size);
	check_escape(text, size);
	if (size < sizeof(address)) {
		memcpy(address, data, size);
		address[size] = '\0';
		name_fallback(&key, address);
		if (strlen(name_describe(&key, described)) >= sizeof(described))
			fuzz_die("a description too long");
	}
}

const struct fuzz_target fuzz_name = { .name = "name", .one = one, .most = 300 };
