# Shared by recipes that change a tree with a package manager of this machine and run the tree's own programs in it.

root=$PWD/$OUT

# inside_tree COMMAND…: a program of the tree's own, with nothing of ours in its environment but the epoch.
inside_tree() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        "$(command -v chroot)" "$root" "$@"
}

# mounted [MODE], unmounted: what programs in the tree see of the machine. MODE is /tmp's, 755 as with void-mklive.
mounted() {
    for mo_dir in dev proc sys tmp; do [ -d "$root/$mo_dir" ] || mkdir "$root/$mo_dir"; done
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode="${1:-755}",nosuid,nodev tmpfs "$root/tmp"
}
unmounted() {
    umount "$root/tmp"
    # What lies below /sys and /dev cannot be unmounted one by one in a user namespace.
    umount -l "$root/sys" "$root/dev"
    umount "$root/proc"
}

# settle_tree: takes out what would differ the next time, and what made while building would be one for all machines.
# Links in the tree lead nowhere else.
settle_tree() {
    for se_path in etc/.pwd.lock var/cache/ldconfig/aux-cache var/lib/dbus/machine-id var/lib/systemd/random-seed; do
        se_at=$(inside "$se_path")
        rm -f "$se_at"
    done
    se_at=$(inside etc/ssh/x)
    rm -f "${se_at%/x}"/ssh_host_*_key "${se_at%/x}"/ssh_host_*_key.pub
    se_at=$(inside etc/machine-id)
    [ -L "$se_at" ] || [ ! -s "$se_at" ] || : >"$se_at"
    password_days "$root"
}
