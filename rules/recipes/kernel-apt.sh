# A kernel into $OUT, unpacked and not installed: vmlinuz, lib/modules/<version> with modules.dep, and `load`, the
# modules to insert in order. From the kernel image packages in repo/; what else the closure holds is left.
# MODULES: names, blank between them, with all they depend on; or `all`.

# By section, because a metapackage may have brought the image under any name.
awk '/^Filename: / { file = $2 } /^Section: / { kernel = $2 ~ /(^|\/)kernel$/ }
    /^$/ { if (kernel) print file; kernel = 0 }' repo/Packages | while read -r deb; do
    dpkg-deb -x "repo/$deb" "$TMPDIR/kernel"
done
set -- "$TMPDIR"/kernel/boot/vmlinu[xz]-*
[ -e "$1" ] || die "none of the packages holds a kernel (boot/vmlinuz-*)"
[ $# = 1 ] || die "several packages hold a kernel: $*"
version=${1#"$TMPDIR"/kernel/boot/vmlinu[xz]-}
cp "$1" "$OUT/vmlinuz"

top=$TMPDIR/kernel
[ -d "$top/lib/modules/$version" ] || top=$top/usr
[ -d "$top/lib/modules/$version" ] || die "the package of kernel $version has no modules"
depmod -b "$top" "$version"
mkdir -p "$OUT/lib/modules"
if [ "$MODULES" = all ]; then
    : >"$OUT/load"
    mv "$top/lib/modules/$version" "$OUT/lib/modules/"
    exit
fi
mkdir "$OUT/lib/modules/$version"
for module in $MODULES; do
    # `insmod PATH` in order, or `builtin NAME`.
    modprobe -d "$top" -S "$version" -D "$module" >"$TMPDIR/depends" || die "kernel $version has no module $module"
    sed -n "s#^insmod .*/lib/modules/#lib/modules/#p" "$TMPDIR/depends" | sed 's/[[:space:]]*$//' >>"$TMPDIR/paths"
done
[ ! -e "$TMPDIR/paths" ] || awk '!seen[$0]++' "$TMPDIR/paths" >"$OUT/load"
[ -e "$OUT/load" ] || : >"$OUT/load"
while read -r path; do
    mkdir -p "$OUT/${path%/*}"
    cp "$top/$path" "$OUT/$path"
done <"$OUT/load"
cp "$top/lib/modules/$version"/modules.builtin* "$top/lib/modules/$version/modules.order" "$OUT/lib/modules/$version/"
depmod -b "$OUT" "$version"
