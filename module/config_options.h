/* SPDX-License-Identifier: ISC */
/* config_options.h: every option of snicert.conf, with its default and what a good value is. */
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
	CONFIG_MEMORY,          /* size_t, octets: a number with K, M or G (of 1024) behind it */
	CONFIG_COUNT,           /* unsigned, from `least` to `most` */
	CONFIG_WORD,            /* an int or enum, one of `words` */
	CONFIG_SWITCH           /* bool */
};

struct config_option {
	const char *section;    /* NULL: top level */
	const char *name;
	const char *standard;   /* the default */
	const char *wanted;     /* what a good value is, for the error */
	enum config_kind kind;
	size_t offset;          /* in struct config */
	unsigned least, most;
	const struct config_word *words;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/** NULL: there is no such. */
const struct config_option *config_option_find(const char *section, const char *name);

/** False where the text is no good value; then, or for want of memory (errno), nothing is set. */
bool config_option_set(const struct config_option *, struct config *, const char *text);

#endif
