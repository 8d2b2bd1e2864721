#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The limit `disk` on Debian's kernel: by project quotas of ext4 (and of an xfs, if `lab run -d FILE` brings one), which
# a tenant's root cannot leave, for files that are there already, too; and an image that grows.
# Needs the build with failure injection (build/faults). Runs in the lab: started anywhere else it starts itself there.
# shellcheck disable=SC2016 # expanded inside
[ -n "${SSHBAY_LAB:-}" ] || exec "$(dirname "$0")/../../scripts/lab" run -t 1500 "$0"
SSHBAY_BIN=$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin
export SSHBAY_BIN ON_LIMIT=300
. "$(dirname "$0")/../lib.sh"
[ -x "$SSHBAY_BIN/provisiond" ] || { skip "disk" "build/faults is not built (make faults)"; finish; }
bed() { "$ROOT/scripts/testbed" "$1" "$BED" "$2"; }
restart_with() { bed kill provisiond; SSHBAY_FAULT=${1:-} bed start provisiond; }
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
between() { [ "$2" -ge "$1" ] && [ "$2" -le "$3" ] || { echo "$2 is not in $1..$3"; return 1; }; }
set_disk() { # NAME SIZE: as configured now
	printf '[workspace]\nusers = %s\n%s\n' "$1" "${2:+disk = $2}" >"$BED/workspaces.d/$1.ini"
	bay reload >/dev/null
}
size() { on "$1@gate" 'df --output=size / | tail -1 | tr -d " "'; }
quota() { # ID: hard limits in KiB and inodes, as the kernel has them
	python3 - "$STORE" "$1" <<-'PY'
	import ctypes, os, struct, sys
	b = ctypes.create_string_buffer(72)
	cmd = ctypes.c_uint(0x800007 << 8 | 2)
	r = ctypes.CDLL(None, use_errno=True).syscall(443, os.open(sys.argv[1], os.O_RDONLY), cmd, int(sys.argv[2]), b)
	print(*(struct.unpack("9Q", b.raw)[i] for i in (0, 3)) if r == 0 else (0, 0))
	PY
}
full='No space left on device|Disk quota exceeded'
# perl is in every Debian: a file's project and flags, and a try to change them.
# shellcheck disable=SC2034
probe='$b = "\0" x 28; open(F, "<", $ARGV[0]) or die; ioctl(F, 0x801c581f, $b) or die "get: $!"; @x = unpack("L5", $b);
print "project $x[3]\n"; if ($ARGV[1] eq "leave") { $x[3] = 0 } elsif ($ARGV[1] eq "keep") { $x[0] &= ~0x200 } else { exit }
$b = pack("L5 x8", @x); print ioctl(F, 0x401c5820, $b) ? "changed\n" : "refused: $!\n"'
inside() { on "$1@gate" "sudo perl -e '$probe' $2 ${3:-look}" 2>&1; }

on_quotas() { # KIND: a store on a file system of that kind is at $STORE
	BED=$WORK/$1
	bed_up - <<-E2
	[storage]
	state = $STORE/state
	[workspace alice]
	users = alice
	disk = 64M
	[workspace bob]
	users = bob
	disk = 64M
	E2
	like "$1: doctor tells of quotas" "disk: limited by project quotas of $STORE" "$(bay doctor 2>&1)"
	is "$1: df inside shows the limit" 65536 "$(size alice)"
	is "$1: and the inodes" 16384 "$(on alice@gate 'df --output=itotal / | tail -1 | tr -d " "')"
	is "$1: so does show" "quota 67108864 16384" "$(field alice disk_way) $(field alice disk_size) $(field alice inodes)"
	like "$1: bytes end" "$full" "$(on alice@gate 'head -c 80M /dev/zero >big' 2>&1)"
	t "$1: at the limit" between 66000000 "$(field alice disk_used)" 67108864
	t "$1: a login works on a full disk" on alice@gate true
	like "$1: root inside has no more" "$full" "$(on alice@gate 'sudo sh -c "head -c 10M /dev/zero >/root/more"' 2>&1)"
	t "$1: and others write on" on bob@gate 'head -c 40M /dev/zero >b && sync'
	on alice@gate 'rm big'
	like "$1: inodes end" "$full" "$(on alice@gate 'mkdir f; cd f; seq 17000 | xargs touch' 2>&1)"
	on alice@gate 'rm -rf f'
	base=$(field alice id_base)
	on alice@gate 'echo x >f; mkdir -p d/e; echo y >d/e/f'
	like "$1: files are in the project" "project $base" "$(inside alice d/e/f)"
	like "$1: root inside cannot take a file out of it" "refused: Invalid argument" "$(inside alice d/e/f leave)"
	like "$1: nor a directory" "refused: Invalid argument" "$(inside alice d leave)"
	like "$1: nor end what it hands on" "refused: Invalid argument" "$(inside alice d keep)"
	like "$1: nor by a user namespace" "refused: Invalid argument|unshare" "$(on alice@gate "sudo unshare -Ur perl -e '$probe' d leave" 2>&1)"
	bay stop alice >/dev/null 2>&1; set_disk alice 96M
	is "$1: it grows at a start" 98304 "$(size alice)"
	on alice@gate 'head -c 40M /dev/zero >big; sync'; bay stop alice >/dev/null 2>&1; set_disk alice 64M
	t "$1: it shrinks" on alice@gate true
	is "$1: to that size" 65536 "$(size alice)"
	bay stop alice >/dev/null 2>&1; set_disk alice ''
	t "$1: without disk there is no limit" between 300000 "$(size alice)" 2000000
	is "$1: none of the kernel's either" "0 0" "$(quota "$base")"
	have_already "$1"
	base=$(field carol id_base)
	is "$1: the kernel has the quota" "65536 16384" "$(quota "$base")"
	bay destroy --purge carol >/dev/null 2>&1
	is "$1: and after a purge no more" "0 0" "$(quota "$base")"
	for how in ENOSPC kill; do
		bay destroy --purge bob >/dev/null 2>&1; restart_with "disk.quota=$how"
		out=$(on bob@gate true 2>&1); like "$1: $how while it is set is reported" '^254 ' "$? $out"
		restart_with
		t "$1: and leaves nothing" residue
	done
	bed_down
}
# Files that were made without a limit.
have_already() {
	on carol@gate 'sudo chown carol /mnt; cd; mkdir d; ln -s /nowhere link; mkfifo fifo; echo 1 >file; ln file hard; head -c 20M /dev/zero >big
		touch -h -d 2001-01-01 link; sudo rm /etc/debian_version; p=deep; for i in $(seq 60); do p=$p/d; done; mkdir -p $p; echo end >$p/end; sync'
	bay stop carol >/dev/null 2>&1; set_disk carol 64M
	restart_with "disk.mark=kill"
	out=$(on carol@gate true 2>&1); like "$1: a worker that dies over the files is reported" '^254 ' "$? $out"
	restart_with
	t "$1: files made without a limit get one" on carol@gate true
	t "$1: they count" between 20971520 "$(field carol disk_used)" 30000000
	like "$1: the deepest is in the project" "project $(field carol id_base)" "$(inside carol "/home/carol/deep$(printf '/d%.0s' $(seq 60))/end")"
	is "$1: a link stays what it was" "/nowhere 2001-01-01" "$(on carol@gate 'echo $(readlink link) $(date -r link +%F 2>/dev/null || stat -c %y link | cut -c1-10)')"
	t "$1: links and FIFOs can be moved" on carol@gate 'mv link fifo d/ && test -L d/link -a -p d/fifo'
	t "$1: by rename(2) itself" on carol@gate 'perl -e "rename(q(d/link), q(deep/link)) or die \$!"'
	t "$1: hard links are one file" on carol@gate 'test file -ef hard'
	t "$1: a removed file of the image stays removed" on carol@gate 'test ! -e /etc/debian_version'
	t "$1: and can be made again" on carol@gate 'sudo sh -c "echo 13 >/etc/debian_version"'
	like "$1: they end at the limit" "$full" "$(on carol@gate 'head -c 80M /dev/zero >more' 2>&1)"
}

modprobe loop 2>/dev/null
STORE=$WORK/store; mkdir "$STORE"
truncate -s 700M "$WORK/ext4.img"
mkfs.ext4 -q -F -m 0 -O project,quota -E quotatype=prjquota "$WORK/ext4.img"
t "ext4 with project quotas" mount -o loop,prjquota,nosuid,nodev "$WORK/ext4.img" "$STORE"
on_quotas ext4
umount "$STORE"
if [ "$(blkid -o value -s TYPE /dev/vdd 2>/dev/null)" = xfs ]; then
	t "xfs with project quotas" mount -o prjquota,nosuid,nodev /dev/vdd "$STORE"
	on_quotas xfs
	umount "$STORE"
else
	skip "xfs with project quotas" "the guest has no mkfs.xfs (lab run -d FILE with an xfs in it)"
fi

BED=$WORK/image
bed_up - <<'E2'
[workspace alice]
users = alice
disk = 64M
E2
t "an image" on alice@gate 'head -c 3M /dev/urandom >r; sync; sha256sum r >sum'
bay stop alice >/dev/null 2>&1; set_disk alice 200M
restart_with "disk.grow=kill"
out=$(on alice@gate true 2>&1); like "dies while it grows" '^254 ' "$? $out"
restart_with
t "grown by the next start" between 150000 "$(size alice)" 204800
t "with what it had" on alice@gate 'sha256sum -c sum'
is "shown" "image 209715200" "$(field alice disk_way) $(field alice disk_size)"
bay stop alice >/dev/null 2>&1
is "no device is left" "" "$(losetup -a | grep "$BED")"
finish
