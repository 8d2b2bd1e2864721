#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# GPUs: leases, what is inside, what is not, who is in the way. The host's roots are fake trees whose "GPU" nodes have the
# numbers of devices that do no harm: btrfs-control and autofs; nvidiactl is cpu_dma_latency.
# Its nodes have numbers of real devices, and whoever holds one of those is seen by every bed: one such script at a time.
[ -n "${SSHBAY_GPU_ALONE:-}" ] || SSHBAY_GPU_ALONE=1 exec flock -o "${TMPDIR:-/tmp}/sshbay-test-gpu.lock" "$0" "$@"
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw
A=GPU-aaaaaaaa-0000-0000-0000-000000000001 B=GPU-bbbbbbbb-0000-0000-0000-000000000002

gpu() { # PCI UUID MINOR NODE_MINOR CPUS NUMA
	mkdir -p "$hw/proc/driver/nvidia/gpus/$1" "$hw/sys/bus/pci/devices/$1"
	printf 'Model: \t\t NVIDIA Fake\nIRQ:   \t\t 16\nGPU UUID: \t %s\nDevice Minor: \t %s\n' "$2" "$3" \
		>"$hw/proc/driver/nvidia/gpus/$1/information"
	mknod "$hw/dev/nvidia$3" c 10 "$4"
	chmod 0600 "$hw/dev/nvidia$3"
	echo "$5" >"$hw/sys/bus/pci/devices/$1/local_cpulist"
	echo "$6" >"$hw/sys/bus/pci/devices/$1/numa_node"
}
mkdir -p "$hw"/{dev,cdi,lib,proc,sys}
gpu 0000:41:00.0 $A 0 234 0-0 -1
gpu 0000:81:00.0 $B 1 235 0-0 -1
mknod "$hw/dev/nvidiactl" c 10 259
echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat' >"$hw/proc/driver/nvidia/version"
echo 'libfake' >"$hw/lib/libfake.so.535"
chmod 0755 "$WORK" "$hw" "$hw/lib"
cat >"$hw/cdi/nvidia.yaml" <<YAML
cdiVersion: "0.5.0"
kind: nvidia.com/gpu
containerEdits:
  env: [ "NVIDIA_VISIBLE_DEVICES=void", "FAKE=a b # c" ]
  deviceNodes: [ { path: /dev/nvidiactl, permissions: r } ]
  mounts:
    - { hostPath: $hw/lib/libfake.so.535, containerPath: /usr/lib/x86_64-linux-gnu/libfake.so.535, options: [ro, nosuid, nodev, bind] }
  hooks:
    - { hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, create-symlinks, --link, "libfake.so.535::/usr/lib/x86_64-linux-gnu/libfake.so.1"] }
    - { hookName: createContainer, path: /usr/bin/nvidia-ctk, args: [nvidia-ctk, hook, update-ldcache, --folder, /usr/lib/x86_64-linux-gnu] }
devices:
  - name: "0"
    containerEdits: { deviceNodes: [ { path: /dev/nvidia0, fileMode: 0660, gid: 44 } ] }
  - name: all
    containerEdits: { deviceNodes: [ { path: /dev/nvidia0 }, { path: /dev/nvidia1 } ] }
YAML
bed_up - <<INI
[hardware]
sysfs = $hw/sys
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[workspace alice]
gpu = $A
cpus = auto:gpu
[workspace bob]
gpu = auto
[workspace carol]
gpu = 0
[workspace dora]
gpu = nvidia.com/gpu=all
[workspace erin]
gpu = 7
INI

# --- what is inside ---
like "a workspace with a GPU starts" "address" "$(bay create alice 2>&1)"
is "its nodes: the GPU's and the control node, nothing of the other GPU" "nvidia0 nvidiactl" \
	"$(on alice@gate 'cd /dev; echo nvidia*')"
is "owner, group and mode are its own" "0 44 660 10:234" "$(on alice@gate "stat -c '%u %g %a %Hr:%Lr' /dev/nvidia0")"
is "the host's node is as it was" "0 0 600" "$(stat -c '%u %g %a' "$hw/dev/nvidia0")"
is "a node without a mode is for everybody inside" "0 0 666" "$(on alice@gate "stat -c '%u %g %a' /dev/nvidiactl")"
t "root inside opens the GPU" inbed "$BED/sshbay" enter alice -- sh -c 'exec 3<>/dev/nvidia0'
like "permissions: r forbids writing" 'not permitted' "$(bay enter alice -- sh -c 'exec 3>/dev/nvidiactl' 2>&1)"
is "the environment reaches a command" "void a b # c" "$(on alice@gate 'echo $NVIDIA_VISIBLE_DEVICES $FAKE')"
is "and a client cannot set another one" "void" \
	"$(NVIDIA_VISIBLE_DEVICES=all on -o SendEnv=NVIDIA_VISIBLE_DEVICES alice@gate 'echo $NVIDIA_VISIBLE_DEVICES')"
is "a library is shown" "libfake" "$(on alice@gate 'cat /usr/lib/x86_64-linux-gnu/libfake.so.535')"
is "by its soname too" "libfake.so.535" "$(on alice@gate 'readlink /usr/lib/x86_64-linux-gnu/libfake.so.1')"
like "read-only" 'Read-only|denied' "$(bay enter alice -- sh -c 'echo x >/usr/lib/x86_64-linux-gnu/libfake.so.535' 2>&1)"
is "its folder is the linker's" "/usr/lib/x86_64-linux-gnu" "$(on alice@gate 'cat /etc/ld.so.conf.d/00-sshbay.conf')"
is "one environment, no library elsewhere" "" "$(bay create mallory >/dev/null 2>&1; bay enter mallory -- sh -c 'ls /dev/nvidia* /run/sshbay/env 2>/dev/null')"
is "the cpus near it" "0-0" "$(bay show alice --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["cpus"].split()[0])')"
is "and no others" "0" "$(on alice@gate "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status")"

# --- no other device opens, even where a node is at hand ---
probe() { # WORKSPACE NUMBER: open a node of the host's in the workspace's groups
	local g kind path pid
	rm -f "$WORK/node"
	mknod "$WORK/node" c "${2%:*}" "${2#*:}"
	pid=$(bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
	while IFS=: read -r kind _ path; do # each mechanism by itself
		for g in $([ "$kind" = 0 ] && echo /sys/fs/cgroup/unified /sys/fs/cgroup || echo /sys/fs/cgroup/devices); do
			[ "$path" != / ] && [ -e "$g$path/cgroup.procs" ] || continue
			( echo "$BASHPID" >"$g$path/cgroup.procs"
			python3 -c 'import os,sys
try: os.open(sys.argv[1], os.O_RDONLY); print("opened")
except OSError as e: print(e.strerror)' "$WORK/node" )
		done
	done < <(grep -E '^0:|:devices:' "/proc/$pid/cgroup") | sort | uniq -c | sed 's/^ *//' | tr '\n' ' '
}
hows=$(grep -cE '^0:|:devices:' /proc/self/cgroup)
is "the GPU of the lease opens" "$hows opened " "$(probe alice 10:234)"
is "the other GPU does not" "$hows Operation not permitted " "$(probe alice 10:235)"
is "the kernel's log does not" "$hows Operation not permitted " "$(probe alice 1:11)"
is "null does" "$hows opened " "$(probe alice 1:3)"
is "without a lease the GPU does not" "$hows Operation not permitted " "$(probe mallory 10:234)"

# --- exclusive ---
like "a second workspace is told who has it" "carol.*leased by 'alice' since .*sshbay leases" "$(bay create carol 2>&1)"
like "a set with it too" "leased by 'alice'" "$(bay create dora 2>&1)"
like "auto takes the free one" "address" "$(bay create bob 2>&1)"
is "which is the other" "nvidia1 nvidiactl" "$(on bob@gate 'cd /dev; echo nvidia*')"
like "one that is not there" "GPU '7': this host has no such one" "$(bay create erin 2>&1)"
like "leases tell" "gpu +$A +alice" "$(bay leases)"
like "gpu list tells" "$B .*bob" "$(bay gpu list)"
like "show tells" "\"gpu\": ?\"$B" "$(bay show bob --json)"

# --- a stop keeps it, a destroy gives it back ---
t "stop" bay stop alice
like "a stopped one keeps its lease" "leased by 'alice'" "$(bay create carol 2>&1)"
t "start" bay start alice
is "the node is there again" "nvidia0" "$(on alice@gate 'cd /dev; echo nvidia0')"
echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Sat' >"$hw/proc/driver/nvidia/version"
like "also at a login" "note .*driver is 550" "$(on -tt alice@gate <<<exit 2>&1 | head -20)"
like "another driver on the host is told" "driver is 550.54.14 now, .* 535.104.05" "$(bay show alice)"
t "destroy" bay destroy alice --purge
like "free again" "$A .*free" "$(bay gpu list)"

# --- somebody of the host's is in the way ---
sleep 1000 3<"$hw/dev/nvidia0" &
holder=$!
like "a GPU in use is refused with pid and command" "in use on the host by pid $holder \(sleep 1000\)" "$(bay create carol 2>&1)"
like "that is not held against it" "$A .*free" "$(bay gpu list)"
kill "$holder"
wait "$holder" 2>/dev/null
like "then it starts" "address" "$(bay create carol 2>&1)"
sleep 1001 3<"$hw/dev/nvidia0" &
holder=$!
t "given back while a process of the host holds it" bay destroy carol --purge
like "it is dirty" "$A .*dirty: held by pid $holder \(sleep 1001\)" "$(bay gpu list)"
like "and given to nobody" "in quarantine: dirty: held by pid $holder.*sshbay gpu recover $A" "$(bay create carol 2>&1)"
t "provisiond is killed" "$ROOT/scripts/testbed" kill "$BED" provisiond
t "and starts" "$ROOT/scripts/testbed" start "$BED" provisiond
like "it is remembered" "in quarantine" "$(bay create carol 2>&1)"
like "recover refuses while it is held" "still held by pid $holder" "$(bay gpu recover $A 2>&1)"
kill "$holder"
wait "$holder" 2>/dev/null
like "then lifts it" "recovered" "$(bay gpu recover $A 2>&1)"
like "a second time there is nothing to do" "not in quarantine" "$(bay gpu recover $A 2>&1)"
like "it can be leased" "address" "$(bay create carol 2>&1)"
is "the lease outlives provisiond" "ok" "$("$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
	bay create alice 2>&1 | grep -q "leased by 'carol'" && echo ok)"

# --- bad specifications ---
cat >"$hw/cdi/bad.yaml" <<'YAML'
cdiVersion: "0.5.0"
kind: acme.com/card
devices:
  - name: one
    containerEdits: { deviceNodes: [ { path: /etc/passwd } ] }
  - name: two
    containerEdits: { mounts: [ { hostPath: /etc, containerPath: /dev/etc } ] }
  - name: gone
    containerEdits: { mounts: [ { hostPath: /nowhere/lib.so, containerPath: /usr/lib/lib.so } ] }
YAML
try() { printf '[workspace]\ngpu = %s\n' "$1" >"$BED/workspaces.d/erin.ini"; bay reload >/dev/null 2>&1; bay create erin 2>&1; }
like "a node outside of /dev" "bad.yaml:5: .*'/etc/passwd'" "$(try acme.com/card=one)"
like "a file on /dev" "bad.yaml:7: .*/dev inside is not for files" "$(try acme.com/card=two)"
like "a file that is gone" "/nowhere/lib.so.*no such file.*anew" "$(try acme.com/card=gone)"
like "a device that nobody has" "acme.com/card=none.*no specification has it" "$(try acme.com/card=none)"
echo 'devices: [' >>"$hw/cdi/bad.yaml"
like "a broken file is named with its line" "bad.yaml:10: " "$(try acme.com/card=one)"
rm "$hw/cdi/bad.yaml"
t "its failed starts left nothing" sh -c "! ls $(sed -n 1p "$BED/testbed.id")/ws/erin"
printf '[workspace]\n' >"$BED/workspaces.d/erin.ini"
bay reload >/dev/null
finish
