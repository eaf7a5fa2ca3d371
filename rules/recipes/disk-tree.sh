# What a disk needs, in the tree at $OUT: lines FSTAB in etc/fstab; with GRUB, MENU and WAIT as boot/grub/grub.cfg. $KERNEL and
# $INITRD, where they are given, or what the tree $MADE has for /boot; with rpi, PARTUUID in cmdline.txt.

# put FILE: standard input as FILE of the tree, root's.
put() {
    make_directories "${1%/*}"
    pu_at=$(inside "$1")
    [ ! -L "$pu_at" ] || rm "$pu_at"
    cat >"$pu_at"
    chown 0:0 "$pu_at"
    chmod 644 "$pu_at"
}

# checked: lines of fstab. What the tree has no program to check is not checked: where systemd says so and goes on, sysvinit
# and OpenRC of Debian would stop and ask for the password of root.
checked() {
    while read -r ch_line; do
        ch_name=fsck.$(printf '%s\n' "$ch_line" | awk '{ print $3 }')
        present "sbin/$ch_name" "usr/sbin/$ch_name" "bin/$ch_name" "usr/bin/$ch_name" || ch_line="${ch_line% *} 0"
        printf '%s\n' "$ch_line"
    done
}

at=$(inside etc/fstab)
{
    # An installer's own lines for these are no longer true.
    if [ -f "$at" ] && [ ! -L "$at" ]; then
        awk -v points="$(printf '%s\n' "$FSTAB" | awk '{ printf "%s ", $2 }')" \
            'BEGIN { split(points, p); for (i in p) mine[p[i]] } !($2 in mine) || /^[[:space:]]*#/' "$at"
    fi
    printf '%s\n' "$FSTAB" | checked
} >"$TMPDIR/fstab"
put etc/fstab <"$TMPDIR/fstab"

# made: what was made for the kernels of this tree.
made() {
    for ma_file in "$MADE"/boot/*; do
        [ ! -e "$ma_file" ] || put "boot/${ma_file##*/}" <"$ma_file"
    done
}

# only WHAT FILE...: there has to be one.
only() {
    on_what=$1
    shift
    [ $# != 0 ] || die "boot: the tree has no $on_what: install one, or give kernel and initrd"
    [ $# = 1 ] || die "boot: the tree has several, so say which (kernel, initrd):" "$@"
}

# own_kernels: the kernels of the tree itself start, each with its initial RAM file system, and those that replace them.
own_kernels() {
    if [ -n "${INITRD:-}" ]; then
        # shellcheck disable=SC2046 # no name has blanks
        only 'kernel (boot/vmlinuz-<version>)' $(kernels | cut -d' ' -f1)
        put "$(initrd_name "$(kernels | cut -d' ' -f1)")" <"$INITRD"
    else
        made
    fi
    [ -n "$(kernels)" ] || die "boot: the tree has no kernel (boot/vmlinuz-<version>): install one, or give kernel and initrd"
    kernels | while read -r name _ kernel initrd; do
        if [ "$initrd" = - ]; then
            echo "boot: $kernel has no initial RAM file system, so it does not start"
        else
            link_initrd "$name" "$initrd"
        fi
    done
    # shellcheck disable=SC2143 # with -q grep would end, and `kernels` with it, in a failure
    [ -n "$(kernels | grep -v ' -$')" ] ||
        die "boot: the tree has a kernel and no initial RAM file system for it, nor what makes one:" \
            "install initramfs-tools, dracut or mkinitcpio, or give initrd"
    own_grub
}

# link_initrd NAME INITRD: where the distribution keeps links to the kernel it starts, that to what goes with it.
link_initrd() {
    for li_dir in '' boot/; do
        for li_old in '' .old; do
            li_link=$OUT/${li_dir}vmlinuz$li_old
            [ -L "$li_link" ] || continue
            case $(readlink "$li_link") in vmlinuz-"$1" | boot/vmlinuz-"$1" | /boot/vmlinuz-"$1") ;; *) continue ;; esac
            [ -L "$OUT/${li_dir}initrd.img$li_old" ] ||
                ln -s "${2#"$li_dir"}" "$OUT/${li_dir}initrd.img$li_old"
        done
    done
}

# own_grub: where the system makes GRUB's menu anew with each kernel, that one has our settings, our other entries, and ours
# beside it should an interruption spoil it.
own_grub() {
    [ -x "$OUT/usr/sbin/grub-mkconfig" ] || [ -x "$OUT/usr/bin/grub-mkconfig" ] || return 0
    grub_disk_menu | put boot/grub/fallback.cfg
    if grep -qs 'default/grub\.d' "$OUT/usr/sbin/grub-mkconfig"; then
        grub_settings | put etc/default/grub.d/imagemake.cfg
    else
        at=$(inside etc/default/grub)
        if [ -f "$at" ]; then cat "$at"; fi >"$TMPDIR/grub"
        grub_settings >>"$TMPDIR/grub"
        put etc/default/grub <"$TMPDIR/grub"
    fi
    [ "$(printf '%s\n' "$MENU" | wc -l)" = 1 ] || {
        {
            # shellcheck disable=SC2016 # the script's own
            printf '#!/bin/sh\nexec tail -n +3 "$0"\n'
            grub_kernels
            printf '%s\n' "$MENU" | tail -n +2 | while IFS='|' read -r title words; do grub_entry "$title" "$words"; done
        } | put etc/grub.d/42_imagemake
        chmod 755 "$(inside etc/grub.d/42_imagemake)"
    }
}

case $BOOT in
    grub*)
        [ ! -L "$OUT/boot" ] || die "boot: /boot is a symbolic link in the tree"
        if [ -z "${KERNEL:-}" ]; then
            own_kernels
            grub_disk_menu | put boot/grub/grub.cfg
        else
            put boot/vmlinuz <"$KERNEL"
            if [ -n "${INITRD:-}" ]; then
                put boot/initrd.img <"$INITRD"
            else
                # shellcheck disable=SC2046 # no name has blanks
                only 'initial RAM file system (boot/initrd.img-<version>)' $(kernels | cut -d' ' -f4 | grep -vx -)
                ln -sfn "$(kernels | cut -d' ' -f4 | grep -vx - | sed 's|.*/||')" "$OUT/boot/initrd.img"
            fi
            grub_menu "(\$root)/boot" | put boot/grub/grub.cfg
        fi
        ;;
    uboot)
        # Its packages make the menu; what that starts has to be there.
        made
        ;;
    rpi)
        at=$(real boot/cmdline.txt)
        [ -f "$at" ] || die "boot: the tree has no boot/cmdline.txt: install the firmware of the Raspberry Pi"
        sed "s/root=[^ ]*/root=PARTUUID=$PARTUUID/" "$at" >"$TMPDIR/cmdline"
        put boot/cmdline.txt <"$TMPDIR/cmdline"
        ;;
esac
