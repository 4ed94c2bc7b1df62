#!/bin/sh
# SPDX-License-Identifier: ISC
# languages.sh [LANGUAGE…]: hosts in other languages, by the examples of snicert(7) as they are printed there,
# each in a small server around it (tests/live/languages/).  Without an argument all but Rust, which
# takes long to build and whose packages are large.
# shellcheck disable=SC1091,SC2015,SC2016,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
languages=${*:-c++ python perl node others}
lib_start languages

# A module built with a sanitizer needs a program that was, too.
if nm -D "$build/.libs/snicert.so" | grep -qE '__(asan|tsan|ubsan)_'; then
	echo 'SKIPPED: the module is built with a sanitizer'
	exit 77
fi
module=$build/.libs/snicert.so
servers=$src/tests/live/languages
own_certificate
own=$(openssl x509 -noout -subject -in own.crt | sed 's/^subject=CN *= *//')
new_store "$work/store"
echo 'program "node" { }' >>"$conf"
tool 0 import "$fixtures/good-ec.pem"
tool 0 import --no-bind "$fixtures/good-rsa.pem"
later() { tool 0 bind good-rsa.example 2; }
no_more() { tool 0 unbind good-rsa.example; }

printed() { # FILE: the example, as man(1) shows it
	sed -n "/example-begin $1\$/,/example-end/p" "$src/man/snicert.7" | sed '/^\./d;s/\\e/\\/g' >"$1"
	[ -s "$1" ] || not_ok "snicert(7) has an example $1"
}
got() { # NAME: whom the certificate is for
	openssl s_client -connect "127.0.0.1:$port" -servername "$1" </dev/null 2>/dev/null |
		openssl x509 -noout -subject | sed 's/^subject=CN *= *//'
}
# A server serves the name, what is imported while it runs, and its own; and ends well.
serves() { # WHAT COMMAND…
	what=$1
	shift
	rm -f hold said
	mkfifo hold
	"$@" <hold >said 2>errors &
	server=$!
	pids="$pids $server"
	exec 9>hold
	says_port() { grep -q '^port' said || ! kill -0 $server; }
	await "$what starts" says_port
	port=$(sed -n 's/^port //p' said)
	if [ -n "$port" ]; then
		is "$(got good-ec.example)" good-ec.example "$what: the chain of the name"
		is "$(got nobody.example)" "$own" "$what: its own certificate"
		later
		is "$(got good-rsa.example)" good-rsa.example "$what: a chain that came later"
		no_more
	else
		not_ok "$what starts" "$(head -n 5 errors)"
	fi
	exec 9>&-
	wait $server
	is $? 0 "$what ends in peace"
	is "$(head -n 5 errors)" '' "$what has nothing to complain of"
}
# What the example says where the module, or the context, is not fit: an error, and no more.
fails() { # WHAT PATTERN COMMAND…
	what=$1 pattern=$2
	shift 2
	"$@" </dev/null >said 2>errors
	[ $? -lt 128 ] || not_ok "$what: it is not killed by it"
	has "$(cat errors said)" "$pattern" "$what"
}

try_cpp() {
	printed certificates.h
	for compiler in ${CXX:-g++ clang++}; do
		! command -v $compiler >/dev/null || break
	done
	echo 'int main() { return 0; }' >empty.cc
	if ! $compiler empty.cc -o empty 2>/dev/null; then
		skip 'C++' 'there is no compiler'
		return
	fi
	if $compiler -std=c++11 -Wall -Wextra -Wpedantic -Werror -I. -I"$src/include" "$servers/server.cc" -o cpp \
		-lssl -lcrypto -ldl 2>errors; then
		serves 'C++' ./cpp "$module" "$conf"
		fails 'C++: no module' 'no module' ./cpp "$work/nothing.so" "$conf"
	else
		not_ok 'C++: the example compiles' "$(head -n 10 errors)"
	fi
}

try_python() {
	printed certificates.py
	python=
	for candidate in /usr/bin/python3 python3; do
		[ -n "$python" ] || ! $candidate -c 'import ctypes, ssl' 2>/dev/null || python=$candidate
	done
	if [ -z "$python" ]; then
		skip Python 'python3 with its ssl and ctypes is not there'
		return
	fi
	serves Python env PYTHONPATH="$work" PYTHONDONTWRITEBYTECODE=1 $python "$servers/server.py" "$module" "$conf"
	cat >strange.py <<-'PY'
		import sys, types, ctypes, certificates
		block = ctypes.create_string_buffer(4096)
		block[object.__basicsize__:object.__basicsize__ + 8] = ctypes.addressof(block).to_bytes(8, sys.byteorder)
		certificates.id = lambda context: ctypes.addressof(block)
		certificates.Certificates(sys.argv[1], sys.argv[2]).attach(None)
	PY
	fails "Python: a context of another library" 'was made by' env PYTHONPATH="$work" PYTHONDONTWRITEBYTECODE=1 \
		$python strange.py "$module" "$conf"
}

try_perl() {
	printed Certificates.pm
	if ! perl -MNet::SSLeay -MFFI::Platypus -e1 2>/dev/null; then
		skip Perl 'Net::SSLeay and FFI::Platypus are not there'
		return
	fi
	serves Perl perl -I"$work" "$servers/server.pl" "$module" "$conf"
	fails 'Perl: no module' 'no module' perl -I"$work" "$servers/server.pl" "$work/nothing.so" "$conf"
}

try_node() {
	printed openssl.cnf
	sed -i "s|^path = .*|path = $module\nconfig = $conf|" openssl.cnf
	if ! node -e 0 2>/dev/null; then
		skip Node 'node is not there'
		return
	fi
	case $(node -p process.versions.openssl) in
	3.*)
		serves Node env OPENSSL_CONF="$work/openssl.cnf" node "$servers/server.js"
		serves 'Node with SNICallback' env OPENSSL_CONF="$work/openssl.cnf" node "$servers/server.js" callback
		;;
	*) skip Node 'it has another OpenSSL than 3' ;;
	esac
}

# With Debian's crates, so nothing is fetched.
try_rust() {
	printed certificates.rs
	crates=/usr/share/cargo/registry
	if ! command -v cargo >/dev/null || ! ls -d $crates/openssl-0.10.* >/dev/null 2>&1; then
		skip Rust "cargo and Debian's librust-openssl-dev are not there"
		return
	fi
	mkdir -p rust/src rust/.cargo
	cp certificates.rs rust/src/certificates.rs
	cp "$servers/server.rs" rust/src/main.rs
	printf '[package]\nname = "server"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nopenssl = "0.10"\n' >rust/Cargo.toml
	printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "%s"\n' $crates >rust/.cargo/config.toml
	if (cd rust && cargo build --offline) >errors 2>&1; then
		serves Rust rust/target/debug/server "$module" "$conf"
		fails 'Rust: no module' 'does not load' rust/target/debug/server "$work/nothing.so" "$conf"
	else
		not_ok 'Rust: the example compiles' "$(tail -n 20 errors)"
	fi
}

# Those that can't load it: a directory that follows the store.
try_others() {
	printed follow
	mkdir -p bin
	printf '#!/bin/sh\nexec "%s" -c "%s" "$@"\n' "$build/snicert" "$conf" >bin/snicert
	printf '#!/bin/sh\necho >>"%s/notified"\n' "$work" >bin/notify
	chmod 755 bin/*
	PATH=$work/bin:$PATH sh follow "$work/directory" notify >errors 2>&1 &
	follower=$!
	pids="$pids $follower"
	told() { [ "$(cat notified 2>/dev/null | wc -l)" -ge $1 ]; }
	await 'the directory is there' told 1
	later
	await 'the directory has what is new' grep -q '^good-rsa.example ' directory/map
	await 'the program is told' told 2
	pem=$(sed -n 's/^good-rsa.example .*,//p' directory/map)
	is "$(openssl x509 -noout -subject -in "directory/$pem" | sed 's/^subject=CN *= *//')" good-rsa.example 'a chain by its name'
	is "$(stat -c %a directory)" 700 'the directory is for its owner'
	no_more
	await 'what is gone is gone' sh -c '! grep -q "^good-rsa.example " directory/map'
	kill $follower
	wait $follower
	is "$(head -n 5 errors)" '' 'the follower has nothing to complain of'
}

for language in $languages; do
	case $language in
	c++) try_cpp ;;
	python | perl | node | rust | others) try_$language ;;
	*) not_ok "$language is a language" ;;
	esac
done
lib_finish
