#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh [--quick|--brief] [--check] [--document] [--json FILE] [PART…]: the bench.
#
# Parts: selection handshake sample visible growth storm postfix exim start; all without any.
# `postfix`, `exim` and `start` unpack Debian's servers and run them in
# namespaces, as tests/mta does: they want root, and are left out, with a line
# that says so, where that can't be.  Raw samples, tables and plots end up in
# build/bench; --document takes them into doc/.  --quick: two minutes, of fewer
# names and rounds.  --brief: all sizes, up to 1,000,000 names, in half the time, by
# fewer rounds.  --check: exit code 1 where a ratio is below its limit, twice
# in succession.  --again: nothing is measured, only written anew.
set -u
usage() { sed -n '3p' "$0" | cut -c3- >&2; exit 2; }
quick= brief= check= json= document= again=
parts=
while [ $# != 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--brief) brief=1 ;;
	--check) check=--check ;;
	--document) document=1 ;;
	--again) again=1 ;;
	--json) [ $# -gt 1 ] || usage; json=$2; shift ;;
	selection | handshake | sample | visible | growth | storm | postfix | exim | start) parts="$parts $1" ;;
	*) usage ;;
	esac
	shift
done
: "${parts:=selection handshake sample visible growth storm postfix exim start}"

SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
SNICERT_BUILDDIR=$(cd "${SNICERT_BUILDDIR:-$SNICERT_SRCDIR/build}" && pwd) || exit 99
here=$SNICERT_SRCDIR/tests/bench
BENCH_DIR=$SNICERT_BUILDDIR/bench
BENCH_SAMPLES=$BENCH_DIR/samples
if [ -n "$quick" ]; then
	BENCH_SECONDS=0.12 BENCH_SLICES=5 BENCH_ROUNDS=4 BENCH_NAMES=2000 BENCH_SIZES='1000 3000' BENCH_STARTS='1000' BENCH_RENEWALS=10
	BENCH_STORM=300 BENCH_STORM_SECONDS=5 BENCH_STORM_QUIET=3 BENCH_TURNS=3
elif [ -n "$brief" ]; then
	BENCH_SECONDS=0.15 BENCH_SLICES=6 BENCH_ROUNDS=7 BENCH_NAMES=10000 BENCH_SIZES='1000 10000 100000 1000000'
	BENCH_STARTS='1000 3000 10000' BENCH_RENEWALS=50
	BENCH_STORM=10000 BENCH_STORM_SECONDS=60 BENCH_STORM_QUIET=15 BENCH_TURNS=1
else
	BENCH_SECONDS=0.2 BENCH_SLICES=10 BENCH_ROUNDS=11 BENCH_NAMES=10000 BENCH_SIZES='1000 10000 100000 1000000'
	BENCH_STARTS='1000 3000 10000 30000 100000' BENCH_RENEWALS=100
	BENCH_STORM=10000 BENCH_STORM_SECONDS=60 BENCH_STORM_QUIET=30 BENCH_TURNS=3
fi
# For trying things out.
[ -z "${SIZES:-}" ] || BENCH_SIZES=$SIZES
[ -z "${ROUNDS:-}" ] || BENCH_ROUNDS=$ROUNDS
export SNICERT_SRCDIR SNICERT_BUILDDIR BENCH_DIR BENCH_SAMPLES BENCH_SECONDS BENCH_SLICES BENCH_ROUNDS BENCH_NAMES BENCH_SIZES BENCH_STARTS BENCH_RENEWALS
export BENCH_STORM BENCH_STORM_SECONDS BENCH_STORM_QUIET BENCH_TURNS
BENCH_QUICK=$quick
export BENCH_QUICK

mkdir -p "$BENCH_DIR" || exit 99
exec 9>"$BENCH_DIR/lock"
flock -n 9 || { echo "bench: another bench runs in $BENCH_DIR" >&2; exit 99; }

# The plots want gnuplot, and the rest what ./quickstart installs.
if [ -n "$document" ] && ! command -v gnuplot >/dev/null; then
	[ "$(id -u)" = 0 ] || { echo 'bench: the plots want gnuplot: apt-get install gnuplot-nox' >&2; exit 99; }
	apt-get update -qq >"$BENCH_DIR/apt.log" 2>&1
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gnuplot-nox >"$BENCH_DIR/apt.log" 2>&1 || {
		says=$(. "$SNICERT_SRCDIR/tests/mta/lib.sh" && mta_archive_says "$BENCH_DIR/apt.log")
		[ -z "$says" ] || { echo "SKIPPED: bench: gnuplot-nox can't be had; the archive says: $says" >&2; exit 77; }
		tail -n 3 "$BENCH_DIR/apt.log" >&2
		exit 99
	}
fi

trouble=
measure() {
	: >"$BENCH_SAMPLES"
	{
		printf 'system\t%s\n' "$(. /etc/os-release && echo "$PRETTY_NAME")"
		printf 'openssl\t%s\n' "$(openssl version | cut -d' ' -f2)"
		printf 'processor\t%s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
		printf 'cores\t%s\n' "$(nproc)"
		printf 'mode\t%s\n' "${quick:+quick}${brief:+brief}"
		printf 'load average before\t%s\n' "$(cut -d' ' -f1 /proc/loadavg)"
		printf 'date\t%s\n' "$(date -u +%Y-%m-%d)"
	} | sed 's/mode\t$/mode\tfull/' >"$BENCH_DIR/machine"

	trouble=
	for part in $parts; do
		# A part is a script, which ends with what it has started; 77: it can't be here.
		: >"$BENCH_DIR/$part.log"
		{
			sh "$here/$part.sh" </dev/null 2>&1 >>"$BENCH_DIR/$part.log" 9>&-
			echo $? >"$BENCH_DIR/$part.status"
		} | tee "$BENCH_DIR/$part.err" >&2
		status=$(cat "$BENCH_DIR/$part.status")
		case $status in
		0) ;;
		# A package that can't be had is no trouble of ours.
		77) [ "${CI:-}" != true ] || grep -q '^SKIPPED: ' "$BENCH_DIR/$part.err" || trouble="$trouble $part"
			echo "bench: $part is left out: $(cat "$BENCH_DIR/$part.log" "$BENCH_DIR/$part.err" | tail -n 1)" >&2 ;;
		*) trouble="$trouble $part"; echo "bench: $part: trouble ($status)" >&2; tail -n 8 "$BENCH_DIR/$part.log" >&2 ;;
		esac
	done
}
report() {
	perl "$here/report.pl" "$BENCH_DIR" --json "$BENCH_DIR/bench.json" $check
}
[ -n "$again" ] || measure
report
status=$?
# What disturbs a machine seldom does it twice, and what is slower is so again.
if [ -n "$check" ] && [ $status != 0 ]; then
	echo 'bench: once more' >&2
	measure
	report
	status=$?
fi
if [ -n "$document" ]; then
	doc=$SNICERT_SRCDIR/doc
	perl "$here/report.pl" "$BENCH_DIR" --json "$doc/bench.json" --document "$doc/bench.md" --plots "$doc" || status=99
fi
[ -z "$json" ] || cp "$BENCH_DIR/bench.json" "$json" || status=99
[ -z "$trouble" ] || { echo "bench: trouble in$trouble" >&2; status=1; }
exit $status
