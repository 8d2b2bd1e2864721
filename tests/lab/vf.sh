#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Virtual functions of a real driver (two igb with SR-IOV, joined back to back; igbvf): MAC, VLAN, spoof check and trust as the
# physical function tells them and as the wire shows them, changed while a stop keeps the lease, home again after abuse, a
# killed provisiond, at vfio-pci behind an emulated IOMMU, and gone with their physical function. And a physical one with all its
# queues, whose tenant raised their number.
# Runs in the lab, under a newer QEMU than Debian 12's: started anywhere else it starts itself there.
. "$(dirname "$0")/../nic_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	root=$(cd "$(dirname "$0")/../.." && pwd)
	nic_lib_probe "$root" || exit 1
	LAB_QEMU="-device intel-iommu,intremap=on,caching-mode=on $(NIC_MODEL=igb nic_lib_qemu 1 2) ${LAB_QEMU:-}"
	export LAB_QEMU LAB_APPEND="intel_iommu=on iommu=nopt iomem=relaxed ${LAB_APPEND:-}"
	exec "$root/scripts/lab" run -n -c 2 "$0"
fi
SSHBAY_BIN=$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin
export SSHBAY_BIN ON_LIMIT=120
. "$(dirname "$0")/../lib.sh"
[ -x "$SSHBAY_BIN/provisiond" ] || { skip "virtual functions" "build/faults is not built (make faults)"; finish; }

modprobe igb; modprobe igbvf; modprobe vfio-pci
named 1 left; named 2 right
PL=$(pci_of left)
ip link set left up; ip addr add 192.168.199.9/24 dev right; ip link set right up
vlan() { ip link add right.100 link right type vlan id 100; ip addr add 192.168.200.9/24 dev right.100; ip link set right.100 up; }
vlan
carrier left; carrier right
# Each with a MAC of its own choice, as its driver has it after a reset, and something to come back to.
functions() {
	local n=0 name
	echo 3 >"/sys/bus/pci/devices/$PL/sriov_numvfs"
	for n in 0 1 2; do
		await 60 sh -c "ls /sys/bus/pci/devices/$PL/virtfn$n/net | grep -q ." || return 1
		name=$(ls "/sys/bus/pci/devices/$PL/virtfn$n/net")
		[ "$name" = "v$n" ] || ip link set "$name" name "v$n"
		ip link set "v$n" address "02:00:00:00:0a:0$n"; ip link set "v$n" up; ip link set "v$n" down
	done
}
t "a NIC with three virtual functions" functions
P0=$(pci_of v0) P2=$(pci_of v2)
ip link set v0 mtu 1400 alias "to the right" txqueuelen 500; ip addr add 10.5.0.1/24 dev v0; ip link set v0 up
ip link property add dev v0 altname envf0

client() { printf '[workspace]\nusers = alice\nnic = left/vf0\ndata_ip = %s\nnic_admin = full\n%s\n' "$1" "$2"; }
cat >"$WORK/extra.ini" <<E2
[workspace client]
$(client 192.168.199.1/24 'vf_mac = 02:00:00:00:00:aa' | tail -n +2)
[workspace server]
users = bob
nic = right
nic_admin = full
data_ip = 192.168.199.2/24
[workspace direct]
users = carol
nic = pci:$P2
dpdk = yes
vf_mac = 02:00:00:00:00:cc
[workspace thief]
users = carol
nic = left
[workspace other]
users = carol
E2
bed_up_host other
config() { client "$1" "$2" >"$BED/workspaces.d/client.ini"; bay reload; }
c() { on alice+client@gate "$@"; }
s() { on bob+server@gate "$@"; }
d() { on carol+direct@gate "$@"; }
# What the physical function says of one: MAC, VLAN, spoof check, trust.
vf() {
	ip link show left | awk -v n="$1" '$1 == "vf" && $2 == n {
		vlan = "-"; spoof = trust = "?"
		for (i = 1; i <= NF; i++) { sub(/,$/, "", $i); if ($i == "vlan") vlan = $(i + 1); if ($i == "checking") spoof = $(i + 1); if ($i == "trust") trust = $(i + 1) }
		sub(/,$/, "", spoof); sub(/,$/, "", vlan); print $4, vlan, spoof, trust }'
}
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
# Frames with the given source addresses, one after the other, from inside; and the sources that arrive at the other end of the
# wire until the last of them, which is honest, has come.
cat >"$WORK/send.pl" <<'PL'
use Socket; socket(S, 17, SOCK_RAW, 0) or die "$!";
my $index = `cat /sys/class/net/data0/ifindex`;
for my $mac (@ARGV) {
	my $from = pack("H12", $mac =~ s/://gr);
	send(S, pack("a6 a6 n", "\xff" x 6, $from, 0x88b5) . "\0" x 50, 0, pack("S n l S C C a8", 17, 0x88b5, $index, 1, 0, 6, "\xff" x 6)) or die "$!";
}
PL
cat >"$WORK/hear.py" <<'PY'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.bind((sys.argv[1], 0x88b5)); s.settimeout(300); print("ready", flush=True)
heard = []
while sys.argv[2] not in heard:
	heard.append(s.recv(100)[6:12].hex(":"))
print("heard", *heard, flush=True)
PY
heard() { # INTERFACE OF THE HOST'S, SOURCE...: the last is the honest one
	python3 "$WORK/hear.py" "$1" "${*: -1}" >"$WORK/heard" 2>&1 & local p=$!
	await 30 grep -q ready "$WORK/heard"
	c "sudo perl - ${*:2}" <"$WORK/send.pl" >"$WORK/sent" 2>&1 || cat "$WORK/sent"
	reap $p 300
	sed -n 's/^heard //p' "$WORK/heard"
}
# Bits of the 82576's DTXSWC for one function: of the MAC address, of the VLAN.
checks() {
	python3 -c 'import mmap, os, struct, sys
m = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0x4000)
n = struct.unpack_from("<I", m, 0x3500)[0] >> int(sys.argv[2]); print(n & 1, n >> 8 & 1)' "/sys/bus/pci/devices/$PL/resource0" "$1"
}
SPOOFED=02:66:66:66:66:66
before=$(facts v0) said=$(vf 0) before2=$(facts v2) said2=$(vf 2)
is "its own choice" "02:00:00:00:0a:00 - on off" "$said"
like "whose virtual functions are for others is not leased" "virtual functions" "$(bay start thief 2>&1)"

# --- as configured ---
t "a virtual function, by number" bay start client
is "leased by its PCI address" "leased client" "$(row "pci:$P0")"
is "the physical one says what is configured" "02:00:00:00:00:aa - on off" "$(vf 0)"
is "nothing of the others" "$said2" "$(vf 2)"
is "it has that MAC address inside" 02:00:00:00:00:aa "$(c cat /sys/class/net/data0/address)"
t "and the wire works" await 60 c ping -c1 -W2 192.168.199.9
like "it gets no other one" 'Cannot assign requested address' "$(c 'sudo ip link set data0 address 02:66:66:66:66:66' 2>&1)"
# The emulated NIC has the check's switches and does not look: whether they are on is all that can be seen.
is "sources of frames are checked, MAC and VLAN" "1 1" "$(checks 0)"
is "and its frames arrive" "02:00:00:00:00:aa" "$(heard right 02:00:00:00:00:aa)"

# --- other settings for a lease that a stop kept ---
t "stopped" bay stop client
t "other settings" config 192.168.200.1/24 "$(printf 'vf_mac = 02:00:00:00:00:bb\nvf_vlan = 100\nvf_spoofcheck = no\nvf_trust = yes\n')"
t "started again" bay start client
is "the physical one says the new ones" "02:00:00:00:00:bb 100 off on" "$(vf 0)"
is "inside, too" 02:00:00:00:00:bb "$(c cat /sys/class/net/data0/address)"
t "the wire works in the VLAN" await 60 c ping -c1 -W2 192.168.200.9
is "sources of frames are not checked" "0 0" "$(checks 0)"
is "and another one arrives, in the VLAN" "$SPOOFED 02:00:00:00:00:bb" "$(heard right.100 $SPOOFED 02:00:00:00:00:bb)"

# --- home, after abuse ---
abuse='ip link set data0 down; ip link set data0 name zz address 02:66:66:66:66:66 mtu 1280 alias mine txqueuelen 7; ip link set zz promisc on allmulticast on up
	ip addr add 10.9.9.9/24 dev zz; ip link property add dev zz altname envf0; tc qdisc add dev zz root tbf rate 1mbit burst 10k latency 10ms
	ethtool -G zz rx 128; ethtool -K zz tso off rx off; ethtool -C zz rx-usecs 100; ip link add link zz name up5 type vlan id 5; ip link set up5 up
	ip link add up6 link zz type macvlan; ip link add br9 type bridge; ip link set zz master br9; ip link set br9 up; ip -o link'
like "a VLAN, a macvlan and a bridge on top of it" 'up5@zz.*up6@zz|up6@zz.*up5@zz' "$(c "sudo sh -c '$abuse'" 2>&1 | grep -v '^Actual' | tr '\n' ' ')"
is "one that is trusted takes any MAC address" "$SPOOFED 100 off on" "$(vf 0)"
"$ROOT/scripts/testbed" kill "$BED" provisiond
"$ROOT/scripts/testbed" start "$BED" provisiond
bay destroy client 2>&1
as_it_was "after abuse it is home as it was" "$before" v0
is "and so is what the physical one says" "$said 1 1" "$(vf 0) $(checks 0)"
is "nothing is in quarantine" "" "$(quarantined)"

# --- killed ---
config 192.168.199.1/24 'vf_vlan = 7' >/dev/null
resting() { ! bay list | grep -qE '^client +(creating|destroying|stopping)'; }
# A worker hangs at the point until it dies with its provisiond.
for points in 'nic.noted nic.moved' 'step.nic.up.done nic.restore'; do
	restart_with "${points% *}=hang"
	bay start client >"$WORK/start.log" 2>&1 & p=$!
	t "a start was at ${points% *}" await 60 hangs
	restart_with ''
	wait $p
	await 60 resting
	bay start client >/dev/null 2>&1
	is "killed there, the next one gives it" "leased client 7" "$(row "pci:$P0") $(vf 0 | cut -d' ' -f2)"
	restart_with "${points#* }=hang"
	bay destroy client >"$WORK/destroy.log" 2>&1 & p=$!
	t "a destroy was at ${points#* }" await 60 hangs
	restart_with ''
	wait $p
	await 60 resting
	bay destroy client >/dev/null 2>&1
	as_it_was "killed there, it is home as it was" "$before" v0
	is "with what the physical one says" "$said" "$(vf 0)"
done

# --- DPDK on a virtual function ---
G2=$(basename "$(readlink "/sys/bus/pci/devices/$P2/iommu_group")")
t "at vfio-pci" bay start direct
is "bound, as configured" "vfio-pci 02:00:00:00:00:cc - on off" "$(driver "$P2") $(vf 2)"
d 'cat >probe; chmod +x probe' <"$ROOT/build/netns/direct_probe"
like "a user has DMA through it" "viable dma vendor 8086" "$(d "./probe vfio $G2 $P2" 2>&1 | tr '\n' ' ')"
bay stop direct >/dev/null 2>&1
sed -i 's/^vf_mac.*/vf_vlan = 9/' "$BED/workspaces.d/direct.ini"; bay reload >/dev/null
t "stopped and started with other settings" bay start direct
is "it has those" "vfio-pci 02:00:00:00:0a:02 9 on off" "$(driver "$P2") $(vf 2)"
bay destroy direct >/dev/null 2>&1
as_it_was "a destroy brings it home as it was" "$before2" v2
is "with its driver and what the physical one says" "igbvf $said2" "$(driver "$P2") $(vf 2)"

# --- gone with its physical function ---
t "once more" bay start client
echo 0 >"/sys/bus/pci/devices/$PL/sriov_numvfs"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
t "taken away while it is inside, show tells" await 60 sh -c "'$BED/sshbay' show client | grep -q 'its NIC pci:$P0 has been unplugged'"
like "and it is not given again" "unplugged" "$(bay stop client >/dev/null 2>&1; bay start client 2>&1)"
bay destroy client >/dev/null 2>&1
is "and in no quarantine" "" "$(quarantined)"

# --- a physical function by itself: queues ---
like "one below a VLAN of the host's is not leased" "the host has 'right.100' on top of it" "$(bay start server 2>&1)"
ip link del right.100; ip addr flush dev right; ip link set right down
ethtool -L right combined 2; ip link set right up; carrier right; ethtool -X right weight 1 3
# struct hwtstamp_config: of every frame sent, of PTP's events (what ethtool tells only later, by netlink of kernel 6.6).
cat >"$WORK/stamp.pl" <<'PL'
use Socket; socket(S, AF_INET, SOCK_DGRAM, 0) or die; my $d = pack("l3", 0, 1, 12); my $r = pack("a16 p x16", "data0", $d);
ioctl(S, 0x89b0, $r) or die "$!";
PL
stamps() {
	python3 -c 'import array, fcntl, socket, struct, sys
c = array.array("i", [0, 0, 0]); r = struct.pack("16sP16x", sys.argv[1].encode(), c.buffer_info()[0])
fcntl.ioctl(socket.socket(), 0x89b1, r); print(c[1], c[2])' "$1"
}
for what in up down; do
	[ $what = up ] || { ethtool -X right default; ethtool -L right combined 1; ip link set right down; }
	before=$(facts right)
	t "a whole NIC that was $what" bay start server
	c=$(s 'sudo sh -c "ethtool -L data0 combined 4 && ethtool -X data0 equal 4 && ethtool -C data0 rx-usecs 50 && ethtool -N data0 rx-flow-hash udp4 sdfn && ethtool -A data0 rx off tx off; ethtool -x data0"' 2>&1)
	is "and has frames stamped" "" "$(s 'sudo perl -' <"$WORK/stamp.pl" 2>&1)"
	like "its tenant spreads over more queues" 'with 4 RX ring' "$c"
	bay destroy server >/dev/null 2>&1
	as_it_was "it is home as it was" "$before" right
	is "with its timestamps" "0 0" "$(stamps right)"
done
is "nothing is in quarantine" "" "$(quarantined)"
bay destroy --purge client server direct >/dev/null 2>&1
# As at the beginning, for what is looked at in the end.
ip link set right up; functions; vlan
finish
