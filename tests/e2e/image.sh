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

# --- sshbay image: list, import, remove, prune ---
img() { bay image "$@" 2>&1; }
rows() { bay image list --json | python3 -c 'import json,sys
for i in json.load(sys.stdin):
	if i["name"] == sys.argv[1]: print(i["version"], i["current"], i["users"])' "$1"; }
is "list: versions, the current one, who uses them" "tiny@1 False 0
tiny@2 False 1
tiny@3 True 0" "$(rows tiny)"
like "list for people" '^tiny +tiny@2 +no .* tiny$' "$(img list)"
like "a used version is not removed" "remove image 'tiny@2': the files of workspace 'tiny' lie on it .*destroy --purge tiny" "$(img remove tiny@2)"
like "nor the image, as a whole" "remove image 'tiny@2': the files of workspace 'tiny'" "$(img remove tiny)"
is "and nothing of it is gone" 3 "$(rows tiny | wc -l)"
is "prune removes what is neither current nor used" "image 'tiny@1' is removed" "$(img prune)"
is "removing the current version" "image 'tiny@3' is removed" "$(img remove tiny@3)"
is "leaves the newest as current" "tiny@2 True 1" "$(rows tiny)"
is "the workspace runs on" two "$(on alice+tiny@gate cat /etc/version)"
like "what is no image" "remove image 'none': no such image" "$(img remove none)"
like "nor a path" "remove image '../state': no such image" "$(img remove ../state)"

tree=$WORK/tree
mkdir "$tree" "$images/.removed.left@1"
cp -a "$images/tiny@2/rootfs/." "$tree"
echo imported >"$tree/etc/version"; mknod "$tree/dev/null" c 1 3; mkfifo "$tree/etc/pipe"
ln -s /etc "$tree/home/link"; chown 1234:1234 "$tree/home"; echo no >"$tree/etc/machine-id"
tar -C "$tree" -czf "$WORK/tree.tar.gz" .
t "import of a tar file" bay image import tiny "$WORK/tree.tar.gz"
bay destroy --purge tiny >/dev/null
is "a new workspace gets it" "imported 1234" "$(on alice+tiny@gate 'echo $(cat /etc/version) $(ls -nd /home | { read -r _ _ u _; echo $u; })')"
t "without an identity" [ ! -s "$images/tiny/rootfs/etc/machine-id" ]
is "without nodes" "" "$(find "$images"/tiny/rootfs/ -type c -o -type p)"
like "list tells where it is from" 'tree\.tar\.gz' "$(img list)"
t "import from standard input" bash -c "'$BED/sshbay' image import piped - <'$WORK/tree.tar.gz'"
t "import of a directory" bay image import dir "$tree"
like "both are listed" ' dir +dir@.* piped +piped@' "$(img list | tr '\n' ' ')"
refused() { # NAME REGEX SOURCE: refused, and nothing left of it
	like "$1" "import image 'bad': $2" "$(img import bad "$3")"
	is "and nothing is left" "" "$(find "$images" -maxdepth 1 -name '*bad*' ! -name '.bad.lock')"
}
refused "a source that is not there" "'/nowhere' does not exist" /nowhere
head -c 5000 /dev/urandom >"$WORK/noise"
refused "no tar file" "tar cannot unpack" "$WORK/noise"
mkdir -p "$WORK/around"; cp -a "$tree" "$WORK/around/"
refused "a folder around it" "there is no /etc in it" "$WORK/around"
rm "$tree/bin/sh"
refused "no shell" "there is no /bin/sh" "$tree"
ln -s busybox "$tree/bin/sh"; rm -rf "$tree/run"; mkdir "$WORK/victim"; : >"$WORK/victim/f"; ln -s "$WORK/victim" "$tree/run"
refused "links that lead out where the import writes" "/run is a symbolic link" "$tree"
t "what they lead to is untouched" [ -e "$WORK/victim/f" ]
rm "$tree/run"; mkdir "$tree/run"; chown 262144 "$tree/etc/version"
refused "ids that no workspace has" "'/etc/version' belongs to an id beyond" "$tree"
like "a bad name" "'../x' is not an image's name" "$(img import ../x "$tree")"
cp -a "$images/tiny@2" "$images/.removed.kept@1"; mkdir -p "$BED/state/workspaces/zz"; ln -s kept@1 "$BED/state/workspaces/zz/image"
is "an image nobody uses goes whole" "image '$(readlink "$images/piped")' is removed" "$(img remove piped)"
t "with its link" [ ! -L "$images/piped" ]
t "what an interrupted removal left went too" [ ! -e "$images/.removed.left@1" ]
t "but what a workspace uses came back" [ -d "$images/kept@1/rootfs" ]
rm -r "$BED/state/workspaces/zz"
finish
