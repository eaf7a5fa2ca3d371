# What a TFTP server serves, as one tarball: $KERNEL/vmlinuz and $INITRD/initrd.img with PXELINUX for BIOS
# (pxelinux.0) and GRUB for UEFI (bootx64.efi). CMDLINE: the kernel's command line. FORMAT: tar.gz, ….

top=$TMPDIR/tftp
mkdir -p "$top/pxelinux.cfg" "$top/boot/grub"
cp "$KERNEL/vmlinuz" "$INITRD/initrd.img" "$top/"
cp /usr/lib/PXELINUX/pxelinux.0 /usr/lib/syslinux/modules/bios/ldlinux.c32 "$top/"
# SERIAL has to be the first line.
cat >"$top/pxelinux.cfg/default" <<END
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
 KERNEL vmlinuz
 INITRD initrd.img
 APPEND $CMDLINE
END
grub-mkimage -O x86_64-efi -o "$top/bootx64.efi" -p '(tftp)/boot/grub' \
    tftp net efinet normal configfile linux serial terminal echo all_video
# Each word in quotes: GRUB's shell makes nothing of them.
words=$(printf '%s\n' "$CMDLINE" | sed "s/[^[:blank:]][^[:blank:]]*/'&'/g")
cat >"$top/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
menuentry linux {
 linux /vmlinuz $words
 initrd /initrd.img
}
END
find "$top" -type d -exec chmod 755 {} + -o -exec chmod 644 {} +
chown -R 0:0 "$top"
find "$top" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

# pack.sh follows.
TREE=$top
