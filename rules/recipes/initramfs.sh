# An initial RAM file system in the tree at $OUT, /boot/initrd, by the tree's own GENERATOR: initramfs-tools, dracut or
# mkinitcpio. ARCH, CPU; MODULES: blank-separated; CONF: its configuration, or unset.

if [ -d "$root/usr/lib/modules" ]; then kernels=$root/usr/lib/modules; else kernels=$root/lib/modules; fi
FS=
kernel=$(ls "$kernels" 2>/dev/null) || :
[ -n "$kernel" ] || die "there is no kernel in the tree (usr/lib/modules/<version>): install one"
case $kernel in *[[:space:]]*) die "several kernels are in the tree: ${kernel//$'\n'/ }" ;; esac
[ -z "$CPU" ] || emulate_foreign "$ARCH" "$CPU"
has_generator "$GENERATOR" || die "there is no $GENERATOR in the tree: install it"
if [ -n "${CONF:-}" ]; then cp "$CONF" "$TMPDIR/conf"; fi
mkdir -p "$root/boot"
[ -d "$root/var/tmp" ] || { mkdir -p "$root/var" && mkdir -m 1777 "$root/var/tmp"; }
mounted
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/var/tmp"
generate "$GENERATOR" "$kernel" /boot/initrd
umount "$root/var/tmp"
unmounted
