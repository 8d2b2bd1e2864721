#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sources that are refused for what they did: who they are, for how long, and how an administrator lets one in again.
. "$(dirname "$0")/../lib.sh"
bed_up - <<INI
[penalties]
authfail = 60s
min = 60s
INI
from() { inbed timeout 30 ssh -F "$BED/ssh_config" -o BatchMode=yes -b "$1" "$2@gate" echo in 2>&1; }
listed() { bay penalties | awk 'NR > 1 && NF == 3 && $3 == "s" { print $1 }' | sort | tr '\n' ' ' | sed 's/ $//'; }
refused() { from "$1" alice | grep -q 'not allowed at this time'; }
on alice@gate true
is "nobody is refused at first" "0 sources refused" "$(bay penalties | tail -n 1)"
is "and the list is empty" "[]" "$(bay penalties --json | tr -d ' \n')"
fail() { inbed timeout 30 ssh -F none -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentityAgent=none \
	-o BatchMode=yes -o IdentitiesOnly=yes -i "$BED/keys/bob" -b "$1" alice@127.0.0.1 true >/dev/null 2>&1; }
for n in 2 3 4; do fail 127.0.0.$n; done
t "failed logins are refused" await 10 refused 127.0.0.2
t "each source is listed" await 10 sh -c "[ \$('$BED/sshbay' penalties | grep -c '127\.0\.0\.[234]/32 *[0-9]* s') = 3 ]"
like "with its time in JSON" '^\[\{"source":"127\.0\.0\.[234]/32","left_s":[0-9]+\},' "$(bay penalties --json | tr -d ' \n')"
is "others are let in" in "$(from 127.0.0.5 alice)"
is "one is lifted" "1 source lifted, 2 refused" "$(bay penalties --lift 127.0.0.3 | tail -n 1)"
is "and no other" "127.0.0.2/32 127.0.0.4/32" "$(listed)"
is "it is let in" in "$(from 127.0.0.3 alice)"
t "the others are not" refused 127.0.0.4
like "the audit log has it" '"ev":"admin.penalty_lift".*"src":"127\.0\.0\.3/32".*"lifted":1' "$(grep penalty_lift "$BED/log/audit.log")"
like "doctor counts them" 'OK +sshd-gate: answers, 2 sources refused \(sshbay penalties\)' "$(bay doctor 2>&1)"
is "a source that has none" "0 sources lifted, 2 refused" "$(bay penalties --lift 192.0.2.1 | tail -n 1)"
is "a network" "2 sources lifted, 0 refused" "$(bay penalties --lift 127.0.0.0/29 | tail -n 1)"
is "all of them" "0 sources lifted, 0 refused" "$(bay penalties --lift all | tail -n 1)"
for bad in nonsense 1.2.3 1.2.3.4/33 'a b' ''; do
	bay penalties --lift "$bad" >"$WORK/out" 2>&1; rc=$?
	[ $rc != 0 ] && [ -s "$WORK/out" ] && ok "'$bad' is no source" || not_ok "'$bad' is no source" "$rc $(cat "$WORK/out")"
done
# What a restart of provisiond forgets nothing of, since the listener keeps it.
fail 127.0.0.2
t "refused again" await 10 refused 127.0.0.2
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond >/dev/null 2>&1
t "known after a restart of provisiond" await 10 sh -c "'$BED/sshbay' penalties | grep -q '127\.0\.0\.2/32'"
# A gate that is busy for longer than anybody waits: whether it was lifted is not known, that it was asked for is.
kill -STOP "$(daemon_pid gate)"
bay penalties --lift 127.0.0.6 >"$WORK/out" 2>&1; rc=$?
kill -CONT "$(daemon_pid gate)"
like "without an answer, the admin is told" '^1 .*does not answer, and may lift it later' "$rc $(cat "$WORK/out")"
like "and the audit log has it" '"src":"127\.0\.0\.6/32".*"result":"unknown".*"reason":"sshd-gate has not answered"' "$(grep penalty_lift "$BED/log/audit.log")"
t "the next question is answered" await 10 sh -c "'$BED/sshbay' penalties | grep -q '127\.0\.0\.2/32'"
"$ROOT/scripts/testbed" kill "$BED" gate
bay penalties >"$WORK/out" 2>&1; rc=$?
like "without the gate: why not" '^1 .*sshd-gate.*(not running|does not answer)' "$rc $(cat "$WORK/out")"
like "doctor too" 'FAIL +sshd-gate: .*(not running|does not answer)' "$(bay doctor 2>&1)"
"$ROOT/scripts/testbed" start "$BED" gate >/dev/null 2>&1
t "and the gate goes on" await 15 on alice@gate true
finish
