/* SPDX-License-Identifier: ISC */
/* fuzz.c: what the fuzz targets share. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

extern const struct fuzz_target fuzz_client, fuzz_config, fuzz_database, fuzz_exim, fuzz_hello,
    fuzz_name, fuzz_pem, fuzz_policy, fuzz_restore, fuzz_rows, fuzz_seal, fuzz_smtp, fuzz_source,
    fuzz_stats, fuzz_tlsa, fuzz_tree;

const struct fuzz_target *const fuzz_targets[] = {
	&fuzz_client, &fuzz_config, &fuzz_database, &fuzz_exim, &fuzz_hello, &fuzz_name, &fuzz_pem,
	&fuzz_policy, &fuzz_restore, &fuzz_rows, &fuzz_seal, &fuzz_smtp, &fuzz_source,
	&fuzz_stats, &fuzz_tlsa, &fuzz_tree,
	NULL,
};

static char directory[128];
static const char *seeds;

const struct fuzz_target *
fuzz_target(const char *name)
{
	for (size_t i = 0; fuzz_targets[i] != NULL; i++)
		if (strcmp(fuzz_targets[i]->name, name) == 0)
			return fuzz_targets[i];
	return NULL;
}

void
fuzz_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("fuzz: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

void
fuzz_write(const char *path, const void *data, size_t size)
{
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	if (file == NULL || fchmod(fileno(file), 0600) != 0 || fwrite(data, 1, size, file) != size ||
	    fclose(file) != 0)
		fuzz_die("can't write %s", path);
}

void
fuzz_seed_into(const char *dir)
{
	seeds = dir;
}

void
fuzz_seed(const char *name, const void *data, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", seeds, name);
	fuzz_write(path, data, size);
}

void
fuzz_seed_file(const char *name, const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "r");
	size_t size;

	if (file == NULL)
		fuzz_die("can't read %s", path);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	fuzz_seed(name, data, size);
}

static void
remove_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char below[512];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (remove(below) != 0)
			remove_all(below);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(path);
}

static void
clean(void)
{
	remove_all(directory);
}

const char *
fuzz_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (directory[0] != '\0')
		return directory;
	snprintf(directory, sizeof(directory), "%s/snicert-fuzz-XXXXXX",
	    tmp != NULL && strlen(tmp) < 64 ? tmp : "/tmp");
	if (mkdtemp(directory) == NULL)
		fuzz_die("can't make %s", directory);
	atexit(clean);
	return directory;
}

const char *
fuzz_path(char path[200], const char *name)
{
	snprintf(path, 200, "%s/%s", fuzz_dir(), name);
	return path;
}

uint8_t
fuzz_octet(struct fuzz_input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

unsigned
fuzz_number(struct fuzz_input *in)
{
	unsigned high = fuzz_octet(in);

	return high << 8 | fuzz_octet(in);
}

const uint8_t *
fuzz_piece(struct fuzz_input *in, size_t *length)
{
	const uint8_t *piece;

	*length = fuzz_octet(in);
	if (*length > in->size)
		*length = in->size;
	piece = in->data;
	in->data += *length;
	in->size -= *length;
	return piece;
}

const char *
fuzz_text(struct fuzz_input *in, char *out)
{
	size_t length;
	const uint8_t *piece = fuzz_piece(in, &length);

	if (length > 0)
		memcpy(out, piece, length);
	out[length] = '\0';
	return out;
}

void
fuzz_edit(struct fuzz_input *in, uint8_t *octets, size_t length)
{
	size_t at = (size_t)fuzz_octet(in) << 16, count;
	const uint8_t *piece;

	at |= fuzz_number(in);
	piece = fuzz_piece(in, &count);
	if (length == 0)
		return;
	at %= length;
	if (count > length - at)
		count = length - at;
	if (count > 0)
		memcpy(octets + at, piece, count);
}
