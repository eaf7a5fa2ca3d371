# A live image, $OUT: $KERNEL and $INITRD with isolinux for BIOS (where BIOS says so) and GRUB for UEFI, and CONTENTS,
# lines of a variable, the leading directory of its files that is not part of their place, = and the place. LABEL;
# EFI_NAME, GRUB_PLATFORM. The contents are not copied on the way.

top=$TMPDIR/iso
grafts=$TMPDIR/grafts
mkdir -p "$top/boot/grub" "$top/.disk" "$top/EFI/BOOT"
# No process is started for a file: there may be thousands.
graft() {
    places "$1" "$2"
    # What is = or \ in a path would end it.
    local gr_at=${1//\\/\\\\} gr_from=${2//\\/\\\\}
    printf '/%s=%s\n' "${gr_at//=/\\=}" "${gr_from//=/\\=}" >>"$grafts"
    printf '%s\0' "$2" >>"$grafts.from"
}
# places PLACE PATH: notes the files and directories that come into the image with it.
places() {
    local pl_at=$1
    while case $pl_at in *//*) : ;; *) false ;; esac; do pl_at=${pl_at//\/\//\/}; done
    pl_at=${pl_at#./}
    if [ -d "$2" ] && [ ! -L "$2" ]; then
        (cd "$2" && find . -mindepth 1 \( -type d -printf 'd%P\0' -o -printf 'f%P\0' \)) >"$TMPDIR/below"
        sed -z -n 's/^f//p' "$TMPDIR/below" | while IFS= read -r -d '' pl_each; do printf '%s\0' "$pl_at/$pl_each"; done >>"$TMPDIR/files"
        sed -z -n 's/^d//p' "$TMPDIR/below" | while IFS= read -r -d '' pl_each; do printf '%s\0' "$pl_at/$pl_each"; done >>"$TMPDIR/directories"
        printf '%s\0' "$pl_at" >>"$TMPDIR/directories"
    else
        printf '%s\0' "$pl_at" >>"$TMPDIR/files"
    fi
    while case $pl_at in */*) : ;; *) false ;; esac; do pl_at=${pl_at%/*} && printf '%s\0' "$pl_at" >>"$TMPDIR/directories"; done
}
: >"$grafts"
: >"$TMPDIR/files"
: >"$TMPDIR/directories"
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
# To xorriso the last one has the place.
twice=$({ sort -z "$TMPDIR/files" | uniq -dz; sort -zu "$TMPDIR/files" | comm -z -12 - <(sort -zu "$TMPDIR/directories"); } |
    sort -zu | tr '\0' '\n' | sed -n 1,5p)
[ -z "$twice" ] || die "contents: several have one place in the image: ${twice//$'\n'/, }"
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
