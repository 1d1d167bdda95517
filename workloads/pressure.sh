#!/bin/sh
# pressure [MiB=1]: programs that together need more memory than there is, while the swap disk goes
# and comes. Each of them verifies its own memory; the exit code is 1 if one has failed.

size=${1:-1}
jobs=
for job in "sort $size" "walk $size 1" "shm $size 2" "fork 10" "pipe $size" "vmtour 64 2"; do
	$job >/dev/null &
	jobs="$jobs $!"
done
for round in 1 2 3; do
	sleep 0.02
	if swapctl -d /dev/ld0 2>/dev/null; then
		echo "swapoff: done"
		swapctl -a /dev/ld0 || exit 1
	else
		echo "swapoff: refused"
	fi
done
failed=0
for job in $jobs; do
	wait $job || failed=1
done
echo "pressure: $failed failed"
exit $failed
