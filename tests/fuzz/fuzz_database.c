/* SPDX-License-Identifier: ISC */
/*
 * fuzz_database.c: a store whose file, WAL or both are damaged, as the module and
 * the tool read it.  The input says which octets change (fuzz_edit): the
 * certificates and keys in the file are made anew by each process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "chain.h"
#include "shop.h"

struct octets {
	uint8_t data[1 << 19];
	size_t length;
};

static struct octets base, base_wal, changed;
static char path[200], wal[210], index_path[210];
static struct seal *seal;
static struct chain_codec *codec;

static void
read_octets(const char *from, struct octets *out)
{
	FILE *file = fopen(from, "r");

	out->length = file == NULL ? 0 : fread(out->data, 1, sizeof(out->data), file);
	if (file == NULL || fclose(file) != 0)
		fuzz_die("can't read %s", from);
}

static void
start(void)
{
	struct snicert_error err = {0};
	struct spec late = { .cn = "late.example" };
	struct world *w;

	harness_start();
	w = shop_world(true);
	world_sql(w, "PRAGMA wal_checkpoint(TRUNCATE)");
	read_octets(w->store, &base);
	/* A few frames that are nowhere else. */
	world_add(w, &late);
	snprintf(wal, sizeof(wal), "%s-wal", w->store);
	read_octets(wal, &base_wal);
	seal = seal_new(&err);
	if (seal == NULL || seal_read(seal, w->key, (uid_t)-1, &err) != 0)
		fuzz_die("%s", err.text);
	codec = chain_codec_new(1 << 20);
	world_free(w);
	snprintf(wal, sizeof(wal), "%s-wal", fuzz_path(path, "store.db"));
	snprintf(index_path, sizeof(index_path), "%s-shm", path);
}

static void
write_changed(const char *to, const struct octets *from, struct fuzz_input *in, unsigned edits)
{
	changed.length = from->length;
	memcpy(changed.data, from->data, from->length);
	while (edits-- > 0 && in->size > 0)
		fuzz_edit(in, changed.data, changed.length);
	fuzz_write(to, changed.data, changed.length);
}

static void
read_as_module(void)
{
	struct store *store = store_new(path);
	struct store_rows rows = {0};
	struct name key;

	for (size_t i = 0; shop_names[i] != NULL; i++) {
		struct snicert_error err = {0};

		if (strcmp(shop_names[i], "@") == 0)
			name_fallback(&key, NULL);
		else if (!name_normalise_pattern(&key, shop_names[i], strlen(shop_names[i])))
			continue;
		switch (store_lookup(store, &key, &rows, &err)) {
		case STORE_FOUND:
			if (rows.count == 0 || rows.count > STORE_CHAINS_MOST)
				fuzz_die("%zu chains", rows.count);
			for (size_t j = 0; j < rows.count; j++) {
				struct chain *chain = NULL;

				if (chain_decode(codec, seal, &rows.chains[j], &chain, NULL) == 0)
					chain_unref(chain);
			}
			break;
		case STORE_ERROR:
			if (err.code == SNICERT_OK)
				fuzz_die("an error without a text");
			break;
		case STORE_NONE:
			break;
		}
	}
	store_has_address_fallback(store, NULL);
	store_has_wildcard(store, NULL);
	store_rows_free(&rows);
	store_free(store);
}

static int
see_chain(void *arg, const struct admin_chain *chain)
{
	*(size_t *)arg += strlen(chain->names) + strlen(chain->subject) + chain->identity[31] +
	    chain->leaf[31] + chain->spki[31] + strlen(chain->state) + strlen(chain->key_type);
	return 0;
}

static int
see_key(void *arg, const char *key, const char *key_type, int64_t chain)
{
	*(size_t *)arg += strlen(key) + strlen(key_type) + (size_t)chain;
	return 0;
}

static void
ignore_fault(void *arg, const char *fault)
{
	*(size_t *)arg += strlen(fault);
}

static void
read_as_tool(void)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct admin_totals totals;
	struct store_rows rows = {0};
	size_t seen = 0;

	if (admin_open(&admin, path, ADMIN_READ, &err) != 0)
		return;
	admin_totals(admin, &totals, NULL);
	admin_chains(admin, 0, NULL, see_chain, &seen, NULL);
	admin_bindings(admin, NULL, 0, see_key, &seen, NULL);
	for (int64_t id = 1; id < 4; id++)
		admin_load(admin, id, &rows, NULL);
	admin_integrity(admin, ignore_fault, &seen, NULL);
	store_rows_free(&rows);
	admin_close(admin);
}

static void
one(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned how = fuzz_octet(&in);

	write_changed(path, &base, &in, how >> 3 & 15);
	unlink(wal);
	unlink(index_path);
	if ((how & 1) != 0)
		write_changed(wal, &base_wal, &in, how >> 7 == 0 ? 0 : 16);
	read_as_module();
	if ((how & 2) != 0)
		read_as_tool();
	ERR_clear_error();
}

static void
seed(void)
{
	/* The header: page size, versions, freelist, schema; a page's own header; the WAL's. */
	fuzz_seed("whole", "\3", 1);
	fuzz_seed("page-size", "\12\0\0\20\2\0\1", 7);
	fuzz_seed("version", "\12\0\0\22\2\1\1", 7);
	fuzz_seed("schema", "\12\0\0\50\4\0\0\0\7", 9);
	fuzz_seed("user-version", "\12\0\0\74\4\0\0\0\7", 9);
	fuzz_seed("first-page", "\22\0\0\150\2\0\1\0\1\0\2\377\377", 13);
	fuzz_seed("second-page", "\22\0\20\0\1\2\0\1\20\3\2\0\377", 13);
	fuzz_seed("wal", "\203\0\0\30\4\0\0\0\1", 9);
}

const struct fuzz_target fuzz_database = { .name = "database", .start = start, .one = one,
	.seed = seed, .most = 256 };
