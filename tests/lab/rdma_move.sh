#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# RDMA devices that a real kernel moves, in its exclusive mode: two e1000e, each with a device of the test driver
# (rdmatest/), leased with them. In and home in the right order, after abuse, with processes that hold it, with workers and
# provisiond killed, from a namespace that ended by itself, refused by its driver (THREATS D34, R15).
# Needs the build with failure injection (build/faults). Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../nic_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	LAB_QEMU="$(nic_lib_qemu 1 2) ${LAB_QEMU:-}"
	export LAB_QEMU
	exec "$(dirname "$0")/../../scripts/lab" run -m -t 1500 "$0"
fi
SSHBAY_BIN=$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin
export SSHBAY_BIN ON_LIMIT=120
. "$(dirname "$0")/../lib.sh"
DRIVER=$ROOT/build/modules/rdmatest.ko
[ -x "$SSHBAY_BIN/provisiond" ] || { skip "RDMA devices move" "build/faults is not built (make faults)"; finish; }
[ -e "$DRIVER" ] || { skip "RDMA devices move" "$(cat "$ROOT/build/modules/why" 2>&1)"; finish; }
modprobe -a e1000e ib_uverbs
named 1 left; named 2 right
PA=$(pci_of left) PB=$(pci_of right)
insmod "$DRIVER" functions="$PA,$PB" || { not_ok "the test driver is loaded" "$(dmesg | tail -5)"; finish; }
param() { echo "$2" >"/sys/module/rdmatest/parameters/$1"; }
ip addr add 10.5.0.1/24 dev left; ip link set left up; ip link set right up
cat >"$WORK/extra.ini" <<INI
[hardware]
rdma_netns = set
[workspace a]
users = alice
nic = pci:$PA
data_ip = 192.168.199.1/24
rdma = auto
[workspace b]
users = bob
nic = pci:$PB
data_ip = 192.168.199.2/24
rdma = test1
[workspace thief]
users = carol
nic = left
rdma = auto
[workspace wrong]
users = carol
nic = right
rdma = test0
[workspace other]
users = carol
nic = mac:52:54:00:00:00:02
[workspace first]
users = carol
INI
is "the kernel is in shared mode" Y "$(cat /sys/module/ib_core/parameters/netns_mode)"
bed_up_host first
devices() { rdma dev | cut -d: -f2 | awk '{ print $1 }' | xargs; } # of the caller's network namespace
init_of() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])'; }
there() { local w=$1; shift; nsenter --target "$(init_of "$w")" --net -- "$@"; }
in_a() { there a rdma dev | cut -d: -f2 | awk '{ print $1 }' | xargs; }
inside() { bay enter "$@" 2>&1; }
port() { rdma link show "$1/1" | grep -o 'netdev .*' | xargs; }
recorded() { sed -n 's/^rdma = "\{0,1\}\([^"]*\).*/\1/p' "$BED/state/records/$1.ini"; }
home() { [ "$(devices)" = "test0 test1" ] && ip link show left >/dev/null; }
evidence() { bay list; bay leases; rdma link; ip -br link; tail -n 20 "$BED/log/provisiond.log"; dmesg | tail -n 5; }
# What is to be seen of them on the host when both are home, and of the first one's NIC.
at_home() { # NAME
	if await 60 home; then ok "$1: the device is home"; else not_ok "$1: the device is home" "$(evidence 2>&1)"; fi
	is "$1: its port is its NIC's" "netdev left" "$(port test0)"
	as_it_was "$1: so is the NIC, as it was" "$before" left
}
carrier left; carrier right
before=$(facts left)
is "provisiond has changed the kernel's mode" N "$(cat /sys/module/ib_core/parameters/netns_mode)"
like "doctor says so" 'OK +rdma: each device belongs to one network namespace' "$(bay doctor 2>&1)"
like "and which there are" 'OK +rdma: 2 devices of the host: (test0, test1|test1, test0)' "$(bay doctor 2>&1)"

# --- in ---
like "a starts" address "$(bay start a 2>&1)"
is "its device has left the host" test1 "$(devices)"
is "and is alone where it is" test0 "$(in_a)"
is "its port is the NIC inside" "netdev data0" "$(there a rdma link show test0/1 | grep -o 'netdev .*' | xargs)"
is "the record says so" test0 "$(recorded a)"
like "leases, too" '^rdma +test0 +a .*of left' "$(bay leases)"
is "the host's sysfs shows it no more" test1 "$(ls /sys/class/infiniband)"
like "b starts" address "$(bay start b 2>&1)"
is "the host has none" "" "$(devices)"
node() { basename "$(grep -lx "$1" /sys/class/infiniband_verbs/*/ibdev | xargs dirname)"; }
is "/sys/class shows a its own" "test0 abi_version $(node test0)" "$(inside a -- sh -c 'cd /sys/class/infiniband; echo *; cd ../infiniband_verbs; echo *' | xargs)"
is "and b its own" "test1 abi_version $(node test1)" "$(inside b -- sh -c 'cd /sys/class/infiniband; echo *; cd ../infiniband_verbs; echo *' | xargs)"
is "its port's interface by sysfs" data0 "$(inside a -- cat /sys/class/infiniband/test0/ports/1/gid_attrs/ndevs/0)"
is "/dev has its node" "$(node test0)" "$(inside a -- ls /dev/infiniband)"
t "which opens" inside a -- sh -c "exec 3<>/dev/infiniband/$(node test0)"
cat >"$WORK/opens.py" <<'PY'
import os, sys
try: os.open(sys.argv[1], os.O_RDWR); print("opened")
except OSError as e: print(e.strerror)
PY
number() { cat "/sys/class/infiniband_verbs/$(node "$1")/dev"; }
made() { rm -f "$WORK/node"; mknod "$WORK/node" c "$(number "$1" | cut -d: -f1)" "$(number "$1" | cut -d: -f2)"; }
made test0
is "the kernel lets no other namespace open it: the host's" "Operation not permitted" "$(python3 "$WORK/opens.py" "$WORK/node")"
is "b's" "Operation not permitted" "$(there b python3 "$WORK/opens.py" "$WORK/node")"
is "only a's" opened "$(there a python3 "$WORK/opens.py" "$WORK/node")"
pack() { for p in ibverbs-utils ibverbs-providers libibverbs1 libnl-3-200 libnl-route-3-200; do dpkg -L $p; done |
	while read -r f; do [ -d "$f" ] || [ ! -e "$f" ] || echo "$f"; done | tar -C / -cf - -T - 2>/dev/null; }
pack | inside a -- tar -C / -xf - >/dev/null
is "rdma(8) shows it alone" test0 "$(inside a -- rdma dev | cut -d: -f2 | awk '{ print $1 }' | xargs)"
like "verbs' programs find it" 'hca_id:[[:space:]]*test0' "$(on alice+a@gate ibv_devinfo 2>&1)"
unlike "and no other" test1 "$(on alice+a@gate ibv_devinfo 2>&1)"

# --- what is not given twice ---
like "its NIC is leased" "leased by 'a'" "$(bay start thief 2>&1)"
bay destroy --purge b >/dev/null 2>&1
like "a device that another one has" "'test0' is leased by 'a' since" "$(bay start wrong 2>&1)"
is "the second NIC is home again" "netdev right" "$(port test1)"

# --- abuse, and home ---
like "inside it cannot be renamed" 'not permitted' "$(inside a -- rdma dev set test0 name mine)"
like "nor sent away" 'not permitted' "$(inside a -- sh -c 'mkdir -p /run/netns; ln -sf /proc/self/ns/net /run/netns/own; rdma dev set test0 netns own')"
spoil='ip link set data0 down; ip link set data0 name right; ip link set right mtu 1300 alias bad; ip link set right promisc on up; ethtool -C right rx-usecs 7; ethtool -K right tso off'
on alice+a@gate "sudo sh -c '$spoil'" >/dev/null 2>&1
is "a tenant's name for its interface is what sysfs shows" right "$(inside a -- cat /sys/class/infiniband/test0/ports/1/gid_attrs/ndevs/0)"
like "which deceives nobody" address "$(bay start b 2>&1)"
is "b has its own" test1 "$(there b rdma dev | cut -d: -f2 | awk '{ print $1 }')"
bay destroy --purge b >/dev/null 2>&1
t "a stop" bay stop a
is "keeps it inside" test1 "$(devices)"
like "leased" '^rdma +test0 +a ' "$(bay leases)"
like "a start" address "$(bay start a 2>&1)"
is "finds it" "test0 $(node test0)" "$(in_a) $(inside a -- ls /dev/infiniband)"
param linger 1500
bay enter a -- sh -c "exec 3<>/dev/infiniband/$(node test0); : >/tmp/holds; sleep 600" >/dev/null 2>&1 &
await 30 bay enter a -- test -e /tmp/holds
made test0
pid=$(init_of a)
nsenter --target "$pid" --net -- python3 -c 'import os,sys,time
os.open(sys.argv[1], os.O_RDWR); print("holds", flush=True); time.sleep(600)' "$WORK/node" >"$WORK/holder" & holder=$!
await 30 grep -q holds "$WORK/holder"
t "destroyed while processes hold it, one of them out of reach" bay destroy a
at_home "held"
is "held: the record is gone, and its lease" 0 "$(bay leases | grep -c '^rdma')"
is "held: nothing is in quarantine" "" "$(quarantined)"
kill $holder
param linger 0

# --- killed ---
resting() { ! bay list | grep -qE '^a +(creating|destroying|stopping)'; }
# The worker dies on the way up, the one that cleans up after it on the way down; then provisiond, too.
dies() { # POINT-UP POINT-DOWN
	restart_with "$1=kill,$2=kill"
	like "killed at $1: the start says so" 'signal 9|killed' "$(bay start a 2>&1)"
	restart_with ''
	await 60 resting
	like "killed at $1 and at $2: it starts" address "$(bay start a 2>&1)"
	is "with its device" "test0 $(node test0)" "$(in_a) $(inside a -- ls /dev/infiniband)"
	restart_with "$2=hang"
	bay destroy a >"$WORK/destroy.log" 2>&1 & p=$!
	t "killed at $2: it was there" await 60 hangs
	restart_with ''
	reap $p 300
	await 60 resting
	t "killed at $2: it is destroyed" bay destroy a
	at_home "killed at $2"
	is "and nothing is in quarantine" "" "$(quarantined)"
}
dies step.rdma.up step.rdma.down
dies rdma.moved rdma.home
dies step.rdma.up.done step.rdma.down.done
dies step.ready.up nic.moved

# --- ws-init dies; and the namespace ends, with nobody there to look after it ---
restart_with ''
like "it starts" address "$(bay start a 2>&1)"
kill -KILL "$(init_of a)"
at_home "without ws-init"
bay destroy a >/dev/null 2>&1
like "it starts" address "$(bay start a 2>&1)"
pid=$(init_of a)
"$ROOT/scripts/testbed" kill "$BED" provisiond
kill -KILL "$pid"
awk -v d="/ws/a/" 'index($5, d) { print $5 }' /proc/self/mountinfo | tac | xargs -r umount -l
both() { [ "$(devices)" = "test0 test1" ]; }
if await 60 both; then ok "the kernel brings the device home"; else not_ok "the kernel brings the device home" "$(evidence 2>&1)"; fi
is "and its NIC, as the tenant's" "netdev data0" "$(port test0)"
"$ROOT/scripts/testbed" start "$BED" provisiond
await 60 resting
bay destroy a >/dev/null 2>&1
at_home "ended by itself"
is "no lease is left" 0 "$(bay leases | grep -c '^rdma')"

# --- refused by its driver ---
param stay Y
like "a device that cannot move" "give RDMA device 'test0' to workspace 'a': move RDMA device 'test0': its driver cannot change network namespaces" "$(bay start a 2>&1)"
at_home "never left"
param stay N
like "one that could" address "$(bay start a 2>&1)"
pid=$(init_of a)
nsenter --target "$pid" --net -- sh -c ': >"$1"; exec sleep 600' sh "$WORK/pinned" & holder=$!
await 30 test -e "$WORK/pinned"
param stay Y
t "and cannot come home" bay destroy a
is "is in quarantine" "rdma-test0" "$(quarantined)"
as_it_was "but its NIC is home as it was" "$before" left
like "leases tell why" "^rdma +test0 .*quarantined: move RDMA device 'test0': Operation not supported" "$(bay leases)"
like "doctor, too" "WARN +rdma: 'test0' of 'a' is in quarantine" "$(bay doctor 2>&1)"
like "nobody gets it meanwhile" "give RDMA device 'auto' to workspace 'a': " "$(bay start a 2>&1)"
like "nor is it recovered while it is away" "recover 'test0': find RDMA device 'test0': no such device" "$(bay nic recover test0 2>&1)"
kill $holder
param stay N
at_home "with the end of its namespace"
like "in quarantine it is nobody's" "'test0' is in quarantine" "$(bay start a 2>&1)"
like "then it is recovered" "RDMA device 'test0' is as it was" "$(bay nic recover test0 2>&1)"
like "and it starts" address "$(bay start a 2>&1)"
bay destroy a >/dev/null 2>&1
at_home "recovered"

# --- a device with a port of another NIC ---
rmmod rdmatest && insmod "$DRIVER" functions="$PA,$PB" ports=2
like "a device of two NICs is not leased with one" "its port 2 is of 'right', and a device moves as a whole" "$(bay start a 2>&1)"
like "the other NIC is leased" address "$(bay start other 2>&1)"
inside other -- sh -c 'ip link set data0 down; ip link set data0 name left up' >/dev/null
like "its tenant's name for it deceives sysfs, not the kernel" "RDMA device 'test0' has ports that are not of 'left'" "$(bay start a 2>&1)"
at_home "of two NICs"
bay destroy --purge other >/dev/null 2>&1
is "nothing is in quarantine" "" "$(quarantined)"
finish
