#!/bin/sh
# SPDX-License-Identifier: ISC
# selection.sh: selection alone, in process, by tests/bench/selection.c; its rows
# become raw samples like all others: case, key and threads are the case.
set -u
[ -e "${SNICERT_SRCDIR:?}/tests/bench/selection.c" ] || { echo 'there is no tests/bench/selection.c'; exit 77; }
make -s -C "${SNICERT_BUILDDIR:?}" tests/bench/selection || exit 1
say() { echo "bench: $*" >&2; }
run() { # ROUND OPTION…
	round=$1
	shift
	"$SNICERT_BUILDDIR/tests/bench/selection" --json "$@" >"$BENCH_DIR/selection.json" || return 1
	perl -MJSON::PP -e 'local $/; my $round = shift;
		for my $r (@{decode_json(<STDIN>)}) {
			my $case = join("-", $r->{case}, grep { length } $r->{key}, $r->{threads});
			print join("\t", "selection", $case, $r->{names}, $round, $_, $r->{$_}), "\n"
				for grep { $r->{$_} } qw(median_us p90_us lookup_us pem_us static_us open_kib stats_ns traced_ns);
			print join("\t", "selection", $case, $r->{names}, $round, "wrong", $r->{wrong}), "\n";
		}' "$round" <"$BENCH_DIR/selection.json" >>"$BENCH_SAMPLES"
}
if [ -n "${BENCH_QUICK:-}" ]; then
	say 'selection, in process'
	for round in 0 1 2; do
		run $round --names 1000 --samples 300 --key ec --case cached --case cold --case unknown --case stranger \
			--case open --case fork --case stats || exit
	done
	exit 0
fi
for size in $BENCH_SIZES; do
	for round in 0 1 2; do
		say "selection, in process, $size names, round $((round + 1)) of 3"
		threads='--threads 1'
		[ "$size" != 1000000 ] && [ "$size" != 1000 ] || threads='--threads 1 --threads 2 --threads 8'
		# shellcheck disable=SC2086
		run $round --names "$size" --samples 1000 $threads || exit
	done
done
