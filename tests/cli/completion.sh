#!/bin/sh
# SPDX-License-Identifier: ISC
# completion.sh: completion for shells says what the commands' help says; and
# --quiet, and output that goes into pipes.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start completion
new_store "$work/a"

for shell in bash zsh fish; do
	tool 0 completion $shell
	cp "$work/out" "$work/$shell"
	missing=
	for command in $("$build/snicert" --commands); do
		grep -qw -- "$command" "$work/$shell" || missing="$missing $command"
		snicert $command --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' >"$work/options"
		while read -r option; do
			grep -E "(^|[ '	])$command(\)|'| )" "$work/$shell" >"$work/lines"
			case $shell in
			zsh) sed -n "/^		$command) /,/ ;;\$/p" "$work/zsh" >"$work/lines" ;;
			esac
			grep -qE -- "(--|-l )$option(\[| |')" "$work/lines" || missing="$missing $command:$option"
		done <"$work/options"
	done
	is "$missing" '' "$shell: every command and option"
done
refused 2 'which shell' completion
refused 2 'not a shell' completion tcsh

completed() { # WORD…: what bash offers for the last one
	bash -c 'source "$1"; shift; COMP_WORDS=(snicert "$@"); COMP_CWORD=$#; _snicert; printf "%s " "${COMPREPLY[@]}"' - "$work/bash" "$@" 2>&1
}
if command -v bash >/dev/null; then
	is "$(completed statu)" 'status ' 'bash: a command'
	is "$(completed import --ow)" '--owner ' 'bash: an option'
	is "$(completed -c conf import --key-)" '--key-uri ' 'bash: behind -c'
	: >"$work/file.pem"
	is "$(completed import fil)" 'file.pem ' 'bash: a path'
	is "$(completed setup post)" 'postfix ' 'bash: a server'
	is "$(completed hook cert)" 'certbot ' 'bash: a client'
	is "$(completed list fil)" ' ' 'bash: no path where none is taken'
fi
for shell in zsh fish; do
	if ! command -v $shell >/dev/null; then skip "$shell reads it" "no $shell"; elif $shell -n "$work/$shell"; then ok "$shell reads it"; else not_ok "$shell reads it"; fi
done

# --- quiet, and pipes ----------------------------------------------------------

cheap_key key.pem
cheap_chain c.pem key.pem c.example
for command in 'import c.pem' 'default 1' 'bind v.example 1' 'list' 'show 1' 'status' 'log' 'verify' 'unbind v.example'; do
	tool 0 --quiet $command
	is "$(cat "$work/out")" '' "--quiet $command: says nothing"
done
tool 0 list --quiet
is "$(cat "$work/out")" '' 'list --quiet, too'
is "$(chain_of c.example)" 1 '--quiet: it is done all the same'
tool 1 --quiet list '*.none.example'
tool 0 export --quiet 1
has "$(cat "$work/out")" 'BEGIN CERTIFICATE' 'export prints what it is for'
refused 1 'no chain' --quiet bind d.example 99
sqlite3 "$store" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
	INSERT INTO binding SELECT printf('n%05d.example', i), 'EC', 1 FROM n"
snicert list 2>"$work/err" | head -n 2 >"$work/out"
is "$(wc -l <"$work/out")" 2 'list | head: two lines'
is "$(cat "$work/err")" '' 'and no complaint'
is "$(snicert list | awk '{ print NF }' | sort -u | tr '\n' ' ')" '5 ' 'columns for awk'
lib_finish
