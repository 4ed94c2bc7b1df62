#!/bin/sh
# SPDX-License-Identifier: ISC
# The documents: the manual's example is the installed one and parses, every
# command, option and counter is in the manual, the pages are well-formed.
set -u
src=${SNICERT_SRCDIR:-.}
snicert=${SNICERT_BUILDDIR:-build}/snicert
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
	echo "docs: $1"
	failed=1
}

sed -n '/example-begin/,/example-end/p' "$src/man/snicert.conf.5" | sed '/^\./d' >"$work/example"
cmp "$work/example" "$src/man/snicert.conf.example" ||
	complain 'the example in snicert.conf(5) is not man/snicert.conf.example'
chmod 644 "$work/example"
"$snicert" -c "$work/example" config >"$work/config" || complain 'the example does not parse'
[ "$(grep -c ' default$' "$work/config")" = 0 ] || [ -s "$work/example" ] ||
	complain 'the example is empty'

# Each option in force is documented: its last word stands in snicert.conf(5).
"$snicert" -c "$work/example" --json config | sed -n 's/.*"option": "\([^"]*\)".*/\1/p' >"$work/options"
[ -s "$work/options" ] || complain 'snicert config lists nothing'
while read -r option; do
	grep -qE "Ic ${option##*.}( |\$)" "$src/man/snicert.conf.5" ||
		complain "$option is not in snicert.conf(5)"
done <"$work/options"

for command in $("$snicert" --commands); do
	grep -qE "Cm $command( |\$)" "$src/man/snicert.8" || complain "$command is not in snicert(8)"
	"$snicert" "$command" --help >"$work/help" || complain "$command --help fails"
	grep -oE '^  --[a-z-]+' "$work/help" | while read -r option; do
		grep -qE -- "Fl -?${option#--}( |\$)" "$src/man/snicert.8" ||
			echo "docs: $command $option is not in snicert(8)"
	done >"$work/missing"
	[ -s "$work/missing" ] && cat "$work/missing" && failed=1
done

if command -v mandoc >/dev/null 2>&1; then
	for page in snicert.7 snicert-fleet.7 snicert-servers.7 snicert.8 snicert.conf.5; do
		mandoc -Tlint -Wwarning "$src/man/$page" || complain "$page is not well-formed"
	done
fi
[ $failed = 0 ] && echo 'docs: fine'
exit $failed
