# The tarball $FROM as the tree $OUT, with owners by number, attributes, and nothing left out. Tarballs that were written one
# after the other into one file are all in it.

# A tree has no nodes under /dev, and root of a user namespace may make none: where that is so, they are left out by name. What
# else lies there (a file, a link) is as any other.
: >"$TMPDIR/nodes"
mknod "$TMPDIR/node" c 1 3 2>/dev/null ||
    tar --list --verbose --numeric-owner --full-time --quoting-style=escape --ignore-zeros --file="$FROM" 2>/dev/null |
    awk '/^[bc]/ { sub(/^([^ ]+ +){5}/, ""); if ($0 ~ /^(\.\/)?dev\//) print }' >"$TMPDIR/nodes" || :

# unpacked: false where an access list names somebody whom /etc/passwd and /etc/group do not have; to tar that is a
# warning.
unpacked() {
    tar --extract --file="$FROM" --directory="$OUT" --preserve-permissions --same-owner --numeric-owner \
        --acls --xattrs --xattrs-include='*' --ignore-zeros --no-wildcards --anchored --exclude-from="$TMPDIR/nodes" \
        --block-number >"$TMPDIR/blocks" 2>"$TMPDIR/said" || {
        cat "$TMPDIR/said" >&2
        die "tar failed"
    }
    cat "$TMPDIR/said" >&2
    # One that was cut off between two members is whole to tar.
    tail -n 2 "$TMPDIR/blocks" | grep '^block [0-9]*: \*\* Block of NULs \*\*$' >/dev/null ||
        die "${FROM##*/} ends without a tarball's end: it was cut off"
    ! grep -q acl_from_text "$TMPDIR/said"
}

# Who is named is one of the tarball's own, never one of this machine's.
for file in passwd group; do
    : >"$TMPDIR/$file"
    mount --bind "$TMPDIR/$file" "/etc/$file"
done
unpacked || {
    for file in passwd group; do
        at=$(inside "etc/$file")
        if [ -f "$at" ] && [ ! -L "$at" ]; then cat "$at" >"$TMPDIR/$file"; fi
    done
    find "$OUT" -xdev -mindepth 1 -delete
    unpacked || die "access lists name users or groups that the tarball's own /etc/passwd and /etc/group do not have:" \
        "$(sed -n 's/^tar: \(.*\): Warning: Cannot acl_from_text.*/\1/p' "$TMPDIR/said" | sed -n 1,3p | tr '\n' ' ')"
}

# To tar that is a warning.
loses "the file system takes no such attribute" \
    "$(sed -n "s/^tar: .*Cannot set '\(.*\)' extended attribute for file '\(.*\)': .*/\2: \1/p" "$TMPDIR/said" | LC_ALL=C sort)"
