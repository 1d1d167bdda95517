#!/bin/sh
# Builds the guest programs.
#
#   build.sh                rebuilds bin/ and records the toolchain in toolchain.txt
#   build.sh --check        rebuilds elsewhere and compares; 1 if a committed file differs
#   build.sh --native DIR   builds the same programs for this host with ${CC:-cc}
#
# Another toolchain makes other bytes, so --check skips (exit 0) unless the recorded one is found.
set -eu

caller_directory=$PWD
cd "$(dirname "$0")"

PROGRAMS="hello matmul shm sort touch walk wild"
PREFIX=riscv64-unknown-elf-
WARNINGS="-Wall -Wextra -Wshadow -Wstrict-prototypes -Werror"

# No loop in memcpy may be turned back into a call of memcpy.
GUEST_FLAGS="-march=rv32imac -mabi=ilp32 -O2 -std=gnu11 -ffreestanding -nostdlib -static
	-ffunction-sections -fdata-sections -fno-tree-loop-distribute-patterns
	-fno-asynchronous-unwind-tables -fno-ident"
LINK_FLAGS="-Wl,-T,rt/link.ld -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,max-page-size=4096
	-Wl,-z,noexecstack -Wl,--fatal-warnings -s"
RUNTIME="rt/crt0.S rt/syscalls.c rt/stdio.c rt/malloc.c rt/string.c"

toolchain() {
	"${PREFIX}gcc" --version | head -n 1
	"${PREFIX}ld" --version | head -n 1
}

has_toolchain() {
	command -v "${PREFIX}gcc" >/dev/null && command -v "${PREFIX}ld" >/dev/null
}

# The flag lists are split into words on purpose.
build_guest() {
	mkdir -p "$1"
	for program in $PROGRAMS; do
		"${PREFIX}gcc" $GUEST_FLAGS $WARNINGS $LINK_FLAGS -o "$1/$program" \
			$RUNTIME "$program.c" -lgcc
		chmod 755 "$1/$program"
	done
}

build_native() {
	mkdir -p "$1"
	for program in $PROGRAMS; do
		"${CC:-cc}" -DRT_NATIVE -O2 -std=gnu11 $WARNINGS -o "$1/$program" "$program.c"
	done
}

check() {
	if ! has_toolchain; then
		echo "workloads: ${PREFIX}gcc is not installed, check skipped"
		return 0
	fi
	if [ "$(toolchain)" != "$(cat toolchain.txt)" ]; then
		echo "workloads: built with $(head -n 1 toolchain.txt), check skipped"
		return 0
	fi
	rebuilt=$(mktemp -d)
	trap 'rm -rf "$rebuilt"' EXIT
	build_guest "$rebuilt"
	differing=0
	for program in $PROGRAMS; do
		if ! cmp -s "$rebuilt/$program" "bin/$program"; then
			echo "workloads: bin/$program differs from what its source builds" >&2
			differing=1
		fi
	done
	return "$differing"
}

usage() {
	echo "usage: build.sh [--check | --native DIR]" >&2
	exit 2
}

case "${1-}" in
"")
	if ! has_toolchain; then
		echo "workloads: ${PREFIX}gcc is not installed (Debian: gcc-riscv64-unknown-elf)" >&2
		exit 1
	fi
	build_guest bin
	toolchain >toolchain.txt
	;;
--check)
	[ $# -eq 1 ] || usage
	check
	;;
--native)
	[ $# -eq 2 ] || usage
	case $2 in
	/*) build_native "$2" ;;
	*) build_native "$caller_directory/$2" ;;
	esac
	;;
*)
	usage
	;;
esac
