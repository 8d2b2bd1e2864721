#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installed on a Debian 12 that systemd runs: the units as they are shipped, restarts, and what of them reaches a tenant.
# Runs in the lab: started anywhere else it starts itself there.
[ -n "${SSHBAY_LAB:-}" ] || exec "$(dirname "$0")/../../scripts/lab" run -s -c 2 "$0"
. "$(dirname "$0")/../lib.sh"

# --- install ---
cp -a --no-preserve=ownership "$ROOT/installed/." /
systemd-sysusers >/dev/null 2>&1
systemd-tmpfiles --create sshbay.conf >/dev/null 2>&1
printf '[gate]\nlisten = 127.0.0.1:2222\n[storage]\nimages = /var/cache/sshbay/images\n[defaults]\nmemory = 256M\npids = 100\ncpus = 0-1\n' \
	>/etc/sshbay/sshbay.ini
printf '[workspace]\nusers = bob\ncontrol_ip = 172.31.199.9\nautostart = yes\n' >/etc/sshbay/workspaces.d/box.ini
for u in alice bob; do
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/$u"
	cp "$WORK/$u.pub" "/etc/sshbay/keys/$u"
done
log() { ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes "$@"; }
alice() { timeout 60 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
	-o IdentitiesOnly=yes -i "$WORK/alice" -p 2222 alice@127.0.0.1 "$@"; }
field() { sshbay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
groups() { find /sys/fs/cgroup -type d -path '*/sshbay/*' | sort; }
main_pid() { systemctl show -P MainPID "$1"; }
restarted() { # UNIT OLD-PID: it has another main process that answers
	[ "$(main_pid "$1")" != "$2" ] && systemctl -q is-active "$1" && sshbay status
}

# --- start ---
is "systemd runs this" systemd "$(cat /proc/1/comm)"
is "no v1 hierarchy" "" "$(awk '$3 == "cgroup"' /proc/self/mounts)"
systemctl daemon-reload
t "provisiond starts, and says that it is ready" systemctl start provisiond
t "the gate starts" systemctl start sshd-gate
is "both are active" "active active" "$(systemctl is-active provisiond sshd-gate | xargs)"
# The gate's unit is active before it has found provisiond.
content() { doctor=$(sshbay doctor 2>&1); ! grep -q FAIL <<<"$doctor"; }
await 30 content
unlike "doctor finds nothing that fails" 'FAIL' "$doctor"
t "a workspace with autostart runs without a login" await 30 sh -c 'sshbay list | grep -q "box.*running"'
is "a login creates a workspace" "alice alice" "$(alice 'echo $(id -un) $(hostname)' 2>&1)"
is "a login by address, in the host's own network" "bob box" "$(log -i "$WORK/bob" bob@172.31.199.9 'echo $(id -un) $(hostname)' 2>&1)"

# --- where it lives ---
is "provisiond has the host's mount namespace: pins outlive it" "$(readlink /proc/1/ns/mnt)" "$(readlink "/proc/$(main_pid provisiond)/ns/mnt")"
is "its groups are not in a unit's group" /sys/fs/cgroup/system.slice/sshbay/alice "$(groups | grep '/alice$')"
is "limits" "268435456 100 0-1" "$(cd /sys/fs/cgroup/system.slice/sshbay/alice && cat memory.max pids.max cpuset.cpus | xargs)"
like "they bite" 'out of memory' "$(alice 'exec tail /dev/zero' 2>&1)"
alice 'sudo mkdir /sys/fs/cgroup/app' >/dev/null 2>&1
systemctl daemon-reload
systemctl set-property --runtime provisiond.service CPUAccounting=yes MemoryAccounting=yes >/dev/null 2>&1
is "systemd takes no controller away" "268435456 100 0-1" "$(cd /sys/fs/cgroup/system.slice/sshbay/alice && cat memory.max pids.max cpuset.cpus | xargs)"

# --- what the unit's sandbox may not do to tenants ---
is "nobody of the tenant has no_new_privs" "0" "$(alice 'awk "/^NoNewPrivs/{print \$2}" /proc/self/status')"
is "sudo works" 0 "$(alice sudo id -u 2>&1)"
t "a tenant may look like a 32-bit machine" alice setarch i686 true
is "hard limit of open files is not the unit's" 1 "$(n=$(alice 'ulimit -Hn'); echo $((n >= 65536)))"
is "no score of the unit's that protects from the OOM killer" 0 "$(alice 'cat /proc/self/oom_score_adj')"

# --- restarts ---
init=$(field alice init_pid)
alice 'i=0; while [ $i -lt 100 ]; do echo $i; i=$((i + 1)); sleep 0.2; done; echo end' >"$WORK/count" 2>&1 & session=$!
sleep 2
old=$(main_pid provisiond)
t "provisiond restarts" systemctl restart provisiond
t "and answers" await 30 restarted provisiond "$old"
is "it adopted the workspace" "running $init" "$(field alice state) $(field alice init_pid)"
old=$(main_pid sshd-gate)
t "the gate restarts" systemctl restart sshd-gate
t "logins go on" await 30 alice true
kill -KILL "$(main_pid provisiond)"
t "systemd starts a killed provisiond" await 30 sshbay status
t "logins go on after that" await 30 alice true
wait $session
is "the session has lived through all of it" "$(seq 0 99; echo end)" "$(cat "$WORK/count")"
systemctl stop sshd-gate provisiond
t "workspaces outlive the services" test -d "/proc/$init"
t "they start again" systemctl start provisiond sshd-gate
is "and find the workspace" "running $init" "$(field alice state) $(field alice init_pid)"
t "which takes logins" await 30 alice true

# --- the end ---
t "destroy" sshbay destroy --purge alice box
is "no group is left" "" "$(groups)"
is "no mount is left" "" "$(grep -E 'alice|/ws/box' /proc/self/mountinfo)"
is "no interface is left" "" "$(ip -o link | grep -o ' sb-[^:@]*')"
if [ $FAILED != 0 ]; then
	systemctl status --no-pager -l provisiond sshd-gate 2>&1 | tail -40 | cut -c1-200 | sed 's/^/# /'
	journalctl -u provisiond -u sshd-gate --no-pager 2>&1 | tail -40 | cut -c1-250 | sed 's/^/# /'
	sed 's/^/# /' <<<"$doctor" | cut -c1-200
fi
finish
