/* SPDX-License-Identifier: ISC */
/* exporter.h: metrics over HTTP, for Prometheus to fetch. */
#ifndef SNICERT_EXPORTER_H
#define SNICERT_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "snicert.h"
#include "stats/metrics.h"

/** Where it listens. */
struct exporter_socket {
	int fd;
	char path[108];         /* of a socket in the file system, removed at the end; or "" */
	char text[128];         /* in the usual notation, with the port it got */
};

/**
 * Listen at "unix:/PATH", "ADDRESS:PORT" or "[ADDRESS]:PORT" (port 0: any free one).  Addresses
 * other than loopback need `remote`: there is neither encryption nor a password.
 */
int exporter_listen(const char *where, bool remote, struct exporter_socket *out, struct snicert_error *err);

/** Answer requests until SIGTERM or SIGINT; closes the socket. */
int exporter_run(struct exporter_socket *, struct metrics *, struct snicert_error *err);

#endif
