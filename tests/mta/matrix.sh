#!/bin/sh
# SPDX-License-Identifier: ISC
# matrix.sh [--man] DIR: what the servers' tests said of which server, from the
# cells that tests/mta/lib.sh wrote to DIR; a table for people, or the rows of
# the table in snicert-servers(7).
set -eu
LC_ALL=C
export LC_ALL
form=table
[ "$1" != --man ] || { form=man; shift; }

cells=
for file in "$1"/*; do
	case $file in
	*.skipped) [ $form = man ] || cat "$file" ;;
	*) cells="$cells $file" ;;
	esac
done
# Sorted by server, so that the rows of one that several scripts tested are together.
# shellcheck disable=SC2086
cat $cells </dev/null | awk -F '\t' -v form="$form" '
BEGIN {
	n = split("nosni known unknown wildcard rsa two resume renewal fallback nostore nokey badconf client growth log", column, " ")
	# As snicert-servers(7) explains them; a table of 80 columns has no room for words.
	letter["two"] = "t"; letter["fallback"] = "f"; letter["client"] = "c"; letter["growth"] = "g"; letter["log"] = "l"
}
{
	row = $3 "\t" $1 "\t" $2
	rows[row] = 1
	cell[row, $4]++
	if ($5 != "ok")
		bad[row, $4]++
}
function mark(row, key) {
	if (bad[row, key])
		return "FAIL"
	return cell[row, key] ? "ok" : "-"
}
function as_table(row,  i, line) {
	split(row, part, "\t")
	line = sprintf("%-10s %-34s %-16s", part[1], part[2], part[3])
	for (i = 1; i <= n; i++)
		line = line sprintf(" %-*s", length(column[i]), mark(row, column[i]))
	sub(/ +$/, "", line)
	print line
}
function as_man(row,  i, without) {
	split(row, part, "\t")
	without = ""
	for (i = 1; i <= n; i++) {
		if (mark(row, column[i]) == "FAIL")
			return # not a row that the manual may have
		if (mark(row, column[i]) == "-")
			without = without (column[i] in letter ? letter[column[i]] : " " column[i])
	}
	sub(/^Debian /, "", part[1])
	print ".It " part[2] " Ta " part[1] " Ta " part[3] " Ta " (without == "" ? "-" : without)
}
END {
	if (form == "table") {
		line = sprintf("%-10s %-34s %-16s", "", "server", "way")
		for (i = 1; i <= n; i++)
			line = line " " column[i]
		print line
	}
	count = 0
	for (row in rows)
		order[++count] = row
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && tolower(order[j]) < tolower(order[j - 1]); j--) {
			row = order[j]; order[j] = order[j - 1]; order[j - 1] = row
		}
	for (i = 1; i <= count; i++) {
		if (form == "man")
			as_man(order[i])
		else
			as_table(order[i])
	}
}'
[ $form = table ] || exit 0
cat <<'END'

nosni known unknown wildcard   the chain for no, a known, an unknown server name, and by wildcard
rsa       a client that can use RSA alone       two       two names in turn on one process
resume    resumed sessions, TLS 1.2 and 1.3     renewal   committed while the server runs
fallback  changed while the server runs         nostore   the store removed
nokey     the store key not to be read          badconf   snicert.conf or its path wrong
client    the same program as TLS client        growth    10,000 connections: fds, memory, zombies
log       the server's own lines, and ours      -         does not apply, or is not tested
END
