#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images: one without glibc, bash, sudo or an sftp-server of its own; versions; sftp in every one of them.
. "$(dirname "$0")/../lib.sh"
images=$WORK/images
mkdir -p "$images/tiny/rootfs"/{bin,etc,dev,proc,sys,tmp,run,root,home}
cp /bin/busybox "$images/tiny/rootfs/bin/"
for applet in sh ls cat id hostname echo ip ping mkdir sleep ps kill wc head; do ln -s busybox "$images/tiny/rootfs/bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$images/tiny/rootfs/etc/passwd"
printf 'root:x:0:\n' >"$images/tiny/rootfs/etc/group"
ln -s "${SSHBAY_IMAGE_CACHE:-/var/cache/sshbay}/images/bookworm" "$images/bookworm"
mkdir -p "$images/bare/rootfs/etc"
bed_up - <<E2
[storage]
images = $images
[workspace tiny]
users = alice
image = tiny
[workspace bare]
users = alice
image = bare
E2
is "a login into an image with nothing but busybox" "alice tiny /home/alice /bin/sh" "$(on alice+tiny@gate 'echo $(id -un) $(hostname) $HOME $SHELL')"
is "a terminal there" "/dev/pts/0" "$(on -tt alice+tiny@gate 'readlink /proc/self/fd/0 2>/dev/null || busybox readlink /proc/self/fd/0' </dev/null | tr -d '\r')"
head -c 300000 /dev/urandom >"$WORK/f"
t "sftp works in an image without sftp-server" "$BED/run" sftp -q -b - -F "$BED/ssh_config" alice+tiny@gate <<<"put $WORK/f f1
get f1 $WORK/f2"
is "and keeps the bytes" "$(sha256sum <"$WORK/f")" "$(sha256sum <"$WORK/f2")"
out=$(on alice+bare@gate true 2>&1); rc=$?
like "an image without a shell is explained" "^254 .*sshbay: .*(shell|/bin/sh)" "$rc $out"
t "the default image still works" on alice@gate true

# A new version of an image is for new workspaces; one that exists keeps the version it was made from.
mv "$images/tiny" "$images/tiny@1"; ln -s tiny@1 "$images/tiny"
is "the image by its link" tiny "$(bay stop tiny >/dev/null; on alice+tiny@gate hostname)"
cp -a "$images/tiny@1" "$images/tiny@2"; echo two >"$images/tiny@2/rootfs/etc/version"
ln -sfn tiny@2 "$images/tiny"
on alice@gate true
bay destroy --purge tiny >/dev/null
is "a new workspace gets the new version" two "$(on alice+tiny@gate cat /etc/version)"
cp -a "$images/tiny@2" "$images/tiny@3"; echo three >"$images/tiny@3/rootfs/etc/version"
ln -sfn tiny@3 "$images/tiny"
bay stop tiny >/dev/null
is "an existing workspace keeps its own" two "$(on alice+tiny@gate cat /etc/version)"
finish
