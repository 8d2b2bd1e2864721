#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Promises that no other script tries as a stranger would: automatic data addresses, a bed with a relative name, leases in
# JSON, and a workspace whose record was lost while it ran.
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
bed_up - <<'INI'
[pool]
nics = pool0
[workspace one]
users = alice
control_ip = 172.31.199.77
nic = auto
[workspace two]
users = bob
nic = far0
data_ip = 192.168.199.78/24
[workspace bare]
users = carol
nic = bare0
data_ip = none
INI
inbed sh -ec 'ip link add pool0 type veth peer name far0; ip link add bare0 type veth peer name far1
	ip link set pool0 mtu 1400; ip link set pool0 alias "the pool" up'
state() { inbed sh -c "ip -d -o link show $1; ip -o addr show dev $1" 2>&1 | grep -v 'inet6 fe80' | sed -E 's/^[0-9]+: //; s/@[^ :]*//; s/qdisc [a-z_]+ //; s/ state [A-Z]+//; s/ link-netnsid [0-9]+//; s/<[^>]*>//'; }
before=$(state pool0)

# --- addresses of the data plane ---
like "a login tells the NIC's address" 'nic +data0 = pool0 +192\.168\.199\.77/24' \
	"$(script -qec "'$BED/run' ssh -tt -F '$BED/ssh_config' -o BatchMode=yes alice+one@gate true" /dev/null </dev/null)"
like "data0 has the number of the control address" '192\.168\.199\.77/24' "$(on alice+one@gate ip -4 -br addr show data0)"
t "the peer starts" bay start two
t "and the cable carries" on alice+one@gate ping -c1 -W20 192.168.199.78
unlike "data_ip = none asks for none" 'inet ' "$(on carol+bare@gate ip -4 addr show data0)"
like "show tells it" '"data_ip": "192.168.199.77/24"' "$(bay show one --json)"
bay stop one >/dev/null 2>&1
like "a stop keeps it" '192\.168\.199\.77' "$(bay leases one)"
bay start one >/dev/null 2>&1

# --- leases as objects ---
of() { bay leases --json | python3 -c 'import json,sys
for l in json.load(sys.stdin):
	if l["kind"] == sys.argv[1] and l["owner"] == sys.argv[2]: print(l["object"], l["id"], l["state"], l["speed"], l["numa"])' "$@"; }
is "a NIC" "pool0 name:pool0 leased 10000 None" "$(of nic one)"
is "both addresses" "172.31.199.77 None leased None None 192.168.199.77 None leased None None" "$(of ip one | tr '\n' ' ' | sed 's/ $//')"

# --- names as a person types them ---
cd "$WORK" || exit
like "commands run in the caller's folder" "^$WORK\$" "$(bed/run pwd)"
like "the bed is used by a relative name" '^one$' "$(bed/run ssh -F bed/ssh_config -o BatchMode=yes alice+one@gate hostname)"
cd / || exit

# --- the configuration as an object ---
is "dump --json: what is written, and what is not" "pool0 auto 172.31.199.77 200:30:400" "$(bay dump --json | python3 -c 'import json,sys
d = json.load(sys.stdin)
print(d["pool"]["nics"], d["workspace one"]["nic"], d["workspace one"]["control_ip"], d["gate"]["max_startups"])')"

# --- a record that is lost ---
on alice+one@gate 'echo kept >file'
ids=$(bay show one --json | grep '"id_base"')
"$ROOT/scripts/testbed" kill "$BED" provisiond
rm "$BED"/state/records/one.ini*
"$ROOT/scripts/testbed" start "$BED" provisiond
t "the workspace is taken down" await 60 sh -c "'$BED/sshbay' list | grep -q 'one *stopped'"
like "and says why" 'its record was lost' "$(bay show one)"
is "its NIC is home as it was" "$before" "$(state pool0)"
is "its ids are the same" "$ids" "$(bay show one --json | grep '"id_base"')"
is "a login starts it with its files" kept "$(on alice+one@gate cat file)"
like "and its NIC" '192\.168\.199\.77/24' "$(on alice+one@gate ip -4 -br addr show data0)"
bay destroy --purge one two bare >/dev/null 2>&1
inbed sh -c 'ip link del pool0; ip link del bare0' 2>/dev/null
finish
