#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host with NICs of hardware that loses its power, comes up with its NICs in another order on the bus, and is then
# rebooted in peace: three virtual machines, one after the other, on one disk. The first one is killed with SIGKILL, with two
# NICs inside workspaces, one on its way home and one workspace being made. Needs the build with failure injection.
# Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../nic_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	disk=$(mktemp "${TMPDIR:-/tmp}/sshbay-disk.XXXXXX")
	trap 'rm -f "$disk"' EXIT
	rm "$disk"
	boot() { # BOOT OPTION NIC...
		LAB_QEMU="$(nic_lib_qemu "${@:3}") ${LAB_QEMU_MORE:-}" "$(dirname "$0")/../../scripts/lab" run $2 -d "$disk" "$0" "$1" || failed=1
	}
	failed=0 LAB_QEMU_MORE=${LAB_QEMU:-}
	boot 1 -k 1 2 3
	[ ! -e "$disk" ] || boot 2 '' 2 1 3
	[ ! -e "$disk" ] || boot 3 '' 1 2 3
	exit $failed
fi
SSHBAY_BIN=$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin
export SSHBAY_BIN ON_LIMIT=120
. "$(dirname "$0")/../lib.sh"
[ -x "$SSHBAY_BIN/provisiond" ] || { skip "killed and rebooted" "build/faults is not built (make faults)"; finish; }
boot=$1
mount /dev/vdd /mnt
BED=/mnt/bed
modprobe e1000e 2>/dev/null
await 60 sh -c 'grep -q 52:54:00:00:00:03 /sys/class/net/*/address'
A=$(of_mac 1) B=$(of_mac 2)
ip link set "$A" mtu 1600 alias "the first" up; ip addr add 10.5.0.1/24 dev "$A"
inside() { on "$1+$2@gate" 'cat /sys/class/net/data0/address' 2>&1; }
wire() { await 60 on alice+client@gate ping -c1 -W2 192.168.199.2; }
half_way() { bay list | grep -qE '(creating|stopping|destroying)'; }
rests() { ! half_way; }
runs() { "$BED/sshbay" list | grep -qE "$1 +running"; }
owners() { bay nic list --json | python3 -c 'import json,sys
print(*sorted(r["owner"] for r in json.load(sys.stdin) if r["owner"]))'; }

begin() {
	cat >"$WORK/extra.ini" <<-E2
	[workspace client]
	users = alice
	nic = mac:52:54:00:00:00:01
	data_ip = 192.168.199.1/24
	[workspace server]
	users = bob
	nic = mac:52:54:00:00:00:02
	data_ip = 192.168.199.2/24
	[workspace third]
	users = carol
	nic = pci:$(pci_of "$(of_mac 3)")
	data_ip = 192.168.199.3/24
	autostart = yes
	[workspace half]
	users = user
	E2
	"$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log" "$BED"/log/p*.log)"; finish; }
	pci_of "$A" >/mnt/pci
	t "by permanent MAC" bay start client
	t "and another" bay start server
	t "the third starts by itself" await 60 runs third
	t "the wire works" wire
	t "a file is written" on alice+client@gate 'echo kept >file && sync file'
	"$ROOT/scripts/testbed" kill "$BED" provisiond
	SSHBAY_FAULT=nic.moved=hang "$ROOT/scripts/testbed" start "$BED" provisiond
	bay destroy server >/dev/null 2>&1 &
	t "a NIC is on its way home" await 60 hangs
	unlike "it is not called as it was" "^$B\$" "$(of_mac 2)"
	sync
	bay start half >/dev/null 2>&1 &
	sleep 0.3
	echo "1..$TAP"
	echo 'lab: kill'
	sleep 600
}

again() { # leaves `facts`

	rm -f "$BED"/pid/*
	mkdir -p "$(sed -n 1p "$BED/testbed.id")"
	carrier "$A"
	facts=$(facts "$A")
	t "provisiond starts after it" "$ROOT/scripts/testbed" start "$BED" provisiond
	t "and the gate" "$ROOT/scripts/testbed" start "$BED" gate
	t "what starts with the host is running" await 60 runs third
	t "nothing is half-way" await 60 rests
	is "nothing but that has a lease" third "$(owners)"
	is "the others are stopped, and say why" "stopped the host was restarted" "$(bay show client --json | python3 -c 'import json,sys
w = json.load(sys.stdin); print(w["state"], w["note"])')"
	[ "$boot" != 2 ] || like "what was being destroyed is gone" absent "$(bay show server)"
	is "the third has the NIC of its slot" 52:54:00:00:00:03 "$(inside carol third)"
	is "a login starts it, with the NIC of its MAC" 52:54:00:00:00:01 "$(inside alice client)"
	is "and another" 52:54:00:00:00:02 "$(inside bob server)"
	is "and the leases are there" "client server third" "$(owners)"
	t "the wire works" wire
	is "the file is there" kept "$(on alice+client@gate cat file 2>&1)"
	t "destroyed" bay destroy client
	as_it_was "its NIC is home as it was" "$facts" "$A"
	t "what was being made starts" bay start half
	is "nothing is in quarantine" "" "$(quarantined)"
}

case $boot in
1) begin ;;
2)
	unlike "the NIC is elsewhere on the bus" "^$(cat /mnt/pci)\$" "$(pci_of "$A")"
	again
	t "it starts once more" bay start client
	kill -TERM "$(daemon_pid gate)" "$(daemon_pid provisiond)"
	t "provisiond ends in peace" await 60 sh -c "! kill -0 $(daemon_pid provisiond)"
	echo "1..$TAP"
	sync
	trap '' EXIT # the next boot has it
	[ $FAILED = 0 ]
	;;
3)
	is "the NIC is where it was at first" "$(cat /mnt/pci)" "$(pci_of "$A")"
	again
	t "all of it can be destroyed" bay destroy --purge client server third half
	as_it_was "its NIC is home as it was" "$facts" "$A"
	t "the bed goes down" "$ROOT/scripts/testbed" down "$BED"
	finish
	;;
esac
