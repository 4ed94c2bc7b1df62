/* SPDX-License-Identifier: ISC */
/* contents.c: what the store contains, as far as setup cares. */
#include <unistd.h>

#include "setup/setup.h"
#include "tool.h"

bool
setup_contents(const struct setup *setup, struct admin_totals *totals)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	bool known = tool_may(setup->config->store_path, R_OK) &&
	    admin_open(&admin, setup->config->store_path, ADMIN_READ, &err) == 0 && admin_totals(admin, totals, &err) == 0;

	admin_close(admin);
	return known;
}
