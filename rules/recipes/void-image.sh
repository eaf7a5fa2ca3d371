# A disk image by mkimage.sh, as make would run it, from the tarball $PLATFORMFS, which it calls BASE. The script takes the
# platform from the tarball's name, and repositories from the image: it has the network, and what it installed is compared
# afterwards.

needs_vfat mkimage.sh
emulate
ln -s "$work/$PLATFORMFS" "mklive/$BASE"
words_without xo
run "$script" -x 0 -o image.img "${words[@]}"
case $SUFFIX in
    tar.gz) whole_tarball mklive/image.tar.gz ;;
    *) xz -t "mklive/image.$SUFFIX" || die "the script reports success, but its image is cut off or damaged" ;;
esac
same_packages
mv "mklive/image.$SUFFIX" "$OUT"
