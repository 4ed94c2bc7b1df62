/* SPDX-License-Identifier: ISC */
/*
 * fuzz_exim.c: the functions that Exim calls, with arguments as a peer, an admin
 * and a wrong line in the configuration make them.
 *
 * They always succeed, and what they yield are files that are there, or the own one.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "shop.h"

typedef int exim_function(unsigned char **yield, int argc, unsigned char *argv[]);
exim_function snicert_exim_attach, snicert_exim_certificate, snicert_exim_privatekey;

static const struct shop *shop;
static char broken[200];

static void
start(void)
{
	shop = shop_open();
	world_configure(shop->poor, NULL);
	world_configure(shop->rich, NULL);
	fuzz_write(fuzz_path(broken, "broken.conf"), "store { path = \"/nowhere\" }\n"
	    "log { target = none }\nzebra = 1\n", 61);
}

/* Files of memory, and in the end the own one, whatever it is called. */
static void
check_list(char *list, const char *own)
{
	size_t length = strlen(list), tail = strlen(own);
	struct stat st;

	if (strcmp(list, own) == 0)
		return;
	if (length > tail && strcmp(list + length - tail, own) == 0 && list[length - tail - 1] == ':')
		list[length - tail - 1] = '\0';
	for (char *rest = NULL, *path = strtok_r(list, ":", &rest); path != NULL; path = strtok_r(NULL, ":", &rest))
		if (strncmp(path, "/proc/self/fd/", 14) != 0 || stat(path, &st) != 0 || st.st_size == 0)
			fuzz_die("\"%s\" is not there", path);
}

static void
call(exim_function *function, int argc, unsigned char *argv[])
{
	unsigned char *yield = NULL;
	char list[8192];

	ERR_raise(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT);
	if (function(&yield, argc, argv) != 0 || yield == NULL)
		fuzz_die("an expansion fails");
	if (ERR_GET_LIB(ERR_get_error()) != ERR_LIB_USER || ERR_peek_error() != 0)
		fuzz_die("the error queue is another");
	if (function == snicert_exim_attach)
		return;
	snprintf(list, sizeof(list), "%s", (char *)yield);
	check_list(list, argc > 2 && argv[2] != NULL ? (char *)argv[2] : "");
}

static void
one(const uint8_t *data, size_t size)
{
	static const char *const addresses[] = { "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "" };
	static exim_function *const functions[] = { snicert_exim_certificate, snicert_exim_privatekey,
		snicert_exim_privatekey, snicert_exim_attach };
	struct fuzz_input in = { data, size };
	unsigned how = fuzz_octet(&in);
	const char *configs[] = { shop->rich->config, shop->poor->config, broken };
	char texts[2][256], name[256];
	unsigned char *argv[6] = {0};
	unsigned which = fuzz_octet(&in);

	argv[0] = (unsigned char *)configs[how % 3];
	if (which < 15)
		strcpy(name, shop_names[which]);
	else
		fuzz_text(&in, name);
	argv[1] = (unsigned char *)name;
	argv[2] = (unsigned char *)fuzz_text(&in, texts[0]);
	which = fuzz_octet(&in);
	argv[3] = (unsigned char *)(which < 4 ? addresses[which] : fuzz_text(&in, texts[1]));
	argv[4] = argv[1];
	if ((how & 0x80) != 0)
		argv[1 + how / 3 % 4] = NULL;
	/* The certificate, then the key: most often with the same arguments. */
	call(functions[how / 3 % 4], (int)(how / 12 % 6), argv);
	call(snicert_exim_certificate, 4, argv);
	call(snicert_exim_privatekey, 4, argv);
}

static void
seed(void)
{
	fuzz_seed("known", "\0\0\10/own.pem\0", 12);
	fuzz_seed("rsa", "\1\4\10/own.pem\1", 12);
	fuzz_seed("text", "\60\40\13nobody.test\10/own.pem\4\7999.9.9", 32);
	fuzz_seed("null", "\203\1\0\2", 4);
}

const struct fuzz_target fuzz_exim = { .name = "exim", .start = start, .one = one, .seed = seed,
	.most = 300 };
