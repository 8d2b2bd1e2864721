#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Real PCI NICs (two e1000e, joined back to back) in a whole bed: by PCI address and MAC, in and home again after abuse, with
# their names taken, unplugged, their drivers bound in another order, their EEPROM out of reach, provisiond killed meanwhile.
# Runs in the lab: started anywhere else it starts itself there.
if [ -z "${SSHBAY_LAB:-}" ]; then
	export LAB_QEMU="-device pcie-root-port,id=rp0,chassis=1,slot=1,addr=0x8 -device pcie-root-port,id=rp1,chassis=2,slot=2,addr=0x9
		-netdev hubport,id=h0,hubid=0 -device e1000e,netdev=h0,mac=52:54:00:00:00:01,bus=rp0
		-netdev hubport,id=h1,hubid=0 -device e1000e,netdev=h1,mac=52:54:00:00:00:02,bus=rp1 ${LAB_QEMU:-}"
	exec "$(dirname "$0")/../../scripts/lab" run "$0"
fi
. "$(dirname "$0")/../lib.sh"
export ON_LIMIT=120

modprobe e1000e 2>/dev/null
of_mac() { grep -l "$1" /sys/class/net/*/address | cut -d/ -f5; }
await 30 sh -c 'grep -q 52:54:00:00:00:02 /sys/class/net/*/address'
A=$(of_mac 52:54:00:00:00:01) B=$(of_mac 52:54:00:00:00:02)
PA=$(basename "$(readlink "/sys/class/net/$A/device")") PB=$(basename "$(readlink "/sys/class/net/$B/device")")
ip link set "$A" name left; ip link set "$B" name right
ip link property add dev left altname enplongname0 2>/dev/null
like "two NICs with PCI addresses" '^0000:.* 0000:' "$PA $PB"
ip link set left mtu 1600 alias "to the right" txqueuelen 500; ip addr add 10.5.0.1/24 dev left
ip addr add fd05::1/64 dev left nodad; ip link set left up; ip link set right up; ip route add 10.6.0.0/16 via 10.5.0.9 dev left
ethtool -K left tso off >/dev/null 2>&1; ethtool -G left rx 512 >/dev/null 2>&1
bed_up_host() { "$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log")"; finish; }; 
	# The first workspace makes the private mount that pins live on; it stays as long as the bed.
	bay start thief >/dev/null 2>&1; bay destroy --purge thief >/dev/null 2>&1
	bed_snapshot >"$WORK/bed.before"; }
host_snapshot >"$WORK/host.before"
cat >"$WORK/extra.ini" <<E2
[pool]
nics = pci:$PA, pci:$PB
[workspace client]
users = alice
nic = pci:$PA
data_ip = 192.168.199.1/24
data_mtu = 1500
[workspace server]
users = bob
nic = mac:52:54:00:00:00:02
nic_policy = optional
nic_admin = full
data_ip = 192.168.199.2/24
[workspace thief]
users = carol
nic = left
E2
bed_up_host
state() { ip -d -o link show "$1"; ip -o addr show dev "$1"; ip route show dev "$1"; for o in k g c a l; do ethtool -$o "$1"; done; } 2>&1
facts() { state "$1" | grep -vE 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/qdisc [a-z_]+ //; s/state [A-Z]+//; s/<NO-CARRIER,|,LOWER_UP>|>/</g; s/linkdown//; s/ *valid_lft.*//'; }
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
c() { on alice+client@gate "$@"; }
s() { on bob+server@gate "$@"; }
sleep 3
before=$(facts left)

# --- in, and over the wire ---
t "by PCI address" bay start client
t "by permanent MAC" bay start server
is "the ids are PCI addresses" "leased client leased server" "$(row "pci:$PA") $(row "pci:$PB")"
like "one lease under two names" "move 'left' into workspace 'thief': leased by 'client'" "$(bay start thief 2>&1)"
t "the wire works" await 30 c ping -c1 -W2 192.168.199.2
t "left has gone" sh -c '! ip link show left'

# --- EEPROM and flash ---
cat >"$WORK/probe.pl" <<'PL'
use Socket; socket(S, AF_INET, SOCK_DGRAM, 0) or die;
# write EEPROM, run the off-line self test, blink, write registers' message level, flash, reset
for my $c (0xc, 0x1a, 0x1c, 0x8, 0x33, 0x34) {
	my $d = pack("L4", $c, 1, 0, 1) . ("\0" x 4096); my $r = pack("a16 p x16", "data0", $d);
	print ioctl(S, 0x8946, $r) ? "done; " : "$!; ";
}
PL
sed 's/(0xc, .*) {/(0x8) {/' "$WORK/probe.pl" >"$WORK/full.pl"
is "EEPROM, self test, LED, flash and reset are denied" "$(printf 'Operation not permitted; %.0s' 1 2 3 4 5 6)" "$(c 'sudo perl -' <"$WORK/probe.pl" 2>&1)"
like "with nic_admin = full the message level can be set" 'done' "$(s 'sudo perl -' <"$WORK/full.pl" 2>&1)"

# --- home again ---
abuse='ip link set data0 down; ip link set data0 name zz address 02:66:66:66:66:66 mtu 1280 alias mine txqueuelen 7; ip link set zz promisc on allmulticast on up
	ip addr add 10.9.9.9/24 dev zz; ip link property add dev zz altname right; ip link property add dev zz altname left; tc qdisc add dev zz root tbf rate 1mbit burst 10k latency 10ms'
c "sudo sh -c '$abuse'" >/dev/null 2>&1
pid=$(bay show client --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
nsenter --target "$pid" --net -- sleep 300 & pin=$!
bay destroy client 2>&1
sleep 4
is "after abuse, with its namespace held, it is home as it was" "$before" "$(facts left)"
is "and free" "free -" "$(row "pci:$PA")"
kill $pin
t "again" bay start client
ip link add left type dummy
bay destroy client >/dev/null 2>&1
like "with its name taken it is in quarantine" 'quarantined client' "$(row "pci:$PA")"
ip link del left
like "and recovered" "NIC 'pci:$PA' is as it was" "$(bay nic recover "pci:$PA" 2>&1)"
sleep 4
is "as it was" "$before" "$(facts left)"

# --- killed ---
for delay in 0.05 0.2 0.5; do
	bay start client >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	bay start client >/dev/null 2>&1
	bay destroy client >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	await 20 sh -c "! '$BED/sshbay' list | grep -qE 'client +(creating|destroying|stopping)'"
	bay destroy client >/dev/null 2>&1
	sleep 4
	is "killed after $delay s, it is as it was" "$before" "$(facts left)"
done

# --- another order: the drivers forget both, the second comes first ---
bay stop server >/dev/null 2>&1; bay destroy server >/dev/null 2>&1
echo "$PA" >/sys/bus/pci/drivers/e1000e/unbind; echo "$PB" >/sys/bus/pci/drivers/e1000e/unbind
echo "$PB" >/sys/bus/pci/drivers/e1000e/bind; echo "$PA" >/sys/bus/pci/drivers/e1000e/bind
t "after the drivers came up in another order it is still the same" bay start client
is "by MAC, inside" 52:54:00:00:00:01 "$(c cat /sys/class/net/data0/address)"

# --- pulled out and put back ---
t "the optional one" bay start server
echo 1 >"/sys/bus/pci/devices/$PB/remove"
like "pulled out, it is missing" missing "$(row mac:52:54:00:00:00:02) $(row "pci:$PB")"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
like "show tells" "its NIC pci:$PB has been unplugged" "$(await 5 sh -c "'$BED/sshbay' show server | grep unplugged"; bay show server)"
like "the one that is required" "no such interface" "$(bay destroy client 2>&1; echo 1 >"/sys/bus/pci/devices/$PA/remove"; bay start client 2>&1)"
echo 1 >/sys/bus/pci/rescan
await 10 sh -c 'grep -q 52:54:00:00:00:02 /sys/class/net/*/address'
t "put back, it is moved in" bay nic attach server
is "the same" 52:54:00:00:00:02 "$(s cat /sys/class/net/data0/address)"
t "and the required one starts" bay start client
t "and the wire works" await 30 c ping -c1 -W2 192.168.199.2
bay destroy --purge client server >/dev/null 2>&1
# What a new driver has is named by the kernel again.
for n in 1:left 2:right; do ip link set "$(of_mac "52:54:00:00:00:0${n%:*}")" down; ip link set "$(of_mac "52:54:00:00:00:0${n%:*}")" name "${n#*:}"; done
is "nothing is in quarantine" "" "$(ls "$BED/state/quarantine" 2>/dev/null)"
finish
