/* SPDX-License-Identifier: ISC */
/*
 * host_exim.c: loaded by Exim, from ${dlfunc …} in its configuration.
 *
 *   snicert_exim_attach{CONFIG}
 *       Exim built with OpenSSL: in anything expanded before TLS starts.
 *   snicert_exim_certificate{CONFIG}{SERVER-NAME}{OWN-FILE}{LOCAL-ADDRESS}
 *   snicert_exim_privatekey{CONFIG}{SERVER-NAME}{OWN-FILE}{LOCAL-ADDRESS}
 *       Exim built with GnuTLS: as tls_certificate and tls_privatekey.
 *
 * Exim runs each connection in its own process, with one thread.  A failed expansion would cost it
 * the connection: all of these always succeed, and on any error they return the file that Exim
 * would have used anyway.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "contexts.h"
#include "hook_choice.h"
#include "instance.h"
#include "pemfile.h"

#define EXIM_OK 0               /* from Exim's local_scan.h */
#define EXIM_LOG_MAIN 1
#define LIST_SIZE 4096          /* paths, separated by colons */

typedef int exim_function(unsigned char **yield, int argc, unsigned char *argv[]);

exim_function snicert_exim_attach, snicert_exim_certificate, snicert_exim_privatekey;

/* One for each named configuration; they stay until the process ends. */
static struct opened {
	struct opened *next;
	struct snicert *snicert;
	char path[];
} *all_opened;

/* The question, the same for a certificate and its key. */
struct question {
	struct snicert *snicert;
	struct name name;               /* empty: no valid name */
	char address[INET6_ADDRSTRLEN]; /* local; "": not given */
};

/* The answer, besides the own file. */
struct reply {
	char list[LIST_SIZE];           /* "": nothing */
	size_t length;
	bool has_rsa;
};

/* The last question and its answer. */
static struct dialogue {
	struct question question;
	struct reply reply;
} last;

static struct pemfiles files;

/* Exim's log_write (its local_scan.h), for programs that export it as Debian's does. */
static void
exim_log(void *write_line, int priority, const char *text)
{
	void (*line)(unsigned selector, int which, const char *format, ...);

	(void)priority;
	memcpy(&line, &write_line, sizeof(line));
	line(0, EXIM_LOG_MAIN, "snicert: %s", text);
}

/* Exim's own log, where its admin looks; a program without that function beside expand_string is
 * not Exim, or hides it: the usual target. */
static struct snicert_sink
sink(void)
{
	struct snicert_sink none = {0}, exim = { .write = exim_log };

	exim.arg = dlsym(RTLD_DEFAULT, "log_write");
	return exim.arg != NULL && dlsym(RTLD_DEFAULT, "expand_string") != NULL ? exim : none;
}

static struct snicert *
open_once(const char *path)
{
	struct opened *opened = all_opened;
	struct snicert_error err = {0};

	while (opened != NULL && strcmp(opened->path, path) != 0)
		opened = opened->next;
	if (opened != NULL)
		return opened->snicert;
	opened = calloc(1, sizeof(*opened) + strlen(path) + 1);
	if (opened == NULL || snicert_open_logging(&opened->snicert, path[0] == '\0' ? NULL : path,
	        sink(), &err) != 0) {
		free(opened);
		log_say_without(LOG_EVENT_MEMORY, "no memory: the server's own certificate serves");
		return NULL;
	}
	memcpy(opened->path, path, strlen(path) + 1);
	opened->next = all_opened;
	all_opened = opened;
	return opened->snicert;
}

static const char *
argument(int argc, unsigned char *argv[], int i)
{
	return i < argc && argv[i] != NULL ? (const char *)argv[i] : "";
}

__attribute__((visibility("default"))) int
snicert_exim_attach(unsigned char **yield, int argc, unsigned char *argv[])
{
	static unsigned char nothing[1];
	int saved = errno;
	struct snicert *snicert;

	ERR_set_mark();
	snicert = open_once(argument(argc, argv, 0));
	if (snicert != NULL && contexts_watch_older(&snicert->hook) != 0)
		log_say(snicert->log, LOG_EVENT_MEMORY,
		    "no memory to watch for TLS contexts: the server's own certificate serves");
	ERR_pop_to_mark();
	errno = saved;
	*yield = nothing;
	return EXIM_OK;
}

/* An address as the store keys it, "" if invalid. */
static void
normalise_address(char out[INET6_ADDRSTRLEN], const char *text)
{
	struct in6_addr in6;
	struct in_addr in4;

	out[0] = '\0';
	if (inet_pton(AF_INET, text, &in4) == 1)
		inet_ntop(AF_INET, &in4, out, INET6_ADDRSTRLEN);
	else if (inet_pton(AF_INET6, text, &in6) == 1 && IN6_IS_ADDR_V4MAPPED(&in6))
		inet_ntop(AF_INET, &in6.s6_addr[12], out, INET6_ADDRSTRLEN);
	else if (inet_pton(AF_INET6, text, &in6) == 1)
		inet_ntop(AF_INET6, &in6, out, INET6_ADDRSTRLEN);
}

static bool
same_question(const struct question *a, const struct question *b)
{
	return a->snicert == b->snicert && strcmp(a->name.text, b->name.text) == 0 &&
	    strcmp(a->address, b->address) == 0;
}

static bool
add_path(struct reply *reply, const char *path)
{
	size_t length = strlen(path), colon = reply->length > 0;

	if (length == 0 || reply->length + colon + length >= sizeof(reply->list))
		return false;
	if (colon)
		reply->list[reply->length++] = ':';
	memcpy(reply->list + reply->length, path, length + 1);
	reply->length += length;
	return true;
}

static bool
is_rsa(const struct chain *chain)
{
	return strcmp(chain_key_type(chain), "RSA") == 0;
}

/* Functions for struct hook_peer. */

static bool
peer_address(void *arg, char *text, socklen_t size)
{
	const struct dialogue *dialogue = arg;

	snprintf(text, size, "%s", dialogue->question.address);
	return text[0] != '\0';
}

static void
peer_ends(void *arg, struct log_line *line)
{
	const struct dialogue *dialogue = arg;

	if (dialogue->question.address[0] != '\0')
		log_word(line, "local", dialogue->question.address);
}

static bool
peer_rsa_only(void *arg, const struct chain *chain)
{
	(void)arg;
	return is_rsa(chain);
}

/* Skip a chain whose key is unavailable if there is another. */
static int
peer_install(void *arg, struct chain *const *chains, size_t count, struct snicert_error *err)
{
	struct dialogue *dialogue = arg;
	struct reply *reply = &dialogue->reply;
	char path[PEMFILE_PATH_SIZE];
	size_t before = reply->length;

	for (size_t i = 0; i < count; i++)
		if (pemfile_path(&files, chains[i], path, err) == 0 && add_path(reply, path))
			reply->has_rsa |= is_rsa(chains[i]);
	return reply->length == before ? -1 : 0;
}

/*
 * The paths for a question.  The client's abilities are unknown here: GnuTLS picks from the list.
 * So if the name has no RSA chain, the next candidate's follows its chains, for clients that know
 * nothing else.
 */
static void
choose(struct dialogue *dialogue, const char *server_name)
{
	struct hook *hook = &dialogue->question.snicert->hook;
	struct hook_peer peer = {
		.arg = dialogue,
		.server_name = server_name[0] == '\0' ? NULL : server_name,
		.address = peer_address,
		.ends = peer_ends,
		.install = peer_install,
	};

	memset(&dialogue->reply, 0, sizeof(dialogue->reply));
	if (!hook_serve(hook, &peer) || dialogue->reply.has_rsa)
		return;
	peer.again = true;
	peer.usable = peer_rsa_only;
	hook_serve(hook, &peer);
}

/*
 *   situation                              yields
 *   a candidate has chains, one is RSA     their files
 *   … none is, nor is any fallback's       their files, and the own one
 *   nothing bound, or trouble              the own file
 *
 * Exim asks for the certificate and then, with the same arguments, for the key: return the previous
 * answer, whatever the store now holds.
 */
static int
answer(unsigned char **yield, int argc, unsigned char *argv[], bool anew)
{
	static struct reply reply;
	struct question question = { .snicert = open_once(argument(argc, argv, 0)) };
	const char *server_name = argument(argc, argv, 1);

	*yield = (unsigned char *)argument(argc, argv, 2);
	if (question.snicert == NULL)
		return EXIM_OK;
	if (argc < 3 || argc > 4)
		log_say(question.snicert->log, LOG_EVENT_CONFIG,
		    "dlfunc needs {CONFIG}{SERVER-NAME}{OWN-FILE}{LOCAL-ADDRESS}");
	if (!name_normalise(&question.name, server_name, strlen(server_name)))
		question.name.text[0] = '\0';
	normalise_address(question.address, argument(argc, argv, 3));
	if (anew || !same_question(&question, &last.question)) {
		last.question = question;
		choose(&last, server_name);
	}
	if (last.reply.length == 0)
		return EXIM_OK;
	reply = last.reply;
	if (!reply.has_rsa)
		add_path(&reply, (const char *)*yield);
	*yield = (unsigned char *)reply.list;
	return EXIM_OK;
}

static int
answer_safely(unsigned char **yield, int argc, unsigned char *argv[], bool anew)
{
	int saved = errno, result;

	ERR_set_mark();
	result = answer(yield, argc, argv, anew);
	ERR_pop_to_mark();
	errno = saved;
	return result;
}

__attribute__((visibility("default"))) int
snicert_exim_certificate(unsigned char **yield, int argc, unsigned char *argv[])
{
	return answer_safely(yield, argc, argv, true);
}

__attribute__((visibility("default"))) int
snicert_exim_privatekey(unsigned char **yield, int argc, unsigned char *argv[])
{
	return answer_safely(yield, argc, argv, false);
}
