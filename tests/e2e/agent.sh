#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Agent forwarding and X11 forwarding with stock clients, what is left of them afterwards, and what runs at a login.
. "$(dirname "$0")/../lib.sh"
echo 'A word of greeting.' >"$WORK/motd"
bed_up - <<INI
[gate]
max_forwards = 8
motd = $WORK/motd
INI
REAL=00112233445566778899aabbccddeeff
AGENT=$WORK/agent.sock
eval "$(ssh-agent -a "$AGENT")" >/dev/null
stop_agent() { kill "$SSH_AGENT_PID" 2>/dev/null; [ -z "${XSERVER:-}" ] || kill "$XSERVER" 2>/dev/null; }
trap stop_agent EXIT
SSH_AUTH_SOCK=$AGENT ssh-add -q "$BED/keys/alice" "$BED/keys/bob" "$BED/keys/carol"
fp() { ssh-keygen -lf "$BED/keys/$1" | cut -d' ' -f2 | tr + .; } # as an expression
with() { on -A -o IdentityAgent="$AGENT" "$@"; }
# Directories of agents and displays in a workspace.
left() { on "$1@gate" 'ls -d /tmp/ssh-* 2>/dev/null | wc -l'; }
gone() { has "$1" 0; }
has() { [ "$(left "$1")" = "$2" ]; } # WORKSPACE NUMBER
audit() { grep -F "$1" "$BED/log/audit.log"; }
on alice@gate true; on bob@gate true

# --- the agent ---
like "the client's keys are seen inside" "$(fp alice)" "$(with alice@gate ssh-add -l)"
like "the first login that makes the workspace has it, too" "$(fp carol)" "$(with carol@gate ssh-add -l)"
is "on a terminal as well" 3 "$(with -tt alice@gate ssh-add -l </dev/null 2>/dev/null | grep -c SHA256)"
like "SSH_AUTH_SOCK is where sshd has it" '^/tmp/ssh-[A-Za-z0-9]{10}/agent\.[0-9]+$' "$(with alice@gate 'echo $SSH_AUTH_SOCK')"
is "without -A there is none" "" "$(on alice@gate 'echo $SSH_AUTH_SOCK')"
is "the directory and the socket are the user's alone" "700 alice 600 alice" \
	"$(with alice@gate 'echo $(stat -c "%a %U" ${SSH_AUTH_SOCK%/*} $SSH_AUTH_SOCK)')"
like "another unix user inside cannot connect" 'ermission denied' "$(with alice@gate 'sudo -u nobody SSH_AUTH_SOCK=$SSH_AUTH_SOCK ssh-add -l' 2>&1)"
like "nor when they know the directory" 'ermission denied' "$(with alice@gate 'sudo -u nobody ls ${SSH_AUTH_SOCK%/*}' 2>&1)"
t "nothing is left after the logins" await 5 gone alice
# A login from one workspace into another, with the key that never left the client.
ip=$(bay show bob --json | grep -o '"control_ip": "[0-9.]*' | cut -d\" -f4)
HOP='ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'
is "from one workspace into another" bob "$(with alice@gate "$HOP bob@$ip whoami" 2>&1)"
like "and on from there" "$(fp bob)" "$(with alice@gate "$HOP -A bob@$ip ssh-add -l" 2>&1)"
unlike "not without the agent" '^bob$' "$(on alice@gate "$HOP -o BatchMode=yes bob@$ip whoami" 2>&1)"
is "20 signatures one after another" 20 "$(with alice@gate 'for i in $(seq 20); do ssh-add -L >/dev/null && echo; done | wc -l')"
is "6 at once" 6 "$(with alice@gate 'for i in $(seq 6); do ssh-add -L >/dev/null && echo & done | cat; wait' | wc -l)"
# Connections to the agent count as forwarded ones: with 8 open there is no ninth.
cat >"$WORK/many" <<'SH'
perl -MSocket -e '$SIG{PIPE} = q(IGNORE);
	for (1..10) { socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($ENV{SSH_AUTH_SOCK})) or next; push @s, $s }
	for (@s) { syswrite($_, pack(q(NC), 1, 11)) }
	for (@s) { $n++ if sysread($_, my $b, 5) } print qq($n of ), scalar(@s)'
SH
is "no more than max_forwards at once" "8 of 10" "$(with alice@gate sh <"$WORK/many")"
t "agent channels are in the audit log" await 10 grep -q '"ev":"chan.forward.open".*"kind":"agent"' "$BED/log/audit.log"

# --- several connections, several sessions ---
with -N -f -M -S "$WORK/mux" alice@gate
one=$(on -A -o IdentityAgent="$AGENT" -S "$WORK/mux" alice@gate 'echo $SSH_AUTH_SOCK')
two=$(on -A -o IdentityAgent="$AGENT" -S "$WORK/mux" alice@gate 'echo $SSH_AUTH_SOCK; ssh-add -l')
like "a second session of a connection" "$(fp alice)" "$two"
is "has the same socket" "$one" "$(head -n 1 <<<"$two")"
other=$(with alice@gate 'echo $SSH_AUTH_SOCK')
unlike "another connection has its own" "^$one\$" "$other"
is "the first one's is there as long as its connection" 1 "$(await 10 has alice 1; left alice)"
on -S "$WORK/mux" -O exit alice@gate 2>/dev/null
t "and goes with it" await 5 gone alice
with alice@gate 'echo up; exec sleep 60' >"$WORK/killed" & client=$!
await 5 grep -q up "$WORK/killed"
is "a session's socket" 1 "$(left alice)"
living_session() {
	session=$(audit '"ev":"chan.forward.open"' | grep '"kind":"agent"' | tail -n 1 | grep -o '"session_pid":[0-9]*' | cut -d: -f2)
	[ -n "$session" ] && grep -q '^State:[[:space:]]*[^ZX]' "/proc/$session/status"
}
await 10 living_session
kill -9 "$session"
wait $client 2>/dev/null
t "goes when the session is killed" await 5 gone alice

# --- X11 ---
inbed python3 "$ROOT/tests/e2e/xserver.py" 99 >>"$WORK/x.log" 2>&1 & XSERVER=$!
await 5 grep -q ready "$WORK/x.log"
export DISPLAY=localhost:99 XAUTHORITY=$WORK/xauthority
touch "$XAUTHORITY"
xauth -f "$XAUTHORITY" add :99 . $REAL 2>/dev/null
x11() { on -o XAuthLocation=/usr/bin/xauth "$@"; }
# What an X client says first, with the cookie of the authority file: the last 16 bytes of it, or $1.
cat >"$WORK/client" <<'SH'
n=${DISPLAY#127.0.0.1:}; n=${n%.*}
cookie=${1:-$(tail -c 16 "$XAUTHORITY" | od -An -tx1 | tr -d ' \n')}
exec 3<>/dev/tcp/127.0.0.1/$((6000 + n)) || exit 9
{ printf 'l\0\013\0\0\0\022\0\020\0\0\0MIT-MAGIC-COOKIE-1\0\0'; printf "$(sed 's/../\\x&/g' <<<"$cookie")"; } >&3
timeout 60 cat <&3
SH
if command -v xauth >/dev/null; then
	for how in -X -Y; do
		: >"$WORK/x.log"
		is "a client inside reaches the display (ssh $how)" HELLO-FROM-X "$(x11 $how alice@gate bash -s <"$WORK/client")"
		is "which sees its own cookie" "MIT-MAGIC-COOKIE-1 $REAL" "$(cat "$WORK/x.log")"
	done
	like "DISPLAY and XAUTHORITY" '^127\.0\.0\.1:10\.0 /tmp/ssh-[A-Za-z0-9]{10}/Xauthority$' "$(x11 -Y alice@gate 'echo $DISPLAY $XAUTHORITY')"
	is "the file is the user's alone" "600 alice" "$(x11 -Y alice@gate 'stat -c "%a %U" $XAUTHORITY')"
	unlike "the real cookie is never inside" "$REAL" "$(x11 -Y alice@gate 'od -An -tx1 $XAUTHORITY | tr -d " \n"')"
	x11 -Y alice@gate 'cat $XAUTHORITY' >"$WORK/inside"
	like "xauth can read it" '^alice/unix:10  MIT-MAGIC-COOKIE-1  [0-9a-f]{32}$' "$(xauth -f "$WORK/inside" list 2>&1)"
	: >"$WORK/x.log"
	is "a wrong cookie gets nothing" "" "$(x11 -Y alice@gate 'bash -s 00000000000000000000000000000000' <"$WORK/client" 2>/dev/null | tr -d '\0')"
	is "and does not reach the display" "" "$(cat "$WORK/x.log")"
	is "several clients on one display" 3 "$(x11 -Y alice@gate "cat >~/c; for i in 1 2 3; do bash ~/c & done; wait" <"$WORK/client" | grep -o HELLO | wc -l)"
	is "a terminal has it, too" 1 "$(x11 -tt -Y alice@gate 'bash ~/c' </dev/null 2>/dev/null | grep -c HELLO)"
	x11 -Y alice@gate 'echo $DISPLAY; until [ -e go ]; do sleep 0.2; done' >"$WORK/d1" & first=$!
	await 5 grep -q 127.0.0.1 "$WORK/d1"
	is "a second connection has the next display" 127.0.0.1:11.0 "$(x11 -Y alice@gate 'echo $DISPLAY')"
	on alice@gate touch go
	wait $first
	on alice@gate rm go
	x11 -Y -N -f -M -S "$WORK/xmux" alice@gate
	bad=0
	for _ in 1 2 3 4 5 6; do [ "$(x11 -Y -S "$WORK/xmux" alice@gate 'echo $DISPLAY')" = 127.0.0.1:10.0 ] || bad=$((bad + 1)); done
	is "a display ends with its session: six in turn on one connection" 0 $bad
	t "and its file" await 10 gone alice
	busy=()
	for _ in 1 2 3 4; do x11 -Y -S "$WORK/xmux" alice@gate 'echo up; until [ -e go ]; do sleep 0.2; done' >>"$WORK/busy" & busy+=($!); done
	await 10 sh -c "[ \$(grep -c up '$WORK/busy') = 4 ]"
	like "a fifth at a time is refused, and the program runs" 'X11 forwarding request failed.* ran' \
		"$(x11 -Y -S "$WORK/xmux" alice@gate 'echo ran' 2>&1 | tr -d '\r' | sort | tr '\n' ' ')"
	on alice@gate touch go
	wait "${busy[@]}" 2>/dev/null
	on alice@gate rm go
	on -S "$WORK/xmux" -O exit alice@gate 2>/dev/null
	wait "${busy[@]}" 2>/dev/null
	t "nothing is left after the logins" await 5 gone alice
	is "agent and display together" "3 HELLO-FROM-X" "$(x11 -Y -A -o IdentityAgent="$AGENT" alice@gate 'echo $(ssh-add -l | wc -l) $(bash ~/c)')"
	t "display channels are in the audit log" await 10 grep -q '"ev":"chan.forward.open".*"kind":"x11"' "$BED/log/audit.log"
else
	skip "X11 forwarding" "xauth is not installed"
fi

# --- no room inside ---
on alice@gate 'sudo chmod 755 /tmp'
like "an agent that cannot listen is told, and the program runs" '^sshbay: agent forwarding: .*Permission denied.* ran $' \
	"$(with alice@gate 'echo ran' 2>&1 | sort -r | tr '\n' ' ')"
is "standard output is the program's alone" ran "$(with alice@gate 'echo ran$SSH_AUTH_SOCK' 2>/dev/null)"
on alice@gate 'sudo chmod 1777 /tmp'

# --- rc, hushlogin, the environment ---
on alice@gate 'mkdir -p ~/.ssh; echo "echo rc ran" >~/.ssh/rc'
is "an rc of the user runs before a command" "rc ran cmd" "$(on alice@gate echo cmd | tr '\n' ' ' | sed 's/ $//')"
is "sftp is not disturbed by it" 0 "$(echo ls | inbed sftp -q -F "$BED/ssh_config" -b - alice@gate >/dev/null 2>&1; echo $?)"
on alice@gate 'rm ~/.ssh/rc' >/dev/null
# Which script runs for what: they say so in a file, the last word of which is of the login that reads it.
sftp_in() { echo pwd | inbed timeout 30 sftp -q -F "$BED/ssh_config" -b - "$@" >/dev/null 2>&1; }
on alice@gate 'mkdir -p ~/.ssh; sudo mkdir -p /etc/ssh; echo "echo own >>~/said" >~/.ssh/rc; echo "echo system >>~/said" | sudo tee /etc/ssh/sshrc' >/dev/null
sftp_in alice@gate
is "sftp runs /etc/ssh/sshrc and not ~/.ssh/rc; a command its own alone" "system own" "$(on alice@gate 'echo $(cat said); rm said')"
on alice@gate 'sudo usermod -s /usr/sbin/nologin alice; rm said'
on alice@gate true >/dev/null 2>&1
is "a shell that runs nothing runs no ~/.ssh/rc either" "gone" "$(bay enter alice -- sh -c 'cat /home/alice/said || echo gone; usermod -s /bin/bash alice' 2>/dev/null)"
on alice@gate 'rm ~/.ssh/rc said; sudo rm /etc/ssh/sshrc' >/dev/null
like "HOME, USER, LOGNAME, SHELL, MAIL, PATH" '^/home/alice alice alice /bin/bash /var/mail/alice /usr/local/bin:' \
	"$(on alice@gate 'echo $HOME $USER $LOGNAME $SHELL $MAIL $PATH')"
greeted() { on -tt alice@gate <<<exit 2>/dev/null | grep -c 'word of greeting'; }
is "a terminal is greeted" 1 "$(greeted)"
on alice@gate 'touch ~/.hushlogin'
is "not with ~/.hushlogin" 0 "$(greeted)"
on alice@gate 'rm ~/.hushlogin'
is "nor is a command" 0 "$(on -tt alice@gate true </dev/null 2>/dev/null | grep -c greeting)"
is "without the file again" 1 "$(greeted)"
like "SSH_TTY on a terminal" '^/dev/pts/' "$(on -tt alice@gate 'echo $SSH_TTY' </dev/null 2>/dev/null)"
is "a key's command sees what was asked for" "forced: id -u" "$(
	printf 'command="echo forced: $SSH_ORIGINAL_COMMAND" %s\n' "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"
	on carol@gate id -u)"
printf 'no-agent-forwarding,no-X11-forwarding,no-user-rc %s\n' "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"
is "a key may not have the agent" "" "$(with carol@gate 'echo $SSH_AUTH_SOCK')"
like "which is in the audit log" '"kind":"agent","target":"not allowed \(\[gate\] agent_forwarding' "$(audit '"ev":"chan.forward.deny"')"
like "nor X11" 'X11 forwarding request failed' "$(x11 -Y carol@gate true 2>&1)"
on carol@gate 'mkdir -p ~/.ssh; echo "echo rc ran" >~/.ssh/rc'
is "nor rc" cmd "$(on carol@gate echo cmd)"
on carol@gate 'echo "echo own >>~/said" >~/.ssh/rc'
printf 'command="echo hi >>~/said" %s\n' "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"
sftp_in carol@gate
cp "$BED/keys/carol.pub" "$BED/etc/keys/carol"
is "nor for a key's command that takes the place of sftp" "hi own" "$(on carol@gate 'echo $(cat said)')"
cp "$BED/keys/carol.pub" "$BED/etc/keys/carol"

# --- other clients ---
cat >"$WORK/pforward.py" <<'PY'
import sys, paramiko
from paramiko.agent import AgentRequestHandler
c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect("127.0.0.1", 2222, "alice", key_filename=sys.argv[1], allow_agent=False, look_for_keys=False)
s = c.get_transport().open_session(); h = AgentRequestHandler(s); s.exec_command("ssh-add -l")
out = b""
while True:
    data = s.recv(4096)
    if not data: break
    out += data
print(out.decode(), s.recv_exit_status()); h.close(); c.close()
PY
# x11-req as no OpenSSH client sends it.
cat >"$WORK/px11.py" <<'PY'
import sys, time, paramiko
c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect("127.0.0.1", 2222, "alice", key_filename=sys.argv[1], allow_agent=False, look_for_keys=False)
came = []
def refused(**request):
    try: c.get_transport().open_session().request_x11(handler=lambda chan, peer: None, **request)
    except paramiko.SSHException: return True
print("bad", sum(1 for r in (dict(auth_cookie="zz"), dict(auth_cookie="0"), dict(auth_protocol="a b"), dict(screen_number=70000)) if refused(**r)))
s = c.get_transport().open_session()
s.request_x11(screen_number=3, single_connection=True, auth_cookie="00ff", handler=lambda chan, peer: came.append(peer) or chan.close())
s.exec_command('echo $DISPLAY; exec 3<>/dev/tcp/127.0.0.1/6010 && echo open; for i in $(seq 300); do (exec 4<>/dev/tcp/127.0.0.1/6010) 2>/dev/null || { echo closed; break; }; sleep 0.2; done')
out = b""
while True:
    data = s.recv(4096)
    if not data: break
    out += data
print(out.decode().split(), len(came)); c.close()
PY
if /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	is "one connection of several is all that single_connection allows; bad requests are refused" \
		"bad 4 ['127.0.0.1:10.3', 'open', 'closed'] 1" "$(inbed timeout 100 /usr/bin/python3 "$WORK/px11.py" "$BED/keys/alice" 2>&1 | tr '\n' ' ' | sed 's/ $//')"
	like "paramiko forwards its agent" "$(fp alice)" "$(SSH_AUTH_SOCK=$AGENT inbed timeout 100 /usr/bin/python3 "$WORK/pforward.py" "$BED/keys/alice" 2>&1)"
else
	skip "paramiko forwards its agent, x11-req with odd values" "python3-paramiko is not installed"
fi
if command -v dbclient >/dev/null; then
	dropbearconvert openssh dropbear "$BED/keys/alice" "$WORK/db" >/dev/null 2>&1
	like "dropbear forwards its agent" "$(fp alice)" \
		"$(SSH_AUTH_SOCK=$AGENT inbed timeout 100 dbclient -y -A -i "$WORK/db" -p 2222 alice@127.0.0.1 ssh-add -l 2>&1)"
else
	skip "dropbear forwards its agent" "dropbear-bin is not installed"
fi

# --- off, as it is when nobody says anything ---
sed -i '/^agent_forwarding/d; /^x11_forwarding/d' "$BED/sshbay.ini"
is "both are off by default" "agent_forwarding = no x11_forwarding = no" "$(bay dump | grep -E '^(agent|x11)_forwarding' | tr -s ' \n' ' ' | sed 's/ $//')"
"$ROOT/scripts/testbed" kill "$BED" provisiond; "$ROOT/scripts/testbed" start "$BED" provisiond >/dev/null 2>&1
is "no agent forwarding: the command runs without" "ran:" "$(with alice@gate 'echo ran:$SSH_AUTH_SOCK')"
like "the client is told why, in its debug messages" 'agent_forwarding, or an option' "$(with -v alice@gate true 2>&1)"
like "no X11 forwarding: the client is told" 'X11 forwarding request failed' "$(x11 -Y alice@gate true 2>&1)"
is "and the command runs" "ran:" "$(x11 -Y alice@gate 'echo ran:$DISPLAY$XAUTHORITY' 2>/dev/null)"
t "the refusal is in the audit log" await 10 grep -q 'x11.*not allowed\|not allowed.*x11' "$BED/log/audit.log"
stop_agent
residue; is "nothing is left" 0 $?
finish
