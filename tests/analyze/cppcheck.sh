#!/bin/sh
# SPDX-License-Identifier: ISC
# cppcheck.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need cppcheck
# Its macros are looked up in no system header, so it wants to know that of link.h.
# funcArgOrderDifferent takes a parameter without a name, which has a type that
# speaks for itself, for one of another order.
cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --quiet --error-exitcode=1 \
	--suppress=funcArgOrderDifferent '-DElfW(x)=Elf64_##x' -DHAVE_LIBCURL=1 -DSNICERT_VERSION='""' \
	-DSNICERT_SYSCONFDIR='""' -DSNICERT_LOCALSTATEDIR='""' -DSNICERT_MODULEDIR='""' \
	-I "$src/include" -I "$src/module" -I "$src/tools" \
	"$src/module" "$src/tools" "$src/tests/sample" --template='{file}:{line}: {id}: {message}' >"$work/found" 2>&1
finish cppcheck "$work/found"
