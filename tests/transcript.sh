# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# shellcheck disable=SC2154
# transcript.sh: a page of commands as they are typed, with what they say, between
# words of ours.  What differs from run to run gets a form that does not.  On top of
# lib.sh; a script has these two, which read and write:
#
#   transcript_run              a command as typed -> as it is run here
#   transcript_tidy             what it said -> without what is of this machine
#
#   say                         words from standard input
#   types EXIT COMMAND [FILTER] a command, and what it says (through FILTER); not EXIT: a failure
#   transcript_end

page=$work/page block=
say() {
	transcript_end
	cat >>"$page"
}
transcript_end() {
	[ -z "$block" ] || echo '```' >>"$page"
	block=
}

# Digests by order of appearance; table columns as wide as what is in them then.
tidy() {
	transcript_tidy | sed "s/, [0-9.]* kB\$/, 120 kB/;s/ by $(id -un) / by root /
		s/[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]/YYYY-MM-DD/g;s/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/HH:MM:SS/g" |
		awk -v seen="$work/digests" -v me="$(id -un)" '
	function shape(text,   before, hex, at, letter) {
		before = ""
		while (match(text, /[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]+/)) {
			hex = substr(text, RSTART, 16)
			if (!(hex in name)) {
				letter = substr("abcdef", count % 6 + 1, 1) int(count / 6) + 1
				name[hex] = letter letter letter letter ".."
				count++
				print hex, name[hex] >>seen
			}
			before = before substr(text, 1, RSTART - 1) name[hex]
			text = substr(text, RSTART + RLENGTH)
		}
		return before text
	}
	function flush_table(   i, j, line) {
		for (i = 1; i <= rows; i++) {
			line = ""
			for (j = 1; j <= columns; j++) {
				if (j == columns) line = line cell[i, j]
				else line = line sprintf("%-" (width[j] + 2) "s", cell[i, j])
			}
			sub(/ +$/, "", line)
			print line
		}
		rows = columns = 0
		split("", width)
	}
	function add_row(n, part,   j) {
		rows++
		for (j = 1; j <= n; j++) {
			if (rows > 1 && cell[1, j] == "ms") part[j] = "1"
			if (rows > 1 && cell[1, j] == "Pid") part[j] = "4711"
			if (rows > 1 && part[j] == me) part[j] = "root"
			cell[rows, j] = part[j]
			if (length(part[j]) > width[j]) width[j] = length(part[j])
		}
	}
	BEGIN {
		while ((getline line <seen) > 0) { split(line, pair, " "); name[pair[1]] = pair[2]; count++ }
	}
	{
		$0 = shape($0)
		text = $0
		sub(/^ +/, "", text)
		n = split(text, part, /   *|  /)
		if (columns == 0 && n >= 3 && text ~ /^[A-Z]/ && text !~ /[:.;]/) { columns = n; add_row(n, part) }
		else if (columns > 0 && n == columns) add_row(n, part)
		else { if (columns > 0) flush_table(); print }
	}
	END { if (columns > 0) flush_table() }'
}

types() {
	_want=$1 _typed=$2 _filter=${3:-cat}
	[ -n "$block" ] || echo '```console' >>"$page"
	block=yes
	printf '# %s\n' "$_typed" >>"$page"
	_run=$(printf '%s\n' "$_typed" | transcript_run)
	(eval "$_run") >"$work/said" 2>&1 </dev/null
	_got=$?
	is $_got "$_want" "$_typed: exit code"
	[ $_got = "$_want" ] || cat "$work/said"
	(eval "$_filter") <"$work/said" | tidy >>"$page"
}
