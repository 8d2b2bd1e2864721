#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSH's ssh, scp, sftp.
. "$(dirname "$0")/common.bash"
S=(timeout "$LIMIT" ssh -F "$CONF" -o BatchMode=yes)
s() { "${S[@]}" "$@"; }
in_() { s "$LOGIN@gate" "$@"; }

keytype() { same "$LOGIN" "$(timeout "$LIMIT" ssh -F "$CONF" -o BatchMode=yes -o IdentityFile="$KEYS/$1" -o IdentityFile=none -p "$PORT" -l "$LOGIN" "$HOST" 'id -un')"; }
for k in ed25519 rsa ecdsa; do has "key $k" keytype $k; done
printf '#!/bin/sh\nprintf "%%s\\n" "$PASSWORD"\n' >"$TMP/askpass" && chmod +x "$TMP/askpass"
password() { same "$LOGIN" "$(SSH_ASKPASS=$TMP/askpass SSH_ASKPASS_REQUIRE=force timeout "$LIMIT" ssh -F "$CONF" -o PasswordAuthentication=yes -o PreferredAuthentications=password "$LOGIN@gate" 'id -un')"; }
has "password" password
has "exec" same "3 $LOGIN" "$(in_ 'echo $((1+2)) $(id -un)')"
clean() { in_ true >"$TMP/out" 2>"$TMP/err"; same 0 $? && same "" "$(cat "$TMP/out" "$TMP/err")"; }
has "no output of the gate's own" clean
two() { in_ 'echo out; echo err >&2' >"$TMP/out" 2>"$TMP/err"; same out "$(cat "$TMP/out")" && same err "$(cat "$TMP/err")"; }
has "stderr apart" two
s -o ControlMaster=yes -o ControlPath="$TMP/mux" -o ControlPersist=120 -fN "$LOGIN@gate"
m() { timeout "$LIMIT" ssh -F "$CONF" -o BatchMode=yes -o ControlPath="$TMP/mux" "$LOGIN@gate" "$@"; }
codes() { local i; for i in $CODES; do m "exit $i"; same $i $? || return; done; }
has "exit codes" codes
died() { in_ 'kill -TERM $$' 2>/dev/null; same 255 $?; }
has "exit signal" died
half() { same "5 late" "$(echo abcd | in_ 'wc -c; sleep 0.2; echo late' | tr -s '\n' ' ' | sed 's/ $//')"; }
has "half close" half
round() { same "$SUM" "$(in_ cat <"$DATA" | sum)"; }
has "bulk both ways" round
rekeyed() { same "$SUM" "$(s -o RekeyLimit=1M "$LOGIN@gate" cat <"$DATA" | sum)"; }
has "rekey" rekeyed
term() { script -qec "stty cols 77; exec ssh -F '$CONF' -tt $LOGIN@gate 'tty; stty size'" /dev/null </dev/null | tr -d '\r' | tr '\n' ' ' | grep -E '/dev/pts/[0-9]+ +[0-9]+ 77'; }
has "pty" term
envs() { same "C.x y" "$(LC_ALL=C.x s -o SendEnv=LC_ALL -o SetEnv=LC_PAPER=y "$LOGIN@gate" 'echo $LC_ALL $LC_PAPER' 2>/dev/null)"; }
has "env" envs
nosub() { s -s "$LOGIN@gate" nonsense </dev/null; [ $? != 0 ]; }
has "unknown subsystem refused" nosub
many() {
	local i pids='' bad=0
	for i in $(seq 9); do { same "$i" "$(m "echo $i; sleep 0.3")"; } & pids+=" $!"; done
	for i in $pids; do wait "$i" || bad=1; done
	return $bad
}
has "many channels" many
alive() { same "done" "$(s -o ServerAliveInterval=1 -o ServerAliveCountMax=3 "$LOGIN@gate" 'sleep 5; echo done')"; }
has "keepalive" alive
s -O exit -o ControlPath="$TMP/mux" gate 2>/dev/null

# --- files ---
copy() { # the command words
	"$@" "$DATA" "$LOGIN@gate:$INFO/o" && "$@" "$LOGIN@gate:$INFO/o" "$TMP/back" && same "$SUM" "$(sum <"$TMP/back")"
	local status=$?
	rm -f "$TMP/back"
	return $status
}
has "scp" copy timeout "$LIMIT" scp -q -O -F "$CONF"
has "scp over sftp" copy timeout "$LIMIT" scp -q -s -F "$CONF"
resume() {
	head -c 5M "$DATA" >"$TMP/part" && sftp -q -b - -F "$CONF" "$LOGIN@gate" <<<"put $TMP/part $INFO/r
reput $DATA $INFO/r
get $INFO/r $TMP/back
mkdir $INFO/d
rename $INFO/r $INFO/d/r
ls -l $INFO/d
chmod 600 $INFO/d/r
ln -s r $INFO/d/s
rm $INFO/d/r
rm $INFO/d/s
rmdir $INFO/d" >/dev/null && same "$SUM" "$(sum <"$TMP/back")"
}
has "sftp" resume

# --- forwards ---
local_() {
	"${S[@]}" -o ExitOnForwardFailure=yes -L "$BASE:127.0.0.1:$ECHO_IN" -N "$LOGIN@gate" >/dev/null 2>&1 & local p=$!
	await 30 listening "$BASE" && echoes "$BASE"
	local status=$?
	kill $p; return $status
}
has "local forward" local_
remote() {
	s -o ExitOnForwardFailure=yes -R "$((BASE + 1)):127.0.0.1:$ECHO_OUT" "$LOGIN@gate" \
		"head -c $FEW </dev/zero | perl net.pl talk $((BASE + 1)) | sha256sum | cut -d' ' -f1" | { read -r x; same "$(head -c "$FEW" /dev/zero | sum)" "$x"; }
}
has "remote forward" remote
chosen() { like_port "$(s -R "0:127.0.0.1:$ECHO_OUT" "$LOGIN@gate" true 2>&1)"; }
# As with sshd, a program starts after all that was asked for before it.
ready() {
	local r=() i
	for i in 4 5 6 7 8 9 10 11; do r+=(-R "$((BASE + i)):127.0.0.1:$ECHO_OUT"); done
	same 8 "$(s "${r[@]}" "$LOGIN@gate" 'ss -Htln "sport >= :'"$((BASE + 4))"' and sport <= :'"$((BASE + 11))"' and src 127.0.0.1" | wc -l')"
}
has "remote forwards precede the program" ready
like_port() { [[ $1 =~ Allocated\ port\ [0-9]+ ]] || { echo "$1"; return 1; }; }
has "remote forward, port 0" chosen
socks() {
	"${S[@]}" -D "$((BASE + 2))" -N "$LOGIN@gate" >/dev/null 2>&1 & local p=$!
	await 30 listening "$((BASE + 2))" &&
		same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | timeout "$LIMIT" socat -t 20 - "SOCKS4A:127.0.0.1:localhost:$ECHO_IN,socksport=$((BASE + 2))" | sum)"
	local status=$?
	kill $p; return $status
}
has "dynamic forward" socks
stdio() { same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | s -W "127.0.0.1:$ECHO_IN" "$LOGIN@gate" | sum)"; }
has "stdio forward" stdio
refused() { s -W 127.0.0.1:1 "$LOGIN@gate" </dev/null; [ $? != 0 ]; }
has "refused forward is told" refused
jump() { same "$LOGIN" "$(s -J "$LOGIN@gate" "$LOGIN@$INNER" 'id -un')"; }
has "jump through the gate" jump
unix_local() {
	"${S[@]}" -L "$TMP/l.sock:$ECHO_SOCK" -N "$LOGIN@gate" >/dev/null 2>&1 & local p=$!
	await 30 test -S "$TMP/l.sock" && echoes "$TMP/l.sock"
	local status=$?
	kill $p; return $status
}
has "local forward to a unix socket" unix_local
unix_remote() {
	same "$(head -c "$FEW" /dev/zero | sum)" "$(s -o ExitOnForwardFailure=yes -R "$INFO/r.sock:127.0.0.1:$ECHO_OUT" "$LOGIN@gate" \
		"head -c $FEW </dev/zero | perl net.pl talk $INFO/r.sock | sha256sum | cut -d' ' -f1")"
}
has "remote forward of a unix socket" unix_remote
agent() { with_agent rsa s -A -o IdentityAgent="$TMP/agent" -o IdentityFile="$KEYS/ed25519" "$LOGIN@gate" 'ssh-add -l' | grep RSA; }
has "agent forwarding" agent
x11() { s -Y -o XAuthLocation=/usr/bin/xauth "$LOGIN@gate" 'bash x11.sh' | grep HELLO-FROM-X; }
! command -v xauth >/dev/null || has "X11 forwarding" x11
