# An Arch root filesystem into $OUT, step by step as pacstrap makes it with -c, -G and -M. pacstrap itself mounts
# devtmpfs on the tree's /dev, which is the machine's own: a script that deletes a device there deletes it here.
# ARCH, NO_EXTRACT; IN_IMAGE: the server in the image's mirrorlist, or empty.

chmod 755 "$root"
mkdir -p "$root/var/cache/pacman/pkg" "$root/var/lib/pacman" "$root/var/log" "$root/dev" "$root/run" "$root/etc/pacman.d"
mkdir -m 1777 "$root/tmp"
mkdir -m 555 "$root/sys" "$root/proc"
mounted run
install_closure
unmounted
settle_tree
if [ -n "$IN_IMAGE" ] && [ -e "$root/etc/pacman.conf" ]; then
    at=$(inside etc/pacman.d/mirrorlist)
    rm -f "$at"
    printf 'Server = %s\n' "$IN_IMAGE" >"$at"
fi
