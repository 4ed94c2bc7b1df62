/* SPDX-License-Identifier: ISC */
/* hex.h: octets as hexadecimal digits. */
#ifndef SNICERT_HEX_H
#define SNICERT_HEX_H

#include <stddef.h>

/** Two lower-case digits for each octet, and no NUL; returns the end. */
char *hex_put(char *out, const unsigned char *octets, size_t length);

#endif
