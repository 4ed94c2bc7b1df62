/* SPDX-License-Identifier: ISC */
/*
 * test_host_exim.c: the functions that Exim calls, as Exim calls them: what they
 * yield, the files behind it, and that nothing makes them fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "contexts.h"
#include "error.h"
#include "../harness.h"
#include "log.h"
#include "pemfile.h"

#define OWN_CERT "/etc/exim4/own.crt"
#define OWN_KEY "/etc/exim4/own.key"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef int exim_function(unsigned char **yield, int argc, unsigned char *argv[]);
exim_function snicert_exim_attach, snicert_exim_certificate, snicert_exim_privatekey;

static struct world *world;

/* --- what Exim has: its local_scan.h ------------------------------------------------ */

#define EXPORTED __attribute__((visibility("default")))
#define LOG_MAIN 1

EXPORTED void log_write(unsigned selector, int which, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
EXPORTED unsigned char *expand_string(unsigned char *text);

static struct lines logged;

void
log_write(unsigned selector, int which, const char *format, ...)
{
	char text[2048];
	va_list ap;

	ck_assert_uint_eq(selector, 0);
	ck_assert_int_eq(which, LOG_MAIN);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	lines_sink(&logged, 0, text);
}

unsigned char *
expand_string(unsigned char *text)
{
	return text;
}

/* --- what goes wrong below: by the linker's --wrap ----------------------------------- */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static enum trouble {
	NONE, NO_MEMORY_TO_OPEN, NO_MEMORY_TO_WATCH, NO_BIO, NO_MEMORY_FILE, OLD_KERNEL, DISK_FULL, INTERRUPTED, NO_EC,
} trouble;
static char said_without[256];

int __real_snicert_open_logging(struct snicert **, const char *, struct snicert_sink, struct snicert_error *);
int __wrap_snicert_open_logging(struct snicert **, const char *, struct snicert_sink, struct snicert_error *);
int __real_contexts_watch_older(struct hook *);
int __wrap_contexts_watch_older(struct hook *);
void __wrap_log_say_without(enum log_event, const char *);
BIO *__real_BIO_new(const BIO_METHOD *);
BIO *__wrap_BIO_new(const BIO_METHOD *);
int __real_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *, unsigned);
ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);
int __real_pemfile_path(struct pemfiles *, const struct chain *, char *, struct snicert_error *);
int __wrap_pemfile_path(struct pemfiles *, const struct chain *, char *, struct snicert_error *);

int
__wrap_snicert_open_logging(struct snicert **out, const char *path, struct snicert_sink sink,
    struct snicert_error *err)
{
	return trouble == NO_MEMORY_TO_OPEN ? error_set(err, SNICERT_EMEMORY, "no memory") :
	    __real_snicert_open_logging(out, path, sink, err);
}

int
__wrap_contexts_watch_older(struct hook *hook)
{
	return trouble == NO_MEMORY_TO_WATCH ? -1 : __real_contexts_watch_older(hook);
}

void
__wrap_log_say_without(enum log_event event, const char *sentence)
{
	snprintf(said_without, sizeof(said_without), "%s: %s", log_events[event].name, sentence);
}

BIO *
__wrap_BIO_new(const BIO_METHOD *method)
{
	return trouble == NO_BIO ? NULL : __real_BIO_new(method);
}

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	if (trouble != NO_MEMORY_FILE && (trouble != OLD_KERNEL || (flags & MFD_NOEXEC_SEAL) == 0))
		return __real_memfd_create(name, flags);
	errno = trouble == OLD_KERNEL ? EINVAL : ENFILE;
	return -1;
}

/* A few octets a time, with interruptions between. */
ssize_t
__wrap_write(int fd, const void *data, size_t length)
{
	static unsigned turn;

	if (trouble != DISK_FULL && trouble != INTERRUPTED)
		return __real_write(fd, data, length);
	errno = trouble == DISK_FULL ? ENOSPC : EINTR;
	if (trouble == DISK_FULL || turn++ % 2 == 0)
		return -1;
	return __real_write(fd, data, length > 100 ? 100 : length);
}

int
__wrap_pemfile_path(struct pemfiles *files, const struct chain *chain, char *path, struct snicert_error *err)
{
	if (trouble == NO_EC && strcmp(chain_key_type(chain), "EC") == 0)
		return error_set(err, SNICERT_EKEY, "this key can't be written");
	return __real_pemfile_path(files, chain, path, err);
}

/* ------------------------------------------------------------------------------------ */

static int64_t
add_as(const char *cn, enum key_kind kind, const char *names)
{
	struct spec spec = { .cn = cn, .kind = kind, .names = names };

	return world_add(world, &spec);
}

static void
setup(void)
{
	world = world_new();
	add_as("rsa.example", KEY_RSA, NULL);
	add_as("both.ec", KEY_P256, "both.example");
	add_as("both.rsa", KEY_RSA, "both.example");
	add_as("ec.example", KEY_P256, NULL);
	add_as("wild", KEY_RSA, "*.wild.example");
	world_bind(world, "@", add_as("fallback.example", KEY_RSA, NULL));
}

static void
teardown(void)
{
	world_free(world);
}

/* A call with these arguments, the list of them ending in NULL; what it yields, copied. */
static const char *
call_with(exim_function *function, const char *const *arguments)
{
	static char copies[8][8192];
	static int turn;
	unsigned char *argv[12], *yield = NULL;
	int argc = 0;

	for (; arguments[argc] != NULL; argc++)
		argv[argc] = (unsigned char *)strdup(arguments[argc]);
	argv[argc] = NULL;
	errno = 77;
	ck_assert_int_eq(function(&yield, argc, argv), 0);
	ck_assert_int_eq(errno, 77);
	ck_assert_ptr_nonnull(yield);
	turn = (turn + 1) % 8;
	snprintf(copies[turn], sizeof(copies[turn]), "%s", (char *)yield);
	while (argc > 0)
		free(argv[--argc]);
	return copies[turn];
}

static const char *
certificate_at(const char *name, const char *address)
{
	const char *arguments[] = { world->config, name, OWN_CERT, address, NULL };

	return call_with(snicert_exim_certificate, arguments);
}

static const char *
certificate(const char *name)
{
	return certificate_at(name, NULL);
}

static const char *
privatekey(const char *name)
{
	const char *arguments[] = { world->config, name, OWN_KEY, NULL };

	return call_with(snicert_exim_privatekey, arguments);
}

/* Whose certificates the files of a list are for, with commas between; "own" for
 * the host's; each checked to have its intermediate and its key. */
static const char *
whose(const char *list)
{
	static char names[512];
	char copy[8192], *rest = copy, *path;

	names[0] = '\0';
	snprintf(copy, sizeof(copy), "%s", list);
	while ((path = strsep(&rest, ":")) != NULL) {
		BIO *in = BIO_new_file(path, "r");
		X509 *leaf, *next;
		EVP_PKEY *key;
		char cn[64] = "own";

		if (in != NULL) {
			leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
			next = PEM_read_bio_X509(in, NULL, NULL, NULL);
			key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
			ck_assert(leaf != NULL && next != NULL && key != NULL);
			ck_assert_int_eq(X509_check_private_key(leaf, key), 1);
			ck_assert_int_eq(X509_check_issued(next, leaf), X509_V_OK);
			cert_cn(leaf, cn, sizeof(cn));
			X509_free(leaf);
			X509_free(next);
			EVP_PKEY_free(key);
			BIO_free(in);
		}
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
		    names[0] == '\0' ? "" : ",", cn);
	}
	ERR_clear_error();
	return names;
}

/* --- what is served ------------------------------------------------------- */

START_TEST(test_names)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "rsa.example", "rsa.example" },
		{ "RSA.Example.", "rsa.example" },
		{ "ec.example", "ec.example,fallback.example" },
		{ "mx.wild.example", "wild" },
		{ "a.mx.wild.example", "fallback.example" },
		{ "wild.example", "fallback.example" },
		{ "nobody.example", "fallback.example" },
		{ "", "fallback.example" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *list = certificate(cases[i].name);

		ck_assert_str_eq(whose(list), cases[i].want);
		ck_assert_str_eq(privatekey(cases[i].name), list);
	}
}
END_TEST

START_TEST(test_two_key_types)
{
	const char *list = certificate("both.example");

	ck_assert_str_eq(whose(list), "both.ec,both.rsa");
	ck_assert_ptr_eq(strchr(list, ':'), strrchr(list, ':'));
	ck_assert_str_eq(privatekey("both.example"), list);
}
END_TEST

/* No RSA in the store: Exim's own may have it. */
START_TEST(test_the_own_file_behind)
{
	char want[200];

	world_bind(world, "@", add_as("fallback.ec", KEY_P256, NULL));
	world_unbind(world, "@"); /* all of it … */
	world_bind(world, "@", add_as("fallback2.ec", KEY_P256, NULL));
	ck_assert_str_eq(whose(certificate("ec.example")), "ec.example,own");
	snprintf(want, sizeof(want), "%s", certificate("ec.example"));
	ck_assert_str_eq(strrchr(want, ':') + 1, OWN_CERT);
	strcpy(strrchr(want, ':') + 1, OWN_KEY);
	ck_assert_str_eq(privatekey("ec.example"), want);
	ck_assert_str_eq(whose(certificate("nobody.example")), "fallback2.ec,own");
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
}
END_TEST

START_TEST(test_fallback_of_an_address)
{
	static const char *const ours[] = { "192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201" };
	static const char *const others[] = { "192.0.2.2", "", "nonsense", "192.0.2.1\n", "2001:db8::1" };

	world_bind(world, "@192.0.2.1", add_as("four.example", KEY_RSA, NULL));
	world_bind(world, "@2001:db8::5", add_as("six.example", KEY_RSA, NULL));
	for (size_t i = 0; i < COUNT(ours); i++)
		ck_assert_str_eq(whose(certificate_at("", ours[i])), "four.example");
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_str_eq(whose(certificate_at("", others[i])), "fallback.example");
	ck_assert_str_eq(whose(certificate_at("", "2001:0db8:0::5")), "six.example");
	ck_assert_str_eq(whose(certificate_at("rsa.example", "192.0.2.1")), "rsa.example");
	ck_assert_str_eq(whose(certificate_at("ec.example", "192.0.2.1")), "ec.example,four.example");
}
END_TEST

START_TEST(test_expired)
{
	struct spec spec = { .cn = "old.example", .kind = KEY_RSA, .from = -40 * DAY, .to = -DAY };

	world_add(world, &spec);
	ck_assert_str_eq(whose(certificate("old.example")), "old.example");
	strcat(world->config, "2");
	world_configure(world, "expired = fallback");
	ck_assert_str_eq(whose(certificate("old.example")), "fallback.example");
}
END_TEST

/* --- paths ---------------------------------------------------------------- */

START_TEST(test_distinct_paths)
{
	const char *rsa = certificate("rsa.example"), *wild = certificate("mx.wild.example");
	char first[64];

	ck_assert_str_ne(rsa, wild);
	ck_assert_str_eq(certificate("rsa.example"), rsa);
	ck_assert_str_eq(certificate("my.wild.example"), wild);
	/* Renewed: another path, while the former one still holds the former chain. */
	snprintf(first, sizeof(first), "%s", rsa);
	world_unbind(world, "rsa.example");
	add_as("renewed", KEY_RSA, "rsa.example");
	rsa = certificate("rsa.example");
	ck_assert_str_ne(rsa, first);
	ck_assert_str_eq(whose(rsa), "renewed");
	ck_assert_str_eq(whose(first), "rsa.example");
}
END_TEST

/* The store moves on between the certificate and its key. */
START_TEST(test_a_key_belongs_to_its_certificate)
{
	const char *list = certificate("rsa.example"), *unknown;

	add_as("renewed", KEY_RSA, "rsa.example");
	ck_assert_str_eq(privatekey("rsa.example"), list);
	ck_assert_str_ne(certificate("rsa.example"), list);
	unknown = certificate("nobody.example");
	add_as("known", KEY_RSA, "nobody.example");
	ck_assert_str_eq(privatekey("nobody.example"), unknown);
	world_remove_store(world);
	list = certificate("elsewhere.example");
	ck_assert_str_eq(privatekey("elsewhere.example"), strcmp(list, OWN_CERT) == 0 ? OWN_KEY : list);
	/* A key alone is a question of its own. */
	ck_assert_str_eq(whose(privatekey("mx.wild.example")), whose(certificate("mx.wild.example")));
}
END_TEST

START_TEST(test_sealed)
{
	const char *path = certificate("rsa.example");
	int fd = atoi(path + strlen("/proc/self/fd/")), again;
	struct stat st;
	char target[64] = "";

	ck_assert(strncmp(path, "/proc/self/fd/", 14) == 0 && fd > 2);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0400);
	ck_assert_int_gt(readlink(path, target, sizeof(target) - 1), 0);
	ck_assert_ptr_nonnull(strstr(target, "memfd:"));
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	/* As root opens what it likes; the seals hold all the same. */
	again = open(path, O_RDWR | O_CLOEXEC);
	ck_assert(again < 0 || pwrite(again, "x", 1, 0) == -1);
	if (again >= 0)
		close(again);
}
END_TEST

static int
with_closed_fds(void *arg)
{
	const char *path;

	(void)arg;
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	path = certificate("rsa.example");
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 1 + fd;
	return atoi(path + strlen("/proc/self/fd/")) > 2 ? 9 : 0;
}

START_TEST(test_not_among_the_first_fds)
{
	ck_assert_int_eq(in_child(with_closed_fds, NULL), 9);
}
END_TEST

START_TEST(test_bounded)
{
	char previous[64] = "";
	int before = 0;

	for (int i = 0; i < 60; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many%d.example", i);
		add_as(name, KEY_RSA, NULL);
	}
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 60; i++) {
			char name[32];
			const char *list;

			snprintf(name, sizeof(name), "many%d.example", i);
			list = certificate(name);
			ck_assert_str_ne(list, previous);
			snprintf(previous, sizeof(previous), "%s", list);
			ck_assert_str_eq(privatekey(name), list);
		}
		ck_assert_str_eq(whose(previous), "many59.example");
		if (round == 0)
			before = open_fds();
	}
	ck_assert_int_eq(open_fds(), before);
	ck_assert_int_lt(before, 60);
}
END_TEST

/* A host that closes what it does not know, and opens something in the place. */
START_TEST(test_a_closed_file)
{
	const char *path = certificate("rsa.example");
	int fd = atoi(path + strlen("/proc/self/fd/")), null;

	close(fd);
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
	fd = atoi(certificate("rsa.example") + strlen("/proc/self/fd/"));
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(dup3(null, fd, O_CLOEXEC), fd);
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	close(null);
	close(fd);
}
END_TEST

static int
in_a_child(void *arg)
{
	const char *list = certificate("rsa.example");

	(void)arg;
	if (strcmp(whose(list), "rsa.example") != 0 || strcmp(privatekey("rsa.example"), list) != 0)
		return 1;
	return strcmp(whose(certificate("mx.wild.example")), "wild") == 0 ? 7 : 2;
}

/* The daemon has opened the store, its children serve; a renewal comes in between. */
START_TEST(test_children)
{
	const char *arguments[] = { world->config, NULL };

	ck_assert_str_eq(call_with(snicert_exim_attach, arguments), "");
	ck_assert_int_eq(in_child(in_a_child, NULL), 7);
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
	ck_assert_int_eq(in_child(in_a_child, NULL), 7);
	world_unbind(world, "rsa.example");
	add_as("renewed", KEY_RSA, "rsa.example");
	ck_assert_int_eq(in_child(in_a_child, NULL), 1);
	ck_assert_str_eq(whose(certificate("rsa.example")), "renewed");
}
END_TEST

/* --- what must not do harm ------------------------------------------------ */

START_TEST(test_hostile_names)
{
	static const char *const names[] = {
		"\\", "rsa.example\\", "\\rsa.example", "rsa.example\\x00", "../../etc/passwd",
		"/proc/self/fd/3", "rsa.example:rsa.example", "rsa.example ", " rsa.example",
		"rsa.example\n", "$tls_in_sni", "${run{/bin/true}}", "%s%n", "@", "@192.0.2.1", "*",
		"*.wild.example", "192.0.2.1", "[::1]", "\xc3\xa4.example", "\x01", ".", "..", "a..b",
		"'; DROP TABLE binding; --",
	};
	char big[70000];

	world_bind(world, "@192.0.2.1", add_as("four.example", KEY_RSA, NULL));
	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(strcmp(whose(certificate(names[i])), "fallback.example") == 0, "%s: %s",
		    names[i], certificate(names[i]));
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ck_assert_str_eq(whose(certificate(big)), "fallback.example");
	ck_assert_str_eq(whose(certificate_at("", big)), "fallback.example");
	memset(big, '\\', sizeof(big) - 1);
	ck_assert_str_eq(whose(certificate(big)), "fallback.example");
}
END_TEST

/* Argument lists that are off: as much as can be had of them. */
START_TEST(test_arguments)
{
	const char *none[] = { NULL }, *config[] = { world->config, NULL };
	const char *two[] = { world->config, "rsa.example", NULL };
	const char *five[] = { world->config, "rsa.example", OWN_CERT, "192.0.2.1", "more", NULL };

	ck_assert_str_eq(call_with(snicert_exim_certificate, none), "");
	ck_assert_str_eq(call_with(snicert_exim_privatekey, none), "");
	ck_assert_str_eq(call_with(snicert_exim_attach, none), "");
	ck_assert_str_eq(whose(call_with(snicert_exim_certificate, config)), "fallback.example");
	ck_assert_str_eq(whose(call_with(snicert_exim_certificate, two)), "rsa.example");
	ck_assert_str_eq(whose(call_with(snicert_exim_certificate, five)), "rsa.example");
	ck_assert_str_eq(call_with(snicert_exim_attach, five), "");
}
END_TEST

/* The own file comes back letter by letter, also one that is too long for a list. */
START_TEST(test_the_own_file_alone)
{
	char big[9000];
	const char *arguments[] = { world->config, "nobody.example", big, NULL };
	unsigned char *argv[] = { (unsigned char *)world->config, (unsigned char *)"", (unsigned char *)big,
		NULL }, *yield = NULL;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	world_unbind(world, "@");
	ck_assert_str_eq(certificate("nobody.example"), OWN_CERT);
	ck_assert_str_eq(privatekey("nobody.example"), OWN_KEY);
	/* The very octets: Exim knows by their place whether to trust them. */
	ck_assert_int_eq(snicert_exim_certificate(&yield, 3, argv), 0);
	ck_assert_ptr_eq(yield, big);
	arguments[1] = "ec.example";
	ck_assert_str_eq(whose(call_with(snicert_exim_certificate, arguments)), "ec.example");
}
END_TEST

static void
spoil_store(void)
{
	write_file(world->store, "nothing of the kind", 0644);
}

static void
lose_store(void)
{
	world_remove_store(world);
}

static void
lose_key(void)
{
	unlink(world->key);
}

static void
publish_key(void)
{
	chmod(world->key, 0644);
}

static void
lose_conf(void)
{
	unlink(world->config);
}

static void
break_conf(void)
{
	write_file(world->config, "store { path = ", 0644);
}

static void
spoil_chains(void)
{
	world_sql(world, "UPDATE cert SET der = x'00'");
}

static void
spoil_keys(void)
{
	world_sql(world, "UPDATE chain SET sealed_key = x'0011'");
}

static void (*const troubles[])(void) = {
	spoil_store, lose_store, lose_key, publish_key, lose_conf, break_conf, spoil_chains, spoil_keys,
};

START_TEST(test_trouble)
{
	const char *config[] = { world->config, NULL };

	if (troubles[_i] == spoil_store)
		world_remove_store(world);
	troubles[_i]();
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(certificate("rsa.example"), OWN_CERT);
		ck_assert_str_eq(privatekey("rsa.example"), OWN_KEY);
		ck_assert_str_eq(certificate(""), OWN_CERT);
		ck_assert_str_eq(call_with(snicert_exim_attach, config), "");
	}
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* A key elsewhere that can be read is as good as any; one that can't, is passed over. */
START_TEST(test_key_uri)
{
	char path[200];
	EVP_PKEY *key = key_make(KEY_P256);
	struct spec spec = { .cn = "uri.example", .key = key };
	BIO *out;
	int64_t id = world_add(world, &spec);

	snprintf(path, sizeof(path), "%s/uri.key", world->dir);
	out = BIO_new_file(path, "w");
	ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	BIO_free(out);
	EVP_PKEY_free(key);
	world_sql(world, "UPDATE chain SET sealed_key = NULL, key_uri = 'file:%s' WHERE id = %lld", path,
	    (long long)id);
	ck_assert_str_eq(whose(certificate("uri.example")), "uri.example,fallback.example");
	world_sql(world, "UPDATE chain SET key_uri = 'pkcs11:object=none', identity = randomblob(32)"
	    " WHERE id = %lld", (long long)id);
	ck_assert_str_eq(whose(certificate("uri.example")), "fallback.example");
	/* The other chain of the name serves alone. */
	add_as("uri.rsa", KEY_RSA, "uri.example");
	ck_assert_str_eq(whose(certificate("uri.example")), "uri.rsa");
}
END_TEST

/* What is in the way of a file of memory: the next candidate serves, which has had one. */
static const struct {
	const char *label;
	enum trouble trouble;
	const char *said;       /* NULL: served all the same */
} obstacles[] = {
	{ "no memory", NO_BIO, "no memory" },
	{ "no file of memory", NO_MEMORY_FILE, "can't make a file of memory: " },
	{ "no room for its content", DISK_FULL, "can't fill a file of memory: " },
	{ "a kernel that knows no MFD_NOEXEC_SEAL", OLD_KERNEL, NULL },
	{ "signals as it is written", INTERRUPTED, NULL },
};

START_TEST(test_obstacles)
{
	const char *got, *want = obstacles[_i].said == NULL ? "rsa.example" : "fallback.example", *said = obstacles[_i].said;
	int before;

	certificate("nobody.example"); /* all is open */
	before = open_fds();
	trouble = obstacles[_i].trouble;
	got = certificate("rsa.example");
	trouble = NONE;
	ck_assert_msg(strcmp(whose(got), want) == 0, "%s: got %s", obstacles[_i].label, got);
	ck_assert_msg(said == NULL || strstr(logged.text, said) != NULL, "%s: logged %s", obstacles[_i].label,
	    logged.text);
	ck_assert_int_eq(open_fds(), before + (said == NULL));
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
}
END_TEST

/* There is one descriptor, for the file, and none to see whether its path leads there. */
START_TEST(test_unreachable)
{
	struct rlimit limit, few;
	const char *got;
	int fd, before;

	certificate("nobody.example");
	before = open_fds();
	fd = open("/dev/null", O_RDONLY);
	close(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	got = certificate("rsa.example");
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_str_eq(whose(got), "fallback.example");
	ck_assert_msg(strstr(logged.text, "can't open /proc/self/fd/") != NULL, "logged %s", logged.text);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* One chain of several whose key can't be had is passed over, and told; if it is the only one, the next serves. */
START_TEST(test_passed_over)
{
	trouble = NO_EC;
	ck_assert_str_eq(whose(certificate("both.example")), "both.rsa");
	ck_assert_msg(strstr(logged.text, "event=rejected ") != NULL && strstr(logged.text, "name=both.example") != NULL &&
	    strstr(logged.text, "one of several chains of both.example skipped: this key can't be written") != NULL, "logged %s",
	    logged.text);
	ck_assert_str_eq(whose(certificate("ec.example")), "fallback.example");
	trouble = NONE;
	ck_assert_str_eq(whose(certificate("both.example")), "both.ec,both.rsa");
}
END_TEST

START_TEST(test_no_memory)
{
	const char *arguments[] = { world->config, NULL };
	SSL_CTX *ctx = server_ctx();

	trouble = NO_MEMORY_TO_OPEN;
	ck_assert_str_eq(certificate("rsa.example"), OWN_CERT);
	ck_assert_str_eq(privatekey("rsa.example"), OWN_KEY);
	ck_assert_str_eq(said_without, "memory: no memory: the server's own certificate serves");
	ck_assert_str_eq(call_with(snicert_exim_attach, arguments), "");
	trouble = NO_MEMORY_TO_WATCH;
	ck_assert_str_eq(call_with(snicert_exim_attach, arguments), "");
	ck_assert_ptr_nonnull(strstr(logged.text, "event=memory "));
	ck_assert_ptr_nonnull(strstr(logged.text, "no memory to watch for TLS contexts"));
	ck_assert_str_eq(served(ctx, "rsa.example"), "own-ec");
	trouble = NONE;
	ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
	SSL_CTX_free(ctx);
}
END_TEST

/* Exim's own log has what would else go to syslog. */
START_TEST(test_log)
{
	certificate("nobody.example");
	ck_assert_msg(strstr(logged.text, "snicert: event=fallback ") != NULL &&
	    strstr(logged.text, "name=nobody.example") != NULL, "logged %s", logged.text);
	for (const char *line = logged.text; *line != '\0'; line = strchr(line, '\n') + 1)
		ck_assert_int_eq(strncmp(line, "snicert: event=", strlen("snicert: event=")), 0);
}
END_TEST

START_TEST(test_error_queue)
{
	ERR_put_error(ERR_LIB_USER, 0, 42, "here", 1);
	certificate("rsa.example");
	lose_key();
	certificate("mx.wild.example");
	privatekey("nobody.example");
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), 42);
	ERR_clear_error();
}
END_TEST

/* --- OpenSSL's Exim ------------------------------------------------------- */

START_TEST(test_attach)
{
	const char *arguments[] = { world->config, NULL };
	SSL_CTX *ctx = server_ctx();
	int before = 0;

	ck_assert_str_eq(served(ctx, "rsa.example"), "own-ec");
	for (int i = 0; i < 50; i++) {
		ck_assert_str_eq(call_with(snicert_exim_attach, arguments), "");
		ck_assert_str_eq(served(ctx, "rsa.example"), "rsa.example");
		if (i == 0)
			before = open_fds();
	}
	ck_assert_int_eq(open_fds(), before);
	ck_assert_str_eq(served(ctx, "nobody.example"), "fallback.example");
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(test_two_configurations)
{
	struct world *first = world, *second = world_new();
	struct spec spec = { .cn = "second.example", .kind = KEY_RSA, .names = "rsa.example" };

	world_add(second, &spec);
	for (int i = 0; i < 3; i++) {
		world = first;
		ck_assert_str_eq(whose(certificate("rsa.example")), "rsa.example");
		world = second;
		ck_assert_str_eq(whose(privatekey("rsa.example")), "second.example");
		ck_assert_str_eq(certificate(""), OWN_CERT);
	}
	world = first;
	world_free(second);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("host_exim");
	TCase *tests = tcase_create("host_exim");
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, test_names);
	tcase_add_test(tests, test_two_key_types);
	tcase_add_test(tests, test_the_own_file_behind);
	tcase_add_test(tests, test_fallback_of_an_address);
	tcase_add_test(tests, test_expired);
	tcase_add_test(tests, test_distinct_paths);
	tcase_add_test(tests, test_a_key_belongs_to_its_certificate);
	tcase_add_test(tests, test_sealed);
	tcase_add_test(tests, test_not_among_the_first_fds);
	tcase_add_test(tests, test_bounded);
	tcase_add_test(tests, test_a_closed_file);
	tcase_add_test(tests, test_children);
	tcase_add_test(tests, test_hostile_names);
	tcase_add_test(tests, test_arguments);
	tcase_add_test(tests, test_the_own_file_alone);
	tcase_add_loop_test(tests, test_trouble, 0, COUNT(troubles));
	tcase_add_test(tests, test_key_uri);
	tcase_add_loop_test(tests, test_obstacles, 0, COUNT(obstacles));
	tcase_add_test(tests, test_unreachable);
	tcase_add_test(tests, test_passed_over);
	tcase_add_test(tests, test_no_memory);
	tcase_add_test(tests, test_log);
	tcase_add_test(tests, test_error_queue);
	tcase_add_test(tests, test_attach);
	tcase_add_test(tests, test_two_configurations);
	suite_add_tcase(suite, tests);
	harness_start();
	failed = harness_run(suite);
	harness_end();
	return failed;
}
