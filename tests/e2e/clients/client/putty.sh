#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# PuTTY's plink, pscp and psftp.
. "$(dirname "$0")/common.bash"
export PUTTYDIR=$TMP/putty
mkdir -p "$PUTTYDIR"
print=$(ssh-keygen -lf "$HOSTKEY" | cut -d' ' -f2)
for k in ed25519 rsa ecdsa; do puttygen "$KEYS/$k" -O private -o "$TMP/$k.ppk" >/dev/null 2>&1; done
O=(-batch -noagent -hostkey "$print" -P "$PORT")
P=(timeout 60 plink "${O[@]}" -no-antispoof -i "$TMP/ed25519.ppk")
p() { "${P[@]}" "$@"; }
in_() { p "$LOGIN@$HOST" "$@"; }

keytype() { same "$LOGIN" "$(timeout 20 plink "${O[@]}" -i "$TMP/$1.ppk" "$LOGIN@$HOST" 'id -un')"; }
for k in ed25519 rsa ecdsa; do has "key $k" keytype $k; done
has "exec" same "3 $LOGIN" "$(in_ 'echo $((1+2)) $(id -un)')"
clean() { in_ true >"$TMP/out" 2>"$TMP/err"; same 0 $? && same "" "$(cat "$TMP/out" "$TMP/err")"; }
has "no output of the gate's own" clean
two() { in_ 'echo out; echo err >&2' >"$TMP/out" 2>"$TMP/err"; same out "$(cat "$TMP/out")" && same err "$(cat "$TMP/err")"; }
has "stderr apart" two
codes() { local i; for i in 0 1 2 3 64 126 127 128 129 200 254 255; do in_ "exit $i"; same $i $? || return; done; }
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
has "scp" copy "$DATA" timeout 60 pscp -scp
has "scp over sftp" copy "$TMP/5M" timeout 60 pscp -sftp
sftp_() { timeout 60 psftp "${O[@]}" -i "$TMP/ed25519.ppk" "$LOGIN@$HOST" -b /dev/stdin <<<"put $TMP/5M $INFO/s
get $INFO/s $TMP/back
mv $INFO/s $INFO/t
del $INFO/t" && cmp "$TMP/5M" "$TMP/back"; }
has "sftp" sftp_
local_() {
	"${P[@]}" -L "$BASE:127.0.0.1:$ECHO_IN" -N "$LOGIN@$HOST" >/dev/null 2>&1 & local p=$!
	await 5 listening "$BASE" && echoes "$BASE"
	local status=$?
	kill $p; return $status
}
has "local forward" local_
remote() {
	same "$(head -c 20M /dev/zero | sum)" "$(p -R "$((BASE + 1)):127.0.0.1:$ECHO_OUT" "$LOGIN@$HOST" \
		"sleep 0.3; head -c 20M </dev/zero | perl net.pl talk $((BASE + 1)) | sha256sum | cut -d' ' -f1")"
}
has "remote forward" remote
socks() {
	"${P[@]}" -D "$((BASE + 2))" -N "$LOGIN@$HOST" >/dev/null 2>&1 & local p=$!
	await 5 listening "$((BASE + 2))" &&
		same "$SUM20" "$(head -c 20M "$DATA" | timeout 20 socat -t 20 - "SOCKS4A:127.0.0.1:localhost:$ECHO_IN,socksport=$((BASE + 2))" | sum)"
	local status=$?
	kill $p; return $status
}
has "dynamic forward" socks
stdio() { same "$SUM20" "$(head -c 20M "$DATA" | p -nc "127.0.0.1:$ECHO_IN" "$LOGIN@$HOST" | sum)"; }
has "stdio forward" stdio
pipe() { same hi "$(p -proxycmd "socat - TCP:$HOST:$PORT" "$LOGIN@$HOST" 'echo hi')"; }
has "through a proxy program" pipe
