#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Any process may be killed at any moment: listener, provisiond, session, ws-init, and a worker at every step.
# Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
. "$(dirname "$0")/../lib.sh"
bed_up
bed() { "$ROOT/scripts/testbed" "$1" "$BED" "$2"; }
on alice@gate true
pid_of() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])'; }
# A session that counts, so that a gap would show.
counter() { "$BED/run" ssh -F "$BED/ssh_config" alice@gate 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.1; done; echo end' >"$1"; echo "rc $?" >>"$1"; }
whole() { is "$1" "$(seq 0 59; echo end; echo 'rc 0')" "$(cat "$2")"; }

counter "$WORK/c1" & p1=$!
sleep 1; bed kill gate; sleep 0.5; bed start gate
t "a login works after the listener was killed" on alice@gate true
wait $p1; whole "a session survives the listener's death" "$WORK/c1"

counter "$WORK/c2" & p2=$!
sleep 1; init=$(pid_of alice); bed kill provisiond
out=$(on alice@gate true 2>&1)
like "without provisiond a login is told why" 'provisiond' "$out"
bed start provisiond
t "a login works when provisiond is back" await 10 on alice@gate true
is "the workspace was adopted" "$init" "$(pid_of alice)"
wait $p2; whole "a session survives provisiond's death" "$WORK/c2"

# A rekey after provisiond was replaced needs the resumed connection.
{ "$BED/run" ssh -F "$BED/ssh_config" -o RekeyLimit=1M alice@gate 'cat >/dev/null; sleep 4; head -c 8000000 /dev/zero' </dev/null | wc -c >"$WORK/rekey"; } & p3=$!
sleep 1.5; bed kill provisiond; bed start provisiond
wait $p3; is "a session can rekey after provisiond was replaced" 8000000 "$(cat "$WORK/rekey")"

session_pids() { bay sessions --json | python3 -c 'import json,sys
for s in json.load(sys.stdin): print(s["pid"])' | sort; }
another() { session_pids | comm -13 "$WORK/sessions" - | grep -q .; }
counter "$WORK/c3" & p4=$!
await 10 grep -q 1 "$WORK/c3"; session_pids >"$WORK/sessions"
"$BED/run" ssh -F "$BED/ssh_config" alice@gate 'sleep 60' & victim=$!
await 10 another
session=$(session_pids | comm -13 "$WORK/sessions" -)
kill -KILL "$session"; wait $victim; is "a killed session ends its own connection" 255 $?
t "and only its own" kill -0 $p4
wait $p4; whole "the other session goes on" "$WORK/c3"
t "logins work after a session died by a signal" on alice@gate true

on -tt alice@gate 'setsid nohup sleep 4444 >/dev/null 2>&1 </dev/null & sleep 0.1' </dev/null >/dev/null
init=$(pid_of alice); kill -KILL "$init"
await 5 sh -c "$BED/sshbay list | grep -q 'alice.*stopped'"
like "a killed ws-init: the workspace is stopped, and says why" 'stopped' "$(bay show alice)"
t "and the next login starts it" on alice@gate true
[ "$(pid_of alice)" != "$init" ] && ok "with a new ws-init" || not_ok "with a new ws-init"

# A worker killed, or failing, at every step of a first creation.
bay destroy --purge alice >/dev/null
restart_with() { bed kill provisiond; SSHBAY_FAULT=$1 bed start provisiond; }
for step in gpu limits namespaces net nic rdma rootfs init devices ready; do
	for how in ENOSPC kill; do
		restart_with "step.$step.up=$how"
		out=$(on alice@gate true 2>&1); rc=$?
		like "step $step: $how is reported (status 254)" '^254 .*sshbay: ' "$rc $out"
		restart_with ''
		t "step $step: $how leaves nothing" residue
	done
done
# provisiond and its worker killed together at every step, then recovery.
for step in limits namespaces net rootfs init ready; do
	restart_with "step.$step.up=hang"
	"$BED/run" ssh -F "$BED/ssh_config" -o BatchMode=yes alice@gate true >/dev/null 2>&1 & p=$!
	sleep 0.6; restart_with ''; wait $p
	t "killed during step $step: a login works after the restart" await 10 on alice@gate true
	t "killed during step $step: nothing is left over" residue
done
finish
