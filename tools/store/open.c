/* SPDX-License-Identifier: ISC */
/* open.c: the store and its key, from where the configuration says. */
#include <sys/stat.h>

#include "safety.h"
#include "store/open.h"

int
open_store(const struct tool *tool, enum admin_mode mode, struct admin **out, struct snicert_error *err)
{
	admin_wait(tool->wait);
	admin_wait_says(!tool->quiet);
	admin_log_days(tool->config->store_log_days);
	return admin_open(out, tool->config->store_path, mode, err);
}

/* The store's owner may own its key, if they may own the store. */
static uid_t
owner_of(const char *store)
{
	struct stat st;
	uid_t keeper;

	if (stat(store, &st) != 0 || safety_directories(store, &keeper, NULL) != 0 ||
	    safety_check(store, &st, SAFETY_STORE, keeper, NULL) != 0)
		return (uid_t)-1;
	return st.st_uid;
}

int
open_key(const struct tool *tool, struct seal **out, struct snicert_error *err)
{
	struct seal *seal = seal_new(err);

	if (seal == NULL)
		return -1;
	if (seal_read(seal, tool->config->key_path, owner_of(tool->config->store_path), err) != 0) {
		seal_free(seal);
		return -1;
	}
	*out = seal;
	return 0;
}

/* Not earlier: a rekey that came first would have changed the key. */
int
open_begin(const struct tool *tool, struct admin *admin, struct seal **out, struct snicert_error *err)
{
	if (admin_begin(admin, err) != 0)
		return -1;
	if (open_key(tool, out, err) == 0)
		return 0;
	admin_rollback(admin);
	return -1;
}
