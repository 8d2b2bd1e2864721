#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad configuration, missing things, full disks, rude clients: a clear error, nothing lost, nothing left.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[gate]
login_grace = 6s
[workspace noimage]
users = bob
image = not-there
[workspace nonic]
users = bob
nic = eth77
[workspace one]
users = carol
nic = cable0a
[workspace loopback]
users = bob
nic = lo
[testbed]
cable = one:two
[workspace two]
users = carol
E2
on alice@gate true

# --- configuration: every error with file and line, the running daemon unharmed ---
cp "$BED/sshbay.ini" "$WORK/good.ini"
cat >>"$BED/sshbay.ini" <<'X'
[nosuchsection]
a = b
[gate]
max_sesions = 5
login_grace = 30
max_startups = 12abc
[network]
control_cidr = 172.31.199.0/99
[defaults]
swap = 64Q
image = bookworm
image = other
X
out=$(bay check 2>&1); rc=$?
is "check exits 78" 78 $rc
n=$(wc -l <"$WORK/good.ini")
for want in "sshbay.ini:$((n + 1)): .*nosuchsection" "sshbay.ini:$((n + 4)): \[gate\] max_sesions: .*max_sessions" \
	"sshbay.ini:$((n + 5)): \[gate\] login_grace: " "sshbay.ini:$((n + 6)): \[gate\] max_startups: " \
	"sshbay.ini:$((n + 8)): \[network\] control_cidr: " "sshbay.ini:$((n + 10)): \[defaults\] swap: .*64Q" \
	"sshbay.ini:$((n + 12)): \[defaults\] image: "; do
	like "check reports $want" "$want" "$out"
done
bay reload >"$WORK/reload" 2>&1; [ $? != 0 ] && ok "a bad reload is refused" || not_ok "a bad reload is refused"
t "the running daemon is unharmed" on alice@gate true
like "its state is told, and that the files say something else" "warning: '.*/sshbay.ini' has [0-9]+ mistakes.*alice +running" "$(bay list 2>&1 | tr '\n' ' ')"
t "it does what it is told" sh -c "'$BED/sshbay' stop alice && '$BED/sshbay' start alice"
kill -HUP "$(daemon_pid provisiond)"
t "status tells of a reload that was refused" await 10 sh -c "'$BED/sshbay' status 2>/dev/null | grep -q 'the last reload was rejected'"
like "a daemon does not start with it" ':.*\[gate\]' "$("$BED/run" "$SSHBAY_BIN/provisiond" -t -c "$BED/sshbay.ini" 2>&1)"
cp "$WORK/good.ini" "$BED/sshbay.ini"
t "the mended file loads" bay reload
unlike "and status tells no more of it" 'rejected' "$(bay status)"
printf '[workspace]\ncontrol_ip = %s\n' 172.31.199.50 >"$BED/workspaces.d/x1.ini"
cp "$BED/workspaces.d/x1.ini" "$BED/workspaces.d/x2.ini"
like "an address used twice is named" "x2.ini:2: .*172\.31\.199\.50.*x1" "$(bay check 2>&1)"
printf '[workspace]\ncontrol_ip = 10.9.9.9\n' >"$BED/workspaces.d/x2.ini"
like "an address outside the network is named" '10\.9\.9\.9' "$(bay check 2>&1)"
rm "$BED/workspaces.d/x1.ini"; mv "$BED/workspaces.d/x2.ini" "$BED/workspaces.d/Bad.ini"
like "a bad workspace name is named" 'Bad' "$(bay check 2>&1)"
rm "$BED/workspaces.d/Bad.ini"
chmod 0666 "$BED/sshbay.ini"; like "a writable configuration is refused" 'writable' "$(bay check 2>&1)"; chmod 0644 "$BED/sshbay.ini"
t "dump of dump is dump" sh -c "$BED/sshbay dump >$WORK/d1 && cp $WORK/d1 $WORK/d1.ini && $SSHBAY_BIN/sshbay -c $WORK/d1.ini dump | diff $WORK/d1 -"

# --- missing things ---
refusal() { out=$(on "$@" true 2>&1); echo "$? $out"; }
like "missing image" "^254 .*sshbay: .*not-there" "$(refusal bob+noimage@gate)"
like "missing interface" "^254 .*sshbay: .*eth77" "$(refusal bob+nonic@gate)"
like "an interface that may not be leased" "^254 .*sshbay: .*'?lo'?" "$(refusal bob+loopback@gate)"
is "they made nothing" "alice" "$(bay list --json | python3 -c 'import json,sys; print(*[w["name"] for w in json.load(sys.stdin) if w["state"] == "running"])')"
for verb in "show nobody" "start No/Body" "stop nobody" "destroy nobody" "enter nobody"; do
	# shellcheck disable=SC2086 # words
	out=$(bay $verb 2>&1); rc=$?
	like "sshbay $verb fails with the object's name" '^[12] .*[nN]o.?[bB]ody' "$rc $out"
done
bay frobnicate >/dev/null 2>&1; is "an unknown verb is a usage error" 2 $?
bay list --frobnicate >/dev/null 2>&1; is "an unknown option is a usage error" 2 $?

# --- a full disk during creation ---
bay destroy --purge alice >/dev/null
inbed mount -t tmpfs -o size=64k,nr_inodes=64,mode=0700 full "$BED/state/workspaces"
"$ROOT/scripts/testbed" kill "$BED" provisiond
"$ROOT/scripts/testbed" start "$BED" provisiond
inbed sh -c "head -c 1M /dev/zero >$BED/state/workspaces/.fill; for i in \$(seq 80); do : >$BED/state/workspaces/.f\$i; done" 2>/dev/null
like "a full disk is named" "^254 .*sshbay: .*[Nn]o space" "$(refusal alice@gate)"
inbed umount -l "$BED/state/workspaces"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond
t "with space it works again" on alice@gate true

# --- rude clients ---
cat >"$WORK/rude.py" <<'PY'
import socket, sys, threading, time
mode = sys.argv[1]
def conn():
    s = socket.create_connection(("127.0.0.1", 2222)); s.settimeout(60); return s
def until_closed(s, send=None):
    begun = time.time()
    try:
        while time.time() - begun < 60:
            if send:
                try: s.send(send)
                except OSError: break
                s.settimeout(0.3)
            try:
                if not s.recv(4096): break
            except socket.timeout: pass
    except OSError: pass
    return time.time() - begun
if mode == "silent": print("closed" if until_closed(conn()) < 50 else "open")
elif mode == "slow": print("closed" if until_closed(conn(), b"S") < 50 else "open")
elif mode == "garbage":
    for data in (b"\0" * 4096, b"SSH-2.0-x\r\n" + b"\xff" * 40000, b"GET / HTTP/1.0\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x15" + b"\0" * 10):
        s = conn()
        try: s.send(data)
        except OSError: pass
        until_closed(s); s.close()
    print("sent")
elif mode == "crowd":
    held = [conn() for _ in range(150)]
    print("held", flush=True); time.sleep(8)
PY
is "a silent client is closed at the grace time" closed "$(inbed python3 "$WORK/rude.py" silent)"
is "a client that trickles is, too" closed "$(inbed python3 "$WORK/rude.py" slow)"
is "garbage is survived" sent "$(inbed python3 "$WORK/rude.py" garbage)"
t "and logins go on" on alice@gate true
inbed python3 "$WORK/rude.py" crowd >"$WORK/crowd" & crowd=$!
await 5 grep -q held "$WORK/crowd"
t "150 silent connections do not keep a login out" on alice@gate true
wait $crowd
await 6 sh -c "[ \$(pgrep -c -P $(daemon_pid gate)) -le 2 ]"
is "and are gone afterwards" yes "$([ "$(pgrep -c -P "$(daemon_pid gate)")" -le 2 ] && echo yes)"
is "a large environment is cut to its limit, not fatal" ok "$(args=(); for i in $(seq 80); do args+=(-o "SetEnv=LC_X$i=$(printf 'v%.0s' {1..200})"); done; on "${args[@]}" alice@gate echo ok 2>&1 | tail -n1)"
is "a command of 100 kB runs" 100000 "$(on alice@gate "printf %s $(printf 'x%.0s' $(seq 100000)) | wc -c")"
out=$(on alice@gate "true $(head -c 140000 /dev/zero | tr '\0' x)" 2>&1); rc=$?
[ $rc != 0 ] && ok "a command past the limit is refused" || not_ok "a command past the limit is refused" "$out"
t "and the gate lives" on alice@gate true
is "an absurd TERM" ok "$(TERM=$(printf 'T%.0s' $(seq 3000)) on -tt alice@gate 'echo ok' </dev/null 2>&1 | tr -d '\r' | tail -n1 | grep -oE 'ok|refused|failed' | sed 's/refused\|failed/ok/')"
# --- programs that the gate's uid cannot walk to (a clone below /root) ---
mkdir -m 0700 "$WORK/closed"
cp "$SSHBAY_BIN/sshd-gate" "$SSHBAY_BIN/sshd-gate-session" "$WORK/closed/"
"$ROOT/scripts/testbed" kill "$BED" gate
SSHBAY_BIN=$WORK/closed "$ROOT/scripts/testbed" start "$BED" gate
t "the gate runs from a folder that only root can enter" on alice@gate true
finish
