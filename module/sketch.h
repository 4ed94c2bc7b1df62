/* SPDX-License-Identifier: ISC */
/*
 * sketch.h: which unknown names were asked for, and how names of the store are used, in bounded
 * memory that many processes write at once.
 *
 * Unknown names have places, eight to a bucket, with an exact count from when they took theirs.
 * Names without a place are counted in a sketch (count-min: four rows of cells, a name has one in
 * each), whose estimate is never too low.  So a name was asked for at least `count` and at most
 * `count + missed` times, and where a row of the sketch holds N requests, `missed` is more than
 * 2N / width too high for one name in 16 (width: sixteen times the places).
 *
 * Who may stay depends on persistence, not numbers: a name's score is the number of ten-minute
 * windows in which it was asked for, halved for each week in which it was not.  A newcomer has the
 * score in the sketch, minus that of a name never asked for, the noise.  It takes the place with
 * the lowest score of its bucket if its own is higher, or as high and it is asked for twice as
 * often, or if that one has 1 and is of an earlier window; it begins with about half of its score.
 * So a flood of names, however large, takes at least ten minutes to cost a name its place that was
 * asked for in more than two windows.
 */
#ifndef SNICERT_SKETCH_H
#define SNICERT_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mapping.h"
#include "name.h"

/** Keyed; never 0. */
uint64_t sketch_hash(const uint64_t key[2], const char *text, size_t length);

/** How to find an address, if one is wanted. */
struct sketch_address {
	bool (*find)(void *arg, char *text, socklen_t size);    /* may be NULL */
	void *arg;
};

/** An unbound name was asked for, at this Unix time.  Returns whether it has a place. */
bool sketch_unknown(const struct mapping *, const struct name *, int64_t now,
    const struct sketch_address *);

/**
 * A name of the store was served so many times, on this day.  In a full bucket, the least recently
 * used name makes room: so a name that is not in a full bucket was not used after the earliest day
 * there.  Returns false if one had to.
 */
bool sketch_use(const struct mapping *, uint64_t tag, uint32_t day, unsigned count);

/* For readers: the only places where a name may be. */
size_t sketch_unknown_bucket(uint64_t tag, size_t count);
size_t sketch_use_bucket(uint64_t tag, size_t count);

/** The score as of a later window. */
uint32_t sketch_aged(uint64_t score, uint32_t window);

#endif
