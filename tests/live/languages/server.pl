#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# server.pl MODULE CONFIG: a server around the manual's example; says its port, and ends with its standard input.
use strict;
use warnings;
use Certificates;
use IO::Select;
use IO::Socket::INET;
use Net::SSLeay;

Net::SSLeay::initialize();
my $context = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_server_method());
Net::SSLeay::CTX_use_certificate_chain_file($context, 'own.crt') or die "own.crt\n";
Net::SSLeay::CTX_use_PrivateKey_file($context, 'own.key', Net::SSLeay::FILETYPE_PEM()) or die "own.key\n";
my $certificates = Certificates->new(@ARGV[0, 1]);
$certificates->attach($context);
my $listener = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1') or die "$!\n";
$| = 1;
print 'port ', $listener->sockport, "\n";
my $wait = IO::Select->new($listener, \*STDIN);
while (my @ready = $wait->can_read) {
	last if grep { $_ == \*STDIN } @ready;
	my $connection = $listener->accept or next;
	my $ssl = Net::SSLeay::new($context);
	Net::SSLeay::set_fd($ssl, fileno $connection);
	Net::SSLeay::accept($ssl);
	Net::SSLeay::free($ssl);
}
Net::SSLeay::CTX_free($context);
