# A disk image by mkimage.sh from the tarball $PLATFORMFS. The script takes PLATFORM from the tarball's name, and
# repositories from the image: it has the network, and what it installed is compared afterwards.

needs_vfat mkimage.sh
emulate
name=void-$PLATFORM-PLATFORMFS.tar.xz
ln -s "$work/$PLATFORMFS" "mklive/$name"
run ./mkimage.sh -x 0 -o image.img "$name"
case $SUFFIX in
    tar.gz) whole_tarball mklive/image.tar.gz ;;
    *) xz -t "mklive/image.$SUFFIX" || die "the script reports success, but its image is cut off or damaged" ;;
esac
same_packages
mv "mklive/image.$SUFFIX" "$OUT"
