# What a TFTP server serves, as one tarball, as mknet.sh makes it: the kernel of $FROM and $INITRD with PXELINUX.
# MENU: its configuration, in which @@NAME@@ is filled in; SPLASH: a picture, or empty. ARCH, CMDLINE, KEYMAP, FORMAT.

top=$TMPDIR/tftp
kernel=$(ls "$FROM/usr/lib/modules/")
mkdir -p "$top/pxelinux.cfg"
cp "$INITRD" "$top/initrd"
# from PATH: a file of the tree, wherever links in it lead.
from() { OUT=$FROM real "$1"; }
cp "$(from "boot/vmlinuz-$kernel")" "$top/vmlinuz"
for program in pxelinux.0 ldlinux.c32 libcom32.c32 vesamenu.c32 libutil.c32 chain.c32; do
    cp "$(from "usr/lib/syslinux/$program")" "$top/$program" || die "the package syslinux has no $program"
done
splash=
[ -z "${SPLASH:-}" ] || { splash=${SPLASH##*/}; cp "$SPLASH" "$top/"; }
quoted() { printf '%s' "$1" | sed 's/[|&\\]/\\&/g'; }
sed -e "s|@@SPLASHIMAGE@@|$(quoted "$splash")|" -e "s|@@KERNVER@@|$(quoted "$kernel")|" -e "s|@@KEYMAP@@|$KEYMAP|" \
    -e "s|@@ARCH@@|$ARCH|" -e 's|@@LOCALE@@|en_US.UTF-8|' -e 's|@@BOOT_TITLE@@|Void Linux|' \
    -e "s|@@BOOT_CMDLINE@@|$(quoted "$CMDLINE")|" "$MENU" >"$top/pxelinux.cfg/default"
find "$top" -type d -exec chmod 755 {} + -o -exec chmod 644 {} +
chown -R 0:0 "$top"
find "$top" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

# pack.sh follows.
TREE=$top
