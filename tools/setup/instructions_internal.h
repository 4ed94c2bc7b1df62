/* SPDX-License-Identifier: ISC */
/* instructions_internal.h: steps in separate files. */
#ifndef SNICERT_INSTRUCTIONS_INTERNAL_H
#define SNICERT_INSTRUCTIONS_INTERNAL_H

#include "setup/guide.h"

/* instructions_chains.c: from existing files to a store with chains and a fallback. */
void instructions_chains(struct guide *);
void instructions_fallback(struct guide *);

/* instructions_exim.c: the settings that call the module. */
void instructions_exim_gnutls(struct guide *);
/** A step for Exim's own certificate, for when the store can't serve; nothing if it exists. */
void instructions_exim_own(struct guide *);
/** Whether the lines for Exim name such a certificate. */
bool instructions_exim_names_own(const struct setup_host *);
void instructions_exim_openssl(struct guide *);

#endif
