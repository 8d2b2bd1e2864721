#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker that dies, or fails, at any point of joining and leaving a bridge (attach): afterwards the workspace runs on its
# bridge, or nothing of it is there, neither port nor rule nor route. Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace one]
users = user
control_ip = 172.31.199.1
attach = br0
E2
inbed sh -c 'ip link add br0 type bridge; ip addr add 172.31.0.1/16 dev br0; ip link set br0 up
	sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null || :'
restart_with() { "$ROOT/scripts/testbed" kill "$BED" provisiond; SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond; }
# What a workspace has on the host: port, chain, elements, route, neighbour.
left() {
	inbed sh -c 'ip -o link | grep -o "sb-[0-9a-f]*"; nft list table bridge sshbay | grep -E "port_|02:"
		ip route show dev br0 | grep 172.31.199; ip neigh show dev br0 | grep PERMANENT'
}
nothing() { [ -z "$(left)" ]; }
whole() { [ "$(left | grep -cE '^sb-|chain port_|02:.*|172.31.199.1 (proto|lladdr)|goto port_')" -ge 5 ]; }
for fault in step.net.up=kill net.bridge.rules=kill net.bridge.port=kill net.bridge.joined=kill step.net.up.done=kill \
	net.bridge.rules=EIO net.bridge.port=EIO net.bridge.joined=EIO step.nic.up=EIO step.ready.up=EIO; do
	restart_with "$fault"
	bay start one >"$WORK/out" 2>&1 && not_ok "$fault fails the start" "$(cat "$WORK/out")"
	restart_with ""
	await 60 nothing
	is "after $fault in a start nothing is left" "" "$(left)"
done
for fault in step.net.down=kill net.bridge.leave=kill step.net.down.done=kill; do
	bay start one >/dev/null
	t "it runs on the bridge" whole
	restart_with "$fault"
	bay destroy --purge one >/dev/null 2>&1
	restart_with ""
	await 60 nothing
	is "after $fault in a destroy nothing is left" "" "$(left)"
done
bay start one >/dev/null
"$ROOT/scripts/testbed" kill "$BED" provisiond
inbed ip link del br0
"$ROOT/scripts/testbed" start "$BED" provisiond
like "a bridge that went while provisiond was dead is told" "network: its bridge 'br0' is gone" "$(await 60 sh -c "'$BED/sshbay' show one | grep -q 'is gone'"; bay show one)"
bay destroy --purge one >/dev/null
is "and what was on it is gone as well" "" "$(inbed sh -c 'ip -o link | grep -o "sb-[0-9a-f]*"; nft list table bridge sshbay | grep -E "port_|02:"')"
finish
