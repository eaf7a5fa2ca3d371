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
