/* SPDX-License-Identifier: ISC */
/* shelf.c: rows of the store, for the children that a server forks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "safety.h"
#include "shelf.h"

#define BUCKETS 8192u           /* a power of two */
#define STEP 65536u             /* octets: taken from the system at once */
#define SIZE_MOST (256u << 20)

/*
 * Records are appended and never changed, so readers need no lock.  When all are discarded the
 * epoch counts up twice, before and after: whoever was reading sees that it has changed, and
 * discards the result.
 */
struct shared {
	atomic_uint epoch;              /* odd: being emptied */
	atomic_bool complete;           /* what is not here is unbound */
	struct store_version version;   /* of all that is here */
	_Atomic uint32_t buckets[BUCKETS];      /* the newest record's place; 0: none */
	unsigned char records[];
};

struct record {
	uint32_t next;                  /* an older one, always before it; 0: none */
	uint32_t length;                /* of the rows, which follow the key */
	uint64_t hash;
	uint32_t key_length;
	char key[];
};

/* Rows as octets: per chain this, the sealed key, the URI and its NUL, then the certificates. */
struct packed_chain {
	unsigned char identity[STORE_DIGEST_LENGTH];
	char key_type[sizeof(((struct store_chain *)NULL)->key_type)];
	int64_t number, not_before, not_after;
	uint32_t sealed_length, uri_length, cert_count;
};

struct packed_cert {
	unsigned char digest[STORE_DIGEST_LENGTH];
	uint32_t length;
};

struct shelf {
	pid_t owner;
	size_t size;                    /* of the records */
	size_t used, ready;             /* of these: in use; backed by memory */
	struct shared *writable;        /* NULL in children */
	const struct shared *shared;
};

/* Orders what is before it and after it, for every observer. */
static void
barrier(void)
{
#if defined(__SANITIZE_THREAD__)
	static atomic_uint nothing;

	atomic_fetch_add(&nothing, 1); /* it does not know fences */
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

#if defined(F_SEAL_FUTURE_WRITE) && defined(MADV_POPULATE_WRITE)
/* If memory is short, this reports it; the access would be a SIGBUS. */
static bool
back(void *at, size_t length)
{
	size_t before = (uintptr_t)at % (size_t)sysconf(_SC_PAGESIZE);

	return madvise((unsigned char *)at - before, before + length, MADV_POPULATE_WRITE) == 0;
}

static bool
map(struct shelf *shelf, size_t size)
{
	unsigned occupied = safety_fds_occupy();
	int fd = memfd_create("snicert", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *writable = MAP_FAILED, *shared = MAP_FAILED;
	bool good;

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		writable = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	/* New mappings can't be made writable either: mmap(2), fcntl(2). */
	if (writable != MAP_FAILED && fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK) == 0)
		shared = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	good = shared != MAP_FAILED && madvise(writable, size, MADV_DONTFORK) == 0 &&
	    back(writable, sizeof(struct shared));
	if (fd >= 0)
		close(fd);
	safety_fds_release(occupied);
	if (good) {
		shelf->writable = writable;
		shelf->shared = shared;
		return true;
	}
	if (writable != MAP_FAILED)
		munmap(writable, size);
	if (shared != MAP_FAILED)
		munmap(shared, size);
	return false;
}
#else
static bool
back(void *at, size_t length)
{
	(void)at;
	(void)length;
	return false;
}

static bool
map(struct shelf *shelf, size_t size)
{
	(void)shelf;
	(void)size;
	return false;
}
#endif

struct shelf *
shelf_new(size_t size)
{
	struct shelf *shelf = size <= sizeof(struct shared) ? NULL : calloc(1, sizeof(*shelf));

	if (shelf == NULL)
		return NULL;
	if (size > SIZE_MOST)
		size = SIZE_MOST;
	shelf->owner = getpid();
	shelf->size = size - sizeof(struct shared);
	shelf->used = sizeof(struct record); /* 0 is no place */
	if (map(shelf, size))
		return shelf;
	free(shelf);
	return NULL;
}

bool
shelf_is_own(const struct shelf *shelf)
{
	return shelf != NULL && shelf->owner == getpid();
}

void
shelf_free(struct shelf *shelf)
{
	size_t size;

	if (shelf == NULL)
		return;
	size = shelf->size + sizeof(struct shared);
	munmap((void *)(uintptr_t)shelf->shared, size);
	if (shelf_is_own(shelf))
		munmap(shelf->writable, size);
	free(shelf);
}

struct cursor {
	unsigned char *at;
	size_t done, size;
};

static void
write_octets(struct cursor *out, const void *data, size_t length)
{
	if (length > 0 && out->size >= length && out->done <= out->size - length)
		memcpy(out->at + out->done, data, length);
	out->done += length;
}

size_t
/* NOLINTNEXTLINE(readability-non-const-parameter): written through the cursor */
shelf_pack(const struct store_rows *rows, unsigned char *out, size_t size)
{
	struct cursor at = { .at = out, .size = size };

	for (size_t i = 0; i < rows->count; i++) {
		const struct store_chain *chain = &rows->chains[i];
		struct packed_chain packed;

		memset(&packed, 0, sizeof(packed));
		memcpy(packed.identity, chain->identity, sizeof(packed.identity));
		memcpy(packed.key_type, chain->key_type, sizeof(packed.key_type));
		packed.number = chain->number;
		packed.not_before = chain->not_before;
		packed.not_after = chain->not_after;
		packed.sealed_length = (uint32_t)chain->sealed_key.length;
		packed.uri_length = chain->key_uri == NULL ? 0 : (uint32_t)strlen(chain->key_uri) + 1;
		packed.cert_count = (uint32_t)chain->cert_count;
		write_octets(&at, &packed, sizeof(packed));
		write_octets(&at, chain->sealed_key.data, chain->sealed_key.length);
		write_octets(&at, chain->key_uri, packed.uri_length);
		for (size_t j = 0; j < chain->cert_count; j++) {
			struct packed_cert cert = { .length = (uint32_t)chain->certs[j].der.length };

			memcpy(cert.digest, chain->certs[j].digest, sizeof(cert.digest));
			write_octets(&at, &cert, sizeof(cert));
			write_octets(&at, chain->certs[j].der.data, chain->certs[j].der.length);
		}
	}
	return at.done;
}

/* The next `length` octets, or NULL if there are fewer. */
static const unsigned char *
read_octets(struct cursor *in, size_t length)
{
	const unsigned char *at = in->at + in->done;

	if (in->size - in->done < length)
		return NULL;
	in->done += length;
	return at;
}

static bool
read_bytes(struct cursor *in, size_t length, struct store_bytes *out)
{
	out->data = read_octets(in, length);
	out->length = length;
	if (out->data == NULL)
		return false;
	if (length == 0)
		out->data = NULL;
	return true;
}

static bool
read_chain(struct cursor *in, struct store_chain *chain)
{
	const unsigned char *at = read_octets(in, sizeof(struct packed_chain));
	struct packed_chain packed;
	struct store_bytes uri;

	if (at == NULL)
		return false;
	memcpy(&packed, at, sizeof(packed));
	memset(chain, 0, sizeof(*chain));
	memcpy(chain->identity, packed.identity, sizeof(chain->identity));
	memcpy(chain->key_type, packed.key_type, sizeof(chain->key_type));
	chain->number = packed.number;
	chain->not_before = packed.not_before;
	chain->not_after = packed.not_after;
	chain->cert_count = packed.cert_count;
	if (chain->key_type[sizeof(chain->key_type) - 1] != '\0' || chain->cert_count > STORE_CERTS_MOST ||
	    !read_bytes(in, packed.sealed_length, &chain->sealed_key) || !read_bytes(in, packed.uri_length, &uri) ||
	    (uri.length > 0 && uri.data[uri.length - 1] != '\0'))
		return false;
	chain->key_uri = (const char *)uri.data;
	for (size_t i = 0; i < chain->cert_count; i++) {
		struct packed_cert cert;

		if ((at = read_octets(in, sizeof(cert))) == NULL)
			return false;
		memcpy(&cert, at, sizeof(cert));
		memcpy(chain->certs[i].digest, cert.digest, sizeof(cert.digest));
		if (!read_bytes(in, cert.length, &chain->certs[i].der))
			return false;
	}
	return true;
}

bool
shelf_unpack(struct store_rows *rows, size_t length)
{
	struct cursor in = { .at = rows->arena, .size = length };

	for (rows->count = 0; in.done < in.size; rows->count++) {
		if (rows->count == STORE_CHAINS_MOST || !read_chain(&in, &rows->chains[rows->count])) {
			rows->count = 0;
			return false;
		}
	}
	return rows->count > 0;
}

static void
throw_out(struct shelf *shelf, const struct store_version *version)
{
	struct shared *shared = shelf->writable;

	atomic_fetch_add_explicit(&shared->epoch, 1, memory_order_relaxed);
	barrier();
	shared->version = *version;
	atomic_store_explicit(&shared->complete, false, memory_order_relaxed);
	for (size_t i = 0; i < BUCKETS; i++)
		atomic_store_explicit(&shared->buckets[i], 0, memory_order_relaxed);
	shelf->used = sizeof(struct record);
	atomic_fetch_add_explicit(&shared->epoch, 1, memory_order_release);
}

/* Room to append one more record. */
static bool
make_ready(struct shelf *shelf, size_t need)
{
	size_t step = need < STEP ? STEP : need;

	if (shelf->used + need <= shelf->ready)
		return true;
	if (step > shelf->size - shelf->used)
		step = shelf->size - shelf->used;
	if (!back(shelf->writable->records + shelf->used, step))
		return false;
	shelf->ready = shelf->used + step;
	return true;
}

bool
shelf_put(struct shelf *shelf, const struct store_version *version, uint64_t hash, const struct name *key,
    const struct store_rows *rows)
{
	struct record record = { .hash = hash, .key_length = (uint32_t)key->length };
	size_t length, need;
	_Atomic uint32_t *bucket;
	unsigned char *at;

	if (!shelf_is_own(shelf) || !version->certain || rows->count == 0)
		return false;
	length = shelf_pack(rows, NULL, 0);
	need = (sizeof(record) + key->length + length + 15) & ~(size_t)15;
	if (length > shelf->size || need > shelf->size - sizeof(record))
		return false;
	if (!store_version_equal(version, &shelf->writable->version))
		throw_out(shelf, version);
	if (need > shelf->size - shelf->used)
		return false;
	if (!make_ready(shelf, need))
		return false;
	bucket = &shelf->writable->buckets[hash % BUCKETS];
	record.length = (uint32_t)length;
	record.next = atomic_load_explicit(bucket, memory_order_relaxed);
	at = shelf->writable->records + shelf->used;
	memcpy(at, &record, sizeof(record));
	memcpy(at + offsetof(struct record, key), key->text, key->length);
	shelf_pack(rows, at + offsetof(struct record, key) + key->length, length);
	atomic_store_explicit(bucket, (uint32_t)shelf->used, memory_order_release);
	shelf->used += need;
	return true;
}

/* The rows of the record at a place, if it has this key, else NULL.  *place becomes the next one. */
static const unsigned char *
rows_at(const struct shelf *shelf, uint32_t *place, uint64_t hash, const struct name *key, size_t *length)
{
	const unsigned char *at = shelf->shared->records + *place;
	size_t room = shelf->size - *place, ahead = offsetof(struct record, key) + key->length;
	struct record record;

	memcpy(&record, at, sizeof(record));
	*place = record.next < *place ? record.next : 0;
	if (record.hash != hash || record.key_length != key->length || ahead > room ||
	    record.length > room - ahead ||
	    memcmp(at + offsetof(struct record, key), key->text, key->length) != 0)
		return NULL;
	*length = record.length;
	return at + ahead;
}

static bool
copy(struct store_rows *rows, const unsigned char *from, size_t length)
{
	if (length > rows->size) {
		unsigned char *arena = realloc(rows->arena, length);

		if (arena == NULL)
			return false;
		rows->arena = arena;
		rows->size = length;
	}
	memcpy(rows->arena, from, length);
	return true;
}

void
shelf_complete(struct shelf *shelf, const struct store_version *version)
{
	if (shelf_is_own(shelf) && store_version_equal(version, &shelf->writable->version))
		atomic_store_explicit(&shelf->writable->complete, true, memory_order_release);
}

enum shelf_result
shelf_get(const struct shelf *shelf, const struct store_version *version, uint64_t hash, const struct name *key,
    struct store_rows *rows)
{
	const struct shared *shared = shelf == NULL ? NULL : shelf->shared;
	const unsigned char *from = NULL;
	bool complete, copied = false;
	size_t length = 0;
	uint32_t place;
	unsigned epoch;

	rows->count = 0;
	if (shared == NULL)
		return SHELF_UNKNOWN;
	epoch = atomic_load_explicit(&shared->epoch, memory_order_acquire);
	if (epoch % 2 != 0 || !store_version_equal(version, &shared->version))
		return SHELF_UNKNOWN;
	/* Before the search: later puts could make it true meanwhile. */
	complete = atomic_load_explicit(&shared->complete, memory_order_acquire);
	place = atomic_load_explicit(&shared->buckets[hash % BUCKETS], memory_order_acquire);
	while (from == NULL && place != 0 && place <= shelf->size - sizeof(struct record))
		from = rows_at(shelf, &place, hash, key, &length);
	if (from != NULL)
		copied = copy(rows, from, length);
	barrier();
	if (atomic_load_explicit(&shared->epoch, memory_order_relaxed) != epoch)
		return SHELF_UNKNOWN;
	if (from == NULL)
		return complete ? SHELF_NONE : SHELF_UNKNOWN;
	return copied && shelf_unpack(rows, length) ? SHELF_FOUND : SHELF_UNKNOWN;
}
