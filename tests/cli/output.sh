#!/bin/sh
# SPDX-License-Identifier: ISC
# output.sh: what people read: an answer to each question, also where there is nothing.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start output

# --- nothing is said in one line, and to programs in none -----------------------

new_store "$work/a"
nothing() { # EXIT TEXT ARG…
	_exit=$1 _text=$2
	shift 2
	tool $_exit "$@" || return
	has "$(cat "$work/out")" "$_text" "snicert $*: says what there is not"
	is "$(wc -l <"$work/out")" 1 "snicert $*: in one line"
	tool $_exit --quiet "$@"
	is "$(cat "$work/out")" '' "snicert --quiet $*: silent"
	tool $_exit --json "$@"
	is "$(cat "$work/out")" '[]' "snicert --json $*: an empty array"
}
nothing 1 'No name is bound' list
nothing 1 'No name matches x.' list x
nothing 1 'No name of owner bob is bound.' list --owner bob
nothing 1 'No chain is in the store' list --chains
nothing 1 'No staged chain is in the store.' list --staged
nothing 1 'No retired chain matches y.' list --retired y
nothing 1 'No key is waiting for a certificate' key list
nothing 1 'The log has no change of x.example.' log x.example
nothing 1 'The log has no change since then.' log --since 2200-01-01
nothing 0 'No chain has an owner' owner
nothing 0 'No chain is staged.' activate --all
nothing 1 'No chain expires' expiring
nothing 1 'There is no fallback' default
tool 0 key new x.example
tool 0 key remove 1
is "$(cat "$work/out")" 'Removed 1 key.' 'key remove says what it did'

# --- a typo gets one line and a hint --------------------------------------------

typo() { # TEXT ARG…
	_text=$1
	shift
	tool 2 "$@"
	is "$(cat "$work/err")" "snicert: $_text" "snicert $*: one line and a hint"
	is "$(cat "$work/out")" '' "snicert $*: and no more"
}
typo 'unknown command "imprt"; did you mean import?' imprt
typo 'unknown command "lst"; did you mean list?' lst
typo 'unknown command "halp"; did you mean help?' halp
typo 'unknown command "frobnicate": see `snicert help`' frobnicate
typo 'unknown command "imprt"; did you mean import?' help imprt
typo 'unknown option "--jsno"; did you mean --json?' --jsno list
typo 'unknown option "--chians"; did you mean --chains?' list --chians
typo 'unknown option "--frobnicate": see `snicert list --help`' list --frobnicate
typo 'unknown option "-x": see `snicert list --help`' list -x
typo '--owner wants a value: see `snicert list --help`' list --owner
typo '--chains takes no value: see `snicert list --help`' list --chains=yes
typo 'unknown client profile "esdsa"; did you mean ecdsa?' explain --client esdsa x.example
typo 'unknown client "certbto"; did you mean certbot?' hook certbto
typo 'unknown action "nwe"; did you mean new?' key nwe
typo 'unknown server "postfx"; did you mean postfix?' setup postfx
typo 'unknown server "exmi"; did you mean exim?' setup --check postfix exmi
typo 'unknown key type "ecsda"; did you mean ecdsa?' probe --key-type ecsda mx.example
typo 'unknown key type "dsa4096": rsa, ecdsa, ed25519 or any' probe --key-type dsa4096 mx.example
typo 'unknown action "nwe"; did you mean new?' mta-sts nwe a.example --mode testing
typo 'unknown action "frob": see `snicert mta-sts --help`' mta-sts frob a.example
typo 'unknown mode "enfroce"; did you mean enforce?' mta-sts new a.example --mode enfroce
typo 'unknown mode "strict": testing, enforce or none' mta-sts new a.example --mode strict
typo 'unknown kind of --sni "domian"; did you mean domain?' mta-sts --sni domian --fetch a.example
printf 'wildcard = true\nstore { paht = "/x" }\n' >"$work/typo.conf"
"$build/snicert" -c "$work/typo.conf" list 2>"$work/err"
is "$(cat "$work/err")" "snicert: $work/typo.conf:2: no such option 'paht'; did you mean path?" \
	'an option of snicert.conf: file, line and a hint'

for command in $("$build/snicert" --commands); do
	[ "$command" = completion ] || "$build/snicert" $command --help >"$work/help" 2>&1
	for conf_of in "$work/typo.conf" "$work/none.conf"; do
		"$build/snicert" -c "$conf_of" $command --help >"$work/out" 2>"$work/err"
		is "$? $(cat "$work/err")" '0 ' "$command --help, with a configuration that can't be read"
		[ "$command" = completion ] || cmp -s "$work/help" "$work/out" && ok "$command --help: the same" ||
			not_ok "$command --help: the same" "$(head -n 3 "$work/out")"
	done
done
"$build/snicert" -c "$work/typo.conf" mta-sts new --help >"$work/out" 2>&1
has "$(head -n 1 "$work/out")" 'usage: snicert mta-sts new' 'so is the help of an action'

# --- help -----------------------------------------------------------------------

too_wide() { sed "s,[…·],.,g" "$work/out" | LC_ALL=C awk -v what="$1" 'length($0) > 80 { print what ": " $0 }'; }
tool 0 help
is "$(too_wide help)" '' 'help fits 80 columns'
grep -v '^ \|^$\|^usage\|snicert help\|^Exit' "$work/out" >"$work/groups"
sed -n '/^\.Sh COMMANDS/,/^\.Sh JSON/s/^\.Ss //p' "$src/man/snicert.8" | cmp -s - "$work/groups" &&
	ok 'help has the groups of the manual' || not_ok 'help has the groups of the manual' "$(cat "$work/groups")"
cp "$work/out" "$work/help"
for command in $("$build/snicert" --commands); do
	grep -q "^  $command " "$work/help" || not_ok "help tells of $command"
	tool 0 help $command
	is "$(too_wide "$command")" '' "help $command fits 80 columns"
	cp "$work/out" "$work/help.of"
	tool 0 $command --help
	cmp -s "$work/out" "$work/help.of" && ok "$command --help is help $command" || not_ok "$command --help is help $command"
done
for action in 'mta-sts new' 'key new' 'key list' 'key csr' 'key remove'; do
	tool 0 help $action
	has "$(head -n 1 "$work/out")" "usage: snicert $action" "help $action"
	is "$(too_wide "$action")" '' "help $action fits 80 columns"
done
tool 0 mta-sts new --help
has "$(cat "$work/out")" '  --mode MODE' 'mta-sts new --help has its options'
hasnt "$(cat "$work/out")" '--fetch' '… and those of mta-sts not'
tool 0 mta-sts --help
hasnt "$(cat "$work/out")" '--max-age' 'mta-sts --help has not those of new'

# --- small answers --------------------------------------------------------------

new_store "$work/b"
cheap_key one.key
cheap_chain plain.pem one.key mx.one.example
cheap_chain wild.pem one.key '*.two.example'
chmod 600 plain.pem wild.pem
tool 0 import plain.pem
tool 0 import wild.pem
tool 0 explain '*.two.example'
has "$(sed 1d "$work/out" | tr -s ' ')" 'wildcard *.two.example bound EC ' 'explain of a wildcard: what is bound to it'
tool 1 explain '*.three.example'
has "$(cat "$work/out")" 'not in the store' '… or that nothing is'
tool 0 explain --json '*.two.example'
json_members "$work/out" '$[0]' 'candidate key verdict key_types not_after sha256' '… with the members of any answer'
tool 0 fallback mx.one.example
has "$(sed 1d "$work/out" | tr -s ' ')" ' 1 EC mx.one.example' 'default takes a name: the chains that serve it'
refused 1 'nothing is bound to other.example' default other.example
tool 0 bind vanity.example 1
is "$(tr -s ' ' <"$work/out")" 'Name: vanity.example
Chain: 1
Result: bound' 'bind prints name, chain and result, as its manual says'
tool 0 unbind vanity.example
is "$(sed 1d "$work/out" | tr -s ' ')" 'vanity.example 1' 'unbind prints how many chains were unbound'
cheap_chain stranger.pem one.key other.example
chmod 600 stranger.pem
refused 3 'or use --force' import --name third.example stranger.pem
tool 0 import --force --name third.example stranger.pem
has "$(cat "$work/out")" 'is not for third.example' 'what was forced is warned of'
hasnt "$(cat "$work/out")" '--force' '… and --force is not advised'

# --- tables ---------------------------------------------------------------------

tool 0 status
hasnt "$(cat "$work/out")" "  0
" 'status: no rows of zeros'
has "$(cat "$work/out")" '  later   ' 'status: when chains end'
was=${conf%/conf}
new_store "$work/zeros"
tool 0 status
hasnt "$(cat "$work/out")" 'Key type' 'status of an empty store: no key types'
hasnt "$(cat "$work/out")" 'Active chains' '… and nothing that ends'
tool 0 status --json
json_is "$work/out" '$.key_types[0].key_type' RSA '… which --json has, as ever'
cheap_key key.ec && cheap_chain zeros.pem key.ec zeros.example
snicert import zeros.pem >/dev/null 2>&1
tool 0 status
is "$(grep -E '^(EC|RSA) ' "$work/out" | tr -s ' ')" 'EC 1 0 no' 'status: key types that there are'

# Days are rounded towards zero, in each command.
left() { # SECONDS DAYS TABLE
	sqlite3 "$store" "UPDATE chain SET not_after = strftime('%s', 'now') + $1"
	tool 0 show --json zeros.example
	json_is "$work/out" '$[0].days_left' "$2" "show --json: days that are left of $1 s"
	tool 0 show zeros.example
	is "$(sed -n 's/^Days left: *//p' "$work/out")" "$3" "show: of $1 s"
	tool 0 expiring --json 365
	json_is "$work/out" '$[0].days_left' "$2" "expiring --json: of $1 s"
	tool 0 expiring 365
	is "$(sed 1d "$work/out" | tr -s ' ' | cut -d' ' -f4)" "$3" "expiring: of $1 s"
	[ $1 -lt 0 ] && return
	snicert check >"$work/out"
	has "$(cat "$work/out")" " soonest=$2;" "check: of $1 s"
}
sqlite3 "$store" 'UPDATE chain SET lifetime = 400 * 86400'
left $((30 * 86400 - 60)) 29 29
left $((86400 - 60)) 0 0
left -3600 0 expired
left $((-2 * 86400 + 60)) -1 -1
store_at "$was"
if command -v script >/dev/null; then
	command="'$build/snicert' -c '$conf' explain none.example"
	sh -c "$command" | head -n 1 >"$work/pipe"
	has "$(cat "$work/pipe")" 'Expires' 'in a pipe each column stays'
	command="'$build/snicert' -c '$conf' default none; '$build/snicert' -c '$conf' explain none.example"
	env TERM=dumb script -qec "$command" /dev/null </dev/null | tr -d '\r' >"$work/screen"
	has "$(cat "$work/screen")" 'Verdict' 'on a screen there is a table'
	hasnt "$(cat "$work/screen")" 'Expires' '… without the columns that are all "-"'
	on_screen() { # COLUMNS COMMAND…: what is seen, and in a pipe
		_columns=$1
		shift
		env TERM=dumb script -qec "stty cols $_columns; '$build/snicert' -c '$conf' $*" /dev/null </dev/null | tr -d '\r' >"$work/screen"
		snicert "$@" >"$work/pipe"
	}
	for command in 'list --chains' log; do
		on_screen 60 $command
		is "$(awk 'length > 60 && NF > 2' "$work/screen")" '' "$command: lines within the screen"
		[ "$(wc -l <"$work/screen")" -gt "$(wc -l <"$work/pipe")" ]
		is $? 0 "$command: a row in a pipe is a line, on a screen several"
	done
else
	skip 'tables on a screen' 'no script(1)'
fi
lib_finish
