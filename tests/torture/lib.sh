# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2034,SC2154
# lib.sh: what the torture scripts share, on top of tests/lib.sh.
#
#   TORTURE_SEED=N       what is random comes out the same again; printed at the start
#   TORTURE_SECONDS=S    how long a script takes at most; it stops after the round that ends then
#   TORTURE_QUICK=1      few rounds
#
#   torture_start NAME
#   random N             sets $random to one of 0 … N-1
#   time_left            whether another round may begin
#   row WHAT HOW-OFTEN WHAT-HAPPENED    for the table in doc/trials.md: appended to $TORTURE_RESULTS
#   clients OPTION…      a load as start_load makes it, as fast as it can, but in the quick part, which
#                        leaves the machine to others; clients_end says what each got:
#   clients_end          sets $handshakes, $failed_handshakes, $other_chain and $got, in words
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"

torture_start() {
	seed=${TORTURE_SEED:-$(date +%s)}
	seconds=${TORTURE_SECONDS:-3600}
	lib_start "$1"
	echo "$1: TORTURE_SEED=$seed TORTURE_SECONDS=$seconds${TORTURE_QUICK:+ TORTURE_QUICK=1}"
	dice=$((seed % 2147483648))
	[ -n "${TORTURE_QUICK:-}" ] || load_pace=
	results=${TORTURE_RESULTS:-$work/results}
}

random() {
	dice=$(((dice * 1103515245 + 12345) % 2147483648))
	random=$((dice / 65536 % $1))
}

time_left() { [ $(($(date +%s) - lib_started)) -lt "$seconds" ]; }

row() {
	printf '%s\t%s\t%s\t%s\n' "$lib_name" "$1" "$2" "$3" >>"$results"
	echo "$1: $2: $3"
}

clients() { start_load --expect-san "$@"; }
clients_end() {
	: >"$work/load.stop"
	wait "$load"
	pids=$(echo " $pids " | sed "s/ $load / /")
	handshakes=$(awk '{ n += $2 } END { print n + 0 }' "$work/load.out")
	failed_handshakes=$(awk '{ n += $4 } END { print n + 0 }' "$work/load.out")
	other_chain=$(awk '{ for (i = 1; i < NF; i++) if ($i == "mismatched") n += $(i + 1) } END { print n + 0 }' \
		"$work/load.out")
	got="$handshakes handshakes: $((handshakes - other_chain)) their own chain, $other_chain another, $failed_handshakes failed"
	[ "$failed_handshakes" = 0 ] || head -n 3 "$work/load.err"
}

# A store with chains for host0.example … and a server that serves it.
torture_store() { # DIR HOW-MANY
	new_store "$1"
	[ -e "$work/hosts.key" ] || cheap_key "$work/hosts.key"
	mkdir -p "$1/hosts"
	for _i in $(seq 0 $(($2 - 1))); do
		cheap_chain "$1/hosts/$_i.pem" "$work/hosts.key" "host$_i.example"
		rm "$1/hosts/$_i.pem.crt"
	done
	tool 0 import "$1/hosts"
}
