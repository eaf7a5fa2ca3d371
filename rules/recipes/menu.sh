# Shared by recipes that write a boot menu. MENU: lines of title|command line; WAIT: seconds.

# grub_menu ROOT: grub.cfg; kernel and initrd lie in ROOT, which may begin with a device.
grub_menu() {
    cat <<END
if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial console
fi
set timeout=$WAIT
set default=0
END
    printf '%s\n' "$MENU" | while IFS='|' read -r gm_title gm_words; do
        # Each word in quotes: GRUB's shell makes nothing of them.
        gm_words=$(printf '%s\n' "$gm_words" | sed "s/[^[:blank:]][^[:blank:]]*/'&'/g")
        cat <<END
menuentry '$gm_title' {
    linux $1/vmlinuz $gm_words
    initrd $1/initrd.img
}
END
    done
}

# syslinux_menu ROOT: isolinux.cfg or syslinux.cfg. SERIAL has to be the first line.
syslinux_menu() {
    echo "SERIAL 0 115200"
    if [ "$(printf '%s\n' "$MENU" | wc -l)" -gt 1 ]; then echo "UI menu.c32"; fi
    # Tenths of a second; 0 would wait for ever.
    if [ "$WAIT" = 0 ]; then echo "TIMEOUT 1"; else echo "TIMEOUT ${WAIT}0"; fi
    echo "PROMPT 0"
    sm_i=0
    printf '%s\n' "$MENU" | while IFS='|' read -r sm_title sm_words; do
        [ $sm_i != 0 ] || echo "DEFAULT entry0"
        cat <<END
LABEL entry$sm_i
 MENU LABEL $sm_title
 KERNEL $1/vmlinuz
 INITRD $1/initrd.img
 APPEND $sm_words
END
        sm_i=$((sm_i + 1))
    done
}
