#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh: every fuzz target for a while (`make fuzz` of a build with --enable-fuzz).
#
#   FUZZ_SECONDS=60     for each
#   FUZZ_TARGETS=       these instead of all
#   FUZZ_JOBS=2         at a time
#   FUZZ_SEED=0         libFuzzer's; 0: another one each time
#   FUZZ_TIMEOUT=60     seconds that one input may take: more where others have the cores
#
# What is found stays in fuzz/corpus/TARGET and is where the next run starts; what
# fails is in fuzz/TARGET.crash-…, and `replay TARGET FILE` runs it again.  Ends in a
# table, in fuzz/table too: executions; CPU time, which is less than the seconds where more run
# than there are cores; edges and features (libFuzzer's words) that they reached; lines of
# module/ and tools/ that the corpus of the target runs.
set -u
src=${SNICERT_SRCDIR:-.} build=${SNICERT_BUILDDIR:-build}
seconds=${FUZZ_SECONDS:-60} jobs=${FUZZ_JOBS:-2} seed=${FUZZ_SEED:-0}
fuzzer=$build/tests/fuzz/snicert-fuzz replay=$build/tests/fuzz/replay dir=$build/fuzz
targets=${FUZZ_TARGETS:-$("$replay" --list | cut -d' ' -f1)}
SNICERT_SRCDIR=$src SNICERT_BUILDDIR=$build SNICERT_FIXTURES=${SNICERT_FIXTURES:-$build/fixtures}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES
LLVM_PROFILE_FILE=/dev/null
export LLVM_PROFILE_FILE

# Worlds come and go by the thousand: not on a disk.
shm=/tmp
[ ! -w /dev/shm ] || shm=/dev/shm
work=$(mktemp -d "$shm/snicert-fuzz.XXXXXX") || exit 99
TMPDIR=$work
export TMPDIR
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP PIPE

most_of() { "$replay" --list | sed -n "s/^$1 //p"; }

fuzz_one() { # TARGET
	mkdir -p "$dir/corpus/$1"
	set -- "$1" -max_total_time="$seconds" -max_len="$(most_of "$1")" -timeout="${FUZZ_TIMEOUT:-60}" -rss_limit_mb=2048 \
		-print_final_stats=1 -seed="$seed" -artifact_prefix="$dir/$1."
	[ ! -f "$src/tests/fuzz/dictionaries/$1" ] || set -- "$@" -dict="$src/tests/fuzz/dictionaries/$1"
	FUZZ_TARGET=$1 TMPDIR=$work/$1.tmp
	export FUZZ_TARGET TMPDIR
	mkdir -p "$TMPDIR"
	target=$1
	shift
	"$fuzzer" "$@" "$dir/corpus/$target" "$dir/seeds/$target" >"$dir/$target.log" 2>&1 </dev/null
	echo $? >"$work/$target.status"
	times >"$work/$target.times" # not in a pipe: a shell there has no children yet
	awk -F '[ ms]+' 'NR == 2 { print int($1 * 60 + $2 + $3 * 60 + $4) }' "$work/$target.times" >"$work/$target.cpu"
}

lines_of() { # TARGET DIRECTORY: lines of the product that the corpus runs, in percent of the files it enters
	[ -n "${LLVM_COV:-}" ] && [ -n "${LLVM_PROFDATA:-}" ] || { echo -; return; }
	[ -f "$work/$1.data" ] || { LLVM_PROFILE_FILE=$work/$1.raw timeout 300 "$replay" "$1" "$dir/seeds/$1" "$dir/corpus/$1" \
		>/dev/null 2>&1
	$LLVM_PROFDATA merge -o "$work/$1.data" "$work/$1.raw" 2>/dev/null; }
	$LLVM_COV export -summary-only -instr-profile="$work/$1.data" "$replay" 2>/dev/null |
		perl -0777 -ne '
			my ($run, $all, $files) = (0, 0, 0);
			while (m{"filename":"[^"]*/'"$2"'/(?:[^"/]*/)?[^"/]*\.c","summary":\{.*?"lines":\{"count":(\d+),"covered":(\d+)}g) {
				next if $2 == 0;
				$all += $1; $run += $2; $files++;
			}
			printf "%d of %d\n", $run, $all;'
}

sh "$src/tests/fuzz/seeds.sh" "$dir/seeds" || exit 99
rm -f "$dir"/*.crash-* "$dir"/*.leak-* "$dir"/*.timeout-* "$dir"/*.oom-*
running=0
for target in $targets; do
	fuzz_one "$target" &
	running=$((running + 1))
	[ $((running % jobs)) != 0 ] || wait
done
wait

passed=0 failed=0
{
	printf '| %-8s | %10s | %7s | %5s | %5s | %8s | %6s | %12s | %12s |\n' target executions seconds CPU edges features corpus \
		'module lines' 'tools lines'
	echo '| --- | --: | --: | --: | --: | --: | --: | --: | --: |'
	for target in $targets; do
		log=$dir/$target.log
		printf '| %-8s | %10s | %7s | %5s | %5s | %8s | %6s | %12s | %12s |\n' "$target" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$seconds" "$(cat "$work/$target.cpu")" \
			"$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" \
			"$(sed -n 's/.* ft: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" \
			"$(ls "$dir/corpus/$target" | wc -l)" "$(lines_of "$target" module)" "$(lines_of "$target" tools)"
	done
} | tee "$dir/table"
for target in $targets; do
	if [ "$(cat "$work/$target.status")" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "fuzz: $target fails; again by: $replay $target $(ls "$dir/$target".*-* 2>/dev/null | head -n 1)"
		tail -n 40 "$dir/$target.log"
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
