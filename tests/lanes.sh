#!/bin/bash
# SPDX-License-Identifier: ISC
# .ci/lanes.sh: sums that are right, and nothing that goes wrong passes for right.
set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0

run() { # WHAT WANTED-EXIT WANTED-LAST-LINE, the run on standard input
	{ printf 'cd %q && . %q\n' "$work" "$src/.ci/lanes.sh"; cat; echo lanes_finish; } >"$work/run"
	bash "$work/run" >"$work/out" 2>&1 </dev/null
	local status=$? last
	last=$(tail -n 1 "$work/out")
	[ "$status $last" = "$2 $3" ] || {
		echo "not ok: $1: got $status $last; want $2 $3"
		sed 's/^/    /' "$work/out"
		failed=1
	}
}
said() { # WHAT PATTERN
	grep -q "$2" "$work/out" || { echo "not ok: $1: $2 is not in the output"; failed=1; }
}

run 'steps are added up' 0 '8 passed, 0 failed' <<'X'
step one true
step numbers printf '3 passed, 9 failed\n3 passed, 0 failed\n'
lane_a() { step two sleep 0.2; step three echo 'not 1 passed, 1 failed'; }
lane_b() { step four true; step five true; }
lane a
lane b
wait_for_lanes a b
X
said 'lanes in order' '^=== b'
[ "$(grep -n '^=== b' "$work/out" | cut -d: -f1)" -gt "$(grep -n '^== three' "$work/out" | cut -d: -f1)" ] ||
	{ echo 'not ok: the lanes are printed one after the other'; failed=1; }
run 'a step that fails without a number' 1 '1 passed, 1 failed' <<'X'
step good true
step bad false
X
run 'a step that fails and says that nothing failed' 1 '2 passed, 1 failed' <<'X'
step bad sh -c 'echo "2 passed, 0 failed"; exit 1'
X
run 'a step that says what failed' 1 '2 passed, 5 failed' <<'X'
step bad sh -c 'echo "2 passed, 5 failed"; exit 1'
X
run 'a step that counts failures and exits 0' 1 '2 passed, 1 failed' <<'X'
step bad echo '2 passed, 1 failed'
X
run 'a lane that dies' 1 '1 passed, 1 failed' <<'X'
lane_a() { step one true; exit 0; }
lane a
wait_for_lanes a
X
run 'a lane that is killed' 1 '1 passed, 1 failed' <<'X'
lane_a() { step one true; kill -KILL $BASHPID; }
lane a
wait_for_lanes a
X
run 'a step that hangs' 1 '0 passed, 1 failed' <<'X'
echo '19.00 17.00 11.99 2/300 4711' >load
LOADAVG=load LIMIT=1 step slow sleep 60
X
said 'a step that hangs' 'ended after 1 s'
run 'a step that a busy machine keeps waiting' 0 '1 passed, 0 failed, 1 skipped' <<'X'
step one true
echo '3.00 7.00 12.00 2/300 4711' >load
LOADAVG=load LIMIT=1 step slow sleep 60
X
said 'a busy machine' 'slow: cut off after 1 s; the load is 12.00'
# Busy while it ran, and quiet at its end; and the other way.
echo '20.00 8.00 4.00 2/300 4711' >"$work/load"
LOADAVG=load LOAD_EVERY=0.1 run 'busy while the step ran' 0 '1 passed, 0 failed, 1 skipped' <<'X'
step one true
LIMIT=1 step slow sleep 60
X
said 'busy while the step ran' 'slow: cut off after 1 s; the load is 20.00'
echo '3.00 8.00 19.00 2/300 4711' >"$work/load"
LOADAVG=load LOAD_EVERY=0.1 run 'busy before the step ran' 1 '0 passed, 1 failed' <<'X'
LIMIT=1 step slow sleep 60
X
run 'no time left' 0 '1 passed, 0 failed, 1 skipped' <<'X'
step one true
DEADLINE=0
step late true
X
said 'no time left' 'late: no time is left'
run 'cut off, as no more time is left' 0 '1 passed, 0 failed, 1 skipped' <<'X'
step one true
DEADLINE=$((SECONDS + 1))
step late sleep 60
X
said 'cut off' 'late: cut off after 1 s'
run 'what can not be had' 0 '4 passed, 0 failed, 4 skipped' <<'X'
step gone sh -c 'echo "SKIPPED: swaks can not be had: 404"; exit 77'
step sums printf 'SKIPPED: a\nSKIPPED: b\n3 passed, 0 failed, 2 skipped\n'
step says echo 'SKIPPED: test_x: needs root'
X
said 'what can not be had' '^  alone: gone: swaks can not be had: 404'
said 'what can not be had' '^  alone: says: test_x: needs root'
run 'nothing but skipped' 1 '0 passed, 0 failed, 1 skipped' <<'X'
step gone sh -c 'exit 77'
X
run 'a failure beside what is skipped' 1 '2 passed, 1 failed, 1 skipped' <<'X'
step bad sh -c 'printf "not ok: the name\n    got:  a\n    want: b\nmuch else\n2 passed, 1 failed, 1 skipped\n"; exit 1'
X
said 'a failure is told again at the end' '^[0-9]*-    want: b'
[ "$(grep -n '^failed:' "$work/out" | cut -d: -f1)" -gt "$(grep -n '^== bad: FAILED' "$work/out" | cut -d: -f1)" ] ||
	{ echo 'not ok: what failed is not told at the end'; failed=1; }
run 'nothing was done' 1 '0 passed, 0 failed' <<'X'
: >"$out/steps"
X
run 'a process that stays' 1 '1 passed, 1 failed' <<'X'
step daemon sh -c 'setsid sleep 77 >/dev/null 2>&1 &'
none_left
X
said 'a process that stays' '^left behind: [0-9]* sleep 77'
run 'none that stays' 0 '2 passed, 0 failed' <<'X'
step daemon sh -c 'setsid sleep 1 >/dev/null 2>&1 &'
none_left
X

# Told to end, it takes along what runs.
for steps in 'step slow sleep 88' 'lane_a() { step slow sleep 88; }; lane a; wait_for_lanes a'; do
	printf 'cd %q && . %q\necho $SNICERT_CI_RUN >mark\n%s\n' "$work" "$src/.ci/lanes.sh" "$steps" >"$work/run"
	bash "$work/run" >"$work/out" 2>&1 </dev/null &
	pid=$!
	for _ in $(seq 100); do
		grep -qs slow "$work/out" && break
		sleep 0.1
	done
	sleep 0.3
	kill $pid
	wait $pid
	for _ in 1 2 3 4 5 6; do
		left=$(grep -lsz "^SNICERT_CI_RUN=$(cat "$work/mark")\$" /proc/[0-9]*/environ)
		[ -n "$left" ] || break
		sleep 0.5
	done
	[ -z "$left" ] || { echo "not ok: told to end, it leaves $left: $steps"; failed=1; }
done

[ $failed = 0 ] && echo 'lanes: fine'
exit $failed
