#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# curl, which speaks sftp and scp by libssh2.
. "$(dirname "$0")/common.bash"
print=$(ssh-keygen -lf "$HOSTKEY" | sed "s/.*SHA256:\([^ ]*\) .*/\1/")
c() { # KEY WORDS...
	local key=$1
	shift
	timeout "$LIMIT" curl -sS --hostpubsha256 "$print" -u "$LOGIN:" --key "$KEYS/$key" --pubkey "$KEYS/$key.pub" "$@"
}
at=$HOST:$PORT
keytype() { c "$1" "sftp://$at/etc/debian_version" | grep -q .; }
for k in ed25519 ecdsa; do has "key $k" keytype $k; done
password() { timeout "$LIMIT" curl -sS --hostpubsha256 "$print" -u "$LOGIN:$PASSWORD" "sftp://$at/etc/debian_version" | grep -q .; }
has "password" password
both() { c ed25519 -T "$DATA" "$1://$at$INFO/c" && c ed25519 "$1://$at$INFO/c" -o "$TMP/back" && same "$SUM" "$(sum <"$TMP/back")"; }
has "sftp" both sftp
has "scp" both scp
part() { head -c 5M "$DATA" >"$TMP/part" && c ed25519 -C - "sftp://$at$INFO/c" -o "$TMP/part" && same "$SUM" "$(sum <"$TMP/part")"; }
has "sftp resume" part
listing() { c ed25519 "sftp://$at$INFO/" | grep -q ' c$'; }
has "sftp listing" listing
verbs() { c ed25519 -Q "rename $INFO/c $INFO/d" -Q "chmod 600 $INFO/d" -Q "mkdir $INFO/m" -Q "rmdir $INFO/m" -Q "rm $INFO/d" -o /dev/null "sftp://$at$INFO/"; }
has "sftp commands" verbs
