/* SPDX-License-Identifier: ISC */
/*
 * export.c: a chain as PEM, with its private key on request.
 *
 * Everything is assembled in memory that OpenSSL cleanses before we write the first octet, so a
 * chain that can't be exported whole leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "error.h"
#include "migrate/export.h"
#include "show/say.h"
#include "store/admin_owner.h"
#include "store/chain_arg.h"
#include "store/open.h"
#include "tool.h"

/* Certificates leave as they came: the store has their digests. */
static int
check_certs(struct export *export, int64_t id)
{
	const struct store_chain *row = &export->rows.chains[0];
	unsigned char digest[STORE_DIGEST_LENGTH];
	bool good = row->cert_count > 0;

	for (size_t i = 0; good && i < row->cert_count; i++)
		good = EVP_Digest(row->certs[i].der.data, row->certs[i].der.length, digest, NULL,
		    EVP_sha256(), NULL) == 1 &&
		    memcmp(digest, row->certs[i].digest, sizeof(digest)) == 0;
	if (good)
		return 0;
	return error_set(&export->err, SNICERT_ECERT,
	    "chain %" PRId64 " is damaged: see `snicert verify`", id);
}

/* In PEM, JSON escapes only the line ends. */
static int
write_json_string(BIO *to, BIO *pem)
{
	char *text = NULL;
	long length = BIO_get_mem_data(pem, &text);
	int good = BIO_write(to, "\"", 1) == 1;

	for (long i = 0; good && i < length; i++)
		good = text[i] == '\n' ? BIO_write(to, "\\n", 2) == 2 : BIO_write(to, text + i, 1) == 1;
	return good && BIO_write(to, "\"", 1) == 1 ? 0 : -1;
}

static int
write_pem(BIO *to, const char *label, const unsigned char *der, size_t length)
{
	return PEM_write_bio(to, label, "", der, (long)length) > 0 ? 0 : -1;
}

/* The store seals PKCS#8 (RFC 5958). */
static int
write_key(struct export *export, int64_t id, BIO *to)
{
	const struct store_chain *row = &export->rows.chains[0];
	struct snicert_error err = {0};
	struct chain *chain = NULL;
	unsigned char *der = NULL;
	size_t length = 0;
	int status;

	if (row->key_uri != NULL)
		return error_set(&export->err, SNICERT_EKEY,
		    "the private key of chain %" PRId64 " is not in the store but at %s", id, row->key_uri);
	/* Decoding checks that the key is this leaf's. */
	if (chain_decode(export->codec, export->seal, row, &chain, &err) != 0 ||
	    seal_open(export->seal, row->sealed_key.data, row->sealed_key.length, row->identity,
	        sizeof(row->identity), &der, &length, &err) != 0) {
		chain_unref(chain);
		return error_set(&export->err, (enum snicert_code)err.code,
		    "chain %" PRId64 ": %s: see `snicert verify`", id, err.text);
	}
	chain_unref(chain);
	status = write_pem(to, "PRIVATE KEY", der, length);
	OPENSSL_clear_free(der, length);
	return status;
}

static int
write_certs(const struct store_chain *row, BIO *to)
{
	for (size_t i = 0; i < row->cert_count; i++)
		if (write_pem(to, "CERTIFICATE", row->certs[i].der.data, row->certs[i].der.length) != 0)
			return -1;
	return 0;
}

/* {"chain": 3, "sha256": "…", "key": "…" or null, "certificates": "…"} */
static int
write_object(struct export *export, int64_t id)
{
	const struct store_chain *row = &export->rows.chains[0];
	char fingerprint[2 * STORE_DIGEST_LENGTH + 1];
	BIO *key = BIO_new(BIO_s_mem()), *certs = BIO_new(BIO_s_mem());
	int status = -1;

	if (key == NULL || certs == NULL || write_certs(row, certs) != 0 ||
	    (export->seal != NULL && write_key(export, id, key) != 0))
		goto out;
	BIO_printf(export->out, "{\"chain\": %" PRId64 ", \"sha256\": \"%s\", \"key\": ", id,
	    tool_fingerprint(row->certs[0].digest, true, fingerprint, sizeof(fingerprint)));
	if (export->seal != NULL)
		status = write_json_string(export->out, key);
	else
		status = BIO_puts(export->out, "null") > 0 ? 0 : -1;
	if (status == 0)
		status = BIO_puts(export->out, ", \"certificates\": ") > 0 ? 0 : -1;
	if (status == 0)
		status = write_json_string(export->out, certs);
	BIO_puts(export->out, "}");
out:
	BIO_free(key);
	BIO_free(certs);
	return status;
}

int
export_pem(struct export *export, int64_t id, BIO *key, BIO *certs)
{
	if (admin_load(export->admin, id, &export->rows, &export->err) != 0 || check_certs(export, id) != 0)
		return -1;
	if (export->seal != NULL && write_key(export, id, key) != 0)
		return -1;
	return write_certs(&export->rows.chains[0], certs) == 0 ? 0
	    : error_openssl(&export->err, SNICERT_EMEMORY, "can't encode the chain");
}

static int
write_chain(struct export *export, int64_t id)
{
	if (!export->tool->json)
		return export_pem(export, id, export->out, export->out);
	if (admin_load(export->admin, id, &export->rows, &export->err) != 0 || check_certs(export, id) != 0)
		return -1;
	return write_object(export, id);
}

/* JSON: {"chains": [ … ]} */
static int
write_chains(struct export *export, const struct chain_arg *target)
{
	bool json = export->tool->json;

	if (json)
		BIO_puts(export->out, "{\"chains\": [\n");
	for (size_t i = 0; i < target->count; i++) {
		if (json && i > 0)
			BIO_puts(export->out, ",\n");
		if (write_chain(export, target->chains[i]) != 0)
			return error_openssl(&export->err, SNICERT_EMEMORY, "can't encode the chain");
	}
	if (json)
		BIO_puts(export->out, "\n]}\n");
	return 0;
}

struct owned {
	struct export *export;
	size_t count;
	bool failed;
};

static int
write_owned(void *arg, const struct admin_chain *chain)
{
	struct owned *owned = arg;
	struct export *export = owned->export;

	if (export->tool->json && owned->count++ > 0)
		BIO_puts(export->out, ",\n");
	owned->failed = write_chain(export, chain->id) != 0;
	return owned->failed ? -1 : 0;
}

/* An owner's active chains, like those of a name. */
static int
write_all_of(struct export *export, const char *owner, bool *any)
{
	struct owned owned = { .export = export };
	bool json = export->tool->json;
	long length;
	char *text;

	if (json)
		BIO_puts(export->out, "{\"chains\": [\n");
	if (admin_chains_of(export->admin, owner, "active", write_owned, &owned, &export->err) != 0)
		return owned.failed ? error_openssl(&export->err, SNICERT_EMEMORY, "can't encode the chain") : -1;
	length = BIO_get_mem_data(export->out, &text);
	*any = json ? owned.count > 0 : length > 0;
	if (json)
		BIO_puts(export->out, "\n]}\n");
	return 0;
}

int
export_send(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t sent = write(fd, text, length);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		text += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int
deliver(struct export *export, const char *path)
{
	int fd = path == NULL ? STDOUT_FILENO
	    : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct snicert_error *err = &export->err;
	char *text = NULL;
	long length = BIO_get_mem_data(export->out, &text);
	int status;

	if (fd < 0 && errno == EEXIST)
		return error_set(err, SNICERT_EINPUT, "%s exists already: nothing was written", path);
	if (fd < 0)
		return error_system(err, "can't create %s", path);
	status = export_send(fd, text, (size_t)length);
	if (status != 0)
		error_system(err, "can't write %s", path == NULL ? "the output" : path);
	if (path == NULL)
		return status;
	if (close(fd) != 0 && status == 0)
		status = error_system(err, "can't write %s", path);
	if (status != 0)
		unlink(path);
	return status;
}

int
export_prepare(struct export *export, bool key)
{
	struct snicert_error *err = &export->err;

	if (open_store(export->tool, ADMIN_READ, &export->admin, err) != 0 ||
	    (key && open_key(export->tool, &export->seal, err) != 0))
		return -1;
	export->codec = chain_codec_new(1u << 20);
	export->out = BIO_new(BIO_s_mem());
	if (export->codec == NULL || export->out == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	return 0;
}

static int
run(struct export *export, bool key, const char *path, const char *text)
{
	struct chain_arg target;

	if (export_prepare(export, key) != 0)
		return tool_fail(&export->err);
	if (chain_arg_find(export->admin, text, &target, &export->err) != 0) {
		int status = tool_fail(&export->err);

		return export->err.code == SNICERT_EINPUT ? TOOL_NO : status;
	}
	if (target.count == 0) {
		say("nothing is bound to %s", target.key.text);
		return TOOL_NO;
	}
	if (write_chains(export, &target) != 0 || deliver(export, path) != 0)
		return tool_fail(&export->err);
	return TOOL_DONE;
}

static int
run_owner(struct export *export, bool key, const char *path, const char *owner)
{
	bool any = false;

	if (export_prepare(export, key) != 0 || write_all_of(export, owner, &any) != 0)
		return tool_fail(&export->err);
	if (!any) {
		say("owner %s has no active chain", owner);
		return TOOL_NO;
	}
	return deliver(export, path) == 0 ? TOOL_DONE : tool_fail(&export->err);
}

struct wanted {
	struct export_tree tree;        /* --to; kind NULL: none */
	const char *owner, *path;
	bool key;
};

static const char *
mistake(const struct wanted *wanted, int operands)
{
	if (wanted->tree.kind != NULL && !export_tree_known(wanted->tree.kind))
		return "export --to what? postfix, haproxy or pem";
	if (wanted->tree.kind != NULL && (operands != 1 || wanted->path != NULL))
		return "export --to wants one directory, and no --out";
	if (wanted->tree.kind == NULL && wanted->tree.force)
		return "--force is for --to";
	if (wanted->tree.kind == NULL && operands != (wanted->owner == NULL ? 1 : 0))
		return "export wants one name, chain's number or SHA-256 fingerprint, or --owner";
	if (wanted->tree.kind == NULL && wanted->key && wanted->path == NULL && isatty(STDOUT_FILENO))
		return "private keys are not written to a terminal: use --out FILE, or send the output to a program";
	return NULL;
}

static int
run_wanted(struct export *export, struct wanted *wanted, const char *operand)
{
	if (wanted->tree.kind == NULL)
		return wanted->owner == NULL ? run(export, wanted->key, wanted->path, operand)
		    : run_owner(export, wanted->key, wanted->path, wanted->owner);
	wanted->tree.directory = operand;
	wanted->tree.owner = wanted->owner;
	if (export_prepare(export, wanted->key) != 0)
		return tool_fail(&export->err);
	return export_tree(export, &wanted->tree);
}

static int
cmd_export(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", no_argument, NULL, 'k' }, { "out", required_argument, NULL, 'o' },
		{ "owner", required_argument, NULL, 'w' }, { "to", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' }, TOOL_OPTIONS,
	};
	struct export export = { .tool = tool };
	struct wanted wanted = {0};
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == 'k')
			wanted.key = true;
		else if (option == 'o')
			wanted.path = optarg;
		else if (option == 'w')
			wanted.owner = optarg;
		else if (option == 't')
			wanted.tree.kind = optarg;
		else if (option == 'f')
			wanted.tree.force = true;
		else
			return status;
	}
	if (mistake(&wanted, argc - optind) != NULL)
		return tool_usage(tool, "%s", mistake(&wanted, argc - optind));
	status = run_wanted(&export, &wanted, argv[optind]);
	BIO_free(export.out);
	chain_codec_free(export.codec);
	seal_free(export.seal);
	store_rows_free(&export.rows);
	admin_close(export.admin);
	return status;
}

const struct command command_export = {
	.name = "export",
	.run = cmd_export,
	.arguments = "[--key] [--out FILE] NAME|CHAIN | --owner LABEL | --to KIND [--force] DIR",
	.summary = "write chains as PEM, or in the form that another server reads",
	.help =
	    "  --to KIND       all active chains into a new directory: postfix, haproxy, or pem\n"
	    "  --force         replace a directory that export made\n"
	    "  --owner LABEL   all active chains of this owner\n"
	    "  --key           with the private key, unencrypted\n"
	    "  --out FILE      to a new file of mode 0600 instead of standard output\n",
	.traits = COMMAND_DATA,
};
