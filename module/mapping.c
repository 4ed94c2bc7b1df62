/* SPDX-License-Identifier: ISC */
/* mapping.c: making, checking, mapping the statistics file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "acl.h"
#include "error.h"
#include "mapping.h"
#include "rename.h"
#include "safety.h"

#define PAGE 4096u
#define FILE_MODE 0640

_Static_assert(sizeof(struct mapping_header) <= PAGE, "the header has a page");
_Static_assert(offsetof(struct mapping_shard, keys[STATS_RSA | STATS_EC]) == 56, "what is hot is a cache line");
_Static_assert(sizeof(struct mapping_use) * MAPPING_USE_WAYS == 64, "a bucket is a cache line");
/* 32-bit and 64-bit processes share one file: whatever changes here is another MAPPING_LAYOUT. */
_Static_assert(offsetof(struct mapping_header, size) == 32 && offsetof(struct mapping_header, reset) == 576 &&
    offsetof(struct mapping_header, ring_head) == 640, "the header is the same everywhere");
_Static_assert(sizeof(struct mapping_shard) == 1024 && offsetof(struct mapping_shard, latency_ns) == 984,
    "a shard is the same everywhere");
_Static_assert(sizeof(struct mapping_process) == 320 && offsetof(struct mapping_process, error) == 128,
    "a process is the same everywhere");
_Static_assert(sizeof(struct mapping_unknown) == 384 && offsetof(struct mapping_unknown, name) == 64,
    "an unknown name is the same everywhere");
_Static_assert(sizeof(struct mapping_record) == 320 && offsetof(struct mapping_record, name) == 56,
    "a record is the same everywhere");
_Static_assert(sizeof(struct mapping_cell) == 8 && sizeof(struct mapping_use) == 16, "so are the small ones");
_Static_assert(ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "atomics without locks");

static size_t
round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint32_t
power_of_two(uint32_t wanted, uint32_t least, uint32_t most)
{
	uint32_t value = least;

	while (value < wanted && value < most)
		value <<= 1;
	return value;
}

void
mapping_parts(struct mapping_parts *out, const struct mapping_geometry *geometry)
{
	out->sketch_width = (size_t)geometry->unknown * 16;
	out->shards = PAGE;
	out->processes = out->shards + round_up(MAPPING_SHARDS * sizeof(struct mapping_shard), PAGE);
	out->sketch = out->processes + round_up(MAPPING_PROCESSES * sizeof(struct mapping_process), PAGE);
	out->unknown = out->sketch +
	    round_up(MAPPING_ROWS * out->sketch_width * sizeof(struct mapping_cell), PAGE);
	out->use = out->unknown + round_up(geometry->unknown * sizeof(struct mapping_unknown), PAGE);
	out->ring = out->use + round_up(geometry->names * sizeof(struct mapping_use), PAGE);
	out->size = out->ring + round_up(MAPPING_RECORDS * sizeof(struct mapping_record), PAGE);
}

static bool
is_power(uint32_t value, uint32_t least, uint32_t most)
{
	return value >= least && value <= most && (value & (value - 1)) == 0;
}

bool
mapping_check(const struct mapping_header *header, uint64_t size, struct mapping_parts *out)
{
	struct mapping_geometry geometry = { header->unknown, header->names };

	if (memcmp(header->magic, MAPPING_MAGIC, sizeof(header->magic)) != 0 ||
	    header->layout != MAPPING_LAYOUT ||
	    !is_power(geometry.unknown, MAPPING_UNKNOWN_LEAST, MAPPING_UNKNOWN_MOST) ||
	    !is_power(geometry.names, MAPPING_NAMES_LEAST, MAPPING_NAMES_MOST) ||
	    header->shards != MAPPING_SHARDS || header->processes != MAPPING_PROCESSES ||
	    header->records != MAPPING_RECORDS || memchr(header->store, '\0', sizeof(header->store)) == NULL)
		return false;
	mapping_parts(out, &geometry);
	return header->size == out->size && size == out->size;
}

void
mapping_path(char *out, size_t size, const char *path, uid_t uid)
{
	if (uid == 0)
		snprintf(out, size, "%s", path);
	else
		snprintf(out, size, "%s.%lu", path, (unsigned long)uid);
}

uint64_t
mapping_commit(const uint32_t *words, size_t count)
{
	uint64_t value = 14695981039346656037u; /* FNV-1a, by words */

	for (size_t i = 0; i < count; i++)
		value = (value ^ words[i]) * 1099511628211u;
	return value;
}

/* Nobody there to write it, or no right to: normal for a process that should not. */
static int
complain(struct snicert_error *err, const char *what, const char *path)
{
	bool quiet = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM || errno == EROFS;

	return error_set(err, quiet ? SNICERT_ENOTFOUND : SNICERT_ESYSTEM, "no statistics: can't %s %s: %s",
	    what, path, strerror(errno));
}

/*
 * File systems where an allocated page of a mapped file can always be written.  Not: those that
 * copy on write, over a network, or in user space.
 */
static bool
is_firm(int fd)
{
	static const unsigned long firm[] = { 0x01021994 /* tmpfs */, 0xef53 /* ext4 */, 0x58465342 /* xfs */,
		0x794c7630 /* a container's overlay */ };
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof(firm) / sizeof(firm[0]); i++)
		if ((unsigned long)fs.f_type == firm[i])
			return true;
	return false;
}

/* Whether only this user may write it. */
static int
judge(int fd, const char *path, struct stat *st, struct snicert_error *err)
{
	if (fstat(fd, st) != 0)
		return complain(err, "stat", path);
	if (!S_ISREG(st->st_mode))
		return error_set(err, SNICERT_EPERM, "no statistics: %s is not a regular file", path);
	if (st->st_uid != geteuid() || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 || st->st_nlink != 1)
		return error_set(err, SNICERT_EPERM,
		    "no statistics: %s could be changed by others (owner %lu, mode %04o, %lu links): remove it",
		    path, (unsigned long)st->st_uid, (unsigned)(st->st_mode & 07777),
		    (unsigned long)st->st_nlink);
	if (!is_firm(fd))
		return error_set(err, SNICERT_EPERM,
		    "no statistics: %s is not on a tmpfs, ext4 or xfs: set stats.path to a file that is", path);
	return 0;
}

/* Close-on-exec, and not as fd 0-2; never waits for a FIFO, or follows a link. */
static int
open_quietly(const char *path, int flags)
{
	unsigned occupied = safety_fds_occupy();
	int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, FILE_MODE);
	int saved = errno;

	safety_fds_release(occupied);
	errno = saved;
	return fd;
}

static bool
write_header(int fd, const struct mapping_geometry *geometry, size_t size, const char *store)
{
	struct mapping_header header = { .layout = MAPPING_LAYOUT, .unknown = geometry->unknown,
		.names = geometry->names, .shards = MAPPING_SHARDS, .processes = MAPPING_PROCESSES,
		.records = MAPPING_RECORDS, .size = size, .created = (int64_t)time(NULL) };

	memcpy(header.magic, MAPPING_MAGIC, sizeof(header.magic));
	snprintf(header.store, sizeof(header.store), "%s", store);
	if (getrandom(header.key, sizeof(header.key), GRND_NONBLOCK) != sizeof(header.key))
		return false;
	header.key[1] |= 1;
	return pwrite(fd, &header, sizeof(header), 0) == sizeof(header);
}

/*
 * Complete before it gets its name, so that nobody sees half of one.  If another process was first,
 * use that one's.
 */
static int
create(const char *path, const struct mapping_geometry *geometry, const char *store,
    struct snicert_error *err)
{
	struct mapping_parts parts;
	char fresh[PATH_MAX + 32];
	int fd, result = -1;

	mapping_parts(&parts, geometry);
	snprintf(fresh, sizeof(fresh), "%s.new.%ld", path, (long)getpid());
	unlink(fresh); /* of a process that died here with the same number */
	fd = open_quietly(fresh, O_CREAT | O_EXCL);
	if (fd < 0)
		return complain(err, "create", path);
	if (!is_firm(fd))
		error_set(err, SNICERT_EPERM,
		    "no statistics: %s is not on a tmpfs, ext4 or xfs: set stats.path to a file that is", path);
	else if (acl_fchmod(fd, FILE_MODE) != 0 || fallocate(fd, 0, 0, (off_t)parts.size) != 0 ||
	    !write_header(fd, geometry, parts.size, store) ||
	    (rename_by(fresh, path, RENAME_NOREPLACE) != 0 && errno != EEXIST))
		complain(err, "create", path);
	else
		result = 0;
	unlink(fresh);
	close(fd);
	return result;
}

/* Whether to replace a file of ours: with another layout or size, or empty. */
static bool
is_outdated(const struct mapping_header *header, uint64_t size)
{
	return size == 0 || (size >= sizeof(header->magic) &&
	    memcmp(header->magic, MAPPING_MAGIC, sizeof(header->magic)) == 0);
}

static int
map(struct mapping *mapping, int fd, const struct mapping_header *header, const char *path,
    struct snicert_error *err)
{
	char *at = mmap(NULL, mapping->parts.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return complain(err, "map", path);
	mapping->header = (struct mapping_header *)at;
	mapping->shards = (struct mapping_shard *)(at + mapping->parts.shards);
	mapping->processes = (struct mapping_process *)(at + mapping->parts.processes);
	mapping->sketch = (struct mapping_cell *)(at + mapping->parts.sketch);
	mapping->unknown = (struct mapping_unknown *)(at + mapping->parts.unknown);
	mapping->use = (struct mapping_use *)(at + mapping->parts.use);
	mapping->ring = (struct mapping_record *)(at + mapping->parts.ring);
	mapping->unknown_count = header->unknown;
	mapping->use_count = header->names;
	memcpy(mapping->key, header->key, sizeof(mapping->key));
	return 0;
}

/* 0, -1, or 1 if the file must be made (again). */
static int
open_there(struct mapping *mapping, const char *path, const char *store, struct snicert_error *err)
{
	struct mapping_header header = {0};
	char wanted[sizeof(header.store)];
	struct stat st;
	int fd = open_quietly(path, 0), result = -1;

	if (fd < 0)
		return errno == ENOENT ? 1 : complain(err, "open", path);
	snprintf(wanted, sizeof(wanted), "%s", store);
	if (judge(fd, path, &st, err) != 0)
		;
	else if (pread(fd, &header, sizeof(header), 0) < 0)
		complain(err, "read", path);
	else if (mapping_check(&header, (uint64_t)st.st_size, &mapping->parts)) {
		if (strcmp(header.store, wanted) != 0)
			error_set(err, SNICERT_ECONFIG, "no statistics: %s is of the store %s: set another stats.path",
			    path, header.store);
		/* Someone may have punched holes. */
		else if (fallocate(fd, 0, 0, (off_t)mapping->parts.size) != 0)
			complain(err, "allocate", path);
		else
			result = map(mapping, fd, &header, path, err);
	} else if (!is_outdated(&header, (uint64_t)st.st_size))
		error_set(err, SNICERT_ESYSTEM, "no statistics: %s is something else: remove it", path);
	else
		result = unlink(path) == 0 ? 1 : complain(err, "replace", path);
	close(fd);
	return result;
}

int
mapping_open(struct mapping *mapping, const char *path, const struct mapping_geometry *wanted,
    const char *store, struct snicert_error *err)
{
	struct mapping_geometry geometry = {
		power_of_two(wanted->unknown, MAPPING_UNKNOWN_LEAST, MAPPING_UNKNOWN_MOST),
		power_of_two(wanted->names, MAPPING_NAMES_LEAST, MAPPING_NAMES_MOST),
	};
	char own[PATH_MAX + 16];
	int result = 1;

	memset(mapping, 0, sizeof(*mapping));
	mapping_path(own, sizeof(own), path, geteuid());
	for (int i = 0; i < 3 && result == 1; i++) {
		result = open_there(mapping, own, store, err);
		if (result == 1 && create(own, &geometry, store, err) != 0)
			result = -1;
	}
	return result == 0 ? 0 : error_set(err, SNICERT_ESYSTEM, "no statistics: %s is replaced all the time", own);
}

void
mapping_close(struct mapping *mapping)
{
	if (mapping->header != NULL)
		munmap(mapping->header, mapping->parts.size);
	memset(mapping, 0, sizeof(*mapping));
}
