# Shared by recipes that write large files: whether there is room, asked before hours are spent.

# needs_space KIB WHAT: ends the action where $OUT's file system has less.
needs_space() {
    ns_free=$(df -P -k "${OUT%/*}" | awk 'NR == 2 { print $4 }')
    [ "$ns_free" -ge "$1" ] ||
        die "no space: $2 needs $(($1 / 1024 + 1)) MiB, and $((ns_free / 1024)) MiB are free where it is made"
}

# kib PATH…: what the files and directories take, in KiB.
kib() { du -skcL -- "$@" 2>/dev/null | tail -1 | cut -f1; }
