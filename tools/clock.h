/* SPDX-License-Identifier: ISC */
/* clock.h: how long something takes, whatever is done to the date meanwhile. */
#ifndef SNICERT_CLOCK_H
#define SNICERT_CLOCK_H

#include <stdint.h>

/** Microseconds since the machine was started. */
int64_t clock_us(void);

/** Milliseconds. */
int64_t clock_ms(void);

#endif
