// SPDX-License-Identifier: ISC
// server.rs MODULE CONFIG: a server around the manual's example; says its port, and ends with its standard input.
mod certificates;

use openssl::ssl::{Ssl, SslContext, SslFiletype, SslMethod, SslStream};
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    builder.set_certificate_file("own.crt", SslFiletype::PEM).unwrap();
    builder.set_private_key_file("own.key", SslFiletype::PEM).unwrap();
    let certificates = certificates::Certificates::open(&arguments[1], &arguments[2]).unwrap();
    certificates.attach(&mut builder).unwrap();
    let context = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0u8]);
        std::process::exit(0);
    });
    for connection in listener.incoming() {
        let ssl = Ssl::new(&context).unwrap();
        let _ = SslStream::new(ssl, connection.unwrap()).unwrap().accept();
    }
}
