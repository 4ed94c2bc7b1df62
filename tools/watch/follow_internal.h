/* SPDX-License-Identifier: ISC */
/* follow_internal.h: what follow.c and follow_links.c share. */
#ifndef SNICERT_FOLLOW_INTERNAL_H
#define SNICERT_FOLLOW_INTERNAL_H

#include "watch/follow.h"

/* Due in the current pass, whenever it began. */
#define AT_ONCE 1

struct follow {
	int fd;
	int64_t settle;
	struct directory *roots;
	struct directory **by_watch;
	size_t watch_room;
	size_t count, links;
	int64_t next;                   /* nothing is due before; 0: nothing */
	bool short_of_watches;
};

/** Record which directory it is now. */
void follow_identify(struct directory *);

/** Whether one in `directory` is reached through a link, itself or a parent. */
bool follow_by_link(const struct directory *, const char *path);

/** Whether such a link is the only way there; `known`, or NULL, is what we follow under that name. */
bool follow_leads_on(const struct follow_reading *, struct directory *known, const char *path);

/** A directory came that needs no link: drop links that led to it. */
void follow_replace_link(struct follow *, const struct directory *);

#endif
