#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# sshbay pair and sshbay bench: a good pair, each thing that can be wrong with one, counters that contradict what the
# workspaces' programs claim, hostile programs, and that nothing is left running however sshbay ends.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace a]
users = user
control_ip = 172.31.199.1
data_mtu = 3000
[workspace b]
users = user
control_ip = 172.31.199.2
data_mtu = 3000
[testbed]
cable = a:b
E2
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
a() { bay enter a -- sh -c "$1" </dev/null; }
b() { bay enter b -- sh -c "$1" </dev/null; }
rc() { local out status; out=$("$@" 2>&1); status=$?; printf '%s\n%s' "$status" "$out"; }
left() { a 'pgrep -x iperf3'; b 'pgrep -x iperf3'; }

# --- who cannot be a pair ---
out=$(rc bay pair a b)
like "a workspace that is not there fails, with the remedy" "^FAIL +workspace: 'a' is absent .sshbay create a" "$out"
like "and the exit status tells" '^1$' "$(head -n1 <<<"$out")"
bay create a b >/dev/null
bay stop b >/dev/null
out=$(rc bay pair a b)
like "so does one that is stopped" "^FAIL +workspace: 'b' is stopped .sshbay start b" "$out"
like "bench says the same" "^sshbay: bench 'a' and 'b': 'b' is stopped .sshbay start b" "$(rc bay bench a b)"
bay start b >/dev/null
like "an unknown workspace" "no such workspace" "$(rc bay pair a nobody)"
for bad in "pair a" "pair a a" "pair a b c" "pair a B" "bench a" "bench a a" "bench a b --tcp --udp" "bench a b -t 0" "bench a b -t x" \
	"bench a b -P 65" "bench a b --rate 1G" "bench a b --udp --rate 1;id" "bench a b -t"; do
	# shellcheck disable=SC2086
	like "wrong usage: $bad" '^2' "$(rc bay $bad </dev/null | head -n1)"
done

# --- a good pair ---
out=$(rc bay pair a b)
like "a good pair passes" '^0' "$(head -n1 <<<"$out")"
unlike "without warnings" '^(WARN|FAIL)' "$out"
for what in "carrier: data0 of 'a'" "carrier: data0 of 'b'" "mtu: 3000" "address: 192.168.199.1/24 and 192.168.199.2/24" \
	"wire: 'a' sent" "wire: 'b' sent" "neighbour: 'a'" "full mtu: a packet of 3000 bytes goes from 'b' to 'a'"; do
	like "it tells: $what" "^OK +$what" "$out"
done
is "as JSON" "True 0" "$(bay pair a b --json | json '"%s %d" % (d["ok"] and all(f["status"] == "OK" for f in d["findings"]), d["failures"])')"
a 'ip -6 addr add fd00:77::1/64 dev data0 nodad'; b 'ip -6 addr add fd00:77::2/64 dev data0 nodad'
like "IPv6 is verified where it is configured" "^OK +wire 6: 'b' sent" "$(bay pair a b)"
b 'ip -6 addr del fd00:77::2/64 dev data0'
like "and must be at both ends" "^FAIL +address 6: data0 of 'b' has no IPv6" "$(bay pair a b)"
a 'ip -6 addr del fd00:77::1/64 dev data0'

out=$(bay bench a b -t 1 --json); status=$?
is "bench passes" 0 $status
is "both directions are proven by the counters" "[('b', 'a', True), ('a', 'b', True)]" "$(json '[(x["from"], x["to"], x["proven"]) for x in d["directions"]]' <<<"$out")"
is "the bytes of data0 cover what is reported" True "$(json 'all(x["data_received_bytes"] >= x["bytes"] > 1e6 and x["bits_per_second"] > 1e7 for x in d["directions"])' <<<"$out")"
is "latency is in order" True "$(json '(lambda l: 0 < l["min_us"] <= l["p50_us"] <= l["p99_us"] <= l["max_us"] and l["samples"] == 1000)(d["latency"])' <<<"$out")"
is "the manifest tells the circumstances" "True 3000 bookworm veth" "$(json '"%s %d %s %s" % (d["manifest"]["kernel"] == open("/proc/sys/kernel/osrelease").read().strip(), d["manifest"]["ends"][0]["mtu"], d["manifest"]["ends"][1]["image"], d["manifest"]["ends"][0]["driver"])' <<<"$out")"
out=$(bay bench a b --udp -t 1 --rate 50M --json)
is "UDP at a rate" True "$(json 'all(4e7 < x["bits_per_second"] < 6e7 and x["lost_percent"] is not None for x in d["directions"])' <<<"$out")"
like "for people, too" '^a -> b: [0-9.]+ Gbit/s tcp' "$(bay bench a b -t 1 -P 2)"
is "no iperf3 is left" "" "$(left)"

# --- what can be wrong with a pair ---
b 'ip link set data0 down'
out=$(rc bay pair a b)
like "a cable that is cut" "^FAIL +carrier: data0 of 'a' is up and has no carrier" "$out"
like "and the end that is down" "^FAIL +carrier: data0 of 'b' is down .sshbay enter b -- ip link set data0 up" "$out"
b 'ip link set data0 up mtu 1500'
out=$(rc bay pair a b)
like "different MTUs" "^FAIL +mtu: 'a' has 3000, 'b' has 1500" "$out"
like "are felt by a full packet" '^FAIL +full mtu:' "$out"
like "bench refuses" "'a' has 3000, 'b' has 1500" "$(rc bay bench a b -t 1)"
b 'ip link set data0 mtu 3000; ip addr del 192.168.199.2/24 dev data0; ip addr add 10.9.9.2/24 dev data0'
like "addresses in different subnets" '^FAIL +address: 192.168.199.1/24 and 10.9.9.2/24 are not in one subnet' "$(rc bay pair a b)"
b 'ip addr flush dev data0'
like "no address" "^FAIL +address: data0 of 'b' has no IPv4" "$(rc bay pair a b)"
b 'ip addr add 192.168.199.1/24 dev data0'
like "the same address twice" '^FAIL +address: both ends have 192.168.199.1/24' "$(rc bay pair a b)"
b 'ip addr flush dev data0; ip addr add 192.168.199.2/24 dev data0; ip neigh flush dev data0; ip link set data0 arp off'
a 'ip neigh flush dev data0'
like "an end that is not resolved" "^FAIL +(neighbour|wire): " "$(rc bay pair a b)"
b 'ip link set data0 arp on'

# --- counters that contradict ---
# The data addresses go over the control plane: everything works, and nothing takes the cable.
a 'ip link add vx type vxlan id 7 dstport 4789 remote 172.31.199.2 local 172.31.199.1 dev eth0; ip link set vx up; ip route add 192.168.199.2/32 dev vx src 192.168.199.1'
b 'ip link add vx type vxlan id 7 dstport 4789 remote 172.31.199.1 local 172.31.199.2 dev eth0; ip link set vx up; ip route add 192.168.199.1/32 dev vx src 192.168.199.2'
t "the detour carries" a 'ping -c1 -W2 192.168.199.2'
out=$(rc bay pair a b)
like "pair sees the detour" "^FAIL +wire: what 'a' sends 'b' does not take the wire: .* the control plane carried [1-9]" "$out"
like "pair fails" '^1$' "$(head -n1 <<<"$out")"
out=$(bay bench a b -t 1 --json); status=$?
is "bench fails" 1 $status
is "and shows it" "[False, False]" "$(json '[x["proven"] for x in d["directions"]]' <<<"$out")"
like "in words" 'CONTRADICTED: .* sent 0 of [0-9]+ bytes; the control plane carried [1-9]' "$(bay bench a b -t 1)"
a 'ip link del vx'; b 'ip link del vx'
# An address that the sender answers itself.
b 'ip addr add 192.168.199.1/32 dev lo'
like "an answer from oneself is no wire" "^FAIL +wire: what 'b' sends 'a' does not take the wire" "$(bay pair a b)"
b 'ip addr del 192.168.199.1/32 dev lo'
t "the pair is good again" bay pair a b

# --- programs of the tenant that lie ---
put() { "$BED/sshbay" enter b -- sh -c 'cat >/usr/local/bin/iperf3; chmod 755 /usr/local/bin/iperf3'; }
put <<'E2'
#!/bin/sh
case "$*" in *--version*) printf 'iperf \033[2J\n'; exit ;; esac
case "$*" in *--version*) exit ;; esac
echo '{"start":{"version":"iperf 3.12"},"end":{"sum_sent":{"bytes":125000000000,"bits_per_second":1e12,"seconds":1},
"sum_received":{"bytes":125000000000,"bits_per_second":1e12,"seconds":1}}}'
E2
like "a version with an escape sequence is refused, escaped" "it says '.x1b.2J' of 'iperf3'" "$(rc bay bench a b -t 1)"
b "sed -i '/2J/d' /usr/local/bin/iperf3"
like "a made-up result is contradicted" 'CONTRADICTED: .* sent [0-9]+ of 125000000000 bytes' "$(rc bay bench a b -t 1)"
printf '#!/bin/sh\ncase "$*" in *--version*) exit;; esac\nexec yes abcdefghijklmnopqrstuvwxyz\n' | put
like "endless output is bounded" 'more than 1048575 bytes' "$(rc timeout 30 "$BED/sshbay" bench a b -t 1)"
is "and ended" "" "$(b 'pgrep -x yes'; left)"
printf '#!/bin/sh\ncase "$*" in *--version*) exit;; esac\nprintf "\\033[31mevil\\n" >&2; exit 1\n' | put
like "what it says is escaped" "in workspace 'b': .x1b.31mevil" "$(rc bay bench a b -t 1)"
printf '#!/bin/sh\necho "{}"\n' | put
like "JSON without a result" 'no result that makes sense' "$(rc bay bench a b -t 1)"
b 'rm /usr/local/bin/iperf3'

# --- what is missing ---
b 'mv /usr/bin/iperf3 /usr/bin/away'
like "without iperf3" "workspace 'b': it has no iperf3 .sshbay enter b -- apt-get install iperf3" "$(rc bay bench a b)"
b 'mv /usr/bin/away /usr/bin/iperf3; mv /usr/bin/ping /usr/bin/away'
like "without ping" "^FAIL +tools: there is no ping in workspace 'b' .*apt-get install iputils-ping" "$(rc bay pair a b)"
b 'mv /usr/bin/away /usr/bin/ping'
like "--rdma without perftest" "has no ib_write_bw .*apt-get install perftest" "$(rc bay bench a b --rdma)"

# --- however sshbay ends ---
gone() { [ -z "$(left)" ]; }
running() { [ -n "$(left)" ]; }
for sig in INT TERM KILL; do
	# Commands in the background of a script ignore SIGINT.
	env --default-signal=INT "$BED/sshbay" bench a b -t 20 >/dev/null 2>&1 &
	p=$!
	t "a benchmark runs" await 9 running
	[ $sig != INT ] || like "a second one is refused" 'another one runs' "$(rc bay bench a b)"
	kill -$sig $p
	wait $p 2>/dev/null
	t "SIG$sig leaves no iperf3 behind" await 3 gone
done
timeout 20 "$BED/sshbay" bench a b -t 10 >"$WORK/stopped.log" 2>&1 &
p=$!
await 9 running
bay stop --timeout 1s b >/dev/null
wait $p
is "a workspace that stops meanwhile ends it" 1 $?
like "with a message" "workspace 'b'|workspace 'a'" "$(cat "$WORK/stopped.log")"
bay start b >/dev/null
t "and the next one works" bay bench a b -t 1
finish
