#!/bin/sh
# SPDX-License-Identifier: ISC
# price.sh: what the module adds to a whole session of the sample MTA, in instructions.  Times differ by
# machine and by what else it does; the same session takes the same instructions, and under valgrind
# every processor has the same abilities.  P-256 throughout: the cheapest handshake, so that what
# is added shows most.  The limits are a third above what it is.  In time it is more
# (doc/bench.md): arithmetic has several instructions done at once, look-ups have not.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
for program in valgrind callgrind_control; do
	command -v $program >/dev/null || { echo "SKIPPED: $program is not here"; exit 77; }
done
case $(sed -n 's/^CFLAGS = //p' "$build/Makefile") in
*-fsanitize* | *--coverage* | *-O0*) echo 'SKIPPED: this build is not what one installs'; exit 77 ;;
esac
lib_start price
if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null "$build/snicert" --version >probe.out 2>&1; then
	skip 'instructions of a session' "valgrind can't run this build: $(tail -n 1 probe.out)"
	lib_finish
fi

own_certificate
new_store "$work/store"
cheap_key key
cheap_chain known.pem key known.example
tool 0 import known.pem
sessions=200

load() { # COUNT NAME
	"$build/starttls-load" --port "$(cat "$case.port")" --timeout 60 --clients 2 --count "$1" --name "$2" >load.out 2>&1 ||
		not_ok "sessions, $case" "$(cat load.out)"
}
price() { # CASE NAME [OPTION…]: sets $instructions, of a session
	case=$1 name=$2
	shift 2
	valgrind --tool=callgrind --callgrind-out-file="$case.callgrind" "$build/sample-mta" --cert own.crt --key own.key \
		--port-file "$case.port" "$@" >"$case.out" 2>"$case.mta.log" &
	server=$!
	pids="$pids $server"
	await "the sample MTA under valgrind, $case" test -s "$case.port"
	load 20 "$name" # what happens once does not count
	callgrind_control --zero $server >zero.out 2>&1 || not_ok "counting begins anew, $case" "$(cat zero.out)"
	load $sessions "$name"
	kill $server
	wait $server 2>/dev/null
	total=$(sed -n 's/^totals: //p' "$case.callgrind")
	[ "${total:-0}" != 0 ] || { not_ok "instructions are counted, $case" "$(cat "$case.mta.log")"; lib_finish; }
	instructions=$((total / sessions))
}
within() { # PER-MILLE WHAT
	share=$(((instructions - static) * 1000 / static))
	if [ $share -le "$1" ]; then ok "$2"; else
		not_ok "$2" "$instructions instructions a session, $static with one static certificate: $share per mille more, $1 are allowed"
	fi
	echo "price: $2: $instructions instructions a session to $static, $share per mille more"
}

price static known.example
static=$instructions
price known known.example --module "$build/.libs/snicert.so" --config "$conf"
within 16 'a name in the cache'
price unknown unknown.example --module "$build/.libs/snicert.so" --config "$conf"
within 12 'a name that nobody knows'
lib_finish
