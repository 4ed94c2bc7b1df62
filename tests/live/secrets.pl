#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# secrets.pl FILE (NAME KEYFILE|NAME STORE-KEY-FILE)…: how often each secret is in
# FILE, such as a core: a line "NAME COUNT PARTS", where PARTS names what was
# found.  A private key is looked for by each of its numbers (scalar, exponents,
# primes, coefficient), as octets in both orders, which are those of DER and of
# OpenSSL's own numbers, and by the lines of its PEM; a store key as octets, as
# hex, and as the words that SHA-256 makes of it.
use strict;
use warnings;

sub parts_of_store_key {
	my ($file) = @_;
	my %part;
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>) {
		my ($hex) = /^snicert-store-key-v1 [0-9a-f]+ ([0-9a-f]{64})$/ or die "$file: no store key\n";
		my $key = pack 'H*', $hex;
		@part{"hex$.", "octets$.", "backwards$."} = ($hex, $key, scalar reverse $key);
		# "snicert store key" is 17 octets long, so the first whole word starts at 3.
		$part{"words$."} = pack 'V*', unpack 'N*', substr $key, 3, 28;
	}
	return \%part;
}

sub parts_of_private_key {
	my ($file) = @_;
	my (%part, $name);
	open my $text, '-|', 'openssl', 'pkey', '-in', $file, '-noout', '-text' or die;
	while (<$text>) {
		if (/^(priv(?:ateExponent)?|prime[12]|exponent[12]|coefficient):/) { $name = $1; $part{$name} = '' }
		elsif (/^ +([0-9a-f:]+)$/ && defined $name) { $part{$name} .= $1 }
		else { $name = undef }
	}
	close $text or die "$file: no private key\n";
	for (keys %part) {
		(my $hex = $part{$_}) =~ tr/://d;
		$hex =~ s/^(?:00)+//;
		$part{$_} = pack 'H*', $hex;
		$part{"$_-backwards"} = scalar reverse $part{$_};
	}
	die "$file: no numbers\n" unless %part;
	open my $pem, '<', $file or die "$file: $!\n";
	my $n = 0;
	my $inside;
	while (<$pem>) {
		chomp;
		$inside = 1, next if /^-----BEGIN.*PRIVATE KEY/;
		$inside = 0 if /^-----END/;
		$part{'pem' . ++$n} = $_ if $inside && length >= 40;
	}
	return \%part;
}

my $file = shift;
open my $in, '<:raw', $file or die "$file: $!\n";
my $core = do { local $/; <$in> };
while (my ($name, $key) = splice @ARGV, 0, 2) {
	my $part = $name =~ /^store/ ? parts_of_store_key($key) : parts_of_private_key($key);
	my ($count, @found) = 0;
	for my $what (sort keys %$part) {
		my ($at, $times) = (0, 0);
		while (($at = index $core, $part->{$what}, $at) >= 0) { $times++; $at++ }
		push @found, "$what*$times" if $times;
		$count += $times;
	}
	print join(' ', $name, $count, @found), "\n";
}
