#!/bin/sh
# Builds the guest programs.
#
#   build.sh                rebuilds bin/ and records the toolchain in toolchain.txt
#   build.sh --check        rebuilds elsewhere and compares; 1 if a committed file differs
#   build.sh --native DIR   builds the same programs for this host with ${CC:-cc}
#
# Another toolchain makes other bytes, so --check skips (exit 0) unless the recorded one is found.
# Programs over picolibc need that library too; without it their files stay as they are.
set -eu

caller_directory=$PWD
cd "$(dirname "$0")"

# Programs of this folder, sh/, utils/ and pico/; the first two lists by where they can run.
PORTABLE="hello matmul shm sort touch walk wild sh fork mmap malloc pipe signal mlock vmtour"
GUEST_ONLY="swapload fb vmbench growth"
PICO=$(cd pico && ls *.c | sed -n '/^stubs/!s/\.c$//p')
UTILS=$(cd utils && ls *.c | sed 's/\.c$//')
# Programs of checks/, files or folders, which only tests run: they are not on the disk of programs.
CHECKS=$(cd checks && ls -d *.c */*.c | sed 's/\.c$//; s/\/.*//' | sort -u)
# Programs of bare/, which run on a board without any kernel.
BARE=$(cd bare && ls *.c | sed 's/\.c$//')
PREFIX=riscv64-unknown-elf-
WARNINGS="-Wall -Wextra -Wshadow -Wstrict-prototypes -Werror"

# No loop in memcpy may be turned back into a call of memcpy.
MACHINE_FLAGS="-march=rv32imac -mabi=ilp32 -O2 -std=gnu11 -ffunction-sections -fdata-sections
	-fno-asynchronous-unwind-tables -fno-ident"
GUEST_FLAGS="$MACHINE_FLAGS -ffreestanding -fno-tree-loop-distribute-patterns"
SEGMENT_FLAGS="-Wl,--gc-sections -Wl,--build-id=none -Wl,-z,max-page-size=4096
	-Wl,-z,noexecstack -Wl,--fatal-warnings -s"
LINK_FLAGS="-nostdlib -static -T rt/link.ld $SEGMENT_FLAGS"
RUNTIME="crt0.S syscalls.c stdio.c malloc.c string.c strerror.c environ.c file.c directory.c
	terminal.c process.c fork.S signal.c memory.c uvmctl.c"

# The start code is ours, and calls pico/stubs.c before main.
PICO_FLAGS="--specs=picolibc.specs $MACHINE_FLAGS -nostartfiles -static -T rt/link.ld
	-Wl,--wrap=main $SEGMENT_FLAGS"

FLOAT_FLAGS="-march=rv32imafdc_zicsr -fno-math-errno"

# compute/ is one more of them, of several files.
BARE_FLAGS="-march=rv32imac_zicsr -mabi=ilp32 -O2 -std=gnu11 -ffreestanding
	-fno-asynchronous-unwind-tables -fno-ident -nostdlib -static -T bare/virt.ld
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -s"

toolchain() {
	"${PREFIX}gcc" --version | head -n 1
	"${PREFIX}ld" --version | head -n 1
}

# Prints nothing where there is no picolibc.
picolibc() {
	echo '#include <picolibc.h>' |
		"${PREFIX}gcc" --specs=picolibc.specs -dM -E - 2>/dev/null |
		sed -n 's/^#define __PICOLIBC_VERSION__ "\(.*\)"$/picolibc \1/p'
}

has_toolchain() {
	command -v "${PREFIX}gcc" >/dev/null && command -v "${PREFIX}ld" >/dev/null
}

sources_of() {
	if [ -d "$1" ]; then
		echo "$1"/*.c
	elif [ -f "$1.c" ]; then
		echo "$1.c"
	else
		echo "utils/$1.c"
	fi
}

# The flag lists are split into words on purpose.
build_guest() {
	mkdir -p "$1"
	objects=$(mktemp -d)
	runtime=
	for source in $RUNTIME; do
		"${PREFIX}gcc" $GUEST_FLAGS $WARNINGS -c -o "$objects/$source.o" "rt/$source"
		runtime="$runtime $objects/$source.o"
	done
	for program in $PORTABLE $GUEST_ONLY $UTILS; do
		"${PREFIX}gcc" $GUEST_FLAGS $WARNINGS $LINK_FLAGS -o "$1/$program" \
			$runtime $(sources_of "$program") -lgcc
		chmod 755 "$1/$program"
	done
	mkdir -p "$2"
	for program in $CHECKS; do
		"${PREFIX}gcc" $GUEST_FLAGS $WARNINGS $LINK_FLAGS -o "$2/$program" \
			$runtime $(sources_of "checks/$program") -lgcc
		chmod 755 "$2/$program"
	done
	rm -r "$objects"
}

build_bare() {
	mkdir -p "$1"
	for program in $BARE; do
		"${PREFIX}gcc" $BARE_FLAGS $WARNINGS -o "$1/$program" bare/start.S "bare/$program.c" -lgcc
		chmod 755 "$1/$program"
	done
}

# float.c is compiled for F and D; the calling convention stays that of the others.
build_compute() {
	object=$(mktemp)
	"${PREFIX}gcc" $BARE_FLAGS $FLOAT_FLAGS $WARNINGS -c -o "$object" compute/float.c
	"${PREFIX}gcc" $BARE_FLAGS $WARNINGS -fno-tree-loop-distribute-patterns -o "$1/compute" \
		compute/start.S compute/cold.c compute/guests.c compute/main.c compute/mark.c \
		"$object" -lgcc
	rm "$object"
	chmod 755 "$1/compute"
}

build_pico() {
	for program in $PICO; do
		"${PREFIX}gcc" $PICO_FLAGS $WARNINGS -o "$1/$program" \
			rt/crt0.S pico/stubs.c "pico/$program.c" -lm
		chmod 755 "$1/$program"
	done
}

build_native() {
	mkdir -p "$1"
	for program in $PORTABLE; do
		"${CC:-cc}" -DRT_NATIVE -O2 -std=gnu11 $WARNINGS -o "$1/$program" $(sources_of "$program")
	done
	for program in $PICO; do
		"${CC:-cc}" -O2 -std=gnu11 $WARNINGS -o "$1/$program" "pico/$program.c" -lm
	done
}

check() {
	if ! has_toolchain; then
		echo "workloads: ${PREFIX}gcc is not installed, check skipped"
		return 0
	fi
	if [ "$(toolchain)" != "$(sed '/^picolibc /d' toolchain.txt)" ]; then
		echo "workloads: built with $(head -n 1 toolchain.txt), check skipped"
		return 0
	fi
	rebuilt=$(mktemp -d)
	trap 'rm -rf "$rebuilt"' EXIT
	build_guest "$rebuilt" "$rebuilt/checks"
	if [ -n "$(picolibc)" ] && [ "$(picolibc)" = "$(sed -n '/^picolibc /p' toolchain.txt)" ]; then
		build_pico "$rebuilt"
	else
		echo "workloads: the recorded picolibc is not installed, its programs are not checked"
	fi
	build_bare "$rebuilt/bare"
	build_compute "$rebuilt/bare"
	differing=0
	for file in "$rebuilt"/bare/*; do
		if ! cmp -s "$file" "bare/bin/${file##*/}"; then
			echo "workloads: bare/bin/${file##*/} differs from what its source builds" >&2
			differing=1
		fi
	done
	for file in "$rebuilt"/checks/*; do
		if ! cmp -s "$file" "checks/bin/${file##*/}"; then
			echo "workloads: checks/bin/${file##*/} differs from what its source builds" >&2
			differing=1
		fi
	done
	for file in "$rebuilt"/*; do
		[ -f "$file" ] || continue
		program=${file##*/}
		if ! cmp -s "$file" "bin/$program"; then
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
	build_guest bin checks/bin
	build_bare bare/bin
	build_compute bare/bin
	if [ -n "$(picolibc)" ]; then
		build_pico bin
		{ toolchain && picolibc; } >toolchain.txt
	else
		echo "workloads: no picolibc (Debian: picolibc-riscv64-unknown-elf): $PICO not built" >&2
		recorded=$(sed -n '/^picolibc /p' toolchain.txt)
		{ toolchain && echo "$recorded"; } >toolchain.txt
	fi
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
