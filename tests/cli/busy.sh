#!/bin/sh
# SPDX-License-Identifier: ISC
# busy.sh: two tools at once, and tools that are cut off: the second waits as long
# as it says, then names who holds the store; a store is as before or as after.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start busy
cd "$work" || exit 99

# --- one that holds the store: it has begun, and waits for its input -----------

hold() { # FIFO: an import that goes on once something is written there
	mkfifo "$1"
	echo "c.example $work/$1" >"$1.map"
	"$build/snicert" -c "$conf" import --from map "$1.map" >hold.out 2>&1 &
	holder=$!
	pids="$pids $holder"
	exec 8<>"$1"
	held() { "$build/snicert" -c "$conf" --wait 0 unbind nobody.example 2>hold.err; [ $? = 3 ]; }
	await 'the store is held' held
}
let_go() { # FILE: what it takes in
	cat "$1" >&8
	exec 8>&-
	wait $holder
	is $? 0 'the one that held the store ends well'
}

new_store "$work/a"
for key in a b c; do cheap_key $key.key && cheap_chain $key.pem $key.key $key.example && chmod 600 $key.pem; done
tool 0 import a.pem
hold fifo
has "$(cat hold.err)" "process $holder of $(id -un): " 'who holds the store'
started=$(date +%s)
refused 3 "process $holder of $(id -un): " --quiet --wait 2 import b.pem
waited=$(($(date +%s) - started))
[ $waited -ge 2 ] && ok "it waited $waited s" || not_ok 'it waits as long as it was told' "$waited s"
has "$(cat "$work/err")" 'import --from map fifo.map' '… and with which command'
has "$(cat "$work/err")" 'waited 2 s for process' '… and how long it waited'
wants() { # COMMAND…: waits for the one that holds it, without a terminal; what it says at once
	"$build/snicert" -c "$conf" --wait 60 "$@" >waits.out 2>waits.err 8>&- &
	waits=$!
	pids="$pids $waits"
}
wants unbind nobody.example
await 'waiting is said' test -s waits.err
has "$(cat waits.err)" "snicert: waiting up to 60 seconds for process $holder of $(id -un): " 'whom it waits for, and how long'
has "$(cat waits.err)" ' s)' '… and how long that has been running'
is "$(wc -l <waits.err)" 1 '… in one line'
kill $waits
wait $waits 2>/dev/null
"$build/snicert" -c "$conf" --quiet --wait 1 unbind nobody.example 2>waits.err
hasnt "$(cat waits.err)" 'waiting up to' 'not with --quiet'
has "$(cat waits.err)" 'waited 1 s for process' '… but why it failed'
for line in 'bind b.example 1' 'default 1' 'remove --force 1' 'unbind a.example' 'rekey' 'verify'; do
	case $line in
	verify) tool 0 --wait 0 $line ;;
	*) refused 3 'waited 0 s for process' --wait 0 $line ;;
	esac
done
tool 0 list
tool 0 explain a.example
tool 0 backup copy.db
refused 3 'which is writing' restore --wait 0 copy.db
refused 2 'seconds are wanted' list --wait soon
refused 2 'seconds are wanted' --wait -1 list
"$build/snicert" -c "$conf" import --wait 60 b.pem >second.out 2>&1 8>&- &
second=$!
pids="$pids $second"
let_go c.pem
wait $second
is $? 0 "the second goes on once the first has ended: $(cat second.out)"
is "$(snicert list --json | grep -c '"name"')" 3 'both are in the store'

# One that has not come to write holds the store all the same, while it opens it.
meanwhile_at 10 "'$build/snicert' -c '$conf' --wait 0 unbind nobody.example 2>opening.err" \
	"$build/snicert" -c "$conf" rekey >codes
is "$(tail -n 1 codes)" '3 0' 'a store that is being opened'
hasnt "$(cat opening.err)" 'another process' "who opens it is named: $(cat opening.err)"
has "$(cat opening.err)" 'rekey' '… and its command'

# --- a holder that is killed ------------------------------------------------------

hold fifo2
kill -KILL $holder
wait $holder 2>/dev/null
exec 8>&-
tool 0 --wait 0 bind vanity.example 1
is "$(snicert list --json | grep -c '"name"')" 4 'the store is free at once, and as before'

# --- one that waits for a person, or for another program: nobody waits for it ---------

encrypt() { # OUT NAME
	cheap_key $1.key && cheap_chain $1 $1.key $2 && openssl pkcs8 -topk8 -in $1.key -passout pass:secret -out $1 &&
		cat $1.crt >>$1 && chmod 600 $1
}
prompted() { grep -q "Passphrase for .*$1" typed; }
at_prompt() { # WHAT FILE IMPORT-ARGUMENT…
	_what=$1 _file=$2
	shift 2
	new_store "$work/prompt"
	mkfifo keys
	script -qec "'$build/snicert' -c '$conf' import $*" /dev/null <keys >typed 2>&1 &
	_script=$!
	pids="$pids $_script"
	exec 9>keys
	await "$_what: a prompt" prompted $_file
	tool 0 --wait 0 import a.pem
	printf 'secret\n' >&9
	wait $_script
	is $? 0 "$_what: the passphrase is taken"
	exec 9>&-
	is "$(grep -c 'Passphrase' typed)" 1 "$_what: asked for once"
	is "$(chain_of locked.example)" 2 "$_what: the chain is there"
	rm -rf prompt keys
}
mkdir locks
encrypt locks/locked.pem locked.example
cp a.pem locks/other.pem
rm locks/locked.pem.*
echo "locked.example $work/locks/locked.pem" >locked.map
if command -v script >/dev/null; then
	at_prompt 'a file' locked.pem locks/locked.pem
	at_prompt 'a file, --keep-going' locked.pem --keep-going locks/locked.pem
	at_prompt 'a directory' locked.pem locks
	at_prompt 'a map' locked.pem --from map locked.map
	at_prompt 'standard input' 'standard input' - '<locks/locked.pem'
else
	skip 'a prompt' 'there is no script(1)'
fi
new_store "$work/slow"
mkfifo pipe
tool 0 import a.pem
vanity=0
for how in pipe '--passphrase-file pipe locks' '--passphrase-file pipe --from map locked.map'; do
	"$build/snicert" -c "$conf" import $how >slow.out 2>&1 &
	reader=$!
	pids="$pids $reader"
	exec 9>pipe # once it is being read
	vanity=$((vanity + 1))
	tool 0 --wait 0 bind vanity$vanity.example 1
	case $how in pipe) cat b.pem ;; *) echo secret ;; esac >&9
	exec 9>&-
	wait $reader
	is $? 0 "import $how ends well: $(cat slow.out)"
done

# --- an import that is cut off at any moment: before or after -------------------------

mkdir many
: >map
for i in $(seq 1 60); do
	cheap_chain many/$i.pem a.key n$i.example
	echo "v$i.example $work/many/$i.pem" >>map
done
rm many/*.crt
chmod 600 many/*.pem
forget() { snicert remove --force $(snicert list --chains --json | sed -n 's/.*"chain": \([0-9]*\),.*/\1/p') >/dev/null; }
for how in "many" "--from map map"; do
	cut=0 whole=0
	new_store "$work/cut.${how%% *}"
	calls=$(calls_of "$build/snicert" -c "$conf" import $how)
	forget
	for i in $(seq 0 23); do
		if [ $((i % 2)) = 0 ]; then signal=KILL; else signal=INT; fi
		at=$((1 + i * (calls - 1) / 23))
		signal_at $signal $at "$build/snicert" -c "$conf" import $how >cut.out
		count=$(snicert list --json | grep -c '"name"')
		case $count in
		0) cut=$((cut + 1)) ;;
		60) whole=$((whole + 1)) ;;
		*) not_ok "import $how, SIG$signal: before or after" "$count names" ;;
		esac
		[ "$count" = 0 ] || forget
	done
	[ $cut -ge 8 ] && ok "import $how was cut off $cut times, whole $whole times" || not_ok "import $how was cut off" "$cut times of 24"
	tool 0 import $how
	is "$(snicert list --json | grep -c '"name"')" 60 "import $how: and then all of it"
	tool 0 verify --json
	json_is "$work/out" '$.errors' 0 "import $how: verify"
done
lib_finish
