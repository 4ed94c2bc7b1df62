/* SPDX-License-Identifier: ISC */
/* open.h: the store and its key, from where the configuration says. */
#ifndef SNICERT_OPEN_H
#define SNICERT_OPEN_H

#include "seal.h"
#include "snicert.h"
#include "store/admin.h"
#include "tool.h"

/** Open the configured store. */
int open_store(const struct tool *, enum admin_mode, struct admin **out, struct snicert_error *err);

/** Read the configured store key.  A transaction that seals or opens keys must use open_begin instead. */
int open_key(const struct tool *, struct seal **out, struct snicert_error *err);

/** admin_begin(), and the store key for this transaction: `rekey` changes it within one. */
int open_begin(const struct tool *, struct admin *, struct seal **out, struct snicert_error *err);

#endif
