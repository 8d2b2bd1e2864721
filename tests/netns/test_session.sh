#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sshd-gate-session against stock OpenSSH clients, with tests/bench/fakegate.c in the place of the listener, provisiond
# and ws-init. Runs in a network namespace of its own, so that no port of the host is touched.
if [ -z "${IN_NETNS:-}" ]; then
	IN_NETNS=1 exec unshare -n -- "$0" "$@"
fi
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${B:-$ROOT/build}
PORT=2222 FAKE=
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/sshbay-session.XXXXXX")
TAP=0 FAILED=0
ip link set lo up

ok() { TAP=$((TAP + 1)); echo "ok $TAP - $1"; }
not_ok() { TAP=$((TAP + 1)); FAILED=$((FAILED + 1)); echo "not ok $TAP - $1"; printf '%s\n' "${2:-}" | cat -v | sed 's/^/# /' | head -20; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2
got: $3"; fi; }
like() { if grep -qE -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "expected match: $2
got: $3"; fi; }
skip() { TAP=$((TAP + 1)); echo "ok $TAP - $1 # SKIP $2"; }

start() { # options of fakegate
	stop
	"$BUILD/bench/fakegate" -p $PORT -k "$SCRATCH/id.pub" -s "$BUILD/bin/sshd-gate-session" "$@" \
		>"$SCRATCH/out" 2>>"$SCRATCH/log" &
	FAKE=$!
	for _ in $(seq 100); do grep -q ready "$SCRATCH/out" && return 0; sleep 0.05; done
	echo "Bail out! the stand-in did not start: $(cat "$SCRATCH/log")"
	exit 1
}
stop() {
	[ -n "$FAKE" ] || return 0
	kill "$FAKE" 2>/dev/null
	wait "$FAKE" 2>/dev/null
	FAKE=
}
cleanup() { stop; rm -rf "$SCRATCH"; }
trap cleanup EXIT
wait_jobs() { local p; for p in $(jobs -p); do [ "$p" = "$FAKE" ] || wait "$p" 2>/dev/null; done; }
on() { timeout 60 ssh -F "$SCRATCH/conf" "$@"; }
# CPU seconds of all living session processes, in ticks
ticks() { local p t=0; for p in $(pgrep -P "$FAKE" sshd-gate-sess); do t=$((t + $(awk '{print $14+$15}' "/proc/$p/stat" 2>/dev/null || echo 0))); done; echo $t; }

ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/id"
ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/other"
for key in "rsa 2048" "rsa 4096" "ecdsa 256" "ecdsa 384" "ecdsa 521"; do
	ssh-keygen -q -t "${key% *}" -b "${key#* }" -N '' -f "$SCRATCH/id_${key/ /_}"
	cat "$SCRATCH/id_${key/ /_}.pub" >>"$SCRATCH/id.pub"
done
cat >"$SCRATCH/conf" <<END
Host t
  HostName 127.0.0.1
  Port $PORT
  User alice
  IdentityFile $SCRATCH/id
  IdentitiesOnly yes
  IdentityAgent none
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  BatchMode yes
END
head -c 104857600 /dev/urandom >"$SCRATCH/blob"
SUM=$(sha256sum <"$SCRATCH/blob")

# --- programs ---
programs() {
	local bad=0 out i
	for i in $(seq 200); do
		out=$(on t 'echo hi; echo err >&2; exit 3' 2>"$SCRATCH/err")
		[ "$? $out $(cat "$SCRATCH/err")" = "3 hi err" ] || bad=$((bad + 1))
	done
	is "200 times output, error output and exit status" 0 $bad
	out=$(on t true); is "true" 0 $?
	on t 'exit 255'; is "exit 255" 255 $?
	on t 'kill -TERM $$' 2>"$SCRATCH/err"; is "killed by TERM" 255 $?
	like "exit-signal is sent" 'rtype exit-signal' "$(on -v t 'kill -TERM $$' 2>&1)"
	out=$(on t 'kill -BUS $$' 2>&1); is "killed by a signal outside the RFC" 255 $?
	is "half close: EOF reaches the program, its answer comes back" 6 "$(printf 'hallo\n' | on t 'wc -c' | tr -d ' ')"
	is "an empty input" 0 "$(on t 'wc -c' </dev/null | tr -d ' ')"
	is "output after input has ended" "late" "$(on t 'cat >/dev/null; sleep 0.3; echo late' </dev/null)"
	SECONDS=0
	is "a detached child does not hold the session" started "$(on t 'sleep 3 >/dev/null 2>&1 & echo started')"
	is "... nor delay it" 1 $((SECONDS < 2))
	is "a program that closes its output lives on" 7 "$(on t 'exec >&- 2>&-; sleep 0.4; exit 7'; echo $?)"
	timeout 1 ssh -F "$SCRATCH/conf" t "yes; echo \$? >$SCRATCH/pipe" >/dev/null
	sleep 0.3
	is "client gone: the program gets SIGPIPE" 141 "$(cat "$SCRATCH/pipe")"
	is "closed standard input of the program does not stop the output" "fine" \
		"$(head -c 3000000 /dev/zero | on t 'exec <&-; sleep 0.3; echo fine')"
	is "environment by pattern" "de_DE x" "$(LC_TEST=de_DE FOO=secret on -o SendEnv=LC_TEST -o SendEnv=FOO t 'echo $LC_TEST x$FOO')"
	like "SSH_CONNECTION and SSH_CLIENT" '^127.0.0.1 [0-9]+ 127.0.0.1 2222 / 127.0.0.1 [0-9]+ 2222$' "$(on t 'echo $SSH_CONNECTION / $SSH_CLIENT')"
	is "a long command" 100000 "$(on t "printf %s $(head -c 100000 /dev/zero | tr '\0' a) | wc -c" | tr -d ' ')"
	out=$(on -s t nosuch 2>&1); is "unknown subsystem is refused" 255 $?
}

# --- bytes ---
bytes() {
	local n sum got
	for n in 0 1 4095 32768 200000; do
		sum=$(head -c $n "$SCRATCH/blob" | sha256sum)
		is "$n bytes there and back" "$sum" "$(head -c $n "$SCRATCH/blob" | on t cat | sha256sum)"
	done
	is "100 MB there and back at once" "$SUM" "$(on t cat <"$SCRATCH/blob" | sha256sum)"
	is "... with chacha20" "$SUM" "$(on -c chacha20-poly1305@openssh.com t cat <"$SCRATCH/blob" | sha256sum)"
	is "... with aes256-ctr" "$SUM" "$(on -c aes256-ctr t cat <"$SCRATCH/blob" | sha256sum)"
	is "... with the client renegotiating every MB" "$SUM" "$(on -o RekeyLimit=1M t cat <"$SCRATCH/blob" | sha256sum)"
	got=$(on t 'tee /dev/stderr' <"$SCRATCH/blob" 2>"$SCRATCH/err.blob" | sha256sum)
	is "100 MB on both outputs: stdout" "$SUM" "$got"
	is "100 MB on both outputs: stderr" "$SUM" "$(sha256sum <"$SCRATCH/err.blob")"
	is "slow reader gets everything" "$SUM" "$(on t "cat $SCRATCH/blob" | (sleep 1; cat) | sha256sum)"
	is "slow writer side: program reads late" "$SUM" "$(on t '(sleep 1; sha256sum)' <"$SCRATCH/blob")"
}

# --- copying ---
copying() {
	timeout 60 scp -q -F "$SCRATCH/conf" "$SCRATCH/blob" "t:$SCRATCH/up" && timeout 60 scp -q -F "$SCRATCH/conf" "t:$SCRATCH/up" "$SCRATCH/down"
	is "scp (sftp) up and down" "$SUM" "$(sha256sum <"$SCRATCH/down")"
	rm -f "$SCRATCH/up" "$SCRATCH/down"
	timeout 60 scp -q -O -F "$SCRATCH/conf" "$SCRATCH/blob" "t:$SCRATCH/up" && timeout 60 scp -q -O -F "$SCRATCH/conf" "t:$SCRATCH/up" "$SCRATCH/down"
	is "scp -O up and down" "$SUM" "$(sha256sum <"$SCRATCH/down")"
	like "sftp batch" 'id.pub' "$(echo "ls -1 $SCRATCH" | timeout 30 sftp -q -b - -F "$SCRATCH/conf" t 2>&1)"
}

# --- terminals ---
terminals() {
	local out
	is "a terminal is there" "/dev/pts" "$(on -tt t tty </dev/null | cut -c1-8)"
	is "exit status with a terminal" 9 "$(on -tt t 'exit 9' </dev/null >/dev/null 2>&1; echo $?)"
	like "TERM arrives" 'xterm-test' "$(TERM=xterm-test on -tt t 'echo $TERM' </dev/null)"
	out=$(printf 'echo one\nexit 4\n' | on -tt t 2>&1; echo "rc=$?")
	like "an interactive shell" 'rc=4' "$out"
	out=$(on -tt t 'seq 200000 | tail -1; exit 5' </dev/null; echo "rc=$?")
	like "much output before the exit is not lost" '200000' "$out"
	is "all lines of a terminal program" 20000 "$(on -tt t 'seq 20000' </dev/null | tr -d '\r' | grep -c .)"
	python3 - "$SCRATCH/conf" >"$SCRATCH/pty.out" 2>&1 <<'END'
import fcntl, os, pty, select, struct, sys, termios, time, signal
pid, fd = pty.fork()
if pid == 0:
    os.execvp("ssh", ["ssh", "-F", sys.argv[1], "-tt", "t", "trap 'stty size' WINCH; echo READY; while :; do sleep 0.1; done"])
def until(text, limit=10):
    got = b""; end = time.time() + limit
    while text not in got and time.time() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try: d = os.read(fd, 4096)
            except OSError: break
            got += d
    return got
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
until(b"READY")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 123, 0, 0))
os.kill(pid, signal.SIGWINCH)
print("size", b"41 123" in until(b"41 123"))
os.kill(pid, signal.SIGTERM)
END
	like "window changes reach the program" 'size True' "$(cat "$SCRATCH/pty.out")"
	ssh -F "$SCRATCH/conf" -tt t "echo \$\$ >$SCRATCH/pid; trap '' TERM; sleep 1000" </dev/null >/dev/null 2>&1 &
	local client=$!
	for _ in $(seq 50); do [ -s "$SCRATCH/pid" ] && break; sleep 0.1; done
	sleep 0.2; kill -9 $client; wait $client 2>/dev/null
	sleep 0.5
	is "a killed client hangs up the terminal" gone "$(kill -0 "$(cat "$SCRATCH/pid")" 2>/dev/null && echo alive || echo gone)"
}

# --- several at once ---
several() {
	local i out bad=0
	on -M -S "$SCRATCH/ctl" -N -f t
	for i in 1 2 3 4 5 6 7 8; do
		(on -S "$SCRATCH/ctl" t cat <"$SCRATCH/blob" | sha256sum >"$SCRATCH/sum$i") &
	done
	wait_jobs
	for i in 1 2 3 4 5 6 7 8; do [ "$(cat "$SCRATCH/sum$i")" = "$SUM" ] || bad=$((bad + 1)); done
	is "8 sessions on one connection, 100 MB each way" 0 $bad
	for i in $(seq 100); do out=$(on -S "$SCRATCH/ctl" t "echo $i; exit $i"); [ "$? $out" = "$i $i" ] || bad=$((bad + 1)); done
	is "100 sessions in turn on one connection" 0 $bad
	for i in $(seq 10); do (on -S "$SCRATCH/ctl" t sleep 3; echo $? >"$SCRATCH/rc$i") & done
	sleep 1
	like "the eleventh session is refused" 'Session open refused' "$(on -S "$SCRATCH/ctl" -o ControlMaster=no t true 2>&1)"
	on -S "$SCRATCH/ctl" -O exit t 2>/dev/null
	wait_jobs
	bad=0
	for i in $(seq 40); do (on t "echo $i" >"$SCRATCH/c$i" 2>/dev/null) & done
	wait_jobs
	for i in $(seq 40); do [ "$(cat "$SCRATCH/c$i")" = "$i" ] || bad=$((bad + 1)); done
	is "40 connections at once" 0 $bad
}

# --- forwarding ---
forwarding() {
	local client out
	python3 -m http.server 8099 --bind 127.0.0.1 --directory "$SCRATCH" >/dev/null 2>&1 &
	local web=$!
	for _ in $(seq 50); do (: <>/dev/tcp/127.0.0.1/8099) 2>/dev/null && break; sleep 0.1; done
	ssh -F "$SCRATCH/conf" -o LogLevel=INFO -N -L 127.0.0.1:8100:127.0.0.1:8099 -L 127.0.0.1:8101:127.0.0.1:1 t 2>"$SCRATCH/fwd" &
	client=$!
	for _ in $(seq 50); do (: <>/dev/tcp/127.0.0.1/8100) 2>/dev/null && break; sleep 0.1; done
	is "-L carries 100 MB" "$SUM" "$(python3 -c 'import sys,urllib.request as u; sys.stdout.buffer.write(u.urlopen("http://127.0.0.1:8100/blob").read())' | sha256sum)"
	python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8101/")' 2>/dev/null
	sleep 0.3
	like "a refused destination is told to the client" 'open failed: connect failed: .*Connection refused' "$(cat "$SCRATCH/fwd")"
	kill $client; wait $client 2>/dev/null
	is "-W" "HTTP/1.0 200 OK" "$(printf 'GET /id.pub HTTP/1.0\r\n\r\n' | on -W 127.0.0.1:8099 t | head -1 | tr -d '\r')"
	ssh -F "$SCRATCH/conf" -N -R 127.0.0.1:8102:127.0.0.1:8099 t 2>/dev/null &
	client=$!
	for _ in $(seq 50); do (: <>/dev/tcp/127.0.0.1/8102) 2>/dev/null && break; sleep 0.1; done
	is "-R carries 100 MB" "$SUM" "$(python3 -c 'import sys,urllib.request as u; sys.stdout.buffer.write(u.urlopen("http://127.0.0.1:8102/blob").read())' | sha256sum)"
	kill $client; wait $client 2>/dev/null
	like "-R with port 0 tells the port" 'Allocated port [0-9]+' "$(on -o LogLevel=INFO -R 0:127.0.0.1:8099 t 'sleep 0.3' 2>&1)"
	kill $web; wait $web 2>/dev/null
}

# --- logging in ---
login() {
	local out
	out=$(on -i "$SCRATCH/other" -o IdentityFile="$SCRATCH/other" -F none -p $PORT -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@127.0.0.1 true 2>&1)
	like "an unknown key is refused" 'Permission denied \(publickey\)' "$out"
	for key in rsa_2048 rsa_4096 ecdsa_256 ecdsa_384 ecdsa_521; do
		is "a login by key $key" in "$(sed "s,IdentityFile.*,IdentityFile $SCRATCH/id_$key," "$SCRATCH/conf" >"$SCRATCH/conf2"
			timeout 20 ssh -F "$SCRATCH/conf2" t echo in 2>&1)"
	done
	is "a login by rsa-sha2-256" in "$(timeout 20 ssh -F "$SCRATCH/conf2" -o IdentityFile="$SCRATCH/id_rsa_2048" -o PubkeyAcceptedAlgorithms=rsa-sha2-256 t echo in 2>&1)"
	out=$(timeout 20 ssh -F "$SCRATCH/conf2" -o IdentityFile="$SCRATCH/id_rsa_2048" -o PubkeyAcceptedAlgorithms=ssh-rsa t echo in 2>&1)
	like "ssh-rsa (SHA-1) is refused, not left hanging" 'Permission denied|no mutual signature' "$out"
	out=$(ssh-keyscan -p $PORT 127.0.0.1 2>&1); like "the version says sshbay and nothing else" 'SSH-2.0-OpenSSH_compatible_sshbay' "$out"
	is "a user name that is too long" 255 "$(on -l "$(head -c 300 /dev/zero | tr '\0' a)" t true 2>/dev/null; echo $?)"
	python3 - $PORT >"$SCRATCH/pre" 2>&1 <<'END'
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"SSH-2.0-x\r\n" + b"\0\0\0\x0c\x0a\x5a\0\0\0\0\0\0\0\0\0\0")
s.settimeout(5); t = time.time()
try:
    while s.recv(4096): pass
    print("closed", time.time() - t < 1)
except OSError as e: print("closed", isinstance(e, ConnectionResetError))
END
	like "a channel open before the key exchange ends the connection" 'closed True' "$(cat "$SCRATCH/pre")"
}

# --- texts of ours ---
texts() {
	local out
	start -r "start 'alice': no memory (limits)" -b "Welcome to the banner"
	out=$(on t true 2>&1 >/dev/null); is "a refusal: exit status 254" 254 $?
	like "a refusal is on stderr" "sshbay: start 'alice': no memory \(limits\)" "$out"
	out=$(on -tt t true </dev/null 2>/dev/null); is "with a terminal: 254" 254 $?
	like "... and the text on it" "sshbay: start 'alice'.*$(printf '\r')" "$out"
	like "the banner is shown" 'Welcome to the banner' "$(on -o LogLevel=INFO t true 2>&1)"
	start -g yes -m "message of the day" -w "workspace 'alice': memory limit of 64M reached (memory = 64M)"
	out=$(on t true 2>&1); is "no progress and no motd without a terminal" "" "$out"
	out=$(printf 'exit\n' | on -tt t 2>&1)
	like "progress on a terminal" "creating workspace 'alice'" "$out"
	like "... with steps" 'rootfs +bookworm +3 ms' "$out"
	like "... and the address" 'ready in 12 ms .* alice@172.31.199.3' "$out"
	like "motd with a shell" 'message of the day' "$out"
	out=$(on -tt t true </dev/null 2>&1); case $out in *"of the day"*) not_ok "no motd with a command" "$out" ;; *) ok "no motd with a command" ;; esac
	out=$(on t 'kill -9 $$' 2>&1); like "a kill is explained" 'sshbay: .*memory limit of 64M' "$out"
	start -R 1
	is "server-side renegotiation every MB, both ways" "$SUM" "$(on t cat <"$SCRATCH/blob" | sha256sum)"
	start -a 1
	out=$(on t 'sleep 4; echo alive'); is "keepalives to a living client" alive "$out"
	ssh -F "$SCRATCH/conf" t 'sleep 100' >/dev/null 2>&1 &
	local p=$!
	sleep 0.5; kill -STOP "$p"
	sleep 6
	is "a client that stopped answering is dropped" 0 "$(pgrep -P "$FAKE" sshd-gate-sess | wc -l | awk '{print $1 - 1}')"
	kill -CONT "$p" 2>/dev/null; kill "$p" 2>/dev/null; wait $p 2>/dev/null
	start -G 2
	is "a silent client is dropped at the end of the grace time" "closed" \
		"$(timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222; cat <&3 >/dev/null; echo closed')"
}

# --- idle costs nothing ---
idle() {
	start
	on t 'exec 1>&- 2>&-; sleep 5' & local c1=$!
	on t 'sleep 5' </dev/zero >/dev/null & local c2=$!
	on -tt t 'sleep 5' </dev/null >/dev/null 2>&1 & local c3=$!
	sleep 1.5
	local a b
	a=$(ticks); sleep 2; b=$(ticks)
	like "waiting sessions use no CPU" '^[0-5]$' "$((b - a))"
	wait $c1 $c2 $c3 2>/dev/null
	for _ in $(seq 10); do # clients that vanish in the middle of output
		ssh -F "$SCRATCH/conf" t yes >/dev/null & a=$!
		ssh -F "$SCRATCH/conf" -tt t yes >/dev/null </dev/null 2>&1 & b=$!
		sleep 0.2; kill -9 $a $b; wait $a $b 2>/dev/null
	done
	for _ in $(seq 50); do [ "$(pgrep -c -P "$FAKE" sshd-gate-sess)" = 1 ] && break; sleep 0.1; done
	is "no session process outlives its client" 1 "$(pgrep -c -P "$FAKE" sshd-gate-sess)"
	stop
	like "no session process was killed by its sandbox" 'crashed 0 ' "$(cat "$SCRATCH/out")"
}

start
[ $# -gt 0 ] || set -- programs bytes copying terminals several forwarding login texts idle
for group in "$@"; do "$group"; done
if grep -E 'died of signal|AddressSanitizer|runtime error' "$SCRATCH/log"; then not_ok "no session process died" "$(cat "$SCRATCH/log")"; else ok "no session process died"; fi
echo "1..$TAP"
[ $FAILED = 0 ]
