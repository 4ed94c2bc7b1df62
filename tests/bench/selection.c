/* SPDX-License-Identifier: ISC */
/*
 * selection: what the choice of a certificate costs, alone and within the process.
 *
 *   selection [--json] [--names N]… [--threads N]… [--samples N] [--key ec|rsa|both]… [--case NAME]…
 *
 * A sample is a connection: a real ClientHello of OpenSSL's, recorded once, with
 * another name written into it each time, goes through a new SSL of a context to
 * which the module is attached.  The clock runs in the callbacks only, and the handshake
 * ends with them, so that no signature hides what is measured.
 * Times are the median (and the 90th of a hundred) of all samples, in
 * microseconds; `look-up` is the same without OpenSSL: is the store unchanged,
 * and what does it have for the name, as the mean of many.
 *
 * Cases:
 *   cached     a name that was served before
 *   cold       one that was not: fetched, unsealed, decoded, installed
 *   unknown    nobody knows the name, and that is remembered
 *   stranger   nobody knows it, for the first time; parent domains differ, too
 *   commit     cached, with a commit to another name between any two
 *   renewed    its chain was replaced by a commit a moment ago; the last one has to be served
 *   uniform, zipf   names drawn out of all of them with these probabilities, after a
 *              tenth of the samples to warm up
 *   open       open and attach, with the fallback looked for
 *   fork       a server that forks for each connection, the module open before: CPU time of a
 *              child from fork to exit, whole handshakes; with one name that all
 *              ask for, and with another name each (fork-cold); `ratio` is that
 *              of a child with one static certificate, between them, against it
 *   stats      cached, with and without statistics in turn: `stats` is the difference of the
 *              means, in nanoseconds, the slowest fiftieth of both left out; `traced` is the same
 *              while somebody follows each selection (snicert trace)
 * `pem` is what decoding leaf and key from PEM costs in the same run, between
 * the samples of cold; `ratio` is cold against it.
 */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "hook.h"
#include "instance.h"
#include "population.h"
#include "stats/read.h"

#define LIST_MOST 8
#define HELLO_MOST 2048
#define LOOKUPS 20000           /* of the mean without OpenSSL */

static const char *const kind_names[KINDS] = { "ec", "rsa", "both" };
static const char hello_name[] = "x0000000.bench.example";

enum which { CACHED, COLD, UNKNOWN, STRANGER, COMMIT, RENEWED, UNIFORM, ZIPF, OPEN, FORK, FORK_COLD, STATS, CASES };
static const char *const case_names[CASES] = { "cached", "cold", "unknown", "stranger", "commit",
	"renewed", "uniform", "zipf", "open", "fork", "fork-cold", "stats" };

static struct {
	bool json;
	size_t names[LIST_MOST], name_lists;
	size_t threads[LIST_MOST], thread_lists;
	size_t samples;
	bool kinds[KINDS], cases[CASES];
} options = { .samples = 4000 };

static unsigned char hello[HELLO_MOST];
static size_t hello_length, hello_name_at;
static double clock_cost;       /* ns of reading the clock twice */
static size_t rows_printed;

/* The sample under way, of this thread. */
static _Thread_local struct {
	double ns;
	const char *wanted;     /* NULL: the server's own certificate */
	bool wrong;
} sample;

struct bench {
	struct population *population;
	struct snicert *snicert;
	SSL_CTX *ctx;
};

/* What a thread does, and what came of it. */
struct work {
	struct bench *bench;
	enum which which;
	enum kind kind;
	size_t count, first, known;
	unsigned seed;
	double *ns;             /* of each sample */
	double *pem_ns;
	size_t wrong;
};

struct result {
	enum which which;
	int kind;               /* -1: none */
	size_t names, threads, samples, wrong;
	double median, p90, lookup, pem, fixed, rate, stats, traced;
	long kib;
};

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* --- a connection --------------------------------------------------------- */

static bool
is_served(SSL *ssl)
{
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get_certificate(ssl)), NID_commonName, cn,
	    sizeof(cn));
	return strcmp(cn, sample.wanted == NULL ? "own" : sample.wanted) == 0;
}

/* The handshake ends here: what follows is the same for all certificates. */
static int
timed_certificate(SSL *ssl, void *arg)
{
	double start = now();

	hook_certificate(ssl, arg);
	sample.ns += now() - start - clock_cost;
	sample.wrong = !is_served(ssl);
	return 0;
}

/* Where the store has no answer. */
static int
untimed_certificate(SSL *ssl, void *arg)
{
	(void)arg;
	sample.wrong = !is_served(ssl);
	return 0;
}

/* Between the library and the module's callbacks: by the linker's --wrap. */
typedef int security_callback(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

void __real_SSL_set_cert_cb(SSL *, int (*)(SSL *, void *), void *);
void __wrap_SSL_set_cert_cb(SSL *, int (*)(SSL *, void *), void *);
void __real_SSL_CTX_set_security_callback(SSL_CTX *, security_callback *);
void __wrap_SSL_CTX_set_security_callback(SSL_CTX *, security_callback *);
security_callback *__real_SSL_CTX_get_security_callback(const SSL_CTX *);
security_callback *__wrap_SSL_CTX_get_security_callback(const SSL_CTX *);
security_callback *__real_SSL_get_security_callback(const SSL *);
security_callback *__wrap_SSL_get_security_callback(const SSL *);

/* Where whole handshakes are measured the module's callbacks are the library's, as elsewhere. */
static bool whole_handshakes;

void
__wrap_SSL_set_cert_cb(SSL *ssl, int (*cb)(SSL *, void *), void *arg)
{
	__real_SSL_set_cert_cb(ssl, whole_handshakes ? cb : timed_certificate, arg);
}

static security_callback *library_callback;

/* Of some hundred calls those that may do something are timed; without the verdict, which the library asks
 * for anyway, and the clock. */
static int
timed_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	double start, middle;
	int answer;

	if (op != SSL_SECOP_VERSION && op != SSL_SECOP_TICKET && op != SSL_SECOP_SIGALG_SHARED)
		return hook_security(ssl, ctx, op, bits, nid, other, ex);
	start = now();
	answer = hook_security(ssl, ctx, op, bits, nid, other, ex);
	middle = now();
	library_callback(ssl, ctx, op, bits, nid, other, ex);
	sample.ns += middle - start - (now() - middle);
	return answer;
}

void
__wrap_SSL_CTX_set_security_callback(SSL_CTX *ctx, security_callback *cb)
{
	if (cb == hook_security && library_callback == NULL)
		library_callback = __real_SSL_CTX_get_security_callback(ctx);
	__real_SSL_CTX_set_security_callback(ctx,
	    cb == hook_security && !whole_handshakes ? timed_security : cb);
}

static security_callback *
as_set(security_callback *cb)
{
	return cb == timed_security ? hook_security : cb;
}

security_callback *
__wrap_SSL_CTX_get_security_callback(const SSL_CTX *ctx)
{
	return as_set(__real_SSL_CTX_get_security_callback(ctx));
}

security_callback *
__wrap_SSL_get_security_callback(const SSL *ssl)
{
	return as_set(__real_SSL_get_security_callback(ssl));
}

static SSL_CTX *
server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();

	must(ctx != NULL && key != NULL && cert != NULL, "make a context");
	X509_set_pubkey(cert, key);
	X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(cert), 90, 0, NULL);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)"own", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	must(X509_sign(cert, key, EVP_sha256()) > 0 && SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1, "use the server's own certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static void
record_hello(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	unsigned char *at;
	int length;

	must(ssl != NULL && in != NULL && out != NULL, "make a client");
	SSL_set_bio(ssl, in, out);
	SSL_set_tlsext_host_name(ssl, hello_name);
	SSL_connect(ssl);
	length = BIO_read(out, hello, sizeof(hello));
	must(length > 0, "record a ClientHello");
	hello_length = (size_t)length;
	at = memmem(hello, hello_length, hello_name, POPULATION_NAME_LENGTH);
	must(at != NULL, "find the name in a ClientHello");
	hello_name_at = (size_t)(at - hello);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

/* One selection; returns its nanoseconds. */
static double
connect_once(struct work *work, const char *name, bool known)
{
	unsigned char own_hello[HELLO_MOST];
	SSL *ssl = SSL_new(work->bench->ctx);
	BIO *in, *out = BIO_new(BIO_s_mem());

	memcpy(own_hello, hello, hello_length);
	memcpy(own_hello + hello_name_at, name, POPULATION_NAME_LENGTH);
	in = BIO_new_mem_buf(own_hello, (int)hello_length);
	must(ssl != NULL && in != NULL && out != NULL, "make a connection");
	SSL_set_bio(ssl, in, out);
	sample.ns = 0;
	sample.wanted = known ? name : NULL;
	sample.wrong = true; /* until the callback was there */
	SSL_accept(ssl);
	work->wrong += sample.wrong;
	SSL_free(ssl);
	ERR_clear_error();
	return sample.ns;
}

static void
bench_open(struct bench *bench)
{
	struct snicert_error err = {0};

	bench->ctx = server_context();
	must(snicert_open(&bench->snicert, bench->population->config, &err) == 0, err.text);
	must(snicert_attach(bench->snicert, bench->ctx, &err) == 0, err.text);
	SSL_CTX_set_cert_cb(bench->ctx, untimed_certificate, NULL);
}

static void
bench_close(struct bench *bench)
{
	SSL_CTX_free(bench->ctx);
	snicert_close(bench->snicert);
}

/* --- the cases ------------------------------------------------------------ */

static double
decode_pem(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	double start = now();
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	double end = now();

	must(leaf != NULL && key != NULL, "decode PEM");
	X509_free(leaf);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return end - start;
}

/* The chain or chains of a name. */
static double
decode_kind(const struct bench *bench, enum kind kind)
{
	char *const *pem = bench->population->pem;

	return (kind == KIND_RSA ? 0 : decode_pem(pem[0])) + (kind == KIND_EC ? 0 : decode_pem(pem[1]));
}

static double
fraction(struct work *work)
{
	return rand_r(&work->seed) / ((double)RAND_MAX + 1);
}

/* Zipf's law with exponent 1, by the inverse of its integral. */
static size_t
draw(struct work *work)
{
	double n = (double)work->known, x = fraction(work);

	return work->which == ZIPF ? (size_t)(pow(n + 1, x) - 1) % work->known : (size_t)(x * n);
}

static void
choose(struct work *work, size_t i, char name[POPULATION_NAME_SIZE])
{
	switch (work->which) {
	case UNKNOWN:
		population_unknown(name, i % 64);
		break;
	case STRANGER:
		population_unknown_parent(name, work->first + i);
		break;
	case UNIFORM:
	case ZIPF:
		population_name(name, work->kind, draw(work));
		break;
	case COLD:
		population_name(name, work->kind, work->first + i);
		break;
	default:
		population_name(name, work->kind, i % (work->known < 64 ? work->known : 64));
		break;
	}
}

/* Half a microsecond of nothing costs caches and predictors little; a commit costs much. */
static void
between(struct work *work, size_t i)
{
	if (work->which == COMMIT)
		population_commit(work->bench->population);
	else if (work->which == RENEWED)
		population_renew(work->bench->population, i % 64);
	else if (work->which == COLD && i % 8 == 0)
		work->pem_ns[i / 8] = decode_kind(work->bench, work->kind);
}

static void *
work_do(void *arg)
{
	struct work *work = arg;
	char name[POPULATION_NAME_SIZE];

	for (size_t i = 0; i < work->count; i++) {
		between(work, i);
		choose(work, i, name);
		work->ns[i] = connect_once(work, name, name[0] != 'u');
	}
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double
percentile(double *values, size_t count, unsigned percent)
{
	qsort(values, count, sizeof(*values), by_size);
	return count == 0 ? 0 : values[(count - 1) * percent / 100];
}

/* Look-ups alone: refresh and find, as the mean in this thread's CPU time. */
static double
lookups(struct bench *bench, enum which which, enum kind kind)
{
	struct work work = { .bench = bench, .which = which, .kind = kind, .known = 64 };
	struct timespec start, end;
	struct name keys[64];
	struct answer *answer;
	char text[POPULATION_NAME_SIZE];

	for (size_t i = 0; i < 64; i++) {
		choose(&work, i, text);
		must(name_normalise(&keys[i], text, POPULATION_NAME_LENGTH), "normalise a name");
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	for (size_t i = 0; i < LOOKUPS; i++) {
		lookup_refresh(bench->snicert->lookup);
		lookup_find(bench->snicert->lookup, &keys[i % 64], &answer);
		answer_unref(answer);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / LOOKUPS;
}

static void
warm(struct bench *bench, enum which which, enum kind kind)
{
	struct work work = { .bench = bench, .which = which == COLD ? CACHED : which, .kind = kind,
		.known = bench->population->names / KINDS };
	char name[POPULATION_NAME_SIZE];

	for (size_t i = 0; i < 64 && which != STRANGER; i++) {
		choose(&work, i, name);
		connect_once(&work, name, name[0] != 'u');
	}
}

static void
run_threads(struct work *works, size_t threads)
{
	pthread_t ids[64];

	for (size_t i = 1; i < threads; i++)
		must(pthread_create(&ids[i], NULL, work_do, &works[i]) == 0, "start a thread");
	work_do(&works[0]);
	for (size_t i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
}

/* How many samples a case can have. */
static size_t
samples_of(const struct bench *bench, enum which which)
{
	size_t known = bench->population->names / KINDS - 64;

	switch (which) {
	case COLD:
		return options.samples < known ? options.samples : known;
	case COMMIT:
	case RENEWED:
		return options.samples / 20 + 1;
	default:
		return options.samples;
	}
}

static void
measure(struct bench *bench, enum which which, enum kind kind, size_t threads, struct result *result)
{
	size_t each = samples_of(bench, which) / threads, total = each * threads;
	double *ns = calloc(total, sizeof(*ns)), *pem_ns = calloc(total / 8 + threads, sizeof(*pem_ns));
	size_t pems = (each + 7) / 8;
	struct work works[64];
	double start;

	must(ns != NULL && pem_ns != NULL && threads <= 64, "get memory");
	warm(bench, which, kind);
	for (size_t i = 0; i < threads; i++)
		works[i] = (struct work){ .bench = bench, .which = which, .kind = kind, .count = each,
			.first = 64 + i * each, .known = bench->population->names / KINDS,
			.seed = (unsigned)i + 1, .ns = ns + i * each, .pem_ns = pem_ns + i * pems };
	if (which == UNIFORM || which == ZIPF)
		for (size_t i = 0; i < threads; i++) {
			works[i].count = each / 10;
			work_do(&works[i]);
			works[i].count = each;
		}
	start = now();
	run_threads(works, threads);
	result->rate = (double)total / ((now() - start) / 1e9);
	result->samples = total;
	for (size_t i = 0; i < threads; i++)
		result->wrong += works[i].wrong;
	result->median = percentile(ns, total, 50) / 1e3;
	result->p90 = percentile(ns, total, 90) / 1e3;
	if (which == COLD)
		result->pem = percentile(pem_ns, pems * threads, 50) / 1e3;
	if (which == CACHED || which == UNKNOWN)
		result->lookup = lookups(bench, which, kind) / 1e3;
	free(ns);
	free(pem_ns);
}

static long
resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size = 0, resident = 0;

	if (file != NULL) {
		if (fscanf(file, "%ld %ld", &size, &resident) != 2)
			resident = 0;
		fclose(file);
	}
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
measure_open(struct bench *bench, struct result *result)
{
	double ns[51];
	long before = resident_kib();

	for (size_t i = 0; i < 51; i++) {
		struct snicert *snicert;
		SSL_CTX *ctx = server_context();
		double start = now();

		must(snicert_open(&snicert, bench->population->config, NULL) == 0 &&
		    snicert_attach(snicert, ctx, NULL) == 0, "open");
		ns[i] = now() - start;
		if (i == 0)
			result->kib = resident_kib() - before;
		snicert_close(snicert);
		SSL_CTX_free(ctx);
	}
	result->samples = 51;
	result->median = percentile(ns, 51, 50) / 1e3;
	result->p90 = percentile(ns, 51, 90) / 1e3;
}

/* --- a process for each connection ----------------------------------------- */

static void
serve_and_exit(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	_exit(SSL_accept(ssl) != 1);
}

static bool
peer_is(SSL *ssl, const char *wanted)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof(cn));
	X509_free(leaf);
	return strcmp(cn, wanted) == 0;
}

/* Until the child is gone; returns whether it served what was wanted. */
static bool
shake_hands(SSL_CTX *client_ctx, int fd, const char *name, const char *wanted)
{
	SSL *ssl = SSL_new(client_ctx);
	char octet;
	bool good;

	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, name);
	must(SSL_connect(ssl) == 1, "shake hands with a child");
	while (SSL_read(ssl, &octet, 1) > 0)
		;
	good = peer_is(ssl, wanted);
	SSL_free(ssl);
	ERR_clear_error();
	return good;
}

/* CPU time of the child, in nanoseconds. */
static double
fork_once(SSL_CTX *ctx, SSL_CTX *client_ctx, const char *name, const char *wanted, size_t *wrong)
{
	struct rusage used;
	int fds[2], status;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "make a socket");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(fds[0]);
		serve_and_exit(ctx, fds[1]);
	}
	close(fds[1]);
	*wrong += !shake_hands(client_ctx, fds[0], name, wanted);
	close(fds[0]);
	must(wait4(pid, &status, 0, &used) == pid && status == 0, "wait for a child");
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
	    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

static void
measure_fork(struct bench *bench, enum which which, struct result *result)
{
	size_t most = bench->population->names / KINDS - 64;
	size_t count = options.samples / 8 < most ? options.samples / 8 : most;
	double *fixed = calloc(count, sizeof(*fixed)), *ns = calloc(count, sizeof(*ns));
	SSL_CTX *plain = server_context(), *client_ctx = SSL_CTX_new(TLS_client_method());
	char name[POPULATION_NAME_SIZE];

	must(fixed != NULL && ns != NULL && client_ctx != NULL, "get memory");
	for (size_t i = 0; i < count; i++) {
		population_name(name, KIND_EC, which == FORK ? 1 : i);
		fixed[i] = fork_once(plain, client_ctx, name, "own", &result->wrong);
		ns[i] = fork_once(bench->ctx, client_ctx, name, name, &result->wrong);
	}
	result->samples = count;
	result->median = percentile(ns, count, 50) / 1e3;
	result->p90 = percentile(ns, count, 90) / 1e3;
	result->fixed = percentile(fixed, count, 50) / 1e3;
	SSL_CTX_free(plain);
	SSL_CTX_free(client_ctx);
	free(fixed);
	free(ns);
}

/* --- what statistics cost --------------------------------------------------- */

static double
trimmed_mean(double *ns, size_t count)
{
	size_t kept = count - count / 50;
	double sum = 0;

	qsort(ns, count, sizeof(*ns), by_size);
	for (size_t i = 0; i < kept; i++)
		sum += ns[i];
	return kept == 0 ? 0 : sum / (double)kept;
}

static void
see_event(void *arg, const struct stats_event *event)
{
	(void)arg;
	(void)event;
}

/* Of `count` connections each, with and without statistics in turn: the difference of their means.  Somebody
 * may follow them meanwhile. */
static double
statistics_cost(struct work *work, double *with, double *without, size_t count, struct stats_trace *trace)
{
	struct snicert *snicert = work->bench->snicert;
	struct stats *stats = snicert->stats;
	char name[POPULATION_NAME_SIZE];
	uint64_t lost;
	size_t ons = 0, told = 0;

	for (size_t i = 0; i < 2 * count; i++) {
		bool on = (i + i / 64) % 2 == 0; /* each name in both ways, and never twice in a row */
		double *ns = on ? &with[ons++] : &without[i - ons];

		if (trace != NULL && i % 64 == 0)
			told += (size_t)stats_trace_next(trace, see_event, NULL, &lost, NULL);
		snicert->hook.stats = on ? stats : NULL;
		lookup_set_stats(snicert->lookup, snicert->hook.stats);
		choose(work, i, name);
		*ns = connect_once(work, name, true);
	}
	snicert->hook.stats = stats;
	lookup_set_stats(snicert->lookup, stats);
	if (trace != NULL) {
		told += (size_t)stats_trace_next(trace, see_event, NULL, &lost, NULL);
		must(told == count, "be told of each");
	}
	return trimmed_mean(with, count) - trimmed_mean(without, count);
}

static void
measure_stats(struct bench *bench, struct result *result)
{
	size_t count = (options.samples * 4 + 63) / 64 * 64;
	double *with = calloc(count, sizeof(*with)), *without = calloc(count, sizeof(*without));
	struct work work = { .bench = bench, .which = CACHED, .kind = KIND_EC, .known = 64 };
	struct stats_trace *trace;
	char path[128];

	must(with != NULL && without != NULL && bench->snicert->stats != NULL, "have statistics");
	warm(bench, CACHED, KIND_EC);
	result->stats = statistics_cost(&work, with, without, count, NULL);
	result->samples = count;
	result->wrong = work.wrong;
	result->median = percentile(with, count, 50) / 1e3;
	result->p90 = percentile(with, count, 90) / 1e3;
	snprintf(path, sizeof(path), "%s/stats", bench->population->dir);
	must(stats_trace_open(&trace, path, NULL) == 0, "follow the statistics");
	result->traced = statistics_cost(&work, with, without, count, trace);
	stats_trace_close(trace);
	free(with);
	free(without);
}

/* --- what people see ------------------------------------------------------ */

static void
print_row(const struct result *r)
{
	if (rows_printed++ == 0)
		printf("%-9s %8s %-5s %7s %10s %10s %9s %8s %6s\n", "case", "names", "key", "threads",
		    "median us", "p90 us", "look-up", "pem us", "ratio");
	printf("%-9s %8zu %-5s %7zu %10.2f %10.2f", case_names[r->which], r->names,
	    r->kind < 0 ? "" : kind_names[r->kind], r->threads, r->median, r->p90);
	if (r->lookup > 0)
		printf(" %9.3f", r->lookup);
	if (r->pem > 0)
		printf(" %9s %8.1f %6.2f", "", r->pem, r->median / r->pem);
	if (r->fixed > 0)
		printf(" %9s %8s %6.2f  static %.0f us", "", "", r->fixed / r->median, r->fixed);
	if (r->which == OPEN)
		printf("  %ld KiB", r->kib);
	if (r->which == STATS)
		printf("  statistics %.0f ns, followed %.0f ns", r->stats, r->traced);
	printf("%s\n", r->wrong > 0 ? "  WRONG" : "");
	fflush(stdout);
}

static void
print_json(const struct result *r)
{
	printf("%s{\"case\": \"%s\", \"names\": %zu, \"key\": \"%s\", \"threads\": %zu, \"samples\": %zu,"
	    " \"median_us\": %.3f, \"p90_us\": %.3f, \"lookup_us\": %.4f, \"pem_us\": %.3f,"
	    " \"pem_ratio\": %.4f, \"static_us\": %.3f, \"open_kib\": %ld, \"stats_ns\": %.1f, \"traced_ns\": %.1f, \"wrong\": %zu}",
	    rows_printed++ == 0 ? "[\n" : ",\n", case_names[r->which], r->names,
	    r->kind < 0 ? "" : kind_names[r->kind], r->threads, r->samples, r->median, r->p90,
	    r->lookup, r->pem, r->pem > 0 ? r->median / r->pem : 0, r->fixed, r->kib,
	    r->stats, r->traced, r->wrong);
}

static size_t
report(const struct result *result)
{
	if (options.json)
		print_json(result);
	else
		print_row(result);
	return result->wrong;
}

/* Cases that commit have one writer, and those about the unknown have no key. */
static bool
applies(enum which which, enum kind kind, size_t threads)
{
	if (which == COMMIT || which == RENEWED)
		return kind == KIND_EC && threads == 1;
	return options.kinds[kind] && ((which != UNKNOWN && which != STRANGER) || kind == KIND_EC);
}

static size_t
run_case(struct population *population, enum which which, enum kind kind, size_t threads)
{
	struct bench bench = { .population = population };
	struct result result = { .which = which, .kind = kind, .names = population->names,
		.threads = threads };

	if (which == UNKNOWN || which == STRANGER)
		result.kind = -1;
	bench_open(&bench);
	measure(&bench, which, kind, threads, &result);
	bench_close(&bench);
	return report(&result);
}

static size_t
run_fork(struct population *population, enum which which)
{
	struct bench bench = { .population = population, .ctx = server_context() };
	struct result result = { .which = which, .kind = KIND_EC, .names = population->names,
		.threads = 1 };

	whole_handshakes = true;
	must(snicert_open(&bench.snicert, population->config, NULL) == 0 &&
	    snicert_attach(bench.snicert, bench.ctx, NULL) == 0, "open");
	measure_fork(&bench, which, &result);
	bench_close(&bench);
	whole_handshakes = false;
	return report(&result);
}

static size_t
run_population(size_t names)
{
	struct population *population = population_new(names);
	struct bench bench = { .population = population };
	struct result opening = { .which = OPEN, .kind = -1, .names = names, .threads = 1 };
	size_t wrong = 0;

	if (options.cases[OPEN]) {
		measure_open(&bench, &opening);
		wrong += report(&opening);
	}
	for (int which = 0; which < OPEN; which++)
		for (int kind = 0; kind < KINDS; kind++)
			for (size_t i = 0; i < options.thread_lists; i++)
				if (options.cases[which] &&
				    applies((enum which)which, (enum kind)kind, options.threads[i]))
					wrong += run_case(population, (enum which)which, (enum kind)kind,
					    options.threads[i]);
	for (int which = FORK; which <= FORK_COLD; which++)
		if (options.cases[which])
			wrong += run_fork(population, (enum which)which);
	if (options.cases[STATS]) {
		struct result counting = { .which = STATS, .kind = KIND_EC, .names = names, .threads = 1 };

		bench_open(&bench);
		measure_stats(&bench, &counting);
		bench_close(&bench);
		wrong += report(&counting);
	}
	population_free(population);
	return wrong;
}

/* --- the command line ----------------------------------------------------- */

static int
usage(void)
{
	fputs("usage: selection [--json] [--names N]... [--threads N]... [--samples N]\n"
	    "                 [--key ec|rsa|both]... [--case CASE]...\n", stderr);
	return 2;
}

static bool
add_number(size_t *list, size_t *count, const char *text, size_t least, size_t most)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (*end != '\0' || number < least || number > most || *count == LIST_MOST)
		return false;
	list[(*count)++] = number;
	return true;
}

static bool
add_word(bool *list, const char *const *words, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], text) == 0) {
			list[i] = true;
			return true;
		}
	}
	return false;
}

static bool
take(int option, const char *text)
{
	size_t none = 0;

	switch (option) {
	case 'n':
		return add_number(options.names, &options.name_lists, text, 300, 10000000);
	case 't':
		return add_number(options.threads, &options.thread_lists, text, 1, 64);
	case 's':
		return add_number(&options.samples, &none, text, 100, 1000000);
	case 'k':
		return add_word(options.kinds, kind_names, KINDS, text);
	case 'c':
		return add_word(options.cases, case_names, CASES, text);
	case 'j':
		options.json = true;
		return true;
	default:
		return false;
	}
}

static void
default_list(bool *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i])
			return;
	memset(list, true, count * sizeof(*list));
}

static void
calibrate(void)
{
	double ns[1000];

	for (size_t i = 0; i < 1000; i++) {
		double start = now();

		ns[i] = now() - start;
	}
	clock_cost = percentile(ns, 1000, 50);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "names", required_argument, NULL, 'n' },
		{ "threads", required_argument, NULL, 't' }, { "samples", required_argument, NULL, 's' },
		{ "key", required_argument, NULL, 'k' }, { "case", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	size_t wrong = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take(option, optarg))
			return usage();
	if (optind < argc)
		return usage();
	if (options.name_lists == 0)
		options.names[options.name_lists++] = 1000;
	if (options.thread_lists == 0)
		options.threads[options.thread_lists++] = 1;
	default_list(options.kinds, KINDS);
	default_list(options.cases, CASES);
	signal(SIGPIPE, SIG_IGN); /* children hang up */
	calibrate();
	record_hello();
	for (size_t i = 0; i < options.name_lists; i++)
		wrong += run_population(options.names[i]);
	if (options.json)
		puts("\n]");
	return wrong > 0;
}
