#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a driver's libraries leave in a workspace's own files (mount points, links) when starts fail, or are killed, between two
# upgrades of the host's driver: the start that succeeds removes all of it. Fakes as in gpu.sh; needs build/faults.
# Its nodes have numbers of real devices, and whoever holds one of those is seen by every bed: one such script at a time.
[ -n "${SSHBAY_GPU_ALONE:-}" ] || SSHBAY_GPU_ALONE=1 exec flock -o "${TMPDIR:-/tmp}/sshbay-test-gpu.lock" "$0" "$@"
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
hw=$WORK/hw
LIB=/usr/lib/x86_64-linux-gnu
mkdir -p "$hw"/{dev,cdi,lib,sys/bus/pci/devices/0000:41:00.0,proc/driver/nvidia/gpus/0000:41:00.0}
printf 'Model: \t NVIDIA Fake\nGPU UUID: \t GPU-aaaaaaaa-0000-0000-0000-000000000001\nDevice Minor: \t 0\n' >"$hw/proc/driver/nvidia/gpus/0000:41:00.0/information"
mknod "$hw/dev/nvidia0" c 10 234
mknod "$hw/dev/nvidiactl" c 10 259
chmod 0755 "$WORK" "$hw" "$hw/lib"
driver() { # VERSION
	echo "NVRM version: NVIDIA UNIX x86_64 Kernel Module  $1  Sat" >"$hw/proc/driver/nvidia/version"
	echo "libfake of $1" >"$hw/lib/libfake.so.$1"
	cat >"$hw/cdi/.new" <<YAML
{ "cdiVersion": "0.6.0", "kind": "nvidia.com/gpu",
  "containerEdits": {
    "mounts": [ { "hostPath": "$hw/lib/libfake.so.$1", "containerPath": "$LIB/libfake.so.$1", "options": [ "ro" ] } ],
    "hooks": [ { "hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook",
      "args": [ "nvidia-cdi-hook", "create-symlinks", "--link", "libfake.so.$1::$LIB/libfake-$1.so" ] } ] },
  "devices": [ { "name": "0", "containerEdits": { "deviceNodes": [ { "path": "/dev/nvidia0" } ] } } ] }
YAML
	mv "$hw/cdi/.new" "$hw/cdi/nvidia.json"
}
driver 535.1
bed_up - <<INI
[hardware]
sysfs = $hw/sys
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
[workspace alice]
gpu = 0
INI
restart_with() { "$ROOT/scripts/testbed" kill "$BED" provisiond; SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond; }
idle() { bay list | grep -qE 'alice +(stopped|absent)'; }
inside() { bay enter alice -- sh -c "cd $LIB && ls -A | grep fake | xargs" </dev/null; }
stop() { bay stop alice >/dev/null 2>&1; }
note() { grep -c fake "$BED/state/workspaces/alice/given"; }

is "given" "" "$(bay start alice >/dev/null 2>&1 || echo failed)"
is "a library and its link" "libfake-535.1.so libfake.so.535.1" "$(inside)"
n=536
# Before anything is removed inside, after it was, and with the new ones in place.
for fault in ns.clone=ENOMEM ns.clone=kill init.child=EIO step.devices.up=EIO step.devices.up=kill; do
	stop
	driver $n.1
	restart_with "$fault"
	bay start alice >"$WORK/start" 2>&1 && not_ok "$fault: the start fails" "$(cat "$WORK/start")"
	restart_with ''
	t "$fault: settled" await 60 idle
	driver $((n + 1)).1
	is "$fault: then it starts" "" "$(bay start alice >/dev/null 2>&1 || echo failed)"
	is "$fault: and has what it is given now, nothing else" "libfake-$((n + 1)).1.so libfake.so.$((n + 1)).1" "$(inside)"
	is "$fault: which alone is noted" 3 "$(note)"
	n=$((n + 2))
done
stop
sed -i "/^gpu = 0/d" "$BED/workspaces.d/alice.ini"
bay reload >/dev/null
is "without a GPU there is nothing of it" "" "$(bay start alice >/dev/null 2>&1; inside)"
t "and no note" sh -c "! test -e '$BED/state/workspaces/alice/given'"
finish
