# A platform file system tarball by mkplatformfs.sh: PLATFORM's packages on the tarball $ROOTFS.

emulate
run ./mkplatformfs.sh -r "$work/$REPO" -x 0 -o out.tar.xz "$PLATFORM" "$work/$ROOTFS"
whole_tarball mklive/out.tar.xz
same_packages
mv mklive/out.tar.xz "$OUT"
