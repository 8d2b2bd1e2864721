#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The workspace itself: namespaces, ids, root file system and its persistence, packages, limits, what a tenant cannot do,
# and a hostile root file system.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace small]
users = bob
memory = 64M
swap = 0
pids = 40
cpus = 0-0
[workspace plain]
users = carol
root = no
E2
on alice@gate true
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }

# --- namespaces and ids ---
base=$(field alice id_base)
is "the id map" "0 $base 262144" "$(on alice@gate cat /proc/self/uid_map | awk '{print $1,$2,$3}')"
for ns in user mnt pid net ipc uts cgroup; do
	[ "$(on alice@gate readlink /proc/self/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ] && ok "own $ns namespace" || not_ok "own $ns namespace"
done
on alice@gate 'sudo touch /etc/made-by-root; touch ~/mine'
is "files of the inside root belong to the workspace's ids outside" "$base" "$(stat -c %u "$BED/state/workspaces/alice/upper/etc/made-by-root")"
like "PID 1 is ws-init from a sealed memory file" 'memfd:' "$(on alice@gate sudo readlink /proc/1/exe)"
is "the store is closed to others" "700" "$(stat -c %a "$BED/state/workspaces")"
is "interfaces inside" "eth0 lo" "$(on alice@gate 'ls /sys/class/net' | tr '\n' ' ' | sed 's/ $//')"
like "a /32 address on eth0" "$(field alice control_ip)/32" "$(on alice@gate ip -4 -br addr show eth0)"
unlike "no mount of the host is visible" "$BED|/work|/dev/vd|/dev/sd" "$(on alice@gate cat /proc/self/mountinfo | awk '$5 != "/" && $5 !~ /^.(etc.hosts|run.sshbay)/')"
like "capabilities are bounded" 'CapBnd' "$(on alice@gate grep CapBnd /proc/1/status)"
is "seccomp is on" 2 "$(on alice@gate awk '/^Seccomp:/{print\ \$2}' /proc/self/status)"

# --- what root inside cannot do ---
no() { if on alice@gate "sudo sh -c '$2'" >/dev/null 2>&1; then not_ok "cannot $1"; else ok "cannot $1"; fi; }
no "load a module" 'echo x >/m.ko; perl -e "exit(syscall(175,0,0,0)==0?0:1)"'
no "make a device node" 'mknod /dev/x b 254 0'
no "mount a host disk" 'mount -t ext4 /dev/vda /mnt'
no "write sysrq-trigger" 'test ! -c /proc/sysrq-trigger && echo b >/proc/sysrq-trigger'
no "write a host sysctl" 'echo 1 >/proc/sys/kernel/panic'
no "set the clock" 'date -s 2020-01-01'
no "read the kernel log" 'dmesg | grep .'
no "raise its limits through a v1 cgroup mount" 'mkdir -p /c && mount -t cgroup -o memory x /c && echo -1 >/c/memory.limit_in_bytes'
no "set a release agent" 'grep -q " /c cgroup " /proc/mounts && { echo /x >/c/release_agent || echo 1 >/c/notify_on_release; }'
no "remount /sys writable" 'mount -o remount,rw /sys'
no "see keys of the host" 'grep . /proc/keys'
is "reboot ends only the workspace" yes "$(on alice@gate 'sudo perl -e "syscall(169,0xfee1dead,672274793,0x1234567,0)" 2>/dev/null'; await 5 on alice@gate true && echo yes)"

# --- the file system persists ---
on alice@gate 'sudo sh -c "echo kept >/etc/kept; rm /etc/debian_version; mv /usr/share/misc /usr/share/misc2 2>/dev/null; mkdir /opt/d"'
mkdir -p "$WORK/deb/DEBIAN" "$WORK/deb/usr/bin"
printf 'Package: hello-bay\nVersion: 1\nArchitecture: all\nMaintainer: t <t@t>\nDescription: t\n' >"$WORK/deb/DEBIAN/control"
printf '#!/bin/sh\necho hello from a package\n' >"$WORK/deb/usr/bin/hello-bay"; chmod +x "$WORK/deb/usr/bin/hello-bay"
dpkg-deb --root-owner-group -b "$WORK/deb" "$WORK/hello.deb" >/dev/null
"$BED/run" scp -q -F "$BED/ssh_config" "$WORK/hello.deb" alice@gate:
t "apt-get install works inside" on alice@gate 'sudo apt-get install -y ./hello.deb'
is "the package runs" "hello from a package" "$(on alice@gate hello-bay)"
t "sshbay stop" bay stop alice
is "state is stopped" stopped "$(field alice state)"
is "the package survives stop and start" "hello from a package" "$(on alice@gate hello-bay)"
is "so do other changes" "kept gone" "$(on alice@gate 'echo $(cat /etc/kept) $(test -e /etc/debian_version || echo gone)')"
ip=$(field alice control_ip)
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
is "and a restart of provisiond" "hello from a package" "$(on alice@gate hello-bay)"
bay destroy alice >/dev/null
is "destroy without --purge keeps the files" "hello from a package" "$(on alice@gate hello-bay)"
is "and the id range" "$base" "$(field alice id_base)"
bay destroy --purge alice >/dev/null
on alice@gate hello-bay >/dev/null 2>&1; is "destroy --purge does not" 127 $?
: "$ip"

# --- root = no ---
is "root = no gives a login without sudo" no "$(on carol+plain@gate 'sudo -n true 2>/dev/null && echo yes || echo no')"

# --- limits ---
on bob+small@gate true
like "memory: a process over the limit is killed and told why" 'out of memory.*64' \
	"$(on bob+small@gate 'head -c 200M /dev/zero | tail' 2>&1; on bob+small@gate 'exec tail /dev/zero' 2>&1)"
t "memory: the workspace lives" on bob+small@gate true
like "memory: the events tell of it" '"ev":"ws.oom".*"ws":"small".*out of memory .limit 64M' "$(bay events small)"
like "pids: a fork bomb meets the limit" 'Resource temporarily unavailable|Cannot fork|retry' \
	"$(on bob+small@gate 'for i in $(seq 100); do sleep 3 & done; wait' 2>&1)"
await 60 on bob+small@gate true
is "cpus: only the listed ones" 0 "$(on bob+small@gate "awk '/Cpus_allowed_list/{print \$2}' /proc/self/status")"
is "nproc agrees" 1 "$(on bob+small@gate nproc)"

# --- a hostile root file system ---
upper=$BED/state/workspaces/alice/upper
on alice@gate true
bay stop alice >/dev/null
mkdir -p "$WORK/canary"; echo untouched >"$WORK/canary/f"
before=$(find "$WORK/canary" -printf '%p %s %T@ %m\n' | sha256sum)
for d in dev proc sys run tmp; do rm -rf "${upper:?}/$d"; ln -s "$WORK/canary" "$upper/$d"; done
mkdir -p "$upper/etc"; rm -f "$upper/etc/hosts"; ln -s "$WORK/canary/f" "$upper/etc/hosts"
ln -sf "$WORK/canary/f" "$upper/etc/resolv.conf"; ln -sf "$WORK/canary/f" "$upper/etc/hostname"
chown -hR "$(field alice id_base):$(field alice id_base)" "$upper/dev" "$upper/etc"
out=$(on alice@gate 'echo in' 2>&1)
like "a farm of symbolic links: it works, or says why" '^in$|sshbay: ' "$out"
is "and nothing outside was touched" "$before" "$(find "$WORK/canary" -printf '%p %s %T@ %m\n' | sha256sum)"
bay destroy --purge alice >/dev/null
on alice@gate true; bay stop alice >/dev/null
rm -f "$upper/etc/passwd"; mkdir -p "$upper/etc"; mkfifo "$upper/etc/passwd"
s=$SECONDS; out=$(on alice@gate true 2>&1); rc=$?
[ $((SECONDS - s)) -lt 60 ] && ok "a FIFO as /etc/passwd does not hang a login" || not_ok "a FIFO as /etc/passwd does not hang a login"
like "but is explained" 'sshbay: .*passwd' "$out"
is "with our exit status" 254 $rc
bay destroy --purge alice >/dev/null
on alice@gate 'sudo sh -c "echo /tmp/evil.so >/etc/ld.so.preload; mkdir -p /etc/evil"' >/dev/null 2>&1
bay stop alice >/dev/null
out=$(on alice@gate 'echo in' 2>/dev/null)
is "a missing LD_PRELOAD library harms only the inside" in "$out"
rm -f "$upper/bin" "$upper/usr/bin/bash"; mkdir -p "$upper/usr/bin"
bay stop alice >/dev/null; mknod "$upper/usr/bin/bash" c 0 0; mknod "$upper/usr/bin/dash" c 0 0; mknod "$upper/usr/bin/sh" c 0 0
like "a missing shell is explained" "sshbay: .*shell|bash" "$(on alice@gate true 2>&1)"
finish
