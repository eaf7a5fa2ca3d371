# The contents of an installer ISO, the tree $TREE, as one file $OUT that starts from CD and USB stick, with BIOS and UEFI.
# LABEL.

needs_space $(($(du -sk --exclude=.installer "$TREE" | cut -f1) + 8192)) "this image"
# isolinux finds itself by what this writes into it, so it has to be its own.
mbr=$TREE/.installer/isohdpfx.bin
[ -f "$mbr" ] || mbr=/usr/lib/ISOLINUX/isohdpfx.bin
[ -f "$mbr" ] || die "neither the package syslinux nor this machine has isohdpfx.bin (package isolinux)"
# xorriso writes into isolinux.bin while it makes the image, not into the tree.
xorriso -as mkisofs -quiet -o "$OUT" -V "$LABEL" -iso-level 3 -r -J -joliet-long -m .installer \
    -isohybrid-mbr "$mbr" -partition_offset 16 -c boot/isolinux/boot.cat \
    -b boot/isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot \
    -e boot/efiboot.img -no-emul-boot -isohybrid-gpt-basdat \
    --set_all_file_dates "=$SOURCE_DATE_EPOCH" "$TREE"
