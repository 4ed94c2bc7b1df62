#!/bin/sh
# SPDX-License-Identifier: ISC
# selection.sh: selection alone, in process; tests/bench/selection.c.
set -u
program=${SNICERT_BUILDDIR:?}/bench-selection
[ -x "$program" ] || { echo "$program is not there"; exit 77; }
echo 'bench: selection, in process' >&2
exec "$program" --json >"${BENCH_DIR:?}/selection.json"
