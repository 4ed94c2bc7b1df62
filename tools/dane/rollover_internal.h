/* SPDX-License-Identifier: ISC */
/* rollover_internal.h: what rollover*.c share. */
#ifndef SNICERT_ROLLOVER_INTERNAL_H
#define SNICERT_ROLLOVER_INTERNAL_H

#include "dane/rollover.h"

/** Which moves keep the key. */
int rollover_compare(struct rollover *, struct snicert_error *err);

#endif
