#!/bin/sh
# SPDX-License-Identifier: ISC
# prometheus.sh: Debian's Prometheus, as it comes: its promtool on metrics and
# rules, and a scrape of the exporter, of whose alerts the right ones fire.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start prometheus prometheus
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
rules=$SNICERT_SRCDIR/system/prometheus
ip link set lo up 2>/dev/null

new_store "$work/a"
cheap_key key.pem
cheap_chain own.pem key.pem own.example && cp own.pem.crt own.crt && cp key.pem own.key
cheap_chain mx.pem key.pem mx.customer.example
snicert import mx.pem >/dev/null
snicert fallback "$(chain_of mx.customer.example)"
start_mta one
for name in mx.customer.example nobody.example -; do served $name >/dev/null; done

"$build/snicert" -c "$conf" exporter --listen 127.0.0.1:0 >exporter.out 2>exporter.err &
exporter_pid=$!
pids="$pids $exporter_pid"
mta_wait 'the exporter' test -s exporter.out
at=$(sed 's/^metrics at //' exporter.out)
fetch() { # ADDRESS PATH
	perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new($ARGV[0]) or exit 1;
		print $s "GET $ARGV[1] HTTP/1.0\r\nHost: x\r\n\r\n"; print while <$s>' "$1" "$2" | sed '1,/^.$/d'
}
fetch "$at" /metrics >metrics
promtool check metrics <metrics >check 2>&1
is "$? $(cat check)" '0 ' 'promtool check metrics: nothing to complain of'
promtool check rules "$rules/snicert.rules.yml" >check 2>&1
is $? 0 'promtool check rules'
(cd "$rules" && promtool test rules snicert.test.yml) >check 2>&1
is $? 0 'promtool test rules'
# A rule that is wrong must be found out.
sed 's/snicert_servers_stale > 0/snicert_servers_stale > 5/' "$rules/snicert.rules.yml" >snicert.rules.yml
cp "$rules/snicert.test.yml" .
promtool test rules snicert.test.yml >check 2>&1
isnt $? 0 '… which does fail where a rule is wrong'

cat >prometheus.yml <<-YML
	global: {scrape_interval: 500ms, evaluation_interval: 500ms}
	rule_files: [$work/hasty.yml]
	scrape_configs:
	  - job_name: snicert
	    static_configs: [{targets: ['$at']}]
YML
# The same, in no need of patience.
sed -e 's/for: .*/for: 0s/' "$rules/snicert.rules.yml" >hasty.yml
prometheus --config.file=prometheus.yml --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:9090 \
	--log.level=warn >prometheus.log 2>&1 &
pids="$pids $!"
mta_wait 'Prometheus' mta_listening 9090
query() { # EXPRESSION: the value; "": none
	fetch 127.0.0.1:9090 "/api/v1/query?query=$(printf %s "$1" | perl -pe 's/([^A-Za-z0-9_])/sprintf "%%%02X", ord $1/ge')" >answer
	sqlite3 :memory: "SELECT json_extract(CAST(readfile('$work/answer') AS TEXT), '\$.data.result[0].value[1]')"
}
query_is() { [ "$(query "$1")" = "$2" ]; }
awaits() { # EXPRESSION VALUE WHAT
	if mta_wait "$3" query_is "$1" "$2"; then ok "$3"; else not_ok "$3" "got: $(query "$1")"; fi
}
awaits 'up{job="snicert"}' 1 'Prometheus scrapes the exporter'
awaits 'snicert_handshakes_total{outcome="exact",reason="none"}' 1 'a handshake of the name'
awaits 'snicert_handshakes_total{outcome="global",reason="unknown"}' 1 'one of an unknown name'
awaits 'snicert_chains{state="active"}' 1 'a chain'
served mx.customer.example >/dev/null
awaits 'snicert_handshakes_total{outcome="exact",reason="none"}' 2 'the next handshake'
awaits 'count(ALERTS{alertstate="firing"}) or vector(0)' 0 'all is well: no alert'
sqlite3 "$store" 'UPDATE chain SET not_after = unixepoch() + 86400'
awaits 'ALERTS{alertname="SnicertChainsExpiring",alertstate="firing"}' 1 'a chain that ends tomorrow: an alert'
mv "$store" away.db
awaits 'ALERTS{alertname="SnicertStoreUnreadable",alertstate="firing"}' 1 'no store: an alert'
mv away.db "$store"
awaits 'count(ALERTS{alertname="SnicertStoreUnreadable",alertstate="firing"}) or vector(0)' 0 '… no more once it is back'
is "$(grep -c 'level=error' prometheus.log)" 0 'Prometheus has no complaint'
kill $exporter_pid
wait $exporter_pid
is $? 0 'the exporter ends in peace'
stop_mta one
lib_finish
