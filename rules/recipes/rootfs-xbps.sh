# A Void root filesystem into $OUT, as mkrootfs.sh makes it, but for the password that it gives root: who wants one says
# so (step.users). ARCH; KEYS: files of public keys, one a line.

mkdir -p "$root/var/db/xbps/keys" "$root/dev" "$root/proc" "$root/sys"
chmod 755 "$root"
printf '%s\n' "${KEYS:-}" | while read -r key; do
    [ -z "$key" ] || install -m 644 "$key" "$root/var/db/xbps/keys/"
done
mounted
install_closure

locales=$root/etc/default/libc-locales
[ ! -e "$locales" ] || sed -i 's/#\(en_US.UTF-8.*\)/\1/' "$locales"

# base-files first: it makes what the others' scripts need.
if [ -e "$root/var/db/xbps/.base-files-files.plist" ]; then
    if [ "$native" = yes ]; then
        for_target xbps-reconfigure --rootdir "$root" base-files
    else
        env -u TMPDIR xbps-reconfigure --rootdir "$root" base-files
    fi || die "base-files could not be configured"
    inside_tree xbps-reconfigure -f base-files || die "base-files could not be configured in the tree"
fi
configure_all
unmounted
settle_tree
