#!/bin/sh
# SPDX-License-Identifier: ISC
# table.sh RESULTS: what all.sh has left, into doc/trials.md, between its marks.
set -eu
results=$1
page=$(dirname "$0")/../../doc/trials.md
table=$(mktemp)
{
	echo '| what was tried | how often | what happened |'
	echo '| --- | --- | --- |'
	awk -F '\t' '{ gsub(/\|/, "\\|"); printf "| %s: %s | %s | %s |\n", $1, $2, $3, $4 }' "$results"
} >"$table"
sed -i -e "/^<!-- table -->/,/^<!-- end -->/{/^<!-- table -->/{p;r $table
};/^<!-- end -->/p;d}" "$page"
rm -f "$table"
