# Shared by recipes that change a tree with a package manager of this machine and run the tree's own programs in it.

root=$PWD/$OUT

# inside_tree COMMAND…: a program of the tree's own, with nothing of ours in its environment but the epoch.
inside_tree() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        "$(command -v chroot)" "$root" "$@"
}

# mounted [DIR…]: what programs in the tree see of the machine, and memory over /tmp and each DIR. Directories that the
# tree has none of are made, with the modes that all distributions give them.
mounted() {
    mo_memory="tmp $*" mo_made=
    for mo_dir in dev:755 proc:555 sys:555 tmp:1777 run:755; do
        mo_mode=${mo_dir#*:} mo_dir=${mo_dir%:*}
        case $mo_dir-" $mo_memory " in run-*" run "*) ;; run-*) continue ;; esac
        [ -d "$root/$mo_dir" ] || { mkdir -m "$mo_mode" "$root/$mo_dir" && mo_made="$mo_made $mo_dir"; }
    done
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    for mo_dir in $mo_memory; do
        mount -t tmpfs -o "$(stat -c mode=%a,uid=%u,gid=%g "$root/$mo_dir"),nosuid,nodev" tmpfs "$root/$mo_dir"
    done
}
# unmounted: what packages did to a directory that memory lay over, its mode and owner, is done to the tree's own.
unmounted() {
    for mo_dir in $mo_memory; do
        mo_now=$(stat -c '%a %u:%g' "$root/$mo_dir")
        # Lazily where a script left something that is mounted or running there.
        umount "$root/$mo_dir" || umount -l "$root/$mo_dir"
        { [ ! -L "$root/$mo_dir" ] && [ "$mo_now" != "$(stat -c '%a %u:%g' "$root/$mo_dir")" ]; } || continue
        chown "${mo_now#* }" "$root/$mo_dir"
        chmod "${mo_now% *}" "$root/$mo_dir"
    done
    # What lies below /sys and /dev cannot be unmounted one by one in a user namespace.
    umount -l "$root/sys" "$root/dev"
    umount "$root/proc"
    nothing_mounted
}

unique_before=$(unique_left)

# settle_tree: takes out what would differ the next time, and what made while building would be one for all machines.
# Links in the tree lead nowhere else.
settle_tree() {
    nothing_mounted
    delete etc/.pwd.lock var/cache/ldconfig/aux-cache
    take_unique
    password_days
}
