# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# lanes.sh: steps, and lanes of steps that run at the same time.  Sourced, at the
# top of the sources; tests/lanes.sh tries it.
#
#   step WHAT COMMAND…         a program or an exported function, without standard input.  It counts what
#                              its last line "N passed, N failed" or "N passed, N failed, N skipped" says,
#                              else as one: passed, skipped if it exits with 77, else failed
#   LIMIT=SECONDS step …       a guard against what hangs (2400 otherwise), not a measure of speed; where it
#                              ends what a busy machine has kept waiting, that is skipped
#   lane NAME                  the function lane_NAME, at the same time as others
#   wait_for_lanes NAME…       prints what they said, in this order; one that died is a failure
#   none_left                  a step: of what was started here nothing runs any more
#   lanes_finish               what was skipped, and why; what failed, and how; a table of the steps;
#                              "N passed, N failed", with ", N skipped" if any was, and the exit code
#
# What can't be had on this machine is skipped, and says so in a line that begins
# with "SKIPPED: ".  So is what $DEADLINE leaves no time for: a machine that is
# that busy says nothing about the sources.
#
# Busy is a machine whose load, on average while the step ran (or over a quarter of an hour, where it
# was short), is twice what three lanes of two jobs each make by themselves.
#
# While lanes run only the names of their steps are printed, as they begin.

DEADLINE=${DEADLINE:-4800}
LOADAVG=${LOADAVG:-/proc/loadavg}
BUSY=12
export SNICERT_CI_RUN=$$-$RANDOM # what all that is started here can be told by
lane=alone
out=$(mktemp -d) || exit 1
trap 'kill $load_watcher; rm -rf "$out"' EXIT
trap 'lanes_stop' INT TERM HUP
exec 3>&1
declare -A lanes=()

# The load, a line each time, as long as the shell that sourced this; without a process for its pauses.
watch_load() {
	local one _ never
	exec {never}<> <(:)
	while [ -d /proc/$$ ] && read -r one _ <"$LOADAVG" && echo "$one" >>"$out/loads"; do
		read -r -t "${LOAD_EVERY:-20}" -u "$never" _
	done
}
: >"$out/loads"
(trap - EXIT INT TERM HUP; watch_load) 2>/dev/null 3>&- </dev/null &
load_watcher=$!

record() { # SECONDS CPU PASSED FAILED SKIPPED WHAT
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "${2:-0}" "$3" "$4" "$5" "$lane: $6" >>"$out/steps"
	[ "$4" = 0 ] || echo "[$lane] $6: FAILED" >&3
}
skipped() { # WHAT WHY
	echo "$lane: $1: $2" >>"$out/skipped"
}

# Of a step that failed: what was wanted and come, and how it ended; no more than a screen or two.
essence() { # LOG
	grep -nE -A 3 '^not ok|^FAIL|^ERROR|FAILED|[^a-z]error:|:[EF]:' "$1" | cut -c1-240 | tail -n 60
	echo '  … and its end:'
	tail -n 25 "$1" | cut -c1-240
}

# Since a line of what watch_load wrote.
load_since() {
	local quarter
	quarter=$(cut -d' ' -f3 "$LOADAVG")
	awk -v from="$1" -v quarter="$quarter" 'NR > from { sum += $1; n++ } END { printf "%.2f", n < 3 ? quarter : sum / n }' "$out/loads"
}
is_busy() { awk -v load="$1" -v busy=$BUSY 'BEGIN { exit !(load >= busy) }'; }

step() { # WHAT COMMAND…
	local what=$1 limit=${LIMIT:-2400} began=$SECONDS log=$out/step.$lane status sum p=0 f=0 s='' cpu=0 cut='' said=0
	local before load
	before=$(wc -l <"$out/loads")
	shift
	[ "$limit" -le $((DEADLINE - began)) ] || { limit=$((DEADLINE - began)) cut=1; }
	echo "== $what"
	echo "[$lane] $what ($began s)" >&3
	if [ "$limit" -le 0 ]; then
		skipped "$what" "no time is left for it after $began s; the load is $(load_since "$before")"
		record 0 0 0 0 1 "$what"
		return
	fi
	times >"$log.times"
	# In the background, for a shell that waits hears signals.
	# shellcheck disable=SC2016
	timeout -k 10 "$limit" bash -c '"$@"' step "$@" >"$log" 2>&1 3>&- </dev/null &
	wait $!
	status=$?
	times >>"$log.times"
	cpu=$(awk -F '[ ms]+' 'NR % 2 == 0 { now = $1 * 60 + $2 + $3 * 60 + $4; cpu = now - before; before = now }
		END { print int(cpu + 0.5) }' "$log.times")
	cat "$log"
	while read -r sum; do
		skipped "$what" "${sum#SKIPPED: }"
		said=$((said + 1))
	done < <(grep '^SKIPPED: ' "$log" | sort -u)
	sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
	if [ -n "$sum" ]; then
		read -r p _ f _ s _ <<<"$sum"
	elif [ $status = 0 ]; then
		p=1
	elif [ $status = 77 ]; then
		s=1 status=0
	fi
	s=${s:-$said}
	case $status in
	124 | 137)
		load=$(load_since "$before")
		if [ -n "$cut" ] || is_busy "$load"; then
			skipped "$what" "cut off after $limit s${cut:+, as no more time is left}; the load is $load"
			s=$((s + 1)) status=0
		fi
		;;
	esac
	if [ "$status" != 0 ]; then
		[ "$f" != 0 ] || f=1
		case $status in 124 | 137) echo "== $what: ended after $limit s" ;; esac
		echo "== $what: FAILED ($status)"
		{ echo "--- $lane: $what ($status)"; essence "$log"; } >>"$out/failed"
	fi
	record $((SECONDS - began)) "$cpu" "$p" "$f" "$s" "$what"
	rm -f "$log" "$log.times"
}

lane() { # NAME
	(
		trap - EXIT INT TERM HUP
		lane=$1
		"lane_$1" >"$out/lane.$1" 2>&1
		echo "$1" >>"$out/ended"
	) &
	lanes[$1]=$!
}

wait_for_lanes() { # NAME…
	local name lane
	for name; do
		wait "${lanes[$name]}"
		echo "=== $name"
		cat "$out/lane.$name"
		grep -qx "$name" "$out/ended" 2>/dev/null || { lane=$name; record 0 0 0 1 0 'the lane died'; }
	done
}

# What this run has started, by its mark or by being a program of its builds.
# This shell has not the mark itself, nor have its subshells.
started_here() {
	local dir
	for dir in /proc/[0-9]*; do
		case $(readlink "$dir/exe") in
		"$PWD"/build*) echo "${dir#/proc/}" ;;
		*) ! tr '\0' '\n' <"$dir/environ" | grep -qx "SNICERT_CI_RUN=$SNICERT_CI_RUN" || echo "${dir#/proc/}" ;;
		esac
	done 2>/dev/null
}

none_left() {
	local pid left=0 began=$SECONDS
	echo '== no process is left behind'
	# What was told to end may take a moment.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(started_here)" ] || break
		sleep 0.5
	done
	for pid in $(started_here); do
		echo "left behind: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		kill "$pid"
		left=1
	done 2>/dev/null
	record $((SECONDS - began)) 0 $((1 - left)) $left 0 'no process is left behind'
}

# Told to end: what the lanes run in namespaces ends with those.
lanes_stop() {
	local pid
	trap - INT TERM HUP
	kill "${lanes[@]}" 2>/dev/null
	for pid in $(started_here); do kill "$pid" 2>/dev/null; done
	exit 130
}

lanes_finish() {
	[ ! -s "$out/skipped" ] || { printf '\nskipped:\n'; sed 's/^/  /' "$out/skipped"; }
	[ ! -s "$out/failed" ] || { printf '\nfailed:\n'; cat "$out/failed"; }
	printf '\n%7s %7s %7s %7s %7s\n' seconds CPU passed failed skipped
	awk -F '\t' '{ printf "%7d %7d %7d %7d %7d  %s\n", $1, $2, $3, $4, $5, $6 }' "$out/steps"
	echo "== $SECONDS s; load $(cut -d' ' -f1-3 /proc/loadavg)"
	awk -F '\t' '{ p += $3; f += $4; s += $5 }
		END { printf "%d passed, %d failed%s\n", p, f, s ? ", " s " skipped" : ""; exit f != 0 || p == 0 }' "$out/steps"
}
