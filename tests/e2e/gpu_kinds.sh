#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Kinds of GPUs beside NVIDIA's whole ones: MIG instances, AMD's and Intel's by PCI address, nothing but driver files; and cpus
# near a device in a machine with two memory nodes. All in fake trees; nodes have the numbers of devices that do no harm.
# Its nodes have numbers of real devices, and whoever holds one of those is seen by every bed: one such script at a time.
[ -n "${SSHBAY_GPU_ALONE:-}" ] || SSHBAY_GPU_ALONE=1 exec flock -o "${TMPDIR:-/tmp}/sshbay-test-gpu.lock" "$0" "$@"
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw
A=GPU-aaaaaaaa-0000-0000-0000-000000000001
mkdir -p "$hw"/{dev/dri,dev/nvidia-caps,cdi,proc/driver/nvidia-caps,sys/class/drm,sys/bus/pci/devices}
chmod 0755 "$WORK" "$hw"
online=$(cat /sys/devices/system/cpu/online)
last=${online##*[-,]}

misc() { awk -v n="$1" '$2 == n { print $1; found = 1 } END { if (!found) print 250 }' /proc/misc; }
pci() { # ADDRESS CPUS NODE
	mkdir -p "$hw/sys/bus/pci/devices/$1"
	echo "$2" >"$hw/sys/bus/pci/devices/$1/local_cpulist"
	echo "$3" >"$hw/sys/bus/pci/devices/$1/numa_node"
}
drm() { # RENDER-MINOR PCI VENDOR MODEL NODE_MINOR (of 10)
	local d=$hw/sys/class/drm/renderD$1
	mkdir -p "$d/device"
	echo "226:$1" >"$d/dev"
	printf 'DRIVER=fake\nPCI_SLOT_NAME=%s\n' "$2" >"$d/device/uevent"
	echo "$3" >"$d/device/vendor"
	[ -z "$4" ] || echo "$4" >"$d/device/product_name"
	mknod "$hw/dev/dri/renderD$1" c 10 "$5"
	mknod "$hw/dev/dri/card$1" c 10 1
}
mkdir -p "$hw/sys/devices/system/cpu"
echo "$online" >"$hw/sys/devices/system/cpu/online"
pci 0000:03:00.0 "0-0" 0
pci 0000:83:00.0 "0-$last" 1
pci 0000:00:02.0 "$last-$last" 1
pci 0000:41:00.0 "0-0" 0
drm 128 0000:03:00.0 0x1002 "Instinct Fake" 234
drm 129 0000:83:00.0 0x1002 "Instinct Fake" 235
drm 130 0000:00:02.0 0x8086 "" "$(misc vsock)"
mknod "$hw/dev/kfd" c 10 237
# An NVIDIA GPU in two instances: capability nodes, by number from the driver's files.
mkdir -p "$hw/proc/driver/nvidia/gpus/0000:41:00.0"
printf 'Model: \t NVIDIA Fake\nGPU UUID: \t %s\nDevice Minor: \t 0\n' $A >"$hw/proc/driver/nvidia/gpus/0000:41:00.0/information"
mknod "$hw/dev/nvidia0" c 10 200
mknod "$hw/dev/nvidiactl" c 10 183
minor=10
numbers=("$(misc tun)" "$(misc userfaultfd)" "$(misc hw_random)" "$(misc vga_arbiter)")
for gi in 1 2; do
	for part in gi$gi gi$gi/ci0; do
		mkdir -p "$hw/proc/driver/nvidia/capabilities/gpu0/mig/$part"
		printf 'DeviceFileMinor: %d\nDeviceFileMode: 292\n' $minor >"$hw/proc/driver/nvidia/capabilities/gpu0/mig/$part/access"
		mknod "$hw/dev/nvidia-caps/nvidia-cap$minor" c 10 "${numbers[minor - 10]}"
		minor=$((minor + 1))
	done
done
bed_up - <<INI
[hardware]
sysfs = $hw/sys
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[pool]
gpus = 0000:00:02.0, $A/gi2/ci0
[workspace amd1]
gpu = pci:0000:03:00.0
cpus = auto:gpu
[workspace amd2]
gpu = 0000:83:00.0
cpus = auto:gpu
[workspace intel]
gpu = 0000:00:02.0
cpus = auto:gpu
[workspace mig1]
gpu = $A/gi1/ci0
[workspace mig2]
gpu = auto
[workspace mig3]
gpu = 2/gi1/ci0
[workspace whole]
gpu = pci:0000:41:00.0
[workspace missing]
gpu = 2/gi7/ci0
INI
dev() { bay enter "$1" -- sh -c 'cd /dev; for f in dri/* kfd nvidia*/* nvidia*; do [ ! -c $f ] || echo $f; done | sort | xargs' </dev/null; }
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }

# --- AMD, Intel ---
like "an AMD GPU by PCI address" "address" "$(bay create amd1 2>&1)"
is "gets its render node and kfd, no card" "dri/renderD128 kfd" "$(dev amd1)"
is "numbers are the host nodes'" "10:234 10:237" "$(bay enter amd1 -- stat -c %Hr:%Lr /dev/dri/renderD128 /dev/kfd </dev/null | xargs)"
is "and both are for everybody inside" "666 666" "$(bay enter amd1 -- stat -c %a /dev/dri/renderD128 /dev/kfd </dev/null | xargs)"
is "cpus near it: one" "0" "$(bay enter amd1 -- sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status </dev/null)"
like "explained in one line" '"cpus": ?"0-0 \(auto:gpu: near' "$(bay show amd1 --json)"
like "the second's cpus are not free" "choose cpus for 'amd2': $((last + 1)) near 0000:83:00.0 \(0-$last\), and 'amd1' has 0-0 of its own" "$(bay create amd2 2>&1)"
like "and nothing of it is left" "gpu +0000:83:00.0.*$" "$(bay gpu list | sed 's/^[0-9]* */gpu /')"
unlike "no lease" "amd2" "$(bay leases)"
if [ "$last" -ge 1 ]; then
	like "Intel's, on the other node" "address" "$(bay create intel 2>&1)"
	is "its node alone" "dri/renderD130" "$(dev intel)"
	is "its cpus" "$last" "$(bay enter intel -- sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status </dev/null)"
	is "kfd is AMD's alone" "" "$(bay enter intel -- sh -c 'ls /dev/kfd 2>/dev/null' </dev/null)"
	bay destroy --purge intel >/dev/null 2>&1
else
	skip "a second node" "one cpu"
fi
bay destroy --purge amd1 >/dev/null 2>&1
like "then the wide one starts" "address" "$(bay create amd2 2>&1)"
is "with all of its cpus" "0-$last" "$(bay enter amd2 -- sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status </dev/null)"
like "and intel has to wait" "'amd2' has 0-$last of its own" "$(bay create intel 2>&1)"
sleep 1000 3<"$hw/dev/kfd" &
holder=$!
t "kfd in use on the host keeps no GPU from anybody: all share it" sh -c "'$BED/sshbay' destroy --purge amd2 && '$BED/sshbay' create amd1"
kill $holder
wait $holder 2>/dev/null
bay destroy --purge amd1 >/dev/null 2>&1

# --- MIG ---
like "an instance by UUID" "address" "$(bay create mig1 2>&1)"
is "its capabilities, the GPU's node, the control node; not the other instance's" "nvidia-caps/nvidia-cap10 nvidia-caps/nvidia-cap11 nvidia0 nvidiactl" "$(dev mig1)"
like "the lease is the instance's" "gpu +$A/gi1/ci0 +mig1" "$(bay leases)"
like "auto takes an instance of the pool" "address" "$(bay create intel 2>&1 | sed 's/^/ignored: /'; bay create mig2 2>&1)"
is "a free one" "$A/gi2/ci0" "$(bay show mig2 --json | json 'd["gpu"]')"
is "with its own capabilities" "nvidia-caps/nvidia-cap12 nvidia-caps/nvidia-cap13 nvidia0 nvidiactl" "$(dev mig2)"
like "the same instance by index" "give GPU '$A/gi1/ci0' to workspace 'mig3': leased by 'mig1'" "$(bay create mig3 2>&1)"
like "the whole GPU while an instance is leased" "leased by 'mig1'|leased by 'mig2'" "$(bay create whole 2>&1)"
like "an instance that is not there" "GPU '2/gi7/ci0': this host has no such one" "$(bay create missing 2>&1)"
sleep 1000 3<"$hw/dev/nvidia-caps/nvidia-cap11" &
holder=$!
bay destroy --purge mig1 mig2 >/dev/null 2>&1
like "a capability that is held: that instance alone is dirty" "$A/gi1/ci0.*quarantined: dirty" "$(bay leases)"
like "the other one is free" "$A/gi2/ci0.*free" "$(bay leases)"
like "the whole GPU is not to be had meanwhile" "in quarantine" "$(bay create whole 2>&1)"
kill "$holder"
wait "$holder" 2>/dev/null
lifted() { ! bay leases | grep -q quarantined; }
t "until that ends" await 120 lifted
t "then the whole one starts" bay create whole
finish
