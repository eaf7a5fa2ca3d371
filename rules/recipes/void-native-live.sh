# What mklive.sh does to the tree at $OUT that becomes a live image: locale, shell and modules, and its own files, services
# among them, as the tree $PLAN has them. ARCH, LOCALE.

at=$(inside etc/default/libc-locales)
if [ -f "$at" ]; then
    sed "s/#\($LOCALE.*\)/\1/" "$at" >"$TMPDIR/locales"
    cat "$TMPDIR/locales" >"$at"
    if xbps-query --rootdir="$root" -p state glibc-locales >/dev/null 2>&1; then
        mounted
        inside_tree xbps-reconfigure -f glibc-locales || die "glibc-locales could not be configured"
        unmounted
    fi
fi
# /bin/sh is dash where there is one.
if xbps-query --rootdir="$root" -p state dash >/dev/null 2>&1; then
    mounted
    inside_tree xbps-alternatives -s dash || die "xbps-alternatives failed"
    unmounted
fi

make_directories etc/runit/runsvdir/default
(cd "$PLAN" && find . -mindepth 1 ! -type d | LC_ALL=C sort) | while IFS= read -r file; do
    file=${file#./}
    case $file in
        etc/runit/runsvdir/default/*)
            service=${file##*/}
            [ -e "$OUT/etc/sv/$service" ] || [ -L "$OUT/etc/sv/$service" ] || die "there is no service $service in /etc/sv"
            ;;
    esac
    case $file in */*) make_directories "${file%/*}" ;; esac
    at=$(inside "$file")
    cp -PT --preserve=mode --remove-destination "$PLAN/$file" "$at"
    chown -h 0:0 "$at"
done

find "$root/var/cache" "$root/run" -xdev -mindepth 1 -delete 2>/dev/null || :
# Without it a machine with RAID volumes does not start.
for module in "$root"/usr/lib/modules/*/kernel/drivers/md/dm-raid.ko*; do
    [ -e "$module" ] || continue
    make_directories etc/modules-load.d
    echo dm-raid >"$(inside etc/modules-load.d/dm-raid.conf)"
done
settle_tree
