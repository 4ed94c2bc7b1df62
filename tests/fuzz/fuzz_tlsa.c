/* SPDX-License-Identifier: ISC */
/* fuzz_tlsa.c: TLSA records as zone files, dig, host, nsupdate and our own tool have them. */
#include <stdio.h>
#include <string.h>

#include "dane/tlsa_file.h"
#include "fuzz.h"

static char path[200];

static void
start(void)
{
	fuzz_path(path, "records");
}

static void
one(const uint8_t *data, size_t size)
{
	struct tlsa_file file = {0};
	struct snicert_error err = {0};
	struct store_chain chain = { .cert_count = 1, .certs[0].der = { .data = data, .length = size } };
	struct name name, host = { .text = "mx.a.example", .length = 12 };
	struct tlsa_found found = {0};
	struct snicert_error lost = {0};

	fuzz_write(path, data, size);
	if (tlsa_file_read(path, &file, &err) != 0 && err.code == SNICERT_OK)
		fuzz_die("refused without a reason");
	for (size_t i = 0; i < file.count; i++) {
		if (tlsa_entry_name(&file.list[i], 25, &name) && strlen(name.text) != name.length)
			fuzz_die("a name that is none: %s", name.text);
		tlsa_entry_matches(&file.list[i], &chain);
	}
	if (tlsa_find(&file, &host, 25, &found, &lost) == 0 && found.owner == NULL)
		fuzz_die("found nowhere");
	for (size_t i = 0; i < found.count; i++)
		tlsa_entry_useless(found.list[i]);
	tlsa_found_clear(&found);
	tlsa_file_free(&file);
}

const struct fuzz_target fuzz_tlsa = { .name = "tlsa", .start = start, .one = one, .most = 2048 };
