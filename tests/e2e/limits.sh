#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Limits that a whole bed enforces: penalties per source, time-outs, kick, revoked keys, what sshbay sessions and the audit
# log say about it (THREATS D16, D18, D19, D21, D42, D47).
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[gate]
login_grace = 8s
max_startups = 400:30:600
[penalties]
min = 5s
max = 20s
authfail = 4s
noauth = 1s
grace_exceeded = 6s
crash = 20s
refused = 5s
[workspace client]
users = alice
E2
ini=$BED/sshbay.ini log=$BED/log/audit.log
conf() { # SECTION KEY VALUE: one key more in the configuration, or another value
	awk -v s="[$1]" -v k="$2" -v v="$3" '/^\[/ { in_s = ($0 == s) } in_s && $1 == k { next }
		{ print } $0 == s { print k " = " v }' "$ini" >"$ini.new" && cat "$ini.new" >"$ini" && rm "$ini.new"
}
reload() { bay reload >"$WORK/reload" 2>&1 || not_ok "the configuration is taken" "$(cat "$WORK/reload")"; }
from() { local src=$1; shift; on -b "$src" "$@"; }
fail_from() { from "$1" -i "$BED/keys/bob" nobody@gate true 2>&1; }
# Until its source is refused, or not even 20 times: an end is judged 0.3 s later, and what was counted passes with time.
fail_until_refused() {
	local out
	for _ in $(seq 20); do
		out=$(fail_from "$1"); echo "$? $out" >"$WORK/refusal"
		! grep -q 'not allowed' "$WORK/refusal" || break
		sleep 0.2
	done
	cat "$WORK/refusal"
}
audited() { # EVENT [REGEX]: lines of this event
	grep "\"ev\":\"$1\"" "$log" | grep -cE -- "${2:-.}"
}
py() { timeout 120 "$BED/run" /usr/bin/python3 -W ignore - "$@"; }
json() { bay sessions --json | python3 -c "import json,sys
d = json.load(sys.stdin)
$1"; }
gone() { [ "$(json 'print(len(d))')" = "${1:-0}" ]; }
hold() { # NAME ARGS...: a client that stays until its input ends; its process is in HELD
	rm -f "$WORK/$1.fifo"; mkfifo "$WORK/$1.fifo"
	on "${@:2}" <"$WORK/$1.fifo" >"$WORK/$1.out" 2>"$WORK/$1.err" & HELD=$!
	exec 9>"$WORK/$1.fifo"
}
on alice@gate true
await 5 gone

# --- penalties ---
from 127.0.0.2 alice@gate 'echo in; sleep 4; echo still in' >"$WORK/living" 2>&1 & living=$!
await 10 grep -q in "$WORK/living"
fail_from 127.0.0.2 >/dev/null; sleep 0.6
t "one failed login costs nobody the next one" from 127.0.0.2 alice@gate true
like "a source that keeps failing is refused, and told" '^255 .*sshbay: not allowed at this time' "$(fail_until_refused 127.0.0.2)"
t "others are not" from 127.0.0.3 alice@gate true
for _ in 1 2 3 4; do fail_from 127.0.0.1 >/dev/null; done; sleep 0.6
t "nor is one that is exempt, whatever it does" on alice@gate true
is "no process was made for the refused" 0 "$(bay sessions | grep -c '127\.0\.0\.2:.*- *$')"
reap $living
is "a connection that is in stays in" "in still in" "$(tr '\n' ' ' <"$WORK/living" | sed 's/ $//')"
t "the penalty passes with time" await 15 from 127.0.0.2 alice@gate true
like "it is in the audit log" '"src":"127.0.0.2","sport":[0-9]+,"result":"refused","reason":"authfail","penalty_s":([5-9]|1[0-9]),' "$(grep auth.penalty "$log")"
is "once when it begins" 1 "$(audited auth.penalty '127.0.0.2.*"result":"refused"')"
is "none for the exempt" 0 "$(audited auth.penalty '"src":"127.0.0.1"')"
like "sshbay events shows it" auth.penalty "$(bay events)"
py <<'PY' &
import socket, time
s = socket.create_connection(("127.0.0.1", 2222), source_address=("127.0.0.4", 0))
while s.recv(999): pass
PY
silent=$!
from 127.0.0.5 alice@gate 'sleep 300' >/dev/null 2>&1 & victim=$!
await 10 sh -c "$BED/sshbay sessions | grep -q '127.0.0.5.*exec'"
kill -SEGV "$(json 'print([s["pid"] for s in d if s["peer"].startswith("127.0.0.5:")][0])')"
reap $victim
await 5 sh -c "grep -q '127.0.0.5.*crash' $log"
like "a session that crashed is a penalty" '"result":"refused","reason":"crash","penalty_s":20' "$(grep '"auth.penalty","src":"127.0.0.5"' "$log")"
like "that refuses its source" 'not allowed at this time' "$(from 127.0.0.5 alice@gate true 2>&1)"
reap $silent
await 5 sh -c "grep -q '127.0.0.4.*grace_exceeded' $log"
is "so is a client that used up its time to log in" 1 "$(audited auth.penalty '127.0.0.4.*"result":"refused","reason":"grace_exceeded","penalty_s":6')"
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	py <<'PY'
import logging, socket, paramiko, time
logging.disable(logging.CRITICAL)
def client(src):
    t = paramiko.Transport(socket.create_connection(("127.0.0.1", 2222), source_address=(src, 0)))
    t.start_client(timeout=10)
    return t
t = client("127.0.0.6"); t.close()
t = client("127.0.0.7")
m = paramiko.Message(); m.add_byte(bytes([90])); m.add_string("session"); m.add_int(0); m.add_int(1 << 20); m.add_int(32768)
t._send_message(m); time.sleep(1); t.close()
PY
	await 5 sh -c "grep -q '127.0.0.7.*\"crash\"' $log"
	is "one that came for nothing" 1 "$(audited auth.penalty '127.0.0.6.*"result":"counted","reason":"noauth","penalty_s":1')"
	is "one that broke the protocol before its login" 1 "$(audited auth.penalty '127.0.0.7.*"reason":"crash"')"
else
	skip "no attempt, and a broken protocol" "python3-paramiko is not installed"
fi
conf gate max_startups_per_source 3; reload
py <<'PY'
import socket
c = [socket.create_connection(("127.0.0.1", 2222), source_address=("127.0.0.8", 0)) for _ in range(5)]
c[4].settimeout(5)
try:
    while c[4].recv(999): pass
except OSError: pass
PY
await 5 sh -c "grep -q '127.0.0.8.*\"refused\"' $log"
is "and one with too many connections at once" 1 "$(audited auth.penalty '127.0.0.8.*"result":"refused","reason":"refused"')"
conf gate max_startups_per_source 0; reload
conf penalties enable no; reload
t "switched off, none refuses" from 127.0.0.8 alice@gate true
conf penalties enable yes; reload

# --- floods ---
flood() { # SOURCES SECONDS: connects as fast as it can and says how often
	py "$1" "$2" <<'PY'
import itertools, socket, sys, time
sources = ["127.1.0.%d" % (i + 1) for i in range(int(sys.argv[1]))]
begun, n = time.time(), 0
for src in itertools.cycle(sources):
    # So long, and as often as makes a flood; on a busy machine that takes longer.
    if time.time() > begun + (float(sys.argv[2]) if n > 1500 else 60): break
    try:
        s = socket.socket(); s.bind((src, 0)); s.settimeout(2); s.connect(("127.0.0.1", 2222)); s.close(); n += 1
    except OSError: pass
print(n)
PY
}
gate=$(daemon_pid gate)
conf gate max_startups_per_source 4; reload
for sources in 1 50; do
	flood $sources 3 >"$WORK/flood" & flooding=$!
	good=0 n=0
	while kill -0 $flooding 2>/dev/null; do n=$((n + 1)); on alice@gate true 2>/dev/null && good=$((good + 1)); done
	reap $flooding
	is "a flood of connections from $sources source$([ $sources = 1 ] || echo s): every honest login succeeds" "$n" "$good"
	[ "$(cat "$WORK/flood")" -gt 1000 ] && ok "it was a flood" || not_ok "it was a flood" "$(cat "$WORK/flood") connections in 3 s"
done
conf gate max_startups_per_source 0; reload
t "the listener lives on" kill -0 "$gate"
[ "$(audited auth.penalty '127\.1\.0')" -le 1000 ] && ok "the audit log is not flooded" || not_ok "the audit log is not flooded" "$(audited auth.penalty '127\.1\.0') lines"
like "it says how many lines it left out" '"suppressed":[1-9]' "$(from 127.0.0.9 -i "$BED/keys/bob" nobody@gate true 2>/dev/null; sleep 1; grep auth.penalty "$log" | grep suppressed | head -n 3)"
py <<'PY' >"$WORK/crowd" &
import socket, time
c = [socket.create_connection(("127.0.0.1", 2222), source_address=("127.2.0.1", 0)) for i in range(200)]
print("held", flush=True)
closed = 0
for s in c:
    s.settimeout(60)
    try:
        while s.recv(999): pass
    except ConnectionError: pass
    except OSError: continue
    closed += 1
print("closed", closed, flush=True)
PY
crowd=$!
await 10 grep -q held "$WORK/crowd"
good=0; for _ in $(seq 10); do from 127.0.0.3 alice@gate true && good=$((good + 1)); done
is "200 silent clients: honest logins from elsewhere go on" 10 $good
reap $crowd
like "all of them are closed at the end of the grace time" 'closed 200' "$(cat "$WORK/crowd")"

# --- sshbay sessions ---
hold shell -tt -L "$WORK/fwd.sock:127.0.0.1:22" -L 127.0.0.1:4711:127.0.0.1:4712 -R 127.0.0.1:4713:127.0.0.1:1 \
	-o ControlMaster=yes -o ControlPath="$WORK/mux" alice@gate
await 10 test -S "$WORK/mux"
mux() { on -o ControlPath="$WORK/mux" "$@"; }
mux alice@gate 'echo up; exec sleep 300 # secret-argument' >"$WORK/exec" & exec=$!
timeout 120 "$BED/run" sftp -q -F "$BED/ssh_config" -o ControlPath="$WORK/mux" -b - alice@gate < <(echo 'ls /'; sleep 90) >/dev/null 2>&1 & sftp=$!
echo_at() { # PORT SECONDS: an echo server in alice's workspace
	on alice@gate "perl -MIO::Socket::INET -e '
		\$SIG{CHLD} = \"IGNORE\"; alarm $2;
		my \$l = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", LocalPort => $1, Listen => 9, ReuseAddr => 1) or die;
		while (my \$c = \$l->accept) { next if fork; alarm $2; while (sysread(\$c, my \$d, 99)) { syswrite(\$c, \$d) } exit }'"
}
echo_at 4712 300 & listener=$!
py <<'PY' &
import socket, time
for _ in range(50):
    s = socket.create_connection(("127.0.0.1", 4711)); s.settimeout(250)
    try:
        s.sendall(b"x")
        if s.recv(1): s.recv(1); break
    except OSError: pass
    time.sleep(0.2)
PY
tunnel=$!
await 10 sh -c "$BED/sshbay sessions --json | grep -q dial"
want='print([sorted(c["kind"] for c in s["channels"]) for s in d if len(s["channels"]) > 1])'
is "shell, command, sftp and forwards are told apart" "[['dial', 'exec', 'listen', 'sftp', 'shell']]" "$(json "$want")"
is "with what the forwards lead to" "['127.0.0.1:4712', '127.0.0.1:4713']" \
	"$(json 'print(sorted(c["what"] for s in d for c in s["channels"] if c["what"]))')"
is "who, from where, with which key" "alice alice 127.0.0.1 publickey $(ssh-keygen -lf "$BED/keys/alice.pub" | cut -d' ' -f2)" \
	"$(json 's = [s for s in d if len(s["channels"]) > 1][0]; print(s["user"], s["workspace"], s["peer"].split(":")[0], s["method"], s["fingerprint"])')"
like "people see kinds and counts" 'alice +alice +127\.0\.0\.1:[0-9]+ .*SHA256:.*(shell|exec).*, ' "$(bay sessions)"
like "the audit log has the forwards" '"kind":"dial","target":"127.0.0.1:4712","result":"ok"' "$(grep chan.forward.open "$log")"
unlike "commands are nowhere" secret-argument "$(cat "$log"; bay sessions --json)"
daemon() { "$ROOT/scripts/testbed" "$1" "$BED" "$2"; }
daemon kill provisiond; daemon start provisiond
await 10 sh -c "$BED/sshbay sessions --json | grep -q dial"
is "a new provisiond knows the same" "[['dial', 'exec', 'listen', 'sftp', 'shell']]" "$(json "$want")"

# --- kick ---
like "kick: nobody like that" "kick 'zebra': no such user, workspace or connection" "$(bay kick zebra 2>&1)"
bay kick zebra >/dev/null 2>&1; is "is a failure" 1 $?
id=$(json 'print([s["id"] for s in d if len(s["channels"]) > 1][0])')
like "kick by the beginning of an id" 'told 1 connection to leave' "$(bay kick "${id:0:10}" --message "back at $(printf '\033')[2Jnoon" 2>&1)"
reap $HELD; rc=$?
exec 9>&-
is "ends that connection" 255 $rc
like "with the administrator's words" 'ended by the administrator: back at .*noon' "$(cat "$WORK/shell.err" "$WORK/shell.out")"
unlike "that cannot write on a terminal" $'\033\\[2J' "$(cat "$WORK/shell.err")"
is "it alone" 1 "$(json 'print(len([s for s in d if s["kinds"] == ["exec"]]))')"
kill $exec $sftp $tunnel 2>/dev/null; wait $exec $sftp $tunnel 2>/dev/null
bay kick alice >/dev/null; reap $listener
t "kick by user ends the rest" await 5 gone
hold ws alice+client@gate cat
await 10 sh -c "$BED/sshbay sessions client | grep -q exec"
like "kick by workspace" 'told 1 connection' "$(bay kick client)"
reap $HELD; like "and the client knows" 'ended by the administrator' "$(cat "$WORK/ws.err")"
exec 9>&-
hold stuck alice@gate cat
await 10 sh -c "$BED/sshbay sessions | grep -q exec"
pid=$(json 'print(d[0]["pid"])')
kill -STOP "$pid"
bay kick alice >/dev/null
t "a session that does not leave is killed" await 6 sh -c "! kill -0 $pid"
exec 9>&-; reap $HELD
is "each kick is in the audit log" 4 "$(audited conn.kick)"
t "nothing keeps the user from coming back" on alice@gate true

# --- time-outs ---
conf gate idle_timeout 5s; conf gate unused_timeout 3s; reload
out=$(on alice@gate 'sleep 300' 2>&1); rc=$?
is "a command without traffic is closed, and why" "254 sshbay: closed after 5 s without traffic ([gate] idle_timeout)" "$rc $out"
hold term -tt alice@gate
reap $HELD; like "a terminal too" 'closed after 5 s without traffic' "$(cat "$WORK/term.out")"
exec 9>&-
is "one with traffic is not" "0 8" "$(out=$(on alice@gate 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done'); echo $? "$(wc -l <<<"$out")")"
s=$SECONDS; out=$(on -N alice@gate 2>&1)
like "a connection without channels ends" 'no channel was open for 3 s' "$out"
[ $((SECONDS - s)) -lt 60 ] && ok "in time" || not_ok "in time" "$((SECONDS - s)) s"
conf gate idle_timeout 0; conf gate unused_timeout 0; reload

# --- sessions and forwards of one connection ---
conf gate max_sessions 3; conf gate max_forwards 2; reload
on -fN -o ControlMaster=yes -o ControlPath="$WORK/mux2" -L 127.0.0.1:4721:127.0.0.1:4722 alice@gate
mux2() { on -o ControlPath="$WORK/mux2" -o ControlMaster=no -o ProxyCommand=false "$@"; }
for i in 1 2 3; do mux2 alice@gate "echo $i; until [ -e go ]; do sleep 0.2; done; echo end" >"$WORK/s$i" & done
await 10 sh -c "cat $WORK/s1 $WORK/s2 $WORK/s3 | grep -c . | grep -qx 3"
like "a session more than max_sessions is refused" 'open failed|refused' "$(mux2 alice@gate true 2>&1)"
echo_at 4722 120 2>/dev/null & echo_=$!
if on alice@gate 'command -v perl' >/dev/null; then
	out=$(py <<'PY'
import socket, time
def ask(s):
    try:
        s.settimeout(30); s.sendall(b"x"); return s.recv(1)
    except OSError: return b""
for _ in range(40):
    a = socket.create_connection(("127.0.0.1", 4721))
    if ask(a): break
    a.close(); time.sleep(0.1)
b = socket.create_connection(("127.0.0.1", 4721)); rb = ask(b)
c = socket.create_connection(("127.0.0.1", 4721)); rc = ask(c)
print(ask(a) == b"x", rb == b"x", rc == b"", ask(b) == b"x")
PY
	)
	is "a forward more than max_forwards is refused, the rest lives" "True True True True" "$out"
else
	skip "a forward more than max_forwards" "the image has no perl"
fi
on alice@gate 'pkill perl'; reap $echo_
on alice@gate touch go
await 10 sh -c "cat $WORK/s1 $WORK/s2 $WORK/s3 | grep -c end | grep -qx 3"
is "the other sessions live on" 3 "$(cat "$WORK"/s[123] | grep -c end)"
mux2 -O exit alice@gate 2>/dev/null
conf gate max_sessions 10; conf gate max_forwards 64; reload

# --- a key that is revoked ---
await 5 gone
hold bob bob@gate cat; bob=$HELD
exec 8>&9
hold alice alice@gate cat; alice=$HELD
await 10 sh -c "$BED/sshbay sessions | grep -c exec | grep -qx 2"
mv "$BED/etc/keys/bob" "$WORK/bob.key"; reload
like "a revoked key: no new login" 'Permission denied' "$(on bob@gate true 2>&1)"
is "who is in stays in" 2 "$(json 'print(len(d))')"
conf gate revoke_sessions yes; reload
reap $bob; rc=$?
like "unless revoke_sessions" '^255 .*key revoked' "$rc $(cat "$WORK/bob.err")"
is "that ends nobody else" alice "$(json 'print(*[s["user"] for s in d])')"
is "and is in the audit log" 1 "$(audited conn.revoke '"user":"bob".*"reason":"key revoked"')"
mv "$WORK/bob.key" "$BED/etc/keys/bob"
exec 8>&- 9>&-; reap $alice

# --- the audit log as a whole ---
on -o User=$'eve\n{"ev":"forged"}\033[2J\342\200\256'"$(head -c 200 /dev/zero | tr '\0' x)" gate true >/dev/null 2>&1
py <<'PY'
import socket
def send(data):
    s = socket.create_connection(("127.0.0.1", 2222)); s.settimeout(3)
    try:
        s.sendall(data)
        while s.recv(9999): pass
    except OSError: pass
send(b'SSH-2.0-evil\x1b[2J","ev":"forged"}\r\n' + b"\0" * 40)
send(b"SSH-2.0-" + b"A" * 200000 + b"\r\n")
send(b'{"ev":"forged"}\n' * 1000)
PY
sleep 0.5
python3 - "$log" >"$WORK/audit" <<'PY'
import json, sys
need = {"ts", "mono", "boot_id", "seq", "ev", "pid"}
conn = {"conn", "src", "sport", "result", "dur_ms"}
seq, bad, seen = None, [], set()
for line in open(sys.argv[1], "rb"):
    try:
        assert len(line) <= 4096 and all(32 <= b < 127 for b in line[:-1])
        d = json.loads(line)
    except (AssertionError, ValueError) as e:
        bad.append("not a line: %r %s" % (line[:120], e)); continue
    seen.add(d["ev"])
    if not need <= d.keys(): bad.append("fields: %s" % line)
    if "conn" in d and not conn <= d.keys(): bad.append("fields: %s" % line)
    if len(d.get("user", "")) > 64 or any(len(v) > 256 for v in d.values() if isinstance(v, str)): bad.append("long: %s" % line)
    if seq is not None and d["seq"] != seq + 1 and d["seq"] != 1: bad.append("gap after %d: %s" % (seq, line))
    seq = d["seq"]
if "forged" in seen: bad.append("forged")
for ev in ("conn.open", "conn.close", "auth.ok", "auth.fail", "auth.penalty", "auth.protocol_violation", "session.open", "session.close",
           "chan.open", "chan.close", "chan.forward.open", "chan.forward.close", "conn.kick", "conn.revoke", "ws.create.begin", "conf.load"):
    if ev not in seen: bad.append("no " + ev)
print("\n".join(map(str, bad[:20])))
PY
is "every line of the audit log is one object with its fields, in sequence" "" "$(cat "$WORK/audit")"
mv "$log" "$log.1"
on alice@gate true
is "a log that was moved away is followed" 0 "$([ -e "$log" ] && wc -l <"$log" || echo 0)"
kill -HUP "$(daemon_pid provisiond)"
t "SIGHUP begins a new one" await 5 test -s "$log"
on alice@gate true
like "which goes on with the sequence" '"ev":"auth.ok"' "$(cat "$log")"
is "without a gap" 1 "$(($(head -n1 "$log" | sed 's/.*"seq":\([0-9]*\).*/\1/') - $(tail -n1 "$log.1" | sed 's/.*"seq":\([0-9]*\).*/\1/')))"
finish
