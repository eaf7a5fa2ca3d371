# Shared by recipes that make repositories of RPM packages.

# index_packages DIR [LISTED]: DIR/Packages as a repository, the same bytes for the same packages: an index has the times of
# files. LISTED/<kind>/<file>: what the index lists beside packages, as another repository has it.
index_packages() {
    find "$1/Packages" -type f -exec chmod 644 {} + -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    ip_from=${2:-/nonexistent} ip_to=$1
    mkdir -p "$TMPDIR/listed"
    set -- --quiet --no-database --revision "$SOURCE_DATE_EPOCH" --set-timestamp-to-revision
    for ip_file in "$ip_from"/group/*; do
        [ -f "$ip_file" ] || continue
        plain "$ip_file" >"$TMPDIR/listed/comps.xml"
        touch -d "@$SOURCE_DATE_EPOCH" "$TMPDIR/listed/comps.xml"
        set -- "$@" --groupfile "$TMPDIR/listed/comps.xml"
    done
    # Another repository may lie below.
    (cd "$ip_to" && find Packages -name '*.rpm' | LC_ALL=C sort) >"$TMPDIR/listed/packages"
    createrepo_c "$@" --pkglist "$TMPDIR/listed/packages" "$ip_to"
    for ip_file in "$ip_from"/*/*; do
        [ -f "$ip_file" ] || continue
        ip_kind=${ip_file%/*} ip_kind=${ip_kind##*/}
        [ "$ip_kind" != group ] || continue
        # modifyrepo_c compresses it again.
        ip_name=${ip_file##*/}
        case $ip_name in *.gz | *.xz | *.zst | *.bz2) ip_name=${ip_name%.*} ;; esac
        plain "$ip_file" >"$TMPDIR/listed/$ip_name"
        touch -d "@$SOURCE_DATE_EPOCH" "$TMPDIR/listed/$ip_name"
        modifyrepo_c --mdtype "$ip_kind" --compress-type gz "$TMPDIR/listed/$ip_name" "$ip_to/repodata" >/dev/null
        rm "$TMPDIR/listed/$ip_name"
    done
    # modifyrepo_c dates what it adds when it does.
    sed -i -E "s:(<timestamp>)[0-9.]*:\\1$SOURCE_DATE_EPOCH:" "$ip_to/repodata/repomd.xml"
    find "$ip_to/repodata" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# plain FILE: its text.
plain() {
    case $1 in
        *.gz) gzip -dc "$1" ;;
        *.xz) xz -dc "$1" ;;
        *.bz2) bzip2 -dc "$1" ;;
        *.zst) zstd -dcq "$1" ;;
        *) cat "$1" ;;
    esac
}
