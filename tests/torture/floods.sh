#!/bin/sh
# SPDX-License-Identifier: ISC
# floods.sh: a server flooded with handshakes for names that nobody knows, from many
# connections: those who ask for names of the store are served as before.
# shellcheck disable=SC1091,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
. "$SNICERT_SRCDIR/tests/torture/flooding.sh"
torture_start floods
own_certificate
new_store "$work/store"
cheap_key hosts.key
mkdir hosts
for n in $(seq 0 $((flood_names - 1))); do cheap_chain "hosts/$n.pem" hosts.key "known$n.example"; rm "hosts/$n.pem.crt"; done
cheap_chain fallback.pem hosts.key fallback.example
tool 0 import hosts
tool 0 import --no-bind fallback.pem
tool 0 fallback "$(sha_of fallback.pem.crt)"
echo 'cache { memory = "1M" }' >>"$conf"
start_mta with --threads 32
with=$port
"$build/sample-mta" --cert own.crt --key own.key --port-file without.port --threads 32 >without.out 2>without.mta.log &
pids="$pids $!"
for _ in $(seq 200); do [ ! -s without.port ] || break; sleep 0.05; done
flood 'known names during a flood, whole handshakes' "$with" "$(cat without.port)" "$(cat with.pid)"
stop_mta with
lib_finish
