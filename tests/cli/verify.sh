#!/bin/sh
# SPDX-License-Identifier: ISC
# verify.sh: what many chains have in common is one line, errors first; --all and --json have each.
# shellcheck disable=SC1091,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start verify

count=40
new_store "$work/s"
"$build/bench-names" many --count $count --threads 1 || not_ok 'names are made'
SSL_CERT_FILE=$work/many.root.crt
export SSL_CERT_FILE
tool 0 import many
tool 0 fallback 1
tool 0 verify
is "$(cat out)" "$count chains, $count names: 0 errors, 0 warnings" 'nothing to say: one line'

# Warnings on 12 chains that come first, errors of three kinds on others.
sqlite3 "$store" "UPDATE binding SET name = 'other' || name WHERE chain BETWEEN 2 AND 13;
	UPDATE chain SET subject = 'x' WHERE id BETWEEN 20 AND 22;
	UPDATE chain SET not_after = 1700000000 + id * 86400 WHERE id BETWEEN 30 AND 39"
tool 1 verify
cp out grouped
is "$(grep -c '^error' grouped)" 3 'a line for each kind of error'
is "$(grep -c '^warning' grouped)" 1 'and of warning'
is "$(sed 1d grouped | cut -d' ' -f1 | uniq | tr '\n' ' ')" "error warning  $count " 'errors first'
has "$(cat grouped)" '12 chains: 2 (host?*.example), 3 (host?*.example), 4 (host?*.example) and 9 more ' 'a count, and some of the names'
has "$(cat grouped)" ' for one, its certificate is not for otherhost?*.example, bound to it ' 'texts that differ: the first'
has "$(cat grouped)" 'error  *3 chains: 20 (x), 21 (x), 22 (x)   ' 'as many as there is room for: all of them'
has "$(grep subject grouped)" '  the subject in its row does not match its certificates' 'texts that are equal: the text'
has "$(grep ' for one, it expired on 2023-12-14 ' grouped)" '10 chains: ' 'dates that differ'
has "$(grep 'the validity in its row' grouped)" '10 chains: 30 ' 'of one kind, but another column'
is "$(tail -n 1 grouped)" "$count chains, $count names: 23 errors, 12 warnings; --all prints each" 'the sum, of all findings'

tool 1 verify --all
is "$(grep -cE '^(error|warning) +chain ' out)" 35 '--all: each'
is "$(sed 1d out | cut -d' ' -f1 | uniq | tr '\n' ' ')" "error warning  $count " '--all: errors first'
is "$(grep '^warning' out | sed 's/^warning *//' | sort -n -k2 | head -n 1 | cut -d' ' -f1,2)" 'chain 2' '--all: which chain'
is "$(grep -c 'unbind the names that are not bound on purpose$' out)" 12 '--all: with their fixes'
is "$(tail -n 1 out)" "$count chains, $count names: 23 errors, 12 warnings" '--all: the sum'

tool 1 verify --json
json_valid out 'verify --json'
is "$(json out '$.errors') $(json out '$.warnings')" '23 12' '--json: the sums'
is "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('out') AS TEXT), '\$.findings')")" 35 '--json: each finding'
json_members out '$.findings[0]' 'severity code chain what finding fix' '--json: members of a finding'
cp out each
tool 1 verify --json --all
is "$(cksum <out)" "$(cksum <each)" '--json --all: the same'

# The exit code alone.
tool 1 verify --quiet
is "$(cat out)" '' '--quiet'
lib_finish
