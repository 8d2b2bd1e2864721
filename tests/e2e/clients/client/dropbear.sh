#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Dropbear's dbclient.
. "$(dirname "$0")/common.bash"
head -c "$FEW" "$DATA" >"$TMP/few"
# It looks for known hosts in the home directory of the account only: -y -y, no check.
dropbearconvert openssh dropbear "$KEYS/ed25519" "$TMP/ed25519" 2>/dev/null
# -K: now and then 2022.83 forgets to end after the last channel's CLOSE, with OpenSSH's sshd too, until something wakes it.
D=(timeout "$LIMIT" dbclient -K 1 -y -y -q -i "$TMP/ed25519" -p "$PORT")
d() { "${D[@]}" "$@"; }
in_() { d "$LOGIN@$HOST" "$@"; }

keytype() {
	dropbearconvert openssh dropbear "$KEYS/$1" "$TMP/k.$1" 2>/dev/null && same "$LOGIN" "$(timeout "$LIMIT" dbclient -y -y -i "$TMP/k.$1" -p "$PORT" "$LOGIN@$HOST" 'id -un')"
}
for k in ed25519 rsa ecdsa; do has "key $k" keytype $k; done
password() { same "$LOGIN" "$(DROPBEAR_PASSWORD=$PASSWORD timeout "$LIMIT" dbclient -y -y -q -p "$PORT" "$LOGIN@$HOST" 'id -un')"; }
has "password" password
has "exec" same "3 $LOGIN" "$(in_ 'echo $((1+2)) $(id -un)')"
clean() { in_ true >"$TMP/out" 2>"$TMP/err"; same 0 $? && same "" "$(cat "$TMP/out" "$TMP/err" | grep -v Caution | tr -d '\n')"; }
has "no output of the gate's own" clean
two() { in_ 'echo out; echo err >&2' >"$TMP/out" 2>"$TMP/err"; same out "$(cat "$TMP/out")" && same err "$(grep -v Caution "$TMP/err" | tr -d '\n')"; }
has "stderr apart" two
codes() { local i; for i in $CODES; do in_ "exit $i"; same $i $? || return; done; }
has "exit codes" codes
half() { same "5 late" "$(echo abcd | in_ 'wc -c; sleep 0.2; echo late' | tr -s '\n' ' ' | sed 's/ $//')"; }
has "half close" half
round() { same "$SUM_FEW" "$(d -W 2000000 "$LOGIN@$HOST" cat <"$TMP/few" | sum)"; }
has "bulk both ways" round
term() { script -qec "dbclient -y -y -q -i '$TMP/ed25519' -p $PORT -t $LOGIN@$HOST 'tty'" /dev/null </dev/null | grep -q '/dev/pts/'; }
has "pty" term
alive() { same "done" "$(d "$LOGIN@$HOST" 'sleep 3; echo done')"; }
has "keepalive" alive
through() { printf '#!/bin/sh\nexec dbclient -y -y -q -i %s -p %s -s %s@%s sftp\n' "$TMP/ed25519" "$PORT" "$LOGIN" "$HOST" >"$TMP/db" && chmod +x "$TMP/db" &&
	sftp -q -b - -S "$TMP/db" x >/dev/null <<<"put $TMP/few $INFO/s
get $INFO/s $TMP/back" && same "$SUM_FEW" "$(sum <"$TMP/back")"; }
has "sftp" through
scp_() { printf '#!/bin/sh\nfor c; do :; done\nexec dbclient -y -y -q -i %s -p %s %s@%s "$c"\n' "$TMP/ed25519" "$PORT" "$LOGIN" "$HOST" >"$TMP/dbs" && chmod +x "$TMP/dbs" &&
	scp -q -O -S "$TMP/dbs" "$TMP/few" "x:$INFO/c" && scp -q -O -S "$TMP/dbs" "x:$INFO/c" "$TMP/back" && same "$SUM_FEW" "$(sum <"$TMP/back")"; }
has "scp" scp_
local_() {
	"${D[@]}" -L "$BASE:127.0.0.1:$ECHO_IN" -N "$LOGIN@$HOST" >/dev/null 2>&1 & local p=$!
	await 30 listening "$BASE" && echoes "$BASE"
	local status=$?
	kill $p; return $status
}
has "local forward" local_
remote() {
	same "$(head -c "$FEW" /dev/zero | sum)" "$(d -R "$((BASE + 1)):127.0.0.1:$ECHO_OUT" "$LOGIN@$HOST" \
		"head -c $FEW </dev/zero | perl net.pl talk $((BASE + 1)) | sha256sum | cut -d' ' -f1")"
}
has "remote forward" remote
stdio() { same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | d -B "127.0.0.1:$ECHO_IN" "$LOGIN@$HOST" | sum)"; }
has "stdio forward" stdio
pipe() { same hi "$(timeout "$LIMIT" dbclient -y -y -q -i "$TMP/ed25519" -J "socat - TCP:$HOST:$PORT" "$LOGIN@$HOST/$PORT" 'echo hi')"; }
has "through a proxy program" pipe
jump() { same "$LOGIN" "$(timeout "$LIMIT" dbclient -y -y -q -i "$TMP/ed25519" -J "dbclient -y -y -q -i $TMP/ed25519 -p $PORT -B $INNER:22 $LOGIN@$HOST" "$LOGIN@$INNER" 'id -un')"; }
has "jump through the gate" jump
agent() { with_agent rsa timeout "$LIMIT" dbclient -A -y -y -q -i "$TMP/ed25519" -p "$PORT" "$LOGIN@$HOST" 'ssh-add -l' | grep RSA; }
has "agent forwarding" agent
