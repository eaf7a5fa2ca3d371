# A root file system tarball by mkrootfs.sh: the package SYSTEM and what it depends on.

emulate
run ./mkrootfs.sh -r "$work/$REPO" -x 0 -b "$SYSTEM" -o out.tar.xz "$ARCH"
whole_tarball mklive/out.tar.xz
same_packages
mv mklive/out.tar.xz "$OUT"
