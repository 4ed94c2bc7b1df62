/* SPDX-License-Identifier: ISC */
/*
 * fuzz_source.c: other servers' configurations, which `snicert import --from` reads.
 * The first octet says whose; the rest is the file.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "migrate/source.h"

static char path[200];

static void
start(void)
{
	fuzz_path(path, "config");
}

static void
check_texts(const struct source_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		if (texts->list[i] == NULL)
			fuzz_die("no text");
}

/* Keys of the store, as it has them. */
static void
check_names(const struct source_texts *texts)
{
	struct name name;

	check_texts(texts);
	for (size_t i = 0; i < texts->count; i++)
		if (texts->list[i][0] != '@' &&
		    (!name_normalise_pattern(&name, texts->list[i], strlen(texts->list[i])) ||
		        strcmp(name.text, texts->list[i]) != 0))
			fuzz_die("\"%s\" is no key of the store", texts->list[i]);
}

static void
one(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = { "postfix", "map", "dovecot", "haproxy", "exim", "haraka" };
	struct snicert_error err = {0};
	struct source source = {0};
	const char *kind;

	if (size == 0)
		return;
	kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
	if (!source_known(kind))
		fuzz_die("%s is not known", kind);
	fuzz_write(path, data + 1, size - 1);
	source_guess(path);
	if (source_read(&source, kind, path, &err) != 0 && err.code == SNICERT_OK)
		fuzz_die("%s: refused without a reason", kind);
	for (size_t i = 0; i < source.count; i++) {
		const struct source_entry *entry = &source.entries[i];

		if (entry->place == NULL)
			fuzz_die("%s: an entry of nowhere", kind);
		check_texts(&entry->files);
		check_names(&entry->names);
		check_names(&entry->except);
		check_texts(&entry->notes);
	}
	check_texts(&source.notes);
	check_texts(&source.faults);
	source_free(&source);
}

static void
seed(void)
{
	static const char *const files[] = {
		"\0" "tls_server_sni_maps = hash:$config_directory/sni, inline:{ a.example=/a.pem }\n"
		    "config_directory = /etc/postfix\nsmtpd_tls_chain_files =\n  /k.pem,\n  /c.pem\n",
		"\1" "a.example /etc/a.key, /etc/a.crt\n.b.example\t/etc/b.pem\n# no\n  /more.pem\n",
		"\2" "ssl_cert = </etc/c.pem\nssl_key = </etc/k.pem\nlocal_name \"a.example *.b.example\" {\n"
		    "  ssl_cert = </a.pem\n}\nlocal 192.0.2.1 {\n protocol imap {\n }\n}\n!include conf.d/*.conf\n",
		"\3" "frontend f\n bind :25 ssl crt /etc/haproxy/a.pem crt-list /etc/haproxy/list # x\n",
		"\3" "/a.pem [alpn h2 ssl-min-ver TLSv1.2] *.a.example !b.a.example\n\"/b c.pem\" \n",
		"\4" "tls_certificate = ${if exists{/etc/certs/$tls_in_sni.pem}{/etc/certs/$tls_in_sni.pem}{/etc/own.pem}}\n"
		    "tls_privatekey = ${lookup{$tls_in_sni}lsearch{/etc/keys}{$value}{/etc/own.key}}\n",
		"\5" "[tls]\nkey=tls_key.pem\ncert=tls_cert.pem\n",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[16] = { (char)('a' + i), '\0' };

		/* The first starts with a NUL. */
		fuzz_seed(name, files[i], 1 + strlen(files[i] + 1));
	}
}

const struct fuzz_target fuzz_source = { .name = "source", .start = start, .one = one, .seed = seed,
	.most = 2048 };
