#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cpus = auto:nic and auto:gpu in a whole bed: which cpus and which memory a workspace is on, that nobody else is given them,
# what is said, and for how long they are its own. NICs are ends of veth pairs and the GPU a harmless node; a tree of files that
# stands for sysfs says where they are: one device near the first cpu, one near the last, two near all.
# Its nodes have numbers of real devices, and whoever holds one of those is seen by every bed: one such script at a time.
[ -n "${SSHBAY_GPU_ALONE:-}" ] || SSHBAY_GPU_ALONE=1 exec flock -o "${TMPDIR:-/tmp}/sshbay-test-gpu.lock" "$0" "$@"
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw S=$WORK/hw/sys
G=GPU-aaaaaaaa-0000-0000-0000-000000000001
online=$(cat /sys/devices/system/cpu/online)
last=${online##*[-,]}
all=0-$last every=$all # as we list them, and as the kernel does
[ "$last" != 0 ] || every=0
mkdir -p "$S"/{class/net,bus/pci/devices,devices/system/cpu,devices/system/node/node0} "$hw"/{dev,cdi,proc/driver/nvidia/gpus/0000:41:00.0}
echo "$online" >"$S/devices/system/cpu/online"
echo 0 >"$S/devices/system/node/has_memory"
echo "$all" >"$S/devices/system/node/node0/cpulist"
pci() { # ADDRESS CPUS NODE
	mkdir -p "$S/bus/pci/devices/$1"
	echo "$2" >"$S/bus/pci/devices/$1/local_cpulist"
	echo "$3" >"$S/bus/pci/devices/$1/numa_node"
}
# Numbers that no namespace has yet, so that an interface keeps its own wherever it goes.
nic() { # NUMBER PCI
	inbed ip link add "hw$1" index $((7000 + $1)) type veth peer name "far$1" && inbed ip link set "far$1" up && inbed ip link set "hw$1" up
	mkdir -p "$S/class/net/hw$1"
	echo $((7000 + $1)) >"$S/class/net/hw$1/ifindex"
	ln -s "../../../bus/pci/devices/$2" "$S/class/net/hw$1/device"
}
pci 0000:29:00.0 "0" 0
pci 0000:81:00.0 "$last" 0
pci 0000:82:00.0 "$all" 0
pci 0000:83:00.0 "$all" 0
pci 0000:41:00.0 "0" 0
printf 'Model: \t NVIDIA Fake\nGPU UUID: \t %s\nDevice Minor: \t 0\n' $G >"$hw/proc/driver/nvidia/gpus/0000:41:00.0/information"
mknod "$hw/dev/nvidia0" c 10 234
mknod "$hw/dev/nvidiactl" c 10 183
bed_up - <<INI
[hardware]
sysfs = $S
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[workspace near]
users = alice
nic = pci:0000:29:00.0
cpus = auto:nic
[workspace far]
nic = hw1
cpus = auto:nic
[workspace wide]
nic = hw2
cpus = auto:nic
[workspace late]
nic = pci:0000:83:00.0
nic_policy = optional
cpus = auto:nic
[workspace soft]
nic = cable0
cpus = auto:nic
[workspace gpu]
gpu = $G
cpus = auto:gpu
[workspace listed]
cpus = 0-0
INI
nic 0 0000:29:00.0; nic 1 0000:81:00.0; nic 2 0000:82:00.0
inbed ip link add cable0 type veth peer name cable1
start() { bay start "$1" 2>&1; }
on_what() { # which cpus and memory nodes a process inside is allowed
	bay enter "$1" -- sed -n 's/^\(Cpus\|Mems\)_allowed_list:[[:space:]]*//p' /proc/self/status </dev/null | xargs
}
lease() { bay leases --json | python3 -c 'import json,sys
print(" ".join(r["object"] + " " + r["owner"] for r in json.load(sys.stdin) if r["kind"] == "cpus") or "none")'; }
shown() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["cpus"])'; }
nics() { inbed ip -o link show "$1" 2>/dev/null | grep -c .; }
restart() { "$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond; }

# --- near the NIC ---
like "a workspace near its NIC starts" address "$(start near)"
is "it is on the cpu near it, with the memory there" "0 0" "$(on_what near)"
is "a login, too" "0 0" "$(on alice+near@gate "sed -n 's/^[CM][pe][um]s_allowed_list:[[:space:]]*//p' /proc/self/status" | xargs)"
is "explained in one line" "0-0 (auto:nic: near its device, memory node 0)" "$(shown near)"
is "leases names the cpus and who has them" "0-0 near" "$(lease)"
like "with the memory node" "^cpus +0-0 +near +20.* near its device, memory node 0" "$(bay leases)"
like "and the NIC with its speed and its place" "^nic +hw0 +near +20.*, 10000 Mbit/s, NUMA node 0" "$(bay leases near)"

# --- nobody else's ---
like "another NIC's are refused, with who has them" \
	"choose cpus for 'wide': $((last + 1)) near 0000:82:00.0 \($all\), and 'near' has 0-0 of its own \(list them for both\)" "$(start wide)"
is "and its NIC is where it was" 1 "$(nics hw2)"
unlike "no lease is left of that" wide "$(bay leases)"
like "also those near a GPU" "choose cpus for 'gpu': 1 near 0000:41:00.0 \(0-0\), and 'near' has 0-0" "$(start gpu)"
unlike "no lease of the GPU either" " gpu$" "$(bay leases gpu 2>/dev/null)"
like "a list in the configuration is no lease and may name them" address "$(start listed)"
is "that one is on them" "0 0" "$(on_what listed)"
if [ "$last" -ge 1 ]; then
	like "the other side of the machine is free" address "$(start far)"
	is "with its own cpu" "$last 0" "$(on_what far)"
	is "both are leased" "0-0 near $last-$last far" "$(lease | awk '{ print ($2 == "near") ? $0 : $3, $4, $1, $2 }')"
	bay destroy --purge far >/dev/null 2>&1
else
	skip "the other side" "one cpu"
fi
like "a NIC that is nowhere on the bus has none near it" "choose cpus for 'soft': cpus = auto:nic, and 'name:cable0' is no PCI device \(list the cpus\)" "$(start soft)"
is "and stays" 1 "$(nics cable0)"

# --- for how long ---
restart
is "a restart of provisiond forgets nothing" "0-0 near" "$(lease)"
like "and gives them to nobody" "'near' has 0-0 of its own" "$(start wide)"
bay stop near >/dev/null 2>&1
is "a stop keeps them with the NIC" "0-0 near" "$(lease)"
like "from others" "'near' has 0-0 of its own" "$(start wide)"
is "and the next start is on them" "0 0" "$(start near >/dev/null; on_what near)"
echo "$all" >"$S/bus/pci/devices/0000:29:00.0/local_cpulist"
bay stop near >/dev/null 2>&1
is "what sysfs says is asked at each start" "$every 0" "$(start near >/dev/null; on_what near)"
echo 0 >"$S/bus/pci/devices/0000:29:00.0/local_cpulist"
bay destroy near >/dev/null 2>&1
is "a destroy gives them back" none "$(lease)"
is "with the NIC" 1 "$(nics hw0)"
like "to whoever asks" address "$(start wide)"
is "all of them" "$all wide" "$(lease)"
bay destroy --purge wide >/dev/null 2>&1

# --- near the GPU ---
like "near a GPU" address "$(start gpu)"
is "its cpu and memory" "0 0" "$(on_what gpu)"
is "said so" "0-0 (auto:gpu: near its device, memory node 0)" "$(shown gpu)"
like "no NIC gets them" "'gpu' has 0-0 of its own" "$(start near)"
restart
is "over a restart" "0-0 gpu" "$(lease)"
bay destroy --purge gpu >/dev/null 2>&1
is "free after it" none "$(lease)"

# --- a NIC that is not there yet, and not required ---
like "without its optional NIC it starts" address "$(start late)"
is "on all cpus" "$every" "$(on_what late | cut -d' ' -f1)"
is "which are nobody's own" none "$(lease)"
nic 3 0000:83:00.0
t "it comes late" bay nic attach late
like "and the note tells how to get to its cpus" "its NIC came late, so it is on all cpus \(restart it" "$(bay show late)"
bay stop late >/dev/null 2>&1
is "as it is then" "$all late" "$(start late >/dev/null; lease)"

# --- what an admin gets wrong ---
like "no workspace to attach for" "^sshbay: attach the NIC of workspace 'nobody': no such workspace \(sshbay list\)" "$(bay nic attach nobody 2>&1)"
like "one that is not there to attach to" "attach the NIC of workspace 'wide': it is absent \(sshbay start wide\)" "$(bay nic attach wide 2>&1)"
for words in '=list or recover\?' 'frob=unknown verb .frob.' 'list x=list takes no operand' 'recover=recover needs one GPU' 'recover a b=recover needs one GPU'; do
	# shellcheck disable=SC2086 # words
	like "gpu ${words%%=*}" "^sshbay gpu: ${words#*=}" "$(bay gpu ${words%%=*} 2>&1)"
done

# --- where sysfs says nothing, or nonsense ---
bay destroy --purge late >/dev/null 2>&1
rm "$S/bus/pci/devices/0000:29:00.0/local_cpulist"
like "not told" "choose cpus for 'near': find the cpus near '0000:29:00.0'" "$(start near)"
echo banana >"$S/bus/pci/devices/0000:29:00.0/local_cpulist"
like "no list" "find the cpus near '0000:29:00.0': local_cpulist is no list" "$(start near)"
echo 8000 >"$S/bus/pci/devices/0000:29:00.0/local_cpulist"
like "none of them online" "find the cpus near '0000:29:00.0': none is online" "$(start near)"
is "the NIC is where it was" 1 "$(nics hw0)"

bay destroy --purge near listed soft >/dev/null 2>&1
inbed sh -c 'for n in hw0 hw1 hw2 hw3 cable0; do ip link del $n; done' 2>/dev/null
finish
