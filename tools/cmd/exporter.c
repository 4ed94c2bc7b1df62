/* SPDX-License-Identifier: ISC */
/* exporter.c: a metrics server for Prometheus; runs until it is stopped. */
#include <stdio.h>

#include "error.h"
#include "stats/exporter.h"
#include "tool.h"

#define LISTEN_DEFAULT "127.0.0.1:9811"

static int
cmd_exporter(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' }, { "remote", no_argument, NULL, 'r' }, TOOL_OPTIONS,
	};
	struct exporter_socket listening;
	struct snicert_error err = {0};
	struct metrics *metrics;
	const char *where = LISTEN_DEFAULT;
	bool remote = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		if (option == 'l')
			where = optarg;
		else
			remote = true;
	}
	if (optind < argc)
		return tool_usage(tool, "exporter takes no arguments");
	if (exporter_listen(where, remote, &listening, &err) != 0)
		return tool_fail(&err);
	printf("metrics at %s\n", listening.text);
	fflush(stdout);
	metrics = metrics_new(tool->config);
	status = metrics == NULL ? error_set(&err, SNICERT_EMEMORY, "no memory")
	                         : exporter_run(&listening, metrics, &err);
	metrics_free(metrics);
	return status != 0 ? tool_fail(&err) : TOOL_DONE;
}

const struct command command_exporter = {
	.name = "exporter",
	.run = cmd_exporter,
	.arguments = "[--listen unix:PATH|ADDRESS:PORT] [--remote]",
	.summary = "serve metrics to Prometheus, at /metrics",
	.help =
	    "  --listen WHERE  (127.0.0.1:9811)\n"
	    "  --remote        allow an address that others can reach; there is no TLS and no password\n",
};
