#!/bin/sh
# SPDX-License-Identifier: ISC
# crowd.sh: a host of one event loop, in a jail and without rights, with three contexts of different
# policies: 200 handshakes at a time while chains are renewed.  None fails, none gets another chain
# than it should, none waits; the same loop without the module is the control.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start crowd

if ! am_root; then
	echo 'SKIPPED: only root can go into a jail'
	exit 77
fi
new_store "$work/store" --group nogroup
mkdir jail
chmod 711 jail

# Lists of leaves, as crowd.c has them: each has a key and a name.
lists='ec rsa global fall own control-ec control-rsa'
for list in $lists; do
	case $list in
	*rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $list.key 2>/dev/null ;;
	*) cheap_key $list.key ;;
	esac
done
name_of() { case $1 in ec | rsa) echo both.example ;; *) echo "$1.example" ;; esac; }
days=90
chain() { # LIST: another chain of it
	days=$((days + 1))
	cheap_chain "$1.pem" "$1.key" "$(name_of "$1")" "$(name_of "$1")" $days
}
for list in $lists; do chain $list; done
tool 0 import ec.pem rsa.pem global.pem fall.pem
tool 0 fallback "$(chain_of global.example)"

mkfifo tell answers
# A leak checker has no /proc in there.
ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 "$build/tests/live/crowd" "$build/.libs/snicert.so" "$conf" "$work/jail" \
	nobody own.pem control-ec.pem control-rsa.pem <tell >answers 2>errors &
host=$!
pids="$pids $host"
exec 8>tell 9<answers
trap '' PIPE # where it has ended, there is nobody to tell
tell() { echo "$*" >&8 2>/dev/null; }
for list in $lists; do tell is $list "$(sha_of $list.pem.crt)"; done
tell go

renewals=0
for list in ec rsa fall global; do
	chain $list
	tell coming $list "$(sha_of $list.pem.crt)"
	tool 0 import $list.pem
	tell is $list "$(sha_of $list.pem.crt)"
	read -r answer <&9 || break
	is "$answer" served "the renewal of $list is served"
	renewals=$((renewals + 1))
done
is $renewals 4 'the host went on through all renewals'
is "$(readlink "/proc/$host/root") $(awk '/^Uid:/ { print $2 }' "/proc/$host/status")" "$work/jail $(id -u nobody)" \
	'it is in a jail, and nobody'
exec 8>&-
cat <&9 >report
wait $host
is $? 0 'no handshake failed, got another chain or waited'
cat report
is "$(cat errors)" '' 'there was nothing to complain of'
lib_finish
