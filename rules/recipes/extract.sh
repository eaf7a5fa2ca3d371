# Files out of the tree $TREE. PATHS: lines of a variable, which holds the file to write, and a path in the tree that
# may be a pattern. Links are followed as if the tree were /, so that none leads to a file of this machine.

OUT=$TREE

# matches PATTERN: the paths that it stands for, one a line.
matches() {
    ma_dir=${1%/*}
    [ "$ma_dir" != "$1" ] || ma_dir=
    case $ma_dir in *[*?[]*) die "$1: only the last name of a path can be a pattern" ;; esac
    ma_at=$(inside "$ma_dir/x")
    (
        cd "${ma_at%/x}" 2>/dev/null || exit 0
        IFS=
        for ma_name in ${1##*/}; do
            [ -e "$ma_name" ] || [ -L "$ma_name" ] || continue
            printf '%s\n' "$ma_dir/$ma_name"
        done
    )
}

printf '%s\n' "$PATHS" | while read -r variable path; do
    found=$(matches "/${path#/}")
    [ -n "$found" ] || die "$path: there is no such file in the tree"
    case $found in *"
"*) die "$path: several files match: ${found//$'\n'/ }" ;; esac
    file=$(real "$found")
    [ -f "$file" ] || die "$path: not a file"
    to=${!variable}
    cp --reflink=auto "$file" "$to"
    if [ -x "$file" ]; then chmod 755 "$to"; else chmod 644 "$to"; fi
done
