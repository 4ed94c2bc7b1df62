/* SPDX-License-Identifier: ISC */
/* elf.h: which libraries a program is linked with, read from its file. */
#ifndef SNICERT_ELF_H
#define SNICERT_ELF_H

#include <stdbool.h>
#include <stddef.h>

/**
 * A program's TLS library: the soname, for example "libssl.so.3", in the file itself, or in a
 * library from the program's own directory (RUNPATH), like Postfix's.  Doesn't count what system
 * libraries link with: Debian's Exim gets libssl with MariaDB's client and has GnuTLS.  With
 * several, OpenSSL comes first.  Returns false if none, or if the file can't be read as this
 * machine's ELF.
 */
bool elf_tls_library(const char *path, char *soname, size_t size);

/**
 * The library of that soname in a directory of the program's own: the loader takes it instead of
 * the system's.  Returns false if there is none.
 */
bool elf_own_library(const char *path, const char *soname, char *library, size_t size);

/**
 * Which OpenSSL, or relative of it, is statically linked into the file: "OpenSSL 3.0.2",
 * "LibreSSL", "BoringSSL" or "OpenSSL".  Returns false if we see none.
 */
bool elf_tls_inside(const char *path, char *name, size_t size);

/** Whether it is an ELF file for this machine (a script isn't). */
bool elf_is_native(const char *path);

#endif
