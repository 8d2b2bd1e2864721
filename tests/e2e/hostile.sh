#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What abuse.sh leaves: algorithms (ssh-audit), names, log injection, a session that was taken over, descriptors and
# terminals inside, forwards to what only the host has, rekeying, signals to a session, links that stand still, revoked keys.
# Needs the test build (build/faults), in which a session misbehaves on request.
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
. "$(dirname "$0")/../lib.sh"
python=/usr/bin/python3
bed_up - <<'E2'
[gate]
revoke_sessions = yes
[penalties]
exempt = 127.0.0.1/32, ::1/128
E2
GATE=$(daemon_pid gate) PROVISIOND=$(daemon_pid provisiond)
rt=$(sed -n 1p "$BED/testbed.id")
export PROXY=$ROOT/build/bench/delayproxy CONF=$BED/ssh_config
on alice@gate true
hostile() { # CASE
	local verdict name detail
	if ! $python -c 'import paramiko' 2>/dev/null; then skip "$1" "python3-paramiko is not installed"; return; fi
	while IFS=$'\t' read -r verdict name detail; do
		if [ "$verdict" = ok ]; then ok "$name"; else not_ok "$name" "$detail"; fi
	done < <(timeout 120 "$BED/run" $python -W ignore "$ROOT/tests/e2e/hostile.py" "$1" "$GATE" "$BED/keys/alice" 2>&1 || printf 'not ok\t%s ends\tin time\n' "$1")
}
same() { is "$1: the same daemons, and logins work" "$GATE $PROVISIOND in" "$(daemon_pid gate) $(daemon_pid provisiond) $(on alice@gate echo in)"; }
inside() { on alice@gate "$@"; }

# --- algorithms (D46) ---
if command -v ssh-audit >/dev/null; then
	json=$(inbed ssh-audit -j -p 2222 127.0.0.1)
	is "the algorithms are those of the policy, in its order" \
		"curve25519-sha256,curve25519-sha256@libssh.org,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256,kex-strict-s-v00@openssh.com ssh-ed25519 aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512 none" \
		"$($python -c 'import json, sys
a = json.loads(sys.argv[1])
names = lambda l: ",".join(x if isinstance(x, str) else x["algorithm"] for x in l)
print(names(a["kex"]), names(a["key"]), names(a["enc"]), names(a["mac"]), names(a["compression"]))' "$json" 2>&1)"
	inbed ssh-audit -n -p 2222 127.0.0.1 >"$WORK/audit" 2>&1; rc=$?
	is "ssh-audit finds no failure" "0 0" "$((rc != 0 && rc != 2)) $(grep -c '\[fail\]' "$WORK/audit")"
else
	skip "ssh-audit" "ssh-audit is not installed"
fi
weak() { like "not negotiated: $1" 'no matching|Unable to negotiate|Bad (SSH2|configuration)|[Uu]nsupported' "$(on -o "$1" alice@gate true 2>&1)"; }
for a in diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group-exchange-sha1 diffie-hellman-group-exchange-sha256 \
	diffie-hellman-group18-sha512 ecdh-sha2-nistp256; do weak "KexAlgorithms=$a"; done
for a in ssh-rsa ssh-dss ecdsa-sha2-nistp256; do weak "HostKeyAlgorithms=$a"; done
for a in 3des-cbc aes128-cbc aes256-cbc; do weak "Ciphers=$a"; done
for a in hmac-sha1 hmac-md5 hmac-sha1-etm@openssh.com umac-64@openssh.com; do
	like "not negotiated: MACs=$a" 'no matching MAC' "$(on -o Ciphers=aes128-ctr -o "MACs=$a" alice@gate true 2>&1)"
done

# --- names and injection (D01, D02, D42) ---
before=$(bay list | awk 'NR > 1 {print $1}' | sort)
hostile names
hostile injection
hostile penalty
is "no name made anything" "$before" "$(bay list | awk 'NR > 1 {print $1}' | sort)"
is "every line of the audit log is one event, without a control or direction character" "" "$($python - "$BED/log/audit.log" <<'PY'
import json, sys, unicodedata
for n, line in enumerate(open(sys.argv[1], "rb"), 1):
    text = line.decode("utf-8").rstrip("\n")
    event = json.loads(text)
    if len(line) > 4096: print(n, "too long", len(line))
    if any(unicodedata.category(c) in ("Cc", "Cf") for c in text): print(n, ascii(text))
    if event.get("user") == "root" or event["ev"] == "auth.ok" and event.get("user") not in ("alice", "bob"): print(n, "forged", ascii(text))
PY
)"
is "nor has one of the daemons' logs" "" "$(LC_ALL=C grep -anP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae' "$BED"/log/*.log | cat -v | head)"

# --- a session that was taken over (D03, D04) ---
on alice@gate 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.1; done' >"$WORK/counted" & counting=$!
for what in open exec socket fork "ptrace:$PROVISIOND" "memory:$PROVISIOND" kill-all "kill:$GATE" mount unshare $(seq -f messages:%g 8); do
	on -o SetEnv="LC_MISBEHAVE=$what" alice@gate true >/dev/null 2>&1
done
like "provisiond drops who breaks its protocol, and lives" 'in' "$(on alice@gate echo in)"
for what in open exec socket fork ptrace memory kill-all kill mount unshare messages; do
	log=$(grep -a "misbehave '$what'" "$BED/log/gate.log")
	if grep -q begun <<<"$log" && ! grep -q granted <<<"$log"; then ok "a taken-over session cannot: $what"; else not_ok "a taken-over session cannot: $what" "$log"; fi
done
same "misbehaviour"
wait $counting
is "and a session beside it lost nothing" "$(seq 0 59 | tr '\n' ' ')" "$(tr '\n' ' ' <"$WORK/counted")"

# --- a libssh that the lens does not know ---
ON_LIMIT=60 on -v -MN -o SendEnv=LC_MISBEHAVE -S "$WORK/ctl" -L "$WORK/local:/tmp/none" alice@gate 2>"$WORK/master" & master=$!
await 10 on -S "$WORK/ctl" -O check alice@gate
LC_MISBEHAVE=lens-off on -S "$WORK/ctl" -o SendEnv=LC_MISBEHAVE alice@gate true
like "without the lens a client is told that there are no unix sockets" 'Remote: sshbay: unix sockets cannot be forwarded' "$(cat "$WORK/master")"
like "-R of one is refused" 'remote port forwarding failed' "$(on -S "$WORK/ctl" -O forward -R /tmp/off:/tmp/none alice@gate 2>&1)"
inbed $python -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1]); print(s.recv(1))' "$WORK/local" >/dev/null 2>&1
like "-L to one is, and why" 'Remote: sshbay: forward to \(unknown\): .*cannot forward unix sockets' "$(cat "$WORK/master")"
like "ports are forwarded" '^[0-9]+$' "$(on -S "$WORK/ctl" -O forward -R 0:127.0.0.1:1 alice@gate 2>&1)"
on -S "$WORK/ctl" -O exit alice@gate 2>/dev/null
wait $master
unlike "with it nothing is said" 'Remote: sshbay' "$(on -v alice@gate true 2>&1)"

# --- descriptors (D09) and terminals (D10) ---
fds='for n in $(seq 0 254); do [ ! -e /proc/$$/fd/$n ] || printf "%s " $n; done; echo'
is "descriptors of a command" "0 1 2 " "$(inside "sh -c '$fds'")"
is "of a command on a terminal" "0 1 2 " "$(on -tt alice@gate "sh -c '$fds'" </dev/null | tr -d '\r')"
is "of a shell" "0 1 2 " "$(echo "$fds" | sed 's/\$\$/self/' | on alice@gate "exec sh -s" 2>&1 | sed 's/ 3 / /')"
is "of what sshbay enter starts" "0 1 2 " "$(bay enter alice -- sh -c "$fds" </dev/null | tr -d '\r')"
eval "$(ssh-agent -s)" >/dev/null
ssh-add -q "$BED/keys/alice"
on -A -o IdentityAgent="$SSH_AUTH_SOCK" -L 17001:127.0.0.1:22 -R 17002:127.0.0.1:1 -o ExitOnForwardFailure=yes alice@gate 'sleep 6' & open=$!
(sleep 5 | "$BED/run" sftp -q -b - -F "$BED/ssh_config" alice@gate >/dev/null 2>&1) & sftp=$!
sleep 1.5
(inbed timeout 4 bash -c 'exec 3<>/dev/tcp/127.0.0.1/17001; cat <&3' >/dev/null 2>&1 &)
sleep 0.3
held=$(inside 'sudo find /proc/[0-9]*/fd -type l -printf "%p %l\n" 2>/dev/null')
is "with an agent, -L, -R and sftp open, nothing inside holds but pipes, sockets, terminals and its own" "" \
	"$(grep -vE ' (/dev/null|/dev/pts/[0-9]+|/dev/tty|pipe:\[[0-9]+\]|socket:\[[0-9]+\]|anon_inode:\[?(eventpoll|signalfd|eventfd|pidfd|inotify)\]?|/proc/[0-9]+/fd|/proc)$' <<<"$held")"
like "sftp-server among them has 0, 1 and 2" '^0 1 2 $' "$(inside 'p=$(pgrep -n sftp-server) && for n in $(seq 0 254); do sudo test ! -e /proc/$p/fd/$n || printf "%s " $n; done')"
wait $open $sftp
ssh-agent -k >/dev/null
push='$c = "x"; $! = 0; print(ioctl(STDIN, 0x5412, $c) ? "granted" : "refused ".($!+0), "\n")'
is "TIOCSTI from a terminal" "refused 1" "$(on -tt alice@gate "perl -e '$push'" </dev/null | tr -d '\r' | grep -aoE '(granted|refused).*')"
is "TIOCSTI from a command" "refused 1" "$(on alice@gate "perl -e '$push'" </dev/null)"
is "TIOCSTI through sshbay enter" "refused 1" "$(bay enter alice -- perl -e "$push" </dev/null | tr -d '\r')"
is "TIOCSTI through sshbay enter on a terminal" "refused 1" "$(script -qec "$BED/sshbay enter alice -- perl -e '$push'" /dev/null </dev/null | tr -d '\r' | grep -aoE '(granted|refused).*')"

# --- escapes in what an admin sees (D11) ---
inside 'sudo hostname "$(printf "\033]0;x\007\033[2J")"' 2>/dev/null
evil=$(printf '/tmp/\033]0;x\007.sock')
on -L "$WORK/evil.sock:$evil" -o ExitOnForwardFailure=yes alice@gate "exec -a \"\$(printf '\033[2Jevil')\" sleep 4" 2>/dev/null & open=$!
sleep 1
(inbed timeout 2 $python -c "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)" "$WORK/evil.sock" >/dev/null 2>&1)
for verb in list "list --json" "show alice" "show alice --json" sessions "sessions --json" status leases "kick nobody"; do
	# shellcheck disable=SC2086 # words
	is "no escape sequence in: sshbay $verb" "" "$(bay $verb 2>&1 | LC_ALL=C grep -anP '[\x00-\x08\x0b-\x1f\x7f]' | cat -v)"
done
wait $open
is "nor in the logs" "" "$(LC_ALL=C grep -anP '[\x00-\x08\x0b-\x1f\x7f]' "$BED"/log/*.log | cat -v | head -3)"

# --- forwards to what only the host has (D39) ---
inbed $python -c 'import socket, time
a = socket.create_server(("127.0.0.1", 17707)); b = socket.create_server(("::1", 17707), family=socket.AF_INET6)
time.sleep(60)' & listener=$!
await 5 inbed sh -c 'exec 3<>/dev/tcp/127.0.0.1/17707' || await 5 inbed bash -c 'exec 3<>/dev/tcp/127.0.0.1/17707'
for host in 127.0.0.1 localhost '[::1]' 0.0.0.0 127.1 '[::ffff:127.0.0.1]' 2130706433; do
	like "-W $host: a port that only the host has is refused" 'open failed|stdio forwarding failed' "$(on -W "$host:17707" alice@gate 2>&1 </dev/null)"
done
for sock in admin.sock gate.sock ws/alice/init.sock; do
	[ -S "$rt/$sock" ] || inbed test -S "$rt/$sock" || { not_ok "$sock is there to be tried" "$(inbed find "$rt" -maxdepth 3)"; continue; }
	on -L "17003:$rt/$sock" alice@gate 'sleep 1.2' >/dev/null 2>"$WORK/sock" & open=$!
	sleep 0.6
	is "-L to the host's $sock reaches nothing" "" "$(inbed timeout 1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/17003 && head -c 1 <&3' 2>/dev/null | od -An -c)"
	wait $open
	like "... and is refused" 'open failed' "$(cat "$WORK/sock")"
done
on -R 127.0.0.1:17708:127.0.0.1:17707 -R '*:17709:127.0.0.1:17707' alice@gate 'sleep 2' 2>/dev/null & open=$!
sleep 1
is "-R binds nothing on the host" "" "$(inbed ss -Hltn '( sport = 17708 or sport = 17709 )')"
wait $open
kill $listener 2>/dev/null; wait $listener 2>/dev/null

# --- rekeying (D53) ---
head -c 10M /dev/urandom >"$WORK/blob"
sum=$(sha256sum <"$WORK/blob")
for c in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes256-ctr aes192-ctr aes128-ctr; do
	size=10M; [ $c = aes128-gcm@openssh.com ] || size=2M
	sum=$(head -c $size "$WORK/blob" | sha256sum)
	is "$size with a new key every KiB, $c" "$sum" "$(head -c $size "$WORK/blob" | on -vv -c $c -o RekeyLimit=1K alice@gate cat 2>"$WORK/rekey" | sha256sum)"
	n=$(grep -c 'SSH2_MSG_NEWKEYS received' "$WORK/rekey")
	[ "$n" -gt 30 ] && ok "... $c: keys were renewed" || not_ok "... $c: keys were renewed" "$n times"
done

# --- signals to a session (D54) ---
session_pid() { bay sessions --json | $python -c 'import json,sys
print(max(s["pid"] for s in json.load(sys.stdin)))'; }
on alice@gate 'sleep 1; cat; sleep 1' <"$WORK/blob" >"$WORK/back" & open=$!
sleep 0.6
pid=$(session_pid)
for sig in PIPE ALRM CHLD WINCH CONT URG XFSZ; do for _ in $(seq 60); do kill -s $sig "$pid"; done; done
wait $open
is "a storm of signals to a session costs no byte" "$(sha256sum <"$WORK/blob")" "$(sha256sum <"$WORK/back")"
on -tt alice@gate 'echo $$ >/tmp/term; exec sleep 1000' </dev/null >/dev/null 2>&1 & open=$!
sleep 1
pid=$(session_pid)
for _ in $(seq 20); do kill -TERM "$pid" 2>/dev/null; done
wait $open
t "SIGTERM ends a session, and its terminal's program is hung up" inside 'for i in $(seq 50); do kill -0 $(cat /tmp/term) 2>/dev/null || exit 0; sleep 0.1; done; exit 1'
same "signals"

# --- links that stand still (D55) ---
hostile stall
sed -i 's/^\[gate\]$/&\nalive_interval = 1s\nalive_count = 2/' "$BED/sshbay.ini"
t "keepalives each second from now on" bay reload
for i in $(seq 12); do on alice@gate 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.1; done' >"$WORK/alive.$i" & pids[i]=$!; done
hostile hung
wait "${pids[@]}"
is "clients that answer keepalives live on" "12 sessions, 60 lines" "$(wc -l "$WORK"/alive.* | awk '$2 != "total" { n += $1 == 60 } END { print n " sessions, 60 lines" }')"
await 5 sh -c "[ \$(pgrep -c -P $GATE) -le 1 ]"
is "no session is left" 1 "$(pgrep -c -P "$GATE")"

# --- a key is revoked while its owner is in (D47) ---
on bob@gate true
on bob@gate 'echo $$ >/tmp/in; sleep 30' >/dev/null 2>"$WORK/revoked" & open=$!
sleep 1
cp "$BED/etc/keys/bob" "$WORK/bob.pub"; : >"$BED/etc/keys/bob"
like "a revoked key is refused at once" 'Permission denied' "$(on bob@gate true 2>&1)"
t "the session that it opened runs on until the configuration is read again" kill -0 $open
bay reload >/dev/null
s=$SECONDS; wait $open
[ $((SECONDS - s)) -lt 10 ] && ok "then it ends" || not_ok "then it ends" "after $((SECONDS - s)) s"
like "and is told" 'revoked' "$(cat "$WORK/revoked")"
is "the workspace stays" running "$(bay show bob --json | $python -c 'import json,sys; print(json.load(sys.stdin)["state"])')"
cp "$WORK/bob.pub" "$BED/etc/keys/bob"
t "with the key back its owner is in again" on bob@gate true
same "the end"
finish
