# Shared by recipes that make GRUB's menu of a disk, whose kernels come and go with the system's packages. MENU: lines of
# title|command line; WAIT: seconds.

# grub_terminal: where the menu is shown.
grub_terminal() {
    cat <<'END'
if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial console
fi
END
}

# grub_kernels: sets $kernel and $initrd when the machine starts: what the links of the system lead to (linux-base keeps
# them in Debian), else the newest kernel in /boot.
grub_kernels() {
    cat <<'END'
# A kernel counts with its initial RAM file system: an upgrade that was interrupted leaves one without, or a link to nothing.
set kernel=
set initrd=
function linked {
    if [ -z "$kernel" -a -s "$1" -a -s "$2" ]; then
        set kernel="$1"
        set initrd="$2"
    fi
}
linked /vmlinuz /initrd.img
linked /boot/vmlinuz /boot/initrd.img
linked /vmlinuz.old /initrd.img.old
linked /boot/vmlinuz.old /boot/initrd.img.old
# Sets $beside to the initial RAM file system of a kernel in /boot, or to nothing.
function find_initrd {
    set beside=
    if regexp 'rescue|[.]old$|[.]bak$|[.]dpkg-' "$1"; then
        return
    fi
    if regexp --set=1:name '^/boot/vmlinu[xz]-(.*)$' "$1"; then
        for file in "/boot/initrd.img-$name" "/boot/initramfs-$name.img" "/boot/initrd-$name"; do
            if [ -z "$beside" -a -s "$1" -a -s "$file" ]; then
                set beside="$file"
            fi
        done
    fi
}
if [ -z "$kernel" ]; then
    for each in /boot/vmlinuz-* /boot/vmlinux-*; do
        find_initrd "$each"
        if [ -n "$beside" ]; then
            set newer=yes
            if [ -n "$kernel" ]; then
                if [ "$each" -ot "$kernel" ]; then
                    set newer=
                fi
            fi
            if [ -n "$newer" ]; then
                set kernel="$each"
                set initrd="$beside"
            fi
        fi
    done
fi
END
}

# grub_entry TITLE WORDS: an entry that starts that kernel.
grub_entry() {
    cat <<END
menuentry '$1' {
    linux "\$kernel" $(grub_words "$2")
    initrd "\$initrd"
}
END
}
# Each word in quotes: GRUB's shell makes nothing of them.
grub_words() { printf '%s\n' "$1" | sed "s/[^[:blank:]][^[:blank:]]*/'&'/g"; }

# grub_disk_menu: grub.cfg of a disk. What stands in MENU, and after it every kernel in /boot by its name.
grub_disk_menu() {
    grub_terminal
    gd_count=$(printf '%s\n' "$MENU" | wc -l)
    # One that cannot be loaded is not the end: the kernels by name are tried.
    printf 'set timeout=%s\nset default=0\nset fallback="%s %s"\n' "$WAIT" "$gd_count" $((gd_count + 1))
    grub_kernels
    printf '%s\n' "$MENU" | while IFS='|' read -r gd_title gd_words; do grub_entry "$gd_title" "$gd_words"; done
    cat <<END
for each in /boot/vmlinuz-* /boot/vmlinux-*; do
    find_initrd "\$each"
    if [ -n "\$beside" ]; then
        menuentry "Linux, \$name" "\$each" "\$beside" {
            linux "\$2" $(grub_words "$(printf '%s\n' "$MENU" | sed -n '1s/^[^|]*|//p')")
            initrd "\$3"
        }
    fi
done
END
}

# grub_settings: what the system's own grub-mkconfig is to know, as shell. It finds root= itself, and writes the rest down as
# it is: GRUB's shell must make nothing of it. A command line has no single quote.
grub_settings() {
    cat <<END
# From the image: its command line, and a menu on the serial console too.
GRUB_TIMEOUT=$WAIT
GRUB_CMDLINE_LINUX='$(printf '%s\n' "$MENU" | sed -n '1s/^[^|]*|//p' | sed 's/^root=[^ ]* *//; s#[^[:alnum:] _.,:=/@%+-]#\\&#g')'
GRUB_CMDLINE_LINUX_DEFAULT=
GRUB_TERMINAL='serial console'
GRUB_SERIAL_COMMAND='serial --unit=0 --speed=115200'
END
}
