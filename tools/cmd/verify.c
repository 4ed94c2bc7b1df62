/* SPDX-License-Identifier: ISC */
/*
 * verify.c: the whole store.
 *
 * For programs the answer is
 *
 *     {"findings": [{"severity": "error" | "warning", "code": …, "chain": … | null,
 *       "what": …, "finding": …, "fix": … | null}, …],
 *      "chains": n, "names": n, "errors": n, "warnings": n}
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "store/open.h"
#include "tool.h"
#include "verify/verify.h"

/* Writing brings an older schema up to date; who may not write can still look. */
static int
prepare(struct verify *v)
{
	bool writable = tool_may(v->tool->config->store_path, W_OK);

	v->now = time(NULL);
	v->codec = chain_codec_new(1u << 20);
	if (v->codec == NULL)
		return error_set(&v->err, SNICERT_EMEMORY, "no memory");
	return open_store(v->tool, writable ? ADMIN_WRITE : ADMIN_READ, &v->admin, &v->err);
}

static int
report(struct verify *v)
{
	static const struct report_column columns[] = {
		{ "severity", "Severity", false }, { "code", NULL, false }, { "chain", NULL, true },
		{ "what", "What", false }, { "finding", "Finding", false }, { "fix", "Fix", false },
	};
	bool json = v->tool->json;
	int status;

	if (prepare(v) != 0)
		return tool_fail(&v->err);
	if (json)
		printf("{\"findings\": ");
	v->report = report_new(stdout, json, columns, 6);
	status = verify_all(v);
	if (report_finish(v->report, &v->err) != 0)
		return tool_fail(&v->err);
	if (json)
		printf(", \"chains\": %" PRId64 ", \"names\": %" PRId64 ", \"errors\": %" PRId64
		    ", \"warnings\": %" PRId64 "}\n", v->done, v->names, v->errors, v->warnings);
	if (status != 0)
		return tool_fail(&v->err);
	if (!json)
		printf("%s%" PRId64 " chain%s, %" PRId64 " name%s: %" PRId64 " error%s, %" PRId64 " warning%s\n",
		    v->errors + v->warnings > 0 ? "\n" : "", v->done, v->done == 1 ? "" : "s", v->names,
		    v->names == 1 ? "" : "s", v->errors, v->errors == 1 ? "" : "s", v->warnings,
		    v->warnings == 1 ? "" : "s");
	return v->errors > 0 ? TOOL_NO : TOOL_DONE;
}

static int
cmd_verify(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { TOOL_OPTIONS };
	struct verify v = { .tool = tool };
	int status;

	if (tool_getopt(tool, argc, argv, options, &status) != -1)
		return status;
	if (optind < argc)
		return tool_usage(tool, "verify takes no arguments");
	status = report(&v);
	chain_codec_free(v.codec);
	seal_free(v.seal);
	store_rows_free(&v.rows);
	admin_close(v.admin);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.run = cmd_verify,
	.arguments = "",
	.summary = "check the whole store for faults",
	.traits = COMMAND_PRINTS,
};
