# Packages into the tree at $OUT, as mkplatformfs.sh does. ARCH.

[ -e "$root/var/db/xbps" ] || die "there is no package database of xbps in the tree"
mounted
install_closure
configure_all

# Boards that start with U-Boot get an initial RAM file system in its form.
if { [ ! -f "$root/boot/uInitrd" ] || [ ! -f "$root/boot/initrd" ]; } && [ "$cpu" = arm ] &&
    [ -x "$root/usr/bin/dracut" ] && [ -x "$root/usr/bin/mkimage" ]; then
    kernel=$(ls "$root/usr/lib/modules/")
    inside_tree /usr/bin/dracut /boot/initrd "$kernel" || die "dracut failed"
    inside_tree /usr/bin/mkimage -A arm -O linux -T ramdisk -C gzip -a 0 -e 0 -n 'Void Linux' \
        -d /boot/initrd /boot/uInitrd || die "mkimage failed"
fi
unmounted
settle_tree
