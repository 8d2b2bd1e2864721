#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The admin's command line.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[workspace web]
users = alice, bob
control_ip = 172.31.199.10
memory = 256M
[workspace auto]
users = carol
E2
json() { python3 -c 'import json,sys; d=json.load(sys.stdin); print('"$1"')'; }
is "configured workspaces are listed before they exist" absent "$(bay show web --json | json 'd["state"]')"
echo 'autostart = yes' >>"$BED/workspaces.d/auto.ini"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
is "autostart starts it with the daemon" running "$(await 5 sh -c "$BED/sshbay show auto --json | grep -q running"; bay show auto --json | json 'd["state"]')"
t "create" bay create web
is "a created workspace runs" running "$(bay show web --json | json 'd["state"]')"
like "create again says that it exists" "create workspace 'web': it exists" "$(bay create web 2>&1)"
is "the object has the promised keys" "[]" "$(bay show web --json | json '[k for k in "name state users image control_ip data_ip nic gpu id_base init_pid sessions created started".split() if k not in d]')"
is "its values" "web alice,bob 172.31.199.10 bookworm" "$(bay show web --json | json '"%s %s %s %s" % (d["name"], ",".join(d["users"]), d["control_ip"], d["image"])')"
is "list is an array of them" "['auto', 'web']" "$(bay list --json | json 'sorted(w["name"] for w in d)')"
like "list for people" 'web +running' "$(bay list)"
like "show explains" 'control_ip' "$(bay show web)"
t "stop" bay stop web
is "stopped" stopped "$(bay show web --json | json 'd["state"]')"
t "stop again is no error" bay stop web
t "start" bay start web
is "enter runs a command as root" "0 web" "$(bay enter web -- sh -c 'echo $(id -u) $(hostname)')"
bay enter web -- sh -c 'exit 42'; is "enter passes the exit status" 42 $?
bay enter web -- sh -c 'kill -9 $$'; is "and a signal as 128+n" 137 $?
is "enter gives a terminal of the workspace" "/dev/pts/0" "$(script -qec "$BED/sshbay enter web -- tty" /dev/null </dev/null | tr -d '\r\0' | sed 's/^\^@//' | tail -n1)"
is "enter --user" alice "$(bay enter --user alice web -- id -un)"
is "enter passes stdin and stdout" 300000 "$(head -c 300000 /dev/zero | bay enter web -- wc -c)"
on alice@172.31.199.10 'sleep 300' & p=$!
await 10 sh -c "$BED/sshbay sessions --json | grep -q '\"web\"'"
is "sessions as JSON" "alice web" "$(bay sessions --json | json 'd[0]["user"], d[0]["workspace"]' | tr -d "(),'")"
is "show counts them" 1 "$(bay show web --json | json 'd["sessions"]')"
kill $p; wait $p 2>/dev/null
like "leases" 'ip +172\.31\.199\.10 +web' "$(bay leases | tr -s ' ')"
like "events are JSON lines" '"ev": *"ws.start|"ev": *"session' "$(bay events)"
like "doctor prints a verdict per line" '^(OK|WARN|FAIL) ' "$(bay doctor 2>&1)"
is "doctor as JSON" True "$(bay doctor --json 2>/dev/null | json 'd["ok"] and len(d["findings"]) > 10')"
unlike "doctor finds no failure here" '^FAIL' "$(bay doctor 2>&1)"
t "destroy" bay destroy web
is "destroyed" absent "$(bay show web --json | json 'd["state"]')"
t "destroy --purge of several" bay destroy --purge web auto
t "help" bay --help
like "version" '[0-9]+\.[0-9]+' "$(bay --version)"
# shellcheck disable=SC2016
is "a workspace's text is escaped" "" "$(on bob@gate 'sudo hostname "$(printf "\033]0;x\007")"' 2>/dev/null; bay list | grep -c "$(printf '\033')" | grep -v '^0')"
"$ROOT/scripts/testbed" kill "$BED" provisiond
out=$(bay list 2>&1); rc=$?
like "without the daemon: says so" '^1 .*provisiond' "$rc $out"
"$ROOT/scripts/testbed" start "$BED" provisiond
finish
