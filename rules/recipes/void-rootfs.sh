# A root file system tarball by mkrootfs.sh, as make would run it.

emulate
words_without rxo
run "$script" -r "$work/$REPO" -x 0 -o out.tar.xz "${words[@]}"
whole_tarball mklive/out.tar.xz
same_packages
mv mklive/out.tar.xz "$OUT"
