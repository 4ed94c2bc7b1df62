#!/bin/sh
# SPDX-License-Identifier: ISC
# status.sh: `snicert status` and `snicert check`: what they count, what they
# call for, what monitoring is told; colour where it belongs.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start status

page() { # EXIT: status into $work/out, its JSON into $work/json
	tool "$1" --json status
	cp "$work/out" "$work/json"
	json_valid "$work/json" 'status --json'
	tool "$1" status
	is "$(awk 'length > 80' "$work/out")" '' 'status: 80 columns'
}
attention() { # the codes, in order
	sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.severity') || ' ' || json_extract(value, '\$.code'), ', ')
		FROM json_each(CAST(readfile('$work/json') AS TEXT), '\$.attention')"
}
checked() { # EXIT TEXT ARG…: one line on standard output, whatever happens
	_exit=$1 _text=$2
	shift 2
	"$build/snicert" -c "$conf" check "$@" >"$work/out" 2>"$work/err" </dev/null
	is $? "$_exit" "check $*: exit code ($_text)"
	is "$(wc -l <"$work/out")" 1 "check $*: one line"
	has "$(cat "$work/out")" "SNICERT $_text" "check $*: says $_text"
}

# --- a store with nothing in it ----------------------------------------------

new_store "$work/a"
page 0
is "$(attention)" 'warning no-fallback' 'an empty store: no fallback'
json_members "$work/json" '$' 'overview key_types expiry attention' 'status --json: its members'
json_members "$work/json" '$.overview' 'store octets schema sequence changed changed_by chains active staged retired names uncovered fallback address_fallbacks expired soonest unknown_names unused unused_untold fleet_change' 'overview: its members'
json_members "$work/json" '$.key_types[0]' 'key_type names_with names_without fallback' 'key_types: its members'
json_members "$work/json" '$.expiry[0]' 'from to chains' 'expiry: its members'
json_members "$work/json" '$.attention[0]' 'severity code finding fix' 'attention: its members'
checked 1 'WARNING - there is no fallback | chains=0;;;0 expired=0;;0;0 critical=0;;0;0 warning=0;0;;0'

# --- counts ------------------------------------------------------------------

cheap_key key.pem
for days in 3 10 17 60 60 200; do
	n=$((${n:-0} + 1))
	cheap_chain "c$n.pem" key.pem "n$n.example" "n$n.example" $days
done
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null
cheap_chain r.pem rsa.pem n6.example n6.example 300
cheap_chain w.pem key.pem '*.w.example' '*.w.example' 300
cheap_chain s.pem key.pem s.example s.example 300
for file in c1 c2 c3 c4 c5 c6 r w; do tool 0 import $file.pem; done
tool 0 import --stage s.pem
tool 0 fallback "$(chain_of n6.example EC)"
tool 0 fallback --address 192.0.2.1 "$(chain_of n6.example RSA)"
tool 0 bind a.w.example "$(chain_of '*.w.example')"
tool 0 bind vanity.example "$(chain_of '*.w.example')"
tool 0 bind b.a.w.example "$(chain_of '*.w.example')"
page 0
is "$(attention)" 'note not-covered, note staged' 'what is fresh is not near its end, however short its life'
checked 0 'OK - 8 chains, none expires soon'
tool 0 verify --json
hasnt "$(cat out)" '"expiring"' 'verify: nor there'
sqlite3 "$store" 'UPDATE chain SET not_before = not_before - 200 * 86400'
page 0
is "$(attention)" 'warning expiring, note not-covered, note staged' 'what needs attention'
for want in chains=9 active=8 staged=1 retired=0 names=10 uncovered=2 address_fallbacks=1 expired=0 fallback='["EC"]'; do
	json_is "$work/json" "\$.overview.${want%%=*}" "${want#*=}" "overview: ${want%%=*}"
done
json_is "$work/json" '$.key_types[0].key_type' RSA 'RSA first'
json_is "$work/json" '$.key_types[0].names_with' 1 'names with RSA'
json_is "$work/json" '$.key_types[0].names_without' 9 'names without RSA'
json_is "$work/json" '$.key_types[0].fallback' 0 'no RSA in the fallback'
json_is "$work/json" '$.key_types[1].names_with' 10 'names with EC'
json_is "$work/json" '$.key_types[1].fallback' 1 'EC in the fallback'
is "$(sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.chains'), ' ')
	FROM json_each(CAST(readfile('$work/json') AS TEXT), '\$.expiry')")" '0 1 1 1 0 0 0 0 0 2 0 0 0 3' 'chains by week'
has "$(cat "$work/out")" 'b.a.w.example, vanity.example' 'a wildcard covers one label'
has "$(cat "$work/out")" 'EC; 1 local address with its own' 'the fallbacks'
is "$(grep -c '  #' "$work/out")" 4 'four bars'
sqlite3 "$store" "UPDATE chain SET state = 'retired' WHERE id = $(chain_of n4.example)"
page 0
json_is "$work/json" '$.overview.retired' 1 'retired chains'
sqlite3 "$store" "UPDATE chain SET state = 'active' WHERE id = $(chain_of n4.example)"

# --- the check ---------------------------------------------------------------

checked 2 'CRITICAL - 1 expires within 7 days, n1.example on '
has "$(cat "$work/out")" 'first; 2 expire within 21 days | chains=8;;;0 expired=0;;0;0 critical=1;;0;0 warning=2;0;;0 soonest=' 'check: performance data'
is "$(sed -n 's/.* soonest=[23];//p' "$work/out")" '21:;7:;' 'check: the days to the soonest end, and its thresholds'
checked 1 'WARNING - 2 expire within 12 days, n1.example on ' --warning 12 --critical 1
checked 0 'OK - 8 chains, none expires soon | ' --warning 1 --critical 1
sqlite3 "$store" "UPDATE chain SET not_after = unixepoch() - 5 WHERE id = $(chain_of n2.example)"
checked 2 'CRITICAL - 1 chain has expired | ' --warning 1 --critical 1
page 1
is "$(attention)" 'error expired, warning expiring, note not-covered, note staged' 'one has expired'
has "$(cat "$work/out")" '  expired                  1  #' 'it is in the chart'

for args in '--warning 7 --critical 21' '--warning x' '--critical -1' '--critical 999999' '--bad' 'x'; do
	checked 3 'UNKNOWN - ' $args
done
chmod o+w "$store"
checked 2 "CRITICAL - $store has the unsafe mode"
has "$(cat "$work/out")" "chmod o-w $store" 'check: the fix of the mode'
chmod o-w "$store"
chmod g+w "$store_key"
checked 2 "CRITICAL - $store_key has the unsafe mode"
page 1
has "$(attention)" 'error store-key' 'an unsafe key'
chmod g-w "$store_key"
if am_root; then
	chmod 777 "$work/a/db"
	checked 2 "CRITICAL - $work/a/db has the unsafe mode"
	tool 3 status
	has "$(cat "$work/err")" "chmod o-w $work/a/db" 'status: the fix of an unsafe directory'
	chmod 755 "$work/a" "$work/a/db" "$work/a/key"
	chmod 644 "$conf"
	chmod 640 "$store" "$store"-* && chgrp nogroup "$store" "$store"-*
	unprivileged() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$build/snicert" -c "$conf" "$@"; }
	if setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$build/snicert"; then
		unprivileged check --warning 1 --critical 1 >"$work/out" 2>&1
		is "$?" 2 'monitoring as somebody who may read the store, not the key'
		has "$(cat "$work/out")" 'CRITICAL - 1 chain has expired | ' 'is told what the store says'
		unprivileged --json status >"$work/json"
		has "$(attention)" 'note store-key' 'status: the key is not for all to see'
		chgrp 0 "$store"
		unprivileged check >"$work/out" 2>&1
		is "$?" 3 'monitoring as somebody who may not'
		has "$(cat "$work/out")" 'SNICERT UNKNOWN - ' 'knows nothing'
		# As in its unit: it reads by a capability.
		if setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search \
			--bounding-set=-all,+dac_read_search "$build/snicert" -c "$conf" check --warning 1 --critical 1 >"$work/out" 2>&1; then
			not_ok 'monitoring by a capability' "$(cat "$work/out")"
		else
			has "$(cat "$work/out")" 'CRITICAL - 1 chain has expired | ' 'monitoring by a capability'
		fi
		chgrp nogroup "$store"
	else
		skip 'an unprivileged check' 'the build is out of reach of nobody'
	fi
else
	skip 'an unprivileged check' 'needs root'
fi
echo 'nonsense = 1' >"$work/bad"
conf=$work/bad checked 3 'UNKNOWN - '
echo 'store { path = "/nonexistent/store.db" }' >"$work/none"
conf=$work/none checked 2 'CRITICAL - there is no store at /nonexistent/store.db'
dd if=/dev/zero of="$store" bs=100 count=1 conv=notrunc 2>/dev/null
checked 2 'CRITICAL - store '

# --- what an ACME client has, and the store has not --------------------------

new_store "$work/c"
live=$work/live
renewed() { # NAME…: as certbot has them
	for _name; do
		mkdir -p "$live/$_name"
		cheap_chain "$work/live.$_name" "$live/$_name/privkey.pem" $_name
		sed -n '/BEGIN CERT/,$p' "$work/live.$_name" >"$live/$_name/fullchain.pem"
	done
}
mkdir -p "$live/a.example" "$live/b.example" "$live/web.example"
for name in a b web; do cheap_key "$live/$name.example/privkey.pem"; done
renewed a.example b.example
tool 0 import --no-bind c4.pem
tool 0 fallback 1
tool 0 import "$live"
checked 0 'OK - 3 chains, none expires soon | ' --source "$live"
has "$(cat "$work/out")" ' unserved=0;0;;0' 'check --source: performance data'
sqlite3 "$store" 'UPDATE chain SET not_before = not_before - 86400'
checked 0 'OK - ' --source "$live"
renewed b.example web.example
checked 1 "WARNING - $live/b.example was issued on " --source "$live"
has "$(cat "$work/out")" ' and is not imported: b.example is served one of * unserved=1;0;;0' 'check --source: a hook that failed; a name that is not of the store is none of its'
checked 0 'OK - '
tool 0 import --stage "$live/b.example"
checked 0 'OK - ' --source "$live"
renewed a.example b.example
checked 1 "WARNING - $live/a.example was" --source "$live/a.example" --source "$live/b.example"
has "$(cat "$work/out")" "; $live/b.example was*unserved=2;" 'check --source: two of them'
rm "$live/a.example/privkey.pem"
checked 1 "WARNING - $live/a.example was" --source "$live/a.example"
checked 1 "WARNING - $work/gone: No such file" --source "$work/gone"
# That the store is gone is what the check is for.
mv "$store" "$work/away"
checked 2 'CRITICAL - there is no store at' --source "$live"
mv "$work/away" "$store"

# --- a read-only medium: SQLite needs the other two files, and can't make them ---

mkdir "$work/alone" "$work/medium"
cp -p "$store" "$work/alone/store.db"
printf 'store { path = "%s/medium/store.db" key = "%s" }\n' "$work" "$store_key" >"$work/alone.conf"
if unshare -m mount --bind "$work/alone" "$work/medium" 2>/dev/null; then
	for command in check list 'explain a.example'; do
		unshare -m sh -c 'mount --bind "$0/alone" "$0/medium" && mount -o remount,ro,bind "$0/medium" && "$@"' \
			"$work" "$build/snicert" -c "$work/alone.conf" $command >"$work/out" 2>&1
		has "$(cat "$work/out")" 'copy all three files' "the store's file alone, read-only: $command says what is missing"
	done
else
	skip 'a read-only medium' 'takes root, and namespaces'
fi

# --- colour ------------------------------------------------------------------

new_store "$work/b"
tool 0 import c4.pem
tool 0 bind vanity.example 1 # or a terminal leaves the column of subjects out
escape=$(printf '\033')
on_terminal() { # ENVIRONMENT… COMMAND
	env TERM=xterm COLUMNS=300 "$@" script -qec "'$build/snicert' -c '$conf' $command" /dev/null </dev/null
}
if command -v script >/dev/null; then
	for command in status 'list' verify; do
		has "$(on_terminal NO_COLOR=)" "$escape[" "$command: colour on a terminal"
		hasnt "$(on_terminal NO_COLOR=1)" "$escape[" "$command: none with NO_COLOR"
		hasnt "$(on_terminal TERM=dumb)" "$escape[" "$command: none on a dumb terminal"
		hasnt "$(snicert $command)" "$escape[" "$command: none in a pipe"
		is "$(on_terminal NO_COLOR=1 | tr -d '\r' | sed 's/^.*…  *//')" "$(snicert $command)" "$command: the same in a pipe as on a terminal"
	done
else
	skip 'colour on a terminal' 'no script(1)'
fi
lib_finish
