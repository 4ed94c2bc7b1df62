/* SPDX-License-Identifier: ISC */
/* export.h: what export.c and export_tree.c share of one `snicert export`. */
#ifndef SNICERT_EXPORT_H
#define SNICERT_EXPORT_H

#include <stdbool.h>

#include <openssl/bio.h>

#include "chain.h"
#include "seal.h"
#include "tool.h"

struct export {
	struct tool *tool;
	struct admin *admin;
	struct seal *seal;              /* with --key */
	struct chain_codec *codec;
	struct store_rows rows;
	BIO *out;
	struct snicert_error err;
};

/** Open the store, and with `key` the store key. */
int export_prepare(struct export *, bool key);

/** Write a chain as PEM: certificates to `certs`, with --key the private key to `key`. */
int export_pem(struct export *, int64_t id, BIO *key, BIO *certs);

/** Write text to a descriptor, without stdio, whose buffers nobody cleanses. */
int export_send(int fd, const char *text, size_t length);

/** What --to asks for. */
struct export_tree {
	const char *kind;               /* "postfix", "haproxy", "pem" */
	const char *directory;
	const char *owner;              /* or NULL: all chains */
	bool force;
};

/** Whether the kind exists. */
bool export_tree_known(const char *kind);

/** Write the active chains and their bindings as a directory.  Returns an exit code. */
int export_tree(struct export *, const struct export_tree *);

#endif
