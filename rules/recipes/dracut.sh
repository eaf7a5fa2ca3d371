# An initial RAM file system in the tree at $OUT, /boot/initrd, by the tree's own dracut. ARCH; COMPRESS; FORCE,
# DRIVERS: blank-separated modules and drivers.

kernel=$(ls "$root/usr/lib/modules/" 2>/dev/null) || die "there is no kernel in the tree"
case $kernel in *[[:space:]]*) die "several kernels are in the tree: ${kernel//$'\n'/ }" ;; esac
mounted
# --reproducible: without it the archive holds the times of this build.
inside_tree /usr/bin/dracut -N --reproducible "--$COMPRESS" --add-drivers "$DRIVERS" --force-add "$FORCE" \
    --omit systemd /boot/initrd "$kernel" || die "dracut failed"
unmounted
settle_tree
