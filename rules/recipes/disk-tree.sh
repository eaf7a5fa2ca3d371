# What a disk needs, in the tree at $OUT: lines FSTAB in etc/fstab; with GRUB, MENU and WAIT as boot/grub/grub.cfg, and
# $KERNEL and $INITRD (or the tree's own) as boot/vmlinuz and boot/initrd.img; with rpi, PARTUUID in cmdline.txt.

# put FILE: standard input as FILE of the tree, root's.
put() {
    make_directories "${1%/*}"
    pu_at=$(inside "$1")
    [ ! -L "$pu_at" ] || rm "$pu_at"
    cat >"$pu_at"
    chown 0:0 "$pu_at"
    chmod 644 "$pu_at"
}

# known FILE NAME...: the kernel of the tree under the name the menu has.
known() {
    kn_to=$1
    shift
    [ -e "$1" ] || die "boot: the tree has no ${kn_to##*/} (boot/${kn_to##*/}-<version>): install one, or give kernel and initrd"
    [ $# = 1 ] || die "boot: the tree has several:" "$@"
    [ "${1##*/}" = "${kn_to##*/}" ] || ln -sfn "${1##*/}" "$OUT/$kn_to"
}

at=$(inside etc/fstab)
{
    # An installer's own lines for these are no longer true.
    if [ -f "$at" ] && [ ! -L "$at" ]; then
        awk -v points="$(printf '%s\n' "$FSTAB" | awk '{ printf "%s ", $2 }')" \
            'BEGIN { split(points, p); for (i in p) mine[p[i]] } !($2 in mine) || /^[[:space:]]*#/' "$at"
    fi
    printf '%s\n' "$FSTAB"
} >"$TMPDIR/fstab"
put etc/fstab <"$TMPDIR/fstab"

case $BOOT in
    grub*)
        [ ! -L "$OUT/boot" ] || die "boot: /boot is a symbolic link in the tree"
        if [ -n "${KERNEL:-}" ]; then
            put boot/vmlinuz <"$KERNEL"
        else
            set -- "$OUT"/boot/vmlinu[xz]-*
            known boot/vmlinuz "$@"
        fi
        if [ -n "${INITRD:-}" ]; then
            put boot/initrd.img <"$INITRD"
        else
            set -- "$OUT"/boot/initr[da]*-*
            [ -e "$1" ] || set -- "$OUT"/boot/initramfs*-*
            known boot/initrd.img "$@"
        fi
        grub_menu "(\$root)/boot" | put boot/grub/grub.cfg
        ;;
    rpi)
        at=$(inside boot/cmdline.txt)
        [ -f "$at" ] || die "boot: the tree has no boot/cmdline.txt: install the firmware of the Raspberry Pi"
        sed "s/root=[^ ]*/root=PARTUUID=$PARTUUID/" "$at" >"$TMPDIR/cmdline"
        put boot/cmdline.txt <"$TMPDIR/cmdline"
        ;;
esac
