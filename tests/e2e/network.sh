#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Control plane and data plane of live workspaces: reachability, source checks, isolation, port 22, the host's ports, NAT, the
# cable, IPv6.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[network]
control_cidr6 = fd00:199::/64
announce = lan0
[workspace client]
users = user
control_ip = 172.31.199.1
data_ip = 192.168.199.1/24
data_mtu = 3000
[workspace server]
users = user
control_ip = 172.31.199.2
data_ip = 192.168.199.2/24
[testbed]
lan = yes
cable = client:server
E2
listens() { "$1" ss -Hltn "sport = $2" | grep -q .; } # IN PORT
c() { on user@172.31.199.1 "$@"; }
s() { on user@172.31.199.2 "$@"; }
c true; s true
# The LAN client takes the pool for on-link: only an announced address answers its ARP and neighbour solicitations.
"$BED/lan" ip route add 172.31.199.0/24 dev eth0
"$BED/lan" ip -6 route add fd00:199::/64 dev eth0

# --- control plane ---
t "workspace to workspace" c ping -c1 -W20 172.31.199.2
t "workspace to workspace by name" c ping -c1 -W20 server
t "workspace to workspace over IPv6" c ping -6 -c1 -W20 server
t "LAN host to workspace, announced" "$BED/lan" ping -c1 -w20 172.31.199.1
t "LAN host to workspace over IPv6, announced" "$BED/lan" ping -c1 -w20 "$(c ip -6 -o addr show dev eth0 scope global | awk '{sub("/.*","",$4); print $4}')"
"$BED/lan" socat -u TCP-LISTEN:7000,reuseaddr,fork SYSTEM:'cat >/dev/null' & lanpid=$!
"$BED/lan" socat TCP-LISTEN:7001,reuseaddr,fork SYSTEM:'echo $SOCAT_PEERADDR' & lanpid2=$!
await 10 listens "$BED/lan" 7000; await 10 listens "$BED/lan" 7001
is "connections to the LAN are translated to the host's address" 198.18.0.1 "$(c 'exec 3<>/dev/tcp/198.18.0.2/7001; cat <&3')"
# A spoofed source never leaves.
c 'sudo ip addr add 172.31.199.99/32 dev eth0'
is "a spoofed source address is dropped" fail "$(c 'ping -c1 -W1 -I 172.31.199.99 172.31.199.2 >/dev/null 2>&1 && echo passes || echo fail')"
c 'sudo ip addr del 172.31.199.99/32 dev eth0'

# --- the host from inside ---
"$BED/run" socat TCP-LISTEN:7100,bind=0.0.0.0,reuseaddr,fork SYSTEM:'echo leak' & hostpid=$!
await 10 listens "$BED/run" 7100
for target in 198.18.0.1/7100 198.18.0.1/2222 169.254.1.1/7100 169.254.1.1/22 127.0.0.1/2222; do
	is "the host's $target cannot be reached" "" "$(c "timeout 2 bash -c 'exec 3<>/dev/tcp/$target && head -c4 <&3' 2>/dev/null")"
done
kill $lanpid $lanpid2 $hostpid

# --- port 22 belongs to the gate ---
s 'sudo sh -c "setsid nohup perl -MIO::Socket::INET -e \"\\\$l=IO::Socket::INET->new(Listen=>5,LocalPort=>22,ReuseAddr=>1) or die; while(\\\$c=\\\$l->accept){print \\\$c qq(stolen\\n);}\" >/dev/null 2>&1 &"'
await 10 s 'ss -Hltn "sport = 22" | grep -q .'
like "a tenant that listens on port 22 does not get it" '^SSH-2.0-' "$("$BED/lan" bash -c 'exec 3<>/dev/tcp/172.31.199.2/22; head -n1 <&3')"
like "the gate answers with its own key on every address" SSH-2.0 "$("$BED/lan" bash -c 'ip route replace 172.31.199.200 via 198.18.0.1; exec 3<>/dev/tcp/172.31.199.200/22; head -n1 <&3')"

# --- data plane ---
like "data0 has its address" '192\.168\.199\.1/24' "$(c ip -br addr show data0)"
is "data0 has its MTU" 3000 "$(c cat /sys/class/net/data0/mtu)"
rx() { s cat /sys/class/net/data0/statistics/rx_packets; }
a=$(rx); t "the cable carries" c ping -c3 -i0.2 -W20 -q 192.168.199.2; b=$(rx)
[ $((b - a)) -ge 3 ] && ok "and its counters show it" || not_ok "and its counters show it" "$a -> $b"
c 'sudo ip link set data0 down'
is "no shortcut: without the link nothing arrives" fail "$(c 'ping -c1 -W1 192.168.199.2 >/dev/null 2>&1 && echo passes || echo fail')"
c 'sudo ip link set data0 up'
bay stop client >/dev/null
t "the data plane is there again after stop and start" c ping -c1 -W20 192.168.199.2
like "the lease is listed" 'nic.*client' "$(bay leases)"
c 'sudo ip link set data0 down; sudo ip link set data0 name evil0; sudo ip link set evil0 address 02:00:00:00:00:99; sudo ip link set evil0 mtu 1400 promisc on'
mac=$(bay show client --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["nic"])')
bay destroy --purge client >/dev/null
like "destroy brings the interface home under its name" 'cable0a' "$(inbed ip -br link)"
is "with its MTU" 1500 "$(inbed cat /proc/sys/net/ipv6/conf/cable0a/mtu)"
unlike "without what the tenant set" '02:00:00:00:00:99|PROMISC' "$(inbed ip -d link show cable0a)"
: "$mac"

# --- IPv6 logins ---
six=$(bay show server --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["control_ip6"])')
is "ssh to the IPv6 address" server "$(timeout 30 "$BED/lan" ssh -F "$BED/ssh_config" -i "$BED/keys/user" -o BatchMode=yes "user@$six" hostname)"

# --- isolate ---
sed -i 's/^\[network\]/[network]\nisolate = yes/' "$BED/sshbay.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
on alice@gate true
is "isolate = yes blocks workspace to workspace" fail "$(on alice@gate 'ping -c1 -W1 172.31.199.2 >/dev/null 2>&1 && echo passes || echo fail')"
is "but not logins to one's own address" server "$(timeout 30 "$BED/lan" ssh -F "$BED/ssh_config" -o BatchMode=yes user@172.31.199.2 hostname)"
sed -i '/^isolate/d' "$BED/sshbay.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
finish
