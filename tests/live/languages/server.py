# SPDX-License-Identifier: ISC
# server.py MODULE CONFIG: a server around the manual's example; says its port, and ends with its standard input.
import select
import socket
import ssl
import sys

import certificates

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("own.crt", "own.key")
certificates.Certificates(sys.argv[1], sys.argv[2]).attach(context)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
while True:
    ready = select.select([listener, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    connection = listener.accept()[0]
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()
