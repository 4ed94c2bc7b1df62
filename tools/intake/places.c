/* SPDX-License-Identifier: ISC */
/* places.c: a set of directories, by device and inode. */
#include <stdint.h>
#include <stdlib.h>

#include "intake/places.h"

struct place {
	dev_t device;
	ino_t inode;
	bool used;
};

/* Its slot, or the free one for it. */
static struct place *
slot_of(struct place *slots, size_t room, dev_t device, ino_t inode)
{
	uint64_t at = ((uint64_t)inode ^ (uint64_t)device << 32) * 0x9e3779b97f4a7c15u >> 16;

	while (slots[at % room].used && (slots[at % room].device != device || slots[at % room].inode != inode))
		at++;
	return &slots[at % room];
}

static bool
grow(struct places *places)
{
	size_t room = places->room == 0 ? 64 : 2 * places->room;
	struct place *bigger = calloc(room, sizeof(*bigger));

	if (bigger == NULL)
		return false;
	for (size_t i = 0; i < places->room; i++)
		if (places->slots[i].used)
			*slot_of(bigger, room, places->slots[i].device, places->slots[i].inode) = places->slots[i];
	free(places->slots);
	places->slots = bigger;
	places->room = room;
	return true;
}

bool
places_add(struct places *places, dev_t device, ino_t inode, bool *memory)
{
	struct place *slot;

	if (2 * (places->count + 1) > places->room && !grow(places)) {
		*memory = false;
		return false;
	}
	slot = slot_of(places->slots, places->room, device, inode);
	if (slot->used)
		return false;
	*slot = (struct place){ device, inode, true };
	places->count++;
	return true;
}

void
places_free(struct places *places)
{
	free(places->slots);
	*places = (struct places){0};
}
