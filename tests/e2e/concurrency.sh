#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many at once: first logins of one user, first logins of many users, exhausted pools, batch destruction.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[storage]
id_slots = 120
E2
audit() { grep -c "\"ev\": *\"$1\"" "$BED/log/audit.log"; }

pids=; for i in $(seq 50); do on alice@gate 'hostname' >"$WORK/o$i" 2>"$WORK/e$i" & pids+=" $!"; done
bad=0; for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "50 simultaneous first logins of one user succeed" 0 $bad
[ $bad = 0 ] || cat "$WORK"/e* | sort | uniq -c | head | sed 's/^/# /'
is "and land in one workspace" alice "$(cat "$WORK"/o* | sort -u)"
is "which was created once" 1 "$(audit ws.create.ok)"

# 100 users with alice's key.
for i in $(seq 100); do cp "$BED/keys/alice.pub" "$BED/etc/keys/u$i"; done
pids=; for i in $(seq 100); do ON_LIMIT=120 on -i "$BED/keys/alice" -o ConnectTimeout=60 "u$i@gate" hostname >"$WORK/o$i" 2>"$WORK/e$i" & pids+=" $!"; done
bad=0; for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "100 different first logins at once succeed" 0 $bad
[ $bad = 0 ] || cat "$WORK"/e* | sort | uniq -c | head | sed 's/^/# /'
good=0; for i in $(seq 100); do [ "$(cat "$WORK/o$i")" = "u$i" ] && good=$((good + 1)); done
is "each in its own workspace" 100 $good
bay list --json >"$WORK/list.json"
unique() { python3 -c 'import json,sys; w=[x for x in json.load(open(sys.argv[1])) if x["state"]=="running"]; print(len(w), len({str(x[sys.argv[2]]) for x in w}))' "$WORK/list.json" "$1"; }
# Which is not, and what became of it.
python3 -c 'import json,sys
for w in json.load(open(sys.argv[1])):
    if w["state"] != "running": print("#", w["name"], w["state"], w["note"])' "$WORK/list.json" | tee "$WORK/others"
[ ! -s "$WORK/others" ] || awk '{ print "\"ws\": *\"" $2 "\"" }' "$WORK/others" | grep -Ef - "$BED/log/audit.log" | tail -n 20 | cut -c1-300 | sed 's/^/# /'
for f in control_ip id_base interface init_pid; do is "no $f twice" "101 101" "$(unique $f)"; done

# --- pools run dry ---
for i in $(seq 101 121); do cp "$BED/keys/alice.pub" "$BED/etc/keys/u$i"; done
for i in $(seq 101 119); do on -i "$BED/keys/alice" "u$i@gate" true || echo "# u$i"; done
out=$(on -i "$BED/keys/alice" u120@gate true 2>&1); rc=$?
like "no ids left is explained" '^254 .*sshbay: .*id ' "$rc $out"
is "and makes nothing" "" "$(bay list | grep -w u120)"
bay destroy --purge u119 >/dev/null
t "and works when an id range is free again" on -i "$BED/keys/alice" u120@gate true
names=$(seq -f 'u%g' 1 118)
# shellcheck disable=SC2086 # names
t "destroying 118 at once" bay destroy --purge $names
is "leaves the others" "alice u120" "$(bay list | awk 'NR > 1 {print $1}' | sort | tr '\n' ' ' | sed 's/ $//')"
finish
