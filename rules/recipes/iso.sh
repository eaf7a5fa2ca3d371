# A live image, $OUT: kernels with isolinux for BIOS (where BIOS says so) and GRUB or systemd-boot for UEFI, and CONTENTS,
# lines of a variable, the leading directory of its files that is not part of their place, = and the place. KERNELS: lines
# of two variables and a name, beside $KERNEL and $INITRD; MENUS: menus of the user's, as CONTENTS; PLAN: what
# iso-menus.mjs makes of the rest. EFI: lines of GRUB's platform, the file that firmware looks for, and systemd-boot's. LABEL,
# PUBLISHER, APPLICATION, SUMS.

mkdir -p "$top/boot/grub" "$top/.disk" "$top/EFI/BOOT"
[ -z "${KERNEL:-}" ] || { graft boot/vmlinuz "$KERNEL" && graft boot/initrd.img "$INITRD"; }
printf '%s\n' "$KERNELS" | while read -r kernel initrd name; do
    [ -n "$name" ] || continue
    eval "graft boot/$name/vmlinuz \"\$$kernel\"; graft boot/$name/initrd.img \"\$$initrd\""
done
printf '%s\n' "$CONTENTS" | while read -r name rest; do
    [ -z "$name" ] || laid "$name" "${rest%%=*}" "${rest#*=}"
done
# To xorriso the last one has the place.
twice=$({ sort -z "$TMPDIR/files" | uniq -dz; sort -zu "$TMPDIR/files" | comm -z -12 - <(sort -zu "$TMPDIR/directories"); } |
    sort -zu | tr '\0' '\n' | sed -n 1,5p)
[ -z "$twice" ] || die "contents: several have one place in the image: ${twice//$'\n'/, }"

digests() { PAIRS=$grafts.pairs TOP=$top .recipe/node .recipe/iso-sums.mjs "$@"; }
# The medium is found by what is on no other one.
id=$(digests id "$LABEL" "$PLAN")
echo "$LABEL" >"$top/.disk/$id"

needed=$(du -skc --files0-from="$grafts.from" | tail -1 | cut -f1)
needs_space $((needed + 8192)) "this image"

[ -z "$BIOS" ] || {
    mkdir "$top/isolinux"
    cp /usr/lib/ISOLINUX/isolinux.bin "$top/isolinux/"
    from=/usr/lib/syslinux/modules/bios
    case $MENUS in
        *MENU_ISOLINUX*) cp $from/*.c32 "$top/isolinux/" ;;
        *) cp $from/ldlinux.c32 $from/libcom32.c32 $from/libutil.c32 $from/menu.c32 ${SPLASH:+$from/vesamenu.c32} "$top/isolinux/" ;;
    esac
}
[ -z "$MODULES" ] || {
    mkdir -p "$top/boot/grub/fonts"
    cp /usr/share/grub/unicode.pf2 "$top/boot/grub/fonts/"
    printf '%s\n' "$EFI" | while read -r platform file loader; do
        mkdir "$top/boot/grub/$platform"
        cp "/usr/lib/grub/$platform"/*.mod "/usr/lib/grub/$platform"/*.lst "$top/boot/grub/$platform/"
    done
}
picture=
[ -z "${SPLASH:-}" ] || {
    case $(head -c 4 "$SPLASH" | od -An -tx1 | tr -d ' ') in
        89504e47) picture=splash.png ;;
        ffd8ff*) picture=splash.jpg ;;
        *) die "splash: $SPLASH is neither PNG nor JPEG" ;;
    esac
    cp -L "$SPLASH" "$top/boot/grub/$picture"
    [ -z "$BIOS" ] || cp -L "$SPLASH" "$top/isolinux/$picture"
}
printf '%s\n' "$MENUS" | while read -r name rest; do
    [ -z "$name" ] || copied "$name" "${rest%%=*}" "${rest#*=}"
done
uuid=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d-%H-%M-%S-00)
TOP=$top UUID=$uuid KNOWN=$TMPDIR/files SPLASH=$picture BIOS=$BIOS PLAN=$PLAN .recipe/node .recipe/iso-menus.mjs >"$TMPDIR/beside"

# What UEFI starts from: a FAT file system with the boot loader, and for systemd-boot with all that it loads.
fat=$TMPDIR/fat
mkdir -p "$fat/EFI/BOOT"
if [ -n "$SYSTEMD_BOOT" ]; then
    printf '%s\n' "$EFI" | while read -r platform file loader; do cp "$loader" "$top/EFI/BOOT/$file"; done
    cp -r "$top/loader" "$fat/"
    while IFS= read -r path; do
        from=$(at_place "$path")
        mkdir -p "$fat/$(dirname "$path")"
        cp -L --no-preserve=all -- "$from" "$fat/$path"
    done <"$TMPDIR/beside"
else
    cat >"$TMPDIR/early.cfg" <<END
search --no-floppy --set=root --file /.disk/$id
set prefix=(\$root)/boot/grub
configfile (\$root)/boot/grub/grub.cfg
END
    printf '%s\n' "$EFI" | while read -r platform file loader; do
        grub-mkimage -O "$platform" -o "$top/EFI/BOOT/$file" -p /boot/grub -c "$TMPDIR/early.cfg" \
            part_gpt part_msdos fat iso9660 search search_fs_file normal configfile linux serial terminal echo test all_video
    done
fi
cp "$top/EFI/BOOT"/* "$fat/EFI/BOOT/"
find "$fat" "$top" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
efi=$top/boot/grub/efi.img
# Each file takes whole clusters, and each directory one.
size=$(find "$fat" -printf '%s\n' | awk '{ kib += int($1 / 4096 + 1) * 4 } END { print kib }')
mkfs.vfat --invariant -C -n EFI "$efi" $(((size + size / 64 + 512 + 63) / 64 * 64)) >/dev/null
(cd "$fat" && find . -mindepth 1 -type d -printf '%P\n' | LC_ALL=C sort | while IFS= read -r each; do mmd -i "$efi" "::/$each"; done)
(cd "$fat" && find . -type f -printf '%P\n' | LC_ALL=C sort | while IFS= read -r each; do mcopy -m -i "$efi" "$each" "::/$each"; done)

[ -z "$SUMS" ] || {
    digests "$SUMS" >"$TMPDIR/sums"
    touch -d "@$SOURCE_DATE_EPOCH" "$TMPDIR/sums"
    mv "$TMPDIR/sums" "$top/${SUMS}sum.txt"
}

set -- -as mkisofs -quiet -o "$OUT" -V "$LABEL" -iso-level 3 -r -J -joliet-long
[ -z "$PUBLISHER" ] || set -- "$@" -publisher "$PUBLISHER"
[ -z "$APPLICATION" ] || set -- "$@" -A "$APPLICATION"
if [ -n "$BIOS" ]; then
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
