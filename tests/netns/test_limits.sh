#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The limits of one workspace: what is written, that it bites, and what is refused. Needs root; own namespaces, own groups.
# shellcheck disable=SC2016 # expanded inside
set -u
if [ "${1:-}" != inside ]; then exec unshare --net --mount "$0" inside; fi

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${SSHBAY_BIN:-$ROOT/build/bin}
MAKER=${WSMAKER:-$(dirname "$BIN")/netns/wsmaker}
IMAGES=${SSHBAY_IMAGE_CACHE:-/var/cache/sshbay}/images
T=$(mktemp -d "${TMPDIR:-/tmp}/sshbay-limits.XXXXXX")
GROUP=sblim$$ BASE=$((2000000000 + ($$ + 1) % 5000 * 262144))
n=0 failed=0

w() { timeout 60 "$MAKER" -d "$T" -i "$IMAGES" -I "$BIN/ws-init" -g "$GROUP" -u $BASE "${OPTS[@]}" "$@"; }
x() { w exec "$@"; }
# shellcheck disable=SC2317
cleanup() { w down >/dev/null 2>&1; rm -rf --one-file-system "$T"; }
trap cleanup EXIT
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)) failed=1; echo "not ok $n - $1"; printf '%s\n' "${2:-}" | head -20 | sed 's/^/# /'; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2 got: $3"; fi; }
like() { if grep -qE -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "expected match: $2 got: $3"; fi; }
t() { local name=$1 out; shift; if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$out"; fi; }
OPTS=()
# The first of these files below a group of ours, on v1 or v2.
value() { local f; for f; do f=$(find /sys/fs/cgroup -path "*/$GROUP/alice/$f" -print -quit); [ -z "$f" ] || { cat "$f"; return; }; done; echo none; }
groups_left() { find /sys/fs/cgroup -type d -path "*/$GROUP*"; }
has() { [ -d "/sys/fs/cgroup/$1" ] || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers 2>/dev/null; }

[ -x "$MAKER" ] || { echo "1..0 # SKIP $MAKER is not built"; exit 0; }
[ -d "$IMAGES/bookworm/rootfs" ] || "$ROOT/scripts/mkrootfs" -q -o "$IMAGES" || { echo "1..0 # SKIP no image"; exit 0; }
mkdir -p "$T/run" "$T/state"

if has memory; then
	OPTS=(-m 67108864 -w 0 -p 0)
	t 'a workspace with 64 MiB' w up
	is 'the limit is written' 67108864 "$(value memory.limit_in_bytes memory.max)"
	like 'swap is kept back' '^(67108864|0)$' "$(value memory.memsw.limit_in_bytes memory.swap.max memory.swappiness)"
	is 'no OOM kill yet' 0 "$(w oom)"
	x "python3 -c 'x=bytearray(400<<20)' 2>/dev/null || perl -e '\$x = \"a\" x (400 << 20); \$y = \$x x 2'" >/dev/null 2>&1
	is 'too much memory ends a command by SIGKILL' 137 "$(x "perl -e '\$x = \"a\" x (400 << 20)'" >/dev/null 2>&1; echo $?)"
	like 'and is counted' '^[1-9]' "$(w oom)"
	is '/dev/shm is half of the memory' 32768 "$(x 'df -k --output=size /dev/shm | tail -1 | tr -d " "')"
	is 'the workspace lives on' 1 "$(x 'echo 1')"
	w down >/dev/null
else
	skip 'memory limits' 'no memory controller here'
fi

if has pids; then
	OPTS=(-p 24)
	t 'a workspace with 24 processes' w up
	is 'the limit is written' 24 "$(value pids.max)"
	like 'a fork bomb meets it' 'Resource temporarily unavailable|Cannot fork|retry' \
		"$(x 'for i in $(seq 60); do sleep 3 & done; wait' 2>&1)"
	t 'a stop ends what it left' w stop
	is 'no group is left by a stop' '' "$(groups_left)"
	w down >/dev/null
else
	skip 'pids limits' 'no pids controller here'
fi

if has cpu; then
	OPTS=(-c 1)
	t 'a workspace with one CPU of time' w up
	like 'the quota is written' '^100000( 100000)?$' "$(value cpu.cfs_quota_us cpu.max)"
	w down >/dev/null
	OPTS=(-c 5000)
	like 'more CPUs than there are is refused' "limit cpus of 'alice': 5000 is more than there are \(online: " "$(w up 2>&1)"
	w down >/dev/null
else
	skip 'cpu quota' 'no cpu controller here'
fi

if has cpuset; then
	OPTS=(-c 0-0)
	t 'a workspace on CPU 0' w up
	is 'the list is written' 0 "$(value cpuset.cpus)"
	is 'it sees one CPU' 1 "$(x nproc)"
	t 'and cannot leave it' x '! taskset -pc 1 $$ >/dev/null 2>&1 || [ $(nproc) = 1 ]'
	w down >/dev/null
	OPTS=(-c "0,700")
	like 'a CPU that is not online is named' "limit cpus of 'alice': 700 is not online \(online: [0-9,-]+\)" "$(w up 2>&1)"
	w down >/dev/null
else
	skip 'cpuset' 'no cpuset controller here'
fi

OPTS=()
t 'a workspace' w up
payload=$(find /sys/fs/cgroup -type d -path "*/$GROUP/alice/payload")
if [ -n "$payload" ]; then
	is 'the delegated v2 group is the tenant'"'"'s' "$BASE $BASE 0" \
		"$(stat -c %u "$payload") $(stat -c %u "$payload/cgroup.procs") $(stat -c %u "$payload/../cgroup.procs")"
	t 'who can make groups in it' x 'mkdir -p /sys/fs/cgroup/a/b && echo 0 >/sys/fs/cgroup/a/b/cgroup.procs'
	is 'and is its processes'"'"' root' 0 "$(x 'mkdir -p /sys/fs/cgroup/a/b; sh -c "echo \$\$ >/sys/fs/cgroup/a/b/cgroup.procs; grep -c ^0::/a/b$ /proc/self/cgroup" | grep -vc 1')"
	x 'setsid sh -c "echo \$\$ >/sys/fs/cgroup/a/b/cgroup.procs; exec sleep 300" >/dev/null 2>&1 </dev/null &' >/dev/null
	# The kernel lets a namespace mount v1 from its own group down; nothing there may be its to write.
	t 'a v1 hierarchy gives no power' x 'mount -t cgroup -o memory x /mnt 2>/dev/null || exit 0
		! (echo -1 >/mnt/memory.limit_in_bytes || echo /x >/mnt/release_agent || echo 1 >/mnt/notify_on_release || mkdir /mnt/sub) 2>/dev/null'
else
	skip 'delegation' 'no v2 hierarchy here'
fi
t 'down' w down
is 'nested groups go with the workspace' '' "$(groups_left)"
covered=$(sed -n 's/^[0-9]* [0-9]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup .*\bmemory\b.*/\1/p' /proc/self/mountinfo | head -1)
if [ -n "$covered" ]; then
	out=$(unshare -m bash -c 'umount -l "$1" && shift && "$@"' - "$covered" "$MAKER" -d "$T" -i "$IMAGES" -I "$BIN/ws-init" -g "$GROUP" -u $BASE up 2>&1)
	is 'a limit without its controller is refused with the way out' \
		"wsmaker: limit memory of 'alice': no memory controller is mounted (set memory = unlimited, or mount it)" "$out"
	w down >/dev/null
else
	skip 'a limit without its controller' 'memory is not a v1 hierarchy here'
fi
is 'no group is left' '' "$(groups_left)"
is 'no file is left' '' "$(ls "$T/run/ws")"
echo "1..$n"
exit $failed
