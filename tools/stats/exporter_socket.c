/* SPDX-License-Identifier: ISC */
/* exporter_socket.c: the exporter's listening socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "stats/exporter.h"

#define BACKLOG 16

/* Remove what a killed exporter left; keep one in use. */
static void
remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 && lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED)
		unlink(address->sun_path);
	if (fd >= 0)
		close(fd);
}

static int
listen_unix(const char *path, struct exporter_socket *out, struct snicert_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	int bound;

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
		return error_set(err, SNICERT_EUSAGE, "unix:%s: want an absolute path of less than %zu octets", path,
		    sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	remove_stale(&address);
	out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	before = umask(0117);
	bound = out->fd < 0 ? -1 : bind(out->fd, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (bound != 0)
		return error_system(err, "can't listen at unix:%s", path);
	strcpy(out->path, path);
	snprintf(out->text, sizeof(out->text), "unix:%s", path);
	return 0;
}

static bool
is_loopback(const struct sockaddr_storage *address)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (address->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

/* "127.0.0.1:9811", "[::1]:9811" */
static bool
parse_address(const char *text, struct sockaddr_storage *out, socklen_t *length)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	char host[64], *end;
	size_t size;
	long port;

	memset(out, 0, sizeof(*out));
	if (colon == NULL || colon[1] < '0' || colon[1] > '9' || (port = strtol(colon + 1, &end, 10)) > 65535 ||
	    *end != '\0')
		return false;
	size = (size_t)(colon - text);
	if (size >= sizeof(host))
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		*length = sizeof(*in);
		return true;
	}
	if (size < 2 || host[0] != '[' || host[size - 1] != ']')
		return false;
	host[size - 1] = '\0';
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	*length = sizeof(*in6);
	return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
}

static void
write_text(const struct sockaddr_storage *address, char *out, size_t size)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	/* The port is in the same place in both. */
	snprintf(out, size, address->ss_family == AF_INET ? "%s:%u" : "[%s]:%u", text,
	    (unsigned)ntohs(in6->sin6_port));
}

static int
listen_tcp(const char *where, bool remote, struct exporter_socket *out, struct snicert_error *err)
{
	struct sockaddr_storage address;
	socklen_t length;
	int one = 1;

	if (!parse_address(where, &address, &length))
		return error_set(err, SNICERT_EUSAGE, "%s: want unix:/PATH, ADDRESS:PORT or [ADDRESS]:PORT", where);
	if (!remote && !is_loopback(&address))
		return error_set(err, SNICERT_EUSAGE,
		    "%s is not a loopback address: add --remote to let others read the metrics", where);
	out->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (out->fd < 0 || setsockopt(out->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(out->fd, (const struct sockaddr *)&address, length) != 0 ||
	    getsockname(out->fd, (struct sockaddr *)&address, &length) != 0)
		return error_system(err, "can't listen at %s", where);
	write_text(&address, out->text, sizeof(out->text));
	return 0;
}

int
exporter_listen(const char *where, bool remote, struct exporter_socket *out, struct snicert_error *err)
{
	int status;

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	if (strncmp(where, "unix:", 5) == 0)
		status = listen_unix(where + 5, out, err);
	else
		status = listen_tcp(where, remote, out, err);
	if (status == 0 && listen(out->fd, BACKLOG) != 0)
		status = error_system(err, "can't listen at %s", where);
	if (status != 0 && out->fd >= 0)
		close(out->fd);
	return status;
}
