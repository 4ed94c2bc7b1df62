#!/bin/sh
# SPDX-License-Identifier: ISC
# The drawings of architecture.md, from the includes: rooms of tools/, and subjects of module/.
# In the source directory:
#
#     sh doc/architecture.sh rooms | tred | dot -Tsvg >doc/rooms.svg
#     sh doc/architecture.sh module | tred | dot -Tsvg >doc/module.svg
#
# tred (of Graphviz, as dot is) leaves out arrows that others imply.
# `sh doc/architecture.sh rooms --arrows` prints the arrows alone, with how many includes each stands for.
set -u
cd "$(dirname "$0")/.." || exit 99

# "from to" for each include of another file's header that is of this tree.
includes() { # DIRECTORY
	find "$1" -name '*.[ch]' | LC_ALL=C sort | while read -r file; do
		sed -n 's/^#include "\([a-z0-9_/]*\)\.h".*/\1/p' "$file" | while read -r header; do
			echo "$file $header"
		done
	done
}

# A room is a directory; the files beside them are the hall; all of module/ is one.
rooms() {
	includes tools | while read -r file header; do
		place=${file#tools/}
		case $place in snicert.c) from=snicert.c ;; */*) from=${place%%/*} ;; *) from=hall ;; esac
		if [ -e "tools/$header.h" ]; then
			case $header in */*) to=${header%%/*} ;; *) to=hall ;; esac
		else
			to=module
		fi
		[ "$from" = "$to" ] || echo "$from $to"
	done
}

# A subject is what stands before the first underscore, if it has a file or is a family of them:
# hook, hook_choice and hook_log are one.
subject() { # NAME
	if [ -e "module/${1%%_*}.h" ] || [ "${1%%_*}" = host ]; then echo "${1%%_*}"; else echo "$1"; fi
}
module() {
	includes module | while read -r file header; do
		case $header in snicert | error) continue ;; esac # of everybody
		from=$(basename "$file") from=$(subject "${from%.[ch]}") to=$(subject "$header")
		[ "$from" = "$to" ] || echo "$from $to"
	done
}

arrows() {
	"$1" | LC_ALL=C sort | uniq -c | awk '{ print $2, $3, $1 }'
}

case ${1:-} in rooms | module) ;; *) echo "usage: sh doc/architecture.sh rooms|module [--arrows]" >&2; exit 2 ;; esac
if [ "${2:-}" = --arrows ]; then
	arrows "$1"
	exit
fi
echo "digraph $1 {"
echo '	rankdir=TB; nodesep=0.25; ranksep=0.45;'
echo '	node [shape=box, style=rounded, fontname="Helvetica", fontsize=11]; edge [color="#555555", arrowsize=0.6];'
arrows "$1" | awk '{ printf "\t\"%s\" -> \"%s\" [penwidth=%.1f];\n", $1, $2, 0.6 + log($3) / 2 }'
echo '}'
