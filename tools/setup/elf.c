/* SPDX-License-Identifier: ISC */
/*
 * elf.c: which libraries a program is linked with.  Reads the file as data, checks every offset,
 * and runs nothing of it, unlike ldd(1).
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setup/elf.h"
#include "tool.h"

#define DEPTH_MOST 3

struct object {
	const unsigned char *data;
	size_t size;
	const ElfW(Phdr) *headers;
	size_t header_count;
	const ElfW(Dyn) *dynamic;
	size_t dynamic_count;
	const char *strings;
	size_t strings_size;
};

static bool
within(const struct object *object, uint64_t offset, uint64_t length)
{
	return offset <= object->size && length <= object->size - offset;
}

/* Where in the file an address of the running program is. */
static bool
file_offset(const struct object *object, uint64_t address, uint64_t *offset)
{
	for (size_t i = 0; i < object->header_count; i++) {
		const ElfW(Phdr) *header = &object->headers[i];

		if (header->p_type != PT_LOAD || address < header->p_vaddr ||
		    address - header->p_vaddr >= header->p_filesz)
			continue;
		*offset = address - header->p_vaddr + header->p_offset;
		return true;
	}
	return false;
}

static bool
find_headers(struct object *object)
{
	const ElfW(Ehdr) *head = (const void *)object->data;
	const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (object->size < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != class || head->e_phentsize != sizeof(ElfW(Phdr)) ||
	    head->e_phoff % _Alignof(ElfW(Phdr)) != 0 ||
	    !within(object, head->e_phoff, (uint64_t)head->e_phnum * sizeof(ElfW(Phdr))))
		return false;
	object->headers = (const void *)(object->data + head->e_phoff);
	object->header_count = head->e_phnum;
	return true;
}

/* A program without libraries has no dynamic section, but is still an object. */
static bool
find_dynamic(struct object *object)
{
	uint64_t table = 0, size = 0, offset;

	for (size_t i = 0; i < object->header_count; i++) {
		const ElfW(Phdr) *header = &object->headers[i];

		if (header->p_type != PT_DYNAMIC || header->p_offset % _Alignof(ElfW(Dyn)) != 0 ||
		    !within(object, header->p_offset, header->p_filesz))
			continue;
		object->dynamic = (const void *)(object->data + header->p_offset);
		object->dynamic_count = header->p_filesz / sizeof(ElfW(Dyn));
	}
	for (size_t i = 0; i < object->dynamic_count; i++) {
		if (object->dynamic[i].d_tag == DT_STRTAB)
			table = object->dynamic[i].d_un.d_ptr;
		else if (object->dynamic[i].d_tag == DT_STRSZ)
			size = object->dynamic[i].d_un.d_val;
	}
	if (size == 0 || !file_offset(object, table, &offset) || !within(object, offset, size) ||
	    object->data[offset + size - 1] != '\0')
		return false;
	object->strings = (const char *)object->data + offset;
	object->strings_size = size;
	return true;
}

static bool
object_open(struct object *object, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *data = MAP_FAILED;

	memset(object, 0, sizeof(*object));
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return false;
	object->data = data;
	object->size = (size_t)st.st_size;
	if (find_headers(object))
		return true;
	munmap(data, object->size);
	return false;
}

static void
object_close(struct object *object)
{
	munmap((void *)(uintptr_t)object->data, object->size);
}

/* The n-th string with this tag; NULL: no more. */
static const char *
entry(const struct object *object, ElfW(Sxword) tag, size_t n)
{
	for (size_t i = 0; i < object->dynamic_count; i++) {
		const ElfW(Dyn) *dynamic = &object->dynamic[i];

		if (dynamic->d_tag == DT_NULL)
			break;
		if (dynamic->d_tag == tag && dynamic->d_un.d_val < object->strings_size && n-- == 0)
			return object->strings + dynamic->d_un.d_val;
	}
	return NULL;
}

/* Worth less from left to right; 0: not a TLS library. */
static int
worth(const char *soname)
{
	static const char *const libraries[] = { "libssl.so.", "libssl-", "libtls.so.", "libgnutls.so.",
		"libmbedtls.so.", "libwolfssl.so.", "libbotan-", "libnss3.so" };
	int count = (int)(sizeof(libraries) / sizeof(libraries[0]));

	for (int i = 0; i < count; i++)
		if (strncmp(soname, libraries[i], strlen(libraries[i])) == 0)
			return count - i;
	return 0;
}

/* A library in a directory of `list`; $ORIGIN means the directory of `path`. */
static bool
private_library(const char *list, const char *path, const char *soname, char *out, size_t size)
{
	static const char origin[] = "$ORIGIN";
	const char *slash = strrchr(path, '/');
	int directory = slash == NULL ? 0 : (int)(slash - path);

	while (*list != '\0') {
		size_t length = strcspn(list, ":");
		int written;

		if (strncmp(list, origin, sizeof(origin) - 1) == 0)
			written = snprintf(out, size, "%.*s%.*s/%s", directory, path,
			    (int)(length - (sizeof(origin) - 1)), list + sizeof(origin) - 1, soname);
		else
			written = snprintf(out, size, "%.*s/%s", (int)length, list, soname);
		if (written > 0 && (size_t)written < size && tool_may(out, R_OK))
			return true;
		list += length;
		list += *list == ':';
	}
	return false;
}

/* The program's own directories to search for libraries; NULL: none. */
static const char *
own_directories(const struct object *object)
{
	const char *list = entry(object, DT_RUNPATH, 0);

	return list == NULL ? entry(object, DT_RPATH, 0) : list;
}

static void
best_library(const char *path, int depth, char *soname, size_t size)
{
	struct object object;
	const char *needed, *list;

	if (depth > DEPTH_MOST || !object_open(&object, path))
		return;
	if (find_dynamic(&object)) {
		list = own_directories(&object);
		for (size_t i = 0; (needed = entry(&object, DT_NEEDED, i)) != NULL; i++) {
			char library[PATH_MAX];

			if (worth(needed) > worth(soname))
				snprintf(soname, size, "%s", needed);
			if (list != NULL && private_library(list, path, needed, library, sizeof(library)))
				best_library(library, depth + 1, soname, size);
		}
	}
	object_close(&object);
}

bool
elf_tls_library(const char *path, char *soname, size_t size)
{
	soname[0] = '\0';
	best_library(path, 0, soname, size);
	return soname[0] != '\0';
}

bool
elf_own_library(const char *path, const char *soname, char *library, size_t size)
{
	const char *list = NULL;
	struct object object;
	bool is_own;

	if (!object_open(&object, path))
		return false;
	if (find_dynamic(&object))
		list = own_directories(&object);
	is_own = list != NULL && private_library(list, path, soname, library, size);
	object_close(&object);
	return is_own;
}

static const char *
find(const struct object *object, const char *mark)
{
	return memmem(object->data, object->size, mark, strlen(mark));
}

/* "OpenSSL 3.0.2", as from OpenSSL_version(). */
static bool
find_version(const struct object *object, char *name, size_t size)
{
	static const char openssl[] = "OpenSSL ";
	const size_t length = sizeof(openssl) - 1;
	const char *at = find(object, openssl), *end = (const char *)object->data + object->size;

	while (at != NULL && (size_t)(end - at) > length + 16) {
		size_t version = strspn(at + length, "0123456789."); /* a number ends: strings have a NUL */

		if (version >= 3 && version < 16) {
			snprintf(name, size, "%.*s", (int)(length + version), at);
			return true;
		}
		at = memmem(at + 1, (size_t)(end - at) - 1, openssl, length);
	}
	return false;
}

/*
 * libssl's error texts name its source files.  A function's name may also come from a program that
 * looks it up in a library, and has no library's version in itself.
 */
bool
elf_tls_inside(const char *path, char *name, size_t size)
{
	struct object object;
	bool has_source, has_version;

	if (!object_open(&object, path))
		return false;
	snprintf(name, size, "OpenSSL");
	has_version = find_version(&object, name, size);
	has_source = find(&object, "ssl/ssl_lib.c") != NULL;
	if (find(&object, "BoringSSL") != NULL)
		snprintf(name, size, "BoringSSL");
	else if (find(&object, "LibreSSL ") != NULL)
		snprintf(name, size, "LibreSSL");
	has_version = has_version || strcmp(name, "OpenSSL") != 0;
	has_source = has_source || (has_version && find(&object, "SSL_CTX_new") != NULL);
	object_close(&object);
	return has_source;
}

bool
elf_is_native(const char *path)
{
	struct object object;

	if (!object_open(&object, path))
		return false;
	object_close(&object);
	return true;
}
