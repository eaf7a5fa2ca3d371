# The contents of an installer ISO in the tree $OUT, which has menus, what comes out of packages and, for KIND full, a
# repository: install.img, arguments in the menus, .treeinfo, and the EFI image. SIGNED, BOOT_ARGUMENTS;
# GRUB: mkimage, or nothing; MENU_PATCH: a patch for GRUB's menu in the EFI image, or unset.

bios=$(real boot/isolinux/isolinux.cfg)
uefi=$(real EFI/xenserver/grub.cfg)
for file in "$bios" "$uefi"; do
    [ -f "$file" ] || die "the overlay has no ${file#"$OUT"/}"
done

# menus ARGUMENTS: these, after every path of the installer's kernel.
menus() {
    for menu in "$bios" "$OUT"/*/*/grub*.cfg; do
        ARGUMENTS=$1 perl -pi -e 's{(/vmlinuz)(?=\s|$)}{$1 $ENV{ARGUMENTS}}' "$(real "${menu#"$OUT"}")"
    done
}

cp --reflink=auto "$INSTALLIMG" "$OUT/install.img"
chmod 644 "$OUT/install.img"
[ -z "$BOOT_ARGUMENTS" ] || menus "$BOOT_ARGUMENTS"

info=$(real .treeinfo)
if [ "$KIND" = netinstall ]; then
    rm -f "$info"
    menus netinstall
else
    [ -f "$info" ] || die "the overlay has no .treeinfo, which a full image needs"
    # What the product calls itself: assignments of a shell, of which only these are read.
    branding=$(real .installer/branding)
    [ -f "$branding" ] || die "no package has a file .installer/branding, which fills .treeinfo"
    perl -e '
        my ($branding, $info) = @ARGV;
        my %value = (TIMESTAMP => "$ENV{SOURCE_DATE_EPOCH}.00");
        open my $in, "<", $branding or die;
        while (<$in>) {
            next unless /^\s*(?:export\s+)?((?:PLATFORM|PRODUCT)_\w+)=(.*?)\s*$/;
            my ($name, $text) = ($1, $2);
            $text =~ s/^(["\x27])(.*)\1$/$2/;
            $value{$name} = $text;
        }
        open $in, "<", $info or die;
        my @lines = <$in>;
        my $line = 0;
        for (@lines) {
            $line++;
            s/\@\@(\w+)\@\@/exists $value{$1} ? $value{$1} : do { print STDERR ".treeinfo:$line: nothing fills \@\@$1\@\@; the branding has @{[join q(, ), sort keys %value]}\n"; exit 1 }/ge;
        }
        open my $out, ">", $info or die;
        print $out @lines;
        close $out or die;
    ' "$branding" "$info"

    if [ -z "$SIGNED" ]; then
        # The installer looks for keys that are named even where it verifies nothing.
        sed -i 's/^key/#key/' "$info"
        menus no-repo-gpgcheck
    fi
fi

loader=$(real EFI/xenserver/grubx64.efi)
if [ "$GRUB" = mkimage ]; then
    # What menus take is built in: GRUB looks for the rest in EFI/xenserver/x86_64-efi of whatever medium it takes for its own.
    dir=$OUT/boot/grub/x86_64-efi modules=
    for module in part_gpt part_msdos part_apple iso9660 fat ext2 normal configfile search search_fs_file search_label \
        search_fs_uuid multiboot2 linux chain boot gzio all_video efi_gop efi_uga video_bochs video_cirrus serial terminal \
        test true echo sleep halt reboot; do
        [ ! -f "$dir/$module.mod" ] || modules="$modules $module"
    done
    case $modules in *' normal '*) ;; *) die "grub-efi has no usr/lib/grub/x86_64-efi/normal.mod" ;; esac
    # shellcheck disable=SC2086 # names are words
    grub-mkimage --directory "$dir" --prefix '()/EFI/xenserver' --output "$loader" --format x86_64-efi --compression auto $modules
fi
[ -f "$loader" ] || die "there is no EFI/xenserver/grubx64.efi"
chmod 644 "$loader"

# Some firmware makes the EFI image the root and not the ISO: the menu in it looks for the ISO first.
if [ -n "${MENU_PATCH:-}" ]; then
    cp "$uefi" "$TMPDIR/grub.cfg"
    patch --quiet "$TMPDIR/grub.cfg" "$MENU_PATCH" || die "grub-efiboot-cfg.patch does not fit EFI/xenserver/grub.cfg"
else
    { echo 'search --no-floppy --file --set=root /install.img'; cat "$uefi"; } >"$TMPDIR/grub.cfg"
fi
touch -d "@$SOURCE_DATE_EPOCH" "$TMPDIR/grub.cfg" "$loader"
image=$OUT/boot/efiboot.img
kib=$((($(stat -c %s "$loader") + $(stat -c %s "$TMPDIR/grub.cfg")) / 1024 + 256))
[ "$kib" -gt 2880 ] || kib=2880
# --invariant: no number and no date of this moment.
mkfs.vfat --invariant -C -n EFIBOOT "$image" $(((kib + 63) / 64 * 64)) >/dev/null
mmd -i "$image" ::/EFI ::/EFI/BOOT ::/EFI/xenserver
mcopy -m -i "$image" "$loader" ::/EFI/BOOT/BOOTX64.EFI
mcopy -m -i "$image" "$TMPDIR/grub.cfg" ::/EFI/xenserver/grub.cfg
