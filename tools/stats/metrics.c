/* SPDX-License-Identifier: ISC */
/*
 * metrics.c: statistics and store as metrics.  Their number doesn't grow with names or processes:
 * they sum over names, and over the processes of a program.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "acl.h"
#include "error.h"
#include "stats/metrics.h"
#include "stats/read.h"
#include "store.h"
#include "store/admin_names.h"
#include "store/admin_fleet.h"
#include "store/admin_status.h"
#include "store/following.h"

#define DAY 86400
#define PROCESSES_MOST 1024     /* that we look at */
#define PROGRAMS_MOST 64
#define BUCKET_FIRST 7          /* of the histogram: below 2^7 ns … */
#define BUCKET_LAST 30          /* … below 2^30 ns, about a second */
#define GRACE 10                /* seconds for a server to notice a change */

struct metrics {
	const struct config *config;
	/* Of the store: */
	bool known;                     /* valid as of: */
	int64_t changed;                /* latest modification of its files, Unix time */
	ino_t inode;
	int64_t looked;
	struct admin_totals totals;
	struct status_ends ends;
	bool has_fallback;
	struct admin_position fleet;
	uint64_t commit;
};

/* Processes of one program. */
struct program {
	const char *name;
	unsigned processes, threads, stale;
	int64_t served, error_at;
};

struct metrics *
metrics_new(const struct config *config)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics != NULL)
		metrics->config = config;
	return metrics;
}

void
metrics_free(struct metrics *metrics)
{
	free(metrics);
}

/* --- the text ----------------------------------------------------------------- */

static void
head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
number(FILE *out, const char *name, const char *type, const char *help, int64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %" PRId64 "\n", name, value);
}

/* A label's value; a program may call itself anything. */
static void
quoted(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else
			putc(c < 0x20 || c > 0x7e ? '?' : c, out);
	}
}

/* --- statistics --------------------------------------------------------------- */

/* A name's own chain has no reason, and everything else has one; others appear once they happen. */
static bool
is_usual(enum stats_outcome outcome, enum stats_reason reason)
{
	if (outcome == STATS_EXACT || outcome == STATS_WILDCARD)
		return reason == STATS_NONE;
	if (outcome == STATS_REFUSED)
		return reason == STATS_UNKNOWN || reason == STATS_MALFORMED;
	return reason != STATS_NONE;
}

static void
write_handshakes(FILE *out, const struct stats_totals *totals)
{
	char keys[32];

	head(out, "snicert_handshakes_total", "counter",
	    "Handshakes by what was served, and by why it was not a chain of the name.");
	for (enum stats_outcome i = 0; i < STATS_OUTCOMES; i++)
		for (enum stats_reason k = 0; k < STATS_REASONS; k++)
			if (totals->both[i][k] > 0 || is_usual(i, k))
				fprintf(out, "snicert_handshakes_total{outcome=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
				    stats_outcome_word(i), stats_reason_word(k), totals->both[i][k]);
	head(out, "snicert_presented_total", "counter",
	    "Handshakes by the key types of the chains that OpenSSL had to choose from.");
	for (unsigned i = 0; i < STATS_KEY_SETS; i++)
		if (totals->keys[i] > 0 || i == 0 || i == STATS_RSA || i == STATS_EC || i == (STATS_RSA | STATS_EC))
			fprintf(out, "snicert_presented_total{keys=\"%s\"} %" PRIu64 "\n",
			    stats_keys_word(i, keys), totals->keys[i]);
}

/* Includes the file's buckets that are finer than our first. */
static void
write_latency(FILE *out, const struct stats_totals *totals)
{
	static const char name[] = "snicert_selection_duration_seconds";
	uint64_t sum = 0;

	head(out, name, "histogram", "How long it took to find, decode and install the chains.");
	for (int i = 0; i <= BUCKET_LAST; i++) {
		sum += totals->latency[i];
		if (i >= BUCKET_FIRST)
			fprintf(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
			    (double)((uint64_t)1 << i) / 1e9, sum);
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, totals->latencies);
	fprintf(out, "%s_sum %.9f\n%s_count %" PRIu64 "\n", name, (double)totals->latency_ns / 1e9, name,
	    totals->latencies);
}

static void
write_counters(FILE *out, const struct stats_totals *totals)
{
	static const struct {
		enum stats_counter counter;
		const char *name, *help;
	} list[] = {
		{ STATS_CACHE_HITS, "snicert_cache_hits_total", "Look-ups that were answered without the store." },
		{ STATS_DECODES, "snicert_chain_decodes_total", "Chains that were decoded from the store." },
		{ STATS_SERVED_EXPIRED, "snicert_expired_served_total",
		    "Handshakes that were served an expired chain." },
		{ STATS_TROUBLE, "snicert_candidate_errors_total",
		    "Candidates that were passed over because of an error." },
		{ STATS_UNKNOWN_MISSED, "snicert_unknown_unlisted_total",
		    "Requests for unknown names that found no place in the list of such names." },
		{ STATS_NAMES_EVICTED, "snicert_use_evicted_total",
		    "Names whose last use was forgotten for want of room." },
		{ STATS_PROCESSES_MISSED, "snicert_servers_unlisted_total",
		    "Processes that found no row in the statistics." },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		head(out, list[i].name, "counter", list[i].help);
		fprintf(out, "%s %" PRIu64 "\n", list[i].name, totals->counters[list[i].counter]);
	}
}

bool
metrics_is_stale(const struct stats_process *process, uint64_t current, int64_t changed)
{
	return process->alive && process->commit != 0 && current != 0 && process->commit != current &&
	    process->served > changed + GRACE;
}

static size_t
add_up(const struct metrics *metrics, const struct stats_process *list, size_t count, struct program *programs)
{
	size_t found = 0, at;

	for (size_t i = 0; i < count; i++) {
		const struct stats_process *process = &list[i];

		for (at = 0; at < found && strcmp(programs[at].name, process->program) != 0; at++)
			;
		if (at == PROGRAMS_MOST)
			continue;
		if (at == found)
			programs[found++] = (struct program){ .name = process->program };
		programs[at].processes += process->alive;
		programs[at].threads += process->alive ? process->threads : 0;
		programs[at].stale += metrics_is_stale(process, metrics->commit, metrics->changed);
		if (process->served > programs[at].served)
			programs[at].served = process->served;
		if (process->error_at > programs[at].error_at)
			programs[at].error_at = process->error_at;
	}
	return found;
}

static void
write_programs(FILE *out, const struct program *programs, size_t count)
{
	static const struct {
		const char *name, *help;
	} list[] = {
		{ "snicert_servers", "Processes that have the module open, without those forked for one connection." },
		{ "snicert_server_threads", "Threads of them that did handshakes." },
		{ "snicert_servers_stale", "Processes that went on serving a former state of the store." },
		{ "snicert_server_last_handshake_timestamp_seconds", "When the latest handshake was." },
		{ "snicert_server_last_error_timestamp_seconds", "When the module last logged an error; 0: never." },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		head(out, list[i].name, "gauge", list[i].help);
		for (size_t k = 0; k < count; k++) {
			const int64_t values[] = { programs[k].processes, programs[k].threads, programs[k].stale,
				programs[k].served, programs[k].error_at };

			fprintf(out, "%s{program=\"", list[i].name);
			quoted(out, programs[k].name);
			fprintf(out, "\"} %" PRId64 "\n", values[i]);
		}
	}
}

static void
write_servers(const struct metrics *metrics, FILE *out, const struct stats_reader *reader)
{
	struct stats_process *list = calloc(PROCESSES_MOST, sizeof(*list));
	struct program programs[PROGRAMS_MOST];
	size_t count;

	if (list == NULL)
		return;
	count = stats_read_processes(reader, list, PROCESSES_MOST);
	write_programs(out, programs,
	    add_up(metrics, list, count < PROCESSES_MOST ? count : PROCESSES_MOST, programs));
	free(list);
}

static void
write_statistics(const struct metrics *metrics, FILE *out)
{
	struct stats_reader *reader = NULL;
	struct stats_unknown *unknown = NULL;
	struct stats_totals totals;
	size_t count = 0;

	if (metrics->config->stats_path != NULL)
		stats_read_open(&reader, metrics->config->stats_path, NULL);
	number(out, "snicert_statistics_readable", "gauge", "1 where there are statistics of servers that can be read.",
	    reader != NULL);
	if (reader == NULL)
		return;
	stats_read_totals(reader, &totals);
	number(out, "snicert_statistics_skipped_files", "gauge",
	    "Statistics files (there is one for each user of servers) that could not be read.",
	    (int64_t)stats_read_skipped(reader));
	number(out, "snicert_statistics_start_timestamp_seconds", "gauge", "Since when is counted.", totals.since);
	write_handshakes(out, &totals);
	write_latency(out, &totals);
	write_counters(out, &totals);
	if (stats_read_unknown(reader, &unknown, &count) == 0)
		number(out, "snicert_unknown_names", "gauge",
		    "Names in the list of those that clients asked for and nobody has bound.", (int64_t)count);
	free(unknown);
	write_servers(metrics, out, reader);
	stats_read_close(reader);
}

/* --- the store ---------------------------------------------------------------- */

/* The latest modification of the store's files, and which file; 0: none. */
static int64_t
changed_at(const char *path, ino_t *inode)
{
	char name[4200];
	int64_t latest;
	struct stat st;

	*inode = 0;
	if (stat(path, &st) != 0)
		return 0;
	*inode = st.st_ino;
	latest = (int64_t)st.st_mtime;
	snprintf(name, sizeof(name), "%s-wal", path);
	if (stat(name, &st) == 0 && (int64_t)st.st_mtime > latest)
		latest = (int64_t)st.st_mtime;
	return latest;
}

/* As servers see it. */
static uint64_t
commit_of(const char *path)
{
	struct store *store = store_new(path);
	struct store_version version = {0};
	uint64_t commit = 0;

	if (store != NULL && store_open(store, NULL) == 0) {
		store_version(store, &version);
		if (version.opened != 0 && version.certain)
			commit = mapping_commit(version.words, sizeof(version.words) / sizeof(version.words[0]));
	}
	store_free(store);
	return commit;
}

/* Counting a big store takes a moment: repeat it only after changes, and day by day. */
static void
look_at_store(struct metrics *metrics)
{
	const int64_t now = (int64_t)time(NULL);
	const struct status_near none[2] = { { 0, 1 }, { 0, 1 } };
	const char *path = metrics->config->store_path;
	ino_t inode;
	int64_t changed = changed_at(path, &inode), chain = 0;
	struct admin *admin = NULL;
	struct snicert_error err = {0};

	if (metrics->known && inode == metrics->inode && changed == metrics->changed && changed < metrics->looked && now < metrics->looked + 3600 &&
	    now >= metrics->looked)
		return;
	metrics->known = admin_open(&admin, path, ADMIN_READ, &err) == 0 &&
	    admin_totals(admin, &metrics->totals, &err) == 0 &&
	    admin_ends(admin, now, none, &metrics->ends, &err) == 0 &&
	    admin_position(admin, &metrics->fleet, &err) == 0 &&
	    admin_chain_of_name(admin, "@", &chain, &err) == 0;
	admin_close(admin);
	metrics->has_fallback = chain != 0;
	metrics->changed = changed;
	metrics->inode = inode;
	metrics->looked = now;
	metrics->commit = commit_of(path);
}

static void
write_ends(FILE *out, const struct status_ends *ends)
{
	int64_t sum = 0;

	number(out, "snicert_chains_expired", "gauge", "Active chains that have expired.", ends->expired);
	head(out, "snicert_chains_expiring", "gauge",
	    "Active chains that expire within so many days (those within fewer days are among them).");
	for (int i = 0; i < STATUS_WEEKS; i++) {
		sum += ends->weeks[i];
		fprintf(out, "snicert_chains_expiring{days=\"%d\"} %" PRId64 "\n", 7 * (i + 1), sum);
	}
	if (ends->any)
		number(out, "snicert_chain_next_expiry_timestamp_seconds", "gauge",
		    "When the next active chain expires.", ends->soonest);
}

static void
write_store(const struct metrics *metrics, FILE *out)
{
	const struct admin_totals *totals = &metrics->totals;

	number(out, "snicert_store_readable", "gauge", "1 where the store can be read.", metrics->known);
	if (!metrics->known)
		return;
	number(out, "snicert_store_change_timestamp_seconds", "gauge", "When the store's files were last modified.",
	    metrics->changed);
	number(out, "snicert_store_sequence", "gauge", "Number of the last change.", totals->sequence);
	head(out, "snicert_chains", "gauge", "Chains in the store.");
	fprintf(out, "snicert_chains{state=\"active\"} %" PRId64 "\n", totals->active);
	fprintf(out, "snicert_chains{state=\"staged\"} %" PRId64 "\n", totals->staged);
	fprintf(out, "snicert_chains{state=\"retired\"} %" PRId64 "\n", totals->retired);
	number(out, "snicert_names", "gauge", "Names that are bound to chains.", totals->names);
	number(out, "snicert_fallback", "gauge", "1 where there is a global fallback.", metrics->has_fallback);
	write_ends(out, &metrics->ends);
}

/* Of a fleet's store.  Where nobody has followed yet, it was never at the head. */
static void
write_fleet(const struct metrics *metrics, FILE *out)
{
	struct following following;

	if (!metrics->known || !metrics->fleet.is_member)
		return;
	following_read(metrics->config->store_path, &following);
	number(out, "snicert_fleet_change", "gauge", "The fleet's change that this store is at.", metrics->fleet.seq);
	number(out, "snicert_fleet_head", "gauge", "The fleet's last change, as far as is known here.",
	    following.head > metrics->fleet.seq ? following.head : metrics->fleet.seq);
	number(out, "snicert_fleet_at_head_timestamp_seconds", "gauge", "When this store was last seen to be at the head.",
	    following.at);
}

int
metrics_write(struct metrics *metrics, FILE *out, struct snicert_error *err)
{
	look_at_store(metrics);
	head(out, "snicert_build_info", "gauge", "Always 1.");
	fprintf(out, "snicert_build_info{version=\"%s\"} 1\n", SNICERT_VERSION);
	write_store(metrics, out);
	write_fleet(metrics, out);
	write_statistics(metrics, out);
	return fflush(out) == 0 && !ferror(out) ? 0 : error_system(err, "can't write the metrics");
}

/* A reader sees the old file or the new one, complete. */
static int
write_file(const char *path, struct metrics *metrics, struct snicert_error *err)
{
	char beside[PATH_MAX];
	int fd, status;
	FILE *out;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return error_set(err, SNICERT_EUSAGE, "%s: the path is too long", path);
	fd = mkostemp(beside, O_CLOEXEC);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (out == NULL) {
		error_system(err, "can't write %s", path);
		if (fd >= 0) {
			close(fd);
			unlink(beside);
		}
		return -1;
	}
	status = metrics_write(metrics, out, err);
	/* node_exporter is another user. */
	if (status == 0 && acl_fchmod(fd, 0644) != 0)
		status = error_system(err, "can't write %s", path);
	if ((fclose(out) != 0 || (status == 0 && rename(beside, path) != 0)) && status == 0)
		status = error_system(err, "can't write %s", path);
	if (status != 0)
		unlink(beside);
	return status;
}

int
metrics_print(const struct config *config, const char *path, struct snicert_error *err)
{
	struct metrics *metrics = metrics_new(config);
	int status;

	if (metrics == NULL)
		status = error_set(err, SNICERT_EMEMORY, "no memory");
	else if (path != NULL)
		status = write_file(path, metrics, err);
	else
		status = metrics_write(metrics, stdout, err);
	metrics_free(metrics);
	return status;
}
