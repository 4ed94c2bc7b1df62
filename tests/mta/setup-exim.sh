#!/bin/sh
# SPDX-License-Identifier: ISC
# setup-exim.sh: `snicert setup exim` beside Debian's own Exim, with GnuTLS, as
# its package configures it: done as the page says, then it serves by name.
# shellcheck disable=SC1091,SC2015,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start setup-exim exim4-daemon-heavy
mta_syslog
mta_user Debian-exim 911
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
module=/usr/lib/snicert/snicert.so
conf=/etc/snicert/snicert.conf store=/var/lib/snicert/store.db store_key=/etc/snicert/store.key
mkdir -p ${module%/*} /etc/snicert certs
cp "$build/.libs/snicert.so" $module
printf 'store { path = "%s" key = "%s" }\n' $store $store_key >$conf
. "$src/tests/mta/setup-lib.sh"

refused_here() { setsid -w timeout 60 "$build/snicert" -c $conf setup exim >out 2>err; [ $? = 3 ] && grep -q "can't print its settings" err; }
refused_here && ok 'no configuration: an error that says so' || not_ok 'no configuration: an error that says so' "$(cat out err)"

# As the package's scripts would leave it.
chmod 4755 /usr/sbin/exim4
install -d -o Debian-exim -g Debian-exim /var/log/exim4 /var/spool/exim4
echo provider.example >/etc/mailname
cat >/etc/exim4/update-exim4.conf.conf <<-CF
	dc_eximconfig_configtype='internet'
	dc_other_hostnames=''
	dc_local_interfaces='127.0.0.1'
	dc_minimaldns='false'
	CFILEMODE='644'
	dc_use_split_config='false'
	dc_localdelivery='mail_spool'
CF
update-exim4.conf
fixtures_leaf certs smtp.customer-a.example
cheap_key /etc/exim4/exim.key
cheap_chain own /etc/exim4/exim.key own.example
cp own.crt /etc/exim4/exim.crt
chown Debian-exim /etc/exim4/exim.key

setup 0 exim
has "$(cat page)" 'TLS library  GnuTLS' 'the page: the TLS library'
has "$(cat page)" 'Debian-exim, group Debian-exim' 'the page: whom it runs as'
# There is no `service` here: it is started below.
sed -i '/service exim4 restart/d' page
follow exim
tool 0 import certs/smtp.customer-a.example.pem
update-exim4.conf
start_exim() { exim4 -bdf >exim.out 2>&1 & exim=$!; pids="$pids $exim"; }
stop_exim() { kill $exim; wait $exim 2>/dev/null; }
start_exim
mta_wait Exim mta_listening 25
port=25
is "$(served smtp.customer-a.example)" smtp.customer-a.example 'as the page says, it serves by name'
is "$(served nobody.example)" own.example '… and else its own certificate'
check 0 exim
has "$(of fallback)" 'warn: there is no fallback' 'no fallback: --check says so'
tool 0 fallback 1
well exim 'as the page says'
setup 0 exim
has "$(cat page)" 'its configuration calls the module' 'done: nothing is left to add'
chgrp root $store_key
bad exim permissions "Debian-exim can't read $store_key*chgrp Debian-exim" 'a key that it can not read'
chgrp Debian-exim $store_key
mv $module $module.away
bad exim module 'is not there' 'no module'
is "$(served smtp.customer-a.example)" own.example '… and Exim goes on with its own certificate'
mv $module.away $module
sed -i '/snicert_exim/d' /etc/exim4/exim4.conf.localmacros
update-exim4.conf
bad exim setting 'does not call the module' 'the lines are gone'

# By --apply, with a split configuration, which reads another file.
stop_exim
sed -i "s/^dc_use_split_config=.*/dc_use_split_config='true'/" /etc/exim4/update-exim4.conf.conf
rm -f /etc/exim4/exim4.conf.localmacros
macros=/etc/exim4/conf.d/main/000_localmacros
update-exim4.conf
# `service`, which isn't here, as the init script would do it.
printf '#!/bin/sh\nupdate-exim4.conf\n' >/usr/local/sbin/service && chmod 755 /usr/local/sbin/service
tool 0 setup --module $module --apply --yes exim
has "$(cat $macros)" 'MAIN_TLS_CERTIFICATE = ' '--apply, split: the file that it reads'
start_exim
mta_wait Exim mta_listening 25
is "$(served smtp.customer-a.example)" smtp.customer-a.example '--apply, split: it serves by name'
well exim 'by --apply, split'
stop_exim
tool 0 setup --module $module --undo --yes exim
[ ! -e $macros ] && ok '--undo: the file is gone' || not_ok '--undo: the file is gone'
bad exim setting 'does not call the module' '--undo'

# The README's macros, as they stand there.
sed -n '/^    MAIN_TLS_ENABLE/,/^$/s/^    //p' "$src/README.md" >$macros
is "$(grep -c 'snicert_exim_' $macros)" 2 'the README has the macros'
update-exim4.conf
start_exim
mta_wait Exim mta_listening 25
is "$(served smtp.customer-a.example)" smtp.customer-a.example "the README's macros: it serves by name"
well exim "the README's macros"
lib_finish
