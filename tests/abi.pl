#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# abi.pl HEADER TABLE [64|32]: what a header promises to programs that were built with an older one.
#
# Without a third argument, writes the lines that TABLE would have for this HEADER
# to compare, names alone.  With it, writes a C program that compiles only where
# the header is as TABLE has it:
#
#   constant NAME VALUE
#   function STRUCT.MEMBER TYPE
#   STRUCT.MEMBER OFFSET-64 SIZE-64 OFFSET-32 SIZE-32
#   STRUCT end SIZE-64 SIZE-32      the struct as a release had it: what is
#                                   added later lies behind that, padding included
use strict;
use warnings;

my ($header, $table, $bits) = @ARGV;

sub slurp {
	open my $file, '<', $_[0] or die "abi: $_[0]: $!\n";
	local $/;
	return scalar <$file>;
}

# The names of a struct's members, in order; those of an array of structs as NAME[0].MEMBER, and
# those of functions with () behind them.
sub members {
	my ($body) = @_;
	my @names;

	while ($body =~ s/struct \{([^{}]*)\} (\w+)(\[\d+\]);/INNER $2;/s) {
		my ($name, $inner) = ($2, $1);
		$body =~ s/INNER \Q$name\E;/join '', "inner $name;", map { "inner ${name}[0].$_;" } members($inner)/e;
	}
	for my $declaration (split /;/, $body) {
		if ($declaration =~ /\(\*(\w+)\)/) {
			push @names, "$1()";
		} elsif ($declaration =~ /^\s*inner (\S+)/) {
			push @names, $1;
		} else {
			push @names, map { /(\w+)(?:\[\d+\])?\s*$/ ? $1 : () } split /,/, $declaration;
		}
	}
	return @names;
}

sub of_header {
	my $text = slurp($header);
	my @names;

	$text =~ s{/\*.*?\*/}{}gs;
	push @names, "constant $1" while $text =~ /^#define (SNICERT_\w+)(?= \S)/mg;
	while ($text =~ /^enum snicert_\w+ \{(.*?)\n\};/smg) {
		push @names, map { /(SNICERT_\w+)/ ? "constant $1" : () } split /,/, $1;
	}
	while ($text =~ /^struct (snicert\w*) \{(.*?)\n\};/smg) {
		my ($struct, $body) = ($1, $2);
		push @names, map { /(.*)\(\)/ ? ("$struct.$1", "function $struct.$1") : "$struct.$_" } members($body);
	}
	return @names;
}

sub assert {
	my ($condition, $say) = @_;
	print "_Static_assert($condition, \"$say\");\n";
}

sub of_table {
	my ($line) = @_;
	our %end;
	my @word = split ' ', $line;

	if ($word[0] eq 'constant') {
		assert($word[2] =~ /^"/ ? "sizeof($word[1]) == sizeof($word[2])" : "$word[1] == $word[2]",
		    "$word[1] is $word[2]" =~ s/"//gr);
	} elsif ($word[0] eq 'function') {
		my ($struct, $member) = split /\./, $word[1];
		my $type = join ' ', @word[2 .. $#word];

		assert("__builtin_types_compatible_p(__typeof__(((struct $struct *)0)->$member), $type)",
		    "$word[1] is $type");
	} elsif ($word[1] eq 'end') {
		$end{$word[0]} = $word[$bits == 64 ? 2 : 3];
	} else {
		my ($struct, $member) = split /\./, $word[0], 2;
		my ($offset, $size) = $bits == 64 ? @word[1, 2] : @word[3, 4];

		assert("offsetof(struct $struct, $member) == $offset && sizeof(((struct $struct *)0)->$member) == $size",
		    "$word[0] is $size octets at $offset");
		assert("offsetof(struct $struct, $member) >= $end{$struct}", "$word[0] is behind what there was")
		    if exists $end{$struct};
	}
}

my @table = grep { !/^(#|\s*$)/ } split /\n/, slurp($table);
if (!defined $bits) {
	print "$_\n" for of_header();
	exit 0;
}
print "#include <snicert.h>\n";
of_table($_) for @table;
our %end;
assert("sizeof(struct $_) == $end{$_}", "$_ is $end{$_} octets: after what is added a line with the new end")
    for sort keys %end;
