# Shared by recipes after which nothing stays in the tree at $OUT of what its package tools fetched and noted meanwhile:
# an `apt-get update` alone is 50 MB of lists.

# Where they keep lists of packages, packages, and what they did. A pattern's `*` goes through directories.
TRACES='var/lib/apt/lists/*
var/cache/apt/archives/*
var/lib/pacman/sync/*
var/cache/pacman/pkg/*
var/cache/dnf/*
var/cache/libdnf5/*
var/cache/yum/*
var/cache/xbps/*
var/db/xbps/http*
var/log/pacman.log
var/log/dnf*
var/log/hawkey.log
var/log/yum.log'

# traces DIR: notes in the new directory DIR what of that is in the tree now, by name, size and time of change.
traces() {
    mkdir "$1"
    printf '%s\n' "$TRACES" | while read -r tr_path; do
        tr_at=$(inside "$tr_path")
        tr_to=$1/$(printf '%s' "$tr_path" | tr / _)
        : >"$tr_to"
        [ ! -d "${tr_at%/*}" ] || (
            cd "${tr_at%/*}"
            find . -xdev -mindepth 1 -path "./${tr_at##*/}" \
                \( -type d -printf 'directory %p\0' -o -printf '%s/%C@ %p\0' \)
        ) | LC_ALL=C sort -z >"$tr_to"
    done
}

# remove_traces DIR: takes out what is not as `traces DIR` noted it, directories too.
remove_traces() {
    traces "$1.now"
    printf '%s\n' "$TRACES" | while read -r tr_path; do
        tr_at=$(inside "$tr_path")
        [ -d "${tr_at%/*}" ] || continue
        tr_name=$(printf '%s' "$tr_path" | tr / _)
        # What lies in a directory comes before it.
        LC_ALL=C comm -z -13 "$1/$tr_name" "$1.now/$tr_name" | sed -z 's/^[^ ]* //' | LC_ALL=C sort -zr |
            (cd "${tr_at%/*}" && xargs -0r rm -fd --)
    done
}
