/* SPDX-License-Identifier: ISC */
/*
 * crowd MODULE CONF JAIL USER OWN EC RSA: a host of one loop, for crowd.sh.  Opens the store, attaches three
 * contexts, goes into the jail and gives up its rights; then 200 connections at a time shake hands with
 * them, and as many with contexts that know nothing of the module, which are the control.
 *
 * By its standard input it learns which leaves there may be: "coming LIST SHA-256" before a renewal, "is
 * LIST SHA-256" after it, "go" to begin.  To each `is` after that it answers "served", once 200 connections
 * that began since then are through; to the end of its input with a report.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "calls.h"
#include "snicert.h"

#define CROWD 200
#define LEAVES_MOST 100
#define DIGEST_TEXT 64

/* The leaves that are served one after the other; from `current` on they may be. */
static struct leaves {
	const char *name;
	size_t count, current;
	char sha256[LEAVES_MOST][DIGEST_TEXT + 1];
} lists[] = { { .name = "ec" }, { .name = "rsa" }, { .name = "global" }, { .name = "fall" }, { .name = "own" },
	{ .name = "control-ec" }, { .name = "control-rsa" } };
enum { EC, RSA_, GLOBAL, FALL, OWN, CONTROL_EC, CONTROL_RSA };

/* What is asked of which context, and what has to come; the control does the same work. */
enum { AS_CONFIGURED, ONLY_RSA, OTHER_FALLBACK, CONTEXTS };
static const struct question {
	int context;
	const char *name;
	int served, control;
} questions[] = {
	{ AS_CONFIGURED, "both.example", EC, CONTROL_EC },
	{ AS_CONFIGURED, "nobody.example", GLOBAL, CONTROL_EC },
	{ ONLY_RSA, "both.example", RSA_, CONTROL_RSA },
	{ ONLY_RSA, "nobody.example", OWN, CONTROL_EC }, /* the fallback has no RSA chain */
	{ OTHER_FALLBACK, "both.example", EC, CONTROL_EC },
	{ OTHER_FALLBACK, "nobody.example", FALL, CONTROL_EC },
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct connection {
	enum calls_side side;
	const struct question *question;
	struct leaves *leaves;
	size_t from;                    /* of them, from which on they may come */
	unsigned long born;             /* after so many renewals */
	uint64_t longest;               /* SSL_accept */
	SSL *ends[2];                   /* server and client */
};

static struct {
	int epoll;
	SSL_CTX *client, *attached[CONTEXTS], *control[2];
	struct connection connections[2 * CROWD];
	size_t asked[CALLS_SIDES], open;
	unsigned long renewals, since;  /* connections that began after the last one, and are through */
	bool waits, ended;
	unsigned long troubles;
} crowd;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "crowd: %s: %s\n", what, why);
	exit(1);
}

static void
say_trouble(void *arg, enum snicert_trouble kind, const char *text)
{
	(void)arg;
	fprintf(stderr, "crowd: trouble %d: %s\n", (int)kind, text);
	crowd.troubles++;
}

static void
say_line(void *arg, int priority, const char *text)
{
	(void)arg;
	if (priority <= 4)
		fprintf(stderr, "crowd: %s\n", text);
}

/* --- what the script tells --------------------------------------------------------- */

static void
take_line(const char *line)
{
	char verb[8], name[16], sha256[DIGEST_TEXT + 1];

	if (sscanf(line, "%7s %15s %64s", verb, name, sha256) != 3)
		fail("a line that says nothing", line);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct leaves *list = &lists[i];

		if (strcmp(list->name, name) != 0)
			continue;
		if (list->count == 0 || strcmp(list->sha256[list->count - 1], sha256) != 0)
			memcpy(list->sha256[list->count++], sha256, sizeof(sha256));
		if (strcmp(verb, "is") != 0)
			return;
		list->current = list->count - 1;
		crowd.renewals++;
		crowd.since = 0;
		crowd.waits = true;
		return;
	}
	fail("a list that there is not", name);
}

static void
start(void)
{
	crowd.waits = false;
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
}

/* Until "go" it waits for one; then for as long as there is something to read. */
static void
take_lines(void)
{
	static char text[4096];
	static size_t length;
	ssize_t got;

	while ((got = read(STDIN_FILENO, text + length, sizeof(text) - 1 - length)) > 0) {
		char *line = text, *end;

		text[length += (size_t)got] = '\0';
		for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			if (strcmp(line, "go") == 0)
				start();
			else
				take_line(line);
		}
		memmove(text, line, length -= (size_t)(line - text));
	}
	crowd.ended = got == 0;
}

/* --- connections ------------------------------------------------------------------- */

static SSL *
end_new(SSL_CTX *ctx, int fd, struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		fail("a connection", strerror(errno));
	return ssl;
}

static void
begin(struct connection *connection)
{
	const struct question *question = &questions[crowd.asked[connection->side]++ % QUESTIONS];
	bool is_control = connection->side == CALLS_CONTROL;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		fail("socketpair", strerror(errno));
	connection->question = question;
	connection->leaves = &lists[is_control ? question->control : question->served];
	connection->from = connection->leaves->current;
	connection->born = crowd.renewals;
	connection->longest = 0;
	connection->ends[0] = end_new(is_control ? crowd.control[question->control - CONTROL_EC]
	                                         : crowd.attached[question->context], pair[0], connection);
	connection->ends[1] = end_new(crowd.client, pair[1], connection);
	SSL_set_tlsext_host_name(connection->ends[1], question->name);
	SSL_connect(connection->ends[1]);
	crowd.open++;
}

/* That very leaf, or one that came since the connection began. */
static bool
may_be(const struct connection *connection, const char *sha256)
{
	const struct leaves *leaves = connection->leaves;

	for (size_t i = connection->from; i < leaves->count; i++)
		if (strcmp(leaves->sha256[i], sha256) == 0)
			return true;
	return false;
}

static void
judge(const struct connection *connection)
{
	const struct leaves *leaves = connection->leaves;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[DIGEST_TEXT + 1];

	if (X509_digest(SSL_get0_peer_certificate(connection->ends[1]), EVP_sha256(), digest, NULL) != 1)
		fail("a leaf", "no digest");
	for (size_t i = 0; i < DIGEST_TEXT / 2; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	if (may_be(connection, text))
		return;
	take_lines(); /* that it is coming was written before it came, and may be there to be read */
	if (may_be(connection, text))
		return;
	fprintf(stderr, "crowd: context %d, %s: got %s, want %s of %s or later\n", connection->question->context,
	    connection->question->name, text, leaves->sha256[connection->from], leaves->name);
	exit(1);
}

static void
end(struct connection *connection)
{
	judge(connection);
	calls_add(connection->side, connection->longest);
	for (int i = 0; i < 2; i++) {
		close(SSL_get_fd(connection->ends[i]));
		SSL_free(connection->ends[i]);
		connection->ends[i] = NULL;
	}
	crowd.open--;
	if (connection->side == CALLS_MODULE && connection->born == crowd.renewals && ++crowd.since == CROWD &&
	    crowd.waits) {
		crowd.waits = false;
		puts("served");
	}
}

/* Non-blocking: it is done, or wants to read. */
static void
go_on(SSL *ssl, int result)
{
	if (result == 1 || SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ)
		return;
	ERR_print_errors_fp(stderr);
	fail(SSL_is_server(ssl) ? "a server's handshake" : "a client's handshake", "failed");
}

static void
serve(struct connection *connection)
{
	SSL *server = connection->ends[0], *client = connection->ends[1];

	if (server == NULL)
		return;
	if (!SSL_is_init_finished(server)) {
		uint64_t took;
		int result;

		calls_begin(connection->side);
		result = SSL_accept(server);
		took = calls_end();
		if (took > connection->longest)
			connection->longest = took;
		go_on(server, result);
	}
	if (!SSL_is_init_finished(client))
		go_on(client, SSL_connect(client));
	if (!SSL_is_init_finished(server) || !SSL_is_init_finished(client))
		return;
	end(connection);
	if (!crowd.ended)
		begin(connection);
}

static void
loop(void)
{
	struct epoll_event events[64], input = { .events = EPOLLIN };
	int count;

	epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	for (size_t i = 0; i < 2 * CROWD; i++) {
		crowd.connections[i].side = i % 2 == 0 ? CALLS_MODULE : CALLS_CONTROL;
		begin(&crowd.connections[i]);
	}
	while (crowd.open > 0) {
		count = epoll_wait(crowd.epoll, events, 64, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr != NULL)
				serve(events[i].data.ptr);
			else
				take_lines();
		}
		if (crowd.ended)
			epoll_ctl(crowd.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	}
}

/* --- the host ---------------------------------------------------------------------- */

static SSL_CTX *
server_context(const char *pem)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1)
		fail(pem, "no context of that");
	return ctx;
}

static const struct snicert_module *
module_at(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct snicert_module *module = object == NULL ? NULL : dlsym(object, SNICERT_MODULE_SYMBOL);

	if (module == NULL || module->abi != SNICERT_ABI || !SNICERT_HAS(module, counters2))
		fail(path, "no such module");
	return module;
}

static struct snicert *
attach(const struct snicert_module *module, const char *conf, const char *own)
{
	struct snicert_options options = { .size = sizeof(options), .config_path = conf, .flags = SNICERT_STRICT,
		.sink = say_line, .trouble = say_trouble };
	struct snicert_policy policies[CONTEXTS] = {
		[ONLY_RSA] = { .size = sizeof(policies[0]), .key_types = SNICERT_KEY_RSA },
		[OTHER_FALLBACK] = { .size = sizeof(policies[0]), .fallback = "fall.example" } };
	struct snicert_error err = {0};
	struct snicert *certs = NULL;

	if (module->open2(&certs, &options, &err) != 0)
		fail("open2", err.text);
	for (int i = 0; i < CONTEXTS; i++) {
		crowd.attached[i] = server_context(own);
		if ((i == AS_CONFIGURED ? module->attach(certs, crowd.attached[i], &err)
		                        : module->attach2(certs, crowd.attached[i], &policies[i], &err)) != 0)
			fail("attach", err.text);
	}
	return certs;
}

static void
give_up_rights(const char *jail, const char *user)
{
	const struct passwd *who = getpwnam(user);

	if (who == NULL || chroot(jail) != 0 || chdir("/") != 0 || setgroups(0, NULL) != 0 ||
	    setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0 || setuid(0) == 0)
		fail("into the jail", strerror(errno));
}

static int
report(const struct snicert_module *module, struct snicert *certs)
{
	struct snicert_counters2 counted;
	struct snicert_error err = {0};

	if (module->counters2(certs, &counted, sizeof(counted), &err) != 0)
		fail("counters2", err.text);
	printf("counted: exact %lu, program %lu, global %lu, own %lu, trouble %lu\n", (unsigned long)counted.exact,
	    (unsigned long)counted.program, (unsigned long)counted.global, (unsigned long)counted.own,
	    (unsigned long)counted.trouble + crowd.troubles);
	return calls_report() && counted.trouble + crowd.troubles == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const struct snicert_module *module;
	struct snicert *certs;

	if (argc != 8) {
		fputs("usage: crowd MODULE CONF JAIL USER OWN EC RSA\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	module = module_at(argv[1]);
	certs = attach(module, argv[2], argv[5]);
	crowd.control[0] = server_context(argv[6]);
	crowd.control[1] = server_context(argv[7]);
	crowd.client = SSL_CTX_new(TLS_client_method());
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	give_up_rights(argv[3], argv[4]);
	for (crowd.waits = true; crowd.waits && !crowd.ended;)
		take_lines();
	loop();
	return report(module, certs);
}
