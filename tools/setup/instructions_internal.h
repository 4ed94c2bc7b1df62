/* SPDX-License-Identifier: ISC */
/* instructions_internal.h: steps that are in files of their own. */
#ifndef SNICERT_INSTRUCTIONS_INTERNAL_H
#define SNICERT_INSTRUCTIONS_INTERNAL_H

#include "setup/guide.h"

/* instructions_chains.c: from what people have to a store with chains and a fallback. */
void instructions_chains(struct guide *);
void instructions_fallback(struct guide *);

/* instructions_exim.c: the settings that call the module. */
void instructions_exim_gnutls(struct guide *);
/** A step for the certificate that Exim serves where the store can not; nothing where it is there. */
void instructions_exim_own(struct guide *);
void instructions_exim_openssl(struct guide *);

#endif
