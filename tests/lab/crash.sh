#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker killed at the steps of a workspace with a NIC of hardware, up and down, provisiond killed with it: the workspace
# is whole or gone, the NIC as it was. Needs the build with failure injection (build/faults).
# Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../nic_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	LAB_QEMU="$(nic_lib_qemu 1) ${LAB_QEMU:-}"
	export LAB_QEMU
	exec "$(dirname "$0")/../../scripts/lab" run -t 1500 "$0"
fi
SSHBAY_BIN=$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin
export SSHBAY_BIN ON_LIMIT=120
. "$(dirname "$0")/../lib.sh"
[ -x "$SSHBAY_BIN/provisiond" ] || { skip "killed at every step" "build/faults is not built (make faults)"; finish; }

modprobe e1000e 2>/dev/null
named 1 left
ip link property add dev left altname enplongname0
ip link set left mtu 1600 alias "to the right" txqueuelen 500; ip addr add 10.5.0.1/24 dev left
ip link set left up; ip route add 10.6.0.0/16 via 10.5.0.9 dev left
cat >"$WORK/extra.ini" <<E2
[workspace one]
users = alice
nic = pci:$(pci_of left)
data_ip = 192.168.199.1/24
[workspace first]
users = bob
E2
bed_up_host first
carrier left
before=$(facts left)
resting() { ! bay list | grep -qE 'one +(creating|destroying|stopping)'; }
settled() { await 60 resting; }
spoil() { on one 'sudo sh -c "ip link set data0 down; ip link set data0 name x address 02:66:66:66:66:66 mtu 1300 alias bad; ip link set x promisc on up; ethtool -K x tso off"' >/dev/null 2>&1; }
# The worker dies on the way up, the one that cleans up after it on the way down; then provisiond, with a worker there.
dies() { # POINT-UP POINT-DOWN
	restart_with "$1=kill,$2=kill"
	like "killed at $1: the start says so" 'signal 9|killed' "$(bay start one 2>&1)"
	restart_with ''
	settled
	like "killed at $1 and at $2: it starts" '192\.168\.199\.1/24' "$(bay start one >/dev/null 2>&1; on one 'ip -br addr show data0' 2>&1)"
	spoil
	restart_with "$2=hang"
	bay destroy one >"$WORK/destroy.log" 2>&1 & p=$!
	t "killed at $2: it was there" await 60 hangs
	restart_with ''
	wait $p
	settled
	t "killed at $2: it is destroyed" bay destroy one
	as_it_was "and the NIC is home as it was" "$before" left
}
# Every step of plan.c's table, and the points inside the one that moves the NIC.
for step in lease gpu limits namespaces net nic rdma rootfs init devices ready; do
	dies "step.$step.up" "step.$step.down"
done
dies nic.up step.nic.down.done
dies step.nic.up.done nic.home
for point in nic.silent nic.moved nic.restore; do
	dies nic.noted $point
done
is "nothing is in quarantine" "" "$(quarantined)"
finish
