#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sshbay bench --rdma with RDMA: perftest in two workspaces over soft-RoCE, over two e1000e that are joined back to back.
# (The kernel's soft-RoCE sends from the host's own namespace, so the NICs are shared by macvlan, in shared mode. Each
# refusal, claim and counter: e2e/bench_rdma.sh.)
# Runs in the lab: started anywhere else it starts itself there.
. "$(dirname "$0")/../roce_lib.sh"
if [ -z "${SSHBAY_LAB:-}" ]; then
	LAB_QEMU="$(roce_qemu) ${LAB_QEMU:-}"
	export LAB_QEMU
	exec "$(dirname "$0")/../../scripts/lab" run -c 2 "$0"
fi
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cable_lib.sh"
export ON_LIMIT=120
roce_up
host_snapshot >"$WORK/host.before"
cat >"$WORK/extra.ini" <<INI
[hardware]
rdma_netns = shared
[workspace a]
users = alice
nic = macvlan:left
data_ip = 192.168.199.1/24
rdma = auto
[workspace b]
users = bob
nic = macvlan:right
data_ip = 192.168.199.2/24
rdma = auto
INI
"$ROOT/scripts/testbed" --host up "$BED" "$WORK/extra.ini" >"$WORK/up.log" 2>&1 || { not_ok "bed comes up" "$(cat "$WORK/up.log")"; finish; }
bay start a >/dev/null 2>&1; bay destroy --purge a >/dev/null 2>&1
bed_snapshot >"$WORK/bed.before"
like "a starts" address "$(bay start a 2>&1)"
like "b starts" address "$(bay start b 2>&1)"
roce_programs a b
pair_is_good() { bay pair a b >"$WORK/pair" 2>&1; }
t "the wire is proven" await 60 pair_is_good
bytes() { cat /sys/class/net/left/statistics/"$1"; }

# --- RDMA, both ways ---
rx=$(bytes rx_bytes) tx=$(bytes tx_bytes)
out=$(bay bench a b --rdma -t 3 --json 2>"$WORK/said"); status=$?
is "bench --rdma passes" "0 " "$status $(cat "$WORK/said")"
[ -n "$out" ] || finish
is "both directions are proven" "[('b', 'a', True), ('a', 'b', True)]" "$(json '[(x["from"], x["to"], x["proven"]) for x in d["directions"]]' <<<"$out")"
is "by more than a few frames" True "$(json 'all(x["bytes"] > 1e6 and x["bits_per_second"] > 1e6 and 1 < x["seconds"] < 9 for x in d["directions"])' <<<"$out")"
is "which took the wire" True "$(json "d['directions'][0]['bytes'] < $(($(bytes rx_bytes) - rx)) and d['directions'][1]['bytes'] < $(($(bytes tx_bytes) - tx))" <<<"$out")"
is "latency is in order" True "$(json '(lambda l: 0 < l["min_us"] <= l["p50_us"] <= l["p99_us"] <= l["max_us"] and l["samples"] == 1000)(d["latency"])' <<<"$out")"
is "the manifest names the devices" "rdma rxe0 rxe1 Ethernet" "$(json '"%s %s %s %s" % (d["protocol"], d["manifest"]["ends"][0]["rdma"], d["manifest"]["ends"][1]["rdma"], d["manifest"]["ends"][0]["rdma_link"])' <<<"$out")"
json '"# %s" % [(x["from"], round(x["bits_per_second"] / 1e6, 1)) for x in d["directions"]]' <<<"$out"

# --- what ends it, and what it does not believe ---
left_over() { a 'pgrep -f "[i]b_(write|send)"'; b 'pgrep -f "[i]b_(write|send)"'; }
gone() { [ -z "$(left_over)" ]; }
is "nothing is left inside" "" "$(left_over)"
env --default-signal=INT "$BED/sshbay" bench a b --rdma -t 60 >/dev/null 2>&1 & p=$!
t "a benchmark runs" await 60 b 'pgrep -f "[i]b_write_bw.*-D"'
kill -INT $p; wait $p 2>/dev/null
t "^C ends both" await 60 gone
b 'mv /usr/bin/ib_write_bw /usr/bin/real; install -m 755 /dev/null /usr/bin/ib_write_bw'
bay enter b -- sh -c 'cat >/usr/bin/ib_write_bw' <<'E2'
#!/bin/sh
case "$*" in *-V*) exec real -V ;; esac
real "$@" | sed 's/^\( 65536 *\)[0-9]*/\1900000000/'
E2
out=$(rc bay bench a b --rdma -t 2)
like "a report of more bytes is contradicted" "CONTRADICTED: data0 of 'b' sent [0-9]+ of 58982400000000 bytes" "$out"
is "which fails" 1 "$(head -n1 <<<"$out")"
b 'rm /usr/bin/ib_write_bw'
like "without perftest" "workspace 'b': it has no ib_write_bw .*apt-get install perftest" "$(rc bay bench a b --rdma)"
finish
