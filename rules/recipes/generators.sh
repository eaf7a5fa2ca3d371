# Shared by recipes that make initial RAM file systems with a tree's own generator. MODULES: blank-separated; FS: the file system
# of the root that it will mount, or empty; $TMPDIR/conf: its configuration, where there is one.

# has_generator GENERATOR: whether the tree at $root has it.
has_generator() {
    case $1 in initramfs-tools) hg_program=mkinitramfs ;; *) hg_program=$1 ;; esac
    # shellcheck disable=SC2016 # for the tree's shell
    [ -n "$(PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" sh -c 'command -v "$1"' sh "$hg_program")" ]
}

# generate GENERATOR KERNEL FILE: FILE of the tree, for the version KERNEL. It must be `mounted`.
generate() {
    case $1 in
        initramfs-tools)
            # It would leave out in silence what it does not find.
            for ge_module in $MODULES; do
                inside_tree modprobe --quiet --set-version "$2" --show-depends "$ge_module" >/dev/null ||
                    die "kernel $2 has no module $ge_module"
            done
            # A copy of its configuration, so that the tree's is not touched.
            [ -d "$root/tmp/conf" ] || {
                mkdir "$root/tmp/conf"
                cp -a "$root/etc/initramfs-tools/." "$root/tmp/conf/"
                [ ! -e "$TMPDIR/conf" ] || cp "$TMPDIR/conf" "$root/tmp/conf/initramfs.conf"
                # shellcheck disable=SC2086 # words
                printf '%s\n' $MODULES >>"$root/tmp/conf/modules"
                # What checks it goes with it; there is no device here to ask.
                [ -z "$FS" ] || echo "FSTYPE=$FS" >>"$root/tmp/conf/initramfs.conf"
            }
            inside_tree mkinitramfs -d /tmp/conf -c zstd -o "$3" "$2" || die "mkinitramfs failed"
            ;;
        dracut)
            ge_kernel=$2 ge_file=$3
            set -- --no-hostonly --reproducible --xz
            # It says so, and goes on.
            for ge_module in $MODULES; do
                ls -d "$root/usr/lib/dracut/modules.d"/[0-9][0-9]"$ge_module" >/dev/null 2>&1 ||
                    die "dracut has no module $ge_module in the tree (usr/lib/dracut/modules.d)"
            done
            [ ! -e "$TMPDIR/conf" ] || { cp "$TMPDIR/conf" "$root/tmp/conf" && set -- "$@" --conf /tmp/conf; }
            [ -z "$MODULES" ] || set -- "$@" --force-add "$MODULES"
            inside_tree dracut "$@" "$ge_file" "$ge_kernel" || die "dracut failed"
            ;;
        mkinitcpio)
            ge_kernel=$2 ge_file=$3
            set -- --kernel "$ge_kernel" --generate "$ge_file"
            [ ! -e "$TMPDIR/conf" ] || { cp "$TMPDIR/conf" "$root/tmp/conf" && set -- "$@" --config /tmp/conf; }
            inside_tree mkinitcpio "$@" || die "mkinitcpio failed"
            ;;
    esac
}
