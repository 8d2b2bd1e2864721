#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A whole bed on Debian 12's kernel with nothing but cgroup v2: limits, delegation, life cycle, adoption, doctor.
# Runs in the lab: started anywhere else it starts itself there.
[ -n "${SSHBAY_LAB:-}" ] || exec "$(dirname "$0")/../../scripts/lab" run -c 2 "$0"
. "$(dirname "$0")/../lib.sh"

# As systemd leaves it: provisiond in a service's group, and no controller enabled for what is beside it.
mkdir -p /sys/fs/cgroup/system.slice/provisiond.service
echo $$ >/sys/fs/cgroup/system.slice/provisiond.service/cgroup.procs
is "nothing is enabled at first" "" "$(cat /sys/fs/cgroup/cgroup.subtree_control)"
is "no v1 hierarchy" "" "$(awk '$3 == "cgroup"' /proc/self/mounts)"
like "Debian's kernel" '^6\.1\..*-amd64$' "$(uname -r)"
bed_up - <<'E2'
[workspace small]
users = bob
memory = 64M
swap = 16M
pids = 40
cpus = 1-1
control_ip = 172.31.199.1
[workspace half]
users = carol
memory = 128M
swap = 0
cpus = 1
pids = 100
[workspace free]
users = user
memory = unlimited
swap = unlimited
pids = unlimited
E2
GROUPS_DIR=/sys/fs/cgroup/system.slice/$(sed -n 2p "$BED/testbed.id")
value() { cat "$GROUPS_DIR/$1" 2>&1; }
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
groups() { find /sys/fs/cgroup -type d -path "*/${GROUPS_DIR##*/}*" | sort; }

# --- doctor ---
doctor=$(bay doctor 2>&1)
unlike "doctor finds nothing that fails" 'FAIL' "$doctor"
like "doctor sees the controllers of v2" 'v2:.* cpu .*cpuset.* memory.* pids' "$doctor"

# --- logins ---
is "the first login creates the workspace" "alice alice" "$(on alice@gate 'echo $(id -un) $(hostname)' 2>&1)"
is "a login by the workspace's address" "bob small" "$(on bob@172.31.199.1 'echo $(id -un) $(hostname)' 2>&1)"
bay stop small >/dev/null 2>&1
is "a login by a stopped workspace's address" "bob small" "$(on bob@172.31.199.1 'echo $(id -un) $(hostname)' 2>&1)"
like "the root is an overlay" ' overlay ' "$(on alice@gate 'grep " / / " /proc/self/mountinfo' 2>&1)"
is "files of the image are root's inside" "0 0" "$(on alice@gate 'stat -c "%u %g" /usr/bin/sudo' 2>&1)"
on alice@gate 'sudo touch /etc/new; sudo chmod g+s /usr/bin/sudo' >/dev/null 2>&1
is "what is written belongs to the workspace's ids" "$(field alice id_base)" "$(stat -c %u "$BED/state/workspaces/alice/upper/etc/new")"
is "and so does what is copied up" "$(field alice id_base)" "$(stat -c %u "$BED/state/workspaces/alice/upper/usr/bin/sudo")"

# --- limits ---
is "memory.max" 67108864 "$(value small/memory.max)"
is "memory.swap.max" 16777216 "$(value small/memory.swap.max)"
is "pids.max" 40 "$(value small/pids.max)"
is "cpuset.cpus" 1 "$(value small/cpuset.cpus)"
like "a process over the limit is killed and told why" 'out of memory.*64' "$(on bob+small@gate 'exec tail /dev/zero' 2>&1)"
like "the kill is counted in its group" 'oom_kill [1-9]' "$(value small/memory.events)"
t "the workspace lives on" on bob+small@gate true
# Beyond the login's own limit, which keeps some processes for root.
like "a fork bomb meets pids.max" 'Resource temporarily unavailable|Cannot fork|retry' \
	"$(on bob+small@gate 'ulimit -u unlimited; for i in $(seq 100); do sleep 3 & done; wait' 2>&1)"
await 20 on bob+small@gate true
like "and that is counted" 'max [1-9]' "$(value small/pids.events) $(value small/payload/pids.events)" # which of them depends on the kernel
is "a list of CPUs: only those" "1 1" "$(on bob+small@gate 'echo $(awk "/Cpus_allowed_list/{print \$2}" /proc/self/status) $(nproc)' 2>&1)"
on carol+half@gate true
is "a count of CPUs: cpu.max" "100000 100000" "$(value half/cpu.max)"
is "swap = 0" 0 "$(value half/memory.swap.max)"
# Two loops for three seconds on two CPUs: the group may use little more than three.
before=$(awk '/^usage_usec/{print $2}' "$GROUPS_DIR/half/cpu.stat")
on carol+half@gate 'timeout 3 sh -c "while :; do :; done" & timeout 3 sh -c "while :; do :; done" & wait' >/dev/null 2>&1
like "and it is throttled" 'nr_throttled [1-9]' "$(value half/cpu.stat)"
used=$(($(awk '/^usage_usec/{print $2}' "$GROUPS_DIR/half/cpu.stat") - before))
[ $used -lt 4500000 ] && ok "to about one CPU" || not_ok "to about one CPU" "$used us in 3 s"
is "a workspace without limits" "user free" "$(on user+free@gate 'echo $(id -un) $(hostname)' 2>&1)"
is "has none" "max max" "$(value free/memory.max) $(value free/pids.max)"
bay destroy --purge free half >/dev/null 2>&1

# --- delegation ---
root() { on alice@gate sudo sh -c "'$1'" 2>&1; }
is "the payload is the root of its processes' groups" "0::/" "$(on alice@gate cat /proc/self/cgroup)"
is "the limits' own group is root's" "0 0 0" "$(stat -c %u "$GROUPS_DIR"/alice "$GROUPS_DIR"/alice/memory.max "$GROUPS_DIR"/alice/cgroup.kill | tr '\n' ' ' | sed 's/ $//')"
is "the payload is the tenant's" "$(field alice id_base)" "$(stat -c %u "$GROUPS_DIR/alice/payload")"
like "its controllers reach it" 'memory.*pids' "$(root 'cat /sys/fs/cgroup/cgroup.controllers')"
is "it makes groups and puts processes into them" "0::/app" \
	"$(root 'cd /sys/fs/cgroup; mkdir app; sh -c "echo 0 >app/cgroup.procs; cat /proc/self/cgroup"')"
is "and limits them" 8 "$(root 'cd /sys/fs/cgroup; mkdir leaf; for p in $(cat cgroup.procs); do echo $p >leaf/cgroup.procs; done 2>/dev/null
	echo +pids >cgroup.subtree_control && echo 8 >app/pids.max && cat app/pids.max')"
t "a login after the tenant has moved everything and enabled controllers" on alice@gate true
cannot() { # NAME COMMAND: it must fail inside, as root
	local out
	out=$(on alice@gate sudo sh -c "'$2'" 2>&1) && not_ok "$1" "$out" || ok "$1"
}
for f in memory.max memory.high memory.swap.max pids.max cpu.max cgroup.max.depth cgroup.max.descendants cgroup.freeze; do
	cannot "it cannot write the payload's $f" "echo max >/sys/fs/cgroup/$f"
done
cannot "nor kill its own root" 'echo 1 >/sys/fs/cgroup/cgroup.kill'
cannot "nor reach the group above" 'test -e /sys/fs/cgroup/../alice || test -e /sys/fs/cgroup/payload || ls -d /sys/fs/cgroup/../../alice'
is "a fresh mount shows the payload, not what is above" "app leaf" \
	"$(root 'mkdir -p /cg; mount -t cgroup2 x /cg && ls -d /cg/*/ | xargs -n1 basename | xargs; umount /cg')"
is "the limits above are untouched" "1073741824 512" "$(value alice/memory.max) $(value alice/pids.max)"

# --- provisiond dies ---
init=$(field alice init_pid)
"$ROOT/scripts/testbed" kill "$BED" provisiond
"$ROOT/scripts/testbed" start "$BED" provisiond
is "a new provisiond adopts the workspace" "running $init" "$(field alice state) $(field alice init_pid)"
t "logins go on" await 20 on alice@gate true
kill -KILL "$init"
await 10 sh -c "$BED/sshbay list | grep -q 'alice.*stopped'"
is "a killed ws-init: its groups are gone" "" "$(groups | grep /alice)"
t "and the next login starts it" on alice@gate true

# --- the end ---
bay stop alice >/dev/null 2>&1
is "a stop leaves no group" "" "$(groups | grep /alice)"
t "a login starts it again" on alice@gate true
on alice@gate 'sudo sh -c "cd /sys/fs/cgroup; mkdir -p a/b/c; for i in 1 2 3; do setsid sh -c \"echo 0 >a/b/c/cgroup.procs; exec sleep 600\" & done"' >/dev/null 2>&1
t "destroy with nested groups full of processes" bay destroy --purge alice
bay destroy --purge small >/dev/null 2>&1
is "the last workspace takes every group with it" "" "$(groups)"
finish
