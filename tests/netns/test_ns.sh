#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The steps of one workspace without its network: what it looks like inside, what is on disk, what a start on a hostile
# upper does, what is left after a worker was killed at any step. Needs root; everything happens in an own network and
# mount namespace, and in groups that end with the test.
# shellcheck disable=SC2016 # expanded inside
set -u
if [ "${1:-}" != inside ]; then exec unshare --net --mount "$0" inside; fi

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${SSHBAY_BIN:-$ROOT/build/bin}
MAKER=${WSMAKER:-$(dirname "$BIN")/netns/wsmaker}
IMAGES=${SSHBAY_IMAGE_CACHE:-/var/cache/sshbay}/images
BASE=$((2000000000 + $$ % 5000 * 262144)) # nobody else on this machine has it
T=$(mktemp -d "${TMPDIR:-/tmp}/sshbay-ns.XXXXXX")
GROUP=sbtest$$
n=0 failed=0

# shellcheck disable=SC2317
cleanup() { w down >/dev/null 2>&1; umount -l "$T"/run/ws 2>/dev/null; rm -rf --one-file-system "$T"; }
trap cleanup EXIT
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)) failed=1; echo "not ok $n - $1"; printf '%s\n' "${2:-}" | head -20 | sed 's/^/# /'; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2 got: $3"; fi; }
like() { if grep -qE -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "expected match: $2 got: $3"; fi; }
unlike() { if grep -qE -- "$2" <<<"$3"; then not_ok "$1" "unexpected match: $2 in: $3"; else ok "$1"; fi; }
t() { local name=$1 out; shift; if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$out"; fi; }
w() { timeout 60 "$MAKER" -d "$T" -i "$IMAGES" -I "$BIN/ws-init" -g "$GROUP" -u $BASE "${OPTS[@]}" "$@"; }
x() { w exec "$@"; }
OPTS=()

# Processes with the workspace's ids; those that are dead and wait for this machine's init to reap them do not count.
living() {
	for p in /proc/[0-9]*; do
		awk -v b=$BASE -v p="$p" '$1 == 0 && $2 == b { print p }' "$p/uid_map" 2>/dev/null
	done | while read -r p; do
		! grep -q '^State:[^ZX]*$' "$p/status" 2>/dev/null || echo "$p $(cat "$p/comm" 2>/dev/null)"
	done
}
# Everything a workspace may leave on the host.
state() {
	find /sys/fs/cgroup -type d -path "*/$GROUP*" | sort
	grep -c . /proc/self/mountinfo
	find "$T/run" -mindepth 2 | sort
	living
}

[ -x "$MAKER" ] || { echo "1..0 # SKIP $MAKER is not built"; exit 0; }
[ -d "$IMAGES/bookworm/rootfs" ] || "$ROOT/scripts/mkrootfs" -q -o "$IMAGES" || { echo "1..0 # SKIP no image"; exit 0; }
mkdir -p "$T/run" "$T/state"
printf '127.0.0.1 localhost\n172.31.199.9 canary-host\n' >"$T/run/hosts"
mkdir "$T/run/ws"
clean=$(state)

# --- what it looks like ---
t 'a workspace starts' w up
show=$(w show)
like 'its namespaces are recorded' '^mnt [1-9]' "$show"
x 'cat /proc/self/mountinfo' >"$T/mountinfo"
unlike 'mountinfo shows no path of the host' "$T|/var/|/work|/home" "$(grep -vE ' /(etc/hosts|run/sshbay/sftp) ' "$T/mountinfo")"
is 'root of its own user namespace' 'uid=0(root) gid=0(root) groups=0(root)' "$(x id)"
is 'named like the workspace' alice "$(x hostname)"
is 'alone in its pid namespace' ws-init "$(x cat /proc/1/comm)"
is 'at the root of its cgroup namespace' 0 "$(x cat /proc/self/cgroup | grep -vc ':/$')"
is 'the command has 0, 1, 2 and nothing else' '0 1 2 3' "$(x 'ls /proc/self/fd' | tr '\n' ' ' | sed 's/ $//')"
is 'PID 1 has no descriptor of a host file' 0 "$(x 'ls -l /proc/1/fd' | grep -cE "$T|/work|/var")"
status=$(x cat /proc/self/status)
like 'a seccomp program is loaded' 'Seccomp:.*2' "$status"
like 'privileges can be gained by sudo' 'NoNewPrivs:.*0' "$status"
# SYS_MODULE 16, SYS_RAWIO 17, SYS_TIME 25, MAC_* 32 33, SYSLOG 34, WAKE_ALARM 35, BLOCK_SUSPEND 36, AUDIT_CONTROL 30, PERFMON 38, BPF 39
bound=$((16#$(awk '/CapBnd/ {print $2}' <<<"$status")))
is 'eleven capabilities are out of reach' 0 $((bound & ((1 << 16) | (1 << 17) | (1 << 25) | (1 << 30) | (0x1f << 32) | (3 << 38))))
is 'and the others are there' $(((1 << 21) | (1 << 12) | 0xff)) $((bound & ((1 << 21) | (1 << 12) | 0xff)))
is 'the OOM killer may take it' 0 "$(x cat /proc/1/oom_score_adj)"
is 'umask 022' 0022 "$(x umask)"
like 'the configured resolver is in place' '^nameserver 192.0.2.53$' "$(x cat /etc/resolv.conf)"
like 'the shared hosts file is in place' canary-host "$(x cat /etc/hosts)"
t 'and read-only' x '! (echo x >>/etc/hosts) 2>/dev/null'
printf '172.31.199.10 later-host\n' >>"$T/run/hosts"
like 'what is appended to it shows at once' later-host "$(x cat /etc/hosts)"
is 'devices' 'fd full fuse? mqueue net null ptmx pts random shm stderr stdin stdout tty urandom zero' \
	"$(x ls /dev | tr '\n' ' ' | sed 's/full mqueue/full fuse? mqueue/; s/ $//')"
t '/dev/null, zero, full, random work' x 'head -c 9 /dev/zero >/dev/null && head -c 9 /dev/urandom >/dev/null && ! echo >/dev/full 2>/dev/null'
t 'a terminal works' x 'script -qc tty /dev/null </dev/null | grep -q /dev/pts/0'
is '/tmp is sticky and kept on the root' '1777 overlayfs' "$(x 'echo $(stat -c %a /tmp) $(stat -fc %T /tmp)')"
is '/run/lock' 1777 "$(x stat -c %a /run/lock)"

# --- what it cannot do ---
t 'no device nodes' x '! mknod /tmp/n c 1 3 2>/dev/null'
t 'the root cannot be made to allow devices' x '! mount -o remount,bind,dev / 2>/dev/null'
t '/sys cannot be written' x '! (echo 1 >/sys/kernel/mm/ksm/run) 2>/dev/null'
t '/proc/sys/kernel cannot be written' x '! (echo 1 >/proc/sys/kernel/panic) 2>/dev/null'
t '/proc/sys/net can' x 'echo 1 >/proc/sys/net/ipv4/ip_forward'
is 'masked files are empty' 0 "$(x 'cat /proc/keys /proc/interrupts /proc/kallsyms /proc/timer_list | wc -c')"
t 'no host log' x '! dmesg >/dev/null 2>&1'
t 'no nested user namespace by default' x '! unshare -U true 2>/dev/null'
t 'mounts of its own' x 'mount -t tmpfs x /mnt && umount /mnt'
t 'a network namespace of its own' x 'unshare -n true'
t 'the clock is out of reach' x '! date -s 2020-01-01 >/dev/null 2>&1'
is 'only lo in its network' lo "$(x 'ls /sys/class/net' | tr '\n' ' ' | sed 's/ $//')"

# --- on disk ---
x 'touch /root/made; cp /bin/true /root/suid; chmod 4755 /root/suid; useradd -u 1234 -m u 2>/dev/null; chown 1234:1234 /root/made; echo mine >/tmp/mine; mv /usr/share/doc /usr/share/doc2' >/dev/null
up=$T/state/workspaces/alice/upper
is 'ids on disk are id_base + n' "$((BASE + 1234)) $BASE" "$(stat -c %u "$up/root/made") $(stat -c %u "$up/root/suid")"
is 'the store is closed to others' 700 "$(stat -c %a "$T/state/workspaces/alice")"
# Whiteouts (device 0:0) are the overlay's own.
is 'nothing in the upper belongs to an id of the host' '' "$(find "$up" -uid -$BASE ! -type c)"

# --- second start ---
users=$(grep ^user <<<"$show") net=$(grep ^net <<<"$show")
t 'a stop' w stop
is 'a stop keeps the pinned namespaces' nsfs "$(stat -fc %T "$T/run/ws/alice/net")"
is 'and no process' '' "$(living)"
is 'and no group' 0 "$(find /sys/fs/cgroup -type d -path "*/$GROUP*" | wc -l)"
t 'a second start' w up
show=$(w show)
is 'has the same user and network namespace' "$users $net" "$(grep ^user <<<"$show") $(grep ^net <<<"$show")"
is 'finds its files' mine "$(x cat /tmp/mine)"
t 'a renamed image directory stays renamed' x 'test -d /usr/share/doc2 && ! test -e /usr/share/doc'
kill -9 "$(awk '/^pid/ {print $2}' <<<"$show")"
t 'down after ws-init was killed' w down
is 'leaves nothing' "$clean" "$(state)"
t 'down again' w down

# --- a hostile upper (D07) ---
canary=$T/canary
mkdir -p "$canary/etc" && echo safe >"$canary/hosts" && echo safe >"$canary/etc/hosts"
hash=$(find "$canary" | sort | xargs stat -c '%n %f %u %s' | sha256sum)
for kind in "ln -s $canary" mkfifo touch 'ln -s ../../../../../../..' 'ln -s self'; do
	for name in dev proc sys run tmp etc; do
		rm -rf --one-file-system "${up:?}/$name"; $kind "$up/$name"; chown -h $BASE:$BASE "$up/$name"
	done
	t "a start on an upper where every mount point is made by '${kind/$T/}'" w up
	is '  works inside' "alice /" "$(x 'echo $(hostname) $(readlink -f /proc/1/root)')"
	w down >/dev/null 2>&1
	is '  touches nothing outside' "$hash" "$(find "$canary" | sort | xargs stat -c '%n %f %u %s' | sha256sum)"
done
t 'what was in the way is kept' test -L "$up/dev.sshbay-saved"
for name in hosts resolv.conf hostname; do rm -rf "${up:?}/etc/$name"; ln -s "$canary/hosts" "$up/etc/$name"; done
t 'a start where etc/hosts, resolv.conf and hostname are links out' w up
like '  has its hosts file' canary-host "$(x cat /etc/hosts)"
w down >/dev/null 2>&1
is '  touches nothing outside' "$hash" "$(find "$canary" | sort | xargs stat -c '%n %f %u %s' | sha256sum)"
is 'leaves nothing' "$clean" "$(state)"
t 'purge' w purge
is 'leaves no file' '' "$(ls "$T/state/workspaces")"

# --- a worker killed after each step, and in the middle of them ---
for step in lease limits namespaces rootfs init devices ready; do
	w up-to $step >/dev/null 2>&1
	t "down after a worker was killed when '$step' was done" w down
	is '  leaves nothing' "$clean" "$(state)"
done
if command -v strace >/dev/null; then
	bad='' k=0
	for call in mount move_mount clone clone3 mkdir umount2 fsmount chown write; do
		for when in 1 2 3 5 8 13 21 30; do
			# strace ends by the signal that its child ended by; the shell would tell each time.
			{ timeout -s KILL 20 strace -qq -e trace=$call -e inject=$call:signal=KILL:when=$when -o /dev/null \
				"$MAKER" -d "$T" -i "$IMAGES" -I "$BIN/ws-init" -g "$GROUP" -u $BASE up </dev/null; } >/dev/null 2>&1
			w down >"$T/out" 2>&1 || bad+="down after $call $when: $(cat "$T/out"); "
			now=$(state)
			# The helper of a killed worker dies by a signal of its own, which takes a moment.
			[ "$now" = "$clean" ] || { sleep 0.3; now=$(state); }
			[ "$now" = "$clean" ] || bad+="left after $call $when: $(diff <(echo "$clean") <(echo "$now") | head -3); "
			k=$((k + 1))
		done
	done
	is "nothing is left after a kill at any of $k system calls" '' "$bad"
	t 'and a start works after all that' w up
	w down >/dev/null
else
	skip 'kill in the middle of steps' 'strace is not installed'
fi

# --- refusals ---
w purge; rm -f "$T/record"
out=$(w -b nosuch up 2>&1)
like 'a missing image is named with its directory' "mount image 'nosuch': no such image under $IMAGES \((scripts/mkrootfs|sshbay image build)" "$out"
w down; rm -f "$T/record"
is 'and leaves nothing' "$clean" "$(state)"
mkdir -p "$T/full"; mount -t tmpfs -o size=64k,nr_inodes=3 tmpfs "$T/full"; mount --bind "$T/full" "$T/state"
out=$(w up 2>&1)
like 'a full disk is told with what is free' "no space left under $T/state \(free: .*inodes\)" "$out"
is 'and nothing is left there' '' "$(ls "$T/state/workspaces" 2>/dev/null)"
umount "$T/state"; umount "$T/full"
w down; is 'nor elsewhere' "$clean" "$(state)"
OPTS=(-x)
t 'with nesting' w up
t '  nested user namespaces work' x 'unshare -Urmpf --mount-proc true'
w down >/dev/null
echo "1..$n"
exit $failed
