# A platform file system tarball by mkplatformfs.sh, as make would run it, on the tarball $ROOTFS, which it calls BASE.

emulate
ln -s "$work/$ROOTFS" "mklive/$BASE"
words_without rxo
run "$script" -r "$work/$REPO" -x 0 -o out.tar.xz "${words[@]}"
whole_tarball mklive/out.tar.xz
same_packages
mv mklive/out.tar.xz "$OUT"
