/* SPDX-License-Identifier: ISC */
/* probe.h: the hosts that `snicert probe` asks, several of them at the same time. */
#ifndef SNICERT_CMD_PROBE_H
#define SNICERT_CMD_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "look/probe.h"

/** One handshake of a host. */
struct probe_shake {
	const char *name;               /* the server name, borrowed; NULL: none */
	enum probe_key ask;
	bool done;                      /* false: the host was not reached for an earlier one */
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

/** Whether an argument is a host by its looks: an address, or something with a port. */
bool probe_hosts_is_host(const char *text);
int probe_hosts_add(struct probe_hosts *, const char *text, struct snicert_error *);
/** A file of them ("-": standard input), one a line; blank lines and what follows "#" don't count. */
int probe_hosts_read(struct probe_hosts *, const char *path, struct snicert_error *);

/** Plan one handshake more. */
int probe_host_plan(struct probe_host *, const char *name, enum probe_key, struct snicert_error *);

/** Carry all of them out: those of a host one after the other, hosts beside each other. */
void probe_hosts_run(struct probe_hosts *);
void probe_hosts_free(struct probe_hosts *);

#endif
