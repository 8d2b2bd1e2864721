#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A tenant who is root in a workspace and means harm: traps for whoever comes in, a scanner for what shines through, names
# that change under the worker's hands, system calls, devices, groups, clocks, and bombs of every kind.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace small]
users = bob
memory = 64M
swap = 0
pids = 64
[workspace beside]
users = carol
E2
on alice@gate true
on carol+beside@gate true
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
give() { "$BED/run" scp -q -F "$BED/ssh_config" "$1" "$2:$3"; }
root() { on alice@gate "sudo sh -c '$1'" 2>&1; }
upper=$BED/state/workspaces/alice/upper
rt=$(sed -n 1p "$BED/testbed.id")
CC=${CC:-gcc}

probe=$WORK/probe
if ! $CC -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$probe" "$(dirname "$0")/tenant_probe.c" 2>"$WORK/cc.log"; then
	not_ok "the probe compiles" "$(cat "$WORK/cc.log")"
	finish
fi
give "$probe" alice@gate probe; give "$probe" bob+small@gate probe; give "$probe" carol+beside@gate probe

# --- the system call table (D15) and what is left to root ---
is "every system call of the table answers as it should" "" "$(on alice@gate 'sudo ./probe syscalls' 2>&1)"
if unshare -Ur true 2>/dev/null; then
	like "outside of a workspace the same table differs (the probe can fail)" 'keyctl: ' "$(timeout 20 unshare -Urmn "$probe" syscalls </dev/null 2>&1)"
fi
bnd=$(on alice@gate "awk '/^CapBnd/{print \$2}' /proc/1/status")
is "the bounding set lacks modules, raw i/o, time, MAC, syslog, bpf, perfmon, audit control, wake alarm and block suspend" 0 \
	"$((0x$bnd & (1<<16 | 1<<17 | 1<<25 | 1<<30 | 1<<32 | 1<<33 | 1<<34 | 1<<35 | 1<<36 | 1<<38 | 1<<39)))"
is "capabilities of PID 1 are in the bounding set" "$bnd $bnd" "$(on alice@gate "awk '/^Cap(Prm|Eff)/{printf \"%s \", \$2}' /proc/1/status" | sed 's/ $//')"

# --- devices (D14) ---
is "/dev has the nodes of the table and no others" "full null ptmx random tty tun urandom zero" \
	"$(root 'for f in $(find /dev ! -type d ! -type l ! -path "/dev/pts/[0-9]*"); do [ -f $f ] || basename $f; done' | sort | tr '\n' ' ' | sed 's/ $//')"
cannot() { # NAME SCRIPT: it must fail, and not because the tool is missing
	local out rc
	out=$(on alice@gate "sudo sh -c '$2'" 2>&1); rc=$?
	if [ $rc = 0 ]; then not_ok "cannot $1" "it worked: $out"
	elif [ $rc = 127 ] || [ $rc = 255 ] || [ $rc = 254 ]; then not_ok "cannot $1" "exit $rc: $out"
	else ok "cannot $1"; fi
}
cannot "make a character device" 'mknod /tmp/mem c 1 1'
cannot "make a block device" 'mknod /tmp/disk b 254 0'
cannot "make one on a tmpfs with dev" 'mount -t tmpfs -o dev t /mnt; mknod /mnt/null c 1 3'
root 'umount -q /mnt' >/dev/null
cannot "mount devtmpfs" 'mount -t devtmpfs d /mnt'
cannot "mount a disk" 'mount -t ext4 -o ro /dev/vda /mnt'
mknod "$upper/node" c 1 3; chmod 666 "$upper/node"
cannot "use a node in its own files" 'cat /node'
cannot "use it after asking for dev" 'mount -o remount,dev / ; cat /node'
cannot "use it through a bind mount with dev" 'mkdir -p /b; mount --bind / /b; mount -o remount,bind,dev /b; cat /b/node'
root 'umount -ql /b; rm -f /node' >/dev/null

# --- clocks, modules, swap, sysrq (D44), also behind the masks ---
root 'mkdir -p /p /s; mount -t proc proc /p; mount -t sysfs sysfs /s; umount -q /proc/sysrq-trigger /proc/kcore /proc/keys /proc/sys/net; umount -q /proc/sys' >/dev/null
cannot "set the clock" 'date -s 2020-01-01'
cannot "trigger sysrq" 'echo h >/proc/sysrq-trigger'
cannot "trigger sysrq in a fresh proc" 'echo h >/p/sysrq-trigger'
cannot "set core_pattern" 'echo "|/x" >/p/sys/kernel/core_pattern'
cannot "set modprobe's path" 'echo /x >/p/sys/kernel/modprobe'
cannot "use swap" 'dd if=/dev/zero of=/swap bs=1M count=1 2>/dev/null; chmod 600 /swap; PATH=$PATH:/sbin:/usr/sbin; mkswap -q /swap && swapon /swap || exit 1'
cannot "read the kernel's memory" 'dd if=/p/kcore bs=1 count=1 of=/dev/null'
is "kernel addresses are hidden" "" "$(root 'grep -v "^0000000000000000" /p/kallsyms | head -3')"
# Session keyrings of its own ids only (another bed on this machine may have the same range).
is "no key of the host is listed" "" "$(root 'cat /p/keys /proc/keys' | grep -vE '^[0-9a-f]+ I--Q--- +[0-9]+ perm 3f030000 +0 +0 keyring +_ses: empty$')"
is "only namespaced sysctls can be written" "" \
	"$(root '/home/alice/probe writable /p/sys' | grep -vE '^/p/sys/(net/|user/max_|fs/mqueue/|kernel/(auto_msgmni|(msg|sem|shm)(_next_id|max|mnb|mni|all|_rmid_forced)|sem|ns_last_pid|pid_max|hostname|domainname)$)')"
is "only network interfaces can be written in sysfs" "" "$(root '/home/alice/probe writable /s' | grep -vE '/net/')"
root 'umount -ql /p /s' >/dev/null

# --- control groups (D41), keyrings (D35) ---
for c in memory pids cpu cpuset devices freezer blkio; do
	cannot "change a v1 $c group" "mkdir -p /cg; mount -t cgroup -o $c x /cg || exit 1; echo 1 >/cg/cgroup.procs; mkdir /cg/x; r=\$?; umount /cg; exit \$r"
done
cannot "set a release agent" 'mkdir -p /cg; mount -t cgroup -o memory x /cg; echo /x >/cg/release_agent || echo 1 >/cg/notify_on_release'
root 'umount -ql /cg' >/dev/null
if [ -n "$(root 'ls /sys/fs/cgroup')" ]; then
	for f in cgroup.max.descendants cgroup.max.depth cgroup.freeze memory.max pids.max; do cannot "write its own $f" "echo max >/sys/fs/cgroup/$f"; done
	is "a fresh cgroup2 mount shows its own group only" "1" "$(root 'mkdir -p /cg; mount -t cgroup2 x /cg; grep -cx 1 /cg/cgroup.procs; umount /cg')"
	is "nested groups are bounded" 1 "$(n=$(root 'cd /sys/fs/cgroup; i=0; while mkdir g$i 2>/dev/null; do i=$((i+1)); [ $i -lt 3000 ] || break; done; echo $i; rmdir g*'); echo $((n > 100 && n <= 1024)))"
fi
is "its groups are roots" "" "$(on alice@gate 'grep -v ":/$" /proc/self/cgroup')"
is "keyrings are closed" 38 "$(root 'perl -e "syscall(250, 0, -3, 0); print \$!+0"')"

# --- what shines through (D43) ---
host=$(uname -n)
foreign="$WORK|$BED|$rt/ws|${host}|sb-$(sed -n 2p "$BED/testbed.id" | sed 's/.*-//')/ws"
unlike "nothing of the host in the process and mount files" "$foreign" \
	"$(root 'cat /proc/*/mountinfo /proc/*/cmdline /proc/*/environ /proc/*/maps /proc/*/cgroup /proc/net/* /proc/sys/kernel/hostname /proc/sys/kernel/domainname 2>/dev/null' | tr '\0' '\n' | grep -av "$rt/hosts")"
is "no address of the bed's interfaces" "" "$(root 'cat /sys/class/net/*/address /proc/net/arp; ip neigh; ip -br link' | grep -iFf <(cat /sys/class/net/*/address | grep -v '^00:00:00:00:00:00' || echo none))"
is "descriptors of PID 1 are null, sockets and its own" "" "$(root 'ls -l /proc/1/fd' | grep -- '->' | grep -vE -- '-> (/dev/null|socket:\[[0-9]+\]|anon_inode:\[(eventpoll|signalfd)\])$')"
is "a login has descriptors 0, 1 and 2 only" "0 1 2" "$(on alice@gate 'for n in $(seq 0 254); do [ ! -e /proc/$$/fd/$n ] || echo $n; done' | tr '\n' ' ' | sed 's/ $//')"
is "the environment of PID 1" "PATH container" "$(root 'tr "\0" "\n" </proc/1/environ' | sed 's/=.*//' | sort | tr '\n' ' ' | sed 's/ $//')"
unlike "no name of another's process" 'provisiond|sshd-gate|sb-worker' "$(root 'cat /proc/[0-9]*/comm')"

# --- traps for a host process that comes in (D05) ---
cat >"$WORK/evil.c" <<'C'
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <nss.h>
#include <pwd.h>
/* Leaves the user namespace it runs in where a tenant can see it, and, if it can, where only the host has a directory. */
static void leave(const char *path)
{
	char ns[65];
	ssize_t n = readlink("/proc/self/ns/user", ns, sizeof(ns) - 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd >= 0 && n > 0) { ns[n] = '\n'; if (write(fd, ns, (size_t)n + 1) < 0) n = 0; }
	if (fd >= 0) close(fd);
}
__attribute__((constructor)) static void begin(void) { leave("/var/tmp/canary"); leave(HOST "/canary-host"); }
enum nss_status _nss_evil_getpwnam_r(const char *n, struct passwd *p, char *b, size_t l, int *e) { (void)n, (void)p, (void)b, (void)l, (void)e; begin(); return NSS_STATUS_NOTFOUND; }
int gconv_init(void *p) { (void)p; begin(); return 1; }
C
$CC -shared -fPIC -DHOST="\"$WORK\"" -o "$WORK/evil.so" "$WORK/evil.c" || not_ok "the trap compiles"
give "$WORK/evil.so" alice@gate evil.so
root 'install -m 755 /home/alice/evil.so /usr/lib/evil.so; d=$(dirname "$(find /usr/lib -name "libc.so.6" | head -1)")
	cp /usr/lib/evil.so $d/libnss_evil.so.2; : >/var/tmp/canary; chmod 666 /var/tmp/canary
	sed -i "s/^passwd:.*/passwd: evil files/; s/^group:.*/group: evil files/; s/^hosts:.*/hosts: evil files dns/" /etc/nsswitch.conf
	mkdir -p $d/gconv; cp /usr/lib/evil.so $d/gconv/EVIL.so; printf "module UTF-8// INTERNAL EVIL 1\nmodule INTERNAL UTF-8// EVIL 1\n" >$d/gconv/gconv-modules
	rm -f /etc/localtime; mkfifo /etc/localtime; printf "TZ=/etc/localtime\nLD_PRELOAD=/usr/lib/evil.so\n" >>/etc/environment
	echo /usr/lib/evil.so >/etc/ld.so.preload' >/dev/null
fails=0
for _ in $(seq 25); do on alice@gate true >/dev/null 2>&1 || fails=$((fails + 1)); on -tt alice@gate true </dev/null >/dev/null 2>&1 || fails=$((fails + 1)); done
bay stop alice >/dev/null; bay start alice >/dev/null
bay enter alice -- true >/dev/null 2>&1 </dev/null
echo get /etc/hostname "$WORK/got" | "$BED/run" sftp -q -b - -F "$BED/ssh_config" alice@gate >/dev/null 2>&1
is "logins go on among traps" 0 "$fails"
is "the traps sprang, and inside only" "$(readlink "/proc/$(field alice init_pid)/ns/user")" "$(sort -u "$upper/var/tmp/canary")"
[ -e "$WORK/canary-host" ] && not_ok "nothing of the tenant's ran on the host" "$(sort -u "$WORK/canary-host")" || ok "nothing of the tenant's ran on the host"
bay destroy --purge alice >/dev/null; on alice@gate true; give "$probe" alice@gate probe

# --- a scanner during logins and a restart (D06) ---
secret=$(printf '%s' "$rt/" | rev)
scan() { on -f alice@gate "sudo setsid ./probe scan $1 '$secret' >>hits 2>&1 </dev/null &" >/dev/null 2>&1; await 5 sh -c "grep -q begun '$upper/home/alice/hits'"; }
scan 12 & wait $!
fails=0
for _ in $(seq 100); do on alice@gate true >/dev/null 2>&1 || fails=$((fails + 1)); done
is "a hundred logins under a scanner" 0 "$fails"
bay stop alice >/dev/null; bay start alice >/dev/null
scan 4
for _ in $(seq 10); do on alice@gate true >/dev/null 2>&1; done
await 20 sh -c "grep -q rounds '$upper/home/alice/hits'"
like "the scanner did its rounds" 'rounds [1-9]' "$(cat "$upper/home/alice/hits")"
unlike "and found nothing of the host" HIT "$(sort "$upper/home/alice/hits" | uniq -c | head -20)"

# --- names exchanged under the worker's hands (D08) ---
mkdir -p "$WORK/canary/dev" "$WORK/canary/pts"; echo untouched >"$WORK/canary/hosts"
canary() { find "$WORK/canary" "$WORK/canary"/* -printf '%p %s %m %U %C@\n' | sort -u | sha256sum; }
before=$(canary)
bay stop alice >/dev/null
for d in etc dev run tmp proc sys; do ln -sfn "$WORK/canary" "$upper/$d.other"; [ -e "$upper/$d" ] || mkdir -m 755 "$upper/$d"; done
base=$(field alice id_base); chown -h "$base:$base" "$upper"/*.other; chown "$base:$base" "$upper"/{etc,dev,run,tmp,proc,sys}
(cd "$upper" && exec "$probe" race etc etc.other dev dev.other run run.other tmp tmp.other proc proc.other sys sys.other) & racer=$!
good=0 said=0 odd=
for _ in $(seq 20); do
	if out=$(bay start alice 2>&1); then good=$((good + 1)); elif grep -q "workspace 'alice'\|'alice'" <<<"$out"; then said=$((said + 1)); else odd=$out; fi
	bay stop alice >/dev/null 2>&1
done
kill $racer; wait $racer 2>/dev/null
echo "# $good started, $said refused"
is "each of 20 starts works or says why" "20 " "$((good + said)) $odd"
is "and nothing outside was touched" "$before" "$(canary)"
for d in etc dev run tmp proc sys; do [ ! -L "$upper/$d" ] || { rm -f "$upper/$d"; [ ! -d "$upper/$d.other" ] || mv "$upper/$d.other" "$upper/$d"; }; done
t "when the race is over, a login works" on alice@gate true
bay destroy --purge alice >/dev/null; on alice@gate true; give "$probe" alice@gate probe

# --- bombs (D24, D25, D27) ---
quick() { # NAME: the neighbour is served in seconds, the host can fork
	local s=${EPOCHREALTIME/./}
	if on carol+beside@gate true && (:) && [ $((${EPOCHREALTIME/./} - s)) -lt 15000000 ]; then ok "$1: the neighbour is served"; else not_ok "$1: the neighbour is served" "took $((${EPOCHREALTIME/./} - s)) us"; fi
}
(timeout 30 "$BED/run" ssh -F "$BED/ssh_config" bob+small@gate 'b() { b | b & sleep 20; }; b' >/dev/null 2>&1 &)
sleep 2
is "a fork bomb: its owner logs in" in "$(on bob+small@gate 'echo in' 2>&1)"
quick "a fork bomb"
t "and ends it" on bob+small@gate 'exec sudo pkill -9 -u bob'
await 5 on bob+small@gate '[ "$(ls | wc -l)" -gt 0 ]'
is "after which all is well" 3 "$(on bob+small@gate 'seq 3 | tail -n 1' 2>&1)"
bomb() { # NAME COMMAND
	local free s=$SECONDS
	free=$(awk '/^MemAvailable/{print $2}' /proc/meminfo)
	on bob+small@gate "$2" >/dev/null 2>&1
	[ $((free - $(awk '/^MemAvailable/{print $2}' /proc/meminfo))) -lt 700000 ] && ok "$1 stays within its memory" || not_ok "$1 stays within its memory"
	quick "$1"
	if await 15 on bob+small@gate true; then ok "$1: the owner can log in"; else not_ok "$1: the owner can log in" "after $((SECONDS - s)) s"; fi
}
bomb "a memory bomb" 'tail /dev/zero'
bomb "a bomb in /dev/shm" 'dd if=/dev/zero of=/dev/shm/x bs=1M count=1000; dd if=/dev/zero of=/dev/shm/y bs=1M count=1000'
bomb "a bomb in a tmpfs of its own" 'sudo sh -c "mount -t tmpfs -o size=10g t /mnt && dd if=/dev/zero of=/mnt/x bs=1M count=2000"'
bomb "a bomb in /run" 'sudo dd if=/dev/zero of=/run/x bs=1M count=1000'
bay stop small >/dev/null; on bob+small@gate true
bomb "a bomb of page cache" 'dd if=/dev/zero of=big bs=1M count=200; cat big >/dev/null; rm big'
for what in pty inotify timer net; do
	(on alice@gate "sudo ./probe exhaust $what 100000 4" >"$WORK/n.$what" 2>&1 &)
	await 10 test -s "$WORK/n.$what"
	is "when one workspace has taken every $what, the next one gets its own" 5 "$(on carol+beside@gate "sudo ./probe exhaust $what 5 0")"
	[ "$what" = pty ] || is "and so does the host ($what)" 5 "$(unshare -n "$probe" exhaust $what 5 0)"
	sleep 4
done
like "terminals are bounded" '^(2[0-4][0-9]|25[0-6])$' "$(cat "$WORK/n.pty")"
t "a terminal can be had again" await 60 on -tt alice@gate true
finish
