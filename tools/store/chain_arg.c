/* SPDX-License-Identifier: ISC */
/* chain_arg.c: what a command-line argument means: NAME or CHAIN. */
#include <string.h>

#include "error.h"
#include "store/chain_arg.h"
#include "tool.h"

static int
take_chain(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct chain_arg *target = arg;

	(void)key;
	(void)key_type;
	if (target->count < CHAIN_ARG_MOST)
		target->chains[target->count++] = chain;
	return 0;
}

int
chain_arg_of_key(struct admin *admin, const struct name *key, struct chain_arg *out,
    struct snicert_error *err)
{
	memset(out, 0, sizeof(*out));
	out->is_name = true;
	out->key = *key;
	return admin_bindings(admin, key->text, 0, take_chain, out, err);
}

int
chain_arg_find(struct admin *admin, const char *text, struct chain_arg *out, struct snicert_error *err)
{
	struct name key;
	struct snicert_error none = {0};
	bool looks_like_name = strchr(text, '.') != NULL;

	if (tool_name(text, &key, &none) == 0) {
		if (chain_arg_of_key(admin, &key, out, err) != 0)
			return -1;
		if (out->count > 0 || looks_like_name)
			return 0;
	} else if (looks_like_name) {
		return error_set(err, SNICERT_EUSAGE, "%s", none.text);
	}
	memset(out, 0, sizeof(*out));
	if (admin_resolve(admin, text, &out->chains[0], err) != 0)
		return -1;
	out->count = 1;
	return 0;
}
