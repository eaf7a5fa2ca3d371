# What mkimage.sh does to the tree at $OUT before it is an image: login as root over ssh, growing to the medium, and what
# PLATFORM wants. ARCH.

# edit FILE SED…: a file of the tree, if it is there; its mode and owner stay.
edit() {
    ed_at=$(inside "$1")
    shift
    [ -f "$ed_at" ] || return 0
    sed "$@" "$ed_at" >"$TMPDIR/edited"
    cmp -s "$TMPDIR/edited" "$ed_at" || cat "$TMPDIR/edited" >"$ed_at"
}
installed() { xbps-query --rootdir="$root" -p state "$1" >/dev/null 2>&1; }

# reconfigured PACKAGE: its own script once more, in the tree.
reconfigured() {
    installed "$1" || return 0
    mounted
    inside_tree xbps-reconfigure -f "$1" || die "$1 could not be configured"
    unmounted
}

edit etc/ssh/sshd_config 's|^#\(PermitRootLogin\) .*|\1 yes|g'
edit etc/default/growpart 's/#ENABLE/ENABLE/'
case $PLATFORM in
    pinebookpro*) reconfigured pinebookpro-kernel ;;
    GCP*)
        edit etc/default/grub 's:page_poison=1:page_poison=1 console=ttyS0,38400n8d:'
        make_directories etc/runit/runsvdir/default
        for service in dhcpcd sshd agetty-console nanoklogd socklog-unix GCP-Guest-Initialization GCP-accounts \
            GCP-clock-skew GCP-ip-forwarding; do
            ln -sfn "/etc/sv/$service" "$(inside "etc/runit/runsvdir/default/$service")"
        done
        # There are no terminals.
        rm -f "$(inside etc/runit/runsvdir/default)"/agetty-tty*
        edit etc/ssh/sshd_config 's:PermitRootLogin yes:PermitRootLogin no:'
        # As passwd -l does it.
        edit etc/shadow 's/^root:\([^!]\)/root:!\1/'
        ln -sfn /usr/share/zoneinfo/UTC "$(inside etc/localtime)"
        case $PLATFORM in GCP) reconfigured glibc-locales ;; esac
        # Each machine makes its own when it first starts.
        rm -f "$(inside etc/ssh)"/*key* "$(inside etc/ssh)/moduli"
        at=$(inside etc/hostname)
        rm -f "$at"
        echo void-GCE >"$at"
        chmod 644 "$at"
        ;;
esac
settle_tree
