#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A leased RDMA device (a fake one, in shared mode) and its NIC when workers fail or die around its step, and provisiond
# with them. Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
# shellcheck source-path=SCRIPTDIR/../..
. "$(dirname "$0")/../../lib.sh"
S=$WORK/sys
D=$S/devices/0000:29:00.0
mkdir -p "$S/module/ib_core/parameters" "$S/class/infiniband_verbs/uverbs0" "$S/class/infiniband/mlx5_0/ports/1" \
	"$S/class/net/hw0" "$S/bus/pci/devices" "$D"
echo Y >"$S/module/ib_core/parameters/netns_mode"
ln -s ../../../devices/0000:29:00.0 "$S/class/infiniband/mlx5_0/device"
ln -s ../../../devices/0000:29:00.0 "$S/class/net/hw0/device"
ln -s ../../../devices/0000:29:00.0 "$S/bus/pci/devices/0000:29:00.0"
echo mlx5_0 >"$S/class/infiniband_verbs/uverbs0/ibdev"
echo 10:229 >"$S/class/infiniband_verbs/uverbs0/dev"
bed_up - <<INI
[hardware]
sysfs = $S
rdma_netns = shared
[workspace alice]
nic = hw0
rdma = auto
INI
inbed sh -ec 'ip link add hw0 type veth peer name far0; ip link set far0 up; ip link set hw0 up'
inbed ip -o link show hw0 | cut -d: -f1 >"$S/class/net/hw0/ifindex"
home() { inbed ip link show hw0 >/dev/null 2>&1; }
away() { ! home; }
no_lease() { ! bay leases | grep -q '^rdma'; }
evidence() { bay list; bay leases; inbed ip -br link; tail -n 15 "$BED/log/provisiond.log"; }
# until NAME STATE: what a restarted provisiond gets round to; when it does not, all that tells why.
until_() { if await 60 "$2"; then ok "$1"; else not_ok "$1" "$(evidence 2>&1)"; fi; }
starts() {
	local out
	out=$(bay start alice 2>&1)
	if [[ $out == *address* ]]; then ok "$1"; else not_ok "$1" "$out
$(evidence 2>&1)"; fi
}
restart_with() {
	local out
	out=$("$ROOT/scripts/testbed" kill "$BED" provisiond 2>&1 && SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond 2>&1) ||
		not_ok "provisiond is killed and starts with '$1'" "$out"
}

for f in rdma.up=EIO step.rdma.up=kill step.rdma.up.done=kill step.rootfs.up=kill step.ready.up=ENOSPC; do
	restart_with $f
	like "$f fails" "sshbay: .*(died \(signal 9\)|'alice'|step)" "$(bay start alice 2>&1)"
	restart_with ''
	# Both by a worker of the restarted one's, and the NIC is home before the record says so.
	until_ "$f: the NIC is home" home
	until_ "$f: no lease is left" no_lease
	starts "$f: it starts after that"
	bay destroy --purge alice >/dev/null 2>&1
done
restart_with step.rdma.up.done=hang
bay start alice >/dev/null 2>&1 & p=$!
until_ "the worker hangs in the step, the NIC is inside" away
restart_with ''
reap $p
starts "provisiond killed meanwhile: it starts"
restart_with step.rdma.down=kill
like "killed on the way home" 'died \(signal 9\)' "$(bay destroy --purge alice 2>&1)"
restart_with ''
until_ "it comes home all the same" home
until_ "and its lease ends" no_lease
inbed ip link del hw0
finish
