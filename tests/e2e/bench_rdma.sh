#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sshbay bench --rdma without RDMA hardware: fake trees of sysfs give two joined workspaces a device each, and programs called
# like perftest's send by TCP over data0 what they report, or claim more. What is needed, how they are called, which
# counters are believed. (Real RDMA: lab/rdma_bench.sh.)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cable_lib.sh"
hw=$WORK/hw
S=$hw/sys
mkdir -p "$S/module/ib_core/parameters" "$S/class/misc/rdma_cm" "$S/class/net" "$S/bus/pci/devices" "$hw"/{dev,proc,cdi}
echo Y >"$S/module/ib_core/parameters/netns_mode"
echo 10:259 >"$S/class/misc/rdma_cm/dev"
port() { echo "$S/devices/pci0000:20/0000:2$1:00.0/infiniband/mlx5_$1/ports/1"; }
device() { # NUMBER NETDEV: what the driver would tell
	local d=$S/devices/pci0000:20/0000:2$1:00.0
	mkdir -p "$(port "$1")"/{gid_attrs/ndevs,counters} "$S/class/infiniband_verbs/uverbs$1" "$S/class/infiniband" "$S/class/net/$2"
	ln -s "../../../0000:2$1:00.0" "$d/infiniband/mlx5_$1/device"
	echo "$2" >"$(port "$1")/gid_attrs/ndevs/0"
	echo 0 | tee "$(port "$1")"/counters/port_{xmit,rcv}_data >/dev/null
	ln -s "../../devices/pci0000:20/0000:2$1:00.0/infiniband/mlx5_$1" "$S/class/infiniband/mlx5_$1"
	echo "mlx5_$1" >"$S/class/infiniband_verbs/uverbs$1/ibdev"
	echo 10:229 >"$S/class/infiniband_verbs/uverbs$1/dev"
	inbed ip -o link show "$2" | cut -d: -f1 >"$S/class/net/$2/ifindex"
	ln -s "../../../devices/pci0000:20/0000:2$1:00.0" "$S/class/net/$2/device"
	ln -s "../../../devices/pci0000:20/0000:2$1:00.0" "$S/bus/pci/devices/0000:2$1:00.0"
}
cable_bed "[hardware]
sysfs = $S
proc = $hw/proc
dev = $hw/dev
cdi = $hw/cdi
rdma_netns = shared
[workspace a]
rdma = auto
rdma_cm = yes"
device 0 cable0a; device 1 cable0b
bay create a b >/dev/null
bench() { rc bay bench a b --rdma -t 1; }

# --- what is needed ---
like "both need a device" "^sshbay: bench workspace 'b': it has no RDMA device .set rdma = auto in workspaces.d/b.ini" "$(bench)"
printf 'rdma = auto\n' >>"$BED/workspaces.d/b.ini"
bay reload >/dev/null; bay stop b >/dev/null; bay start b >/dev/null
like "and perftest" "^sshbay: bench workspace 'a': it has no ib_write_bw .sshbay enter a -- apt-get install perftest" "$(bench)"

# A program of this form: the server listens where it was told to, the client sends 40 MiB by TCP and reports less than 20.
cat >"$WORK/perftest" <<'E2'
#!/bin/sh
case "$*" in *-V*) echo 'Version: 6.06'; exit ;; esac
echo "${0##*/} $*" >>/tmp/calls
for last; do :; done
case $last in
192.168.199.*) ;;
*) [ ! -e /tmp/broken ] || { echo 'libibverbs: Warning: no driver' >&2; echo " Couldn't use device $last" >&2; exit 1; }
	exec iperf3 -s -1 -p 52019 >/dev/null ;;
esac
echo ' RDMA test of  5 numbers below'
case $0 in
*lat) iperf3 -c "$last" -p 52019 -n 1K >/dev/null && echo ' 2       1000          1.10           9.90         1.50              1.60        0.20          3.00           5.00' ;;
*) iperf3 -c "$last" -p 52019 -n 40M >/dev/null && echo " 65536      $(cat /tmp/claim 2>/dev/null || echo 300)           0.00               7.50             0.01" ;;
esac
E2
for w in a b; do
	bay enter $w -- sh -c 'cd /usr/local/bin; cat >ib_write_bw; chmod 755 ib_write_bw; ln -s ib_write_bw ib_send_lat' <"$WORK/perftest"
done

# --- a result that the counters bear out ---
out=$(bay bench a b --rdma -t 1 --json); status=$?
is "bench passes" 0 $status
is "both directions are proven" "[('rdma', 'b', 'a', True, 19660800), ('rdma', 'a', 'b', True, 19660800)]" \
	"$(json '[(d["protocol"], x["from"], x["to"], x["proven"], x["bytes"]) for x in d["directions"]]' <<<"$out")"
is "latency is perftest's" "1000 1.5 3.0" "$(json '"%d %.1f %.1f" % (d["latency"]["samples"], d["latency"]["p50_us"], d["latency"]["p99_us"])' <<<"$out")"
is "the manifest names device and program" "mlx5_0 mlx5_1 6.06" "$(json '"%s %s %s" % (d["manifest"]["ends"][0]["rdma"], d["manifest"]["ends"][1]["rdma"], d["manifest"]["ends"][1]["perftest"])' <<<"$out")"
is "the client is the sender, with margins around what is measured" "ib_write_bw --report_gbits -q 1 -D 3 -f 1 -d mlx5_1 -p 52019 192.168.199.1" "$(b 'grep write_bw.*199 /tmp/calls')"
like "for people" '^b -> a: 7.500 Gbit/s rdma' "$(bay bench a b --rdma -t 1)"

# --- counters that contradict, and whose they are ---
b 'echo 3000000 >/tmp/claim'
out=$(bench)
like "a claim of more than went over the cable fails" '^1$' "$(head -n1 <<<"$out")"
like "with the counters" "CONTRADICTED: data0 of 'b' sent [0-9]+ of 196608000000 bytes" "$out"
# What is covered inside: the tenant's own counters, which say what it likes.
grows() { # FILES, each of which counts 60 GB every 0.1 s, in words of 4 bytes
	local n=0 f
	while :; do for f; do echo $((n += 15000000000)) >"$f.new"; mv "$f.new" "$f"; done; sleep 0.1; done
}
bay enter b -- sh -e <<'E2'
mkdir /tmp/net; mount --bind /sys/class/net /tmp/net; mount -t tmpfs none /sys/class; mkdir /sys/class/net; mount --bind /tmp/net /sys/class/net
mkdir -p /sys/class/infiniband/mlx5_1/ports/1/counters; cd /sys/class/infiniband/mlx5_1; echo 1: CA >node_type
cat >/tmp/cover <<'E3'
n=0; while :; do n=$((n + 15000000000)); for f in xmit rcv; do echo $n >ports/1/counters/port_${f}_data; done; sleep 0.1; done
E3
setsid sh /tmp/cover >/dev/null 2>&1 &
E2
t "a tenant covers its /sys" await 9 b 'grep -q 0 /sys/class/infiniband/mlx5_1/ports/1/counters/port_rcv_data'
like "what the workspace shows inside as counters is not believed" "CONTRADICTED: data0 of 'b' sent [0-9]+ of 196608000000" "$(bench)"
grows "$(port 0)"/counters/port_{xmit,rcv}_data "$(port 1)"/counters/port_{xmit,rcv}_data & grows=$!
await 9 test -s "$(port 1)/counters/port_rcv_data"
like "what the kernel counts of the RDMA port is" "proven: 'b' sent [0-9]{12,} and 'a' received [0-9]{12,} bytes" "$(bench)"
kill $grows; wait $grows 2>/dev/null
rm "$(port 0)"/counters/*
like "a port whose counters the kernel does not show proves nothing, and contradicts nothing" '^  not proven: what RDMA sends does not pass data0' "$(bench)"
is "which is no failure" 0 "$(bench | head -n1)"
b 'rm /tmp/claim'

# --- a program that fails ---
a 'touch /tmp/broken'
like "a server that does not start tells why" "^sshbay: start the server in workspace 'a': Couldn't use device 52019" "$(bench)"
a 'rm /tmp/broken'

# What perftest says on a machine too busy to measure its clock.
b 'touch /tmp/busy; sed -i "3i[ ! -e /tmp/busy ] || case \$0-\$* in *_bw-*192.168.199.1) rm /tmp/busy; echo \"Correlation coefficient r^2: 0.8 < 0.9\" >&2; exit 1 ;; esac" /usr/local/bin/ib_write_bw'
like "a run without a report is repeated" '^a -> b: 7.500 Gbit/s rdma' "$(bench)"
is "it was one" gone "$(b '[ -e /tmp/busy ] || echo gone')"

# --- iWARP, which connects by rdma_cm alone ---
b 'pkill -f "[/]tmp/cover"; echo 4: RNIC >/sys/class/infiniband/mlx5_1/node_type'
like "iWARP needs rdma_cm" "^sshbay: bench workspace 'b': 'mlx5_1' speaks iWARP, which connects by rdma_cm alone .set rdma_cm = yes" "$(bench)"
b 'touch /dev/infiniband/rdma_cm && rm -f /tmp/calls'
like "with it, it is measured" '^a -> b: 7.500 Gbit/s rdma' "$(bay bench a b --rdma -t 1)"
like "by rdma_cm" '^ib_write_bw .* -R -d mlx5_1 -p 52019 192.168.199.1' "$(b 'cat /tmp/calls')"
running() { [ -n "$(a 'pgrep -x iperf3'; b 'pgrep -x iperf3')" ]; }
gone() { ! running; }
b 'sed -i "s/-n 40M/-t 60/" /usr/local/bin/ib_write_bw'
"$BED/sshbay" bench a b --rdma -t 20 >/dev/null 2>&1 & p=$!
await 9 b 'pgrep -f "[i]perf3.*-t 60"'
kill -KILL $p; wait $p 2>/dev/null
t "SIGKILL leaves nothing behind" await 9 gone
finish
