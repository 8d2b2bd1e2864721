#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# sshbay pair: a good pair, each thing that can be wrong with one, and a detour that only the counters show.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cable_lib.sh"
cable_bed

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
a 'ip -6 addr add fd00:77::1/64 dev data0 nodad'; b 'ip -6 addr add fd00:77::2/64 dev data0 nodad'
out=$(bay pair a b --json)
is "as JSON" "True 0" "$(json '"%s %d" % (d["ok"] and all(f["status"] == "OK" for f in d["findings"]), d["failures"])' <<<"$out")"
is "IPv6 is verified where it is configured" True "$(json 'any(f["subject"] == "wire 6" and f["fact"].startswith("%sb%s sent" % (chr(39), chr(39))) for f in d["findings"])' <<<"$out")"
b 'ip -6 addr del fd00:77::2/64 dev data0'
like "and must be at both ends" "^FAIL +address 6: data0 of 'b' has no IPv6" "$(bay pair a b)"
a 'ip -6 addr del fd00:77::1/64 dev data0'

# --- what can be wrong with a pair ---
b 'ip link set data0 down'
out=$(rc bay pair a b)
like "a cable that is cut" "^FAIL +carrier: data0 of 'a' is up and has no carrier" "$out"
like "and the end that is down" "^FAIL +carrier: data0 of 'b' is down .sshbay enter b -- ip link set data0 up" "$out"
b 'ip link set data0 up mtu 1500'
out=$(rc bay pair a b)
like "different MTUs" "^FAIL +mtu: 'a' has 3000, 'b' has 1500" "$out"
like "are felt by a full packet" '^FAIL +full mtu:' "$out"
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

# Two that have each a cable to somebody else.
bay create c d >/dev/null
out=$(rc bay pair a c)
is "two that no cable joins are told so, and no more" 2 "$(grep -c "^FAIL *wire: nothing that '[ac]' sends is answered by '[ac]': .* .do these two hold the two ends of one cable" <<<"$out")"
like "as the only failures" '^2 failures' "$out"
bay destroy --purge c d >/dev/null

# --- counters that contradict ---
detour
out=$(rc bay pair a b)
like "pair sees the detour" "^FAIL +wire: what 'a' sends 'b' does not take the wire: .* the control plane carried [1-9]" "$out"
like "pair fails" '^1$' "$(head -n1 <<<"$out")"
no_detour
# An address that the sender answers itself.
b 'ip addr add 192.168.199.1/32 dev lo'
like "an answer from oneself is no wire" "^FAIL +wire: what 'b' sends 'a' does not take the wire" "$(bay pair a b)"
b 'ip addr del 192.168.199.1/32 dev lo'
t "the pair is good again" bay pair a b
finish
