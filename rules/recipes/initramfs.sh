# An initial RAM file system in the tree at $OUT, /boot/initrd, by the tree's own GENERATOR: initramfs-tools, dracut or
# mkinitcpio. ARCH, CPU; MODULES: blank-separated; CONF: its configuration, or unset.

root=$PWD/$OUT
if [ -d "$root/usr/lib/modules" ]; then kernels=$root/usr/lib/modules; else kernels=$root/lib/modules; fi
kernel=$(ls "$kernels" 2>/dev/null) || :
[ -n "$kernel" ] || die "there is no kernel in the tree (usr/lib/modules/<version>): install one"
case $kernel in *[[:space:]]*) die "several kernels are in the tree:" $kernel ;; esac
[ -z "$CPU" ] || emulate_foreign "$ARCH" "$CPU"

case $GENERATOR in initramfs-tools) program=mkinitramfs ;; *) program=$GENERATOR ;; esac
[ -n "$(PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" sh -c "command -v $program")" ] ||
    die "there is no $program in the tree: install $GENERATOR"
if [ -n "${CONF:-}" ]; then cp "$CONF" "$TMPDIR/conf"; fi
mkdir -p "$root/boot"
[ -d "$root/var/tmp" ] || mkdir -p -m 1777 "$root/var/tmp"
mounted
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/var/tmp"
case $GENERATOR in
    initramfs-tools)
        # A copy of its configuration, so that the tree's is not touched.
        mkdir "$root/tmp/conf"
        cp -a "$root/etc/initramfs-tools/." "$root/tmp/conf/"
        [ -z "${CONF:-}" ] || cp "$TMPDIR/conf" "$root/tmp/conf/initramfs.conf"
        printf '%s\n' $MODULES >>"$root/tmp/conf/modules"
        inside_tree mkinitramfs -d /tmp/conf -c zstd -o /boot/initrd "$kernel" || die "mkinitramfs failed"
        ;;
    dracut)
        set -- --no-hostonly --reproducible --xz
        [ -z "${CONF:-}" ] || { cp "$TMPDIR/conf" "$root/tmp/conf" && set -- "$@" --conf /tmp/conf; }
        [ -z "$MODULES" ] || set -- "$@" --force-add "$MODULES"
        inside_tree dracut "$@" /boot/initrd "$kernel" || die "dracut failed"
        ;;
    mkinitcpio)
        set -- --kernel "$kernel" --generate /boot/initrd
        [ -z "${CONF:-}" ] || { cp "$TMPDIR/conf" "$root/tmp/conf" && set -- "$@" --config /tmp/conf; }
        inside_tree mkinitcpio "$@" || die "mkinitcpio failed"
        ;;
esac
umount "$root/var/tmp"
unmounted
