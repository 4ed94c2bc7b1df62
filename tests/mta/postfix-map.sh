#!/bin/sh
# SPDX-License-Identifier: ISC
# postfix-map.sh: the same 200 names in Postfix's own tls_server_sni_maps and in
# the store.  Whatever a client asks for, it gets the same chain from both, but
# for the differences in the table that is printed at the end; and both together
# in one smtpd.
# shellcheck disable=SC1091,SC2012,SC2015,SC2018,SC2019,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start postfix-map postfix libnet-ssleay-perl
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"
postfix_setup

map=2601 module=2602 both=2603 exported=2604
ports="$map $module $both"

# --- names: nNNN.a.example exact, *.wNNN.b.example wildcards; e ECDSA, r RSA, d both side by side
certificate() { # FILE KEY ISSUER NAME: FILE.pem, key and all
	openssl req -x509 -new -key $2 -days 90 -CA "$fixtures/ca/$3.crt" -CAkey "$fixtures/ca/$3.key" -subj /CN=$1 \
		-addext "subjectAltName=DNS:$4" -addext basicConstraints=critical,CA:FALSE -out leaf.crt 2>/dev/null
	cat $2 leaf.crt "$fixtures/ca/$3.crt" >pem/$1.pem
}
chains() { # TYPE FILE NAME…
	case $1 in
	e) certificate $2.ec ec.key ec $3 ;;
	r) certificate $2.rsa rsa.key rsa $3 ;;
	d)
		certificate $2.ec ec.key ec $3
		certificate $2.rsa rsa.key rsa $3
		;;
	esac
}
files() { # FILE: of the chains, for a line of the map
	ls -d $PWD/pem/$1.* | paste -sd, | sed 's/,/, /g'
}
mkdir pem
fixtures_key ec.key ec
fixtures_key rsa.key rsa
: >names
for n in $(seq -w 1 200); do
	case $n in
	0* | 10* | 11* | 12* | 13*) # 139, in turn e, r, d
		where=n$n.a.example rule=n$n.a.example ;;
	*) where=w$n.b.example rule="*.w$n.b.example" ;;
	esac
	type=$(echo erd | cut -c$((${n#"${n%%[!0]*}"} % 3 + 1)))
	chains $type ${where%%.*} "$rule"
	echo "$type $where" >>names
	printf '%s %s\n' "${rule#\*}" "$(files ${where%%.*})" >>sni
done
# An exact name below a wildcard of the other type, one RSA, one ECDSA; a wildcard below a wildcard.
for under in 'x141 w141 r' 'x142 w142 e'; do
	set -- $under
	chains $3 $1 host.$2.b.example
	printf 'host.%s.b.example %s\n' $2 "$(files $1)" >>sni
done
certificate deep.ec ec.key ec '*.inner.w140.b.example'
echo ".inner.w140.b.example $PWD/pem/deep.ec.pem" >>sni

# --- the two of them
mta_conf 'program "smtpd" { }'
rmdir /var/lib/snicert
tool 0 init --group postfix
snicert import pem >import.out 2>&1 || not_ok 'the import' "$(tail -n 3 import.out)"
snicert list --json >list.json
is "$(sqlite3 :memory: "SELECT count(DISTINCT json_extract(value, '\$.name')) FROM json_each(CAST(readfile('list.json') AS TEXT))")" \
	203 'names in the store'

postfix_main 'tls_server_sni_maps = hash:/etc/postfix/sni'
cp sni /etc/postfix/
postfix_master <<-CF
	$map      inet  n       -       n       -       1       smtpd
	  -o syslog_name=postfix/map
	$module   inet  n       -       n       -       1       smtpd
	  -o syslog_name=postfix/module
	  -o tls_server_sni_maps=
	  -o tls_config_file=$openssl_cnf
	$exported inet  n       -       n       -       1       smtpd
	  -o syslog_name=postfix/exported
	  -o tls_server_sni_maps=hash:/etc/postfix/exported/sni
	$both     inet  n       -       n       -       1       smtpd
	  -o syslog_name=postfix/both
	  -o tls_config_file=$openssl_cnf
CF
postmap -F hash:/etc/postfix/sni || not_ok 'postmap -F'
is "$(postmap -s hash:/etc/postfix/sni | wc -l)" 203 'names in the map'
postfix_start || lib_finish
probe() { perl "$SNICERT_SRCDIR/tests/mta/sni-probe.pl" "$@"; } # PORT <CASES
asked() { echo "${2:-modern} $3" | probe $1 | cut -d' ' -f3-; }  # PORT CLIENT NAME

# --- what is asked: KIND CLIENT NAME BASE, where BASE is the name that the rule is for
all='modern modern12 rsa12 rsa13 ec12 ec13'
while read -r type where; do
	case $where in
	n*) name=$where off=x.$where ;;
	w*) name=mx1.$where off=$where ;;
	esac
	upper=$(echo $name | tr a-z A-Z)
	for client in $all; do
		kind=same
		case $type$client in
		ersa* | rec*) kind=unable ;;
		esac
		echo "$kind $client $name $name"
		echo "$kind $client $upper $name"
	done
	for client in modern rsa12; do
		echo "same $client $off -"
		[ $type$client = ersa12 ] || echo "dot $client $name. $name"
	done
	case $where in
	w*) echo "deep modern a.$name $name" ;;
	n*) echo "same modern a.x.$where -" ;;
	esac
done <names >cases
{
	for client in $all; do
		for name in - nobody.example 192.0.2.1 n001 a.example .n001.a.example x..w140.b.example '*.w140.b.example' \
			$(printf '%064d' 7).w140.b.example; do
			echo "same $client $name -"
		done
		for name in _x.w140.b.example x_y.w140.b.example 1.w140.b.example mx.inner.w140.b.example; do
			case $client$name in
			rsa*inner*) echo "unable $client $name $name" ;;
			*) echo "same $client $name $name" ;;
			esac
		done
		case $client in ec*) kind=next ;; *) kind=same ;; esac
		echo "$kind $client host.w141.b.example mx1.w141.b.example"
		case $client in rsa*) kind=next ;; *) kind=same ;; esac
		echo "$kind $client host.w142.b.example mx1.w142.b.example"
	done
	echo 'deep modern a.mx.inner.w140.b.example mx.inner.w140.b.example'
	echo 'hyphen modern -x.w140.b.example mx1.w140.b.example'
	echo 'hyphen modern x-.w140.b.example mx1.w140.b.example'
} >>cases
sort -u cases | cut -d' ' -f2,3 | sort -u >asked
probe $map <asked >by.map &
mapping=$!
probe $module <asked >by.module
wait $mapping
is "$(cut -d' ' -f1,2 by.map | sort | cksum)" "$(cut -d' ' -f1,2 by.module | sort | cksum)" 'both have been asked all'

# Counts per kind; what is not as the kind says is printed.
awk '
FILENAME == "cases" { kind[$2 " " $3] = $1; base[$2 " " $3] = $2 " " $4; order[++n] = $2 " " $3; next }
{ key = $1 " " $2; $1 = $2 = ""; sub(/^ +/, "") }
FILENAME == "by.map" { map[key] = $0; next }
{ store[key] = $0 }
function failed(answer) { return answer ~ /^failed/ || answer == "" }
END {
	for (i = 1; i <= n; i++) {
		k = order[i]
		if (seen[k]++)
			continue
		split(k, part, " ")
		m = map[k]; s = store[k]; own = map[part[1] " nobody.example"]
		if (kind[k] == "same") good = m == s && !failed(m)
		if (kind[k] == "unable") good = failed(m) && s == own
		if (kind[k] == "next") good = failed(m) && s == store[base[k]] && s != own
		if (kind[k] == "dot" || kind[k] == "hyphen") good = m == own && s == store[base[k]] && s != own
		if (kind[k] == "deep") good = m == map[base[k]] && s == own && m != own
		if (good) {
			count[kind[k]]++
			if (kind[k] == "same" && m != own) named++
		} else
			print "wrong " kind[k] " " k " map: " substr(m, 1, 30) " store: " substr(s, 1, 30)
	}
	for (k in count) print k, count[k]
	print "named", named
	print "all", i - 1
}' cases by.map by.module >verdict
is "$(grep -c '^wrong' verdict)" 0 'map and store differ only where they should'
grep '^wrong' verdict | head -n 20
number() { sed -n "s/^$1 //p" verdict; }
for kind in same named unable next dot hyphen deep; do
	if [ "$(number $kind)" -gt 0 ] 2>/dev/null; then ok "$kind: $(number $kind)"; else not_ok "$kind: there were such"; fi
done
is "$(awk '$3 != "failed" && NF != 4' by.map by.module | wc -l)" 0 'all chains have their intermediate'

# --- in and out: the map imported is the store that the certificates made; exported, the map that there was
tool 0 list --json
grep -v '^[][]' "$work/out" | sed 's/"chain": [0-9]*, //' | sort >list.of.pem
main_conf=$conf main_store=$store main_key=$store_key
new_store "$work/other"
tool 0 import --from postfix sni
tool 0 list --json
grep -v '^[][]' "$work/out" | sed 's/"chain": [0-9]*, //' | sort >list.of.map
cmp -s list.of.pem list.of.map && ok 'import --from postfix: the names have the chains of import' ||
	not_ok 'import --from postfix: the names have the chains of import' "$(diff list.of.pem list.of.map | head -n 5)"
tool 0 export --key --to postfix /etc/postfix/exported
conf=$main_conf store=$main_store store_key=$main_key
postmap -F hash:/etc/postfix/exported/sni || not_ok 'postmap -F of an export'
is "$(postmap -s hash:/etc/postfix/exported/sni | wc -l)" 203 'names in the exported map'
awk 'NR % 5 == 0' asked >some
probe $exported <some >by.exported
cut -d' ' -f1,2 by.exported | sort >some.keys
awk 'FILENAME == "some.keys" { want[$0]; next } ($1 " " $2) in want' some.keys by.map | sort >by.map.some
sort by.exported >by.exported.sorted
cmp -s by.map.some by.exported.sorted && ok "the exported map serves what the first one does: $(wc -l <some) handshakes" ||
	not_ok 'the exported map serves what the first one does' "$(diff by.map.some by.exported.sorted | cut -c1-120 | head -n 6)"
is "$(wc -l <by.exported)" "$(wc -l <some)" '… and all were asked'

# --- what Postfix logs of it
logged 'postfix/map/smtpd\[[0-9]*\]: TLS SNI nobody.example from .* not matched, using default chain' 'the map: an unknown name is in the log'
logged 'postfix/map/smtpd\[[0-9]*\]: warning: TLS SNI from .* is invalid: n001.a.example\.' 'the map: a dot at the end is invalid'
logged 'postfix/map/smtpd\[[0-9]*\]: .* TLS connection established from .* to n001.a.example: TLS' 'the map: the name is in the log'
logged 'postfix/module/smtpd\[[0-9]*\]: Anonymous TLS connection established from [^ ]*: TLS' 'the store: Postfix does not log the name'
hasnt_logged 'postfix/module/smtpd\[[0-9]*\]: .*\(SNI\|warning\|snicert:\)' 'the store: nothing else'

# --- renewals, and broken entries
pid_of() { pgrep -xa smtpd | grep -e "syslog_name=postfix/$1" | cut -d' ' -f1; }
former=$(asked $map modern n002.a.example)
before="$(pid_of map)" kept="$(pid_of module)"
chains $(sed -n 's/ n002.*//p' names) n002 n002.a.example
is "$(asked $map modern n002.a.example)" "$former" 'a renewal on disk: the map has the former one'
tool 0 import pem/n002.*.pem
renewed=$(asked $module modern n002.a.example)
isnt "$renewed" "$former" 'a renewal imported: served at once'
is "$(pid_of module)" "$kept" '… by the same process'
postmap -F hash:/etc/postfix/sni
is "$(asked $map modern n002.a.example)" "$renewed" 'postmap: the map has it'
isnt "$(pid_of map)" "$before" '… in another process'
logged 'postfix/map/smtpd\[[0-9]*\]: table hash:/etc/postfix/sni.* has changed -- restarting' '… as Postfix says'

own=$(asked $module modern nobody.example)
printf 'n004.a.example %s\n' "$(echo garbage | base64)" >broken && postmap -s hash:/etc/postfix/sni | grep -v '^n004' >>broken
mv broken sni2 && postmap hash:sni2 && cp sni2.db /etc/postfix/sni.db
sqlite3 $store "UPDATE chain SET sealed_key = zeroblob(length(sealed_key)) WHERE id IN
	(SELECT chain FROM binding WHERE name = 'n004.a.example')" >sqlite.out 2>&1 || cat sqlite.out
postfix_again
has "$(asked $map modern n004.a.example)" 'failed' 'a broken entry: the map aborts the handshake'
is "$(asked $module modern n004.a.example)" "$own" "a broken entry: the store: the server's own chain"

# --- fallbacks
tool 0 fallback --address 127.0.0.1 $(chain_of n005.a.example)
tool 0 fallback $(chain_of n006.a.example)
for name in - nobody.example; do
	is "$(asked $module modern $name)" "$(asked $module modern n005.a.example)" "fallback of the address: $name"
	is "$(asked $map modern $name)" "$own" "the map knows its server's own chain: $name"
done
tool 0 fallback --address 127.0.0.1 none
is "$(asked $module modern nobody.example)" "$(asked $module modern n006.a.example)" 'the fallback'
tool 0 fallback none

# --- both in one smtpd: the store by name, then the map
tool 0 unbind n007.a.example
certificate other.ec ec.key ec n008.a.example
tool 0 import pem/other.ec.pem
is "$(asked $both modern n007.a.example)" "$(asked $map modern n007.a.example)" "both: the map's name"
is "$(asked $both ec13 n008.a.example)" "$(asked $module ec13 n008.a.example)" 'both: a name of both: the store wins'
isnt "$(asked $both ec13 n008.a.example)" "$(asked $map ec13 n008.a.example)" 'both: … which differs from the map'
is "$(asked $both modern a.mx1.w150.b.example)" "$(asked $map modern mx1.w150.b.example)" 'both: two labels deep: the map'
is "$(asked $both modern nobody.example)" "$own" "both: an unknown name: the server's own chain"
log_mark
asked $both modern n009.a.example >/dev/null
logged 'postfix/both/smtpd.* to n009.a.example: TLS' 'both: Postfix logs the name that its map has'
sni=$(grep -v '^n010' sni) && printf '%s\n' "$sni" >/etc/postfix/sni && postmap -F hash:/etc/postfix/sni
is "$(asked $both modern n010.a.example)" "$(asked $module modern n010.a.example)" 'both: a name of the store alone'
logged 'postfix/both/smtpd.*TLS SNI n010.a.example from .* not matched, using default chain' 'both: … of which Postfix says that its map has it not'

cat <<END
                                     tls_server_sni_maps      the store                    asserted
the same chain, whole                yes                      yes                          $(number same), $(number named) of them by a name
client can use no chain of the name  handshake fails          next candidate, own chain    $(number unable)
  … and a wildcard has one           handshake fails          the wildcard's chain         $(number next)
below a wildcard, two labels deep    .parent: any depth       own chain: one label         $(number deep)
a dot at the end of the name         invalid, own chain       the name's chain             $(number dot)
a hyphen at the end of a label       invalid, own chain       the wildcard's chain         $(number hyphen)
a broken entry                       handshake fails          next candidate, own chain    1
a renewal                            postmap -F, and smtpd    snicert import, the same     2
                                     processes start anew     process
a fallback, or one by address        none: own chain          yes                          5
the name in Postfix's log            to NAME; not matched     no                           5
END
postfix_stop
mta_wait 'all of it ends' postfix_gone && ok 'all of it ends'
lib_finish
