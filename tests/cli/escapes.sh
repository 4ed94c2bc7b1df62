#!/bin/sh
# SPDX-License-Identifier: ISC
# escapes.sh: names of files, certificates, policies and arguments may hold what moves a
# terminal's cursor, paints, or turns text around.  None of it reaches the terminal.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start escapes

new_store "$work/store"
cheap_key key
esc=$(printf '\033')
evil=$(printf '\033[31mred\033]0;title\007\302\233\342\200\256x')

# Nothing but printable text and newlines; and the name is there, so that this is looked at.
clean() { # WHAT [PATTERN]
	cat out err >both
	if LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" both || LC_ALL=C grep -q "$(printf '\302[\200-\237]')" both ||
		LC_ALL=C grep -q "$(printf '\342\200\256')" both; then
		not_ok "$1: clean" "$(cat -v both | head -n 5)"
	else ok "$1: clean"; fi
	has "$(cat both)" "${2-\\\\x1b}" "$1: it is said"
}
run() { # WHAT ARGUMENT…
	what=$1
	shift
	snicert "$@" >out 2>err
	clean "$what"
}

run 'a file that is not there' import "$evil.pem"
run 'a command that is none' "$evil"
run 'a name that is none' bind "$evil" 1
run 'a name that is none, looked up' explain "$evil"
run 'a number that is none' tlsa --port "$evil" known.example
run 'a day that is none' log --since "$evil"
run 'seconds that are none' --wait "$evil" list
run 'an owner that is none' import --owner "$evil" x
run 'a configuration that is not there' -c "$evil" list
run 'a policy that is not there' mta-sts cust.example --policy "$evil"
printf 'version: STSv1\nmode: %s\nmx: mx.example\nmax_age: 86400\n' "$evil" >policy
run 'a policy' mta-sts cust.example --policy policy
printf 'store { path = "%s" }\n' "relative/$evil" >bad.conf
run 'a configuration' -c bad.conf list
run 'records that are not there' activate 1 --require-tlsa "$evil"
run 'a passphrase file' import --passphrase-file "$evil" "$evil.pem"

# With a certificate in it: findings, the table, and what hooks and watch print.
cheap_chain "$evil.pem" key known.example
run 'an import with a warning' import "$evil.pem"
run 'a list' show known.example
mkdir "$evil.d"
echo nothing >"$evil.d/x.pem"
run 'a directory' import "$evil.d"
RENEWED_LINEAGE=$work/$evil.d
export RENEWED_LINEAGE
run 'what hooks say' hook certbot
unset RENEWED_LINEAGE
openssl req -x509 -key key -subj "/CN=$esc[31mred.example" -days 9 -out evil.crt 2>/dev/null
cat evil.crt key >evil.pem
snicert import --name known2.example evil.pem >out 2>err
clean "a certificate's subject" known2
snicert show known2.example >out 2>err
clean "a certificate's subject, shown" known2
lib_finish
