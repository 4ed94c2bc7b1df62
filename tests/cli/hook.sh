#!/bin/sh
# SPDX-License-Identifier: ISC
# hook.sh: the conventions of ACME clients, by what the clients pass to their
# hooks.  tests/acme has the clients themselves, but for acme.sh: Debian has no
# package of it, so here is what its own documentation and source say.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start hook
unset RENEWED_LINEAGE RENEWED_DOMAINS LEGO_CERT_PATH LEGO_CERT_KEY_PATH LEGO_HOOK_CERT_PATH CERT_PATH CERT_KEY_PATH \
	CERT_FULLCHAIN_PATH CA_CERT_PATH Le_Domain

for key in a b; do cheap_key $key.pem; done
pair() { # DIR KEYFILE CERTFILE NAME [DAYS] [KEY]
	mkdir -p "$1"
	cheap_chain "$1/both" "${6:-a.pem}" "$4" "$4" "${5:-90}"
	cp "${6:-a.pem}" "$1/$2"
	mv "$1/both.crt" "$1/$3"
	rm "$1/both"
}
hook() { # EXIT CLIENT ARG… : in the environment $with
	_want=$1
	shift
	env $with setsid -w "$build/snicert" -c "$conf" hook "$@" >"$work/out" 2>"$work/err" </dev/null
	_got=$?
	if [ $_got = "$_want" ]; then ok "hook $*"; else not_ok "hook $*" "exit code $_got, want $_want
$(cat "$work/out" "$work/err")"; fi
}
said() { is "$(cat "$work/out" "$work/err" | grep -cv '^warning: ')" "$1" "$2"; }
new_store "$work/a"

# --- certbot -------------------------------------------------------------------

pair live/mx privkey.pem fullchain.pem mx.certbot.example
with="RENEWED_LINEAGE=$work/live/mx RENEWED_DOMAINS=mx.certbot.example"
hook 0 certbot
is "$(head -n 1 out)" "chain 1 added: mx.certbot.example (EC, until $(date -u -d '+90 days' +%F))" 'certbot: one line'
state >"$work/state"
hook 0 certbot
has "$(cat out)" 'chain 1 unchanged: ' 'certbot: the same again'
unchanged 'certbot: the same again'
pair live/mx privkey.pem fullchain.pem mx.certbot.example 120 b.pem
hook 0 certbot
has "$(cat out)" 'chain 2 renewed: ' 'certbot: a renewal'
is "$(chain_of mx.certbot.example)" 2 'certbot: it is served'
cp a.pem live/mx/privkey.pem
state >"$work/state"
hook 3 certbot
has "$(cat err)" "$work/live/mx/" 'certbot: a key that does not fit: which'
has "$(cat err)" "nothing that is served has changed; after fixing this, run: snicert import $work/live/mx/privkey.pem $work/live/mx/fullchain.pem" \
	'certbot: the fix'
unchanged 'certbot: a failure'
with=RENEWED_LINEAGE=$work/live/none
hook 3 certbot
has "$(cat err)" "$work/live/none/privkey.pem" 'certbot: no such lineage'
with=
hook 2 certbot
has "$(cat err)" 'RENEWED_LINEAGE' 'certbot: run by nobody'
hook 3 certbot "$work/live/mx"

# --- lego ----------------------------------------------------------------------

pair lego mx.key mx.crt mx.lego.example
with="LEGO_CERT_DOMAIN=mx.lego.example LEGO_CERT_PATH=$work/lego/mx.crt LEGO_CERT_KEY_PATH=$work/lego/mx.key"
hook 0 lego
is "$(chain_of mx.lego.example)" 3 'lego'
pair lego mx.key mx.crt mx.lego.example 100
with="LEGO_CERT_DOMAIN=mx.lego.example LEGO_CERT_PATH=$work/lego/mx.crt"
hook 0 lego
is "$(chain_of mx.lego.example)" 4 'lego that does not say where the key is'
with=
hook 2 lego

# --- dehydrated ------------------------------------------------------------------

pair dh privkey.pem fullchain.pem mx.dh.example
arguments="mx.dh.example $work/dh/privkey.pem $work/dh/cert.pem $work/dh/fullchain.pem $work/dh/chain.pem"
for operation in startup_hook 'deploy_challenge mx.dh.example token value' 'clean_challenge mx.dh.example token value' \
	'sync_cert a b c d e' 'invalid_challenge mx.dh.example -x--' 'request_failure 400 --reason GET' 'deploy_ocsp a b c' \
	'generate_csr mx.dh.example dir --names' exit_hook 'exit_hook --error' \
	this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script; do
	hook 0 dehydrated $operation
	said 0 "dehydrated: $operation: not a word"
done
tool 1 list mx.dh.example
hook 0 dehydrated deploy_cert $arguments 1700000000
id=$(chain_of mx.dh.example)
hook 0 dehydrated unchanged_cert $arguments
said 0 'dehydrated: unchanged: not a word'
pair dh privkey.pem fullchain.pem mx.dh.example 120 b.pem
hook 0 dehydrated unchanged_cert $arguments
is "$(chain_of mx.dh.example)" $((id + 1)) 'dehydrated: what a hook before failed to take in'
tool 0 rollback mx.dh.example
hook 0 dehydrated unchanged_cert $arguments
is "$(chain_of mx.dh.example)" "$id" "dehydrated: a roll-back isn't undone by what is unchanged"
hook 2 dehydrated
hook 2 dehydrated deploy_cert mx.dh.example

# --- acme.sh -----------------------------------------------------------------------

tool 0 hook acme.sh --dir "$work/acme.sh" --install
cp out install
sh install || not_ok 'acme.sh: the script'
acme=acme.sh/mx.acme.example_ecc
acme_files="$work/$acme/mx.acme.example.key $work/$acme/mx.acme.example.cer $work/$acme/ca.cer $work/$acme/fullchain.cer"
deploy() { # as acme.sh does: sourced in a subshell, DOMAIN KEY CERT CA FULLCHAIN
	# shellcheck disable=SC1090
	( . "$work/acme.sh/deploy/snicert.sh" && snicert_deploy mx.acme.example $acme_files ) >"$work/out" 2>"$work/err"
}
pair $acme mx.acme.example.key fullchain.cer mx.acme.example
deploy
is "$?" 0 'acme.sh: deploy hook'
id=$(chain_of mx.acme.example)
isnt "$id" '' 'acme.sh: it is served'
pair $acme mx.acme.example.key fullchain.cer mx.acme.example 120
with="Le_Domain=mx.acme.example CERT_PATH=$work/$acme/mx.acme.example.cer CERT_KEY_PATH=$work/$acme/mx.acme.example.key
	CA_CERT_PATH=$work/$acme/ca.cer CERT_FULLCHAIN_PATH=$work/$acme/fullchain.cer"
# --reloadcmd and --renew-hook are evaluated with these exported
( export $with && cd $acme && eval "$(sed -n "s/.*--reloadcmd '\(.*\)'/\1/p" "$work/install")" ) >out 2>err
is "$?" 0 'acme.sh: --reloadcmd'
is "$(chain_of mx.acme.example)" $((id + 1)) 'acme.sh: it is served'
cp b.pem $acme/mx.acme.example.key
deploy
is "$?" 3 'acme.sh: a deploy hook that fails'
with=
hook 2 acme.sh
hook 2 acme.sh mx.acme.example

# --- uacme -------------------------------------------------------------------------

mkdir -p uacme/private/mx.uacme.example
pair uacme/mx.uacme.example key.pem cert.pem '*.uacme.example'
mv uacme/mx.uacme.example/key.pem uacme/private/mx.uacme.example/key.pem
hook 0 uacme --dir "$work/uacme" --status 0 '*.mx.uacme.example'
isnt "$(chain_of '*.uacme.example')" '' 'uacme: a wildcard'
hook 0 uacme --dir "$work/uacme" --status 1 mx.uacme.example
said 0 'uacme: nothing new: not a word'
hook 2 uacme --dir "$work/uacme" --status 2 mx.uacme.example
said 0 'uacme failed: not a word'
hook 2 uacme begin http-01 mx.uacme.example token auth
hook 2 uacme
hook 2 uacme --status x mx.uacme.example
hook 2 certbot --status 0

# --- options -------------------------------------------------------------------------

pair one privkey.pem fullchain.pem 'mx.one.example,DNS:mx2.one.example'
with=RENEWED_LINEAGE=$work/one
hook 0 certbot --no-bind
tool 1 list mx.one.example
hook 0 --owner acme certbot --name mx2.one.example --stage
tool 1 list mx2.one.example
snicert --json list --staged --owner acme >staged
is "$(json staged '$[0].state')" staged '--stage and --owner'
hook 0 certbot --name mx2.one.example
tool 0 list mx2.one.example
tool 1 list mx.one.example
hook 2 certbot --name mx2.one.example --no-bind
pair taken privkey.pem fullchain.pem mx2.one.example 90 b.pem
with=RENEWED_LINEAGE=$work/taken
hook 3 certbot --owner other
has "$(cat err)" "belongs to owner acme" 'a name of another owner'
hook 0 --quiet certbot --no-bind
said 0 '--quiet'
refused 2 'whose hook' hook
refused 2 'unknown client "exim"' hook exim
refused 2 'full paths' hook certbot --dir live --install
refused 2 "can't have blanks" hook certbot --dir '/a b' --install
tool 0 hook certbot --install --owner acme --stage --name mx.one.example
has "$(cat out)" "exec $build/snicert -c $conf hook certbot --name mx.one.example --owner acme --stage" 'a line has its options'
for client in certbot lego dehydrated acme.sh uacme; do
	tool 0 hook $client --install
	if sh -n out && grep -q "hook $client" out; then ok "$client: a script"; else not_ok "$client: a script" "$(cat out)"; fi
done
# It is piped into a shell, which has to tell what is left to do by hand.
for client in certbot acme.sh lego uacme; do
	tool 0 hook $client --dir "$work/piped" --install
	has "$(sh out 2>&1)" "hook $client*" "$client: | sh tells what is left to do"
done

# --- two at once ---------------------------------------------------------------------

with=RENEWED_LINEAGE=$work/live/mx
cp b.pem live/mx/privkey.pem
mkfifo hold
sqlite3 "$store" <hold >held &
holder=$!
pids="$pids $holder"
exec 8>hold
begin() { # WORD: it says so once it has the store
	echo "BEGIN IMMEDIATE; SELECT '$1';" >&8
	await 'another writer' grep -q "$1" held
}
begin first
( sleep 2; echo 'COMMIT;' >&8 ) &
started=$(date +%s)
hook 0 certbot
[ $(($(date +%s) - started)) -ge 1 ] && ok 'another writer is waited for' || not_ok 'another writer is waited for'
wait $!
begin second
started=$(date +%s)
hook 3 certbot
took=$(($(date +%s) - started))
[ $took -ge 29 ] && ok 'for 30 s' || not_ok 'for 30 s' "$took s"
has "$(cat err)" "waited 30 s for process $holder of $(id -un): sqlite3 $store (running for *), which is writing" 'and then named'
exec 8>&-
wait $holder
pids=$(echo " $pids " | sed "s/ $holder / /")
hook 0 certbot
lib_finish
