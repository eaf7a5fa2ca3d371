# The packages of a live image, as mkiso.sh and mklive.sh of the checkout $1 have them: live architecture $2 ("host":
# what mklive.sh needs itself), flavour $3, boards $4; $5: `all`, or alone what the `image` holds, or `initramfs`, what
# is there while its initrd is made. Prints names.

mklive=$1 live=$2 flavor=$3 boards=$4 part=$5
for script in lib.sh mkiso.sh mklive.sh installer.sh; do
    [ -r "$mklive/$script" ] || {
        echo "no $mklive/$script: the option mklive of preset.voidLinux says where a checkout of void-mklive is" >&2
        exit 1
    }
done
# One line each, near the top of the script.
eval "$(grep -E '^(REQUIRED_PKGS|TARGET_PKGS|INITRAMFS_PKGS|PACKAGE_LIST)=\([^()$`]*\)$' "$mklive/mklive.sh")"
if [ "$live" = host ]; then
    printf '%s\n' "${REQUIRED_PKGS[@]}"
    exit
fi
if [ "$part" = initramfs ]; then
    printf '%s\n' "${INITRAMFS_PKGS[@]}"
    exit
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp -p "$mklive/lib.sh" "$mklive/mkiso.sh" "$mklive/installer.sh" "$dir"
echo 0 >"$dir/version"
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >args\n' >"$dir/mklive.sh"
chmod 755 "$dir"/*.sh
(cd "$dir" && TMPDIR=$dir MKLIVE_REV=0 ./mkiso.sh -t "$live-00000000-$flavor") >&2
kernel=linux before=
while IFS= read -r word; do
    case $before in
        -p)
            # shellcheck disable=SC2086 # words
            printf '%s\n' $word
            ;;
        -v) kernel=$word ;;
    esac
    before=$word
done <"$dir/args"
printf '%s\n' base-system "${PACKAGE_LIST[@]}" "$kernel"
case $kernel in linux) ;; *) echo linux-base ;; esac
if [ "$part" = all ]; then
    printf '%s\n' "${REQUIRED_PKGS[@]}" "${TARGET_PKGS[@]}" "${INITRAMFS_PKGS[@]}"
    case $live in
        x86_64* | i686*) printf '%s\n' syslinux grub-i386-efi grub-x86_64-efi memtest86+ ;;
        *) echo grub-arm64-efi ;;
    esac
fi
for board in $boards; do
    (
        PLATFORM_PKGS=()
        # shellcheck source=/dev/null # the checkout's
        . "$mklive/platforms/$board.sh"
        [ ${#PLATFORM_PKGS[@]} -eq 0 ] || printf '%s\n' "${PLATFORM_PKGS[@]}"
    )
done
