/* SPDX-License-Identifier: ISC */
/* open.c: the store and its key, where the configuration says they are. */
#include <sys/stat.h>

#include "store/open.h"

int
open_store(const struct tool *tool, enum admin_mode mode, struct admin **out, struct snicert_error *err)
{
	admin_wait(tool->wait);
	admin_log_days(tool->config->store_log_days);
	return admin_open(out, tool->config->store_path, mode, err);
}

int
open_key(const struct tool *tool, struct seal **out, struct snicert_error *err)
{
	struct stat st;
	uid_t trusted = stat(tool->config->store_path, &st) == 0 ? st.st_uid : (uid_t)-1;
	struct seal *seal = seal_new(err);

	if (seal == NULL)
		return -1;
	if (seal_read(seal, tool->config->key_path, trusted, err) != 0) {
		seal_free(seal);
		return -1;
	}
	*out = seal;
	return 0;
}

/* Not a moment earlier: a rekey that comes first leaves another key there. */
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
