/* SPDX-License-Identifier: ISC */
/* host_dlopen.c: loaded by a mail server's own dlopen(): the table it looks up. */
#include "instance.h"

extern const struct snicert_module snicert_module;

__attribute__((visibility("default"))) const struct snicert_module snicert_module = {
	.abi = SNICERT_ABI,
	.size = sizeof(snicert_module),
	.version = SNICERT_VERSION,
	.open = snicert_open,
	.attach = snicert_attach,
	.set_log = snicert_set_log,
	.counters = snicert_read_counters,
	.close = snicert_close,
	.open2 = snicert_open2,
	.detach = snicert_detach,
	.choose = snicert_choose,
	.served = snicert_read_served,
	.attach2 = snicert_attach2,
	.set_local = snicert_set_local,
	.set_name = snicert_set_name,
	.lookup = snicert_lookup,
	.warm = snicert_warm,
	.health = snicert_read_health,
	.counters2 = snicert_read_counters2,
};
