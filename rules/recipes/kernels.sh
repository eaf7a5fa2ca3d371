# Shared by recipes that look for what a tree would start: kernels in /boot of the tree at $OUT, and the initial RAM file
# system of each, under the names that the tree's distribution has for them.

# kernels: a line for each, `NAME MODULES KERNEL INITRD`: what its file's name ends in, the version that its modules have,
# and the two files; INITRD is `-` where there is none. Rescue systems, and what an upgrade left, are no kernels.
kernels() {
    for ke_file in "$OUT"/boot/vmlinu[xz]-*; do
        [ -f "$ke_file" ] || continue
        ke_name=${ke_file##*/} ke_name=${ke_name#vmlinu[xz]-}
        case $ke_name in *[[:space:]]* | *rescue* | *.old | *.bak | *.dpkg-*) continue ;; esac
        ke_initrd=-
        for ke_try in "initrd.img-$ke_name" "initramfs-$ke_name.img" "initrd-$ke_name"; do
            [ ! -s "$OUT/boot/$ke_try" ] || { ke_initrd=boot/$ke_try && break; }
        done
        echo "$ke_name $(modules_of "$ke_name") ${ke_file#"$OUT"/} $ke_initrd"
    done
}

# modules_of NAME: the version of a kernel. Arch names its file after the package, and keeps that name beside the modules.
modules_of() {
    for mo_file in "$OUT"/usr/lib/modules/*/pkgbase; do
        if [ -f "$mo_file" ] && [ "$(cat "$mo_file")" = "$1" ]; then
            mo_version=${mo_file%/pkgbase}
            echo "${mo_version##*/}"
            return
        fi
    done
    echo "$1"
}

# initrd_name NAME: the file that the tools of the tree's distribution make for this kernel, and look for.
initrd_name() {
    if [ -e "$OUT/var/lib/dpkg/status" ]; then echo "boot/initrd.img-$1"; else echo "boot/initramfs-$1.img"; fi
}
