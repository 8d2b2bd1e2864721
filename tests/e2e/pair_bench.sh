#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# sshbay bench: results that the counters prove, counters that contradict what the workspaces' programs claim, hostile
# programs, and that nothing is left running however sshbay ends. (pair.sh has what is checked before.)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cable_lib.sh"
cable_bed
left() { a 'pgrep -x iperf3'; b 'pgrep -x iperf3'; }

bay create a b >/dev/null

# --- a good pair ---
out=$(bay bench a b -t 1 --json); status=$?
is "bench passes" 0 $status
is "both directions are proven by the counters" "[('b', 'a', True), ('a', 'b', True)]" "$(json '[(x["from"], x["to"], x["proven"]) for x in d["directions"]]' <<<"$out")"
is "the bytes of data0 cover what is reported" True "$(json 'all(x["data_received_bytes"] >= x["bytes"] > 1e6 and x["bits_per_second"] > 1e7 for x in d["directions"])' <<<"$out")"
is "latency is in order" True "$(json '(lambda l: 0 < l["min_us"] <= l["p50_us"] <= l["p99_us"] <= l["max_us"] and l["samples"] == 1000)(d["latency"])' <<<"$out")"
is "the manifest tells the circumstances" "True 3000 bookworm veth" "$(json '"%s %d %s %s" % (d["manifest"]["kernel"] == open("/proc/sys/kernel/osrelease").read().strip(), d["manifest"]["ends"][0]["mtu"], d["manifest"]["ends"][1]["image"], d["manifest"]["ends"][0]["driver"])' <<<"$out")"
out=$(bay bench a b --udp -t 1 --rate 50M --json)
is "UDP at a rate" True "$(json 'all(4e7 < x["bits_per_second"] < 6e7 and x["lost_percent"] is not None for x in d["directions"])' <<<"$out")"
is "no iperf3 is left" "" "$(left)"

# --- counters that contradict ---
b 'ip link set data0 mtu 1500'
like "bench refuses a pair that is none" "'a' has 3000, 'b' has 1500" "$(rc bay bench a b -t 1)"
b 'ip link set data0 mtu 3000'
detour
out=$(rc bay bench a b -t 1)
like "bench fails" '^1$' "$(head -n1 <<<"$out")"
is "for both directions" 2 "$(grep -c 'CONTRADICTED: .* sent 0 of [0-9]* bytes; the control plane carried [1-9]' <<<"$out")"
no_detour

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
like "--rdma without a device" "'a': it has no RDMA device .set rdma = auto in workspaces.d/a.ini" "$(rc bay bench a b --rdma)"

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
like "and the next one works; for people, too" '^a -> b: [0-9.]+ Gbit/s tcp' "$(bay bench a b -t 1 -P 2)"
finish
