# A live image by mklive.sh, told what mkiso.sh would tell it: the tree $PLAN. $HOST: packages for this machine's own
# programs, where the image is of another architecture.

needs_vfat mklive.sh
emulate
set -- -r "$work/$REPO"
[ -z "${HOST:-}" ] || set -- "$@" -r "$work/$HOST"
set -- "$@" -o image.iso -I "$work/$PLAN/include"
while IFS= read -r word; do set -- "$@" "$word"; done <"$PLAN/args"
run ./mklive.sh "$@"

iso=mklive/image.iso
[ "$(dd if="$iso" bs=1 skip=32769 count=5 2>/dev/null)" = CD001 ] ||
    die "the script reports success, but what it made is no ISO 9660 image"
xorriso -osirrox on -indev "$iso" -extract /boot/grub/efiboot.img "$TMPDIR/efiboot.img" >/dev/null 2>&1 ||
    die "the image has no boot/grub/efiboot.img"
grep -aq 'BOOT[A-Z0-9]* *EFI' "$TMPDIR/efiboot.img" ||
    die "the script reports success, but efiboot.img has no boot loader for UEFI: the image would not start"
same_packages part
mv "$iso" "$OUT"
