# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the lab's tests of soft-RoCE share: two e1000e on one wire with an RDMA device each, whose packets take that wire,
# and the programs of verbs for workspaces. Sourced after lib.sh, in the guest; roce_qemu before it, outside.

roce_qemu() {
	echo "-netdev hubport,id=h0,hubid=0 -device e1000e,netdev=h0,mac=52:54:00:00:00:01,addr=0x8
		-netdev hubport,id=h1,hubid=0 -device e1000e,netdev=h1,mac=52:54:00:00:00:02,addr=0x9"
}
of_mac() { grep -l "$1" /sys/class/net/*/address | cut -d/ -f5; }
roce_up() { # left with rxe0 and 10.5.0.1, right with rxe1 and 10.5.0.2
	local i
	modprobe -a e1000e rdma_rxe ib_uverbs rdma_ucm ib_umad
	await 30 sh -c 'grep -q 52:54:00:00:00:02 /sys/class/net/*/address'
	ip link set "$(of_mac 52:54:00:00:00:01)" name left; ip link set "$(of_mac 52:54:00:00:00:02)" name right
	ip addr add 10.5.0.1/24 dev left; ip addr add 10.5.0.2/24 dev right
	ip link set left up; ip link set right up
	await 30 sh -c 'grep -q 1 /sys/class/net/left/carrier && grep -q 1 /sys/class/net/right/carrier'
	# Between these two addresses of one host, packets take the wire: soft-RoCE sends from the host's own namespace.
	for i in all left right; do sysctl -qw "net.ipv4.conf.$i.rp_filter=0" "net.ipv4.conf.$i.accept_local=1" "net.ipv4.conf.$i.arp_ignore=1"; done
	ip route add 10.5.0.2 dev left table 20 src 10.5.0.1; ip route add 10.5.0.1 dev right table 20 src 10.5.0.2
	ip rule add pref 10 iif left lookup local; ip rule add pref 11 iif right lookup local
	ip rule add pref 100 lookup local; ip rule add pref 20 lookup 20; ip rule del pref 0
	rdma link add rxe0 type rxe netdev left; rdma link add rxe1 type rxe netdev right
}
# The programs of the lab's own root, and what they load, into workspaces.
roce_programs() { # WORKSPACE...
	local p f w
	for p in perftest ibverbs-utils ibverbs-providers libibverbs1 librdmacm1 libibumad3 libnl-3-200 libnl-route-3-200 libpci3; do
		dpkg -L $p
	done | while read -r f; do [ -d "$f" ] || [ ! -e "$f" ] || echo "$f"; done | tar -C / -cf "$WORK/perftest.tar" -T - 2>/dev/null
	for w; do bay enter "$w" -- tar -C / -xf - <"$WORK/perftest.tar" 2>/dev/null; done
}
