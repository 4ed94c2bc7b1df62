/* SPDX-License-Identifier: ISC */
/* probe.h: the hosts of `snicert probe`, several at the same time. */
#ifndef SNICERT_CMD_PROBE_H
#define SNICERT_CMD_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "look/probe.h"

/** A handshake with a host. */
struct probe_shake {
	const char *name;               /* the server name, borrowed; NULL: none */
	enum probe_key ask;
	bool done;                      /* false: the host was already unreachable */
	struct probe_result result;
	struct snicert_error trouble;
};

struct probe_host {
	char *text;                     /* as given */
	struct probe_address address;
	struct probe_target target;
	struct probe_shake *shakes;
	size_t count;
};

struct probe_hosts {
	struct probe_host *list;
	size_t count;
};

/** Whether an argument looks like a host: an address, or something with a port. */
bool probe_hosts_is_host(const char *text);
int probe_hosts_add(struct probe_hosts *, const char *text, struct snicert_error *);
/** A file of them ("-": standard input), one per line; ignores blank lines and "#" comments. */
int probe_hosts_read(struct probe_hosts *, const char *path, struct snicert_error *);

/** Plan another handshake. */
int probe_host_plan(struct probe_host *, const char *name, enum probe_key, struct snicert_error *);

/** Do all: for one host one after the other, hosts in parallel. */
void probe_hosts_run(struct probe_hosts *);
void probe_hosts_free(struct probe_hosts *);

#endif
