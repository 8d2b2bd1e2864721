#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# RDMA on a kernel that has none: every refusal in words, and, with fake trees of sysfs whose "uverbs" nodes have the
# numbers of devices that do no harm (fuse, loop-control; rdma_cm is cpu_dma_latency), what a workspace is given in shared
# mode. The NICs are ends of veth pairs that the fake tree gives PCI addresses.
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw
S=$hw/sys
mkdir -p "$S/module/ib_core/parameters" "$S/class/misc/rdma_cm" "$hw"/{dev,proc,cdi}
mode() { echo "$1" >"$S/module/ib_core/parameters/netns_mode"; }
device() { # NAME PCI NETDEV UVERBS MINOR
	local d=$S/devices/pci0000:20/$2
	mkdir -p "$d/infiniband/$1/ports/1/gid_attrs/ndevs" "$S/class/infiniband_verbs/$4" "$S/class/infiniband"
	[ -e "$d/infiniband/$1/device" ] || ln -s "../../../$2" "$d/infiniband/$1/device"
	echo "$3" >"$d/infiniband/$1/ports/1/gid_attrs/ndevs/0"
	ln -sfn "../../devices/pci0000:20/$2/infiniband/$1" "$S/class/infiniband/$1"
	echo "$1" >"$S/class/infiniband_verbs/$4/ibdev"
	echo "10:$5" >"$S/class/infiniband_verbs/$4/dev"
}
nic() { # NAME PCI: what the driver would tell of a real one
	mkdir -p "$S/class/net/$1" "$S/bus/pci/devices"
	inbed ip -o link show "$1" | cut -d: -f1 >"$S/class/net/$1/ifindex"
	ln -sfn "../../../devices/pci0000:20/$2" "$S/class/net/$1/device"
	ln -sfn "../../../devices/pci0000:20/$2" "$S/bus/pci/devices/$2"
}
mode Y
device mlx5_0 0000:29:00.0 hw0 uverbs0 229
device mlx5_1 0000:81:00.0 hw1 uverbs1 237
device mlx5_2 0000:82:00.0 hw2 uverbs2 237
rm -r "$S/class/infiniband_verbs/uverbs2"
echo 10:259 >"$S/class/misc/rdma_cm/dev"
bed_up - <<INI
[hardware]
sysfs = $S
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[workspace alice]
nic = hw0
rdma = auto
rdma_cm = yes
[workspace bob]
nic = hw1
rdma = mlx5_1
[workspace dora]
nic = hw2
rdma = auto
[workspace erin]
nic = hw3
rdma = auto
[workspace gina]
nic = macvlan:hw1
rdma = auto
[workspace hanna]
nic = macvlan:hw1
rdma = auto
[workspace late]
nic = hw4
nic_policy = optional
rdma = auto
INI
inbed sh -ec 'for n in 0 1 2 3; do ip link add hw$n type veth peer name far$n; ip link set far$n up; ip link set hw$n up; done'
nic hw0 0000:29:00.0; nic hw1 0000:81:00.0; nic hw2 0000:82:00.0; nic hw3 0000:83:00.0
ini() { # SED: change the configuration, and load it
	sed -i "$1" "$BED/sshbay.ini"
	bay reload >"$WORK/reload" 2>&1 || cat "$WORK/reload"
}
there() { inbed ip -o link show "$1" >/dev/null 2>&1 && echo home || echo away; }
start() { bay start "$1" 2>&1; }

# --- shared mode is refused unless it is allowed ---
like "in shared mode it is refused" "give RDMA device 'auto' to workspace 'alice': the kernel shows RDMA devices in every network namespace" "$(start alice)"
is "and the NIC has not left" home "$(there hw0)"
like "doctor says so, and how to boot" "FAIL +rdma: devices are in every network namespace, so workspace 'alice' .*netns_mode=0 .*rdma_netns = set" "$(bay doctor 2>&1)"
ini 's/^\[hardware\]/&\nrdma_netns = shared/'
like "doctor warns of the mode that is allowed now" 'WARN +rdma: devices are in every network namespace \(rdma_netns = shared\)' "$(bay doctor 2>&1)"
like "allowed, it starts" address "$(start alice)"
is "the NIC is inside" away "$(there hw0)"

# --- what is inside ---
a() { on alice@gate "$@"; }
is "its nodes: its own uverbs and rdma_cm" "rdma_cm uverbs0" "$(a 'cd /dev/infiniband && echo *')"
is "with the numbers that sysfs tells, for everybody inside" "666 10:229 666 10:259" \
	"$(a "cd /dev/infiniband; stat -c '%a %Hr:%Lr' uverbs0 rdma_cm | xargs")"
t "which opens" bay enter alice -- sh -c 'exec 3<>/dev/infiniband/uverbs0'
# Without CAP_SYS_RESOURCE, as in some containers, limits go no further than ours.
most() { (ulimit -l "$1" 2>/dev/null; ulimit -l); }
is "what it may lock has no limit" "$(most unlimited)" "$(a 'ulimit -l')"
probe() { # WORKSPACE NUMBER: open a node of the host's in the workspace's groups, by each mechanism there is
	local g kind path pid
	rm -f "$WORK/node"
	mknod "$WORK/node" c "${2%:*}" "${2#*:}"
	pid=$(bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
	while IFS=: read -r kind _ path; do
		for g in $([ "$kind" = 0 ] && echo /sys/fs/cgroup/unified /sys/fs/cgroup || echo /sys/fs/cgroup/devices); do
			[ "$path" != / ] && [ -e "$g$path/cgroup.procs" ] || continue
			( echo "$BASHPID" >"$g$path/cgroup.procs"
			python3 -c 'import os,sys
try: os.open(sys.argv[1], os.O_RDONLY); print("opened")
except OSError as e: print(e.strerror)' "$WORK/node" )
		done
	done < <(grep -E '^0:|:devices:' "/proc/$pid/cgroup") | sort -u | xargs
}
is "its own device opens in its groups" opened "$(probe alice 10:229)"
is "another's does not" "Operation not permitted" "$(probe alice 10:237)"
like "show tells" '"rdma": ?"mlx5_0"' "$(bay show alice --json)"
like "leases tell" '^rdma +mlx5_0 +alice .*of hw0' "$(bay leases)"
like "a second one starts beside it" address "$(start bob)"
is "and has its own alone" uverbs1 "$(on bob@gate 'cd /dev/infiniband && echo *')"
is "not the first one's" "opened Operation not permitted" "$(probe bob 10:237) $(probe bob 10:229)"
bay create mallory >/dev/null 2>&1
is "one without RDMA has no node, opens none, and its limit" "none $(most 65536) Operation not permitted" \
	"$(bay enter mallory -- sh -c 'ls /dev/infiniband 2>/dev/null || echo none; ulimit -l' | xargs) $(probe mallory 10:229)"

# --- a stop keeps the lease, a destroy ends it ---
t "stop" bay stop alice
like "the lease is kept" '^rdma +mlx5_0 +alice' "$(bay leases)"
like "start" address "$(start alice)"
t "provisiond is killed" "$ROOT/scripts/testbed" kill "$BED" provisiond
t "and starts" "$ROOT/scripts/testbed" start "$BED" provisiond
like "the lease is remembered" '^rdma +mlx5_0 +alice' "$(bay leases)"
t "destroy" bay destroy --purge alice bob
unlike "no lease is left" '^rdma' "$(bay leases)"
is "the NICs are home" "home home" "$(there hw0) $(there hw1)"
is "taken and returned, says the audit log" "lease.return lease.take" \
	"$(grep '"kind":"rdma"' "$BED/log/audit.log" | grep '"object":"mlx5_0"' | grep -oE 'lease\.[a-z]+' | sort -u | xargs)"

# --- what cannot be ---
like "without a node the start fails" "give RDMA device 'mlx5_2' to workspace 'dora': find the node of RDMA device 'mlx5_2': it has none \(modprobe ib_uverbs\)" "$(start dora)"
is "and the NIC comes home" home "$(there hw2)"
like "a NIC without RDMA" "give RDMA device 'auto' to workspace 'erin': lease the RDMA device of 'hw3': it has none" "$(start erin)"
sed -i 's/^rdma = .*/rdma = mlx5_9/' "$BED/workspaces.d/erin.ini"; bay reload >/dev/null 2>&1
like "one that is not there" "find RDMA device 'mlx5_9': no such device" "$(start erin)"
sed -i 's/^rdma = .*/rdma = mlx5_0/' "$BED/workspaces.d/erin.ini"; bay reload >/dev/null 2>&1
like "one of another NIC" "lease RDMA device 'mlx5_0': it is not of NIC 'hw3' but of '0000:29:00.0'" "$(start erin)"
like "a macvlan in shared mode" address "$(start gina)"
is "has its parent's" uverbs1 "$(bay enter gina -- ls /dev/infiniband)"
like "which is leased once" "'mlx5_1' is leased by 'gina' since" "$(start hanna)"
bay destroy --purge gina >/dev/null 2>&1
mkdir -p "$BED/state/quarantine"
printf 'id mlx5_0\nname pci:0000:29:00.0\nowner alice\nreason it did not arrive\nsince 1\n' >"$BED/state/quarantine/rdma-mlx5_0"
like "one in quarantine" "'mlx5_0' is in quarantine: it did not arrive \(sshbay nic recover mlx5_0\)" "$(start alice)"
like "leases tell of it" '^rdma +mlx5_0 .*quarantined: it did not arrive' "$(bay leases)"
like "doctor too" "WARN +rdma: 'mlx5_0' of 'alice' is in quarantine" "$(bay doctor 2>&1)"
mv "$S/class/infiniband/mlx5_0" "$WORK/hidden"
like "while it is not on the host, recover refuses" "recover 'mlx5_0': find RDMA device 'mlx5_0': no such device" "$(bay nic recover mlx5_0 2>&1)"
mv "$WORK/hidden" "$S/class/infiniband/mlx5_0"
like "then lifts it" "RDMA device 'mlx5_0' is as it was" "$(bay nic recover mlx5_0 2>&1)"
like "and it starts" address "$(start alice)"
bay destroy --purge alice >/dev/null 2>&1

# --- a NIC that comes late ---
device mlx5_4 0000:84:00.0 hw4 uverbs4 237
like "without its NIC it starts" address "$(start late)"
inbed sh -c 'ip link add hw4 type veth peer name far4; ip link set far4 up'
nic hw4 0000:84:00.0
t "the NIC is attached" bay nic attach late
like "show tells that its RDMA device waits" 'its NIC came without the RDMA device \(restart it to get that\)' "$(bay show late)"
is "there is no node" none "$(bay enter late -- sh -c 'ls /dev/infiniband 2>/dev/null || echo none')"
unlike "and no lease" '^rdma +mlx5_4' "$(bay leases)"
bay stop late >/dev/null 2>&1
like "after a restart" address "$(start late)"
is "it has it" "uverbs4" "$(bay enter late -- ls /dev/infiniband)"
unlike "and show says no more" 'without the RDMA device' "$(bay show late)"
bay destroy --purge late >/dev/null 2>&1

# --- exclusive mode, which this kernel has only on paper ---
mode N
like "exclusive mode takes the kernel" "give RDMA device 'mlx5_0' to workspace 'alice': .*(this kernel has no RDMA \(modprobe ib_core\)|not in this namespace)" "$(start alice)"
is "and the NIC comes home" home "$(there hw0)"
like "a macvlan's parent stays" "its NIC is shared \(macvlan\), and the RDMA device would leave it" "$(start gina)"
rm "$S/module/ib_core/parameters/netns_mode"
like "without ib_core" "give RDMA device 'auto' to workspace 'alice': this kernel has no RDMA \(modprobe ib_core\)" "$(start alice)"
like "doctor tells who asks" "FAIL +rdma: this kernel has no RDMA, and workspace 'alice' asks for it" "$(bay doctor 2>&1)"
ini 's/^rdma_netns = .*/rdma_netns = set/'
like "what cannot be set is a warning" 'rdma_netns = set: ' "$(await 10 grep -q 'rdma_netns = set' "$BED/log/provisiond.log"; cat "$BED/log/provisiond.log")"
ini 's/^rdma_netns = .*/rdma_netns = sometimes/'
like "a word that is none" "rdma_netns: 'sometimes' is none of: exclusive, set, shared" "$(cat "$WORK/reload")"
sed -i 's/^rdma_netns = .*/rdma_netns = shared/' "$BED/sshbay.ini"

# --- words that do not go together ---
check() { printf '[workspace]\nusers = user\n%s\n' "$1" >"$BED/workspaces.d/zed.ini"; bay check 2>&1; rm "$BED/workspaces.d/zed.ini"; }
like "rdma without a NIC" "rdma: 'auto' needs a nic" "$(check 'rdma = auto')"
like "rdma_cm without rdma" 'rdma_cm: needs rdma' "$(check 'rdma_cm = yes')"
like "rdma with dpdk" "and rdma exclude each other" "$(check $'nic = hw3x\nrdma = auto\ndpdk = yes')"
like "one device for two" "'mlx5_1' is given to workspace" "$(check $'nic = hw3x\nrdma = mlx5_1')"
like "no device's name" "is not an RDMA device" "$(check $'nic = hw3x\nrdma = ../mlx5')"
bay destroy --purge --all >/dev/null 2>&1
inbed sh -c 'for n in 0 1 2 3 4; do ip link del hw$n; done'
finish
