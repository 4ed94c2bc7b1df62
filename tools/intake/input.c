/* SPDX-License-Identifier: ISC */
/* input.c: reads an input, and recognises it by its content. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "error.h"
#include "intake/input.h"

int
input_no_memory(struct snicert_error *err)
{
	return error_set(err, SNICERT_EMEMORY, "out of memory");
}

char *
input_origin(const char *path, size_t line)
{
	size_t room = strlen(path) + 24;
	char *text = malloc(room);

	if (text != NULL && line != 0)
		snprintf(text, room, "%s:%zu", path, line);
	else if (text != NULL)
		snprintf(text, room, "%s", path);
	return text;
}

static bool
is_blank(const unsigned char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isspace(data[i]) && data[i] != 0 && data[i] != 0x1a)
			return false;
	return true;
}

/* Some transfers and tools append to files; warn of more than blanks. */
static void
warn_trailing(struct input *in, const unsigned char *data, size_t length)
{
	size_t whole = input_der_length(data, length);

	if (whole > 0 && whole < length && !is_blank(data + whole, length - whole))
		bag_warn(in->bag, "%s: everything after the first %zu octets is left out; get the file again if"
		    " anything is missing", in->origin, whole);
}

/* Text may begin with "0", like DER. */
static int
add_any(struct input *in, const unsigned char *data, size_t length, bool *found)
{
	const unsigned char *begin;
	int rc = 0;

	*found = false;
	if (length > 1 && data[0] == 0x30 && (rc = input_add_der(in, data, length, 0, found)) == 0 && *found)
		warn_trailing(in, data, length);
	if (rc != 0 || *found)
		return rc;
	*found = input_has_pem(data, length);
	if (*found)
		return input_add_pem(in, data, length);
	*found = true;
	if ((begin = input_find_utf16(data, length)) != NULL)
		return input_add_utf16(in, data, length, begin);
	if ((begin = input_find_base64(data, length)) != NULL)
		return input_add_base64(in, data, length, begin);
	return input_add_base64_der(in, data, length, found);
}

static int
found_nothing(struct input *in, const unsigned char *data, size_t length)
{
	size_t whole = input_der_length(data, length);

	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): input_der_length() wants octets */
	if (whole > length && memchr(data, 0, length) != NULL)
		return error_set(in->err, SNICERT_EINPUT, "%s: the file is cut short (%zu of %zu octets); copy it"
		    " again", in->origin, length, whole);
	in->bag->nothing = length > 0;
	if (length > 4 && (memcmp(data, "\xfe\xed\xfe\xed", 4) == 0 || memcmp(data, "\xce\xce\xce\xce", 4) == 0))
		return error_set(in->err, SNICERT_EINPUT, "%s: it is a Java keystore of the old kind (JKS); convert it with"
		    " keytool -importkeystore -deststoretype PKCS12", in->origin);
	if (whole == length && length > 0)
		return error_set(in->err, SNICERT_EINPUT, "no certificate and no private key in %s; it is neither"
		    " a certificate, a private key, PKCS#12 nor PKCS#7; convert it to PEM", in->origin);
	return error_set(in->err, SNICERT_EINPUT, "no certificate and no private key in %s;"
	    " PEM, PKCS#12, PKCS#7 or DER is wanted", in->origin);
}

int
bag_add_mem(struct bag *bag, const char *origin, const unsigned char *data, size_t length,
    const struct passphrase_source *source, struct snicert_error *err)
{
	struct input in = { .bag = bag, .origin = origin, .source = source, .err = err };
	bool found;
	int rc;

	if (length > BAG_INPUT_MAX)
		return error_set(err, SNICERT_EINPUT,
		    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	bag->nothing = false;
	rc = add_any(&in, data, length, &found);
	return rc != 0 || found ? rc : found_nothing(&in, data, length);
}

/* Reads to end of file.  *data is OPENSSL_malloc'd, even on errors. */
static int
read_all(int fd, const char *origin, unsigned char **data, size_t *length, size_t *room,
    struct snicert_error *err)
{
	for (;;) {
		ssize_t got;

		if (*length == *room) {
			size_t more = *room < 4096 ? 16384 : *room * 2;
			unsigned char *bigger = OPENSSL_clear_realloc(*data, *room, more);

			if (bigger == NULL)
				return input_no_memory(err);
			*data = bigger;
			*room = more;
		}
		got = read(fd, *data + *length, *room - *length);
		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_system(err, "%s", origin);
		*length += (size_t)got;
		if (*length > BAG_INPUT_MAX)
			return error_set(err, SNICERT_EINPUT,
			    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	}
}

static int
check_file(int fd, const char *origin, struct stat *st, struct snicert_error *err)
{
	if (fstat(fd, st) != 0)
		return error_system(err, "%s", origin);
	if (S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode))
		return error_set(err, SNICERT_EINPUT, "%s: not a file; name a file", origin);
	if (S_ISREG(st->st_mode) && st->st_size > (off_t)BAG_INPUT_MAX)
		return error_set(err, SNICERT_EINPUT,
		    "%s: larger than 64 MiB, the most one input may have; split it", origin);
	return 0;
}

int
bag_add_file(struct bag *bag, const char *path, const struct passphrase_source *source,
    struct snicert_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	const char *origin = standard ? "standard input" : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t keys = bag->key_count, length = 0, room = 0;
	unsigned char *data = NULL;
	struct stat st;
	int rc;

	bag->nothing = false;
	if (fd < 0)
		return error_system(err, "%s", path);
	rc = check_file(fd, origin, &st, err);
	if (rc == 0)
		rc = read_all(fd, origin, &data, &length, &room, err);
	if (!standard)
		close(fd);
	if (rc == 0)
		rc = bag_add_mem(bag, origin, data, length, source, err);
	OPENSSL_clear_free(data, room);
	if (rc == 0 && bag->key_count > keys && S_ISREG(st.st_mode) && (st.st_mode & 0007) != 0)
		bag_warn(bag, "%s: everybody on this machine can read this private key (mode %04o);"
		    " chmod o-rwx it, and consider a new key", origin, (unsigned)(st.st_mode & 07777));
	return rc;
}

int
bag_add_group(struct bag *bag, const char *const *files, size_t count, const struct passphrase_source *source,
    struct snicert_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (bag_add_file(bag, files[i], source, err) == 0)
			continue;
		if (!bag->nothing)
			return -1;
		error_clear(err);
	}
	return 0;
}
