# A live image, $OUT: $KERNEL and $INITRD with isolinux for BIOS (where BIOS says so) and GRUB for UEFI, and CONTENTS,
# lines of a variable, the leading directory of its files that is not part of their place, = and the place. LABEL;
# EFI_NAME, GRUB_PLATFORM. The contents are not copied on the way.

top=$TMPDIR/iso
grafts=$TMPDIR/grafts
mkdir -p "$top/boot/grub" "$top/.disk" "$top/EFI/BOOT"
# What is = or \ in a path would end it.
escaped() { printf '%s' "$1" | sed 's/[\\=]/\\&/g'; }
graft() {
    printf '%s=%s\n' "/$(escaped "$1")" "$(escaped "$2")" >>"$grafts"
    printf '%s\0' "$2" >>"$grafts.from"
}
: >"$grafts"
graft boot/vmlinuz "$KERNEL"
graft boot/initrd.img "$INITRD"
printf '%s\n' "$CONTENTS" | while read -r name rest; do
    [ -n "$name" ] || continue
    strip=${rest%%=*} place=${rest#*=}
    eval "value=\$$name"
    # Of one file it is what it holds, under another name; the engine saw to it that a link leads to a file of the stage.
    [ "${place%/}" != "$place" ] || [ ! -L "$value" ] || value=$(realpath --relative-to=. "$value")
    if [ "${place%/}" = "$place" ] && { [ -f "$value" ] || { [ -d "$value" ] && [ ! -L "$value" ]; }; }; then
        graft "$place" "$value"
        continue
    fi
    [ "${place%/}" != "$place" ] || die "contents: $place is one file, but several are given; end it in / for a directory"
    printf '%s\n' "$value" | while IFS= read -r file; do
        graft "$place${file#"${strip:+$strip/}"}" "$file"
    done
done
# The medium is found by what is on no other one.
id=$(cat "$KERNEL" "$INITRD" | { sha256sum; printf '%s\n' "$LABEL" "$MENU" "$CONTENTS"; } | sha256sum | cut -c1-32)
echo "$LABEL" >"$top/.disk/$id"

needed=$(du -skc --files0-from="$grafts.from" | tail -1 | cut -f1)
needs_space $((needed + 8192)) "this image"

grub_menu "(\$root)/boot" >"$top/boot/grub/grub.cfg"
cat >"$TMPDIR/early.cfg" <<END
search --no-floppy --set=root --file /.disk/$id
set prefix=(\$root)/boot/grub
configfile (\$root)/boot/grub/grub.cfg
END
grub-mkimage -O "$GRUB_PLATFORM" -o "$top/EFI/BOOT/$EFI_NAME" -p /boot/grub -c "$TMPDIR/early.cfg" \
    part_gpt part_msdos fat iso9660 search search_fs_file normal configfile linux serial terminal echo test all_video
efi=$top/boot/grub/efi.img
touch -d "@$SOURCE_DATE_EPOCH" "$top/EFI/BOOT/$EFI_NAME"
mkfs.vfat --invariant -C -n EFI "$efi" $((($(stat -c %s "$top/EFI/BOOT/$EFI_NAME") / 1024 + 512 + 63) / 64 * 64)) >/dev/null
mmd -i "$efi" ::/EFI ::/EFI/BOOT
mcopy -m -i "$efi" "$top/EFI/BOOT/$EFI_NAME" ::/EFI/BOOT/

set -- -as mkisofs -quiet -o "$OUT" -V "$LABEL" -iso-level 3 -r -J -joliet-long
if [ -n "$BIOS" ]; then
    mkdir "$top/isolinux"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 \
        /usr/lib/syslinux/modules/bios/libcom32.c32 /usr/lib/syslinux/modules/bios/libutil.c32 \
        /usr/lib/syslinux/modules/bios/menu.c32 "$top/isolinux/"
    syslinux_menu /boot >"$top/isolinux/isolinux.cfg"
    set -- "$@" -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -partition_offset 16 -c isolinux/boot.cat \
        -b isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot
    hybrid=-isohybrid-gpt-basdat
else
    hybrid="-append_partition 2 0xef $efi"
fi
# shellcheck disable=SC2086 # words
set -- "$@" -e boot/grub/efi.img -no-emul-boot $hybrid
# The date of the volume, and what is made of it, comes from SOURCE_DATE_EPOCH.
xorriso "$@" --set_all_file_dates "=$SOURCE_DATE_EPOCH" -graft-points -path-list "$grafts" "$top"
