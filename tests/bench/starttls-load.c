/* SPDX-License-Identifier: ISC */
/*
 * starttls-load: a load of SMTP clients that do STARTTLS, each session with a
 * server name of its own and a full handshake (no resumption).
 *
 * A session is: connect, banner, EHLO, STARTTLS, handshake, with --quit also
 * EHLO and QUIT, close.  `--implicit` leaves out all that comes before the
 * handshake, and without --quit the server is not spoken to afterwards.
 * Names are drawn uniformly, or the first ones more often (--zipf); the same
 * --seed and --clients draw the same names.
 *
 * The result is one line on stdout:
 *     handshakes N failed F seconds S rate R p50_us A p99_us B mismatched M [server_us U]
 * `rate` counts whole sessions per second, the percentiles are of the TLS
 * handshake alone, within 1 %.  `mismatched` counts certificates that are not
 * for the name that was sent (--expect-cn, --expect-san), or not the one wanted
 * (--expect-leaf); they count as handshakes, too.  `server_us` is the CPU time
 * that the process of --server and all below it took.  With --sum all of them are
 * of several runs together, those that have been told the same file.  Exit status: 0, 1 if anything failed or mismatched (or
 * nothing was done), 2 for usage.  The first few troubles are on stderr.
 *
 * With --renewed, names are renewed meanwhile: FILE, replaced whenever there are
 * more of them, has two numbers, how many names from the first one on are
 * renewed for certain and since when (Unix time) the new leaves are valid.  What is
 * read there before a handshake has to hold for its leaf, else it is mismatched.
 *
 * With --after, each client has one session, of which all wait before the
 * handshake until a command has ended, and then shake hands at once: that of a
 * commit, say, which the very next handshake has to see.
 *
 * Certificates are not verified: the question is what is served, and how fast.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tree.h"

#define NAME_SIZE 256
#define CLIENTS_MAX 256
#define PORTS_MAX 16
#define SESSIONS_WITHOUT_BOUND 1000     /* where neither --count nor --seconds is given */
#define COMPLAINTS_MAX 5
#define REPLY_LINES_MAX 64
#define SETTLE_US 20000         /* a server's last sessions end after their clients */

/* Microseconds in buckets: exact below 256, then 128 buckets per doubling. */
#define HISTOGRAM_SIZE (256 + 128 * 25)

/* What the result is made of; the file of --sum has one. */
struct sums {
	unsigned long handshakes, failed, mismatched;
	double seconds;
	uint64_t server_us;
	uint32_t histogram[HISTOGRAM_SIZE];
};

struct names {
	char **list;                    /* --names, --name */
	size_t count;                   /* 0: no name is sent */
	const char *pattern;            /* --name-pattern; then `list` is NULL */
	unsigned long first;
	bool zipf;
};

struct load {
	struct sockaddr_storage address[PORTS_MAX];
	socklen_t address_length;
	unsigned ports;                 /* clients take them in turn */
	struct names names;
	SSL_CTX *ctx;
	bool implicit, quit, expect_cn, expect_san, expect_leaf;
	unsigned char leaf[32];         /* SHA-256 */
	pid_t server;                   /* 0: its CPU time is nobody's business */
	unsigned clients;
	unsigned long count;            /* 0: no bound */
	double seconds;                 /* 0: no bound */
	unsigned long pace;             /* sessions a second at most, all clients; 0: as fast as they go */
	unsigned long timeout, seed;
	int64_t start_us;
	uint64_t server_us;             /* of the server, when the load began */
	const char *after;              /* a command, or NULL */
	const char *sum;                /* a file, or NULL */
	const char *renewed;            /* a file, or NULL */
	pthread_barrier_t ready, go;    /* of --after */
	int after_status;
	atomic_ulong tickets;
	atomic_uint complaints;
};

struct client {
	struct load *load;
	unsigned index;
	pthread_t thread;
	uint64_t random;
	unsigned long handshakes, failed, mismatched;
	uint32_t histogram[HISTOGRAM_SIZE];
};

struct session {
	struct load *load;
	const struct sockaddr_storage *address;
	const char *name;               /* NULL: none is sent */
	size_t index;                   /* which one */
	time_t valid_since;             /* that its leaf has to be, by --renewed; 0: of no matter */
	int fd;
	SSL *ssl;
	size_t used;
	char buffer[2048];
};

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint64_t
draw(uint64_t *state)	/* splitmix64 */
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static unsigned
bucket_of(int64_t us)
{
	unsigned shift = 0;

	if (us < 0)
		us = 0;
	while (us >> shift >= 256 && shift < 25)
		shift++;
	if (us >> shift >= 256)
		return HISTOGRAM_SIZE - 1;
	return shift == 0 ? (unsigned)us : 128 + shift * 128 + ((unsigned)(us >> shift) - 128);
}

static uint64_t
bucket_value(unsigned bucket)
{
	unsigned shift = bucket < 256 ? 0 : (bucket - 128) / 128;

	return shift == 0 ? bucket : (uint64_t)((bucket - 128) % 128 + 128) << shift;
}

/* The value that `share` of all handshakes did not exceed. */
static uint64_t
percentile(const uint32_t *histogram, uint64_t total, double share)
{
	uint64_t wanted = (uint64_t)((double)total * share), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += histogram[i];
		if (seen > 0 && seen >= wanted)
			return bucket_value(i);
	}
	return 0;
}

/* Say what went wrong, the first few times.  Returns -1. */
__attribute__((format(printf, 2, 3)))
static int
trouble(struct session *s, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (atomic_fetch_add(&s->load->complaints, 1) >= COMPLAINTS_MAX)
		return -1;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "starttls-load: %s: %s\n", s->name != NULL ? s->name : "(no name)", text);
	return -1;
}

static int
trouble_tls(struct session *s, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	return trouble(s, "%s: %s", what, reason != NULL ? reason : "closed or timed out");
}

static int
session_connect(struct session *s)
{
	struct timeval tv = { .tv_sec = (time_t)s->load->timeout };
	int on = 1;

	s->fd = socket(s->address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return trouble(s, "socket: %s", strerror(errno));
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(s->fd, (const struct sockaddr *)s->address, s->load->address_length) != 0)
		return trouble(s, "connect: %s", strerror(errno));
	return 0;
}

static int
session_send(struct session *s, const char *text)
{
	size_t length = strlen(text);
	ssize_t n = s->ssl != NULL ? SSL_write(s->ssl, text, (int)length) :
	    send(s->fd, text, length, MSG_NOSIGNAL);

	if (n != (ssize_t)length)
		return trouble(s, "can't send");
	return 0;
}

/* Fetch a line to `line` of sizeof(s->buffer) bytes. */
static int
session_line(struct session *s, char *line)
{
	int on = 1;

	for (;;) {
		char *lf = memchr(s->buffer, '\n', s->used);
		ssize_t n;

		if (lf != NULL) {
			size_t length = (size_t)(lf + 1 - s->buffer);

			memcpy(line, s->buffer, length - 1);
			line[length - 1] = '\0';
			s->used -= length;
			memmove(s->buffer, lf + 1, s->used);
			return 0;
		}
		if (s->used == sizeof(s->buffer))
			return trouble(s, "a line without end");
		/* Tickets and a reply in two writes: a server that leaves Nagle on would
		 * wait for our delayed ACK, 40 ms. */
		if (s->ssl != NULL)
			setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
		n = s->ssl != NULL ?
		    SSL_read(s->ssl, s->buffer + s->used, (int)(sizeof(s->buffer) - s->used)) :
		    recv(s->fd, s->buffer + s->used, sizeof(s->buffer) - s->used, 0);
		if (n <= 0)
			return trouble(s, "no reply: closed or timed out");
		s->used += (size_t)n;
	}
}

/* Read a reply, of several lines perhaps, and expect `code`, three digits. */
static int
session_expect(struct session *s, const char *code)
{
	char line[sizeof(s->buffer)];

	for (int i = 0; i < REPLY_LINES_MAX; i++) {
		if (session_line(s, line) != 0)
			return -1;
		if (strncmp(line, code, 3) != 0)
			return trouble(s, "wanted %s, got %.200s", code, line);
		if (line[3] != '-')
			return 0;
	}
	return trouble(s, "a reply without end");
}

static int
session_plaintext(struct session *s)
{
	if (session_expect(s, "220") != 0 || session_send(s, "EHLO load.example\r\n") != 0 ||
	    session_expect(s, "250") != 0 || session_send(s, "STARTTLS\r\n") != 0 ||
	    session_expect(s, "220") != 0)
		return -1;
	return s->used == 0 ? 0 : trouble(s, "plaintext behind the reply to STARTTLS");
}

static int
session_handshake(struct session *s, int64_t *duration)
{
	int64_t start;

	ERR_clear_error();
	s->ssl = SSL_new(s->load->ctx);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1 ||
	    (s->name != NULL && SSL_set_tlsext_host_name(s->ssl, s->name) != 1))
		return trouble_tls(s, "TLS");
	start = now_us();
	if (SSL_connect(s->ssl) != 1)
		return trouble_tls(s, "handshake");
	*duration = now_us() - start;
	return 0;
}

/* Is the certificate for the name that was sent? */
static bool
session_matches(struct session *s)
{
	X509 *leaf = SSL_get0_peer_certificate(s->ssl);
	char cn[NAME_SIZE] = "";
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (leaf == NULL)
		return false;
	if (s->load->expect_leaf && (X509_digest(leaf, EVP_sha256(), digest, NULL) != 1 ||
	    memcmp(digest, s->load->leaf, sizeof(s->load->leaf)) != 0)) {
		trouble(s, "got another leaf");
		return false;
	}
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof(cn));
	if ((s->load->expect_cn && strcasecmp(cn, s->name) != 0) ||
	    (s->load->expect_san && X509_check_host(leaf, s->name, 0, 0, NULL) != 1)) {
		trouble(s, "got the certificate of %.200s", cn);
		return false;
	}
	return true;
}

/* Whether the name is renewed already: then since when its leaf is valid. */
static void
session_look(struct session *s)
{
	FILE *file = s->load->renewed == NULL ? NULL : fopen(s->load->renewed, "re");
	unsigned long long count, since;

	s->valid_since = 0;
	if (file == NULL)
		return;
	if (fscanf(file, "%llu %llu", &count, &since) == 2 && s->index < count)
		s->valid_since = (time_t)since;
	fclose(file);
}

static bool
session_is_fresh(struct session *s)
{
	X509 *leaf = SSL_get0_peer_certificate(s->ssl);

	if (s->valid_since == 0)
		return true;
	if (leaf != NULL && X509_cmp_time(X509_get0_notBefore(leaf), &s->valid_since) > 0)
		return true;
	trouble(s, "got the leaf of before the renewal");
	return false;
}

static int
session_goodbye(struct session *s)
{
	if (!s->load->quit)
		return 0;
	if ((s->load->implicit && session_expect(s, "220") != 0) ||
	    session_send(s, "EHLO load.example\r\n") != 0 || session_expect(s, "250") != 0 ||
	    session_send(s, "QUIT\r\n") != 0)
		return -1;
	return session_expect(s, "221");
}

static void
session_close(struct session *s)
{
	if (s->ssl != NULL) {
		if (SSL_is_init_finished(s->ssl))
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	if (s->fd >= 0)
		close(s->fd);
}

/* Zipf's law with exponent 1, from its continuous form: rank N is drawn in
 * proportion to 1/N, so the first tenth of 10,000 names gets three quarters. */
static size_t
draw_rank(uint64_t *state, size_t count)
{
	double u = (double)(draw(state) >> 11) / (double)(1ull << 53);
	size_t rank = (size_t)exp(u * log((double)count + 1)) - 1;

	return rank < count ? rank : count - 1;
}

static const char *
pick_name(struct client *client, char *out, size_t size, size_t *number_of)
{
	const struct names *names = &client->load->names;
	size_t index;
	const char *mark;

	if (names->count == 0)
		return NULL;
	*number_of = index = names->zipf ? draw_rank(&client->random, names->count) :
	    (size_t)(draw(&client->random) % names->count);
	if (names->list != NULL)
		return names->list[index];
	mark = strstr(names->pattern, "%d");
	snprintf(out, size, "%.*s%lu%s", (int)(mark - names->pattern), names->pattern,
	    names->first + (unsigned long)index, mark + 2);
	return out;
}

/* Wait until the command of --after has ended; one of the clients runs it. */
static void
wait_for_command(struct load *load)
{
	if (load->after == NULL)
		return;
	if (pthread_barrier_wait(&load->ready) == PTHREAD_BARRIER_SERIAL_THREAD)
		load->after_status = system(load->after);
	pthread_barrier_wait(&load->go);
}

static void
run_session(struct client *client)
{
	struct load *load = client->load;
	char name[NAME_SIZE];
	struct session s;
	int64_t duration = 0;
	int plaintext = -1;

	s.load = load;
	s.address = &load->address[client->index % load->ports];
	s.fd = -1;
	s.ssl = NULL;
	s.used = 0;
	s.index = 0;
	s.name = pick_name(client, name, sizeof(name), &s.index);
	if (session_connect(&s) != 0)
		usleep(10000);	/* a server that's gone is not asked in a tight loop */
	else
		plaintext = load->implicit ? 0 : session_plaintext(&s);
	wait_for_command(load);
	session_look(&s);
	if (plaintext != 0 || session_handshake(&s, &duration) != 0) {
		client->failed++;
	} else {
		bool matches = (!(load->expect_cn || load->expect_san || load->expect_leaf) ||
		    session_matches(&s)) && session_is_fresh(&s);

		if (session_goodbye(&s) != 0) {
			client->failed++;
		} else {
			client->handshakes++;
			client->mismatched += !matches;
			client->histogram[bucket_of(duration)]++;
		}
	}
	session_close(&s);
}

/* Where there is a pace, the client's session of that number waits for its turn. */
static void
await_turn(const struct client *client, uint64_t session)
{
	const struct load *load = client->load;
	int64_t wait_us;

	if (load->pace == 0)
		return;
	wait_us = load->start_us - now_us() +
	    (int64_t)((session * load->clients + client->index) * 1000000 / load->pace);
	if (wait_us > 0)
		(void)nanosleep(&(struct timespec){ .tv_sec = wait_us / 1000000,
		    .tv_nsec = wait_us % 1000000 * 1000 }, NULL);
}

static bool
time_is_left(const struct load *load)
{
	return load->seconds <= 0 ||
	    (double)(now_us() - load->start_us) < load->seconds * 1e6;
}

static void *
client_run(void *arg)
{
	struct client *client = arg;
	struct load *load = client->load;

	if (load->after != NULL) {
		run_session(client);
		return NULL;
	}
	for (uint64_t session = 0; time_is_left(load) &&
	    (load->count == 0 || atomic_fetch_add(&load->tickets, 1) < load->count); session++) {
		await_turn(client, session);
		run_session(client);
	}
	return NULL;
}

/* CPU time so far of the server, all its processes; 0 where none is named. */
static uint64_t
server_us(const struct load *load)
{
	struct tree_usage usage;

	if (load->server == 0)
		return 0;
	if (tree_read(load->server, false, &usage) != 0) {
		fprintf(stderr, "starttls-load: there is no process %ld\n", (long)load->server);
		return 0;
	}
	return usage.cpu_ns / 1000;
}

/* Add what earlier runs have left in the file, and leave the whole for later ones. */
static int
sum_up(struct sums *sums, const char *path)
{
	FILE *file = fopen(path, "re");
	struct sums former;
	bool bad = false;

	if (file != NULL) {
		bad = fread(&former, sizeof(former), 1, file) != 1;
		fclose(file);
		sums->handshakes += former.handshakes;
		sums->failed += former.failed;
		sums->mismatched += former.mismatched;
		sums->seconds += former.seconds;
		sums->server_us += former.server_us;
		for (unsigned b = 0; b < HISTOGRAM_SIZE; b++)
			sums->histogram[b] += former.histogram[b];
	}
	file = bad ? NULL : fopen(path, "we");
	bad = file == NULL || fwrite(sums, sizeof(*sums), 1, file) != 1;
	if ((file != NULL && fclose(file) != 0) || bad) {
		fprintf(stderr, "starttls-load: %s can't be used\n", path);
		return -1;
	}
	return 0;
}

/* Returns the exit status. */
static int
report(const struct load *load, const struct client *clients, unsigned count, double seconds)
{
	static struct sums sums;
	int status = 0;

	sums.seconds = seconds;
	if (load->server != 0) {
		usleep(SETTLE_US);
		sums.server_us = server_us(load) - load->server_us;
	}
	for (unsigned i = 0; i < count; i++) {
		sums.handshakes += clients[i].handshakes;
		sums.failed += clients[i].failed;
		sums.mismatched += clients[i].mismatched;
		for (unsigned b = 0; b < HISTOGRAM_SIZE; b++)
			sums.histogram[b] += clients[i].histogram[b];
	}
	if (load->after_status != 0)
		fprintf(stderr, "starttls-load: the command of --after failed\n");
	if (sums.handshakes == 0 || sums.failed > 0 || sums.mismatched > 0 || load->after_status != 0)
		status = 1;
	if (load->sum != NULL && sum_up(&sums, load->sum) != 0)
		status = 1;
	printf("handshakes %lu failed %lu seconds %.3f rate %.1f p50_us %" PRIu64 " p99_us %" PRIu64
	    " mismatched %lu", sums.handshakes, sums.failed, sums.seconds,
	    (double)sums.handshakes / sums.seconds, percentile(sums.histogram, sums.handshakes, 0.50),
	    percentile(sums.histogram, sums.handshakes, 0.99), sums.mismatched);
	if (load->server != 0)
		printf(" server_us %" PRIu64, sums.server_us);
	putchar('\n');
	return status;
}

static int
load_run(struct load *load)
{
	struct client *clients = calloc(load->clients, sizeof(*clients));
	unsigned started = 0;
	int status;

	if (clients == NULL || pthread_barrier_init(&load->ready, NULL, load->clients) != 0 ||
	    pthread_barrier_init(&load->go, NULL, load->clients) != 0)
		return 1;
	load->server_us = server_us(load);
	load->start_us = now_us();
	for (; started < load->clients; started++) {
		uint64_t seed = load->seed * CLIENTS_MAX + started;

		clients[started].load = load;
		clients[started].index = started;
		clients[started].random = draw(&seed);
		if (pthread_create(&clients[started].thread, NULL, client_run,
		    &clients[started]) != 0) {
			fprintf(stderr, "starttls-load: no more threads\n");
			if (load->after != NULL)
				exit(1);	/* the others would wait for it */
			break;
		}
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(clients[i].thread, NULL);
	status = report(load, clients, started, (double)(now_us() - load->start_us) / 1e6);
	if (started < load->clients)
		status = 1;
	free(clients);
	return status;
}

static const char usage_text[] =
"usage: starttls-load --port PORT [OPTION...]\n"
"  --port PORT            may be repeated: the clients take the ports in turn\n"
"  --after COMMAND        one session a client, the handshakes once it has ended\n"
"  --host ADDRESS         loopback address (127.0.0.1); others are refused\n"
"  --clients N            sessions at once, each a thread (4)\n"
"  --count N              sessions in all\n"
"  --seconds S            how long; without it and --count: 1000 sessions\n"
"  --pace N               sessions a second at most, all clients together\n"
"  --names FILE           server names, one a line\n"
"  --name NAME            one server name\n"
"  --name-pattern TEXT    names with a number for %d, such as host%d.example\n"
"  --name-count K         how many such names\n"
"  --name-first N         the first number (0)\n"
"  --zipf                 the Nth name in proportion to 1/N, not all alike\n"
"  --seed N               of the random names (1)\n"
"  --implicit             TLS at once, no STARTTLS\n"
"  --quit                 EHLO and QUIT after the handshake\n"
"  --tls 1.2|1.3          this version only\n"
"  --key rsa|ecdsa|any    key types the client is able to use (any)\n"
"  --expect-cn            the subject's CN must equal the name\n"
"  --expect-san           the certificate must be valid for the name\n"
"  --expect-leaf SHA256   the certificate must be this one\n"
"  --server PID           say what CPU time it took, with all its processes\n"
"  --renewed FILE         names are renewed meanwhile, as FILE says: COUNT SINCE\n"
"  --sum FILE             add up with earlier runs, which have left this file\n"
"  --timeout SECONDS      for each read and write (10)\n";

static const struct option long_options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "after", required_argument, NULL, 'A' },
	{ "host", required_argument, NULL, 'h' },
	{ "clients", required_argument, NULL, 'c' },
	{ "count", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 's' },
	{ "pace", required_argument, NULL, 'e' },
	{ "names", required_argument, NULL, 'f' },
	{ "name", required_argument, NULL, 'N' },
	{ "name-pattern", required_argument, NULL, 'P' },
	{ "name-count", required_argument, NULL, 'K' },
	{ "name-first", required_argument, NULL, 'F' },
	{ "zipf", no_argument, NULL, 'z' },
	{ "seed", required_argument, NULL, 'r' },
	{ "implicit", no_argument, NULL, 'i' },
	{ "quit", no_argument, NULL, 'q' },
	{ "tls", required_argument, NULL, 't' },
	{ "key", required_argument, NULL, 'k' },
	{ "expect-cn", no_argument, NULL, 'C' },
	{ "expect-san", no_argument, NULL, 'S' },
	{ "expect-leaf", required_argument, NULL, 'L' },
	{ "server", required_argument, NULL, 'V' },
	{ "sum", required_argument, NULL, 'U' },
	{ "renewed", required_argument, NULL, 'R' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "help", no_argument, NULL, '?' + 128 },
	{ NULL, 0, NULL, 0 },
};

static void
usage_error(const char *text)
{
	fprintf(stderr, "starttls-load: %s\n%s", text, usage_text);
	exit(2);
}

static unsigned long
number(const char *text, unsigned long low, unsigned long high)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < low || value > high)
		usage_error("not a number that makes sense here");
	return value;
}

static void
set_address(struct load *load, unsigned index, const char *host, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&load->address[index];
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&load->address[index];

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1 &&
	    ntohl(in->sin_addr.s_addr) >> 24 == 127) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		load->address_length = sizeof(*in);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 &&
	    IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr)) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		load->address_length = sizeof(*in6);
	} else {
		usage_error("--host wants a loopback address");
	}
}

static void
add_name(struct names *names, const char *name)
{
	if (strlen(name) >= NAME_SIZE)
		usage_error("a name is too long");
	if ((names->count & (names->count - 1)) == 0) {	/* 0, 1, 2, 4, 8 ... are full */
		size_t room = names->count > 0 ? names->count * 2 : 1;

		names->list = realloc(names->list, room * sizeof(*names->list));
	}
	if (names->list == NULL || (names->list[names->count++] = strdup(name)) == NULL)
		usage_error("no memory for the names");
}

static void
read_names(struct names *names, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (file == NULL) {
		fprintf(stderr, "starttls-load: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while (getline(&line, &size, file) >= 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (*line != '\0')
			add_name(names, line);
	}
	free(line);
	fclose(file);
	if (names->count == 0)
		usage_error("no name in the file of names");
}

static int
set_tls(SSL_CTX *ctx, const char *version)
{
	int number_of = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION :
	    strcmp(version, "1.3") == 0 ? TLS1_3_VERSION : 0;

	return number_of != 0 && SSL_CTX_set_min_proto_version(ctx, number_of) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, number_of) == 1;
}

/* TLS 1.2 chooses by cipher, TLS 1.3 by signature algorithm. */
static int
set_key(SSL_CTX *ctx, const char *key)
{
	if (strcmp(key, "any") == 0)
		return 1;
	if (strcmp(key, "rsa") == 0)
		return SSL_CTX_set_cipher_list(ctx, "ECDHE+aRSA:DHE+aRSA") == 1 &&
		    SSL_CTX_set1_sigalgs_list(ctx, "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
		    "RSA+SHA256:RSA+SHA384:RSA+SHA512") == 1;
	if (strcmp(key, "ecdsa") == 0)
		return SSL_CTX_set_cipher_list(ctx, "ECDHE+aECDSA") == 1 &&
		    SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512") == 1;
	return 0;
}

static void
set_leaf(struct load *load, const char *text)
{
	size_t length = 0;

	if (OPENSSL_hexstr2buf_ex(load->leaf, sizeof(load->leaf), &length, text, '\0') != 1 ||
	    length != sizeof(load->leaf))
		usage_error("--expect-leaf wants a SHA-256");
	load->expect_leaf = true;
}

static SSL_CTX *
client_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		usage_error("TLS can't be used");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return ctx;
}

static void
options_read(struct load *load, int argc, char **argv)
{
	const char *host = "127.0.0.1", *pattern = NULL;
	unsigned long port[PORTS_MAX], name_count = 0;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (load->ports == PORTS_MAX)
				usage_error("too many ports");
			port[load->ports++] = number(optarg, 1, 65535);
			break;
		case 'A': load->after = optarg; break;
		case 'h': host = optarg; break;
		case 'c': load->clients = (unsigned)number(optarg, 1, CLIENTS_MAX); break;
		case 'n': load->count = number(optarg, 1, ULONG_MAX / 2); break;
		case 's':
			load->seconds = strtod(optarg, &end);
			if (*end != '\0' || !(load->seconds > 0 && load->seconds <= 86400))
				usage_error("--seconds wants a number above 0");
			break;
		case 'e': load->pace = number(optarg, 1, 1000000); break;
		case 'f': read_names(&load->names, optarg); break;
		case 'N': add_name(&load->names, optarg); break;
		case 'P': pattern = optarg; break;
		case 'K': name_count = number(optarg, 1, 1000000000); break;
		case 'F': load->names.first = number(optarg, 0, 1000000000); break;
		case 'z': load->names.zipf = true; break;
		case 'r': load->seed = number(optarg, 0, ULONG_MAX); break;
		case 'i': load->implicit = true; break;
		case 'q': load->quit = true; break;
		case 't':
			if (!set_tls(load->ctx, optarg))
				usage_error("--tls wants 1.2 or 1.3");
			break;
		case 'k':
			if (!set_key(load->ctx, optarg))
				usage_error("--key wants rsa, ecdsa or any");
			break;
		case 'C': load->expect_cn = true; break;
		case 'S': load->expect_san = true; break;
		case 'L': set_leaf(load, optarg); break;
		case 'V': load->server = (pid_t)number(optarg, 1, INT_MAX); break;
		case 'U': load->sum = optarg; break;
		case 'R': load->renewed = optarg; break;
		case 'T': load->timeout = number(optarg, 1, 3600); break;
		case '?' + 128: fputs(usage_text, stdout); exit(0);
		default: usage_error("see above");
		}
	}
	if (optind < argc || load->ports == 0)
		usage_error("--port is needed, and nothing but options");
	for (unsigned i = 0; i < load->ports; i++)
		set_address(load, i, host, (unsigned)port[i]);
	if ((pattern != NULL) != (name_count > 0) || (pattern != NULL && load->names.count > 0))
		usage_error("--name-pattern goes with --name-count, and with no other names");
	if (pattern != NULL) {
		if (strstr(pattern, "%d") == NULL || strlen(pattern) + 20 >= NAME_SIZE)
			usage_error("--name-pattern wants a %d");
		load->names.pattern = pattern;
		load->names.count = name_count;
	}
	if ((load->expect_cn || load->expect_san) && load->names.count == 0)
		usage_error("--expect-cn and --expect-san need names");
	if (load->count == 0 && load->seconds <= 0)
		load->count = SESSIONS_WITHOUT_BOUND;
}

int
main(int argc, char **argv)
{
	struct load load = { .clients = 4, .timeout = 10, .seed = 1 };
	int status;

	signal(SIGPIPE, SIG_IGN);
	load.ctx = client_context();
	options_read(&load, argc, argv);
	status = load_run(&load);
	SSL_CTX_free(load.ctx);
	for (size_t i = 0; load.names.list != NULL && i < load.names.count; i++)
		free(load.names.list[i]);
	free(load.names.list);
	return status;
}
