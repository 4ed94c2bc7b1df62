/* SPDX-License-Identifier: ISC */
/* acl.c: see acl.h.  Knows the attribute's format, the kernel's (linux/posix_acl_xattr.h), and no
 * library. */
#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "acl.h"

#define LIST_VERSION 2
#define READ 4

enum tag { OWNER = 0x01, USER = 0x02, OWN_GROUP = 0x04, GROUP = 0x08, MASK = 0x10, OTHERS = 0x20 };

/* All little endian; after a 32-bit version. */
struct entry {
	uint16_t tag, may;
	uint32_t id;
};

static void
keep(struct acl *acl, ssize_t length)
{
	uint32_t version = 0;

	acl->length = 0;
	if (length < (ssize_t)sizeof(version) || ((size_t)length - sizeof(version)) % sizeof(struct entry) != 0)
		return;
	memcpy(&version, acl->value, sizeof(version));
	if (le32toh(version) == LIST_VERSION)
		acl->length = (size_t)length;
}

void
acl_read(struct acl *acl, int fd)
{
	keep(acl, fgetxattr(fd, ACL_ATTRIBUTE, acl->value, sizeof(acl->value)));
}

void
acl_read_path(struct acl *acl, const char *path)
{
	keep(acl, getxattr(path, ACL_ATTRIBUTE, acl->value, sizeof(acl->value)));
}

/* What an entry should grant; the mask depends on the others. */
static unsigned
wanted(enum tag tag, unsigned may, mode_t mode)
{
	switch (tag) {
	case OWNER:
		return mode >> 6 & 7;
	case OWN_GROUP:
		return mode >> 3 & 7;
	case OTHERS:
		return mode & 7;
	default:
		return may;
	}
}

bool
acl_set(struct acl *acl, mode_t mode)
{
	unsigned most = mode >> 3 & 7;
	struct entry entry;
	size_t mask = 0;

	for (size_t at = sizeof(uint32_t); at < acl->length; at += sizeof(entry)) {
		enum tag tag;

		memcpy(&entry, acl->value + at, sizeof(entry));
		tag = le16toh(entry.tag);
		if (tag == MASK)
			mask = at;
		if (tag == USER || tag == GROUP)
			most |= le16toh(entry.may) & READ;
		entry.may = htole16((uint16_t)wanted(tag, le16toh(entry.may), mode));
		memcpy(acl->value + at, &entry, sizeof(entry));
	}
	if (mask == 0)
		return false;
	memcpy(&entry, acl->value + mask, sizeof(entry));
	entry.may = htole16((uint16_t)most);
	memcpy(acl->value + mask, &entry, sizeof(entry));
	return true;
}

int
acl_fchmod(int fd, mode_t mode)
{
	struct acl acl;

	acl_read(&acl, fd);
	return acl_set(&acl, mode) ? fsetxattr(fd, ACL_ATTRIBUTE, acl.value, acl.length, 0) : fchmod(fd, mode);
}

int
acl_take_over(int fd, const char *from, mode_t mode)
{
	struct acl acl;

	acl_read_path(&acl, from);
	return acl.length > 0 ? fsetxattr(fd, ACL_ATTRIBUTE, acl.value, acl.length, 0) : acl_fchmod(fd, mode);
}
