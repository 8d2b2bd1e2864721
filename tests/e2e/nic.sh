#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# NICs in a whole bed, on veth and macvlan ends: leases by identity, the pool, a NIC that comes late, quarantine and the
# way out of it, what a tenant cannot keep, and SIGKILL of provisiond while one moves.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[pool]
nics = pool0, pool1
[workspace one]
users = alice
nic = hw0
data_ip = 192.168.199.11/24
data_gateway = 192.168.199.254
data_routes = 10.77.0.0/16 via 192.168.199.253
nic_features = gro on, tso off
[workspace two]
users = bob
nic = hw0-alt
[workspace any]
users = carol
nic = auto
[workspace late]
users = alice
nic = late0
nic_policy = optional
data_ip = 192.168.199.12/24
[workspace strict]
users = alice
nic = pci:0000:ff:1f.7
[workspace shared]
users = bob
nic = macvlan:base0
data_ip = 192.168.199.13/24
[workspace whole]
users = bob
nic = enP65540p0s0f0np0
E2
inbed sh -ec '
	ip link add hw0 type veth peer name far0; ip link property add dev hw0 altname hw0-alt; ip link set far0 up
	ip link set hw0 mtu 1400 alias "the cable" up; ip addr add 10.5.0.1/24 dev hw0; ip route add 10.6.0.0/16 via 10.5.0.9 dev hw0
	ip link add pool0 type veth peer name far1; ip link add pool1 type veth peer name far2
	ip link set far2 up; ip link set pool1 up
	ip link add base0 type veth peer name farb; ip link property add dev base0 altname enP65540p0s0f0np0; ip link set base0 up; ip link set farb up; ip addr add 192.168.199.254/24 dev farb'
state() { inbed sh -c "ip -d -o link show $1; ip -o addr show dev $1; ip route show dev $1; ethtool -k $1; ethtool -l $1" 2>&1 |
	grep -vE 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/@[^ :]*//; s/qdisc [a-z_]+ //; s/ forever//g'; }
row() { bay nic list --json | python3 -c 'import json,sys
for r in json.load(sys.stdin):
	if sys.argv[1] in (r["name"], r["id"]): print(r["state"], r["owner"] or "-")' "$1"; }
start() { bay start "$1" 2>&1; }
await 5 inbed sh -c 'grep -q 1 /sys/class/net/hw0/carrier 2>/dev/null || sleep 0.2'
before=$(state hw0)

# --- leases ---
is "an interface by name" "" "$(start one >/dev/null || echo failed)"
like "its lease is refused under another name" "move 'hw0-alt' into workspace 'two': leased by 'one' since 20" "$(start two)"
like "who has it" '^leased one$' "$(row name:hw0)"
like "leases tells" '^nic +hw0 +one .*, 10000 Mbit/s' "$(bay leases)"
o() { on alice+one@gate "$@"; }
like "data0 has its address" '192\.168\.199\.11/24' "$(o ip -br addr show data0)"
like "its gateway is the default for what comes from its address" 'via 192\.168\.199\.254 dev data0' "$(o ip route get 8.8.8.8 from 192.168.199.11)"
like "and not for the rest" 'dev eth0' "$(o ip route get 8.8.8.8)"
like "configured routes lead through it" 'via 192\.168\.199\.253 dev data0' "$(o ip route get 10.77.1.1)"
like "auto takes the one with a carrier" 'leased any' "$(start any; row pool1)"
is "and the other one is free" "free -" "$(row pool0)"
like "leases shows the free one of the pool" '^nic +name:pool0 +- .*free' "$(bay leases)"

# --- home again, whatever the tenant did ---
o 'sudo sh -c "ip link set data0 down; ip link set data0 name x0 address 02:66:66:66:66:66 mtu 1300 alias mine txqueuelen 7; ip link set x0 promisc on allmulticast on arp off up
	ip addr add 10.9.9.9/24 dev x0; tc qdisc add dev x0 root tbf rate 1mbit burst 10k latency 10ms; ip link property add dev x0 altname far0; ip link property add dev x0 altname zzz"' >/dev/null 2>&1
bay stop one >/dev/null 2>&1
like "a stop keeps it" '^leased one$' "$(row name:hw0)"
bay destroy one >/dev/null 2>&1
is "a destroy gives it back as it was" "$before" "$(state hw0)"
is "and free" "free -" "$(row name:hw0)"
like "the audit log tells of its way" 'lease.take.*lease.attach.*lease.return' "$(bay events one | grep -o 'lease\.[a-z]*' | tr '\n' ' ')"

# --- held from outside: a leaked socket of the workspace's namespace ---
start one >/dev/null
pid=$(bay show one --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
nsenter --target "$pid" --net -- sleep 60 & pin=$!
began=$(date +%s%N)
bay destroy one >/dev/null 2>&1
ms=$((($(date +%s%N) - began) / 1000000))
t "it comes home from a namespace that others hold ($ms ms)" [ "$ms" -lt 5000 ]
is "as it was" "$before" "$(state hw0)"
kill $pin 2>/dev/null

# --- ws-init ends without being asked ---
for round in 1 2 3; do
	start one >/dev/null
	pid=$(bay show one --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])')
	nsenter --target "$pid" --net -- sleep 60 & pin=$!
	kill -KILL "$pid"
	t "round $round: a ws-init that was killed: the workspace is stopped" await 30 sh -c "'$BED/sshbay' list | grep -q 'one *stopped'"
	is "its NIC is home, whoever holds the namespace" "$before" "$(state hw0)"
	is "and free" "free -" "$(row name:hw0)"
	kill $pin 2>/dev/null
done
like "the next login has it again" '192\.168\.199\.11/24' "$(o ip -br addr show data0)"
bay destroy one >/dev/null 2>&1

# --- taken name, quarantine ---
start one >/dev/null
inbed ip link add hw0 type bridge
bay destroy one >/dev/null 2>&1
like "with its name taken it goes into quarantine" '^quarantined one$' "$(row name:hw0)"
like "leases tells why" 'nic +name:hw0 .*quarantined.*the name is taken' "$(bay leases)"
like "recovery says what is in the way" "recover 'name:hw0': rename 'nic-[0-9a-f]+' to 'hw0': the name is taken" "$(bay nic recover name:hw0 2>&1)"
inbed ip link del hw0
like "nobody gets it" "in quarantine: rename .*sshbay nic recover|no such interface" "$(start one)"
like "recovered once the name is free" "NIC 'name:hw0' is as it was" "$(bay nic recover name:hw0 2>&1)"
is "it is as it was" "$before" "$(state hw0)"
like "what is in no quarantine is not recovered" "not in quarantine" "$(bay nic recover hw0 2>&1)"
t "and leased again" bay start one
bay destroy one >/dev/null 2>&1

# --- missing ---
like "a missing one that is required" "lease 'pci:0000:ff:1f.7': no such interface" "$(start strict)"
t "a missing one that is optional" bay start late
like "show tells" "without its NIC: lease 'late0': no such interface" "$(bay show late)"
like "attach tells" "lease 'late0': no such interface" "$(bay nic attach late 2>&1)"
inbed ip link add late0 type veth peer name far9
like "attach moves it in" "workspace 'late' has its NIC" "$(bay nic attach late 2>&1)"
like "with its address" '192\.168\.199\.12/24' "$(on alice+late@gate ip -br addr show data0)"
unlike "show says nothing any more" 'without its NIC' "$(bay show late)"
like "an attach of a stopped one" "attach the NIC of workspace 'any': it is stopped" "$(bay stop any >/dev/null; bay nic attach any 2>&1)"
bay destroy late >/dev/null 2>&1
inbed ip link del late0
bay start late >/dev/null 2>&1
inbed ip link add late0 type veth peer name far9
# The next look is within a minute, or at a start.
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
t "one that appears moves in by itself" await 10 on alice+late@gate ip link show data0
bay destroy late >/dev/null 2>&1

# --- macvlan ---
t "a macvlan" bay start shared
like "is one inside" '192\.168\.199\.13/24' "$(on bob+shared@gate ip -br addr show data0)"
t "and has the wire" on bob+shared@gate ping -c1 -W2 192.168.199.254
like "its parent is shared" '^shared shared$' "$(row base0)"
like "and not for one alone" "leased by 'shared'" "$(start whole)"
bay destroy shared >/dev/null 2>&1
t "afterwards it is" bay start whole
bay destroy whole >/dev/null 2>&1

# --- SIGKILL of provisiond while it moves ---
for delay in 0 0.002 0.005 0.01 0.02 0.04 0.08; do
	bay start one >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	bay start one >/dev/null 2>&1
	bay destroy one >/dev/null 2>&1 & p=$!
	sleep $delay
	"$ROOT/scripts/testbed" kill "$BED" provisiond; wait $p
	"$ROOT/scripts/testbed" start "$BED" provisiond
	await 10 sh -c "! '$BED/sshbay' list | grep -qE 'one +(creating|destroying|stopping)'"
	bay destroy one >/dev/null 2>&1
	is "killed after $delay s, the NIC is as it was" "$before" "$(state hw0)"
done
is "nothing is in quarantine" "" "$(ls "$BED/state/quarantine" 2>/dev/null)"
bay destroy --purge one any late strict shared whole >/dev/null 2>&1
inbed sh -c 'for i in hw0 pool0 pool1 base0 late0; do ip link del $i; done' 2>/dev/null
finish
