/* SPDX-License-Identifier: ISC */
/*
 * fuzz_tree.c: the directories that `snicert import` walks.  The input names files, and
 * says what each is: a key, a certificate, something else, a directory, a link.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "intake/directory.h"

#define ENTRIES_MOST 10

static const char *const parts[] = { "live", "archive", "certs", "privkey", "fullchain", "cert", "chain",
	"mx.example", "_.example", "a", ".pem", ".key", ".crt", ".cer", ".rsa", ".ecdsa", ".issuer", ".ocsp",
	"ca", "_ecc", "1", "privkey-1700000000", "account", ".json", "README" };

static const char *const contents[] = {
	"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
	"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
	"-----BEGIN DH PARAMETERS-----\nMA==\n-----END DH PARAMETERS-----\n", "", "text\n",
};

static int
group(void *arg, const char *name, const char *const *files, size_t count)
{
	struct stat st;

	if (name == NULL || count == 0)
		fuzz_die("a group of nothing");
	for (size_t i = 0; i < count; i++) {
		/* A link that leads nowhere is for its reader to complain about. */
		if (lstat(files[i], &st) != 0)
			fuzz_die("%s is not there", files[i]);
		for (size_t j = i + 1; j < count; j++)
			if (strcmp(files[i], files[j]) == 0)
				fuzz_die("%s is there twice", files[i]);
	}
	++*(int *)arg;
	return 0;
}

/* Up to three parts make a name: of the table, or of the input. */
static void
name_of(struct fuzz_input *in, char out[1024])
{
	char text[256];

	out[0] = '\0';
	for (unsigned i = 1 + fuzz_octet(in) % 3; i > 0; i--) {
		unsigned which = fuzz_octet(in);

		strcat(out, which < 128 ? parts[which % (sizeof(parts) / sizeof(parts[0]))] : fuzz_text(in, text));
	}
	for (char *at = out; *at != '\0'; at++)
		if (*at == '/')
			*at = '_';
	if (strlen(out) > 200 || out[0] == '\0' || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		strcpy(out, "x");
}

static void
one(const uint8_t *data, size_t size)
{
	static char made[ENTRIES_MOST][2048];
	struct fuzz_input in = { data, size };
	struct snicert_error err = {0};
	char top[200], name[1024], into[1024];
	int count = 0, groups = 0, status;

	mkdir(fuzz_path(top, "tree"), 0700);
	strcpy(into, top);
	for (; count < ENTRIES_MOST && in.size > 0; count++) {
		unsigned what = fuzz_octet(&in);

		name_of(&in, name);
		snprintf(made[count], sizeof(made[count]), "%s/%s", into, name);
		if (what % 8 < 5) {
			FILE *file = fopen(made[count], "w");

			if (file != NULL) {
				fputs(contents[what % 8], file);
				fclose(file);
			}
		} else if (what % 8 == 5) {
			if (symlink(count > 0 ? made[what / 8 % (unsigned)count] : "nowhere", made[count]) != 0)
				continue;
		} else if (mkdir(made[count], 0700) == 0 && what % 8 == 7 && strlen(made[count]) < 400) {
			strcpy(into, made[count]);
		}
	}
	status = directory_walk(top, group, &groups, &err);
	if (status != 0 && err.code == SNICERT_OK)
		fuzz_die("refused without a reason");
	if (status == 0 && groups == 0)
		fuzz_die("walked through, and nothing found");
	while (count-- > 0)
		remove(made[count]);
	rmdir(top);
}

static void
seed(void)
{
	/* what, parts, …: certbot's, acme.sh's, lego's and HAProxy's */
	fuzz_seed("certbot", "\7\0\0\7\0\7\1\1\3\12\0\1\4\12\0\1\5\12", 18);
	fuzz_seed("acme.sh", "\7\1\7\23\1\1\7\13\0\1\7\15\0\1\4\15", 16);
	fuzz_seed("lego", "\1\1\7\13\0\1\7\14\0\2\7\14\20", 13);
	fuzz_seed("haproxy", "\0\1\7\12\1\2\7\12\13\0\2\7\12\17\1\2\7\12\16", 19);
	fuzz_seed("dehydrated", "\7\0\2\7\0\7\1\0\25\12\5\1\3\12\0\1\4\12", 18);
	fuzz_seed("text", "\1\1\200\5a.key\0\1\200\5a.crt", 18);
}

const struct fuzz_target fuzz_tree = { .name = "tree", .one = one, .seed = seed,
	.most = 256 };
