// SPDX-License-Identifier: ISC
// server.cc MODULE CONFIG: a server around the manual's example; says its port, and ends with its standard input.
#include "certificates.h"

#include <cstdio>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void
serve(SSL_CTX *context, int fd)
{
	SSL *ssl = SSL_new(context);

	SSL_set_fd(ssl, fd);
	SSL_accept(ssl);
	SSL_free(ssl);
	close(fd);
}

int
main(int, char **argv)
try {
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	Certificates certificates(argv[1], argv[2]);
	sockaddr_in address = {};
	socklen_t length = sizeof(address);
	pollfd wait[2] = {};

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	wait[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	wait[0].events = wait[1].events = POLLIN;
	if (SSL_CTX_use_certificate_file(context, "own.crt", SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, "own.key", SSL_FILETYPE_PEM) != 1 ||
	    bind(wait[0].fd, reinterpret_cast<sockaddr *>(&address), length) != 0 || listen(wait[0].fd, 8) != 0 ||
	    getsockname(wait[0].fd, reinterpret_cast<sockaddr *>(&address), &length) != 0)
		return 1;
	certificates.attach(context);
	std::printf("port %d\n", ntohs(address.sin_port));
	std::fflush(stdout);
	while (poll(wait, 2, -1) > 0 && wait[1].revents == 0)
		serve(context, accept(wait[0].fd, nullptr, nullptr));
	SSL_CTX_free(context);
	return 0;
} catch (const std::exception &e) {
	std::fprintf(stderr, "%s\n", e.what());
	return 1;
}
