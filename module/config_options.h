/* SPDX-License-Identifier: ISC */
/* config_options.h: every option of snicert.conf, its default and good values. */
#ifndef SNICERT_CONFIG_OPTIONS_H
#define SNICERT_CONFIG_OPTIONS_H

#include "config.h"

struct config_word {
	const char *word;       /* NULL: the end */
	int value;
};

/** What an unknown name gets, in a program's section. */
extern const struct config_word config_unknown_words[];

bool config_word_parse(const struct config_word *, const char *text, int *out);

enum config_kind {
	CONFIG_PATH,            /* char *, absolute */
	CONFIG_PATH_OR_NONE,    /* the same; "none" is NULL */
	CONFIG_TEXT_OR_NONE,    /* char *, what `good` takes; "none" is NULL */
	CONFIG_MEMORY,          /* size_t, octets: a number with suffix K, M or G (of 1024) */
	CONFIG_COUNT,           /* unsigned, from `least` to `most` */
	CONFIG_WORD,            /* an int or enum, one of `words` */
	CONFIG_SWITCH           /* bool */
};

struct config_option {
	const char *section;    /* NULL: top level */
	const char *name;
	const char *standard;   /* the default */
	const char *wanted;     /* what is good, for the error */
	enum config_kind kind;
	size_t offset;          /* in struct config */
	unsigned least, most;
	const struct config_word *words;
	bool (*good)(const char *text);
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/** NULL: no such option. */
const struct config_option *config_option_find(const char *section, const char *name);

/** False if the text is no good value; then, or if out of memory (errno), sets nothing. */
bool config_option_set(const struct config_option *, struct config *, const char *text);

#endif
