/* SPDX-License-Identifier: ISC */
/* clock.h: measuring durations, unaffected by changes of the date. */
#ifndef SNICERT_CLOCK_H
#define SNICERT_CLOCK_H

#include <stdint.h>

/** Microseconds since boot. */
int64_t clock_us(void);

/** Milliseconds. */
int64_t clock_ms(void);

#endif
