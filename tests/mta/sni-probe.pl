#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# sni-probe.pl: many STARTTLS handshakes in little time, from one process.
#
#   sni-probe.pl [--hold FILE] PORT <CASES
#
# CASES are lines of CLIENT NAME, the name - for none.  For each of them one line comes
# out: CLIENT NAME and the SHA-256 of each certificate of the chain that was sent, leaf
# first, or "failed REASON".  Clients: modern, modern12, rsa12, rsa13, ec12, ec13.
# --hold: say EHLO, write FILE, and wait until it is gone before STARTTLS.
use strict;
use warnings;
use IO::Socket::INET;
use Net::SSLeay;

my $hold = @ARGV && $ARGV[0] eq '--hold' ? (splice @ARGV, 0, 2)[1] : undef;
my ($port) = @ARGV;
my %client = (
	modern => [],
	modern12 => [0x303],
	rsa12 => [0x303, 'aRSA', 'RSA+SHA256:RSA-PSS+SHA256'],
	rsa13 => [0x304, undef, 'RSA-PSS+SHA256:RSA+SHA256'],
	ec12 => [0x303, 'aECDSA', 'ECDSA+SHA256'],
	ec13 => [0x304, undef, 'ECDSA+SHA256'],
);
my %context;

Net::SSLeay::initialize();
$SIG{PIPE} = 'IGNORE';
$| = 1;

sub context {
	my ($version, $ciphers, $sigalgs) = @{$client{$_[0]} // die "no client $_[0]\n"};
	my $ctx = Net::SSLeay::CTX_new() or die;
	Net::SSLeay::CTX_set_min_proto_version($ctx, $version // 0x303);
	Net::SSLeay::CTX_set_max_proto_version($ctx, $version // 0x304);
	Net::SSLeay::CTX_set_cipher_list($ctx, $ciphers) or die if $ciphers;
	# SSL_CTRL_SET_SIGALGS_LIST
	Net::SSLeay::CTX_ctrl($ctx, 98, 0, $sigalgs) == 1 or die if $sigalgs;
	return $ctx;
}

sub reply {
	my $s = shift;
	while (defined(my $line = <$s>)) {
		return $line if $line =~ /^\d+ /;
	}
	return '';
}

sub chain {
	my ($who, $name) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 10) or return "failed connect: $!";
	$s->autoflush(1);
	reply($s) =~ /^2/ or return 'failed banner';
	print $s "EHLO client.example.org\r\n";
	reply($s) =~ /^2/ or return 'failed EHLO';
	if (defined $hold) {
		open(my $there, '>', $hold) or die;
		select(undef, undef, undef, 0.05) while -e $hold;
	}
	print $s "STARTTLS\r\n";
	reply($s) =~ /^2/ or return 'failed STARTTLS';
	my $ssl = Net::SSLeay::new($context{$who} //= context($who)) or die;
	Net::SSLeay::set_fd($ssl, fileno($s));
	Net::SSLeay::set_tlsext_host_name($ssl, $name) if $name ne '-';
	my $answer;
	if (Net::SSLeay::connect($ssl) == 1) {
		$answer = join ' ', map {
			lc(Net::SSLeay::X509_get_fingerprint($_, 'sha256')) =~ tr/://dr
		} Net::SSLeay::get_peer_cert_chain($ssl);
		Net::SSLeay::write($ssl, "QUIT\r\n");
	} else {
		$answer = 'failed ' . Net::SSLeay::ERR_error_string(Net::SSLeay::ERR_get_error()) =~ s/.*://r =~ tr/ /-/r;
	}
	Net::SSLeay::ERR_clear_error();
	Net::SSLeay::free($ssl);
	return $answer;
}

while (<STDIN>) {
	my ($who, $name) = split;
	print "$who $name ", chain($who, $name), "\n";
}
