# An initial RAM file system for each kernel of the tree at $OUT that has none, by the tree's own generator, under the name
# that its distribution has for it. All that was made is in /boot, and named in /boot/made, a line each; the tree is thrown
# away. ARCH, CPU; FS: the root file system that it will lie on.

MODULES=
mkdir -p "$root/boot"
: >"$root/boot/made"
# A package that leaves its kernel beside the modules has a hook that copies it.
for kernel in "$root"/usr/lib/modules/*/vmlinuz; do
    [ -f "$kernel" ] || continue
    version=${kernel%/vmlinuz} version=${version##*/} name=${version}
    [ ! -f "${kernel%/vmlinuz}/pkgbase" ] || name=$(cat "${kernel%/vmlinuz}/pkgbase")
    [ ! -e "$root/boot/vmlinuz-$name" ] || continue
    cp -p "$kernel" "$root/boot/vmlinuz-$name"
    echo "vmlinuz-$name" >>"$root/boot/made"
done
kernels | while read -r name version _ initrd; do
    [ "$initrd" != - ] || echo "$name $version"
done >"$TMPDIR/wanting"
[ -s "$TMPDIR/wanting" ] || exit 0

[ -z "$CPU" ] || emulate_foreign "$ARCH" "$CPU"
generator=
for one in initramfs-tools dracut mkinitcpio; do
    ! has_generator "$one" || { generator=$one && break; }
done
# Whether that is a mistake depends on how the disk starts.
[ -n "$generator" ] || exit 0
mkdir -p "$root/var/tmp"
mounted
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/var/tmp"
while read -r name version; do
    file=$(initrd_name "$name")
    echo "$generator makes /$file"
    generate "$generator" "$version" "/$file" </dev/null
    chown 0:0 "$root/$file"
    chmod 644 "$root/$file"
    echo "${file#boot/}" >>"$root/boot/made"
done <"$TMPDIR/wanting"
umount "$root/var/tmp"
unmounted
