# A network boot tarball by mknet.sh from the tarball $ROOTFS. The script takes the architecture from the tarball's
# name and puts the date of this moment in that of its own, which the engine then collects.

emulate
name=void-$ARCH-ROOTFS.tar.xz
ln -s "$work/$ROOTFS" "mklive/$name"
run ./mknet.sh -r "$work/$REPO" "$name"
set -- mklive/void-"$ARCH"-NETBOOT-*.tar.gz
whole_tarball "$1"
for file in vmlinuz initrd pxelinux.0 ldlinux.c32 pxelinux.cfg/default; do
    grep -qx "./$file" "$TMPDIR/names" || die "the script reports success, but its tarball has no $file"
done
same_packages
mv "$1" .
