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

/* Writing upgrades an older schema; if you can't write, you can still look. */
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
report_json(struct verify *v)
{
	static const struct report_column columns[] = {
		{ "severity", NULL, false }, { "code", NULL, false }, { "chain", NULL, false },
		{ "what", NULL, false }, { "finding", NULL, false }, { "fix", NULL, false },
	};
	int status;

	printf("{\"findings\": ");
	v->report = report_new(stdout, true, columns, 6);
	status = verify_all(v);
	if (report_finish(v->report, &v->err) != 0)
		return -1;
	printf(", \"chains\": %" PRId64 ", \"names\": %" PRId64 ", \"errors\": %" PRId64
	    ", \"warnings\": %" PRId64 "}\n", v->done, v->names, v->errors, v->warnings);
	return status;
}

static int
report_table(struct verify *v, bool each)
{
	int status;

	v->report = report_new(stdout, false, gather_columns, GATHER_COLUMNS);
	v->gather = gather_new(v->report, each);
	status = v->gather == NULL ? error_set(&v->err, SNICERT_EMEMORY, "no memory") : verify_all(v);
	if (v->gather != NULL && gather_report(v->gather, &v->err) != 0)
		status = -1;
	if (report_finish(v->report, &v->err) != 0)
		status = -1;
	if (status == 0)
		printf("%s%" PRId64 " chain%s, %" PRId64 " name%s: %" PRId64 " error%s, %" PRId64 " warning%s%s\n",
		    v->errors + v->warnings > 0 ? "\n" : "", v->done, v->done == 1 ? "" : "s", v->names,
		    v->names == 1 ? "" : "s", v->errors, v->errors == 1 ? "" : "s", v->warnings,
		    v->warnings == 1 ? "" : "s", gather_shortened(v->gather) ? "; --all prints each" : "");
	gather_free(v->gather);
	return status;
}

static int
report(struct verify *v, bool each)
{
	if (prepare(v) != 0 || (v->tool->json ? report_json(v) : report_table(v, each)) != 0)
		return tool_fail(&v->err);
	return v->errors > 0 ? TOOL_NO : TOOL_DONE;
}

static int
cmd_verify(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' }, TOOL_OPTIONS };
	struct verify v = { .tool = tool };
	bool each = false;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		if (option == '?')
			return status;
		each = true;
	}
	if (optind < argc)
		return tool_usage(tool, "verify takes no arguments");
	status = report(&v, each);
	chain_codec_free(v.codec);
	seal_free(v.seal);
	store_rows_free(&v.rows);
	admin_close(v.admin);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.run = cmd_verify,
	.arguments = "[--all]",
	.summary = "check the whole store for faults",
	.help =
	    "  --all           print each finding, even if several chains have the same one\n",
	.traits = COMMAND_PRINTS,
};
