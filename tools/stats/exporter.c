/* SPDX-License-Identifier: ISC */
/*
 * exporter.c: metrics over HTTP.  The only file that sees libmicrohttpd; without
 * it, it says so.
 *
 *   request                        answer
 *   GET, HEAD /metrics             200, the metrics as they are now
 *   GET, HEAD /                    200, where they are
 *   another path                   404
 *   another method                 405
 *   no memory                      500
 *
 * One thread answers all of them, one after the other; the connections that wait
 * are few, and none for longer than ten seconds.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "stats/exporter.h"

#ifdef HAVE_LIBMICROHTTPD

#include <microhttpd.h>

#define CONNECTIONS_MOST 16u
#define TIMEOUT 10u             /* seconds */
#define MEMORY 16384u           /* octets for a request's headers and the answer */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned code, const char *type, const void *body, size_t length)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, "Content-Type", type) == MHD_YES &&
	    (code != MHD_HTTP_METHOD_NOT_ALLOWED ||
	        MHD_add_response_header(response, "Allow", "GET, HEAD") == MHD_YES))
		result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
say(struct MHD_Connection *connection, unsigned code, const char *text)
{
	return answer(connection, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result
send_metrics(struct MHD_Connection *connection, struct metrics *metrics)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	enum MHD_Result result;
	bool good;

	if (out == NULL)
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	good = metrics_write(metrics, out, NULL) == 0;
	good = fclose(out) == 0 && good;
	result = good ? answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text, length)
	              : say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	free(text);
	return result;
}

/* Also called for each part of a request's body, which we don't want. */
static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *body, size_t *body_length, void **seen)
{
	static int once;

	(void)version;
	(void)body;
	if (*seen == NULL) {
		*seen = &once;
		return MHD_YES;
	}
	if (*body_length > 0) {
		*body_length = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(connection, arg);
	if (strcmp(url, "/") == 0)
		return say(connection, MHD_HTTP_OK, "snicert: the metrics are at /metrics\n");
	return say(connection, MHD_HTTP_NOT_FOUND, "not here: /metrics\n");
}

int
exporter_run(struct exporter_socket *listening, struct metrics *metrics, struct snicert_error *err)
{
	struct MHD_Daemon *daemon;
	sigset_t set;
	int number;

	/* Before starting its thread, which inherits the mask. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, metrics,
	    MHD_OPTION_LISTEN_SOCKET, listening->fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MOST,
	    MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);
	if (daemon == NULL) {
		close(listening->fd);
		return error_set(err, SNICERT_ESYSTEM, "can't start the HTTP server");
	}
	sigwait(&set, &number);
	MHD_stop_daemon(daemon); /* and close the socket */
	if (listening->path[0] != '\0')
		unlink(listening->path);
	return 0;
}

#else

int
exporter_run(struct exporter_socket *listening, struct metrics *metrics, struct snicert_error *err)
{
	(void)metrics;
	close(listening->fd);
	if (listening->path[0] != '\0')
		unlink(listening->path);
	return error_set(err, SNICERT_EUSAGE, "this snicert was built without libmicrohttpd: "
	    "`snicert stats --prometheus` writes the metrics for node_exporter's textfile collector");
}

#endif
