/* SPDX-License-Identifier: ISC */
/* elf.h: which libraries a program is linked with, read from its file. */
#ifndef SNICERT_ELF_H
#define SNICERT_ELF_H

#include <stdbool.h>
#include <stddef.h>

/**
 * The TLS library of a program: the soname, such as "libssl.so.3", that the
 * file itself asks for, or one of the libraries that lie in a directory of its own
 * (RUNPATH), as Postfix's do.  What libraries of the system ask for in turn does
 * not count: Debian's Exim gets libssl with MariaDB's client and has GnuTLS.
 * OpenSSL first, where there are several.
 * Returns false where there is none, or the file can't be read as this machine's ELF.
 */
bool elf_tls_library(const char *path, char *soname, size_t size);

/**
 * The library of that soname, where it lies in a directory of the program's own: the loader takes that and
 * not the system's.  Returns false where it does not.
 */
bool elf_own_library(const char *path, const char *soname, char *library, size_t size);

/**
 * Which OpenSSL, or relative of it, is within the file itself, linked in statically: "OpenSSL 3.0.2",
 * "LibreSSL", "BoringSSL" or "OpenSSL".  Returns false where none is seen.
 */
bool elf_tls_inside(const char *path, char *name, size_t size);

/** Whether it is an ELF file of this machine at all (a script is not). */
bool elf_is_native(const char *path);

#endif
