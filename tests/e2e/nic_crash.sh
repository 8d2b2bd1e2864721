#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker killed, or failing, at every point of a NIC's way in and home, and provisiond restarted after it: the NIC is as it
# was, or in quarantine with the reason, and never lost. Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace one]
users = alice
nic = hw0
nic_policy = optional
data_ip = 192.168.199.11/24
E2
inbed sh -ec 'ip link add hw0 type veth peer name far0; ip link property add dev hw0 altname hw0-alt; ip link set far0 up
	ip link set hw0 mtu 1400 alias "the cable" txqueuelen 77 up; ip addr add 10.5.0.1/24 dev hw0; ip route add 10.6.0.0/16 via 10.5.0.9 dev hw0'
state() { inbed sh -c "ip -d -o link show $1; ip -o addr show dev $1; ip route show dev $1; ethtool -k $1" 2>&1 |
	grep -vE 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/@[^ :]*//; s/qdisc [a-z_]+ //; s/state [A-Z]+//; s/,?LOWER_UP//; s/ forever//g'; }
sleep 1
before=$(state hw0)
restart_with() { "$ROOT/scripts/testbed" kill "$BED" provisiond; SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond; }
settled() { await 10 sh -c "! '$BED/sshbay' list | grep -qE 'one +(creating|destroying|stopping)'"; }
spoil() { on one 'sudo sh -c "ip link set data0 down; ip link set data0 name x address 02:66:66:66:66:66 mtu 1300 alias bad; ip link set x promisc on up"' >/dev/null 2>&1; }
data0() { on one 'ip -br addr show data0' 2>&1; }

for point in step.nic.up nic.up nic.noted step.nic.up.done step.rootfs.up step.ready.up; do
	for how in kill EIO; do
		restart_with "$point=$how"
		bay start one >/dev/null 2>&1
		restart_with ''
		settled
		bay start one >/dev/null 2>&1
		like "start after $point=$how has its NIC" '192\.168\.199\.11/24' "$(data0)"
		bay destroy one >/dev/null 2>&1
		is "and it comes home as it was" "$before" "$(state hw0)"
	done
done
for point in step.nic.down nic.silent nic.moved nic.home step.nic.down.done; do
	for how in kill EIO; do
		bay start one >/dev/null 2>&1
		spoil
		restart_with "$point=$how"
		bay destroy one >/dev/null 2>&1
		restart_with ''
		settled
		bay destroy one >/dev/null 2>&1
		is "home after $point=$how as it was" "$before" "$(state hw0)"
	done
done
bay start one >/dev/null 2>&1; spoil
restart_with nic.restore=kill
bay destroy one >/dev/null 2>&1
restart_with ''; settled; bay destroy one >/dev/null 2>&1
is "home after a kill before the restore as it was" "$before" "$(state hw0)"
bay start one >/dev/null 2>&1; spoil
restart_with nic.restore=EIO
bay destroy one >/dev/null 2>&1
restart_with ''
like "what cannot be restored is in quarantine" "nic +name:hw0 .*quarantined.*restore 'hw0'" "$(bay leases)"
t "and recovered later" bay nic recover name:hw0
is "as it was" "$before" "$(state hw0)"

# --- another configuration, while a stop keeps the NIC ---
ini=$BED/workspaces.d/one.ini
cp "$ini" "$WORK/one.ini"
for how in kill EIO; do
	for point in step.nic.down nic.moved; do
		bay start one >/dev/null 2>&1; spoil
		bay stop one >/dev/null 2>&1
		grep -vE '^(nic|data_ip)' "$WORK/one.ini" >"$ini"
		restart_with "$point=$how"
		bay start one >/dev/null 2>&1
		restart_with ''
		settled
		t "given up by its configuration, through $point=$how: it starts" bay start one
		is "without it, which is home as it was" "$before" "$(state hw0)"
		is "and free" "" "$(bay leases | grep '^nic.* one ')"
		bay stop one >/dev/null 2>&1
		cp "$WORK/one.ini" "$ini"; bay reload >/dev/null 2>&1
	done
done

# --- attach ---
inbed ip link set hw0 name away
bay start one >/dev/null 2>&1
inbed ip link set away name hw0; inbed ip link set hw0 alias "the cable" up; inbed ip route replace 10.6.0.0/16 via 10.5.0.9 dev hw0
for how in kill EIO; do
	for point in step.nic.up nic.noted step.nic.up.done; do
		restart_with "$point=$how"
		bay nic attach one >/dev/null 2>&1
		restart_with ''
		t "attached after $point=$how" await 10 sh -c "'$BED/run' ssh -F '$BED/ssh_config' -o BatchMode=yes one ip -br addr show data0 | grep -q 192.168.199.11"
	done
done
bay destroy --purge one >/dev/null 2>&1
is "and home as it was" "$before" "$(state hw0)"
is "nothing is in quarantine" "" "$(ls "$BED/state/quarantine" 2>/dev/null)"
inbed ip link del hw0
finish
