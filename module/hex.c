/* SPDX-License-Identifier: ISC */
/* hex.c: octets as hexadecimal digits. */
#include "hex.h"

char *
hex_put(char *out, const unsigned char *octets, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*out++ = digits[octets[i] >> 4];
		*out++ = digits[octets[i] & 15];
	}
	return out;
}
