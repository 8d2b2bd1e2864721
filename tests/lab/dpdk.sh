#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dpdk = yes on real PCI NICs behind an emulated IOMMU (two e1000e, joined back to back): the group opened and used for DMA from
# inside by an ordinary user, DPDK's testpmd, nobody else's way to it, the interface home again as it was, a provisiond that
# is killed meanwhile, a group that does not become free.  Huge pages from Debian's kernel, under a pure cgroup v2.
# Runs in the lab: started anywhere else it starts itself there.
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${SSHBAY_LAB:-}" ]; then
	. "$ROOT/tests/nic_lib.sh"
	nic_lib_probe "$ROOT" || exit 1
	export LAB_QEMU="-device intel-iommu,intremap=on,caching-mode=on
		-device pcie-root-port,id=rp0,chassis=1,slot=1,addr=0x8 -device pcie-root-port,id=rp1,chassis=2,slot=2,addr=0x9
		-netdev hubport,id=h0,hubid=0 -device e1000e,netdev=h0,mac=52:54:00:00:00:01,bus=rp0
		-netdev hubport,id=h1,hubid=0 -device e1000e,netdev=h1,mac=52:54:00:00:00:02,bus=rp1 ${LAB_QEMU:-}"
	export LAB_APPEND="intel_iommu=on iommu=nopt ${LAB_APPEND:-}"
	exec "$ROOT/scripts/lab" run -c 2 "$0"
fi
. "$ROOT/tests/lib.sh"
export ON_LIMIT=120

modprobe e1000e 2>/dev/null
of_mac() { grep -l "$1" /sys/class/net/*/address | cut -d/ -f5; }
await 30 sh -c 'grep -q 52:54:00:00:00:02 /sys/class/net/*/address'
A=$(of_mac 52:54:00:00:00:01) B=$(of_mac 52:54:00:00:00:02)
PA=$(basename "$(readlink "/sys/class/net/$A/device")") PB=$(basename "$(readlink "/sys/class/net/$B/device")")
ip link set "$A" name left; ip link set "$B" name right
ip link property add dev left altname enplongname0 2>/dev/null
ip link set left mtu 1600 alias "to the right" txqueuelen 500; ip addr add 10.5.0.1/24 dev left
ip addr add fd05::1/64 dev left nodad; ip link set left up; ip link set right up; ip route add 10.6.0.0/16 via 10.5.0.9 dev left
ethtool -K left tso off >/dev/null 2>&1; ethtool -G left rx 512 >/dev/null 2>&1
GA=$(basename "$(readlink "/sys/bus/pci/devices/$PA/iommu_group")") GB=$(basename "$(readlink "/sys/bus/pci/devices/$PB/iommu_group")")
like "two NICs, each in an IOMMU group" '^[0-9]+ [0-9]+$' "$GA $GB"
cat >"$WORK/extra.ini" <<E2
[workspace client]
users = alice, bob
nic = pci:$PA
dpdk = yes
hugepages_2m = 64
memory = 768M
[workspace server]
users = carol
nic = pci:$PB
[workspace other]
users = carol
E2
host_snapshot >"$WORK/host.before"
"$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log")"; finish; }
bay start other >/dev/null 2>&1; bay destroy --purge other >/dev/null 2>&1 # the mount that pins live on stays as long as the bed
bed_snapshot >"$WORK/bed.before"

state() { ip -d -o link show "$1"; ip -o addr show dev "$1"; ip route show dev "$1"; for o in k g c a l; do ethtool -$o "$1"; done; } 2>&1
facts() { state "$1" | grep -vE 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/qdisc [a-z_]+ //; s/state [A-Z]+//; s/<NO-CARRIER,|,LOWER_UP>|>/</g; s/linkdown//; s/ *valid_lft.*//'; }
as_before() { [ "$(facts left)" = "$before" ]; }
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
c() { on alice+client@gate "$@"; }
o() { on carol+other@gate "$@"; }
await 30 sh -c "ip -o link show left | grep -q LOWER_UP && ip -o link show right | grep -q LOWER_UP"
before=$(facts left)

# --- refused ---
like "without vfio-pci it is refused" "there is no driver vfio-pci" "$(bay start client 2>&1)"
like "doctor tells" 'FAIL +vfio-pci: there is no driver' "$(bay doctor 2>&1)"
modprobe vfio-pci
like "without huge pages it is refused" "hugepages_2m = 64, and the host has 0" "$(bay start client 2>&1)"
echo 100 >/proc/sys/vm/nr_hugepages
if [ -e /sys/module/vfio/parameters/enable_unsafe_noiommu_mode ]; then
	echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
	like "without protection it is refused" "vfio works without an IOMMU" "$(bay start client 2>&1)"
	echo N >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
else
	skip "without protection it is refused" "this kernel's vfio always wants an IOMMU (CONFIG_VFIO_NOIOMMU)"
fi
echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
like "with unsafe interrupts it is refused" "could send any interrupt" "$(bay start client 2>&1)"
echo N >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
is "nothing has changed" "$before" "$(facts left)"

# --- given ---
t "given" bay start client
is "the NIC is at vfio-pci" vfio-pci "$(driver "$PA")"
is "and leased" "leased client" "$(row "pci:$PA")"
like "leases tells" "vfio-pci, IOMMU group $GA" "$(bay leases)"
like "leases tells of the pages" '^hugepages +64 x 2M +client' "$(bay leases)"
like "no data0 inside" '^eth0 lo $' "$(c ls /sys/class/net | tr '\n' ' ')"
is "its nodes, and no others" "$GA vfio " "$(c ls /dev/vfio | tr '\n' ' ')"
is "the environment names the device" "$PA" "$(c 'echo $SSHBAY_DPDK')"
c 'cat >probe; chmod +x probe' <"$ROOT/build/netns/direct_probe"
is "a user has DMA through it" "viable dma vendor 8086 reset " "$(c "./probe vfio $GA $PA" 2>&1 | tr '\n' ' ')"
is "huge pages" "mapped 64" "$(c ./probe map /dev/hugepages/a 2 64 2>&1)"
like "and no more" 'map: ' "$(c './probe map /dev/hugepages/b 2 65; rm /dev/hugepages/*' 2>&1)"
t "another workspace" bay start other
o 'cat >probe; chmod +x probe' <"$ROOT/build/netns/direct_probe"
like "has no way to the group" 'container: No such file' "$(o "./probe vfio $GA $PA" 2>&1)"
like "and no huge page" 'map: Cannot allocate' "$(o ./probe anon 2>&1)"
like "nor can make a node" 'not permitted' "$(o "sudo mknod /tmp/g c 10 196" 2>&1)"

# --- DPDK itself: the guest's own programs, shown inside ---
mkdir -p "$WORK/dpdk"
for f in $(command -v dpdk-testpmd) $(ldd "$(command -v dpdk-testpmd)" | awk '$3 ~ "^/" {print $3}') $(find /usr/lib -name 'librte_net_e1000.so.23' -o -name 'librte_mempool_ring.so.23') /lib64/ld-linux-x86-64.so.2; do cp -L "$f" "$WORK/dpdk/"; done
tar -C "$WORK/dpdk" -cf - . | c 'mkdir -p d && tar -C d -xf -'
pmd="sudo ./d/ld-linux-x86-64.so.2 --library-path ./d ./d/dpdk-testpmd -d ./d/librte_net_e1000.so.23 -d ./d/librte_mempool_ring.so.23 -l 0-1 -m 96 -a $PA -- --total-num-mbufs=4096 --forward-mode=txonly --auto-start --stats-period=1"
ip link set right promisc on
sent=$(cat /sys/class/net/right/statistics/rx_packets)
c "timeout -s INT 40 $pmd" >"$WORK/pmd.log" 2>&1 &
pmdpid=$!
t "frames that testpmd sends arrive at the other end of the cable" await 60 sh -c "[ \$(cat /sys/class/net/right/statistics/rx_packets) -gt $((sent + 500)) ]"
wait $pmdpid
like "testpmd has used the device through vfio" "Probe PCI driver: net_e1000_em.*$PA|net_e1000_em" "$(cat "$WORK/pmd.log")"
ip link set right promisc off

# --- home ---
bay destroy client >"$WORK/down.log" 2>&1
is "a destroy brings the interface home as it was" "$before" "$(await 30 as_before; facts left)"
is "with its driver" e1000e "$(driver "$PA")"
is "and no override" "(null)" "$(cat "/sys/bus/pci/devices/$PA/driver_override")"
is "free" "free -" "$(row "pci:$PA")"
like "the audit log tells of its way" 'lease.take.*lease.attach.*lease.return' "$(bay events client | grep -o 'lease\.[a-z]*' | tr '\n' ' ')"

# --- a stop keeps it ---
t "again" bay start client
bay stop client >/dev/null 2>&1
is "a stop keeps it" "vfio-pci leased client" "$(driver "$PA") $(row "pci:$PA")"
t "and a start finds it" bay start client
is "the same" "viable dma vendor 8086 reset " "$(c "./probe vfio $GA $PA" 2>&1 | tr '\n' ' ')"

# --- in use while it goes: the tenant's process is ended first ---
c "./probe vfio $GA $PA hold" >"$WORK/hold.log" 2>&1 &
t "a process inside has the device open" await 30 grep -q reset "$WORK/hold.log"
bay destroy client >/dev/null 2>&1
is "destroyed under it, it is home" "$before" "$(await 30 as_before; facts left)"

# --- killed ---
for delay in 0.05 0.3 1; do
	bay start client >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	bay start client >/dev/null 2>&1
	is "killed $delay s into a start, the next one gives it" "vfio-pci leased client" "$(driver "$PA") $(row "pci:$PA")"
	bay destroy client >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	await 60 sh -c "! '$BED/sshbay' list | grep -qE 'client +(creating|destroying|stopping)'"
	bay destroy client >/dev/null 2>&1
	is "killed $delay s into a destroy, it is home" "$before" "$(await 30 as_before; facts left)"
done

# --- held by a process of the host's: quarantine, and the way out ---
t "once more" bay start client
"$ROOT/build/netns/direct_probe" vfio "$GA" "$PA" hold >"$WORK/held.log" 2>&1 & holder=$!
await 10 grep -q reset "$WORK/held.log"
bay destroy client >/dev/null 2>&1
is "held elsewhere, it is in quarantine" "quarantined client vfio-pci" "$(row "pci:$PA") $(driver "$PA")"
like "with the reason" "IOMMU group $GA is in use" "$(bay nic list)"
like "which recover tells, too" "IOMMU group $GA is in use" "$(bay nic recover "pci:$PA" 2>&1)"
kill $holder; wait $holder 2>/dev/null
like "free again, it is recovered" "NIC 'pci:$PA' is as it was" "$(bay nic recover "pci:$PA" 2>&1)"
is "as it was" "$before" "$(await 30 as_before; facts left)"

bay destroy --purge client >/dev/null 2>&1; bay destroy --purge other >/dev/null 2>&1
await 10 sh -c "[ \$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages) = 100 ]"
is "no huge page is missing" 100 "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)"
finish
