#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Workspaces on a bridge (attach): what a start refuses, layer 2 between them, the LAN and the host, port 22 for the gate, a
# hostile tenant's frames, isolation, a bridge that goes away. The LAN's station is a namespace whose cable is in the bridge.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[network]
control_cidr6 = fd00:199::/112
[workspace one]
users = user
control_ip = 172.31.199.1
control_ip6 = fd00:199::1
attach = br0
[workspace two]
users = user
control_ip = 172.31.199.2
attach = br0
[workspace routed]
users = user
control_ip = 172.31.199.3
[workspace later]
users = user
control_ip = 172.31.199.4
attach = br0
[testbed]
lan = yes
E2
one() { on user@172.31.199.1 "$@"; }
two() { on user@172.31.199.2 "$@"; }
later() { on user@172.31.199.4 "$@"; }
routed() { on user@172.31.199.3 "$@"; }
lan() { "$BED/lan" "$@"; }
from_lan() { timeout 60 "$BED/lan" ssh -F "$BED/ssh_config" -i "$BED/keys/user" -o BatchMode=yes "$@"; }
reaches() { "$1" "ping -c1 -W5 $2 >/dev/null 2>&1 && echo yes || echo no"; } # FROM ADDRESS
refused() { bay start one 2>&1; }
banner() { # what greets at port 22 of ADDRESS, seen from a COMMAND
	local to=$1
	shift
	"$@" "timeout 10 bash -c 'exec 3<>/dev/tcp/$to/22 && head -c8 <&3'" 2>/dev/null
}
in_lan() { lan bash -c "$1"; }
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }

# --- what a start refuses, in words ---
where="(attach in $BED/workspaces.d/one.ini)"
is "no such bridge" "sshbay: attach workspace 'one' to bridge 'br0': there is no such interface $where" "$(refused)"
like "doctor tells that, too" "bridge 'br0': there is no such interface" "$(bay doctor 2>&1)"
inbed ip link add br0 type veth peer name br0-peer
is "an interface that is no bridge" "sshbay: attach workspace 'one' to bridge 'br0': it is no bridge but veth $where" "$(refused)"
like "doctor tells that, too" "bridge 'br0': the interface is no bridge" "$(bay doctor 2>&1)"
inbed ip link del br0
inbed ip link add br0 address 02:00:00:00:00:b0 type bridge
is "a bridge that is down" "sshbay: attach workspace 'one' to bridge 'br0': it is down (ip link set br0 up) $where" "$(refused)"
# A LAN that is not 1500 bytes wide: a port of less would make it smaller for everybody.
inbed sh -c 'ip addr flush dev lan0 scope global; ip link set lan0 mtu 1600 master br0; ip link set br0 up'
in_lan 'ip addr flush dev eth0 scope global; ip link set eth0 mtu 1600; ip addr add 172.31.1.1/16 dev eth0; ip addr add fd00:199::2:1/64 dev eth0 nodad'
inbed sh -c 'sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null' && {
	like "bridged packets that go through iptables" 'would not reach the gate \(sysctl net\.bridge\.bridge-nf-call-iptables=0\)' "$(refused)"
	like "doctor tells that, too" 'FAIL +bridges: bridged packets go through iptables' "$(bay doctor 2>&1)"
	inbed sysctl -qw net.bridge.bridge-nf-call-iptables=0
	inbed ip link set br0 type bridge nf_call_iptables 1
	like "by the bridge's own switch" 'would not reach the gate \(ip link set br0 type bridge nf_call_iptables 0\)' "$(refused)"
	like "doctor tells that, too" 'FAIL +bridges: bridged packets go through iptables' "$(bay doctor 2>&1)"
	inbed ip link set br0 type bridge nf_call_iptables 0
	unlike "and no more when it is off" 'bridged packets' "$(refused; bay doctor 2>&1)"
}
like "a bridge without address" 'it has no address whose network has 172\.31\.199\.1 in it \(ip address add' "$(refused)"
inbed ip addr add 172.31.199.1/16 dev br0
like "the bridge's own address" "172\.31\.199\.1 is the bridge's own address" "$(refused)"
inbed sh -c 'ip addr flush dev br0 scope global; ip addr add 172.31.199.9/25 dev br0'
# Not the pool's own length: provisiond may be looking at the bridge just now, and the pool's route is its own.
like "a pool that is no part of the bridge's network" 'control_cidr 172\.31\.199\.0/24 is no part of' "$(refused)"
inbed sh -c 'ip addr flush dev br0 scope global; ip addr add 172.31.0.1/16 dev br0'
like "no IPv6 there" 'no address whose network has fd00:199::1 in it' "$(refused)"
inbed sh -c 'ip addr add fd00:199::1:1/64 dev br0 nodad'
is "nothing of the refusals is left" "" "$(inbed sh -c 'ip -o link | grep -o sb-.*; nft list table bridge sshbay | grep port_')"

# --- good traffic ---
t "the first login creates it" one true
like "its address has the bridge's prefix" 'eth0@.* 172\.31\.199\.1/16 fd00:199::1/64' "$(one ip -br addr show eth0)"
is "its MTU is the bridge's, and the bridge keeps it" "1600 1600" "$(one cat /sys/class/net/eth0/mtu) $(inbed cat /proc/sys/net/ipv6/conf/br0/mtu)"
is "show names the bridge" br0 "$(field one attach)"
two true; routed true
# What was there before the bridge came is announced on it within a moment: provisiond sees it come.
await 60 inbed sh -c 'ip neigh show proxy dev br0 | grep -q 172.31.199.4'
is "a workspace reaches another on the bridge" yes "$(reaches one 172.31.199.2)"
is "directly: its own MAC answers" "$(two cat /sys/class/net/eth0/address)" "$(one "ip neigh show 172.31.199.2 | grep -o '..:..:..:..:..:..'")"
is "by name" yes "$(reaches one two)"
is "over IPv6" yes "$(reaches two fd00:199::1)"
is "by link-local addresses" yes "$(reaches one "$(two "ip -6 -o addr show dev eth0 scope link" | sed 's/.*inet6 \([^/]*\).*/\1/')%eth0")"
is "the LAN" yes "$(reaches one 172.31.1.1)"
is "the LAN over IPv6" yes "$(reaches one fd00:199::2:1)"
t "a station of the LAN reaches it" lan ping -c1 -w20 172.31.199.1
t "a station of the LAN reaches it over IPv6" lan ping -6 -c1 -w20 fd00:199::1
is "a routed workspace reaches it" yes "$(reaches routed 172.31.199.1)"
is "it reaches a routed workspace" yes "$(reaches one 172.31.199.3)"
"$BED/run" socat TCP-LISTEN:7100,bind=0.0.0.0,reuseaddr,fork SYSTEM:'echo leak' & hostpid=$!
await 10 inbed sh -c 'ss -Hltn "sport = 7100" | grep -q .'
is "the host's own ports are not reached" "" "$(one 'timeout 2 bash -c "exec 3<>/dev/tcp/172.31.0.1/7100 && head -c4 <&3" 2>/dev/null')"
is "but from the LAN" leak "$(in_lan 'exec 3<>/dev/tcp/172.31.0.1/7100 && head -c4 <&3')"
kill $hostpid

# --- port 22 ---
is "ssh from a station of the LAN" one "$(from_lan user@172.31.199.1 hostname)"
is "over IPv6" one "$(from_lan user@fd00:199::1 hostname)"
is "from the host" one "$(on user@172.31.199.1 hostname)"
two 'sudo sh -c "setsid nohup perl -MIO::Socket::INET -e \"\\\$l=IO::Socket::INET->new(Listen=>5,LocalPort=>22,ReuseAddr=>1) or die; while(\\\$c=\\\$l->accept){print \\\$c qq(stolen\\n);}\" >/dev/null 2>&1 &"'
await 10 two 'ss -Hltn "sport = 22" | grep -q .'
is "a tenant that listens on port 22 gets nothing from its neighbour" SSH-2.0- "$(banner 172.31.199.2 one)"
is "nor from the LAN" SSH-2.0- "$(banner 172.31.199.2 lan bash -c)"
is "nor from a routed workspace" SSH-2.0- "$(banner 172.31.199.2 routed)"
is "a routed one's port 22, from one on the bridge" SSH-2.0- "$(banner 172.31.199.3 one)"
two 'sudo ip link set eth0 arp off'
in_lan 'ip neigh flush dev eth0'
is "a tenant that answers no ARP does not hide the gate" SSH-2.0- "$(banner 172.31.199.2 lan bash -c)"
two 'sudo ip link set eth0 arp on'
is "one that was never created answers on the LAN, and the login creates it" later "$(from_lan user@172.31.199.4 hostname)"
bay stop later >/dev/null
is "one that is stopped starts" later "$(from_lan user@172.31.199.4 hostname)"
bay destroy --purge later >/dev/null
in_lan 'ip neigh flush dev eth0'
is "one that was destroyed is created again" later "$(from_lan user@172.31.199.4 hostname)"

# A bridge's MAC changes with its ports; the kernel forgets what was known of its stations then.
inbed ip link set br0 address 02:00:00:00:00:b1
await 60 inbed sh -c 'ip neigh show 172.31.199.2 dev br0 | grep -q PERMANENT'
like "the host knows its workspaces again after the bridge's MAC has changed" '02:.*PERMANENT' "$(inbed ip neigh show 172.31.199.2 dev br0)"

# So it does while the bridge is down, and with the address that the host's routes are from.
knows() { inbed sh -c 'ip route show 172.31.199.2 dev br0 | grep -q "src 172.31.0.1" && ip neigh show 172.31.199.2 dev br0 | grep -q PERMANENT'; }
inbed sh -c 'ip addr del 172.31.0.1/16 dev br0; ip addr add 172.31.0.1/16 dev br0'
t "and after its address went and came" await 60 knows
inbed sh -c 'ip link set br0 down; ip link set br0 up'
t "and after it was down for a moment" await 60 knows
inbed ip addr replace fd00:199::1:1/64 dev br0 nodad

# --- a hostile tenant ---
# Every frame bears its name; what arrives on the LAN, or at the neighbour, is written down there. The last is good.
cat >"$WORK/hear.py" <<'PY'
import re, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    for name in re.findall(rb"<<([a-z0-9 -]+)>>", s.recv(4096)):
        print(name.decode(), flush=True)
PY
cat >"$WORK/send.pl" <<'PL'
use strict; use Socket;
my ($mac, $other, $ll) = map { pack "H*", $_ } @ARGV;
my $if = do { local @ARGV = ("/sys/class/net/eth0/ifindex"); <> }; chomp $if;
socket(my $s, 17, 3, 0) or die "socket: $!";
my $to = pack("S n i S C C a8", 17, 0, $if, 0, 0, 6, "\xff" x 6);
my ($all, $me, $you, $far) = ("\xff" x 6, inet_aton("172.31.199.1"), inet_aton("172.31.199.2"), inet_aton("172.31.1.1"));
my $six = pack "H*", "fd000199000000000000000000000001";
my $none = "\0" x 16; my $nodes = pack "H*", "ff020000000000000000000000000001";
sub sum { my $s = 0; $s += $_ for unpack "n*", $_[0] . (length($_[0]) % 2 ? "\0" : ""); $s = ($s & 0xffff) + ($s >> 16) while $s >> 16; ~$s & 0xffff }
sub ether { my ($dst, $src, $type, $body) = @_; pack("a6 a6 n", $dst, $src, $type) . $body }
sub arp { my ($op, $sha, $spa, $tpa) = @_; pack("n n C C n a6 a4 a6 a4", 1, 0x800, 6, 4, $op, $sha, $spa, "\0" x 6, $tpa) }
sub ip4 { my ($proto, $src, $dst, $body) = @_; my @h = (0x45, 0, 20 + length $body, 1, 0, 64, $proto, 0, $src, $dst);
	$h[7] = sum(pack "C C n n n C C n a4 a4", @h); pack("C C n n n C C n a4 a4", @h) . $body }
sub ip6 { my ($next, $src, $dst, $body) = @_; pack("N n C C a16 a16", 6 << 28, length $body, $next, 255, $src, $dst) . $body }
sub udp { my ($sport, $dport, $body) = @_; pack("n n n n", $sport, $dport, 8 + length $body, 0) . $body }
sub icmp6 { my ($src, $dst, $body) = @_; my $c = sum(pack("a16 a16 N N", $src, $dst, length $body, 58) . $body); substr($body, 2, 2) = pack "n", $c; ip6(58, $src, $dst, $body) }
sub tag { "<<$_[0]>>" . "." x 40 }
my @frames = (
	["mac", ether($all, $other, 0x800, ip4(17, $me, $far, udp(9, 9, tag("mac"))))],
	["arp mac", ether($all, $mac, 0x806, arp(2, $other, $me, $far) . tag("arp mac"))],
	["arp ip", ether($all, $mac, 0x806, arp(2, $mac, $you, $far) . tag("arp ip"))],
	["gratuitous", ether($all, $mac, 0x806, arp(1, $mac, $you, $you) . tag("gratuitous"))],
	["probe", ether($all, $mac, 0x806, arp(1, $mac, "\0" x 4, $far) . tag("probe"))],
	["rarp", ether($all, $mac, 0x8035, arp(3, $mac, $me, $far) . tag("rarp"))],
	["ip", ether($all, $mac, 0x800, ip4(17, $you, $far, udp(9, 9, tag("ip"))))],
	["dhcp offer", ether($all, $mac, 0x800, ip4(17, $me, "\xff" x 4, udp(67, 68, tag("dhcp offer"))))],
	["dhcp discover", ether($all, $mac, 0x800, ip4(17, "\0" x 4, "\xff" x 4, udp(68, 67, tag("dhcp discover"))))],
	["igmp query", ether($all, $mac, 0x800, ip4(2, $me, inet_aton("224.0.0.1"), "\x11\0\0\0\0\0\0\0" . tag("igmp query")))],
	["redirect", ether($all, $mac, 0x800, ip4(1, $me, $far, "\x05\1\0\0" . $me . tag("redirect")))],
	["vlan", ether($all, $mac, 0x8100, pack("n n", 5, 0x800) . ip4(17, $me, $far, udp(9, 9, tag("vlan"))))],
	["priority", ether($all, $mac, 0x8100, pack("n n", 7 << 13, 0x800) . ip4(17, $me, $far, udp(9, 9, tag("priority"))))],
	["qinq", ether($all, $mac, 0x88a8, pack("n n n n", 5, 0x8100, 6, 0x800) . ip4(17, $me, $far, udp(9, 9, tag("qinq"))))],
	["bpdu", ether(pack("H*", "0180c2000000"), $mac, 60, "\x42\x42\x03" . tag("bpdu"))],
	["eapol", ether(pack("H*", "0180c2000003"), $mac, 0x888e, tag("eapol"))],
	["ip6", ether($all, $mac, 0x86dd, ip6(17, pack("H*", "fd000199000000000000000000000002"), $nodes, udp(9, 9, tag("ip6"))))],
	["ra", ether($all, $mac, 0x86dd, icmp6($ll, $nodes, "\x86\0\0\0\x40\0\x07\x08" . "\0" x 8 . tag("ra")))],
	["ra hidden", ether($all, $mac, 0x86dd, ip6(60, $ll, $nodes, "\x3a\0\1\4\0\0\0\0" . "\x86\0\0\0\x40\0\x07\x08" . "\0" x 8 . tag("ra hidden")))],
	["na", ether($all, $mac, 0x86dd, icmp6($six, $nodes, "\x88\0\0\0\x60\0\0\0" . pack("H*", "fd000199000000000000000000000002") . tag("na")))],
	["dad", ether($all, $mac, 0x86dd, icmp6($none, $nodes, "\x87\0\0\0\0\0\0\0" . pack("H*", "fd000199000000000000000000000002") . tag("dad")))],
	["mld query", ether($all, $mac, 0x86dd, icmp6($ll, $nodes, "\x82\0\0\0\0\0\0\0" . "\0" x 16 . tag("mld query")))],
	["redirect6", ether($all, $mac, 0x86dd, icmp6($ll, $nodes, "\x89\0\0\0\0\0\0\0" . "\0" x 32 . tag("redirect6")))],
	["dhcp6", ether($all, $mac, 0x86dd, ip6(17, $ll, $nodes, udp(547, 546, tag("dhcp6"))))],
	["pppoe", ether($all, $mac, 0x8863, tag("pppoe"))],
	["vrrp", ether($all, $mac, 0x800, ip4(112, $me, inet_aton("224.0.0.18"), tag("vrrp")))],
	["ospf", ether($all, $mac, 0x800, ip4(89, $me, inet_aton("224.0.0.5"), tag("ospf")))],
	["eigrp", ether($all, $mac, 0x800, ip4(88, $me, inet_aton("224.0.0.10"), tag("eigrp")))],
	["pim", ether($all, $mac, 0x800, ip4(103, $me, inet_aton("224.0.0.13"), tag("pim")))],
	["rip", ether($all, $mac, 0x800, ip4(17, $me, inet_aton("224.0.0.9"), udp(520, 520, tag("rip"))))],
	["hsrp", ether($all, $mac, 0x800, ip4(17, $me, inet_aton("224.0.0.2"), udp(1985, 1985, tag("hsrp"))))],
	["vrrp six", ether($all, $mac, 0x86dd, ip6(112, $ll, $nodes, tag("vrrp six")))],
	["ospf hidden", ether($all, $mac, 0x86dd, ip6(60, $ll, $nodes, "\x59\0\1\4\0\0\0\0" . tag("ospf hidden")))],
	["ripng", ether($all, $mac, 0x86dd, ip6(17, $ll, $nodes, udp(521, 521, tag("ripng"))))],
	["hsrp six", ether($all, $mac, 0x86dd, ip6(17, $ll, $nodes, udp(2029, 2029, tag("hsrp six"))))],
	["ra first", ether($all, $mac, 0x86dd, ip6(44, $ll, $nodes, "\x3c\0\0\1\0\0\0\7" . "\x3a\6\1\x34" . "\0" x 4 . tag("ra first")))],
	["ra second", ether($all, $mac, 0x86dd, ip6(44, $ll, $nodes, "\x3c\0\0\x38\0\0\0\7" . "\x86\0\0\0\x40\0\x07\x08" . "\0" x 8 . tag("ra second")))],
	["good arp", ether($all, $mac, 0x806, arp(1, $mac, $me, $far) . tag("good arp"))],
	["good na", ether($all, $mac, 0x86dd, icmp6($six, $nodes, "\x88\0\0\0\x60\0\0\0" . $six . tag("good na")))],
	["good dad", ether($all, $mac, 0x86dd, icmp6($none, $nodes, "\x87\0\0\0\0\0\0\0" . $six . tag("good dad")))],
	["good", ether($all, $mac, 0x800, ip4(17, $me, $far, udp(9, 9, tag("good"))))],
);
for (@frames) { defined send($s, $$_[1], 0, $to) or die "$$_[0]: $!" }
print scalar(@frames) - 4, "\n";
PL
drops() { inbed nft list chain bridge sshbay "port_$(field one interface | sed 's/^sb-//')" | sed -n 's/.*packets \([0-9]*\) .* drop comment "\(.*\)"$/\1 \2/p'; }
total() { drops | awk '{ n += $1 } END { print n }'; }
hostile() { # what of it is heard, by both ears
	: >"$WORK/heard.lan"; : >"$WORK/heard.two"
	lan python3 "$WORK/hear.py" eth0 >"$WORK/heard.lan" & local ear1=$!
	nsenter --target "$(field two init_pid)" --net python3 "$WORK/hear.py" eth0 >"$WORK/heard.two" & local ear2=$!
	await 20 grep -q ready "$WORK/heard.lan"; await 20 grep -q ready "$WORK/heard.two"
	one "sudo perl - $(one cat /sys/class/net/eth0/address | tr -d :) $(two cat /sys/class/net/eth0/address | tr -d :) $linklocal" <"$WORK/send.pl" >"$WORK/sent" 2>&1
	await 20 grep -qx good "$WORK/heard.lan"; await 20 grep -qx good "$WORK/heard.two"
	kill $ear1 $ear2
}
linklocal=$(one 'grep eth0 /proc/net/if_inet6' | sed -n 's/^\(fe80[0-9a-f]*\) .*/\1/p')
a=$(total); hostile; b=$(total)
is "of all that a hostile tenant sends, only what is its own arrives on the LAN" "ready|good arp|good na|good dad|good" "$(paste -sd'|' "$WORK/heard.lan")"
is "and at a neighbour" "ready|good arp|good na|good dad|good" "$(paste -sd'|' "$WORK/heard.two")"
is "every frame is counted, 802.1X on its way up to the host" "$(cat "$WORK/sent") 1" "$((b - a + 1)) $(inbed nft list counter bridge sshbay link_local | awk '$1 == "packets" { print $2 }')"
is "under its name" "1 source MAC|3 VLAN tag|1 BPDU|4 ARP|2 IPv4 source|2 DHCP server|14 router|2 fragment|2 router advertisement" \
	"$(drops | grep -E 'MAC|VLAN|BPDU|ARP|DHCP|IPv4|router|fragment' | awk '{ n[$2" "$3] += $1; if (!s[$2" "$3]++) o[++c] = $2" "$3 } END { for (i = 1; i <= c; i++) print n[o[i]] " " o[i] }' | sed 's/ $//' | paste -sd'|')"
is "the neighbour is still itself for the LAN" "$(two cat /sys/class/net/eth0/address)" "$(in_lan 'ping -c1 -w20 172.31.199.2 >/dev/null; ip neigh show 172.31.199.2' | grep -o '..:..:..:..:..:..')"
lan python3 - "$(one cat /sys/class/net/eth0/address | tr -d :)" <<'PY'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
# A station of the LAN that sends with a workspace's MAC does not draw its frames away.
for _ in range(5): s.send(b"\xff" * 6 + bytes.fromhex(sys.argv[1]) + b"\x88\xb5" + b"x" * 50)
PY
port=$(field one interface)
like "what is behind the port '$port' stays there" "^$(one cat /sys/class/net/eth0/address) .*dev $port .*sticky .*static" "$(inbed bridge fdb show br br0 2>&1)"
# A tenant in 4800 groups, and one that says so too often. A bridge whose table is full would flood multicast to everybody.
one "sudo perl - $(one cat /sys/class/net/eth0/address | tr -d :)" <<'PL'
use strict; use Socket;
my $mac = pack "H*", $ARGV[0];
my $if = do { local @ARGV = ("/sys/class/net/eth0/ifindex"); <> }; chomp $if;
socket(my $s, 17, 3, 0) or die "socket: $!";
my $group = pack "H*", "01005e000016";
my $to = pack("S n i S C C a8", 17, 0x800, $if, 0, 0, 6, $group);
sub sum { my $s = 0; $s += $_ for unpack "n*", $_[0]; $s = ($s & 0xffff) + ($s >> 16) while $s >> 16; ~$s & 0xffff }
my $g = 0xef010000;
for (1..200) {
	my $b = pack("C C n n n", 0x22, 0, 0, 0, 120) . join "", map { pack "C C n N", 4, 0, 0, ++$g } 1..120;
	substr($b, 2, 2) = pack "n", sum($b);
	my $h = pack("C C n n n C C n N N", 0x46, 0, 24 + length $b, 0, 0, 1, 2, 0, 0xac1fc701, 0xe0000016) . "\x94\4\0\0";
	substr($h, 10, 2) = pack "n", sum($h);
	send($s, $group . $mac . "\x08\0" . $h . $b, 0, $to) or die "send: $!";
}
PL
is "the groups of a tenant are limited" "few mcast_snooping 1" "$([ "$(inbed bridge mdb show dev br0 | grep -c "port $port ")" -le 64 ] && echo few) $(inbed ip -d link show br0 | grep -o 'mcast_snooping [0-9]')"
like "and how often it says which" '^[1-9][0-9]* multicast groups$' "$(drops)"
flags=$(inbed ip -d link show "$port")
for f in 'hairpin off' 'guard on' 'root_block on' 'learning off' 'flood off' 'mcast_router 0' 'isolated off'; do like "the port has $f" "$f" "$flags"; done

# --- isolate ---
sed -i 's/^\[network\]/[network]\nisolate = yes/' "$BED/sshbay.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
is "isolate = yes parts those that run" no "$(one "ping -c1 -W1 172.31.199.2 >/dev/null 2>&1 && echo yes || echo no")"
one 'sudo ip route replace 172.31.199.2/32 via 172.31.0.1'
is "also by way of the host" no "$(one "ping -c1 -W1 172.31.199.2 >/dev/null 2>&1 && echo yes || echo no")"
one 'sudo ip route del 172.31.199.2/32'
is "and from a routed one" no "$(routed "ping -c1 -W1 172.31.199.2 >/dev/null 2>&1 && echo yes || echo no")"
is "but not from the LAN" yes "$(reaches one 172.31.1.1)"
is "nor the gate at its port 22" SSH-2.0- "$(one 'sudo ip neigh flush dev eth0'; banner 172.31.199.2 one)"
sed -i '/^isolate/d' "$BED/sshbay.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
is "isolate = no joins them again" yes "$(reaches one 172.31.199.2)"

# --- a bridge that goes ---
# Somebody's other bridge is none of ours, and what is wrong with one workspace leaves the others alone.
inbed sh -c "ip link add br9 type bridge; ip link set '$port' nomaster; ip link set '$port' master br9; ip route del 172.31.199.2 dev br0"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
t "a port on another bridge does not keep the others from being set right" await 60 knows
like "and is left alone there" 'learning on flood on' "$(inbed ip -d link show "$port")"
inbed ip link del br9
await 60 bash -c "'$BED/sshbay' show one | grep -q 'is no port of the bridge'"
like "a port that was taken off is told" "network: its interface '$port' is no port of the bridge 'br0' any more" "$(field one note)"
is "and carries nothing" no "$(one 'ping -c1 -W1 172.31.1.1 >/dev/null 2>&1 && echo yes || echo no')"
bay stop one >/dev/null; t "the next start" bay start one
is "heals it" "yes None" "$(reaches one 172.31.1.1) $(field one note)"
inbed ip link set br0 down; inbed ip link set br0 name br1
await 60 bash -c "'$BED/sshbay' show two | grep -q 'is gone'"
like "a bridge that was renamed is told" "network: its bridge 'br0' is gone" "$(field two note)"
like "in the audit log" '"ev":"ws.bridge_lost","ws":"two"' "$(grep bridge_lost "$BED/log/audit.log")"
inbed ip link add br0 type veth peer name br0-peer
await 60 bash -c "'$BED/sshbay' show two | grep -q 'is no bridge any more'"
like "so is another interface that has its name" "network: its bridge 'br0' is no bridge any more" "$(field two note)"
inbed ip link del br0
inbed ip link set br1 up
is "the gate keeps port 22" SSH-2.0- "$(banner 172.31.199.2 lan bash -c)"
bay destroy --purge two >/dev/null
is "destroyed, nothing of it stays there" "" "$(inbed sh -c 'ip route show 172.31.199.2; ip neigh show 172.31.199.2; nft list set bridge sshbay gate' | grep -E '172|02:' | grep -v "$(one cat /sys/class/net/eth0/address)" | grep -v "$(nsenter --target "$(field later init_pid)" --net cat /proc/net/arp | grep -o none)")"
inbed ip link set br1 down; inbed ip link set br1 name br0; inbed sh -c 'ip link set br0 up; ip addr add fd00:199::1:1/64 dev br0 nodad'

# --- another attach ---
sed -i '/^attach/d' "$BED/workspaces.d/later.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
bay stop later >/dev/null; bay start later >/dev/null
is "without attach, the next start makes it a routed one" "- 172.31.199.4/32" "$(bay show later | awk '$1 == "attach" { print $2 }') $(on user@172.31.199.4 ip -br addr show eth0 | grep -o '172[0-9./]*')"
is "with no trace on the bridge" "" "$(inbed sh -c 'ip -o neigh show 172.31.199.4 dev br0; ip route show 172.31.199.4 dev br0')"
echo 'attach = br0' >>"$BED/workspaces.d/later.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
bay stop later >/dev/null; bay start later >/dev/null
is "and with it, back" "br0 yes" "$(field later attach) $(reaches later 172.31.1.1)"
bay destroy --purge one routed later >/dev/null
inbed ip link del br0

# --- a bridge that has no address of its own has its ports' lowest ---
inbed sh -c 'ip link add br0 type bridge; ip link add nic0 address f8:f2:1e:11:22:33 type veth peer name nic0-peer
	ip link set nic0 master br0; ip link set nic0 up; ip link set br0 up; ip addr add 172.31.0.1/16 dev br0; ip addr add fd00:199::1:1/64 dev br0 nodad'
t "on one without" bay start two
is "its MAC stays while a workspace comes" "running f8:f2:1e:11:22:33" "$(field two state) $(inbed ip -o link show br0 | sed 's/.*ether \([^ ]*\).*/\1/')"
bay destroy --purge two >/dev/null
is "and while it goes" f8:f2:1e:11:22:33 "$(inbed ip -o link show br0 | sed 's/.*ether \([^ ]*\).*/\1/')"
inbed sh -c 'ip link del nic0; ip link del br0'
finish
