#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dpdk = yes and huge pages in a whole bed.  The pages are real: a few of 2 MiB are reserved and given back.  No IOMMU is here:
# sysfs is a tree of files in which fakepci.py plays the kernel and a veth end the interface of a PCI function, so that all of
# the way to vfio-pci and home again is walked, and a worker killed, or failing, at each point of it.  What vfio does with such a
# group is seen in tests/lab/dpdk.sh. Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
PCI=0000:29:00.0
hw=$WORK/hw dev=$WORK/hw/sys/bus/pci/devices pool=/sys/kernel/mm/hugepages/hugepages-2048kB
PAGES=24

${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$WORK/probe" "$(dirname "$0")/direct_probe.c" 2>"$WORK/cc.log" ||
	{ not_ok "the probe compiles" "$(cat "$WORK/cc.log")"; finish; }

# --- pages of the host's, given back whatever happens ---
had=$(cat $pool/nr_hugepages 2>/dev/null || echo none)
give_pages_back() { [ "$had" = none ] || echo "$had" >$pool/nr_hugepages; }
trap 'give_pages_back; cleanup' EXIT
have=no
if [ "$had" != none ] && echo $((had + PAGES)) >$pool/nr_hugepages && [ "$(cat $pool/free_hugepages)" -ge $PAGES ]; then have=yes; fi

# --- a tree that stands for sysfs ---
mkdir -p "$dev/$PCI" "$hw"/sys/bus/pci/drivers/{fakenic,vfio-pci} "$hw/sys/kernel/iommu_groups/7/devices" "$hw/sys/class/net" \
	"$hw"/sys/module/vfio/parameters "$hw/sys/kernel/mm" "$hw/dev/vfio" "$hw"/{proc,cdi}
ln -s /sys/kernel/mm/hugepages "$hw/sys/kernel/mm/hugepages"
for d in fakenic vfio-pci; do : >"$hw/sys/bus/pci/drivers/$d/unbind"; done
: >"$hw/sys/bus/pci/drivers_probe"
echo 0x020000 >"$dev/$PCI/class"; echo '(null)' >"$dev/$PCI/driver_override"
ln -s ../../drivers/fakenic "$dev/$PCI/driver"
ln -s ../../../../kernel/iommu_groups/7 "$dev/$PCI/iommu_group"
ln -s ../../../../bus/pci/devices/$PCI "$hw/sys/kernel/iommu_groups/7/devices/$PCI"
echo N >"$hw/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
mknod "$hw/dev/vfio/vfio" c 1 3; mknod "$hw/dev/vfio/7" c 1 5 # null and zero: they open, and do no harm
bed_up - <<E2
[hardware]
sysfs = $hw/sys
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[workspace one]
users = alice
nic = pci:$PCI
dpdk = yes
[workspace two]
users = bob
nic = pci:0000:29:00.1
dpdk = yes
[workspace pages]
users = alice
hugepages_2m = 16
[workspace more]
users = bob
hugepages_2m = $((had == 0 ? 9 : had + 9))
[workspace plain]
users = carol
E2
inbed sh -ec 'ip link add hw0 type veth peer name far0; ip link property add dev hw0 altname hw0-alt; ip link set far0 up
	ip link set hw0 mtu 1400 alias "the cable" txqueuelen 77 up; ip addr add 10.5.0.1/24 dev hw0; ip route add 10.6.0.0/16 via 10.5.0.9 dev hw0'
inbed python3 "$ROOT/tests/e2e/fakepci.py" "$hw/sys" $PCI hw0 >"$WORK/fakepci.log" 2>&1 & fake=$!
state() { inbed sh -c "ip -d -o link show $1; ip -o addr show dev $1; ip route show dev $1; ethtool -k $1" 2>&1 |
	grep -vE 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/@[^ :]*//; s/qdisc [a-z_]+ //; s/state [A-Z]+//; s/,?LOWER_UP//; s/linkdown//; s/link-netns [^ ]*//; s/link-netnsid [0-9]* //; s/ forever//g'; }
driver() { basename "$(readlink "$dev/$PCI/driver")"; }
override() { head -n1 "$dev/$PCI/driver_override"; }
shown() { [ -e "$hw/sys/class/net/hw0/ifindex" ]; } # fakepci has seen what the interface is called now
home() { [ "$(state hw0)" = "$before" ] && shown; }
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
restart_with() { "$ROOT/scripts/testbed" kill "$BED" provisiond; SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond; }
settled() { await 60 sh -c "! '$BED/sshbay' list | grep -qE 'one +(creating|destroying|stopping)'"; }
start() { bay start "$1" 2>&1; }
await 60 shown || { not_ok "fakepci plays the kernel" "$(cat "$WORK/fakepci.log")"; finish; }
before=$(state hw0)

# --- refused (THREATS D12) ---
echo Y >"$hw/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
like "vfio without an IOMMU" "give 'pci:$PCI' to workspace 'one' \(dpdk = yes\): vfio works without an IOMMU" "$(start one)"
echo N >"$hw/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
mv "$dev/$PCI/iommu_group" "$WORK/"
like "no IOMMU" "is in no IOMMU group \(switch the IOMMU on" "$(start one)"
mv "$WORK/iommu_group" "$dev/$PCI/"
mv "$hw/sys/bus/pci/drivers/vfio-pci" "$WORK/"
like "no vfio-pci" "no driver vfio-pci \(modprobe vfio-pci" "$(start one)"
like "doctor tells" "FAIL +vfio-pci: there is no driver vfio-pci" "$(bay doctor 2>&1)"
mv "$WORK/vfio-pci" "$hw/sys/bus/pci/drivers/"
mkdir "$dev/0000:29:00.1"; echo 0x020000 >"$dev/0000:29:00.1/class"; ln -s ../../drivers/fakenic "$dev/0000:29:00.1/driver"
ln -s ../../../../kernel/iommu_groups/7 "$dev/0000:29:00.1/iommu_group"; ln -s x "$hw/sys/kernel/iommu_groups/7/devices/0000:29:00.1"
like "a group that the host uses, too" "shares IOMMU group 7 with '0000:29:00.1' \(driver fakenic\)" "$(start one)"
like "doctor names it" "WARN +workspace 'one': dpdk = yes: .*0000:29:00.1" "$(bay doctor 2>&1)"
rm -r "$dev/0000:29:00.1" "$hw/sys/kernel/iommu_groups/7/devices/0000:29:00.1"
is "nothing has changed" "$before fakenic" "$(state hw0) $(driver)"

# --- given ---
is "given" "" "$(start one >/dev/null || echo failed)"
is "it is at vfio-pci, for as long" "vfio-pci vfio-pci" "$(driver) $(override)"
t "and the host has no interface" inbed sh -c '! ip link show hw0'
is "leased" "leased one" "$(row "pci:$PCI")"
like "leases tells" "^nic +hw0 +one .*vfio-pci, IOMMU group 7" "$(bay leases)"
like "show tells" "nic +pci:$PCI \(vfio-pci, IOMMU group 7\)" "$(bay show one)"
is "inside: its nodes and no data0" "7 vfio eth0 lo " "$(on one 'ls /dev/vfio /sys/class/net' 2>/dev/null | grep -vE ':|^$' | tr '\n' ' ')"
is "they are its own" "0 0 666 1:5" "$(on one "stat -c '%u %g %a %Hr:%Lr' /dev/vfio/7")"
if (ulimit -l unlimited) 2>/dev/null; then is "no limit on locked memory" unlimited "$(on one 'ulimit -l')"
else skip "no limit on locked memory" "this root may not raise it"; fi
is "the environment tells the address" $PCI "$(on one 'echo $SSHBAY_DPDK')"
like "it cannot come late" "given at a start only" "$(bay nic attach one 2>&1)"
bay stop one >/dev/null 2>&1
is "a stop keeps it" "vfio-pci leased one" "$(driver) $(row "pci:$PCI")"
is "and a start finds it" "vfio-pci /dev/vfio/7" "$(start one >/dev/null; driver) $(on one ls /dev/vfio/7)"
bay destroy one >/dev/null 2>&1
is "a destroy brings the interface home as it was" "$before" "$(await 60 home; state hw0)"
is "with its driver and no override" "fakenic " "$(driver) $(override)"
is "and free" "free -" "$(row "pci:$PCI")"
like "the audit log tells of its way" 'lease.take.*lease.attach.*lease.return' "$(bay events one | grep -o 'lease\.[a-z]*' | tr '\n' ' ')"

# --- killed, or failing, at every point ---
for fault in nic.noted=kill vfio.override=kill vfio.unbound=kill vfio.unbound=EIO nic.bound=kill step.ready.up=EIO; do
	restart_with "$fault"
	bay start one >/dev/null 2>&1
	restart_with ''
	settled
	is "after $fault in a start, it is home as it was" "$before fakenic " "$(await 60 home; state hw0) $(driver) $(override)"
done
for fault in vfio.released=kill nic.restore=kill nic.home=kill; do
	is "given" vfio-pci "$(start one >/dev/null; driver)"
	restart_with "$fault"
	bay destroy one >/dev/null 2>&1
	restart_with ''
	settled
	bay destroy one >/dev/null 2>&1
	is "home after $fault as it was" "$before fakenic " "$(await 60 home; state hw0) $(driver) $(override)"
done

# --- what cannot come home ---
bay start one >/dev/null 2>&1
restart_with vfio.busy=EBUSY
bay destroy one >/dev/null 2>&1
restart_with ''
is "in use by somebody, it stays at vfio-pci, in quarantine" "vfio-pci quarantined one" "$(driver) $(row "pci:$PCI")"
like "with the reason" "IOMMU group 7 is in use" "$(bay leases)"
like "and nobody gets it" "in quarantine: IOMMU group 7 is in use" "$(start one)"
like "recovered" "NIC 'pci:$PCI' is as it was" "$(bay nic recover hw0 2>&1)"
is "as it was" "$before fakenic " "$(await 60 home; state hw0) $(driver) $(override)"
bay start one >/dev/null 2>&1
echo fakenic >"$hw/sys/refuse"
bay destroy one >/dev/null 2>&1
is "no driver takes it back: quarantine" "quarantined one" "$(row "pci:$PCI")"
like "which says so" "no driver takes '$PCI' back, it had fakenic" "$(bay nic list)"
rm "$hw/sys/refuse"
t "until one does" bay nic recover "pci:$PCI"
is "and it is as it was" "$before fakenic " "$(await 60 home; state hw0) $(driver) $(override)"

# --- huge pages ---
probe() { on "$1" 'cat >probe; chmod +x probe' <"$WORK/probe"; }
if [ $have = no ]; then
	skip "huge pages" "this host has none to reserve ($had of 2 MiB)"
else
	is "pages for one" "" "$(start pages >/dev/null || echo failed)"
	like "not more than there are" "hugepages_2m = .*, of which other workspaces have 16 \(sysctl vm.nr_hugepages" "$(start more)"
	like "leases tells" '^hugepages +16 x 2M +pages' "$(bay leases)"
	probe pages; probe plain
	is "its own mount" "hugetlbfs 1777 0:0" "$(on pages "awk '\$2 == \"/dev/hugepages\" { print \$3 }' /proc/mounts; stat -c '%a %u:%g' /dev/hugepages" | tr '\n' ' ' | sed 's/ $//')"
	is "a user maps them all" "mapped 16" "$(on pages ./probe map /dev/hugepages/a 2 16)"
	like "and no more" "^map: " "$(on pages 'rm /dev/hugepages/a; ./probe map /dev/hugepages/b 2 17; rm /dev/hugepages/b')"
	on pages 'sudo mount -o remount,size=1G /dev/hugepages' >/dev/null 2>&1
	is "the mount has them, also after a remount" 33554432 "$(on pages 'df -B1 --output=size /dev/hugepages | tail -n 1' | tr -d ' ')"
	is "mapped again" "mapped 16" "$(on pages ./probe map /dev/hugepages/a 2 16)"
	if find /sys/fs/cgroup -name 'hugetlb.2MB.*' 2>/dev/null | grep -q .; then
		like "without any mount there are no more either" "^map: " "$(on pages ./probe memfd)"
		on pages rm /dev/hugepages/a
		is "but these" "mapped 1 mapped 1 " "$(on pages './probe memfd; ./probe anon' | tr '\n' ' ')"
		like "who has none gets none" "^map: .*map: " "$(on plain './probe anon; ./probe memfd' | tr '\n' ' ')"
	else
		skip "without any mount" "no hugetlb controller"
	fi
	bay destroy pages >/dev/null 2>&1
	t "all of them come back" await 30 sh -c "[ \$(cat $pool/free_hugepages) -ge $PAGES ]"
	t "for somebody else" bay start more
	bay destroy more >/dev/null 2>&1
	give_pages_back
	like "without any, the start is refused" "hugepages_2m = 16, and the host has $had" "$(start pages)"
	like "doctor tells" "WARN +huge pages: $had of 2M in reserve, all workspaces together ask for" "$(bay doctor 2>&1)"
	is "the host has what it had" "$had" "$(cat $pool/nr_hugepages)"
fi

bay destroy --purge one two pages more plain >/dev/null 2>&1
kill $fake; wait $fake 2>/dev/null
inbed sh -c 'ip link del hw0' 2>/dev/null
finish
