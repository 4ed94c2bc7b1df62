/* SPDX-License-Identifier: ISC */
/* test_seal.c: sealed keys, and the file with the store key through all its stages. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "store/keyfile.h"
#include "seal.h"

#define LINE 103        /* "snicert-store-key-v1 " 16 " " 64 "\n" */
#define IDENTITY_LENGTH 32

static const unsigned char identity[IDENTITY_LENGTH] = "the chain's identity, 32 octets";
static const unsigned char plain[] = "a private key, say";

static char dir[] = "/tmp/snicert-seal.XXXXXX";
static char file[sizeof(dir) + 16], copy[sizeof(dir) + 16];

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/store.key", dir);
	snprintf(copy, sizeof(copy), "%s/copy.key", dir);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
teardown(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Each test starts without files. */
static void
clean(void)
{
	unlink(file);
	unlink(copy);
}

static struct seal *
make_seal(int first, int count)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(&err);
	unsigned char key[SEAL_KEY_LENGTH];

	ck_assert_msg(seal != NULL, "seal_new: %s", err.text);
	for (int i = first; i < first + count; i++) {
		memset(key, i, sizeof(key));
		ck_assert_int_eq(seal_add(seal, key, &err), 0);
	}
	return seal;
}

static unsigned char *
close_plain(const struct seal *seal, size_t *length)
{
	struct snicert_error err = {0};
	unsigned char *sealed = NULL;

	ck_assert_msg(seal_close(seal, plain, sizeof(plain), identity, sizeof(identity), &sealed, length,
	    &err) == 0, "seal_close: %s", err.text);
	ck_assert_uint_eq(*length, sizeof(plain) + SEAL_OVERHEAD);
	return sealed;
}

/* Whether what is sealed opens, and as what it was. */
static bool
opens(const struct seal *seal, const unsigned char *sealed, size_t length)
{
	struct snicert_error err = {0};
	unsigned char *out = NULL;
	size_t out_length = 0;
	bool same;

	if (seal_open(seal, sealed, length, identity, sizeof(identity), &out, &out_length, &err) != 0) {
		ck_assert_msg(err.code == SNICERT_EKEY, "code: got %d, want %d (%s)", err.code, SNICERT_EKEY,
		    err.text);
		ck_assert_ptr_null(out);
		return false;
	}
	same = out_length == sizeof(plain) && memcmp(out, plain, sizeof(plain)) == 0;
	ck_assert_msg(same, "opened as something else");
	OPENSSL_clear_free(out, out_length);
	return true;
}

static const size_t lengths[] = { 0, 1, 15, 16, 17, 32, 121, 1218, 65536 };

START_TEST(test_round_trip)
{
	struct seal *seal = make_seal(1, 1);
	size_t length = lengths[_i], sealed_length = 0, got_length = 0;
	unsigned char *text = malloc(length + 1), *sealed = NULL, *got = NULL;
	struct snicert_error err = {0};

	memset(text, 0xa5, length);
	ck_assert_int_eq(seal_close(seal, text, length, identity, sizeof(identity), &sealed,
	    &sealed_length, &err), 0);
	ck_assert_msg(sealed_length == length + SEAL_OVERHEAD, "length: got %zu, want %zu", sealed_length,
	    length + SEAL_OVERHEAD);
	ck_assert(seal_knows(seal, sealed, sealed_length));
	ck_assert_msg(seal_open(seal, sealed, sealed_length, identity, sizeof(identity), &got,
	    &got_length, &err) == 0, "%zu octets: %s", length, err.text);
	ck_assert_msg(got_length == length && memcmp(got, text, length) == 0,
	    "%zu octets: got %zu others", length, got_length);
	ck_assert_msg(length < 16 || memmem(sealed, sealed_length, text, 16) == NULL,
	    "%zu octets: the plain text is in what is sealed", length);
	OPENSSL_clear_free(got, got_length);
	OPENSSL_free(sealed);
	free(text);
	seal_free(seal);
}
END_TEST

START_TEST(test_nonce)
{
	struct seal *seal = make_seal(1, 1);
	size_t length;
	unsigned char *one = close_plain(seal, &length), *two = close_plain(seal, &length);

	ck_assert_msg(memcmp(one + 1 + SEAL_ID_LENGTH, two + 1 + SEAL_ID_LENGTH, 12) != 0,
	    "the same nonce twice");
	ck_assert_int_eq(memcmp(one, two, 1 + SEAL_ID_LENGTH), 0);
	OPENSSL_free(one);
	OPENSSL_free(two);
	seal_free(seal);
}
END_TEST

START_TEST(test_wrong_identity)
{
	struct seal *seal = make_seal(1, 1);
	size_t length, out_length = 0;
	unsigned char *sealed = close_plain(seal, &length), other[IDENTITY_LENGTH], *out = NULL;
	struct snicert_error err = {0};

	for (size_t i = 0; i < sizeof(identity); i++) {
		memcpy(other, identity, sizeof(other));
		other[i] ^= 1;
		memset(&err, 0, sizeof(err));
		ck_assert_msg(seal_open(seal, sealed, length, other, sizeof(other), &out, &out_length,
		    &err) == -1, "identity's octet %zu changed: got success, want an error", i);
		ck_assert_int_eq(err.code, SNICERT_EKEY);
	}
	ck_assert_int_eq(seal_open(seal, sealed, length, identity, sizeof(identity) - 1, &out,
	    &out_length, NULL), -1);
	ck_assert(opens(seal, sealed, length));
	OPENSSL_free(sealed);
	seal_free(seal);
}
END_TEST

START_TEST(test_flipped)
{
	struct seal *seal = make_seal(1, 1);
	size_t length;
	unsigned char *sealed = close_plain(seal, &length);

	for (size_t i = 0; i < length; i++) {
		for (int bit = 0; bit < 8; bit++) {
			sealed[i] ^= (unsigned char)(1 << bit);
			ck_assert_msg(!opens(seal, sealed, length), "octet %zu, bit %d: got success", i, bit);
			if (i <= SEAL_ID_LENGTH)
				ck_assert_msg(!seal_knows(seal, sealed, length), "octet %zu: known", i);
			sealed[i] ^= (unsigned char)(1 << bit);
		}
	}
	ck_assert(opens(seal, sealed, length));
	OPENSSL_free(sealed);
	seal_free(seal);
}
END_TEST

/* In blocks of just that size, for a sanitizer to see what is read. */
START_TEST(test_short)
{
	struct seal *seal = make_seal(1, 1);
	size_t length;
	unsigned char *sealed = close_plain(seal, &length);

	for (size_t size = 0; size < length; size++) {
		unsigned char *part = malloc(size == 0 ? 1 : size);

		memcpy(part, sealed, size);
		ck_assert_msg(!opens(seal, part, size), "%zu octets: got success", size);
		ck_assert_msg(seal_knows(seal, part, size) == (size >= SEAL_OVERHEAD), "%zu octets: known: %d",
		    size, size < SEAL_OVERHEAD);
		free(part);
	}
	ck_assert(!opens(seal, NULL, 0));
	OPENSSL_free(sealed);
	seal_free(seal);
}
END_TEST

START_TEST(test_keys)
{
	struct seal *one = make_seal(1, 1), *both = make_seal(1, 2), *none = seal_new(NULL);
	struct snicert_error err = {0};
	unsigned char *by_one, *by_two, *out = NULL, digest[EVP_MAX_MD_SIZE];
	unsigned char input[17 + SEAL_KEY_LENGTH] = "snicert store key";
	size_t length, out_length;
	char line[256];

	by_one = close_plain(one, &length);
	by_two = close_plain(both, &length);
	/* The last key seals, all of them open. */
	ck_assert(opens(both, by_one, length) && opens(both, by_two, length));
	ck_assert(opens(one, by_one, length) && !opens(one, by_two, length));
	ck_assert(!seal_knows(one, by_two, length) && seal_knows(both, by_one, length));
	ck_assert_int_eq(memcmp(by_two + 1, seal_id(both), SEAL_ID_LENGTH), 0);
	/* The id as seal.h says: of "snicert store key" and the key. */
	memset(input + 17, 1, SEAL_KEY_LENGTH);
	ck_assert_int_eq(EVP_Digest(input, sizeof(input), digest, NULL, EVP_sha256(), NULL), 1);
	ck_assert_msg(memcmp(seal_id(one), digest, SEAL_ID_LENGTH) == 0, "the id is another");

	ck_assert_ptr_null(seal_id(none));
	ck_assert_uint_eq(seal_line(none, line, sizeof(line)), 0);
	ck_assert(!opens(none, by_one, length));
	ck_assert_int_eq(seal_close(none, plain, 1, identity, sizeof(identity), &out, &out_length, &err),
	    -1);
	ck_assert_int_eq(err.code, SNICERT_EKEY);
	ck_assert_uint_eq(seal_line(one, line, LINE - 1), 0);
	ck_assert_uint_eq(seal_line(one, line, LINE), LINE);
	ck_assert_msg(strncmp(line, "snicert-store-key-v1 ", 21) == 0 && line[37] == ' ' &&
	        strncmp(line + 38, "01010101", 8) == 0 && line[LINE - 1] == '\n', "got \"%.*s\"", LINE,
	    line);
	OPENSSL_free(by_one);
	OPENSSL_free(by_two);
	seal_free(one);
	seal_free(both);
	seal_free(none);
	seal_free(NULL);
}
END_TEST

START_TEST(test_too_many_keys)
{
	struct seal *seal = make_seal(1, SEAL_KEYS_MOST);
	unsigned char key[SEAL_KEY_LENGTH] = {0};
	struct snicert_error err = {0};

	ck_assert_int_eq(seal_add(seal, key, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_EKEY);
	seal_free(seal);
}
END_TEST

static void
write_file(const char *path, const char *text, size_t length, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* Lines of the keys 1, 2, … one after the other. */
static size_t
lines(char *text, int count)
{
	for (int i = 0; i < count; i++) {
		struct seal *seal = make_seal(i + 1, 1);

		ck_assert_uint_eq(seal_line(seal, text + i * LINE, LINE), LINE);
		seal_free(seal);
	}
	return (size_t)count * LINE;
}

/* Which of the keys 1 … 6 a file brings, as "12", the one that seals behind a colon. */
static void
check_file(const char *label, const char *path, const char *want)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(NULL);
	char got[32] = "", *at = got;

	if (seal_read(seal, path, (uid_t)-1, &err) == 0) {
		size_t length;

		for (int i = 1; i <= 6; i++) {
			struct seal *one = make_seal(i, 1);
			unsigned char *sealed = close_plain(one, &length);

			if (opens(seal, sealed, length))
				*at++ = (char)('0' + i);
			OPENSSL_free(sealed);
			seal_free(one);
		}
		*at++ = ':';
		for (int i = 1; i <= 6; i++) {
			struct seal *one = make_seal(i, 1);

			if (memcmp(seal_id(seal), seal_id(one), SEAL_ID_LENGTH) == 0)
				*at++ = (char)('0' + i);
			seal_free(one);
		}
	} else {
		ck_assert_msg(err.code != SNICERT_OK && strstr(err.text, path) != NULL,
		    "%s: got \"%s\", want the path in it", label, err.text);
	}
	*at = '\0';
	ck_assert_msg(strcmp(got, want) == 0, "%s: got keys \"%s\", want \"%s\" (%s)", label, got, want,
	    err.text);
	seal_free(seal);
}

START_TEST(test_file)
{
	char text[6 * LINE];
	size_t whole;

	clean();
	whole = lines(text, 1);
	write_file(file, text, whole, 0600);
	check_file("one key", file, "1:1");
	whole = lines(text, 2);
	write_file(file, text, whole, 0600);
	check_file("two keys", file, "12:2");
	for (size_t torn = LINE; torn < whole; torn++) {
		write_file(file, text, torn, 0600);
		check_file("a torn second line", file, "1:1");
	}
	for (size_t torn = 0; torn < LINE; torn++) {
		write_file(file, text, torn, 0600);
		check_file("a torn first line", file, "");
	}
	whole = lines(text, SEAL_KEYS_MOST);
	write_file(file, text, whole, 0600);
	check_file("as many as there may be", file, "1234:4");
}
END_TEST

/* Any octet of a line changed costs that line only. */
START_TEST(test_damaged_line)
{
	char text[2 * LINE];
	size_t whole = lines(text, 2);

	clean();
	for (size_t i = 0; i < LINE - 1; i++) {
		if (text[i] == ' ')
			continue; /* what stands between the fields is not looked at */
		for (int line = 0; line < 2; line++) {
			char kept = text[(size_t)line * LINE + i];

			text[(size_t)line * LINE + i] = kept == '0' ? '1' : '0';
			write_file(file, text, whole, 0600);
			check_file("an octet changed", file, line == 0 ? "2:2" : "1:1");
			text[(size_t)line * LINE + i] = 'Z';
			write_file(file, text, whole, 0600);
			check_file("an octet no digit", file, line == 0 ? "2:2" : "1:1");
			text[(size_t)line * LINE + i] = kept;
		}
	}
	memset(text + LINE, 0, LINE); /* a file made longer, its content lost */
	write_file(file, text, whole, 0600);
	check_file("zeros", file, "1:1");
	memset(text, 'x', sizeof(text));
	write_file(file, text, sizeof(text), 0600);
	check_file("garbage", file, "");
}
END_TEST

static const mode_t unsafe[] = { 0644, 0604, 0660, 0620, 0601, 0666, 0610 };

START_TEST(test_unsafe_mode)
{
	char text[LINE];
	struct snicert_error err = {0};
	struct seal *seal = seal_new(NULL);

	clean();
	lines(text, 1);
	write_file(file, text, LINE, unsafe[_i]);
	ck_assert_msg(seal_read(seal, file, (uid_t)-1, &err) == -1, "mode %04o: got success",
	    (unsigned)unsafe[_i]);
	ck_assert_msg(err.code == SNICERT_EPERM && strstr(err.text, "chmod") != NULL,
	    "mode %04o: got %d \"%s\"", (unsigned)unsafe[_i], err.code, err.text);
	ck_assert_ptr_null(seal_id(seal));
	ck_assert_int_eq(chmod(file, 0640), 0);
	memset(&err, 0, sizeof(err));
	ck_assert_msg(seal_read(seal, file, (uid_t)-1, &err) == 0, "mode 0640: got \"%s\"", err.text);
	seal_free(seal);
}
END_TEST

START_TEST(test_no_file)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(NULL);

	clean();
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, &err), -1);
	ck_assert_msg(strstr(err.text, file) != NULL && strstr(err.text, "No such file") != NULL,
	    "got \"%s\"", err.text);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	memset(&err, 0, sizeof(err));
	alarm(10);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, &err), -1);
	alarm(0);
	ck_assert_msg(strstr(err.text, "regular file") != NULL, "got \"%s\"", err.text);
	seal_free(seal);
	clean();
}
END_TEST

/* What is at hand stays where the file can't be read, and a held file is read again without its path. */
START_TEST(test_read_again)
{
	char text[2 * LINE];
	size_t length;
	struct seal *seal = make_seal(5, 1), *one = make_seal(1, 1), *two = make_seal(1, 2);
	unsigned char *by_five = close_plain(seal, &length), *by_one = close_plain(one, &length);
	unsigned char *by_two = close_plain(two, &length);
	int fd;

	clean();
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), -1);
	ck_assert_msg(opens(seal, by_five, length), "no file: the key at hand is gone");
	lines(text, 2);
	write_file(file, text, LINE, 0600);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), 0);
	ck_assert_msg(opens(seal, by_one, length) && !opens(seal, by_five, length),
	    "read: got other keys than the file's");

	write_file(copy, "no key at all", 13, 0600);
	ck_assert_int_eq(seal_read(seal, copy, (uid_t)-1, NULL), -1);
	ck_assert_msg(opens(seal, by_one, length), "a bad file: the key at hand is gone");
	chmod(copy, 0666);
	ck_assert_int_eq(seal_read(seal, copy, (uid_t)-1, NULL), -1);
	ck_assert_msg(opens(seal, by_one, length), "an unsafe file: the key at hand is gone");

	/* As from within a chroot: the path is gone, the file gets its second line. */
	fd = open(file, O_WRONLY | O_APPEND);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(write(fd, text + LINE, LINE), LINE);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), 0);
	ck_assert_msg(opens(seal, by_one, length) && opens(seal, by_two, length),
	    "through the held fd: the new key is not there");
	ck_assert_int_eq(memcmp(seal_id(seal), seal_id(two), SEAL_ID_LENGTH), 0);
	ck_assert_int_eq(ftruncate(fd, 10), 0);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), -1);
	ck_assert_msg(opens(seal, by_two, length), "held file cut: the keys at hand are gone");
	close(fd);
	OPENSSL_free(by_one);
	OPENSSL_free(by_two);
	OPENSSL_free(by_five);
	seal_free(one);
	seal_free(two);
	seal_free(seal);
}
END_TEST

/* The number of the host's socket: the lowest that is free, and so the one that was closed. */
static int
host_socket(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	return pair[0];
}

/* A host that closes what it did not open, and has a socket of that number: neither read nor closed. */
START_TEST(test_number_reused)
{
	struct snicert_error err = {0};
	struct seal *seal = make_seal(5, 1);
	char text[LINE];
	int number, theirs;

	clean();
	lines(text, 1);
	write_file(file, text, LINE, 0600);
	number = dup(0); /* which the file will have */
	close(number);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), 0);
	close(number);
	theirs = host_socket();
	ck_assert_int_eq(theirs, number);
	ck_assert_int_eq(rename(file, copy), 0);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, &err), -1);
	ck_assert_msg(strstr(err.text, "No such file") != NULL, "the path is gone: got \"%s\"", err.text);
	ck_assert_int_eq(rename(copy, file), 0);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, NULL), 0);
	ck_assert_msg(fcntl(theirs, F_GETFD) >= 0, "read again: the host's socket is closed");
	seal_free(seal);
	ck_assert_int_ge(fcntl(theirs, F_GETFD), 0);
}
END_TEST

static size_t
read_all(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t got = read(fd, text, size);

	close(fd);
	ck_assert_int_ge(got, 0);
	return (size_t)got;
}

/* Whether a fresh process that reads `path` opens what was sealed. */
static void
check_opens(const char *label, const char *path, const unsigned char *sealed, size_t length,
    bool want)
{
	struct snicert_error err = {0};
	struct seal *fresh = seal_new(NULL);
	bool got;

	ck_assert_msg(seal_read(fresh, path, (uid_t)-1, &err) == 0, "%s: %s", label, err.text);
	got = opens(fresh, sealed, length);
	ck_assert_msg(got == want, "%s: opens: got %d, want %d", label, got, want);
	seal_free(fresh);
}

START_TEST(test_create)
{
	struct snicert_error err = {0};
	struct stat st;
	char one[LINE + 1], two[LINE + 1];

	clean();
	ck_assert_msg(keyfile_create(file, (gid_t)-1, &err) == 0, "%s", err.text);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_msg((st.st_mode & 07777) == 0600, "mode: got %04o, want 0600",
	    (unsigned)(st.st_mode & 07777));
	ck_assert_uint_eq(read_all(file, one, sizeof(one)), LINE);
	/* A second one changes nothing. */
	ck_assert_int_eq(keyfile_create(file, (gid_t)-1, &err), -1);
	ck_assert_msg(strstr(err.text, "exists already") != NULL, "got \"%s\"", err.text);
	ck_assert_uint_eq(read_all(file, two, sizeof(two)), LINE);
	ck_assert_int_eq(memcmp(one, two, LINE), 0);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(keyfile_create(copy, getegid(), &err), 0);
	ck_assert_int_eq(stat(copy, &st), 0);
	ck_assert_msg((st.st_mode & 07777) == 0640 && st.st_gid == getegid(), "got mode %04o, group %d",
	    (unsigned)(st.st_mode & 07777), (int)st.st_gid);
	ck_assert_uint_eq(read_all(copy, two, sizeof(two)), LINE);
	ck_assert_msg(memcmp(one, two, LINE) != 0, "two stores have the same key");
	unlink(copy);
	/* Not through a link, not where there is no directory. */
	ck_assert_int_eq(symlink("elsewhere", copy), 0);
	ck_assert_int_eq(keyfile_create(copy, (gid_t)-1, NULL), -1);
	ck_assert_int_eq(keyfile_create("/nowhere/at/all.key", (gid_t)-1, NULL), -1);
	clean();
}
END_TEST

/* rekey: append, reseal, settle.  Cut off anywhere, the file opens what the store then holds. */
START_TEST(test_rekey)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(NULL);
	unsigned char *old, *fresh;
	char before[LINE], during[2 * LINE], after[LINE], state[2 * LINE];
	size_t length;
	struct stat st;
	ino_t inode;

	clean();
	ck_assert_int_eq(keyfile_create(file, (gid_t)-1, &err), 0);
	ck_assert_int_eq(stat(file, &st), 0);
	inode = st.st_ino;
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, &err), 0);
	ck_assert_uint_eq(read_all(file, before, LINE), LINE);
	old = close_plain(seal, &length);

	ck_assert_msg(keyfile_append(file, seal, &(off_t){0}, &err) == 0, "%s", err.text);
	fresh = close_plain(seal, &length);
	ck_assert_uint_eq(read_all(file, during, sizeof(during)), 2 * LINE);
	ck_assert_msg(memcmp(during, before, LINE) == 0, "append changed the old key's line");
	check_opens("appended", file, old, length, true);
	check_opens("appended", file, fresh, length, true);
	/* Cut off while appending: the store is still sealed under the old key. */
	for (size_t torn = LINE; torn < 2 * LINE; torn++) {
		write_file(copy, during, torn, 0600);
		check_opens("cut off while appending", copy, old, length, true);
	}

	ck_assert_msg(keyfile_settle(file, seal, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(read_all(file, state, sizeof(state)), LINE);
	memcpy(after, state, LINE);
	check_opens("settled", file, fresh, length, true);
	check_opens("settled", file, old, length, false);
	/* Cut off while the first line is overwritten, and before the second goes. */
	for (size_t written = 0; written <= LINE; written++) {
		memcpy(state, during, 2 * LINE);
		memcpy(state, after, written);
		write_file(copy, state, 2 * LINE, 0600);
		check_opens("cut off while settling", copy, fresh, length, true);
	}
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_msg(st.st_ino == inode, "the file was replaced: who holds it open misses the change");
	ck_assert_msg((st.st_mode & 07777) == 0600, "mode: got %04o, want 0600",
	    (unsigned)(st.st_mode & 07777));
	OPENSSL_free(old);
	OPENSSL_free(fresh);
	seal_free(seal);
}
END_TEST

/* After each way of being cut off while appending, the next rekey gets through. */
static const size_t left[] = { LINE, LINE + 1, LINE + 60, 2 * LINE - 1, 2 * LINE };

START_TEST(test_rekey_after_crash)
{
	struct snicert_error err = {0};
	struct seal *seal = seal_new(NULL), *one = make_seal(1, 1);
	unsigned char *old, *fresh;
	char text[4 * LINE];
	size_t length;

	clean();
	old = close_plain(one, &length); /* the store was not resealed */
	lines(text, 2);
	write_file(file, text, left[_i], 0600);
	ck_assert_int_eq(seal_read(seal, file, (uid_t)-1, &err), 0);
	ck_assert_msg(keyfile_append(file, seal, &(off_t){0}, &err) == 0, "%zu octets left: %s", left[_i], err.text);
	check_opens("appended", file, old, length, true);
	fresh = close_plain(seal, &length);
	check_opens("appended", file, fresh, length, true);
	ck_assert_uint_eq(read_all(file, text, sizeof(text)) % LINE, 0);
	ck_assert_msg(keyfile_settle(file, seal, &err) == 0, "%s", err.text);
	check_opens("settled", file, fresh, length, true);
	ck_assert_uint_eq(read_all(file, text, sizeof(text)), LINE);
	OPENSSL_free(old);
	OPENSSL_free(fresh);
	seal_free(seal);
	seal_free(one);
}
END_TEST

START_TEST(test_keyfile_refuses)
{
	struct snicert_error err = {0};
	struct seal *seal = make_seal(1, 1), *none = seal_new(NULL);
	char text[2 * LINE], got[2 * LINE];

	clean();
	lines(text, 2);
	ck_assert_int_eq(keyfile_append(file, seal, &(off_t){0}, &err), -1);
	ck_assert_msg(strstr(err.text, file) != NULL, "got \"%s\"", err.text);
	ck_assert_msg(access(file, F_OK) != 0, "a file was made");
	write_file(file, text, LINE, 0600);
	ck_assert_int_eq(keyfile_append(file, none, &(off_t){0}, NULL), -1);
	ck_assert_int_eq(keyfile_settle(file, none, NULL), -1);
	ck_assert_uint_eq(read_all(file, got, sizeof(got)), LINE);
	ck_assert_int_eq(memcmp(got, text, LINE), 0);
	seal_free(seal);
	seal_free(none);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("seal");
	TCase *tc = tcase_create("seal");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_round_trip, 0, COUNT(lengths));
	tcase_add_test(tc, test_nonce);
	tcase_add_test(tc, test_wrong_identity);
	tcase_add_test(tc, test_flipped);
	tcase_add_test(tc, test_short);
	tcase_add_test(tc, test_keys);
	tcase_add_test(tc, test_too_many_keys);
	tcase_add_test(tc, test_file);
	tcase_add_test(tc, test_damaged_line);
	tcase_add_loop_test(tc, test_unsafe_mode, 0, COUNT(unsafe));
	tcase_add_test(tc, test_no_file);
	tcase_add_test(tc, test_read_again);
	tcase_add_test(tc, test_number_reused);
	tcase_add_test(tc, test_create);
	tcase_add_test(tc, test_rekey);
	tcase_add_loop_test(tc, test_rekey_after_crash, 0, COUNT(left));
	tcase_add_test(tc, test_keyfile_refuses);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
