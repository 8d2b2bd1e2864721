#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The cases of tests/e2e/hostile.sh and tenant.sh that take minutes: a scanner for a minute while 200 logins come and go, and
# 200 MB under a new key every KiB with each cipher.
. "$(dirname "$0")/../../lib.sh"
bed_up
on alice@gate true
rt=$(sed -n 1p "$BED/testbed.id")
hits=$BED/state/workspaces/alice/upper/home/alice/hits
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$WORK/probe" "$ROOT/tests/e2e/tenant_probe.c" || not_ok "the probe compiles"
"$BED/run" scp -q -F "$BED/ssh_config" "$WORK/probe" alice@gate:probe

# --- a scanner (D06) ---
on -f alice@gate "sudo setsid ./probe scan 60 '$(printf '%s' "$rt/" | rev)' >hits 2>&1 </dev/null &" >/dev/null 2>&1
await 5 grep -q begun "$hits"
fails=0
for i in $(seq 200); do
	case $((i % 4)) in
	0) on -tt alice@gate true </dev/null >/dev/null 2>&1 || fails=$((fails + 1)) ;;
	1) echo pwd | "$BED/run" sftp -q -b - -F "$BED/ssh_config" alice@gate >/dev/null 2>&1 || fails=$((fails + 1)) ;;
	2) on -R 0:127.0.0.1:1 -L 17001:127.0.0.1:1 alice@gate true >/dev/null 2>&1 || fails=$((fails + 1)) ;;
	*) on alice@gate true >/dev/null 2>&1 || fails=$((fails + 1)) ;;
	esac
done
is "200 logins under a scanner" 0 $fails
await 70 grep -q rounds "$hits"
like "the scanner did its rounds" 'rounds [1-9]' "$(cat "$hits")"
unlike "and found nothing of the host" HIT "$(sort "$hits" | uniq -c | head -20)"

# --- rekeying (D53) ---
head -c 200M /dev/urandom >"$WORK/blob"
sum=$(sha256sum <"$WORK/blob")
for c in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes256-ctr aes192-ctr aes128-ctr; do
	is "200 MB with a new key every KiB, $c" "$sum" "$(ON_LIMIT=280 on -c $c -o RekeyLimit=1K alice@gate cat <"$WORK/blob" | sha256sum)"
done
finish
