#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What happens to a GPU's lease by itself: another driver or CDI specification on the host, hooks that are known and not,
# a GPU that comes back dirty and leaves quarantine when its holder ends. Fakes as in gpu.sh.
# Its nodes have numbers of real devices, and whoever holds one of those is seen by every bed: one such script at a time.
[ -n "${SSHBAY_GPU_ALONE:-}" ] || SSHBAY_GPU_ALONE=1 exec flock -o "${TMPDIR:-/tmp}/sshbay-test-gpu.lock" "$0" "$@"
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw
A=GPU-aaaaaaaa-0000-0000-0000-000000000001 B=GPU-bbbbbbbb-0000-0000-0000-000000000002
LIB=/usr/lib/x86_64-linux-gnu

gpu() { # PCI UUID MINOR NODE_MINOR
	mkdir -p "$hw/proc/driver/nvidia/gpus/$1" "$hw/sys/bus/pci/devices/$1"
	printf 'Model: \t\t NVIDIA Fake\nGPU UUID: \t %s\nDevice Minor: \t %s\n' "$2" "$3" \
		>"$hw/proc/driver/nvidia/gpus/$1/information"
	mknod "$hw/dev/nvidia$3" c 10 "$4"
	echo 0-0 >"$hw/sys/bus/pci/devices/$1/local_cpulist"
	echo 1 >"$hw/sys/bus/pci/devices/$1/numa_node"
}
driver() { # VERSION: what the host's driver says, its library, and what nvidia-ctk would write for it
	echo "NVRM version: NVIDIA UNIX x86_64 Kernel Module  $1  Sat" >"$hw/proc/driver/nvidia/version"
	echo "libfake of $1" >"$hw/lib/libfake.so.$1"
	cat >"$hw/cdi/.new" <<YAML
{ "cdiVersion": "0.6.0", "kind": "nvidia.com/gpu",
  "containerEdits": {
    "env": [ "FAKE_VERSION=$1" ],
    "deviceNodes": [ { "path": "/dev/nvidiactl" } ],
    "mounts": [ { "hostPath": "$hw/lib/libfake.so.$1", "containerPath": "$LIB/libfake.so.$1", "options": [ "ro" ] } ],
    "hooks": [
      { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": [ "nvidia-cdi-hook", "create-symlinks", "--link", "libfake.so.$1::$LIB/libfake.so.1" ] },
      { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": [ "nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=$1" ] },
      { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": [ "nvidia-cdi-hook", "update-ldcache", "--folder", "$LIB" ] },
      { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": [ "nvidia-cdi-hook", "chmod", "--mode", "640", "--path", "/dev/nvidiactl" ] },
      { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": [ "nvidia-cdi-hook", "disable-device-node-modification" ] },
      { "hookName": "createContainer", "path": "/usr/bin/acme-hook", "args": [ "acme-hook", "polish" ] } ] },
  "devices": [
    { "name": "0", "containerEdits": { "deviceNodes": [ { "path": "/dev/nvidia0" } ] } },
    { "name": "1", "containerEdits": { "deviceNodes": [ { "path": "/dev/nvidia1" } ] } } ] }
YAML
	mv "$hw/cdi/.new" "$hw/cdi/nvidia.json"
}
mkdir -p "$hw"/{dev,cdi,lib,proc,sys}
gpu 0000:41:00.0 $A 0 234
gpu 0000:81:00.0 $B 1 235
mknod "$hw/dev/nvidiactl" c 10 259
echo 'ModifyDeviceFiles: 1' >"$hw/proc/driver/nvidia/params"
driver 535.104.05
chmod 0755 "$WORK" "$hw" "$hw/lib"
bed_up - <<INI
[hardware]
sysfs = $hw/sys
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi:$hw/later
[workspace alice]
gpu = 0
[workspace bob]
gpu = pci:0000:41:00.0
INI
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
events() { bay events | grep -E "\"ev(ent)?\": ?\"$1\""; }

# --- hooks, from JSON ---
like "a hook that is not known is named at the start" "gpu +.*hook 'polish' has no effect" "$(on -tt alice@gate true </dev/null 2>&1)"
like "doctor names it with its line" "nvidia.json:[0-9]+: hook 'polish' is not known" "$(bay doctor 2>&1)"
unlike "and no other" "hook '(create|update|enable|chmod|disable)" "$(bay doctor 2>&1)"
is "create-symlinks: the link" "libfake of 535.104.05" "$(on alice@gate "cat $LIB/libfake.so.1")"
is "update-ldcache: the folder" "$LIB" "$(on alice@gate 'cat /etc/ld.so.conf.d/00-sshbay.conf')"
is "chmod: the node's mode" "640" "$(on alice@gate 'stat -c %a /dev/nvidiactl')"
is "enable-cuda-compat: nothing to do without such libraries" "0" "$(on alice@gate 'grep -c cuda /etc/ld.so.conf.d/00-sshbay.conf')"
compat() { on alice@gate "sudo sh -c 'rm -rf /usr/local/cuda; mkdir -p /usr/local/cuda/compat; cd /usr/local/cuda/compat; echo x >libcuda.so.$1; ln -s libcuda.so.$1 libcuda.so.1'"; bay stop alice >/dev/null 2>&1; bay start alice >/dev/null 2>&1; on alice@gate 'head -n 1 /etc/ld.so.conf.d/00-sshbay.conf'; }
is "older ones than the host's driver: not used" "$LIB" "$(compat 525.60.13)"
is "newer ones come first" "/usr/local/cuda/compat" "$(compat 550.54.14)"
is "an escaping link leads nowhere" "$LIB" "$(on alice@gate 'sudo sh -c "rm -rf /usr/local/cuda/compat; ln -s /proc/self/root/../../etc /usr/local/cuda/compat"'; bay stop alice >/dev/null 2>&1; bay start alice >/dev/null 2>&1; on alice@gate 'head -n 1 /etc/ld.so.conf.d/00-sshbay.conf')"

# --- leases tell where and what ---
bay stop alice >/dev/null 2>&1
bay start alice >/dev/null 2>&1
like "who has it, what it is, and where" "gpu +$A +alice .*running, NVIDIA Fake, NUMA node 1" "$(bay leases)"
like "what is free" "gpu +$B .*free, NVIDIA Fake, NUMA node 1" "$(bay leases)"
is "also as JSON" "['', 'alice']" "$(bay leases --json | json 'sorted(x["owner"] or "" for x in d if x["kind"] == "gpu")')"

# --- another driver ---
mkfifo "$WORK/keys"
"$BED/run" ssh -F "$BED/ssh_config" -o BatchMode=yes -tt alice@gate <"$WORK/keys" >"$WORK/terminal" 2>&1 &
shell=$!
exec 7>"$WORK/keys"
echo 'echo rea""dy' >&7
t "a shell is there" await 60 grep -q ready "$WORK/terminal"
is "nothing is amiss" "" "$(bay show alice --json | json 'd["note"] or ""')"
driver 550.54.14
like "show knows at once" "driver is 550.54.14 now, the files inside are of 535.104.05" "$(bay show alice)"
t "the running shell is told, unasked" await 90 grep -q "sshbay: workspace 'alice': .*driver is 550.54.14 now" "$WORK/terminal"
like "it is in the audit log" "$A.*550.54.14" "$(events gpu.changed)"
echo exit >&7
exec 7>&-
reap "$shell"
is "once" 1 "$(grep -c 'sshbay: workspace' "$WORK/terminal")"
is "what is inside has not changed under its programs" "libfake of 535.104.05" "$(on alice@gate "cat $LIB/libfake.so.1")"
unlike "a command's output has nothing of it" 550 "$(on alice@gate true 2>&1)"
t "after a restart" sh -c "'$BED/sshbay' stop alice && '$BED/sshbay' start alice"
is "the new library, by the same link" "libfake of 550.54.14" "$(on alice@gate "cat $LIB/libfake.so.1")"
is "and environment" "550.54.14" "$(on alice@gate 'echo $FAKE_VERSION')"
is "no note any more" "" "$(bay show alice --json | json 'd["note"] or ""')"
for v in $(seq 551 572); do
	driver "$v.1"
	bay stop alice >/dev/null 2>&1
	bay start alice >"$WORK/start" 2>&1 || cat "$WORK/start"
done
is "many upgrades later" "libfake of 572.1" "$(on alice@gate "cat $LIB/libfake.so.1")"
is "nothing of earlier ones lies around" "libfake.so.1 libfake.so.572.1" "$(on alice@gate "cd $LIB; ls -A | grep libfake | xargs")"
on alice@gate "sudo sh -c 'cd $LIB; ln -sf /etc/passwd libfake.so.1'" # a tenant's own link is kept
driver 573.1
t "an upgrade with a tenant's link in the way" sh -c "'$BED/sshbay' stop alice && '$BED/sshbay' start alice"
is "it is moved aside" "libfake.so.1 libfake.so.1.sshbay-saved libfake.so.573.1" "$(on alice@gate "cd $LIB; ls -A | grep libfake | xargs")"
# The same driver, but another device: only the specification tells.
sed -i 's|"FAKE_VERSION=|"FAKE_OTHER=|' "$hw/cdi/nvidia.json"
like "a CDI device that has changed" "CDI device nvidia.com/gpu=0 is another since" "$(bay show alice)"
mv "$hw/cdi/nvidia.json" "$WORK/"
like "and one that is gone" "CDI device nvidia.com/gpu=0 is gone since" "$(bay show alice)"
mv "$WORK/nvidia.json" "$hw/cdi/"
bay destroy --purge alice >/dev/null 2>&1

# --- dirty, and clean again ---
bay create alice >/dev/null 2>&1
sleep 1000 3<"$hw/dev/nvidia0" &
holder=$!
t "given back while a process of the host holds it" bay destroy --purge alice
like "leases show it with the reason" "gpu +$A +.*quarantined: dirty: held by pid $holder \(sleep 1000\), last 'alice'" "$(bay leases)"
is "as JSON" "$A None True" "$(bay leases --json | json '[(x["object"], x["owner"] or None, "dirty: held by pid" in x["detail"]) for x in d if x["kind"] == "gpu" and "quar" in x["detail"]][0]' | tr -d "(),'")"
like "the audit log has it" "$A.*dirty" "$(events lease.quarantine)"
like "who wants it is told" "give GPU '$A' to workspace 'bob': in quarantine: dirty: held by pid $holder .*sshbay gpu recover" "$(bay create bob 2>&1)"
like "recover refuses" "still held by pid $holder" "$(bay gpu recover 0 2>&1)"
like "and that is in the log, too" "still held" "$(events lease.quarantine)"
# A node of the same device somewhere else, held after the first is let go.
mknod "$WORK/alias" c 10 234
sleep 1001 3<"$WORK/alias" &
other=$!
kill "$holder"
wait "$holder" 2>/dev/null
like "any node of the device counts" "still held by pid $other" "$(bay gpu recover $A 2>&1)"
kill "$other"
wait "$other" 2>/dev/null
lifted() { bay leases | grep -q "gpu  *$A .*free"; }
t "nobody holds it: it is free by itself" await 120 lifted
like "said so in the audit log" "$A.*nobody holds it" "$(events lease.recover)"
t "and can be leased" bay create bob
like "a provisiond that is killed" "" "$("$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond)"
like "knows the lease" "gpu +$A +bob" "$(bay leases)"
finish
