#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# report.pl DIR [--check] [--json FILE] [--document FILE] [--plots DIR]: what the bench has measured.
#
# DIR has `samples` (raw, by tabs: group, case, names, round, metric, value),
# and `machine` (KEY<tab>VALUE).  Prints tables for people, at 80 columns, or puts
# them between two marks of a document; writes one JSON document with the raw
# samples, and plots of what grows with the number of names.  A ratio is made round by round, between runs that follow each other, and its
# median is the figure; beside it stand the least and the greatest.  With --check
# the exit code is 1 where a ratio falls below its limit in `budgets`.
use strict;
use warnings;
use Getopt::Long;
use File::Basename;
use JSON::PP;

my ($check, $json_file, $markdown, $plots);
GetOptions('check' => \$check, 'json=s' => \$json_file, 'document=s' => \$markdown, 'plots=s' => \$plots) && @ARGV == 1
	or die "usage: report.pl DIR [--check] [--json FILE] [--document FILE] [--plots DIR]\n";
my $dir = $ARGV[0];
my $here = dirname($0);
my (@samples, %samples, %cases, @groups, %machine);
my $bad = 0;

# What stands in the head of a column; what is left to the JSON where there's no room; what is added up.
my %units = (open_us => 'open us', memory_kib => 'memory KiB', store_kib => 'store KiB', start_ms => 'start ms', storm_s => 'seconds', wall_ms => 'ms', cpu_ms => 'CPU ms', peak_kib => 'peak KiB',
	median_us => 'median us', p90_us => 'p90 us', lookup_us => 'look-up us', pem_us => 'PEM us', static_us => 'static us', module_us => 'module us',
	open_kib => 'memory KiB', pss_kib => 'memory KiB', server_us => 'CPU us', p50_us => 'p50 us', p99_us => 'p99 us', cpu_us => 'CPU us',
	sessions_per_s => 'sessions/s', chains_per_s => 'chains/s');
my %untold = map { $_ => 1 } qw(failed p50_us sessions_per_s);
my %sums = map { $_ => 1 } qw(stale handshakes failed);

# --- reading
sub rows {
	my ($path) = @_;
	open(my $in, '<', $path) or die "report.pl: $path: $!\n";
	return map { chomp; [split /\t/] } grep { !/^#/ && /\S/ } <$in>;
}
for my $row (rows("$dir/samples")) {
	my ($group, $case, $names, $round, $metric, $value) = @$row;
	push @samples, $row;
	push @groups, $group unless $cases{$group};
	push @{$cases{$group}}, $case unless grep { $_ eq $case } @{$cases{$group}};
	$samples{$group}{$case}{$names}{$metric}[$round] = $value + 0;
}
%machine = map { $_->[0] => $_->[1] } rows("$dir/machine") if -e "$dir/machine";
# Groups and cases in the order of their titles; the first case is what the others are ratios to.
my @titles = rows("$here/titles");
my %place = map { ("$titles[$_][0]\t$titles[$_][1]" => $_) } 0 .. $#titles;
sub place { return $place{"$_[0]\t$_[1]"} // 1000 }
@groups = sort { place($a, '-') <=> place($b, '-') } @groups;
for my $group (@groups) { @{$cases{$group}} = sort { place($group, $a) <=> place($group, $b) } @{$cases{$group}} }

# --- arithmetic
sub median {
	my @v = sort { $a <=> $b } grep { defined } @_;
	return undef unless @v; # in lists, too
	return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}
sub least { my @v = sort { $a <=> $b } grep { defined } @_; return $v[0] }
sub most { my @v = sort { $a <=> $b } grep { defined } @_; return $v[-1] }

sub series { # GROUP CASE[@NAMES] METRIC: the samples, by round
	my ($group, $case, $metric) = @_;
	my $names = $case =~ s/@(\w+)$// ? $1 : 'max';
	my $of = $samples{$group}{$case} or return;
	($names) = sort { $b <=> $a } grep { $of->{$_}{$metric} } keys %$of if $names eq 'max';
	return unless defined $names && $of->{$names}{$metric};
	return @{$of->{$names}{$metric}};
}
sub ratios { # two lists, by round
	my ($over, $under) = @_;
	return map { defined $over->[$_] && $under->[$_] ? $over->[$_] / $under->[$_] : undef } 0 .. $#$over;
}
sub figure { # of a budget: the samples
	my ($text) = @_;
	my ($group, $case, $metric, $ratio, $case2, $metric2) = split ' ', $text;
	my @over = series($group, $case, $metric);
	return @over unless $ratio;
	my @under = series($group, $case2, $metric2);
	return grep { defined } ratios(\@over, \@under);
}

# --- writing
sub short { # four digits that mean something
	my ($v) = @_;
	return '-' unless defined $v;
	return sprintf('%.2f', $v) if abs($v) < 10;
	return sprintf('%.1f', $v) if abs($v) < 100;
	my $text = sprintf('%.0f', $v);
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}
sub ratio_text {
	my @v = grep { defined } @_;
	return '-' unless @v;
	return sprintf('%.2f (%.2f-%.2f)', median(@v), least(@v), most(@v));
}
sub title { # GROUP CASE
	my ($group, $case) = @_;
	my ($row) = grep { $_->[0] eq $group && $_->[1] eq $case } @titles;
	return $row ? $row->[2] : $case;
}
sub heading { my ($text) = @_; print $markdown ? "\n### $text\n\n```\n" : "\n$text\n"; }
sub finish { print "```\n" if $markdown; }

sub sessions_table { # GROUP: baseline is the first case
	my ($group) = @_;
	my @cases = grep { my $c = $_; defined series($group, $c, 'sessions_per_s') } @{$cases{$group}};
	return unless @cases;
	my $base = $cases[0];
	heading(title($group, '-'));
	printf "%-24s %6s %6s %7s %-16s %-16s\n", '', 'CPU us', 'p50 us', 'p99 us', 'CPU: ratio', 'sessions: ratio';
	for my $case (@cases) {
		my @cpu = series($group, $case, 'server_us');
		my @rate = series($group, $case, 'sessions_per_s');
		my @base_cpu = series($group, $base, 'server_us');
		my @base_rate = series($group, $base, 'sessions_per_s');
		printf "%-24s %6s %6s %7s %-16s %-16s\n", title($group, $case), short(median(@cpu)),
			short(median(series($group, $case, 'p50_us'))), short(median(series($group, $case, 'p99_us'))),
			$case eq $base ? '1' : ratio_text(ratios(\@base_cpu, \@cpu)),
			$case eq $base ? '1 = ' . short(median(@rate)) . '/s' : ratio_text(ratios(\@rate, \@base_rate));
	}
	finish();
}

# A row per case and number of names; the metrics that each of the cases has.
sub growth_tables {
	my ($group) = @_;
	my (%metrics, @metrics, %shape, @shapes);
	for my $case (@{$cases{$group}}) {
		my %of = map { %{$samples{$group}{$case}{$_}} } keys %{$samples{$group}{$case}};
		my $shape = join(' ', sort keys %of);
		push @shapes, $shape unless $shape{$shape};
		push @{$shape{$shape}}, $case;
	}
	my $narrow = grep { / .* .* .* .* / } @shapes; # what is in the JSON only
	heading(title($group, '-'));
	for my $shape (@shapes) {
		# Of the sums all rounds count, of measurements the median.
		my @metrics = grep { $_ ne 'wrong' && (!$narrow || !$untold{$_}) } split ' ', $shape;
		printf "%-28s %9s" . ' %10s' x @metrics . "\n", '', 'names', map { $units{$_} || $_ } @metrics;
		for my $case (@{$shape{$shape}}) {
			for my $names (sort { $a <=> $b } keys %{$samples{$group}{$case}}) {
				my $of = $samples{$group}{$case}{$names};
				printf "%-28s %9s" . ' %10s' x @metrics . "\n", title($group, $case), short_count($names),
					map { cell($_, @{$of->{$_} || []}) } @metrics;
			}
		}
	}
	finish();
}
sub cell {
	my ($metric, @v) = @_;
	return short(median(@v)) unless $sums{$metric};
	my $sum = 0;
	$sum += $_ // 0 for @v;
	return short_count($sum);
}
sub short_count { my ($v) = @_; 1 while $v =~ s/^(\d+)(\d{3})/$1,$2/; return $v }

sub holds {
	my ($r, $limit) = @_;
	return $r->{least} == $limit && $r->{most} == $limit if $r->{op} eq '=';
	return $r->{op} eq '>=' ? $r->{median} >= $limit : $r->{median} <= $limit;
}
sub budget_rows {
	my @rows;
	for my $row (rows("$here/budgets")) {
		my ($id, $figure, $op, $budget, $limit, $what) = @$row;
		next if $id =~ s/@(.*)// && index($machine{openssl} // '', $1) != 0;
		my @v = figure($figure);
		push @rows, { id => $id, what => $what, figure => $figure, op => $op, budget => $budget + 0,
			limit => $limit eq '-' ? undef : $limit + 0, median => median(@v), least => least(@v),
			most => most(@v), samples => [map { $_ } grep { defined } @v] };
	}
	return @rows;
}
# Median, and the least and the greatest where there are several.
sub budget_table {
	my (@rows) = @_;
	heading('Budgets, at the most names; ratios to one static certificate where nothing is said');
	printf "%-40s %9s %8s  %s\n", '', 'budget', 'measured', 'reached';
	for my $r (@rows) {
		my $got = $r->{median};
		my $verdict = !defined $got ? 'not measured' : holds($r, $r->{budget}) ? 'yes' : 'NO';
		$r->{reached} = $verdict eq 'yes' ? JSON::PP::true : $verdict eq 'NO' ? JSON::PP::false : undef;
		$verdict .= sprintf ' (%s-%s)', short($r->{least}), short($r->{most}) if defined $got && @{$r->{samples}} > 1;
		printf "%-40s %9s %8s  %s\n", $r->{what}, "$r->{op} " . short($r->{budget}), short($got), $verdict;
	}
	finish();
}
sub check_limits {
	my (@rows) = @_;
	# A part that was left out is none of ours to judge.
	for my $r (grep { defined $_->{limit} && $cases{(split ' ', $_->{figure})[0]} } @rows) {
		print "check: $r->{id}: not measured\n" unless defined $r->{median};
		next unless defined $r->{median};
		my $good = holds($r, $r->{limit});
		printf "check: %s: %s is %s, want %s %s: %s\n", $r->{id}, $r->{what}, short($r->{median}), $r->{op},
			$r->{limit}, $good ? 'ok' : 'not ok';
		$bad = 1 unless $good;
	}
}

sub json_groups {
	my %out;
	for my $group (@groups) {
		for my $case (@{$cases{$group}}) {
			for my $names (sort { $a <=> $b } keys %{$samples{$group}{$case}}) {
				my $of = $samples{$group}{$case}{$names};
				push @{$out{$group}}, { case => $case, names => $names + 0, title => title($group, $case),
					map { my @v = @{$of->{$_}}; $_ => { median => median(@v), least => least(@v), most => most(@v),
						samples => \@v } } keys %$of };
			}
		}
	}
	return \%out;
}
sub write_json {
	my (@budgets) = @_;
	my %document = (format => 1, machine => \%machine, budgets => \@budgets, groups => json_groups());
	open(my $out, '>', $json_file) or die "report.pl: $json_file: $!\n";
	print $out JSON::PP->new->canonical->pretty->indent_length(1)->encode(\%document);
	close($out) or die "report.pl: $json_file: $!\n";
}

# --- plots: what a thing costs at more and more names, to what it costs at the fewest
sub points { # GROUP CASE METRIC [PER-NAME]: names and median
	my ($group, $case, $metric, $per_name) = @_;
	my $of = $samples{$group}{$case} || {};
	return map { [$_, median(@{$of->{$_}{$metric}}) / ($per_name ? $_ : 1)] } sort { $a <=> $b } grep { $of->{$_}{$metric} } keys %$of;
}
sub series_of { # TITLE SCALE POINTS: of gnuplot
	my ($title, $scale, @points) = @_;
	return unless @points > 1;
	return { title => $title, lines => join('', map { sprintf "%d %.6g\n", $_->[0], $_->[1] * $scale } @points) };
}
sub relative { my ($title, @points) = @_; return @points > 1 && $points[0][1] ? series_of($title, 1 / $points[0][1], @points) : () }
sub plot {
	my ($name, $y, $log, @series) = @_;
	return unless @series;
	open(my $out, '|-', 'gnuplot') or die "report.pl: gnuplot: $!\n";
	print $out "set terminal svg size 720,480 dynamic enhanced background rgb 'white'\nset output '$plots/$name.svg'\n",
		"set logscale x\nset format x '10^{%L}'\nset xlabel 'names'\nset ylabel '$y'\nset key outside below maxcols 2 Left reverse\nset grid\n",
		"set colorsequence podo\n",
		$log ? "set logscale y\n" : "set yrange [0:*]\n";
	print $out 'plot ', join(', ', map { "'-' using 1:2 with linespoints title \"$_->{title}\"" } @series), "\n";
	print $out $_->{lines}, "e\n" for @series;
	close($out) or die "report.pl: gnuplot failed\n";
}
sub plot_all {
	plot('bench-growth', 'cost, to that at the fewest names', 0,
		relative('import, CPU of a chain', points('import', 'grown', 'cpu_us')),
		relative('store, octets of a name', points('growth', 'store', 'store_kib', 1)),
		relative('open and attach, time', points('growth', 'open', 'open_us')),
		relative('open and attach, memory', points('growth', 'open', 'memory_kib')),
		relative('session, known name, CPU', points('growth', 'uniform', 'server_us')),
		relative('session, unknown name, CPU', points('growth', 'unknown', 'server_us')),
		relative('selection, cached', points('selection', 'cached-ec-1', 'median_us')),
		relative('selection, not cached', points('selection', 'cold-ec-1', 'median_us')),
		relative('selection, unknown', points('selection', 'stranger-1', 'median_us')));
	plot('bench-tool', 'seconds', 1, map { my $case = $_; series_of(title('tool', $case), 1 / 1000, points('tool', $case, 'wall_ms')) }
		qw(list explain expiring status backup verify));
	my @servers = (['haproxy', 'HAProxy'], ['nginx', 'nginx'], ['nginx_module', 'nginx, module'], ['sample_module', 'sample MTA, module']);
	plot('bench-start', 'start-up, ms', 1, map { series_of($_->[1], 1, points('start', $_->[0], 'start_ms')) } @servers);
	plot('bench-memory', 'memory after start, MiB', 1, map { series_of($_->[1], 1 / 1024, points('start', $_->[0], 'pss_kib')) } @servers);
}

# The tables go to the document's place for them.
my $page = '';
if ($markdown) {
	open(my $in, '<', $markdown) or die "report.pl: $markdown: $!\n";
	local $/;
	$page = <$in>;
	$page =~ /<!-- tables -->.*<!-- end of tables -->/s or die "report.pl: $markdown has no place for tables\n";
	close(STDOUT);
	open(STDOUT, '>', "$dir/tables") or die "report.pl: $dir/tables: $!\n";
}

my @budgets = budget_rows();
my $legend = 'CPU is the server\'s own, of all its processes, for one session; the percentiles
are of the handshake, with four clients at once on the same cores. Ratios are to
the first line, above 1 is better: median (least-greatest) of the rounds.';
my $made = join("\n", map { sprintf '%-10s %s', $_, $machine{$_} } sort keys %machine);
print $markdown ? "```\n$made\n```\n\n$legend\n" : "$made\n\n$legend\n";
for my $group (@groups) {
	# Servers beside each other, or things at more and more names.
	if (grep { keys %{$samples{$group}{$_}} > 1 } @{$cases{$group}}) { growth_tables($group) }
	elsif (grep { defined series($group, $_, 'sessions_per_s') } @{$cases{$group}}) { sessions_table($group) }
	else { growth_tables($group) }
}
budget_table(@budgets);
write_json(@budgets) if $json_file;
plot_all() if $plots;
if ($markdown) {
	STDOUT->flush();
	open(my $in, '<', "$dir/tables") or die "report.pl: $dir/tables: $!\n";
	my $tables = do { local $/; <$in> };
	$page =~ s/<!-- tables -->.*<!-- end of tables -->/<!-- tables -->\n$tables<!-- end of tables -->/s;
	open(my $out, '>', $markdown) or die "report.pl: $markdown: $!\n";
	print $out $page;
	close($out) or die "report.pl: $markdown: $!\n";
}
check_limits(@budgets) if $check;
exit $bad;
