# A network boot tarball by mknet.sh, as make would run it, from the tarball $ROOTFS, which it calls BASE. The script takes the architecture from the tarball's
# name and puts the date of this moment in that of its own, which the engine then collects.

emulate
ln -s "$work/$ROOTFS" "mklive/$BASE"
words_without r
run "$script" -r "$work/$REPO" "${words[@]}"
set -- mklive/void-"$ARCH"-NETBOOT-*.tar.gz
whole_tarball "$1"
for file in vmlinuz initrd pxelinux.0 ldlinux.c32 pxelinux.cfg/default; do
    grep -qx "./$file" "$TMPDIR/names" || die "the script reports success, but its tarball has no $file"
done
same_packages
mv "$1" .
