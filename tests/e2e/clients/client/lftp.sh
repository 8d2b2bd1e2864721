#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lftp's own sftp (sftp:// and fish://), which runs a stock ssh.
. "$(dirname "$0")/common.bash"
export HOME=$TMP
l() { timeout "$LIMIT" lftp -c "set sftp:connect-program 'ssh -a -x -F $CONF'; set fish:connect-program 'ssh -a -x -F $CONF'
set net:max-retries 1; set net:timeout 20; set xfer:clobber on; set cmd:fail-exit yes; $1"; }
open="open -u $LOGIN, sftp://gate"
both() { l "$open; put $DATA -o $INFO/l; get $INFO/l -o $TMP/back" && same "$SUM" "$(sum <"$TMP/back")"; }
has "sftp" both
part() { head -c 5M "$DATA" >"$TMP/part" && l "$open; get -c $INFO/l -o $TMP/part" && same "$SUM" "$(sum <"$TMP/part")"; }
has "sftp resume" part
pieces() { l "$open; pget -n 4 $INFO/l -o $TMP/pieces" && same "$SUM" "$(sum <"$TMP/pieces")"; }
has "sftp in parallel" pieces
mkdir -p "$TMP/tree/a/b"
for i in $(seq 50); do echo "$i" >"$TMP/tree/a/b/f$i"; done
tree() { l "$open; mirror -R -P 4 $TMP/tree $INFO/tree; mirror -P 4 $INFO/tree $TMP/tree2" && diff -r "$TMP/tree" "$TMP/tree2"; }
has "tree both ways" tree
verbs() { l "$open; mkdir $INFO/m; mv $INFO/l $INFO/m/l; chmod 600 $INFO/m/l; ls $INFO/m; rm -r $INFO/m" | grep -q ' l$'; }
has "sftp commands" verbs
fish() { l "open -u $LOGIN, fish://gate; put $TMP/tree/a/b/f7 -o $INFO/fish; cat $INFO/fish" | grep -qx 7; }
has "files over a shell" fish
