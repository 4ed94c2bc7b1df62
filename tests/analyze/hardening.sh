#!/bin/sh
# SPDX-License-Identifier: ISC
# hardening.sh: what the linker and the compiler have made of the module and the
# tool: full RELRO, no executable stack nor writable code, position independent,
# stack protector, checked libc functions, and CET where the compiler has it.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need readelf nm
complain() { echo "$object: $1" >>"$work/found"; }
: >"$work/found"
for object in .libs/snicert.so snicert; do
	readelf -hldW "$object" >"$work/elf" 2>&1 || complain 'readelf fails'
	nm -D --undefined-only "$object" >"$work/symbols"
	if grep -qE '__(asan|tsan)_' "$work/symbols"; then
		echo 'SKIPPED: built with sanitizers'
		exit 77
	fi
	grep -q 'GNU_RELRO' "$work/elf" || complain 'no RELRO'
	grep -qE 'BIND_NOW|FLAGS.*NOW' "$work/elf" || complain 'lazy binding, so RELRO is a partial one'
	grep -q 'GNU_STACK' "$work/elf" || complain 'nothing is said of the stack'
	[ -z "$(awk '$1 == "GNU_STACK" && $7 ~ /E/' "$work/elf")" ] || complain 'an executable stack'
	[ -z "$(awk '$1 == "LOAD" && /RWE/' "$work/elf")" ] || complain 'code that can be written'
	grep -qE '^ *Type: *DYN' "$work/elf" || complain 'not position independent'
	grep -qE 'TEXTREL|RPATH|RUNPATH' "$work/elf" && complain 'TEXTREL, RPATH or RUNPATH'
	grep -q '__stack_chk_fail' "$work/symbols" || complain 'no stack protector'
	# With -O0 there are none to be checked.
	grep -qE '__(mem|str|v?s?n?printf|f?printf|read)[a-z]*_chk' "$work/symbols" ||
		grep -q -- '-O0' config.log || complain 'no checked functions (_FORTIFY_SOURCE)'
done
grep -q 'FLAGS_1.*PIE' "$work/elf" || complain 'not a PIE'
# CET is looked for in the compiler's output: Debian's crti.o has it not, so the
# linker marks no program as having it.
if [ "$(uname -m)" = x86_64 ] && grep -qx -- '-fcf-protection' compile_flags.txt; then
	for object in module/.libs/*.o tools/.libs/*.o tools/*/.libs/*.o; do
		readelf -nW "$object" | grep -q 'IBT, SHSTK' || complain 'no CET (-fcf-protection)'
	done
fi
finish hardening "$work/found"
