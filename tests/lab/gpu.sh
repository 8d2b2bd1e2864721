#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A render node (vgem: a DRM driver without hardware) leased to a workspace, on Debian's kernel with systemd and nothing but
# cgroup v2: only its workspace opens it, and neither systemd, which reloads, executes itself anew or sets properties of the
# slice, nor a restart of the services changes that.
# Runs in the lab: started anywhere else it starts itself there.
[ -n "${SSHBAY_LAB:-}" ] || exec "$(dirname "$0")/../../scripts/lab" run -s "$0"
. "$(dirname "$0")/../lib.sh"

cp -a --no-preserve=ownership "$ROOT/installed/." /
systemd-sysusers >/dev/null 2>&1
systemd-tmpfiles --create sshbay.conf >/dev/null 2>&1
printf '[gate]\nlisten = 127.0.0.1:2222\n[storage]\nimages = /var/cache/sshbay/images\n[defaults]\nmemory = 256M\npids = 100\n' \
	>/etc/sshbay/sshbay.ini
printf '[workspace]\ngpu = 0\n' >/etc/sshbay/workspaces.d/alice.ini
for u in alice bob; do
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/$u"
	cp "$WORK/$u.pub" "/etc/sshbay/keys/$u"
done
as() { timeout 120 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
	-o IdentitiesOnly=yes -i "$WORK/$1" -p 2222 "$1@127.0.0.1" "${@:2}"; }
NODE=/dev/dri/renderD128
# A process of the host, in a workspace's group alone: what the group's program lets it open.
probe() { # WORKSPACE PATH
	local group=/sys/fs/cgroup/system.slice/sshbay/$1
	[ -e "$group/payload/cgroup.procs" ] && group+=/payload
	( echo "$BASHPID" >"$group/cgroup.procs" && exec python3 -c 'import os,sys
try: os.open(sys.argv[1], os.O_RDWR); print("opened")
except OSError as e: print(e.strerror)' "$2" )
}

modprobe vgem
t "vgem makes a render node" await 60 test -c $NODE
is "systemd runs this" systemd "$(cat /proc/1/comm)"
is "no v1 hierarchy" "" "$(awk '$3 == "cgroup"' /proc/self/mounts)"
systemctl daemon-reload
t "the services start" systemctl start provisiond sshd-gate
like "gpu list finds it" '^0 +drm:vgem .* free' "$(sshbay gpu list)"
t "a workspace without a GPU" await 60 as bob true # the gate has been started, and will listen
t "one with it" as alice true
like "leases say so" 'gpu +drm:vgem +alice' "$(sshbay leases)"
is "its user, not only root, opens the node" "alice ok" "$(as alice "sh -c 'exec 3<>$NODE && echo \$(id -un) ok'" 2>&1)"
is "the card's node, which sets modes, is not there" "renderD128" "$(as alice 'ls /dev/dri')"
is "the other workspace has no node" "" "$(as bob 'ls /dev/dri 2>/dev/null')"
unlike "and cannot make one" 'made' "$(as bob 'sudo sh -c "mknod /root/n c 226 128 && echo made"' 2>&1)"

check() { # WHEN
	is "$1: the node opens in its workspace's group" "opened" "$(probe alice $NODE)"
	is "$1: the card does not" "Operation not permitted" "$(probe alice /dev/dri/card0)"
	is "$1: nor memory" "Operation not permitted" "$(probe alice /dev/mem)"
	is "$1: the other group's program refuses it" "Operation not permitted" "$(probe bob $NODE)"
	is "$1: null opens there" "opened" "$(probe bob /dev/null)"
	is "$1: inside, as before" "ok" "$(as alice "sh -c 'exec 3<>$NODE && echo ok'" 2>&1)"
}
check "at first"
systemctl daemon-reload
check "after daemon-reload"
# systemd says so in its journal, once a time.
reexecuted() { journalctl --sync; [ "$(journalctl -b --no-pager _PID=1 | grep -c 'Reexecuting')" = "$1" ]; }
systemctl daemon-reexec
t "systemd has executed itself anew" await 60 reexecuted 1
check "after daemon-reexec"

# The workspaces' groups are in system.slice: systemd writes to it, and looks at what it has to offer below.
t "properties of the slice are set" systemctl set-property --runtime system.slice CPUWeight=200 TasksMax=5000 MemoryMax=1800M DeviceAllow= DevicePolicy=auto
is "and in force" "5000 1887436800" "$(cat /sys/fs/cgroup/system.slice/pids.max /sys/fs/cgroup/system.slice/memory.max | xargs)"
systemctl set-property --runtime provisiond.service TasksMax=1000
systemctl daemon-reload
systemctl daemon-reexec
t "systemd has done so once more" await 60 reexecuted 2
check "after set-property, reload and reexec"
is "the limits are the workspace's" "268435456 100" "$(cd /sys/fs/cgroup/system.slice/sshbay/alice && cat memory.max pids.max | xargs)"

# --- the services anew ---
init=$(sshbay show alice --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
systemctl kill -s KILL provisiond
t "a killed provisiond is started again" await 60 sh -c "systemctl -q is-active provisiond && sshbay status"
t "the workspace is the same" test -d "/proc/$init"
like "and has its lease" 'gpu +drm:vgem +alice' "$(sshbay leases)"
check "after a restart of provisiond"
systemctl daemon-reload
t "stopped" sshbay stop alice
t "and started" as alice true
check "after a start of the workspace"
is "destroyed" "" "$(sshbay destroy --purge alice bob 2>&1 | grep -i fail)"
like "its GPU is free" '^0 +drm:vgem .* free' "$(sshbay gpu list)"
is "no group is left" "" "$(find /sys/fs/cgroup -type d -path '*/sshbay/*')"
if [ $FAILED != 0 ]; then journalctl -b -u provisiond -u sshd-gate --no-pager 2>&1 | tail -40 | cut -c1-250 | sed 's/^/# /'; fi
finish
