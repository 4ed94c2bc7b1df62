#!/bin/sh
# SPDX-License-Identifier: ISC
# output.sh: what people read: an answer to each question, also where there is nothing.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start output

# --- nothing is said in one line, and to programs in none -----------------------

new_store "$work/a"
nothing() { # EXIT TEXT ARG…
	_exit=$1 _text=$2
	shift 2
	tool $_exit "$@" || return
	has "$(cat "$work/out")" "$_text" "snicert $*: says what there is not"
	is "$(wc -l <"$work/out")" 1 "snicert $*: in one line"
	tool $_exit --quiet "$@"
	is "$(cat "$work/out")" '' "snicert --quiet $*: silent"
	tool $_exit --json "$@"
	is "$(cat "$work/out")" '[]' "snicert --json $*: an empty array"
}
nothing 1 'No name is bound' list
nothing 1 'No name matches x.' list x
nothing 1 'No name of owner bob is bound.' list --owner bob
nothing 1 'No chain is in the store' list --chains
nothing 1 'No staged chain is in the store.' list --staged
nothing 1 'No retired chain matches y.' list --retired y
nothing 1 'No key waits' key list
nothing 1 'No change of x.example is in the log.' log x.example
nothing 1 'No change is as late as that.' log --since 2200-01-01
nothing 0 'No chain has an owner' owner
nothing 0 'No chain is staged.' activate --all
nothing 1 'No chain expires' expiring
nothing 1 'There is no fallback' default
tool 0 key new x.example
tool 0 key remove 1
is "$(cat "$work/out")" 'Removed 1 key.' 'key remove says what it did'
lib_finish
