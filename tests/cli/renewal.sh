#!/bin/sh
# SPDX-License-Identifier: ISC
# renewal.sh: what renews what, by where it comes from and by what it is; directories that are imported night after night.
# shellcheck disable=SC1091,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start renewal
here=$(pwd -P)

put() { # NAME DIRECTORY: as certbot has it
	mkdir -p "$2"
	cp "$1.key" "$2/privkey.pem"
	cp "$1.chain.pem" "$2/fullchain.pem"
}
end_of() { snicert list --json "$1" | sed -n 's/.*"not_after": "\([^"T]*\).*/\1/p'; }
day() { date -u -d "@$(($(date +%s) + $1 * 86400))" +%F; }
fixtures_leaf . rsa --rsa --san a.example,b.example --days 60
fixtures_leaf . old --san a.example,b.example --days 60
fixtures_leaf . new --san a.example,b.example --days 90
fixtures_leaf . dead --san a.example,b.example --expired
fixtures_leaf . other --san c.example
fixtures_leaf . changed --san d.example,a.example --days 95
fixtures_leaf . short --san a.example,b.example --days 6
fixtures_leaf . self --san a.example,b.example --days 3000 --self-signed

# --- a lineage -------------------------------------------------------------------

new_store "$work/store-lineage"
put old live/x
tool 0 import live/x
tool 0 bind vanity.example 1
tool 0 fallback 1
put changed live/x
tool 0 import --dry-run --json live
json_is "$work/out" '$[0].renews' "[\"chain 1: same lineage $here/live/x\"]" 'a dry run says why, in JSON'
json_is "$work/out" '$[0].lineage' "$here/live/x" '… and what the lineage is'
tool 0 import --dry-run live/x/privkey.pem ./live/../live/x/fullchain.pem
has "$(cat "$work/out")" "renews chain 1: same lineage $here/live/x" '… and in words, by whatever path'
tool 0 import live
for name in a.example d.example vanity.example fallback; do is "$(chain_of $name)" 2 "the lineage goes on: $name"; done
is "$(chain_of b.example)" 1 'the name that was dropped stays'
put short live/x
sleep 1
fixtures_leaf . short --san a.example,b.example --days 6
tool 0 rollback a.example
is "$(chain_of fallback)" 1 'roll-back'
state >before
tool 0 import live/x --lineage elsewhere
is "$(chain_of fallback)" 1 'another label, a shorter life: the fallback stays'

# A link that leads elsewhere with each renewal, to other names with another key.
fixtures_leaf . next --san e.example --days 96
for what in directory file; do
	new_store "$work/store-link-$what"
	rm -rf releases current
	put old releases/1
	put next releases/2
	ln -s releases/1 current
	case $what in directory) files=current ;; file) files='./current//fullchain.pem current/privkey.pem' ;; esac
	# shellcheck disable=SC2086
	tool 0 import $files
	tool 0 fallback 1
	ln -sfn releases/2 current
	# shellcheck disable=SC2086
	tool 0 import --dry-run $files
	has "$(cat "$work/out")" "chain 2 renews chain 1: same lineage $here/current" "through a link, as it was named: $what"
	# shellcheck disable=SC2086
	tool 0 import $files
	is "$(chain_of fallback)" 2 "the lineage goes on through a link: $what"
	state >"$work/state"
	# shellcheck disable=SC2086
	tool 0 import $files
	unchanged "through a link, again: $what"
done
# A link that stays: the same place by either path.
new_store "$work/store-alias"
rm -rf volume alias
put old volume/live/x
ln -s volume alias
tool 0 import volume/live/x
tool 0 fallback 1
put next volume/live/x
tool 0 import alias/live/x
is "$(chain_of fallback)" 2 'the same place by a link'

new_store "$work/store-label"
tool 0 import --lineage mail old.pem
tool 0 fallback 1
mkdir -p moved
mv changed.pem moved/
tool 0 import --lineage mail moved/changed.pem
is "$(chain_of fallback)" 2 '--lineage: wherever the files are'
refused 3 'a second EC chain of the lineage mail' import --lineage mail old.pem other.pem
refused 2 "can't be empty" import --lineage '' old.pem

new_store "$work/store-types"
put rsa live/y
tool 0 import live/y
tool 0 fallback 1
put new live/y
tool 0 import live/y
is "$(chain_of fallback EC) $(chain_of fallback RSA)" '2 1' 'a lineage that changes key types stands beside itself, on the fallback too'

# Of a store of an older release nobody knows where chains came from: the next import tells.
new_store "$work/store-nowhere"
put old live/z
tool 0 import live/z
tool 0 fallback 1
sqlite3 "$store" 'UPDATE chain SET lineage = NULL'
tool 0 import live/z
is "$(sqlite3 "$store" 'SELECT lineage FROM chain')" "$here/live/z" 'an older store learns lineages'

# One name more, which is a stranger's: all others are renewed all the same.
new_store "$work/store-shared"
fixtures_leaf . more --san a.example,b.example,c.example --days 95
fixtures_leaf . stranger --san c.example,e.example
rm -rf live
put old live/x
tool 0 import live
tool 0 import stranger.pem
put more live/x
tool 0 import live
is "$(chain_of a.example) $(chain_of b.example) $(chain_of c.example)" '3 3 2' "a name that a stranger has stays, the others don't"
has "$(grep ^warning: "$work/out")" 'c.example is served by chain 2' '… which a warning tells'

# --- what a directory has twice, expired, or bad --------------------------------------------

for order in 'old new' 'new old' 'dead new' 'new dead'; do
	new_store "$work/store-twice"
	rm -rf twice
	put "${order% *}" twice/x
	put "${order#* }" twice/x-0001
	put other twice/y
	for run in 1 2 3; do
		tool 0 import twice
		is "$(end_of a.example)" "$(day 90)" "$order, run $run: the newest serves"
		[ $run = 1 ] || unchanged "$order, run $run"
		state >"$work/state"
	done
	[ "$order" = 'old new' ] || has "$(cat "$work/out")" "superseded by chain $(chain_of a.example)" "$order: the other one is superseded"
	rm -rf "$work/store-twice"
done

# certbot's twins, after the names have changed.
fixtures_leaf . first --san b.example,a.example --days 30
fixtures_leaf . second --san c.example,a.example --days 80
for order in 'first second' 'second first'; do
	new_store "$work/store-twins"
	rm -rf live
	put "${order% *}" live/x
	put "${order#* }" live/x-0001
	for run in 1 2; do
		tool 0 import live
		is "$(end_of a.example) $(end_of b.example) $(end_of c.example)" "$(day 80) $(day 30) $(day 80)" \
			"$order, run $run: the newest serves, and no name is lost"
		[ $run = 1 ] || unchanged "$order, run $run"
		state >"$work/state"
	done
	rm -rf "$work/store-twins"
done
new_store "$work/store-twins"
rm -rf live
put first live/x
tool 0 import --no-bind live
tool 0 fallback 1
put second live/x-0001
tool 0 import --no-bind --dry-run live
has "$(cat "$work/out")" "chain 2 renews chain 1: certbot's twin" 'a dry run says so'
tool 0 import --no-bind live
tool 0 fallback
has "$(cat "$work/out")" '  2 ' 'the fallback goes to the newer twin'

# One place for whatever comes by standard input.
new_store "$work/store-stdin"
tool_input=$work/first.pem tool 0 import /dev/stdin
tool 0 fallback 1
tool_input=$work/stranger.pem tool 0 import /dev/stdin
tool 0 fallback
has "$(cat "$work/out")" '  1 ' 'standard input is no lineage, whatever file it is'

new_store "$work/store-hand"
rm -rf twice
put old twice/x
tool 0 import twice
put new twice/x
tool 0 import twice
tool 0 rollback a.example
state >"$work/state"
tool 0 import twice
has "$(cat "$work/out")" 'stay as they are' 'what is left alone is told'
unchanged 'a roll-back is left alone'
tool 0 unbind b.example
state >"$work/state"
tool 0 import twice
unchanged 'an unbound name is left alone'
tool 0 import --force twice
is "$(chain_of b.example) $(chain_of a.example)" '2 2' '--force binds again'

new_store "$work/store-two"
rm -rf twice
put new twice/x
put old twice/x-0001
tool 0 import twice
tool 0 unbind a.example
tool 0 import twice
is "$(chain_of a.example) $(chain_of b.example)" ' 1' 'nor does the superseded one take what is unbound'

new_store "$work/store-bad"
rm -rf twice
put old twice/x
put other twice/y
put dead twice/z
cp new.key twice/y/privkey.pem
sed -i 2d twice/z/fullchain.pem # cut in the middle: it can't be decoded
tool 3 import twice
is "$(grep -c "$here/twice/\|twice/" "$work/err")" 2 'all that is bad is told, each by its file'
has "$(cat "$work/err")" twice/y '… one'
has "$(cat "$work/err")" twice/z '… and the other'
is "$(chain_of a.example)" 1 'the rest is taken in'
new_store "$work/store-strict"
refused 3 twice/ import --strict twice
# An expired one whose names nobody else serves.
rm -rf twice
put dead twice/x
put other twice/y
tool 3 import twice
has "$(cat "$work/err")" 'expired on' 'expired, and nothing in its place'
is "$(wc -l <"$work/err")" 1 '… once'

# --- from a chain that clients can verify to one that they can't --------------------------

new_store "$work/store-trust"
tool 0 import old.pem
tool 0 fallback 1
refused 3 'clients can verify better' import self.pem
has "$(cat "$work/err")" "self.pem" 'it names the file'
has "$(cat "$work/err")" "old.pem" '… and what is served'
mkdir dovecot
cp self.key dovecot/key.pem
cp self.crt dovecot/cert.pem
refused 3 'clients can verify better' import dovecot
tool 0 import --force self.pem
is "$(chain_of fallback)" 2 '--force'
tool 0 import new.pem
is "$(chain_of fallback)" 3 'and back'
new_store "$work/store-alone"
tool 0 import --no-bind old.pem
tool 0 fallback 1
refused 3 'clients can verify better' import --no-bind self.pem
tool 0 verify
lib_finish
