# A system database of dconf in the tree at $OUT: the settings KEYS and the locks LOCKS as files called NAME in
# etc/dconf/db/DB.d, compiled with all that lies there, and in the profile PROFILE.

# put PATH TEXT: a file of root's.
put() {
    make_directories "${1%/*}"
    pu_at=$(inside "$1")
    { [ ! -e "$pu_at" ] && [ ! -L "$pu_at" ]; } || die "$1 is there already: give this step another name ({ name: … })"
    printf '%s\n' "$2" >"$pu_at"
    chmod 644 "$pu_at"
    chown 0:0 "$pu_at"
}

put "etc/dconf/db/$DB.d/$NAME" "$KEYS"
[ -z "$LOCKS" ] || put "etc/dconf/db/$DB.d/locks/$NAME" "$LOCKS"

# dconf would follow a link to this machine's files.
sources=$(dirname "$(inside "etc/dconf/db/$DB.d/x")")
links=$(find "$sources" -type l)
[ -z "$links" ] || die "etc/dconf/db/$DB.d has symbolic links, which are not compiled: $links"
dconf compile "$TMPDIR/db" "$sources" || die "the settings of the database $DB cannot be compiled"
at=$(inside "etc/dconf/db/$DB")
[ ! -d "$at" ] || die "etc/dconf/db/$DB is a directory"
rm -f "$at"
cp "$TMPDIR/db" "$at"
chmod 644 "$at"
chown 0:0 "$at"

profile=etc/dconf/profile/$PROFILE
at=$(inside "$profile")
[ ! -L "$at" ] || die "$profile is a symbolic link to $(readlink "$at")"
if [ ! -e "$at" ]; then
    put "$profile" "user-db:user
system-db:$DB"
elif ! grep -qx "[[:space:]]*system-db:${DB}[[:space:]]*" "$at"; then
    [ -z "$(tail -c 1 "$at")" ] || echo >>"$at"
    echo "system-db:$DB" >>"$at"
fi
