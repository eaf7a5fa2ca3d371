# Shared by recipes that run programs of the tree at $root.

# inside_tree COMMAND…: a program of the tree's own, with nothing of ours in its environment but the epoch.
inside_tree() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        "$(command -v chroot)" "$root" "$@"
}

# mounted, unmounted: what programs in the tree see of the machine.
mounted() {
    for mo_dir in dev proc sys tmp; do [ -d "$root/$mo_dir" ] || mkdir "$root/$mo_dir"; done
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/tmp"
}
unmounted() {
    umount "$root/tmp"
    # What lies below /sys and /dev cannot be unmounted one by one in a user namespace.
    umount -l "$root/sys" "$root/dev"
    umount "$root/proc"
}
