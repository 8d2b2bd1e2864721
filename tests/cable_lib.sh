# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of `sshbay pair` and `sshbay bench` share: a bed with workspaces a and b that a cable joins, commands in
# them, and a detour that only the counters show. Sourced after lib.sh.

cable_bed() { # [INI TEXT]: more of the configuration
	bed_up - <<-INI
	[workspace a]
	users = user
	control_ip = 172.31.199.1
	data_mtu = 3000
	[workspace b]
	users = user
	control_ip = 172.31.199.2
	data_mtu = 3000
	[workspace c]
	users = user
	data_mtu = 3000
	[workspace d]
	users = user
	[testbed]
	cable = a:b, c:d
	${1:-}
	INI
}
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
a() { bay enter a -- sh -c "$1" </dev/null; }
b() { bay enter b -- sh -c "$1" </dev/null; }
# Exit status on the first line, then what was said.
rc() { local out status; out=$("$@" 2>&1); status=$?; printf '%s\n%s' "$status" "$out"; }

# The data addresses go over the control plane: everything works, and nothing takes the cable.
detour() {
	a 'ip link add vx type vxlan id 7 dstport 4789 remote 172.31.199.2 local 172.31.199.1 dev eth0; ip link set vx up; ip route add 192.168.199.2/32 dev vx src 192.168.199.1'
	b 'ip link add vx type vxlan id 7 dstport 4789 remote 172.31.199.1 local 172.31.199.2 dev eth0; ip link set vx up; ip route add 192.168.199.1/32 dev vx src 192.168.199.2'
	t "the detour carries" a 'ping -c1 -W2 192.168.199.2'
}
no_detour() { a 'ip link del vx'; b 'ip link del vx'; }
