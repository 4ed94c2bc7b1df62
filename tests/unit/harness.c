/* SPDX-License-Identifier: ISC */
/* harness.c: a temporary world, and handshakes within the process. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sqlite3.h>

#include "harness.h"
#include "intake/intake.h"
#include "store/keyfile.h"
#include "seal.h"

static struct {
	EVP_PKEY *rsa, *root_key, *ca_key;
	X509 *root, *ca;
} authority;

/* --- certificates --------------------------------------------------------- */

/* Check's assertions want a running test, and this is needed before. */
static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "harness: can't %s\n", what);
	abort();
}

EVP_PKEY *
key_make(enum key_kind kind)
{
	EVP_PKEY *key = NULL;

	switch (kind) {
	case KEY_RSA:
		if (authority.rsa == NULL)
			authority.rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
		key = authority.rsa;
		must(key != NULL, "make a key");
		EVP_PKEY_up_ref(key);
		break;
	case KEY_P256:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		break;
	case KEY_P384:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
		break;
	case KEY_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	}
	must(key != NULL, "make a key");
	return key;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(extension != NULL, value);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* "a b" → "DNS:a,DNS:b" */
static void
add_names(X509 *cert, const char *names)
{
	char value[2048];
	size_t used = 0;

	while (*names != '\0') {
		size_t length = strcspn(names, " ");

		used += (size_t)snprintf(value + used, sizeof(value) - used, "%sDNS:%.*s",
		    used > 0 ? "," : "", (int)length, names);
		names += length;
		names += strspn(names, " ");
	}
	add_extension(cert, cert, NID_subject_alt_name, value);
}

/*
 * The moment that the lives of a test's chains are counted from: one for all of them, as of two of
 * a lineage the later issued is newer, and a slow machine makes them a second apart.
 */
static time_t
moment(void)
{
	static time_t first;

	if (first == 0)
		first = time(NULL);
	return first;
}

static X509 *
cert_start(const char *cn, EVP_PKEY *key, int64_t from, int64_t to)
{
	X509 *cert = X509_new();
	unsigned char serial[8];
	time_t start = moment();
	X509_NAME *name;

	must(cert != NULL, "make a certificate");
	RAND_bytes(serial, sizeof(serial));
	serial[0] = 1;
	X509_set_version(cert, X509_VERSION_3);
	ASN1_STRING_set(X509_get_serialNumber(cert), serial, sizeof(serial));
	X509_time_adj_ex(X509_getm_notBefore(cert), 0, (long)from, &start);
	X509_time_adj_ex(X509_getm_notAfter(cert), 0, (long)to, &start);
	X509_set_pubkey(cert, key);
	name = X509_get_subject_name(cert);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
	    0) == 1, cn);
	return cert;
}

static void
cert_sign(X509 *cert, X509 *issuer, EVP_PKEY *key)
{
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	must(X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0, "sign");
}

static X509 *
cert_ca(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = cert_start(cn, key, -DAY, 3650 * DAY);

	add_extension(cert, issuer == NULL ? cert : issuer, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, issuer == NULL ? cert : issuer, NID_key_usage, "critical,keyCertSign");
	cert_sign(cert, issuer == NULL ? cert : issuer, issuer_key);
	return cert;
}

X509 *
cert_make(const struct spec *spec, EVP_PKEY *key)
{
	X509 *cert = cert_start(spec->cn, key, spec->from == 0 ? -DAY : spec->from,
	    spec->to == 0 ? 90 * DAY : spec->to);

	add_extension(cert, cert, NID_basic_constraints, "critical,CA:FALSE");
	add_names(cert, spec->names != NULL ? spec->names : spec->cn);
	if (spec->self_signed)
		cert_sign(cert, cert, key);
	else
		cert_sign(cert, authority.ca, authority.ca_key);
	return cert;
}

void
cert_cn(const X509 *cert, char *out, size_t size)
{
	out[0] = '\0';
	if (cert != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, (int)size);
}

void
harness_start(void)
{
	key_make(KEY_RSA);
	EVP_PKEY_free(authority.rsa); /* one reference is ours */
	authority.root_key = key_make(KEY_P256);
	authority.ca_key = key_make(KEY_P256);
	authority.root = cert_ca("root", authority.root_key, NULL, authority.root_key);
	authority.ca = cert_ca("ca", authority.ca_key, authority.root, authority.root_key);
}

void
harness_end(void)
{
	EVP_PKEY_free(authority.rsa);
	EVP_PKEY_free(authority.root_key);
	EVP_PKEY_free(authority.ca_key);
	X509_free(authority.root);
	X509_free(authority.ca);
}

int
harness_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

static void
add_own(SSL_CTX *ctx, const char *cn, enum key_kind kind)
{
	struct spec spec = { .cn = cn, .self_signed = true };
	EVP_PKEY *key = key_make(kind);
	X509 *cert = cert_make(&spec, key);

	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

SSL_CTX *
server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	struct spec stranger = { .cn = "stranger", .self_signed = true };
	EVP_PKEY *key = key_make(KEY_P256);

	ck_assert_ptr_nonnull(ctx);
	add_own(ctx, "own-rsa", KEY_RSA);
	add_own(ctx, "own-ec", KEY_P256);
	SSL_CTX_add_extra_chain_cert(ctx, cert_make(&stranger, key)); /* takes it */
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU);
	EVP_PKEY_free(key);
	return ctx;
}

/* --- the world ------------------------------------------------------------ */

void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

void
world_configure(const struct world *w, const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "store { path = \"%s\" key = \"%s\" }\nlog { target = none level = debug }\n"
	    "stats { path = \"%s\" unknown = 64 names = 1024 }\n%s\n", w->store, w->key, w->stats,
	    more == NULL ? "" : more);
	write_file(w->config, text, 0644);
}

/* A directory, with nothing in it. */
static struct world *
world_place(void)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");

	ck_assert_ptr_nonnull(w);
	snprintf(w->dir, sizeof(w->dir), "%s/snicert-test-XXXXXX",
	    tmp != NULL && strlen(tmp) < 32 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	chmod(w->dir, 0755);
	snprintf(w->config, sizeof(w->config), "%s/snicert.conf", w->dir);
	snprintf(w->store, sizeof(w->store), "%s/store.db", w->dir);
	snprintf(w->key, sizeof(w->key), "%s/store.key", w->dir);
	snprintf(w->stats, sizeof(w->stats), "%s/stats", w->dir);
	return w;
}

struct world *
world_new_for(gid_t group)
{
	struct world *w = world_place();
	struct snicert_error err = {0};

	ck_assert_msg(admin_create(w->store, group, &err) == 0, "%s", err.text);
	ck_assert_msg(keyfile_create(w->key, group, &err) == 0, "%s", err.text);
	world_configure(w, NULL);
	return w;
}

struct world *
world_new(void)
{
	return world_new_for((gid_t)-1);
}

struct world *
world_copy(const struct world *from)
{
	struct world *w = world_place();
	char command[200];

	snprintf(command, sizeof(command), "cp -p '%s'/store.* '%s'", from->dir, w->dir);
	ck_assert_int_eq(system(command), 0);
	world_configure(w, NULL);
	return w;
}

void
world_free(struct world *w)
{
	char path[400];
	DIR *dir = opendir(w->dir);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove(path);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(w->dir);
	free(w);
}

void
world_remove_store(const struct world *w)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char path[120];

	for (size_t i = 0; i < COUNT(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", w->store, tails[i]);
		unlink(path);
	}
}

struct admin *
world_admin(const struct world *w)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;

	ck_assert_msg(admin_open(&admin, w->store, ADMIN_WRITE, &err) == 0, "%s", err.text);
	return admin;
}

static void
put_pem(BIO *bio, const struct spec *spec)
{
	EVP_PKEY *key = spec->key;
	X509 *leaf;

	if (key == NULL)
		key = key_make(spec->kind);
	else
		EVP_PKEY_up_ref(key);
	leaf = cert_make(spec, key);
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(bio, leaf);
	if (!spec->self_signed)
		PEM_write_bio_X509(bio, authority.ca);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

struct seal *
world_seal(const struct world *w)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(&err);

	ck_assert_ptr_nonnull(seal);
	ck_assert_msg(seal_read(seal, w->key, (uid_t)-1, &err) == 0, "%s", err.text);
	return seal;
}

/* Within the transaction at hand; the chain's id. */
static int64_t
take_in(struct admin *admin, const struct seal *seal, const struct spec *spec)
{
	struct snicert_error err = {0};
	struct intake in = { .admin = admin, .seal = seal, .bind = !spec->no_bind, .force = true };
	struct bag *bag = bag_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long length;
	int64_t id;

	put_pem(bio, spec);
	length = BIO_get_mem_data(bio, &pem);
	ck_assert_msg(bag_add_mem(bag, spec->cn, (unsigned char *)pem, (size_t)length, NULL, &err) == 0,
	    "%s", err.text);
	ck_assert_msg(intake_bag(&in, bag, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(in.chain_count, 1);
	id = in.chains[0].id;
	intake_free(&in);
	bag_free(bag);
	BIO_free(bio);
	return id;
}

/* In one transaction: each commit syncs and checkpoints.  The last one's id. */
static int64_t
take_in_all(const struct world *w, const struct spec *specs, int count)
{
	struct snicert_error err = {0};
	struct admin *admin = world_admin(w);
	struct seal *seal = world_seal(w);
	int64_t id = 0;

	ck_assert_msg(admin_begin(admin, &err) == 0, "%s", err.text);
	for (int i = 0; i < count; i++)
		id = take_in(admin, seal, &specs[i]);
	ck_assert_msg(admin_commit(admin, &err) == 0, "%s", err.text);
	seal_free(seal);
	admin_close(admin);
	return id;
}

int64_t
world_add(const struct world *w, const struct spec *spec)
{
	return take_in_all(w, spec, 1);
}

void
world_add_numbered(const struct world *w, const char *word, int count)
{
	struct spec *specs = calloc((size_t)count, sizeof(*specs));
	char (*names)[64] = calloc((size_t)count, sizeof(*names));

	for (int i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%d.example", word, i);
		specs[i].cn = names[i];
	}
	take_in_all(w, specs, count);
	free(specs);
	free(names);
}

int
host_client_hello(SSL *ssl, int *alert, void *arg) /* NOLINT(readability-non-const-parameter): OpenSSL's type */
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_CLIENT_HELLO_SUCCESS;
}

void
world_bind(const struct world *w, const char *key, int64_t chain)
{
	struct snicert_error err = {0};
	struct admin *admin = world_admin(w);

	ck_assert_msg(admin_begin(admin, &err) == 0 && admin_bind(admin, key, chain, &err) == 0 &&
	    admin_commit(admin, &err) == 0, "%s", err.text);
	admin_close(admin);
}

void
world_unbind(const struct world *w, const char *key)
{
	struct snicert_error err = {0};
	struct admin *admin = world_admin(w);

	ck_assert_msg(admin_begin(admin, &err) == 0 && admin_unbind(admin, key, NULL, NULL, &err) == 0 &&
	    admin_commit(admin, &err) == 0, "%s", err.text);
	admin_close(admin);
}

void
world_tick(void)
{
	struct timespec before, now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	do
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static sqlite3 *
world_connect(const struct world *w)
{
	sqlite3 *db = NULL;
	int persist = 1;

	ck_assert_int_eq(sqlite3_open(w->store, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	return db;
}

void
world_sql(const struct world *w, const char *format, ...)
{
	sqlite3 *db = world_connect(w);
	char sql[1024], *message = NULL;
	va_list ap;

	va_start(ap, format);
	vsnprintf(sql, sizeof(sql), format, ap);
	va_end(ap);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", sql, message);
	sqlite3_close(db);
	world_tick(); /* as the tool does */
}

void
world_digest(const struct world *w, unsigned char out[32])
{
	static const char *const tables[] = { "cert", "chain", "chain_cert", "binding", "staged",
		"former", "change" };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	sqlite3 *db = world_connect(w);

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	for (size_t i = 0; i < COUNT(tables); i++) {
		sqlite3_stmt *statement = NULL;
		char sql[64];

		snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY 1, 2", tables[i]);
		ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
		while (sqlite3_step(statement) == SQLITE_ROW)
			for (int j = 0; j < sqlite3_column_count(statement); j++) {
				int length = (sqlite3_column_blob(statement, j), sqlite3_column_bytes(statement, j));

				EVP_DigestUpdate(ctx, &length, sizeof(length));
				if (length > 0)
					EVP_DigestUpdate(ctx, sqlite3_column_blob(statement, j), (size_t)length);
			}
		sqlite3_finalize(statement);
	}
	EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	sqlite3_close(db);
}

static int
reseal(void *arg, const unsigned char *identity, const unsigned char *sealed, size_t length,
    unsigned char **out, size_t *out_length, struct snicert_error *err)
{
	unsigned char *plain = NULL;
	size_t plain_length = 0;
	int status;

	if (seal_open(arg, sealed, length, identity, STORE_DIGEST_LENGTH, &plain, &plain_length, err) != 0)
		return -1;
	status = seal_close(arg, plain, plain_length, identity, STORE_DIGEST_LENGTH, out, out_length, err);
	OPENSSL_clear_free(plain, plain_length);
	return status;
}

void
world_rekey(const struct world *w)
{
	struct snicert_error err = {0};
	struct admin *admin = world_admin(w);
	struct seal *seal = world_seal(w);
	int64_t count;

	ck_assert_msg(admin_begin(admin, &err) == 0 && keyfile_append(w->key, seal, &(off_t){0}, &err) == 0 &&
	    admin_rekey(admin, seal_id(seal), INT64_MAX, reseal, seal, &count, &err) == 0 && admin_commit(admin, &err) == 0 &&
	    keyfile_settle(w->key, seal, &err) == 0, "%s", err.text);
	seal_free(seal);
	admin_close(admin);
}

int64_t
fake_add(struct admin *admin, const struct fake *fake, bool *existed)
{
	static int last = 1000000;
	struct snicert_error err = {0};
	struct admin_new_chain row = {
		.key_type = fake->key_type == NULL ? "EC" : fake->key_type,
		.not_before = moment() + (fake->from == 0 ? -DAY : fake->from),
		.lineage = fake->lineage,
		.not_after = moment() + (fake->to == 0 ? 90 * DAY : fake->to),
		.names = fake->names == NULL ? "" : fake->names,
		.subject = fake->subject == NULL ? "" : fake->subject,
		.source = "fake",
		.sealed_key = (const unsigned char *)"sealed",
		.sealed_length = 6,
		.cert_count = 2,
	};
	int number = fake->id != 0 ? fake->id : ++last, spki = fake->spki != 0 ? fake->spki : ++last;
	bool was;
	int64_t id;

	memcpy(row.identity, &number, sizeof(number));
	memcpy(row.spki, &spki, sizeof(spki));
	memcpy(row.certs[0].digest, &number, sizeof(number));
	row.certs[0].der = (const unsigned char *)"leaf";
	row.certs[0].length = 4;
	row.certs[1].digest[0] = 0xca;
	row.certs[1].der = (const unsigned char *)"ca";
	row.certs[1].length = 2;
	row.certs[1].issuer = true;
	row.certs[1].subject_hash = 0xca;
	ck_assert_msg(admin_add(admin, &row, &id, existed == NULL ? &was : existed, &err) == 0, "%s",
	    err.text);
	return id;
}

/* --- handshakes ----------------------------------------------------------- */

static void
client_messages(int write_p, int version, int type, const void *data, size_t length, SSL *ssl,
    void *arg)
{
	struct outcome *out = arg;
	const unsigned char *octets = data;

	(void)version;
	(void)ssl;
	if (write_p && type == SSL3_RT_HANDSHAKE && length > 0 && octets[0] == SSL3_MT_CLIENT_HELLO)
		out->hellos++;
	if (!write_p && type == SSL3_RT_ALERT && length == 2 && octets[0] == SSL3_AL_FATAL)
		out->alert = octets[1];
}

static SSL_CTX *
client_context(const struct client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	ck_assert_ptr_nonnull(ctx);
	if (c->version != 0)
		SSL_CTX_set_max_proto_version(ctx, c->version);
	if (c->sigalgs != NULL)
		ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(ctx, c->sigalgs), 1);
	if (c->ciphers != NULL)
		ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, c->ciphers), 1);
	if (c->groups != NULL)
		ck_assert_int_eq(SSL_CTX_set1_groups_list(ctx, c->groups), 1);
	return ctx;
}

static int
listen_on(const char *address, bool mapped, struct sockaddr_storage *to, socklen_t *to_length)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	bool six = strchr(address, ':') != NULL || mapped;
	socklen_t length = six ? sizeof(in6) : sizeof(in);
	struct sockaddr *at = six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	if (mapped)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	else if (six)
		inet_pton(AF_INET6, address, &in6.sin6_addr);
	else
		inet_pton(AF_INET, address, &in.sin_addr);
	ck_assert_msg(fd >= 0 && bind(fd, at, length) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, at, &length) == 0, "%s: %s", address, strerror(errno));
	if (mapped) {
		in.sin_port = in6.sin6_port;
		inet_pton(AF_INET, address, &in.sin_addr);
		at = (struct sockaddr *)&in;
		length = sizeof(in);
	}
	memcpy(to, at, length);
	*to_length = length;
	return fd;
}

static void
connect_tcp(int fds[2], const struct client *c)
{
	struct sockaddr_storage to;
	socklen_t length;
	int listener = listen_on(c->address, c->mapped, &to, &length);

	fds[0] = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_msg(connect(fds[0], (struct sockaddr *)&to, length) == 0, "%s", strerror(errno));
	fds[1] = accept(listener, NULL, NULL);
	ck_assert_int_ge(fds[1], 0);
	close(listener);
	for (int i = 0; i < 2; i++)
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
}

void
pair_open(struct pair *pair, SSL_CTX *server, const struct client *c, struct outcome *out)
{
	BIO *a, *b;

	memset(out, 0, sizeof(*out));
	pair->outcome = out;
	pair->fds[0] = pair->fds[1] = -1;
	pair->client_ctx = c->ctx == NULL ? client_context(c) : c->ctx;
	if (c->ctx != NULL)
		SSL_CTX_up_ref(c->ctx);
	pair->client = SSL_new(pair->client_ctx);
	pair->server = SSL_new(server);
	ck_assert(pair->client != NULL && pair->server != NULL);
	if (c->address != NULL) {
		connect_tcp(pair->fds, c);
		SSL_set_fd(pair->client, pair->fds[0]);
		SSL_set_fd(pair->server, pair->fds[1]);
	} else {
		ck_assert_int_eq(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
		SSL_set_bio(pair->client, a, a);
		SSL_set_bio(pair->server, b, b);
	}
	SSL_set_connect_state(pair->client);
	SSL_set_accept_state(pair->server);
	SSL_set_msg_callback(pair->client, client_messages);
	SSL_set_msg_callback_arg(pair->client, out);
	if (c->name != NULL)
		ck_assert_int_eq(SSL_set_tlsext_host_name(pair->client, c->name), 1);
	if (c->session != NULL)
		SSL_set_session(pair->client, c->session);
}

/* 1 done, 0 to be continued, -1 failed */
static int
step(SSL *ssl)
{
	int rc = SSL_do_handshake(ssl), reason;

	if (rc == 1)
		return 1;
	reason = SSL_get_error(ssl, rc);
	ck_assert_msg(reason != SSL_ERROR_WANT_X509_LOOKUP, "the handshake is suspended");
	return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool
pair_shake(struct pair *pair)
{
	int client = 0, server = 0;

	for (int i = 0; i < 2000 && (client == 0 || server == 0); i++) {
		struct pollfd wait = { .fd = pair->fds[0], .events = POLLIN };

		if (client == 0)
			client = step(pair->client);
		if (server >= 0)
			server = step(pair->server);
		if (server < 0 && client == 0)
			client = step(pair->client); /* reads the alert */
		if (server < 0)
			break;
		if (client < 0)
			break;
		if (pair->fds[0] >= 0)
			poll(&wait, 1, 1);
	}
	return client == 1 && server == 1;
}

void
pair_close(struct pair *pair)
{
	SSL_free(pair->client);
	SSL_free(pair->server);
	SSL_CTX_free(pair->client_ctx);
	for (int i = 0; i < 2; i++)
		if (pair->fds[i] >= 0)
			close(pair->fds[i]);
	ERR_clear_error();
}

static void
take_chain(struct outcome *out, SSL *client)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(client);
	size_t used = 0;

	cert_cn(SSL_get0_peer_certificate(client), out->leaf, sizeof(out->leaf));
	out->chain[0] = '\0';
	for (int i = 0; i < sk_X509_num(chain); i++) {
		char cn[64];

		cert_cn(sk_X509_value(chain, i), cn, sizeof(cn));
		used += (size_t)snprintf(out->chain + used, sizeof(out->chain) - used, "%s%s",
		    i > 0 ? "," : "", cn);
	}
}

void
handshake(SSL_CTX *server, const struct client *c, struct outcome *out)
{
	struct pair pair;
	const char *name;
	char octet = 'x';

	pair_open(&pair, server, c, out);
	out->done = pair_shake(&pair);
	if (out->done) {
		/* One octet of data brings TLS 1.3's tickets along. */
		ck_assert_int_eq(SSL_write(pair.server, &octet, 1), 1);
		for (int i = 0; i < 1000 && SSL_read(pair.client, &octet, 1) != 1; i++)
			;
		take_chain(out, pair.client);
		out->resumed = SSL_session_reused(pair.server) == 1;
		out->version = SSL_version(pair.server);
		out->session = SSL_get1_session(pair.client);
		SSL_shutdown(pair.server);
		SSL_shutdown(pair.client);
	}
	name = SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name);
	snprintf(out->name, sizeof(out->name), "%s", name == NULL ? "" : name);
	pair_close(&pair);
}

void
outcome_clear(struct outcome *out)
{
	SSL_SESSION_free(out->session);
	out->session = NULL;
}

const char *
served(SSL_CTX *server, const char *name)
{
	static _Thread_local char leaf[64];
	struct client c = { .name = name };
	struct outcome out;

	handshake(server, &c, &out);
	ck_assert_msg(out.done, "%s: the handshake failed, alert %d", name, out.alert);
	snprintf(leaf, sizeof(leaf), "%s", out.leaf);
	outcome_clear(&out);
	return leaf;
}

/* --- processes and logs --------------------------------------------------- */

int
in_child(int (*work)(void *arg), void *arg)
{
	pid_t child = fork();
	int status = 0;

	/* Nothing of Check first: another thread may have held its lock at the fork. */
	if (child == 0)
		_exit(work(arg));
	ck_assert_int_gt(child, 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

double
cpu_seconds(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

void
lines_sink(void *arg, int priority, const char *text)
{
	struct lines *lines = arg;
	int length;

	(void)priority;
	pthread_mutex_lock(&lines_lock);
	length = snprintf(lines->text + lines->used, sizeof(lines->text) - lines->used, "%s\n", text);
	lines->used += (size_t)length;
	if (lines->used >= sizeof(lines->text))
		lines->used = sizeof(lines->text) - 1;
	lines->count++;
	pthread_mutex_unlock(&lines_lock);
}

void
bench_open(struct bench *bench, const struct world *w)
{
	struct snicert_error err = {0};

	memset(bench, 0, sizeof(*bench));
	ck_assert_msg(snicert_open(&bench->snicert, w->config, &err) == 0, "%s", err.text);
	snicert_set_log(bench->snicert, lines_sink, &bench->lines);
	bench->ctx = server_ctx();
	ck_assert_msg(snicert_attach(bench->snicert, bench->ctx, &err) == 0, "%s", err.text);
	world_tick(); /* to open it was a look at the store, and there is one a tick */
}

void
bench_close(struct bench *bench)
{
	SSL_CTX_free(bench->ctx);
	snicert_close(bench->snicert);
}

struct snicert_counters
bench_counters(const struct bench *bench)
{
	struct snicert_counters out;

	snicert_read_counters(bench->snicert, &out);
	return out;
}
