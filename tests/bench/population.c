/* SPDX-License-Identifier: ISC */
/* population.c: a store with as many names as a benchmark wants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sqlite3.h>

#include "store/admin.h"
#include "store/keyfile.h"
#include "mapping.h"
#include "population.h"
#include "seal.h"

#define DAY 86400
#define TEMPLATE_NAME "x0000000.bench.example"
#define ROWS_A_COMMIT 50000

static const unsigned char template_serial[8] = { 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58 };

/* One of each key type, of which all leaves are made. */
struct mould {
	const char *key_type;
	EVP_PKEY *key;
	unsigned char *leaf, *ca;
	int leaf_length, ca_length;
	unsigned char spki[STORE_DIGEST_LENGTH], ca_digest[STORE_DIGEST_LENGTH];
	unsigned char *pkcs8;
	int pkcs8_length;
	int64_t ca_id;
};

struct writer {
	sqlite3 *db;
	sqlite3_stmt *cert, *chain, *part, *binding;
	struct seal *seal;
	uint64_t serial;                /* counted upwards from a random number */
	size_t rows;
};

/* What renewals need again. */
static struct mould moulds[2];

void
must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench: can't %s\n", what);
	exit(3);
}

/* --- certificates --------------------------------------------------------- */

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(extension != NULL && X509_add_ext(cert, extension, -1), value);
	X509_EXTENSION_free(extension);
}

static void
extend_raw(X509 *cert, int nid, const unsigned char *octets, int length)
{
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	must(data != NULL && ASN1_OCTET_STRING_set(data, octets, length), "make an extension");
	extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, data);
	must(extension != NULL && X509_add_ext(cert, extension, -1), "add an extension");
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(data);
}

/* Of the size that two certificate transparency logs sign. */
static void
extend_timestamps(X509 *cert)
{
	unsigned char octets[3 + 240] = { 0x04, 0x81, 240 };

	RAND_bytes(octets + 3, sizeof(octets) - 3);
	extend_raw(cert, NID_ct_precert_scts, octets, sizeof(octets));
}

static X509 *
certificate(const char *cn, EVP_PKEY *key)
{
	X509 *cert = X509_new();

	must(cert != NULL, "make a certificate");
	X509_set_version(cert, X509_VERSION_3);
	ASN1_STRING_set(X509_get_serialNumber(cert), template_serial, sizeof(template_serial));
	X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(cert), 90, 0, NULL);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	return cert;
}

static void
sign(X509 *cert, X509 *issuer, EVP_PKEY *key)
{
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	must(X509_sign(cert, key, EVP_sha256()) > 0, "sign a certificate");
}

static X509 *
make_ca(const char *cn, EVP_PKEY *key)
{
	X509 *cert = certificate(cn, key);

	extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	extend(cert, cert, NID_subject_key_identifier, "hash");
	sign(cert, cert, key);
	return cert;
}

static X509 *
make_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	/* 2.23.140.1.2.1 */
	static const unsigned char domain_validated[] = { 0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x67, 0x81,
		0x0c, 0x01, 0x02, 0x01 };
	X509 *cert = certificate(TEMPLATE_NAME, key);

	extend(cert, ca, NID_key_usage, "critical,digitalSignature");
	extend(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth");
	extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE");
	extend(cert, ca, NID_subject_key_identifier, "hash");
	extend(cert, ca, NID_authority_key_identifier, "keyid");
	extend(cert, ca, NID_info_access, "caIssuers;URI:http://ca.bench.example/");
	extend(cert, ca, NID_subject_alt_name, "DNS:" TEMPLATE_NAME);
	extend_raw(cert, NID_certificate_policies, domain_validated, sizeof(domain_validated));
	extend(cert, ca, NID_crl_distribution_points, "URI:http://ca.bench.example/1.crl");
	extend_timestamps(cert);
	sign(cert, ca, ca_key);
	return cert;
}

static void
digest(const void *data, int length, unsigned char *out)
{
	must(EVP_Digest(data, (size_t)length, out, NULL, EVP_sha256(), NULL), "digest");
}

static char *
to_pem(X509 *leaf, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text;
	long length;

	must(bio != NULL && PEM_write_bio_X509(bio, leaf) &&
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), "write PEM");
	length = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t)length);
	must(text != NULL, "write PEM");
	BIO_free(bio);
	return text;
}

static void
mould_make(struct mould *mould, const char *key_type, char **pem)
{
	EVP_PKEY *ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *spki = NULL;
	X509 *ca, *leaf;
	int length;

	mould->key_type = key_type;
	mould->key = strcmp(key_type, "EC") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
	                                         : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	must(ca_key != NULL && mould->key != NULL, "make a key");
	ca = make_ca(key_type, ca_key);
	leaf = make_leaf(mould->key, ca, ca_key);
	mould->leaf_length = i2d_X509(leaf, &mould->leaf);
	mould->ca_length = i2d_X509(ca, &mould->ca);
	digest(mould->ca, mould->ca_length, mould->ca_digest);
	length = i2d_PUBKEY(mould->key, &spki);
	digest(spki, length, mould->spki);
	info = EVP_PKEY2PKCS8(mould->key);
	mould->pkcs8_length = i2d_PKCS8_PRIV_KEY_INFO(info, &mould->pkcs8);
	must(mould->leaf_length > 0 && mould->ca_length > 0 && mould->pkcs8_length > 0, "encode");
	*pem = to_pem(leaf, mould->key);
	PKCS8_PRIV_KEY_INFO_free(info);
	OPENSSL_free(spki);
	EVP_PKEY_free(ca_key);
	X509_free(ca);
	X509_free(leaf);
}

static void
mould_free(struct mould *mould)
{
	EVP_PKEY_free(mould->key);
	OPENSSL_free(mould->leaf);
	OPENSSL_free(mould->ca);
	OPENSSL_free(mould->pkcs8);
	memset(mould, 0, sizeof(*mould));
}

static void
patch(unsigned char *der, int length, const void *from, const void *to, size_t size)
{
	unsigned char *at = der;

	while ((at = memmem(at, (size_t)(der + length - at), from, size)) != NULL)
		memcpy(at, to, size);
}

/* --- rows ----------------------------------------------------------------- */

static sqlite3_stmt *
prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sqlite3_errmsg(db));
	return statement;
}

static int64_t
insert(struct writer *writer, sqlite3_stmt *statement)
{
	must(sqlite3_step(statement) == SQLITE_DONE, sqlite3_errmsg(writer->db));
	sqlite3_reset(statement);
	return sqlite3_last_insert_rowid(writer->db);
}

static void
execute(sqlite3 *db, const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

static void
writer_open(struct writer *writer, const struct population *p, const char *synchronous)
{
	int persist = 1;

	memset(writer, 0, sizeof(*writer));
	must(sqlite3_open(p->store, &writer->db) == SQLITE_OK, "open the store");
	sqlite3_file_control(writer->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	execute(writer->db, synchronous);
	execute(writer->db, "PRAGMA cache_size = -200000");
	writer->cert = prepare(writer->db, "INSERT INTO cert (sha256, der) VALUES (?1, ?2)");
	writer->chain = prepare(writer->db,
	    "INSERT INTO chain (identity, state, key_type, spki, leaf, not_before, not_after, names,"
	    " subject, source, created, sealed_key)"
	    " VALUES (?1, 'active', ?2, ?3, ?4, ?5, ?6, ?7, ?7, 'bench', ?5, ?8)");
	writer->part = prepare(writer->db, "INSERT INTO chain_cert (chain, position, cert) VALUES (?1, ?2, ?3)");
	writer->binding = prepare(writer->db,
	    "INSERT OR REPLACE INTO binding (name, key_type, chain) VALUES (?1, ?2, ?3)");
	writer->seal = seal_new(NULL);
	must(writer->seal != NULL && seal_read(writer->seal, p->key, (uid_t)-1, NULL) == 0,
	    "read the store key");
	RAND_bytes((unsigned char *)&writer->serial, sizeof(writer->serial));
}

static void
writer_close(struct writer *writer)
{
	sqlite3_finalize(writer->cert);
	sqlite3_finalize(writer->chain);
	sqlite3_finalize(writer->part);
	sqlite3_finalize(writer->binding);
	sqlite3_close(writer->db);
	seal_free(writer->seal);
}

static int64_t
add_cert(struct writer *writer, const void *der, int length, const unsigned char *sha256)
{
	sqlite3_bind_blob(writer->cert, 1, sha256, STORE_DIGEST_LENGTH, SQLITE_STATIC);
	sqlite3_bind_blob(writer->cert, 2, der, length, SQLITE_STATIC);
	return insert(writer, writer->cert);
}

static void
add_part(struct writer *writer, int64_t chain, int position, int64_t cert)
{
	sqlite3_bind_int64(writer->part, 1, chain);
	sqlite3_bind_int(writer->part, 2, position);
	sqlite3_bind_int64(writer->part, 3, cert);
	insert(writer, writer->part);
}

static int64_t
add_chain_row(struct writer *writer, const struct mould *mould, const char *name,
    const unsigned char *leaf_digest)
{
	unsigned char identity[STORE_DIGEST_LENGTH], *sealed = NULL;
	size_t sealed_length = 0;
	int64_t id, now = time(NULL);

	digest(leaf_digest, STORE_DIGEST_LENGTH, identity);
	must(seal_close(writer->seal, mould->pkcs8, (size_t)mould->pkcs8_length, identity,
	    sizeof(identity), &sealed, &sealed_length, NULL) == 0, "seal a key");
	sqlite3_bind_blob(writer->chain, 1, identity, sizeof(identity), SQLITE_STATIC);
	sqlite3_bind_text(writer->chain, 2, mould->key_type, -1, SQLITE_STATIC);
	sqlite3_bind_blob(writer->chain, 3, mould->spki, sizeof(mould->spki), SQLITE_STATIC);
	sqlite3_bind_blob(writer->chain, 4, leaf_digest, STORE_DIGEST_LENGTH, SQLITE_STATIC);
	sqlite3_bind_int64(writer->chain, 5, now - DAY);
	sqlite3_bind_int64(writer->chain, 6, now + 90 * (int64_t)DAY);
	sqlite3_bind_text(writer->chain, 7, name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(writer->chain, 8, sealed, (int)sealed_length, SQLITE_STATIC);
	id = insert(writer, writer->chain);
	OPENSSL_free(sealed);
	return id;
}

static void
add_name(struct writer *writer, const struct mould *mould, const char *name)
{
	unsigned char leaf[4096], leaf_digest[STORE_DIGEST_LENGTH], serial[sizeof(template_serial)];
	int64_t chain;

	must((size_t)mould->leaf_length <= sizeof(leaf), "hold a leaf");
	memcpy(leaf, mould->leaf, (size_t)mould->leaf_length);
	writer->serial += 0x100; /* the lowest octet is the first, which is overwritten */
	memcpy(serial, &writer->serial, sizeof(serial));
	serial[0] = template_serial[0]; /* the sign, and no leading zero */
	patch(leaf, mould->leaf_length, TEMPLATE_NAME, name, POPULATION_NAME_LENGTH);
	patch(leaf, mould->leaf_length, template_serial, serial, sizeof(serial));
	digest(leaf, mould->leaf_length, leaf_digest);
	chain = add_chain_row(writer, mould, name, leaf_digest);
	add_part(writer, chain, 0, add_cert(writer, leaf, mould->leaf_length, leaf_digest));
	add_part(writer, chain, 1, mould->ca_id);
	sqlite3_bind_text(writer->binding, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(writer->binding, 2, mould->key_type, -1, SQLITE_STATIC);
	sqlite3_bind_int64(writer->binding, 3, chain);
	insert(writer, writer->binding);
	if (++writer->rows % ROWS_A_COMMIT == 0)
		execute(writer->db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN");
}

static void
fill(struct population *p)
{
	struct writer writer;
	char name[POPULATION_NAME_SIZE];

	writer_open(&writer, p, "PRAGMA synchronous = OFF");
	execute(writer.db, "BEGIN");
	for (int i = 0; i < 2; i++)
		moulds[i].ca_id = add_cert(&writer, moulds[i].ca, moulds[i].ca_length,
		    moulds[i].ca_digest);
	for (size_t i = 0; i < p->names; i++) {
		enum kind kind = (enum kind)(i % KINDS);

		population_name(name, kind, i / KINDS);
		if (kind != KIND_RSA)
			add_name(&writer, &moulds[0], name);
		if (kind != KIND_EC)
			add_name(&writer, &moulds[1], name);
	}
	execute(writer.db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	writer_close(&writer);
}

/* --- outside -------------------------------------------------------------- */

struct population *
population_new(size_t names)
{
	struct population *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	struct snicert_error err = {0};
	FILE *config;

	must(p != NULL, "get memory");
	p->names = names;
	snprintf(p->dir, sizeof(p->dir), "%.40s/snicert-bench-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	must(mkdtemp(p->dir) != NULL, "make a directory in $TMPDIR (40 characters at most)");
	snprintf(p->config, sizeof(p->config), "%s/snicert.conf", p->dir);
	snprintf(p->store, sizeof(p->store), "%s/store.db", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/store.key", p->dir);
	must(admin_create(p->store, (gid_t)-1, &err) == 0 &&
	    keyfile_create(p->key, (gid_t)-1, &err) == 0, err.text);
	config = fopen(p->config, "w");
	must(config != NULL && fprintf(config,
	    "store { path = \"%s\" key = \"%s\" }\nlog { target = none }\nstats { path = \"%s/stats\" }\n",
	    p->store, p->key, p->dir) > 0 &&
	    fclose(config) == 0, "write a configuration");
	mould_make(&moulds[0], "EC", &p->pem[0]);
	mould_make(&moulds[1], "RSA", &p->pem[1]);
	fill(p);
	return p;
}

void
population_free(struct population *p)
{
	static const char *const files[] = { "snicert.conf", "store.db", "store.db-wal", "store.db-shm",
		"store.key" };
	char path[128], stats[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/stats", p->dir);
	mapping_path(stats, sizeof(stats), path, geteuid());
	unlink(stats);
	rmdir(p->dir);
	for (int i = 0; i < 2; i++) {
		mould_free(&moulds[i]);
		free(p->pem[i]);
	}
	free(p);
}

void
population_name(char out[POPULATION_NAME_SIZE], enum kind kind, size_t i)
{
	snprintf(out, POPULATION_NAME_SIZE, "%c%07zu.bench.example", "erb"[kind], i % 10000000);
}

void
population_unknown(char out[POPULATION_NAME_SIZE], size_t i)
{
	snprintf(out, POPULATION_NAME_SIZE, "u%07zu.bench.example", i % 10000000);
}

void
population_unknown_parent(char out[POPULATION_NAME_SIZE], size_t i)
{
	snprintf(out, POPULATION_NAME_SIZE, "u.%06zu.bench.example", i % 1000000);
}

void
population_commit(struct population *p)
{
	struct writer writer;

	writer_open(&writer, p, "PRAGMA synchronous = NORMAL");
	execute(writer.db, "INSERT OR REPLACE INTO binding (name, key_type, chain)"
	    " SELECT 'other.example', 'EC', id FROM chain WHERE id = 1 + abs(random() % 2)");
	writer_close(&writer);
}

void
population_renew(struct population *p, size_t i)
{
	struct writer writer;
	char name[POPULATION_NAME_SIZE];

	population_name(name, KIND_EC, i);
	writer_open(&writer, p, "PRAGMA synchronous = NORMAL");
	execute(writer.db, "BEGIN");
	add_name(&writer, &moulds[0], name);
	execute(writer.db, "COMMIT");
	writer_close(&writer);
}
