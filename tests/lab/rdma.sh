#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# RDMA by soft-RoCE over two e1000e that are joined back to back, in a whole bed and in the kernel's shared mode: two
# workspaces with one device each (THREATS D34), what they see and open, and ibv_devinfo inside (traffic: rdma_bench.sh).
# Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../roce_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	LAB_QEMU="$(roce_qemu) ${LAB_QEMU:-}"
	export LAB_QEMU
	exec "$(dirname "$0")/../../scripts/lab" run "$0"
fi
. "$(dirname "$0")/../lib.sh"
export ON_LIMIT=120
roce_up
mode() { cat /sys/module/ib_core/parameters/netns_mode; }
like "two devices of soft-RoCE" 'rxe0.*rxe1' "$(cd /sys/class/infiniband && echo *)"
is "the kernel is in shared mode" Y "$(mode)"
host_snapshot >"$WORK/host.before"
cat >"$WORK/extra.ini" <<INI
[hardware]
rdma_netns = shared
[workspace a]
users = alice
nic = macvlan:left
data_ip = 192.168.199.1/24
rdma = auto
rdma_cm = yes
[workspace b]
users = bob
nic = macvlan:right
data_ip = 192.168.199.2/24
rdma = auto
[workspace plain]
users = carol
[workspace whole]
users = carol
nic = left
rdma = auto
[workspace none]
users = carol
nic = right
INI
"$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log")"; finish; }
bay start plain >/dev/null 2>&1; bay destroy --purge plain >/dev/null 2>&1
bed_snapshot >"$WORK/bed.before"

# --- shared mode: the node and the device controller ---
like "a device made in software is not torn from its interface" "'rxe0' is made in software on 'left' and would end" "$(bay start whole 2>&1)"
like "nor ended by a move without RDMA" "RDMA device 'rxe1' is made in software on it and would end \(rdma link delete rxe1\)" "$(bay start none 2>&1)"
like "a starts" address "$(bay start a 2>&1)"
like "b starts" address "$(bay start b 2>&1)"
like "plain starts" address "$(bay start plain 2>&1)"
like "leases tell" '^rdma +rxe0 +a ' "$(bay leases)"
inside() { bay enter "$@"; }
node() { basename "$(grep -lx "$1" /sys/class/infiniband_verbs/*/ibdev | xargs dirname)"; }
number() { cat "/sys/class/infiniband_verbs/$(node "$1")/dev"; }
is "a has its own uverbs, and rdma_cm" "rdma_cm $(node rxe0)" "$(inside a -- sh -c 'cd /dev/infiniband; echo *')"
is "b has its own uverbs" "$(node rxe1)" "$(inside b -- sh -c 'cd /dev/infiniband; echo *')"
is "plain has none" none "$(inside plain -- sh -c 'ls /dev/infiniband 2>/dev/null || echo none')"
is "/sys/class shows a its own" "rxe0 abi_version $(node rxe0)" "$(inside a -- sh -c 'cd /sys/class/infiniband; echo *; cd ../infiniband_verbs; echo *' | xargs)"
is "and no umad or issm" "" "$(inside a -- ls /sys/class/infiniband_mad)"
is "b its own" rxe1 "$(inside b -- ls /sys/class/infiniband)"
is "plain none" "" "$(inside plain -- ls /sys/class/infiniband /sys/class/infiniband_verbs | grep -v :)"
is "the links lead somewhere" "$(cat /sys/class/infiniband/rxe0/node_guid)" "$(inside a -- cat /sys/class/infiniband/rxe0/node_guid)"
probe() { # WORKSPACE NUMBER: open the host's node in the workspace's group
	rm -f "$WORK/node"
	mknod "$WORK/node" c "${2%:*}" "${2#*:}"
	local g
	g=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')/cgroup")
	( echo "$BASHPID" >"$g/cgroup.procs"
	python3 -c 'import os,sys
try: os.open(sys.argv[1], os.O_RDWR); print("opened")
except OSError as e: print(e.strerror)' "$WORK/node" )
}
P1="Operation not permitted"
is "a opens its own, not b's, nor umad" "opened $P1 $P1" \
	"$(probe a "$(number rxe0)") $(probe a "$(number rxe1)") $(probe a "$(cat /sys/class/infiniband_mad/umad0/dev)")"
is "b opens its own, not a's, nor rdma_cm" "opened $P1 $P1" \
	"$(probe b "$(number rxe1)") $(probe b "$(number rxe0)") $(probe b "$(cat /sys/class/misc/rdma_cm/dev)")"
is "plain opens neither" "$P1 $P1" "$(probe plain "$(number rxe0)") $(probe plain "$(number rxe1)")"
is "locked memory has no limit, but in plain" "unlimited unlimited 65536" \
	"$(for w in a b plain; do inside $w -- sh -c 'ulimit -l'; done | xargs)"

# --- verbs ---
roce_programs a b
like "ibv_devinfo in a" 'hca_id:[[:space:]]*rxe0' "$(inside a -- ibv_devinfo 2>&1)"
unlike "shows no other" rxe1 "$(inside a -- ibv_devinfo 2>&1)"
like "also to a plain user" 'hca_id:[[:space:]]*rxe1' "$(on bob+b@gate ibv_devinfo 2>&1)"
finish
