// SPDX-License-Identifier: ISC
// server.js [callback]: a server that knows nothing of the module; says its port, and ends with its standard input.
// With "callback" it has no certificate but what its SNICallback gives.
const fs = require('fs');
const tls = require('tls');

const own = { key: fs.readFileSync('own.key'), cert: fs.readFileSync('own.crt') };
const byName = { SNICallback: (name, then) => then(null, tls.createSecureContext(own)) };
const server = tls.createServer(process.argv[2] === 'callback' ? byName : own, socket => socket.end());
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
