#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# PuTTY's plink, pscp and psftp.
. "$(dirname "$0")/common.bash"
export PUTTYDIR=$TMP/putty
mkdir -p "$PUTTYDIR"
print=$(ssh-keygen -lf "$HOSTKEY" | cut -d' ' -f2)
for k in ed25519 rsa ecdsa; do puttygen "$KEYS/$k" -O private -o "$TMP/$k.ppk" >/dev/null 2>&1; done
O=(-batch -noagent -hostkey "$print" -P "$PORT")
P=(timeout "$LIMIT" plink "${O[@]}" -no-antispoof -i "$TMP/ed25519.ppk")
p() { "${P[@]}" "$@"; }
in_() { p "$LOGIN@$HOST" "$@"; }

keytype() { same "$LOGIN" "$(timeout "$LIMIT" plink "${O[@]}" -i "$TMP/$1.ppk" "$LOGIN@$HOST" 'id -un')"; }
for k in ed25519 rsa ecdsa; do has "key $k" keytype $k; done
password() { same "$LOGIN" "$(timeout "$LIMIT" plink "${O[@]}" -no-antispoof -pw "$PASSWORD" "$LOGIN@$HOST" 'id -un')"; }
has "password" password
has "exec" same "3 $LOGIN" "$(in_ 'echo $((1+2)) $(id -un)')"
clean() { in_ true >"$TMP/out" 2>"$TMP/err"; same 0 $? && same "" "$(cat "$TMP/out" "$TMP/err")"; }
has "no output of the gate's own" clean
two() { in_ 'echo out; echo err >&2' >"$TMP/out" 2>"$TMP/err"; same out "$(cat "$TMP/out")" && same err "$(cat "$TMP/err")"; }
has "stderr apart" two
codes() { local i; for i in $CODES; do in_ "exit $i"; same $i $? || return; done; }
has "exit codes" codes
died() { in_ 'kill -TERM $$' 2>/dev/null; [ $? != 0 ]; }
has "exit signal" died
half() { same "5 late" "$(echo abcd | in_ 'wc -c; sleep 0.2; echo late' | tr -s '\n' ' ' | sed 's/ $//')"; }
has "half close" half
round() { same "$SUM" "$(in_ cat <"$DATA" | sum)"; }
has "bulk both ways" round
term() { same "/dev/pts" "$(p -t "$LOGIN@$HOST" 'tty | cut -c1-8' </dev/null | tr -d '\r' | grep -E '^/dev/pts')"; }
has "pty" term
nosub() { p -s "$LOGIN@$HOST" nonsense </dev/null; [ $? != 0 ]; }
has "unknown subsystem refused" nosub
# psftp has 4 KiB messages under way without bound, and sftp-server 9.2 takes quadratic time for what waits in it.
head -c 5M "$DATA" >"$TMP/5M"
copy() { # FILE PROGRAM ARGUMENTS...
	local file=$1
	shift
	"$@" "${O[@]}" -i "$TMP/ed25519.ppk" -q "$file" "$LOGIN@$HOST:$INFO/c" && "$@" "${O[@]}" -i "$TMP/ed25519.ppk" -q "$LOGIN@$HOST:$INFO/c" "$TMP/back" &&
		cmp "$file" "$TMP/back"
	local status=$?
	rm -f "$TMP/back"
	return $status
}
has "scp" copy "$DATA" timeout "$LIMIT" pscp -scp
has "scp over sftp" copy "$TMP/5M" timeout "$LIMIT" pscp -sftp
sftp_() { timeout "$LIMIT" psftp "${O[@]}" -i "$TMP/ed25519.ppk" "$LOGIN@$HOST" -b /dev/stdin <<<"put $TMP/5M $INFO/s
get $INFO/s $TMP/back
mv $INFO/s $INFO/t
del $INFO/t" && cmp "$TMP/5M" "$TMP/back"; }
has "sftp" sftp_
local_() {
	"${P[@]}" -L "$BASE:127.0.0.1:$ECHO_IN" -N "$LOGIN@$HOST" >/dev/null 2>&1 & local p=$!
	await 30 listening "$BASE" && echoes "$BASE"
	local status=$?
	kill $p; return $status
}
has "local forward" local_
remote() {
	same "$(head -c "$FEW" /dev/zero | sum)" "$(p -R "$((BASE + 1)):127.0.0.1:$ECHO_OUT" "$LOGIN@$HOST" \
		"head -c $FEW </dev/zero | perl net.pl talk $((BASE + 1)) | sha256sum | cut -d' ' -f1")"
}
has "remote forward" remote
socks() {
	"${P[@]}" -D "$((BASE + 2))" -N "$LOGIN@$HOST" >/dev/null 2>&1 & local p=$!
	await 30 listening "$((BASE + 2))" &&
		same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | timeout "$LIMIT" socat -t 20 - "SOCKS4A:127.0.0.1:localhost:$ECHO_IN,socksport=$((BASE + 2))" | sum)"
	local status=$?
	kill $p; return $status
}
has "dynamic forward" socks
stdio() { same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | p -nc "127.0.0.1:$ECHO_IN" "$LOGIN@$HOST" | sum)"; }
has "stdio forward" stdio
pipe() { same hi "$(p -proxycmd "socat - TCP:$HOST:$PORT" "$LOGIN@$HOST" 'echo hi')"; }
has "through a proxy program" pipe
jump() {
	same "$LOGIN" "$(timeout "$LIMIT" plink -batch -noagent -hostkey "$print" -no-antispoof -i "$TMP/ed25519.ppk" \
		-proxycmd "plink ${O[*]} -i $TMP/ed25519.ppk -nc %host:%port $LOGIN@$HOST" "$LOGIN@$INNER" 'id -un')"
}
has "jump through the gate" jump
agent() { with_agent rsa timeout "$LIMIT" plink -batch -A -hostkey "$print" -P "$PORT" -no-antispoof -i "$TMP/ed25519.ppk" "$LOGIN@$HOST" 'ssh-add -l' | grep RSA; }
has "agent forwarding" agent
x11() { p -X "$LOGIN@$HOST" 'bash x11.sh' | grep HELLO-FROM-X; }
has "X11 forwarding" x11
