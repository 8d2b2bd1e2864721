#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Real PCI NICs (two e1000e, joined back to back) in a whole bed: by PCI address and MAC, in and home again after abuse, with
# their names taken, unplugged, their drivers bound in another order, their EEPROM out of reach, provisiond killed meanwhile.
# Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../nic_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	LAB_QEMU="$(nic_lib_qemu 1 2) ${LAB_QEMU:-}"
	export LAB_QEMU
	exec "$(dirname "$0")/../../scripts/lab" run "$0"
fi
. "$(dirname "$0")/../lib.sh"
export ON_LIMIT=120

modprobe e1000e 2>/dev/null
named 1 left; named 2 right
PA=$(pci_of left) PB=$(pci_of right)
ip link property add dev left altname enplongname0 2>/dev/null
like "two NICs with PCI addresses" '^0000:.* 0000:' "$PA $PB"
ip link set left mtu 1600 alias "to the right" txqueuelen 500; ip addr add 10.5.0.1/24 dev left
ip addr add fd05::1/64 dev left nodad; ip link set left up; ip link set right up; ip route add 10.6.0.0/16 via 10.5.0.9 dev left
ethtool -K left tso off >/dev/null 2>&1; ethtool -G left rx 512 >/dev/null 2>&1
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
bed_up_host thief
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
c() { on alice+client@gate "$@"; }
s() { on bob+server@gate "$@"; }
carrier left; carrier right
before=$(facts left) eeprom=$(ethtool -e left) eeprom_right=$(ethtool -e right)
like "it has an EEPROM" '0x0000.*52 54 00 00 00 01' "$eeprom"

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
my ($nic, @commands) = @ARGV;
for my $c (@commands) {
	# struct ethtool_eeprom: command, the NIC's magic number (device and vendor), offset (of an unused word), length, bytes
	my $d = pack("L4", hex $c, 0x10d38086, 0x68, 2) . "\x66\x66" . ("\0" x 4096); my $r = pack("a16 p x16", $nic, $d);
	print ioctl(S, 0x8946, $r) ? "done; " : "$!; ";
}
PL
# Write EEPROM, off-line self test, blink, message level, flash, reset, registers, read EEPROM.
is "EEPROM, self test, LED, flash, reset and registers are denied" "$(printf 'Operation not permitted; %.0s' 1 2 3 4 5 6 7 8)" \
	"$(c 'sudo perl - data0 c 1a 1c 8 33 34 4 b' <"$WORK/probe.pl" 2>&1)"
like "so is ethtool -E" 'Operation not permitted' "$(c 'sudo ethtool -E data0 magic 0x10d38086 offset 0 value 0x66' 2>&1)"
like "what it tells over netlink is not" 'scatter-gather: on' "$(c 'sudo ethtool -k data0' 2>&1)"
like "with nic_admin = full the message level can be set, and the EEPROM be read" '^done; done; ' "$(s 'sudo perl - data0 8 b' <"$WORK/probe.pl" 2>&1)"
is "with nic_admin = full the EEPROM is written" 'done; ' "$(s 'sudo perl - data0 c' <"$WORK/probe.pl" 2>&1)"
like "which is in the audit log" "\"ws\":\"server\".*\"object\":\"pci:$PB\".*\"users\":\"bob\"" "$(bay events | grep lease.nic_full)"
unlike "and nobody else is" '"ws":"client"' "$(bay events | grep lease.nic_full)"
bay destroy server >/dev/null 2>&1
like "it comes home into quarantine" "pci:$PB .*quarantined.*restore 'right': not as it was: EEPROM" "$(bay leases)"
is "and nobody gets it" "" "$(bay start server >/dev/null 2>&1; s 'ls -d /sys/class/net/data0' 2>/dev/null)"
bay destroy server >/dev/null 2>&1
like "its EEPROM is another" '< .*ff ff.*> .*66 66' "$(diff <(echo "$eeprom_right") <(ethtool -e right) | tr '\n' ' ')"
like "an admin may take it as it is" 'is taken as it is' "$(bay nic recover --force "pci:$PB" 2>&1)"

# --- home again ---
abuse='ip link set data0 down; ip link set data0 name zz address 02:66:66:66:66:66 mtu 1280 alias mine txqueuelen 7; ip link set zz promisc on allmulticast on up
	ip addr add 10.9.9.9/24 dev zz; ip link property add dev zz altname right; ip link property add dev zz altname left; tc qdisc add dev zz root tbf rate 1mbit burst 10k latency 10ms
	ethtool -K zz tso on rx off tx off; ethtool -G zz rx 256 tx 256; ethtool -C zz rx-usecs 77; ethtool -A zz autoneg off rx off tx off'
c "sudo sh -c '$abuse'" >/dev/null 2>&1
like "a tenant sets what is its own" 'mtu 1280 qdisc tbf .*TX: +256 .*rx-usecs: +77 ' "$(c 'ip link show zz; sudo ethtool -g zz | tail -n 6; sudo ethtool -c zz' 2>&1 | tr '\n\t' '  ')"
pid=$(bay show client --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
nsenter --target "$pid" --net -- sleep 300 & pin=$!
bay destroy client 2>&1
as_it_was "after abuse, with its namespace held, it is home as it was" "$before" left
is "and free" "free -" "$(row "pci:$PA")"
is "its EEPROM is the same, byte by byte" "$eeprom" "$(ethtool -e left)"
kill $pin
t "again" bay start client
ip link add left type dummy
bay destroy client >/dev/null 2>&1
like "with its name taken it is in quarantine" 'quarantined client' "$(row "pci:$PA")"
ip link del left
like "and recovered" "NIC 'pci:$PA' is as it was" "$(bay nic recover "pci:$PA" 2>&1)"
as_it_was "as it was" "$before" left

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
	as_it_was "killed after $delay s, it is as it was" "$before" left
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
is "pulled out, it is missing, and still leased" "missing server" "$(row mac:52:54:00:00:00:02)$(row "pci:$PB")"
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
named 1 left; named 2 right
is "nothing is in quarantine" "" "$(quarantined)"
finish
