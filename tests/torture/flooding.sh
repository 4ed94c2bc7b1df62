# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2015,SC2034,SC2046,SC2086,SC2154
# flooding.sh: clients that ask for known names, while others ask for names nobody knows; on
# top of tests/lib.sh.
#
#   flood WHAT WITH WITHOUT PIDS [LOAD-OPTION…]    on the ports of two servers, the first of which has
#                            the module and, of its processes, PIDS; known names are known0.example …, $flood_names of them
#
# What the clients get is compared with what they get while as many others ask for known
# names as fast as they can, and with a server without the module under the same flood:
# processor time is short in all three.  They take turns, so that whatever else the machine does is
# in all of them, and where the bound is missed the whole is done again, up to four times.  In the short run,
# of some hundred handshakes each, the bound is on the median.

flood_generators=3 # of $flood_clients each
flood_clients=8
flood_names=20

flood_turn() { # PORT known|unknown|- SUM
	_port=$1 _kind=$2 _sum=$3
	_floods=
	if [ $_kind != - ]; then
		for _i in $(seq $flood_generators); do
			case $_kind in
			known) set -- known%d.example $flood_names ;;
			unknown) set -- "mx$_i-%d.flood.example" 1000000000 ;;
			esac
			"$build/starttls-load" --port $_port --seconds $((flood_seconds + 1)) --clients $flood_clients --seed $((seed + flood_turns + _i)) \
				--name-pattern "$1" --name-count "$2" --sum flood.$_i.$_kind.$_sum $flood_options >flood.$_i.out 2>flood.$_i.err &
			_floods="$_floods $!"
		done
		sleep 0.5
	fi
	flood_turns=$((flood_turns + 10))
	# Those of the server without the module get its own certificate.
	_expect=
	[ $_sum = without ] || _expect=--expect-san
	"$build/starttls-load" --port $_port --seconds $flood_seconds --clients 1 --seed $flood_turns --name-pattern known%d.example \
		--name-count $flood_names $_expect --sum known.$_sum $flood_options >known.out 2>known.err ||
		not_ok "$flood_what: known names ($_sum)" "$(cat known.out known.err)"
	for _pid in $_floods; do
		wait $_pid || not_ok "$flood_what: a flood of $_kind names" "$(cat flood.*.out flood.*.err)"
	done
}
flood_value() { awk -v word="$1" '{ for (i = 1; i < NF; i++) if ($i == word) n += $(i + 1) } END { printf "%d\n", n + 0 }' "$2"; }
flood_of() { cat flood.*.out >floods.out; flood_value "$1" floods.out; }
flood_rss() { # PIDS: the most
	for _pid; do sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/$_pid/status; done | sort -n | tail -n 1
}

flood_measure() { # sets $p99_…, $rate_…, in microseconds and handshakes per second
	rm -f flood.*.known* flood.*.unknown* known.quiet known.known known.unknown known.without
	for _round in $(seq $flood_rounds); do
		flood_turn $with - quiet
		for _case in known unknown without; do
			if [ $_case = without ]; then flood_turn $without unknown without; else flood_turn $with $_case $_case; fi
			eval "p99_$_case=$(flood_value p99_us known.out) p50_$_case=$(flood_value p50_us known.out)"
			eval "rate_$_case=$(flood_of rate) asked_$_case=$(flood_of handshakes)"
			[ $_case$_round != unknown1 ] || rss_before=$(flood_rss $flood_pids)
			[ $_case != unknown ] || rss_after=$(flood_rss $flood_pids)
		done
		# Of all rounds so far.
		flood_turn $with - quiet
		p99_quiet=$(flood_value p99_us known.out) p50_quiet=$(flood_value p50_us known.out)
	done
}

flood() {
	flood_what=$1 with=$2 without=$3 flood_pids=$4
	shift 4
	flood_options=$* flood_turns=0 flood_rounds=10 flood_seconds=3
	[ -z "${TORTURE_QUICK:-}" ] || flood_rounds=1 flood_seconds=1
	for _attempt in 1 2 3 4 5; do
		flood_measure
		if [ -n "${TORTURE_QUICK:-}" ]; then
			flood_bound=p50 flood_got=$p50_unknown flood_known=$p50_known flood_without=$p50_without
		else
			flood_bound=p99 flood_got=$p99_unknown flood_known=$p99_known flood_without=$p99_without
		fi
		[ "$flood_got" -gt $((2 * flood_known)) ] || [ "$flood_got" -gt $((2 * flood_without)) ] || break
	done
	[ "$flood_got" -le $((2 * flood_known)) ] && ok "$flood_what: $flood_bound" ||
		not_ok "$flood_what: $flood_bound within twice that while the others ask for known names" "$flood_got us, $flood_known us"
	[ "$flood_got" -le $((2 * flood_without)) ] && ok "$flood_what: $flood_bound, without" ||
		not_ok "$flood_what: $flood_bound within twice that of a server without the module" "$flood_got us, $flood_without us"
	# The cache's 1 MiB was full of them after the first round.
	[ $((rss_after - rss_before)) -le 2048 ] && ok "$flood_what: memory" ||
		not_ok "$flood_what: memory" "$rss_before KiB after the first round, $rss_after KiB at the end"
	row "$flood_what" "$asked_unknown unknown names, $rate_unknown a second, $((flood_clients * flood_generators)) connections at a time" \
		"p99 of a handshake with a known name $p99_unknown us; flooded with known names ($rate_known a second) $p99_known us; the server without the module, flooded alike ($rate_without a second) $p99_without us; quiet $p99_quiet us (p50 $p50_unknown, $p50_known, $p50_without, $p50_quiet); memory $((rss_after - rss_before)) KiB more than after the first round"
}
