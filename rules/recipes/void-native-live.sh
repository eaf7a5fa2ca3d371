# What mklive.sh does to the tree at $OUT that becomes a live image: its texts, kernels that are not wanted, locale,
# services and included files, as the tree $PLAN has them of mkiso.sh. ARCH, LOCALE; $DATA: paths of issue and motd.

for file in $DATA; do
    at=$(inside "etc/${file##*/}")
    cp -T --remove-destination "$file" "$at"
    chown 0:0 "$at"
    chmod 644 "$at"
done

services="agetty-tty1 agetty-tty2 agetty-tty3 agetty-tty4 agetty-tty5 agetty-tty6 udevd"
before='' kernel=linux
while IFS= read -r word; do
    case $before in
        -S) services="$services $word" ;;
        -v) kernel=$word ;;
    esac
    before=$word
done <"$PLAN/args"
if [ "$kernel" != linux ]; then
    make_directories etc/xbps.d
    echo ignorepkg=linux >"$(inside etc/xbps.d/mklive-ignore.conf)"
fi

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
for service in $services; do
    [ -e "$OUT/etc/sv/$service" ] || [ -L "$OUT/etc/sv/$service" ] || die "there is no service $service in /etc/sv"
    ln -sfn "/etc/sv/$service" "$(inside "etc/runit/runsvdir/default/$service")"
done
(cd "$PLAN/include" && find . -mindepth 1 ! -type d | LC_ALL=C sort) | while IFS= read -r file; do
    file=${file#./}
    case $file in */*) make_directories "${file%/*}" ;; esac
    at=$(inside "$file")
    cp -PT --remove-destination "$PLAN/include/$file" "$at"
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
