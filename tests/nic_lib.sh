# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the lab's tests of NICs share: QEMU's arguments, NICs by MAC, all that is to be seen of one, a bed in the host's own
# namespaces. Sourced after lib.sh, in the guest; nic_lib_qemu before it, outside.

# As many NICs (NIC_MODEL, e1000e unless set) on one wire, each behind a root port of its own (so that it can be pulled): MAC 52:54:00:00:00:01 and so on.
# The order of the numbers is the order on the bus.
nic_lib_qemu() { # NUMBER...
	local n slot=8 out=
	for n in "$@"; do
		out+=" -device pcie-root-port,id=rp$slot,chassis=$slot,slot=$slot,addr=$(printf '0x%x' "$slot")"
		out+=" -netdev hubport,id=h$n,hubid=0 -device ${NIC_MODEL:-e1000e},netdev=h$n,mac=52:54:00:00:00:0$n,bus=rp$slot"
		slot=$((slot + 1))
	done
	echo "$out"
}
# Build the program that uses a device from inside (build/netns/direct_probe). Another script's guest may be taking its copy
# of the folder right now: the file is there at once or not at all.
nic_lib_probe() { # ROOT
	local build
	build=$(dirname "${SSHBAY_BIN:-$1/build/bin}")
	mkdir -p "$build/netns"
	${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$build/direct_probe.$$" "$1/tests/e2e/direct_probe.c" &&
		mv "$build/direct_probe.$$" "$build/netns/direct_probe"
}
of_mac() { grep -l "52:54:00:00:00:0$1" /sys/class/net/*/address | cut -d/ -f5; }
pci_of() { basename "$(readlink "/sys/class/net/$1/device")"; }
named() { # NUMBER NAME: the NIC with that number is called so from now on
	await 60 sh -c "grep -q 52:54:00:00:00:0$1 /sys/class/net/*/address" || return 1
	ip link set "$(of_mac "$1")" down
	ip link set "$(of_mac "$1")" name "$2"
}
# All of it but what a carrier brings and counts, and the kernel's own queueing (handle 0:), made anew with what was set by then.
facts() {
	{ ip -d -o link show "$1"; ip -o addr show dev "$1"; ip route show dev "$1" table all; tc qdisc show dev "$1"
		for o in k g c a l x n; do ethtool -$o "$1"; done; ethtool -e "$1" raw on | sha256sum; } 2>&1 |
		grep -vE 'inet6 fe80|fe80::|multicast ff00|local fd|^qdisc [a-z_]+ 0:' |
		sed -E 's/^[0-9]+: //; s/ qdisc [a-z_]+//; s/state [A-Z]+//; s/<NO-CARRIER,|,LOWER_UP>|>/</g; s/ linkdown//; s/ *valid_lft.*//; s/ +$//'
}
same_facts() { [ "$(facts "$2")" = "$1" ]; }
# as_it_was NAME FACTS INTERFACE: the link takes a while to negotiate, so what is to be the same is waited for.
as_it_was() { if await 60 same_facts "$2" "$3"; then ok "$1"; else is "$1" "$2" "$(facts "$3")"; fi; }
carrier() { await 60 sh -c "ethtool '$1' | grep -q 'Link detected: yes'"; }
quarantined() { ls "$BED/state/quarantine" 2>/dev/null; }

# restart_with FAULTS: provisiond killed, and started anew to fail so (SSHBAY_FAULT; needs the build with failure injection).
restart_with() {
	local out
	out=$("$ROOT/scripts/testbed" kill "$BED" provisiond 2>&1 && SSHBAY_FAULT=$1 "$ROOT/scripts/testbed" start "$BED" provisiond 2>&1) ||
		not_ok "provisiond is killed and starts with '$1'" "$out"
}
# A worker hangs at a point (SSHBAY_FAULT): it is a child of provisiond's, and in pause(2).
hangs() {
	local p n _
	for p in $(pgrep -P "$(daemon_pid provisiond)"); do
		read -r n _ <"/proc/$p/syscall" 2>/dev/null && [ "$n" = 34 ] && return 0
	done
	return 1
}

# The first workspace makes the private mount that pins live on; it stays as long as the bed.
bed_up_host() { # WORKSPACE, which may be made and destroyed; extra.ini is in $WORK
	host_snapshot >"$WORK/host.before"
	"$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log" "$BED"/log/p*.log)"; finish; }
	bay start "$1" >/dev/null 2>&1
	bay destroy --purge "$1" >/dev/null 2>&1
	bed_snapshot >"$WORK/bed.before"
}
